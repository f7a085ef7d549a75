package tensor

import (
	"fmt"

	"nfcot/internal/tensor/kernel"
)

// RMSNorm scales groups of len(w) columns of x to unit root mean square, then
// by w: y = x / sqrt(mean(x²) + eps) · w. A group is a whole row, or a head.
// x [R, n·C], w [C] → y [R, n·C]
func (t *Tape) RMSNorm(x, w *Tensor, eps float64, uses ...Use) *Tensor {
	C := w.Cols()
	if x.Cols()%C != 0 {
		panic(fmt.Sprintf("tensor: RMSNorm: input %v against weight %v", x.Shape, w.Shape))
	}
	o := t.op(x.Rows(), x.Cols(), x, w)
	o.x, o.w, o.c = x, w, eps
	o.kept = t.raw(len(x.Data) / C) // 1 / root mean square
	o.roundFor(uses, C)
	o.rows(len(o.kept), 2*C, func(o *op, lo, hi int) {
		C := o.w.Cols()
		kernel.RMSNorm(o.y.Data[lo*C:hi*C], o.x.Data[lo*C:hi*C], o.w.Data, o.kept[lo:hi], float32(o.c))
	})
	return o.done(func(o *op) {
		o.fresh = o.x.claim()
		dw := o.t.zeros(o.w.Cols())
		o.addOverRows(dw, len(o.kept), func(o *op, partial []float32, lo, hi int) {
			C := o.w.Cols()
			var dx []float32
			if o.x.Grad != nil {
				dx = o.x.Grad[lo*C : hi*C]
			}
			if o.fresh {
				clear(dx)
			}
			kernel.RMSNormBackward(dx, partial, o.y.Grad[lo*C:hi*C], o.x.Data[lo*C:hi*C], o.w.Data, o.kept[lo:hi])
		})
		if o.w.Grad != nil {
			kernel.Axpy(1, dw, o.w.grad())
		}
	})
}

// LayerNorm centres each row of x, scales it to unit variance (the biased
// estimate, plus eps), then applies w and b.   x [R, C], w, b [C] → y [R, C]
func (t *Tape) LayerNorm(x, w, b *Tensor, eps float64, uses ...Use) *Tensor {
	C := w.Cols()
	if x.Cols() != C || b.Cols() != C {
		panic(fmt.Sprintf("tensor: LayerNorm: input %v against weight %v", x.Shape, w.Shape))
	}
	o := t.op(x.Rows(), C, x, w, b)
	o.x, o.w, o.b, o.c = x, w, b, eps
	o.kept = t.raw(2 * x.Rows()) // means, then 1 / standard deviation
	o.roundFor(uses, C)
	o.rows(x.Rows(), 4*C, func(o *op, lo, hi int) {
		R, C := o.x.Rows(), o.w.Cols()
		kernel.LayerNorm(o.y.Data[lo*C:hi*C], o.x.Data[lo*C:hi*C], o.w.Data, o.b.Data, o.kept[lo:hi], o.kept[R+lo:R+hi], float32(o.c))
	})
	return o.done(func(o *op) {
		if o.x.Grad != nil {
			o.x.grad()
		}
		C := o.w.Cols()
		sums := o.t.zeros(2 * C) // of the gradients of w and b
		o.addOverRows(sums, o.x.Rows(), func(o *op, partial []float32, lo, hi int) {
			R, C := o.x.Rows(), o.w.Cols()
			var dx []float32
			if o.x.Grad != nil {
				dx = o.x.Grad[lo*C : hi*C]
			}
			kernel.LayerNormBackward(dx, partial[:C], partial[C:], o.y.Grad[lo*C:hi*C], o.x.Data[lo*C:hi*C], o.w.Data, o.kept[lo:hi], o.kept[R+lo:R+hi])
		})
		if o.w.Grad != nil {
			kernel.Axpy(1, sums[:C], o.w.grad())
		}
		if o.b.Grad != nil {
			kernel.Axpy(1, sums[C:], o.b.grad())
		}
	})
}
