package tensor

import (
	"fmt"
	"math"

	"nfcot/internal/tensor/kernel"
)

// Linear returns y = x wᵀ + b; b may be nil.
// x [R, I], w [O, I], b [O] → y [R, O]
func (t *Tape) Linear(x, w, b *Tensor) *Tensor {
	R, O, I := x.Rows(), w.Rows(), x.Cols()
	if w.Cols() != I || b != nil && len(b.Data) != O {
		panic(fmt.Sprintf("tensor: Linear: input %v against weight %v", x.Shape, w.Shape))
	}
	y := t.out(R, O, x, w, b)
	if b != nil {
		for r := range R {
			copy(y.Row(r), b.Data)
		}
	}
	kernel.Gemm(y.Data, O, kernel.Mat{Data: x.Data, Stride: I}, kernel.Mat{Data: w.Data, Stride: I, Trans: true}, R, O, I, b != nil)
	t.record(y, func() {
		dy := kernel.Mat{Data: y.Grad, Stride: O}
		if x.Grad != nil { // dx += dy w
			kernel.Gemm(x.Grad, I, dy, kernel.Mat{Data: w.Data, Stride: I}, R, I, O, true)
		}
		if w.Grad != nil { // dw += dyᵀ x
			dyT := kernel.Mat{Data: y.Grad, Stride: O, Trans: true}
			kernel.Gemm(w.Grad, I, dyT, kernel.Mat{Data: x.Data, Stride: I}, O, I, R, true)
		}
		if b != nil && b.Grad != nil {
			t.sumOverRows(b.Grad, R, func(partial []float32, lo, hi int) {
				for r := lo; r < hi; r++ {
					kernel.Axpy(1, y.gradRow(r), partial)
				}
			})
		}
	})
	return y
}

// Add returns a + b.
func (t *Tape) Add(a, b *Tensor) *Tensor {
	mustMatch("Add", a, b)
	y := t.out(a.Rows(), a.Cols(), a, b)
	forElements(len(y.Data), func(lo, hi int) {
		copy(y.Data[lo:hi], a.Data[lo:hi])
		kernel.Axpy(1, b.Data[lo:hi], y.Data[lo:hi])
	})
	t.record(y, func() { accumulate(a, 1, y.Grad); accumulate(b, 1, y.Grad) })
	return y
}

// Sub returns a - b.
func (t *Tape) Sub(a, b *Tensor) *Tensor {
	mustMatch("Sub", a, b)
	y := t.out(a.Rows(), a.Cols(), a, b)
	forElements(len(y.Data), func(lo, hi int) {
		copy(y.Data[lo:hi], a.Data[lo:hi])
		kernel.Axpy(-1, b.Data[lo:hi], y.Data[lo:hi])
	})
	t.record(y, func() { accumulate(a, 1, y.Grad); accumulate(b, -1, y.Grad) })
	return y
}

// Mul returns a ⊙ b.
func (t *Tape) Mul(a, b *Tensor) *Tensor {
	mustMatch("Mul", a, b)
	y := t.out(a.Rows(), a.Cols(), a, b)
	forElements(len(y.Data), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			y.Data[i] = a.Data[i] * b.Data[i]
		}
	})
	t.record(y, func() {
		product := func(x, other *Tensor) {
			if x.Grad != nil {
				forElements(len(y.Grad), func(lo, hi int) {
					for i := lo; i < hi; i++ {
						x.Grad[i] += y.Grad[i] * other.Data[i]
					}
				})
			}
		}
		product(a, b)
		product(b, a)
	})
	return y
}

// Scale returns c·x.
func (t *Tape) Scale(c float32, x *Tensor) *Tensor {
	y := t.outZero(x.Rows(), x.Cols(), x)
	forElements(len(y.Data), func(lo, hi int) { kernel.Axpy(c, x.Data[lo:hi], y.Data[lo:hi]) })
	t.record(y, func() { accumulate(x, c, y.Grad) })
	return y
}

// accumulate adds c·g to x's gradient, if x has one.
func accumulate(x *Tensor, c float32, g []float32) {
	if x.Grad != nil {
		forElements(len(g), func(lo, hi int) { kernel.Axpy(c, g[lo:hi], x.Grad[lo:hi]) })
	}
}

// Exp returns eˣ.
func (t *Tape) Exp(x *Tensor) *Tensor {
	y := t.out(x.Rows(), x.Cols(), x)
	forElements(len(y.Data), func(lo, hi int) { kernel.Exp(y.Data[lo:hi], x.Data[lo:hi]) })
	t.record(y, func() {
		forElements(len(y.Data), func(lo, hi int) {
			for i := lo; i < hi; i++ {
				x.Grad[i] += y.Grad[i] * y.Data[i]
			}
		})
	})
	return y
}

// Tanh returns tanh x.
func (t *Tape) Tanh(x *Tensor) *Tensor {
	return t.elementwise(x, func(v float64) (float64, float64) {
		y := math.Tanh(v)
		return y, 1 - y*y
	})
}

// GELU returns x Φ(x), Φ being the normal distribution function (the exact
// form, not the tanh approximation).
func (t *Tape) GELU(x *Tensor) *Tensor {
	return t.elementwise(x, func(v float64) (float64, float64) {
		cdf := math.Erfc(-v/math.Sqrt2) / 2 // Erfc keeps its precision in the left tail
		return v * cdf, cdf + v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi)
	})
}

