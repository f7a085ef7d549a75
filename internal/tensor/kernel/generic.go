package kernel

import "math"

// The definitions of the kernels. They know nothing of instruction sets; the assembly is tested against them.

// lanes is the number of partial sums of a reduction: element i goes to sum i%lanes. It is a constant of the definition, not
// of the machine: AVX2 keeps two vectors where AVX-512 keeps one.
const lanes = 16

// tree adds the partial sums: halves onto halves.
func tree[T float32 | float64](s *[lanes]T) T {
	for h := lanes / 2; h > 0; h /= 2 {
		for l := range h {
			s[l] += s[l+h]
		}
	}
	return s[0]
}

func dotsGeneric(dst, q, k []float32, stride int) {
	for j := range dst {
		var s [lanes]float32
		row := k[j*stride:][:len(q)]
		for i, v := range q {
			s[i%lanes] += v * row[i]
		}
		dst[j] = tree(&s)
	}
}

func axpyGeneric(alpha float32, x, y []float32) {
	for i, v := range x {
		y[i] += alpha * v
	}
}

func axpysGeneric(y, w, x []float32, stride int) {
	for j, a := range w {
		row := x[j*stride:][:len(y)]
		for i, v := range row {
			y[i] += a * v
		}
	}
}

// maximumGeneric returns the greatest element of x, -Inf when there is none. NaNs are passed over.
func maximumGeneric(x []float32) float32 {
	most := float32(math.Inf(-1))
	for _, v := range x {
		if v > most {
			most = v
		}
	}
	return most
}

// expSumGeneric sets dst[i] = e^(alpha*(x[i]-shift)) and returns the sum of dst.
func expSumGeneric(dst, x []float32, shift, alpha float32) float32 {
	var s [lanes]float32
	for i, v := range x {
		dst[i] = float32(math.Exp(float64(alpha * (v - shift))))
		s[i%lanes] += dst[i]
	}
	return tree(&s)
}

func addGeneric(dst, a, b []float32) {
	for i, v := range a {
		dst[i] = v + b[i]
	}
}

func mulGeneric(dst, a, b []float32) {
	for i, v := range a {
		dst[i] = v * b[i]
	}
}

func mulAddGeneric(dst, a, b []float32) {
	for i, v := range a {
		dst[i] += v * b[i]
	}
}

func scaleGeneric(dst []float32, alpha float32, x []float32) {
	for i, v := range x {
		dst[i] = alpha * v
	}
}

// softmaxAgainGeneric replaces x by p[i] = e^(alpha*(x[i]-shift))*inv, a softmax whose greatest element and sum are known, and ds, the
// gradient of p, by that of x, given mean, the sum over i of p[i]*ds[i].
func softmaxAgainGeneric(x, ds []float32, shift, inv, mean, alpha float32) {
	for i, v := range x {
		p := float32(math.Exp(float64(alpha*(v-shift)))) * inv
		x[i] = p
		ds[i] = alpha * p * (ds[i] - mean)
	}
}

// With e = e^(-2|x|), tanh |x| = (1-e)/(1+e) has the derivative 4e/(1+e)^2.
func tanhGeneric(y, slope, x []float32) {
	for i, v := range x {
		e := math.Exp(-2 * math.Abs(float64(v)))
		slope[i] = float32(4 * e / ((1 + e) * (1 + e)))
		y[i] = float32(math.Tanh(float64(v)))
	}
}

func geluGeneric(y, slope, x []float32) {
	for i, w := range x {
		v := float64(w)
		cdf := math.Erfc(-v/math.Sqrt2) / 2 // Erfc keeps its precision in the left tail
		slope[i] = float32(cdf + v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi))
		y[i] = float32(v * cdf)
	}
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func rmsNormGeneric(y, x, w, inv []float32, eps float32) {
	n := len(w)
	for r := range inv {
		ys, xs := y[r*n:][:n], x[r*n:][:n]
		var squares [lanes]float32
		for i, v := range xs {
			squares[i%lanes] += v * v
		}
		inv[r] = 1 / sqrt(tree(&squares)/float32(n)+eps)
		for i, v := range xs {
			ys[i] = v * inv[r] * w[i]
		}
	}
}

