package tensor

import "fmt"

// A Curve is a family of increasing functions of one number. Its numbers as they are
// learned may be any; of those it settles the ones that it is evaluated with.
type Curve interface {
	Numbers() int // of a curve, as they are learned
	Settled() int // of a curve, as it is evaluated

	Settle(settled, raw []float32)
	// SettleGradient adds to dRaw what the gradient of the settled numbers is of the raw ones.
	SettleGradient(dRaw, dSettled, settled, raw []float32)

	// At is the value at x, and the logarithm of the slope there.
	At(settled []float32, x float64) (y, logSlope float64)
	// Gradient adds to dSettled, and returns for x, what the gradients dy of the value and
	// dSlope of the slope's logarithm are.
	Gradient(dSettled, settled []float32, x, dy, dSlope float64) (dx float64)
}

// Curves puts every number of x through a curve of its own: column d of row r through curve
// (r mod K)·D + d of raw. The result has the values, and beside them the logarithms of the
// slopes.   x [n·K, D], raw [K·D, curve.Numbers()] → [n·K, 2·D]
func (t *Tape) Curves(x, raw *Tensor, curve Curve) *Tensor {
	if n := raw.Rows(); n == 0 || n%x.Cols() != 0 || x.Rows()*x.Cols()%n != 0 || raw.Cols() != curve.Numbers() {
		panic(fmt.Sprintf("tensor: Curves: shape %v through curves %v of %d numbers", x.Shape, raw.Shape, curve.Numbers()))
	}
	o := t.op(x.Rows(), 2*x.Cols(), x, raw)
	o.x, o.w, o.curve = x, raw, curve
	o.kept = t.raw(raw.Rows() * curve.Settled())
	o.rows(raw.Rows(), 100*x.Rows()*x.Cols()/raw.Rows(), func(o *op, lo, hi int) {
		for i := lo; i < hi; i++ {
			settled := o.settled(o.kept, i)
			o.curve.Settle(settled, o.w.Row(i))
			D := o.x.Cols()
			for r, d := i/D, i%D; r < o.x.Rows(); r += o.w.Rows() / D {
				y, logSlope := o.curve.At(settled, float64(o.x.Row(r)[d]))
				o.y.Row(r)[d], o.y.Row(r)[D+d] = float32(y), float32(logSlope)
			}
		}
	})
	return o.done(func(o *op) {
		for _, in := range [...]*Tensor{o.x, o.w} {
			if in.Grad != nil {
				in.grad()
			}
		}
		o.partials = o.t.zeros(len(o.kept))
		o.rows(o.w.Rows(), 200*o.x.Rows()*o.x.Cols()/o.w.Rows(), func(o *op, lo, hi int) {
			for i := lo; i < hi; i++ {
				settled, slopes := o.settled(o.kept, i), o.settled(o.partials, i)
				D := o.x.Cols()
				for r, d := i/D, i%D; r < o.x.Rows(); r += o.w.Rows() / D {
					dx := o.curve.Gradient(slopes, settled, float64(o.x.Row(r)[d]), float64(o.y.gradRow(r)[d]), float64(o.y.gradRow(r)[D+d]))
					if o.x.Grad != nil {
						o.x.gradRow(r)[d] += float32(dx)
					}
				}
				if o.w.Grad != nil {
					o.curve.SettleGradient(o.w.gradRow(i), slopes, settled, o.w.Row(i))
				}
			}
		})
	})
}

// settled are the numbers of curve i among those of all.
func (o *op) settled(all []float32, i int) []float32 {
	n := o.curve.Settled()
	return all[i*n : (i+1)*n : (i+1)*n]
}