// elementwise applies f, which returns the value and the derivative.
func (t *Tape) elementwise(x *Tensor, f func(float64) (y, dy float64)) *Tensor {
	y := t.out(x.Rows(), x.Cols(), x)
	var slope []float32
	if y.Grad != nil {
		slope = t.raw(len(y.Data))
	}
	forRows(len(y.Data), 16, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			v, d := f(float64(x.Data[i]))
			y.Data[i] = float32(v)
			if slope != nil {
				slope[i] = float32(d)
			}
		}
	})
	t.record(y, func() {
		for i, d := range slope {
			x.Grad[i] += d * y.Grad[i]
		}
	})
	return y
}

// SwiGLU returns silu(gate) ⊙ up, where silu(x) = x σ(x).
func (t *Tape) SwiGLU(gate, up *Tensor) *Tensor {
	mustMatch("SwiGLU", gate, up)
	y := t.out(gate.Rows(), gate.Cols(), gate, up)
	forElements(len(y.Data), func(lo, hi int) { kernel.SwiGLU(y.Data[lo:hi], gate.Data[lo:hi], up.Data[lo:hi]) })
	t.record(y, func() {
		dgate, dup := gate.Grad, up.Grad
		if dgate == nil {
			dgate = t.zeros(len(y.Data))
		}
		if dup == nil {
			dup = t.zeros(len(y.Data))
		}
		forElements(len(y.Data), func(lo, hi int) {
			kernel.SwiGLUBackward(dgate[lo:hi], dup[lo:hi], y.Grad[lo:hi], gate.Data[lo:hi], up.Data[lo:hi])
		})
	})
	return y
}

// Sum returns the sum of all elements of x.   x [R, C] → y [1, 1]
func (t *Tape) Sum(x *Tensor) *Tensor {
	y := t.out(1, 1, x)
	var s float64 // losses are sums of thousands of terms: float32 would lose digits
	for _, v := range x.Data {
		s += float64(v)
	}
	y.Data[0] = float32(s)
	t.record(y, func() {
		for i := range x.Grad {
			x.Grad[i] += y.Grad[0]
		}
	})
	return y
}

// SumCols returns the sum of each row.   x [R, C] → y [R, 1]
func (t *Tape) SumCols(x *Tensor) *Tensor {
	y := t.out(x.Rows(), 1, x)
	for r := range y.Data {
		var s float64
		for _, v := range x.Row(r) {
			s += float64(v)
		}
		y.Data[r] = float32(s)
	}
	t.record(y, func() {
		for r, dy := range y.Grad {
			for i := range x.gradRow(r) {
				x.gradRow(r)[i] += dy
			}
		}
	})
	return y
}

// Gather returns the rows of x named by idx, in that order; -1 gives a row of
// zeros.   x [R, C] → y [len(idx), C]
func (t *Tape) Gather(x *Tensor, idx []int) *Tensor {
	y := t.outZero(len(idx), x.Cols(), x)
	for i, r := range idx {
		if r >= 0 {
			copy(y.Row(i), x.Row(r))
		}
	}
	t.record(y, func() {
		for i, r := range idx {
			if r >= 0 {
				kernel.Axpy(1, y.gradRow(i), x.gradRow(r))
			}
		}
	})
	return y
}

// SumBy adds row r of x to row owner[r] of the result.   x [R, C] → y [n, C]
func (t *Tape) SumBy(x *Tensor, owner []int, n int) *Tensor {
	y := t.outZero(n, x.Cols(), x)
	for r, o := range owner {
		kernel.Axpy(1, x.Row(r), y.Row(o))
	}
	t.record(y, func() {
		for r, o := range owner {
			kernel.Axpy(1, y.gradRow(o), x.gradRow(r))
		}
	})
	return y
}

// Stack puts the rows of b under those of a.   [R, C], [S, C] → [R+S, C]
func (t *Tape) Stack(a, b *Tensor) *Tensor {
	if a.Cols() != b.Cols() {
		panic(fmt.Sprintf("tensor: Stack: shape %v on %v", a.Shape, b.Shape))
	}
	y := t.out(a.Rows()+b.Rows(), a.Cols(), a, b)
	n := copy(y.Data, a.Data)
	copy(y.Data[n:], b.Data)
	t.record(y, func() { accumulate(a, 1, y.Grad[:n]); accumulate(b, 1, y.Grad[n:]) })
	return y
}

// Split cuts the columns of x into parts of the given widths.
// x [R, Σ widths] → [R, width] each
func (t *Tape) Split(x *Tensor, widths ...int) []*Tensor {
	parts := make([]*Tensor, len(widths))
	from := 0
	for i, w := range widths {
		y, off := t.out(x.Rows(), w, x), from
		for r := range x.Rows() {
			copy(y.Row(r), x.Row(r)[off:])
		}
		t.record(y, func() {
			for r := range x.Rows() {
				kernel.Axpy(1, y.gradRow(r), x.gradRow(r)[off:off+w])
			}
		})
		parts[i] = y
		from += w
	}
	if from != x.Cols() {
		panic(fmt.Sprintf("tensor: Split: widths %v of shape %v", widths, x.Shape))
	}
	return parts
}
