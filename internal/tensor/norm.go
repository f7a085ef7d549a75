package tensor

import (
	"fmt"
	"math"

	"nfcot/internal/tensor/kernel"
)

// RMSNorm scales groups of len(w) columns of x to unit root mean square, then
// by w: y = x / sqrt(mean(x²) + eps) · w. A group is a whole row, or a head.
// x [R, n·C], w [C] → y [R, n·C]
func (t *Tape) RMSNorm(x, w *Tensor, eps float64) *Tensor {
	C := w.Cols()
	if x.Cols()%C != 0 {
		panic(fmt.Sprintf("tensor: RMSNorm: input %v against weight %v", x.Shape, w.Shape))
	}
	y := t.out(x.Rows(), x.Cols(), x, w)
	inv := t.raw(len(x.Data) / C)
	forRows(len(inv), 2*C, func(lo, hi int) {
		for g := lo; g < hi; g++ {
			xs, ys := x.Data[g*C:(g+1)*C], y.Data[g*C:(g+1)*C]
			inv[g] = float32(1 / math.Sqrt(float64(kernel.Dot(xs, xs))/float64(C)+eps))
			for i, v := range xs {
				ys[i] = v * inv[g] * w.Data[i]
			}
		}
	})
	t.record(y, func() {
		if x.Grad != nil {
			forRows(len(inv), 4*C, func(lo, hi int) {
				for g := lo; g < hi; g++ {
					xs, dxs, dys := x.Data[g*C:(g+1)*C], x.Grad[g*C:(g+1)*C], y.Grad[g*C:(g+1)*C]
					s := inv[g]
					var m float32 // mean of x̂·w·dy, x̂ being the normalised input
					for i, dy := range dys {
						m += xs[i] * s * w.Data[i] * dy
					}
					m /= float32(C)
					for i, dy := range dys {
						dxs[i] += s * (w.Data[i]*dy - xs[i]*s*m)
					}
				}
			})
		}
		if w.Grad != nil {
			t.sumOverRows(w.Grad, len(inv), func(partial []float32, lo, hi int) {
				for g := lo; g < hi; g++ {
					xs, dys := x.Data[g*C:(g+1)*C], y.Grad[g*C:(g+1)*C]
					for i, dy := range dys {
						partial[i] += xs[i] * inv[g] * dy
					}
				}
			})
		}
	})
	return y
}

// LayerNorm centres each row of x, scales it to unit variance (the biased
// estimate, plus eps), then applies w and b.   x [R, C], w, b [C] → y [R, C]
func (t *Tape) LayerNorm(x, w, b *Tensor, eps float64) *Tensor {
	C := w.Cols()
	if x.Cols() != C || b.Cols() != C {
		panic(fmt.Sprintf("tensor: LayerNorm: input %v against weight %v", x.Shape, w.Shape))
	}
	y := t.out(x.Rows(), C, x, w, b)
	norm := t.raw(len(x.Data)) // the normalised rows
	inv := t.raw(x.Rows())
	forRows(len(inv), 4*C, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			var mean, variance float64
			for _, v := range x.Row(r) {
				mean += float64(v)
			}
			mean /= float64(C)
			for _, v := range x.Row(r) {
				variance += (float64(v) - mean) * (float64(v) - mean)
			}
			s := 1 / math.Sqrt(variance/float64(C)+eps)
			inv[r] = float32(s)
			for i, v := range x.Row(r) {
				norm[r*C+i] = float32((float64(v) - mean) * s)
				y.Data[r*C+i] = norm[r*C+i]*w.Data[i] + b.Data[i]
			}
		}
	})
	t.record(y, func() {
		if x.Grad != nil {
			forRows(len(inv), 4*C, func(lo, hi int) {
				for r := lo; r < hi; r++ {
					dys, ns, dxs := y.gradRow(r), norm[r*C:(r+1)*C], x.gradRow(r)
					var mean, along float32 // of w·dy, and of w·dy·norm
					for i, dy := range dys {
						mean += w.Data[i] * dy
						along += w.Data[i] * dy * ns[i]
					}
					mean, along = mean/float32(C), along/float32(C)
					for i, dy := range dys {
						dxs[i] += inv[r] * (w.Data[i]*dy - mean - ns[i]*along)
					}
				}
			})
		}
		if w.Grad != nil {
			t.sumOverRows(w.Grad, len(inv), func(partial []float32, lo, hi int) {
				for r := lo; r < hi; r++ {
					for i, dy := range y.gradRow(r) {
						partial[i] += dy * norm[r*C+i]
					}
				}
			})
		}
		if b.Grad != nil {
			t.sumOverRows(b.Grad, len(inv), func(partial []float32, lo, hi int) {
				for r := lo; r < hi; r++ {
					kernel.Axpy(1, y.gradRow(r), partial)
				}
			})
		}
	})
	return y
}