func rmsNormBackwardGeneric(dx, dw, dy, x, w, inv []float32) {
	n := len(w)
	for r, scale := range inv {
		dys, xs := dy[r*n:][:n], x[r*n:][:n]
		var sum [lanes]float32 // of norm*w*dy
		for i, d := range dys {
			norm := xs[i] * scale
			sum[i%lanes] += norm * (w[i] * d)
			dw[i] += norm * d
		}
		if dx == nil {
			continue
		}
		along, dxs := tree(&sum)/float32(n), dx[r*n:][:n]
		for i, d := range dys {
			dxs[i] += scale * (w[i]*d - xs[i]*scale*along)
		}
	}
}

func layerNormGeneric(y, x, w, b, means, inv []float32, eps float32) {
	n := len(w)
	for r := range inv {
		ys, xs := y[r*n:][:n], x[r*n:][:n]
		var sum, rests, squares [lanes]float32
		for i, v := range xs {
			sum[i%lanes] += v
		}
		about := tree(&sum) / float32(n)
		for i, v := range xs {
			d := v - about
			rests[i%lanes] += d
			squares[i%lanes] += d * d
		}
		rest := tree(&rests) / float32(n)
		variance := max(0, tree(&squares)/float32(n)-float32(rest*rest))
		means[r], inv[r] = about+rest, 1/sqrt(variance+eps)
		for i, v := range xs {
			ys[i] = (v-means[r])*inv[r]*w[i] + b[i]
		}
	}
}

func layerNormBackwardGeneric(dx, dw, db, dy, x, w, means, inv []float32) {
	n := len(w)
	for r, scale := range inv {
		dys, xs := dy[r*n:][:n], x[r*n:][:n]
		var sum, sumNorm [lanes]float32 // of w*dy, and of norm*w*dy
		for i, d := range dys {
			norm := (xs[i] - means[r]) * scale
			sum[i%lanes] += w[i] * d
			sumNorm[i%lanes] += norm * (w[i] * d)
			dw[i] += norm * d
			db[i] += d
		}
		if dx == nil {
			continue
		}
		mean, along, dxs := tree(&sum)/float32(n), tree(&sumNorm)/float32(n), dx[r*n:][:n]
		for i, d := range dys {
			norm := (xs[i] - means[r]) * scale
			dxs[i] += scale * (w[i]*d - mean - norm*along)
		}
	}
}

func ropeGeneric(x, cos, sin []float32, sign float32) {
	half := len(cos)
	for h := 0; h < len(x); h += 2 * half {
		for j, c := range cos {
			s, a, b := sign*sin[j], x[h+j], x[h+half+j]
			x[h+j], x[h+half+j] = a*c-b*s, b*c+a*s
		}
	}
}

func onePlusExpNeg(x float32) float32 { return 1 + float32(math.Exp(float64(-x))) }

func swigluGeneric(dst, gate, up []float32) {
	for i, g := range gate {
		dst[i] = g / onePlusExpNeg(g) * up[i]
	}
}

// d silu(g)/dg = s + g s (1-s) with s = 1/(1+e^-g).
func swigluBackwardGeneric(dgate, dup, dy, gate, up []float32, accumulate bool) {
	if !accumulate {
		clear(dgate)
		clear(dup)
	}
	for i, g := range gate {
		s := 1 / onePlusExpNeg(g)
		silu := g * s
		dgate[i] += dy[i] * up[i] * (s + silu*(1-s))
		dup[i] += dy[i] * silu
	}
}

