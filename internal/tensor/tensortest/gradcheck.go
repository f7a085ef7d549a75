// Package tensortest helps to test code that computes with tensors: gradients
// against finite differences (GradCheck), and numbers against golden files
// (Open, Tolerance).
package tensortest

import (
	"math"
	"testing"

	"nfcot/internal/tensor"
)

// GradCheck compares the gradients of f with respect to params with finite
// differences. f must be deterministic; its result may have any shape, and is
// contracted with fixed random numbers, so that every element of the Jacobian
// matters. At most 24 elements of a parameter are checked, chosen at random.
//
// An element may be off by 1/200 of the largest difference found in its
// parameter (a wrong sign or a missing factor is off by more) plus what the
// rounding of f to float32 can explain. The parameters are left with the
// gradients of the contraction.
func GradCheck(t testing.TB, f func(*tensor.Tape) *tensor.Tensor, params ...*tensor.Tensor) {
	t.Helper()
	const step, elements = 0x1p-7, 24
	rng := tensor.Rand(1, "GradCheck")
	y := f(nil)
	c := tensor.New(y.Rows(), y.Cols())
	var size float64 // of what is added up to the contraction
	for i, v := range y.Data {
		c.Data[i] = float32(rng.NormFloat64())
		size += math.Abs(float64(v) * float64(c.Data[i]))
	}
	rounding := 8 * 0x1p-24 * size / step

	for _, p := range params {
		if p.Grad == nil {
			p.Grad = make([]float32, len(p.Data))
		}
		clear(p.Grad)
	}
	tape := new(tensor.Tape)
	tape.Backward(tape.Sum(tape.Mul(f(tape), c)))

	contraction := func() (s float64) {
		for i, v := range f(nil).Data {
			s += float64(v) * float64(c.Data[i])
		}
		return s
	}
	for k, p := range params {
		at := rng.Perm(len(p.Data))[:min(elements, len(p.Data))]
		want := make([]float64, len(at))
		var largest float64
		for j, i := range at {
			want[j] = slope(contraction, &p.Data[i], step)
			largest = max(largest, math.Abs(want[j]))
		}
		for j, i := range at {
			if got := float64(p.Grad[i]); !(math.Abs(got-want[j]) <= largest/200+rounding) {
				t.Errorf("parameter %d, element %d: gradient %.6g, finite difference %.6g (of at most %.3g, rounding %.1g)",
					k, i, got, want[j], largest, rounding)
			}
		}
	}
}

// slope is the derivative of f by *x: central differences at two steps,
// extrapolated to step 0 (Richardson), since with one step the curvature of a
// norm near zero looks like a wrong gradient.
func slope(f func() float64, x *float32, h float32) float64 {
	central := func(h float32) float64 {
		old := *x
		defer func() { *x = old }()
		*x = old + h
		up, above := f(), float64(*x) // the step that was made, not the one that was asked for
		*x = old - h
		down, below := f(), float64(*x)
		return (up - down) / (above - below)
	}
	return (4*central(h/2) - central(h)) / 3
}
