package tensor_test

import (
	"math"
	"slices"

	"nfcot/internal/tensor"
)

// The definitions of the operations, in float64 and without any cleverness.
// They know nothing of gradients.

// rows are the rows of a matrix.
type rows = [][]float64

func wide(x *tensor.Tensor) rows {
	y := make(rows, x.Rows())
	for r := range y {
		for _, v := range x.Row(r) {
			y[r] = append(y[r], float64(v))
		}
	}
	return y
}

// each applies f to the elements of its arguments.
func each(f func(v ...float64) float64, xs ...rows) rows {
	y := make(rows, len(xs[0]))
	for r := range y {
		for c := range xs[0][r] {
			var v []float64
			for _, x := range xs {
				v = append(v, x[r][c])
			}
			y[r] = append(y[r], f(v...))
		}
	}
	return y
}

// sumCols adds up the columns of each row.
func sumCols(x rows) rows {
	var y rows
	for _, row := range x {
		var s float64
		for _, v := range row {
			s += v
		}
		y = append(y, []float64{s})
	}
	return y
}

func sumAll(x rows) rows {
	var all []float64
	for _, row := range x {
		all = append(all, row...)
	}
	return sumCols(rows{all})
}

func linear(x, w rows, b []float64) rows {
	y := make(rows, len(x))
	for r := range x {
		for o := range w {
			s := 0.0
			for i := range w[o] {
				s += x[r][i] * w[o][i]
			}
			if b != nil {
				s += b[o]
			}
			y[r] = append(y[r], s)
		}
	}
	return y
}

func gather(x rows, idx []int) rows {
	var y rows
	for _, i := range idx {
		row := make([]float64, len(x[0]))
		if i >= 0 {
			copy(row, x[i])
		}
		y = append(y, row)
	}
	return y
}

func sumBy(x rows, owner []int, n int) rows {
	y := make(rows, n)
	for o := range y {
		y[o] = make([]float64, len(x[0]))
		for r := range x {
			if owner[r] == o {
				for c, v := range x[r] {
					y[o][c] += v
				}
			}
		}
	}
	return y
}

// beside puts the columns of b beside those of a.
func beside(a, b rows) rows {
	var y rows
	for r := range a {
		y = append(y, slices.Concat(a[r], b[r]))
	}
	return y
}

// columns returns columns from..to of x.
func columns(x rows, from, to int) rows {
	var y rows
	for _, row := range x {
		y = append(y, row[from:to])
	}
	return y
}

func rmsNorm(x rows, w []float64, eps float64) rows {
	var y rows
	for _, row := range x {
		var out []float64
		for head := range len(row) / len(w) {
			group, squares := row[head*len(w):(head+1)*len(w)], 0.0
			for _, v := range group {
				squares += v * v
			}
			for i, v := range group {
				out = append(out, v/math.Sqrt(squares/float64(len(w))+eps)*w[i])
			}
		}
		y = append(y, out)
	}
	return y
}

func layerNorm(x rows, w, b []float64, eps float64) rows {
	var y rows
	for _, row := range x {
		n, mean, variance := float64(len(row)), 0.0, 0.0
		for _, v := range row {
			mean += v / n
		}
		for _, v := range row {
			variance += (v - mean) * (v - mean) / n
		}
		var out []float64
		for i, v := range row {
			out = append(out, (v-mean)/math.Sqrt(variance+eps)*w[i]+b[i])
		}
		y = append(y, out)
	}
	return y
}

func rope(x rows, pos []int, hd int, theta float64) rows {
	y := each(func(v ...float64) float64 { return v[0] }, x)
	for r := range x {
		for h := 0; h < len(x[r]); h += hd {
			for j := range hd / 2 {
				a, b := x[r][h+j], x[r][h+j+hd/2]
				sin, cos := math.Sincos(float64(pos[r]) * math.Pow(theta, -2*float64(j)/float64(hd)))
				y[r][h+j], y[r][h+j+hd/2] = a*cos-b*sin, b*cos+a*sin
			}
		}
	}
	return y
}

func softmax(x []float64) []float64 {
	most, sum := math.Inf(-1), 0.0
	for _, v := range x {
		most = max(most, v)
	}
	p := make([]float64, len(x))
	for i, v := range x {
		p[i] = math.Exp(v - most)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func attention(q, k, v rows, see []tensor.Span, hd int) rows {
	group := len(q[0]) / len(k[0])
	y := make(rows, len(q))
	for r, s := range see {
		y[r] = make([]float64, len(q[r]))
		for h := range len(q[r]) / hd {
			kv := h / group * hd
			scores := make([]float64, s.To-s.From)
			for j := range scores {
				for i := range hd {
					scores[j] += q[r][h*hd+i] * k[s.From+j][kv+i] / math.Sqrt(float64(hd))
				}
			}
			for j, p := range softmax(scores) {
				for i := range hd {
					y[r][h*hd+i] += p * v[s.From+j][kv+i]
				}
			}
		}
	}
	return y
}

func categoricalLogProb(logits rows, target []int) rows {
	var y rows
	for r, id := range target {
		logp := 0.0
		if id >= 0 {
			logp = math.Log(softmax(logits[r])[id])
		}
		y = append(y, []float64{logp})
	}
	return y
}

func gaussianLogProb(x, mu, logSigma rows, noise float64) rows {
	return sumCols(each(func(v ...float64) float64 {
		sigma := math.Exp(v[2])
		return -((v[0]-v[1])*(v[0]-v[1])+noise*noise)/(2*sigma*sigma) - math.Log(sigma*math.Sqrt(2*math.Pi))
	}, x, mu, logSigma))
}

func gaussianMixtureLogProb(x, mu, logSigma, logits rows, noise float64) rows {
	D := len(x[0])
	y := make(rows, len(x))
	for r := range x {
		var mass, weights float64
		for m, l := range logits[r] {
			weights += math.Exp(l)
			mass += math.Exp(l + gaussianLogProb(rows{x[r]}, rows{mu[r][m*D : (m+1)*D]}, rows{logSigma[r]}, noise)[0][0])
		}
		y[r] = []float64{math.Log(mass / weights)}
	}
	return y
}

// cayley is in closed form, of matrices [3, 3]: A v' = v x v' of a vector v.
func cayley(p rows) rows {
	v := []float64{p[2][1] - p[1][2], p[0][2] - p[2][0], p[1][0] - p[0][1]}
	n := v[0]*v[0] + v[1]*v[1] + v[2]*v[2]
	y := rows{{1 - n, 2 * v[2], -2 * v[1]}, {-2 * v[2], 1 - n, 2 * v[0]}, {2 * v[1], -2 * v[0], 1 - n}}
	for i := range y {
		for j := range y[i] {
			y[i][j] = (y[i][j] + 2*v[i]*v[j]) / (1 + n)
		}
	}
	return y
}

// bends are values and logarithms of slopes of curves c x + tanh(x - b).
func bends(x, raw rows) rows {
	D := len(x[0])
	y := make(rows, len(x))
	for r := range x {
		y[r] = make([]float64, 2*D)
		for d, v := range x[r] {
			curve := raw[(r*D+d)%len(raw)]
			c, t := math.Exp(curve[1]), math.Tanh(v-curve[0])
			y[r][d], y[r][D+d] = c*v+t, math.Log(c+1-t*t)
		}
	}
	return y
}

func gaussianKL(mu, logVar rows) rows {
	return sumCols(each(func(v ...float64) float64 { return (v[0]*v[0] + math.Exp(v[1]) - 1 - v[1]) / 2 }, mu, logVar))
}