// decay = lr*wd, a1 = 1-b1, a2 = 1-b2, step = lr/c1, rc2 = 1/c2. The conversions keep the compiler from fusing a product into
// a sum (it would on arm64).
func adamwGeneric(p, g, m, v []float32, gscale, decay, b1, a1, b2, a2, step, rc2, eps float32) {
	for i := range p {
		gi := gscale * g[i]
		m[i] = float32(b1*m[i]) + float32(a1*gi)
		v[i] = float32(b2*v[i]) + float32(a2*float32(gi*gi))
		root := sqrt(v[i] * rc2)
		p[i] -= float32(decay * p[i])
		p[i] -= float32(step*m[i]) / (root + eps)
	}
}

func sumSquaresGeneric(x []float32) float64 {
	var s [lanes]float64
	for i, v := range x {
		s[i%lanes] += float64(v) * float64(v)
	}
	return tree(&s)
}

// tileGeneric adds to a tile of C (or to 0, unless load) the product of rows rows of A and a packed panel of B that is
// genericCols wide. A's element (i,p) is a[i*rs+p*cs], C's rows lie ldc apart, and only cols columns of C are used.
func tileGeneric(rows, k int, a []float32, rs, cs int, b, c []float32, ldc, cols int, load bool) {
	for i := range rows {
		var s [genericCols]float32
		row := c[i*ldc:][:cols]
		if load {
			copy(s[:], row)
		}
		s0, s1, s2, s3, s4, s5, s6, s7 := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
		for p := range k {
			x, v := a[i*rs+p*cs], (*[genericCols]float32)(b[p*genericCols:])
			s0 += x * v[0]
			s1 += x * v[1]
			s2 += x * v[2]
			s3 += x * v[3]
			s4 += x * v[4]
			s5 += x * v[5]
			s6 += x * v[6]
			s7 += x * v[7]
		}
		s = [...]float32{s0, s1, s2, s3, s4, s5, s6, s7}
		copy(row, s[:])
	}
}

// roundedGeneric is tileGeneric for factors that are rounded to bfloat16. Their product is exact in float64. The sum may not be,
// but its rounding does not change what it is rounded to next: the two numbers would have to be so far apart that the larger,
// which float32 holds exactly, remains.
func roundedGeneric(rows, k int, a []float32, rs, cs int, b, c []float32, ldc, cols int, load bool) {
	for i := range rows {
		var s [genericCols]float32
		row := c[i*ldc:][:cols]
		if load {
			copy(s[:], row)
		}
		for p := range k {
			p ^= 1
			x := float64(flush(a[i*rs+p*cs]))
			for j, v := range b[p*genericCols:][:genericCols] {
				s[j] = roundFlush(float64(flush(s[j])) + x*float64(flush(v)))
			}
		}
		copy(row, s[:])
	}
}

// flush is x, or 0 with its sign if it is subnormal.
func flush(x float32) float32 {
	if math.Float32bits(x)&0x7F800000 == 0 {
		return math.Float32frombits(math.Float32bits(x) & (1 << 31))
	}
	return x
}

// roundFlush rounds x to float32, or to 0 with its sign if it remained below the least normal number with an exponent of any size.
func roundFlush(x float64) float32 {
	const least = 0x1p-126 - 0x1p-151 // rounds to 0x1p-126
	if math.Abs(x) < least {
		return float32(math.Copysign(0, x))
	}
	return float32(x)
}

// genericCols is the width of tileGeneric: as many sums as registers hold.
const genericCols = 8

// transposeGeneric sets dst[p*width+i] = src[i*stride+p] for rows rows i of n elements p.
func transposeGeneric(dst []float32, width int, src []float32, stride, rows, n int) {
	for i := range rows {
		for p, v := range src[i*stride:][:n] {
			dst[p*width+i] = v
		}
	}
}

// copyRowsGeneric copies the first cols elements of n rows, stride apart in src, into rows of genericCols that follow each other
// in dst, filled up with zeros.
func copyRowsGeneric(dst, src []float32, stride, cols, n int) {
	for i := range n {
		row := dst[i*genericCols:][:genericCols]
		clear(row[copy(row, src[i*stride:][:cols]):])
	}
}
