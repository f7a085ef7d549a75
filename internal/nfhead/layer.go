package nfhead

import (
	"math"

	"nfcot/internal/tensor"
)

// A layer is one of the maps that a Flow is made of. Its rows are those of n chains of
// thoughts, K a chain.
type layer interface {
	// forward maps rows and adds to the log-determinant of each chain [n, 1] its own.
	forward(t *tensor.Tape, w, logDet *tensor.Tensor, in batch) (u, sum *tensor.Tensor)
	// inverse undoes forward.
	inverse(u *tensor.Tensor, in batch) *tensor.Tensor
	// trace maps rows as forward does, and on the way small variances of their numbers, as if
	// these were independent. It adds to the log-determinant of each row [n·K, 1] what the layer
	// scales the row by.
	trace(t *tensor.Tape, w, variance, logDet *tensor.Tensor, in batch) (u, spread *tensor.Tensor)
	// only is the layer as it maps thought k, by itself; nil if it looks at others.
	only(k int) layer
	// identity says whether the layer changes nothing.
	identity() bool
	// flops is what forward or inverse takes for a chain, two for each multiplication in a
	// weight or in attention.
	flops() float64
}

// A rotation turns every thought alike: u = W e with W Wᵀ = I, det W = 1. It keeps the noise
// on codes the same in all directions.
type rotation struct {
	skew *tensor.Tensor // [D, D], of which Cayley makes W
	k    int
}

func newRotation(p *tensor.Params, k, d int) *rotation {
	return &rotation{p.Const("skew", 0, d, d), k}
}

func (l *rotation) forward(t *tensor.Tape, w, logDet *tensor.Tensor, _ batch) (u, sum *tensor.Tensor) {
	return t.Linear(w, t.Cayley(l.skew), nil), logDet
}

func (l *rotation) inverse(u *tensor.Tensor, _ batch) *tensor.Tensor {
	var t *tensor.Tape
	return t.Linear(u, t.Cayley(t.Scale(-1, l.skew)), nil) // Wᵀ, since the skew part changes its sign
}

func (l *rotation) trace(t *tensor.Tape, w, variance, _ *tensor.Tensor, _ batch) (u, spread *tensor.Tensor) {
	W := t.Cayley(l.skew)
	return t.Linear(w, W, nil), t.Linear(variance, t.Mul(W, W), nil)
}

func (l *rotation) only(int) layer { return &rotation{l.skew, 1} }

func (l *rotation) identity() bool { return zero(l.skew) }

func (l *rotation) flops() float64 { return 2 * float64(l.k*len(l.skew.Data)) }

// curves put every number of a thought through an increasing function that is its own by
// the thought's place in the chain and the dimension.
type curves struct {
	tensor.Curve
	raw *tensor.Tensor // [K·D, Numbers()]
	d   int
}

func (l *curves) forward(t *tensor.Tape, w, logDet *tensor.Tensor, in batch) (u, sum *tensor.Tensor) {
	both := t.Curves(w, l.raw, l)
	return t.Columns(both.Part(0, l.d)), t.Add(logDet, t.SumBy(t.SumCols(t.Columns(both.Part(l.d, l.d))), in.owner, in.n))
}

func (l *curves) trace(t *tensor.Tape, w, variance, logDet *tensor.Tensor, _ batch) (u, spread *tensor.Tensor) {
	both := t.Curves(w, l.raw, l)
	u, spread = t.New(w.Rows(), l.d), t.New(w.Rows(), l.d)
	for r := range w.Rows() {
		logSlope := both.Row(r)[l.d:]
		copy(u.Row(r), both.Row(r))
		for d, v := range variance.Row(r) {
			spread.Row(r)[d] = v * float32(math.Exp(2*float64(logSlope[d])))
			logDet.Data[r] += logSlope[d]
		}
	}
	return u, spread
}

func (l *curves) inverse(u *tensor.Tensor, _ batch) *tensor.Tensor {
	e := tensor.New(u.Shape...)
	settled := make([]float32, l.Settled())
	for i := range l.raw.Rows() {
		l.Settle(settled, l.raw.Row(i))
		for r, d := i/l.d, i%l.d; r < u.Rows(); r += l.raw.Rows() / l.d {
			e.Row(r)[d] = float32(l.solve(settled, float64(u.Row(r)[d])))
		}
	}
	return e
}

// solve finds where a curve has the value y: by Newton's steps, which halve the interval
// that the answer is in where they would leave it.
func (l *curves) solve(settled []float32, y float64) float64 {
	low, high := y-1, y+1
	for step := 1.0; step < 1e30; step *= 2 {
		atLow, _ := l.At(settled, low)
		atHigh, _ := l.At(settled, high)
		if atLow <= y && y <= atHigh {
			break
		}
		if atLow > y {
			low -= step
		}
		if atHigh < y {
			high += step
		}
	}
	x := y
	for range 200 {
		at, logSlope := l.At(settled, x)
		if at > y {
			high = x
		} else {
			low = x
		}
		next := x - (at-y)*math.Exp(-logSlope)
		if !(next > low && next < high) {
			next = (low + high) / 2
		}
		if math.Abs(next-x) <= 1e-9*(1+math.Abs(x)) {
			return next
		}
		x = next
	}
	return x
}

func (l *curves) only(k int) layer {
	n := l.raw.Cols()
	return &curves{l.Curve, tensor.From(l.raw.Data[k*l.d*n:(k+1)*l.d*n], l.d, n), l.d}
}

func (l *curves) identity() bool {
	_, ok := l.Curve.(spline)
	return ok && zero(l.raw)
}

// flops leaves out what is computed element by element, as everywhere.
func (l *curves) flops() float64 { return 0 }

// zero says whether all numbers are.
func zero(x *tensor.Tensor) bool {
	for _, v := range x.Data {
		if v != 0 {
			return false
		}
	}
	return true
}
