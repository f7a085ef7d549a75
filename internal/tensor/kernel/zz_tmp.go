package kernel

import "math"

func Add(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}
func Mul(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}
func MulAdd(dst, a, b []float32) {
	for i := range dst {
		dst[i] += a[i] * b[i]
	}
}
func Scale(dst []float32, alpha float32, x []float32) {
	for i := range dst {
		dst[i] = alpha * x[i]
	}
}
func Tanh(y, slope, x []float32) {
	for i, v := range x {
		t := math.Tanh(float64(v))
		y[i] = float32(t)
		if slope != nil {
			slope[i] = float32(1 - t*t)
		}
	}
}
func GELU(y, slope, x []float32) {
	for i, w := range x {
		v := float64(w)
		cdf := math.Erfc(-v/math.Sqrt2) / 2 // Erfc keeps its precision in the left tail
		y[i] = float32(v * cdf)
		if slope != nil {
			slope[i] = float32(cdf + v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi))
		}
	}
}
func RMSNorm(y, x, w, inv []float32, eps float32) {
	C := len(w)
	for g := range inv {
		xs, ys := x[g*C:(g+1)*C], y[g*C:(g+1)*C]
		inv[g] = float32(1 / math.Sqrt(float64(Dot(xs, xs))/float64(C)+float64(eps)))
		for i, v := range xs {
			ys[i] = v * inv[g] * w[i]
		}
	}
}
func RMSNormBackward(dx, dw, dy, x, w, inv []float32) {
	C := len(w)
	for g, s := range inv {
		xs, dys := x[g*C:(g+1)*C], dy[g*C:(g+1)*C]
		if dx != nil {
			dxs := dx[g*C : (g+1)*C]
			var m float32 // mean of x̂·w·dy, x̂ being the normalised input
			for i, dy := range dys {
				m += xs[i] * s * w[i] * dy
			}
			m /= float32(C)
			for i, dy := range dys {
				dxs[i] += s * (w[i]*dy - xs[i]*s*m)
			}
		}
		if dw != nil {
			for i, dy := range dys {
				dw[i] += xs[i] * s * dy
			}
		}
	}
}
func LayerNorm(y, x, w, b, means, inv []float32, eps float32) {
	C := len(w)
	for g := range inv {
		xs, ys := x[g*C:(g+1)*C], y[g*C:(g+1)*C]
		var mean, variance float64
		for _, v := range xs {
			mean += float64(v)
		}
		mean /= float64(C)
		for _, v := range xs {
			variance += (float64(v) - mean) * (float64(v) - mean)
		}
		s := 1 / math.Sqrt(variance/float64(C)+float64(eps))
		inv[g], means[g] = float32(s), float32(mean)
		for i, v := range xs {
			ys[i] = (v-means[g])*inv[g]*w[i] + b[i]
		}
	}
}
func LayerNormBackward(dx, dw, db, dy, x, w, means, inv []float32) {
	C := len(w)
	for g, s := range inv {
		xs, dys := x[g*C:(g+1)*C], dy[g*C:(g+1)*C]
		var mean, along float32 // of w·dy, and of w·dy·norm
		for i, dy := range dys {
			n := (xs[i] - means[g]) * s
			mean += w[i] * dy
			along += w[i] * dy * n
			dw[i] += dy * n
			db[i] += dy
		}
		mean, along = mean/float32(C), along/float32(C)
		if dx != nil {
			dxs := dx[g*C : (g+1)*C]
			for i, dy := range dys {
				n := (xs[i] - means[g]) * s
				dxs[i] += s * (w[i]*dy - mean - n*along)
			}
		}
	}
}
func Rope(x, cos, sin []float32, sign float32) {
	half := len(cos)
	for h := 0; h < len(x); h += 2 * half {
		for j, c := range cos {
			s := sign * sin[j]
			a, b := x[h+j], x[h+half+j]
			x[h+j], x[h+half+j] = a*c-b*s, b*c+a*s
		}
	}
}
func SoftmaxScaled(x []float32, scale float32) float32 {
	for i := range x {
		x[i] *= scale
	}
	return Softmax(x)
}
func SoftmaxBackward(ds, p []float32, mean, scale float32) {
	for i := range ds {
		ds[i] = scale * p[i] * (ds[i] - mean)
	}
}
func Floats(n int) []float32 { return make([]float32, n) }
