// Package tensor computes with dense float32 arrays and differentiates what it
// computes.
//
// There are two nouns. A Tensor holds numbers and, if anyone wants it, their
// gradient. A Tape is where operations happen: its methods compute, and it
// remembers how to differentiate. A nil *Tape computes and remembers nothing, so
// training and inference share one forward pass; a Tape for Inference does too,
// in memory that is used again.
package tensor

import (
	"fmt"
	"slices"

	"nfcot/internal/tensor/kernel"
)

// A Tensor is a contiguous row-major array. Operations see it as rows × cols,
// where cols is the last dimension and rows the product of the others.
type Tensor struct {
	Shape []int
	Data  []float32
	Grad  []float32 // as long as Data, or nil if no gradient is wanted; of a tape's result: empty but while Backward needs it

	dims        [2]int // where Shape points to in a tape's tensors
	rounded     bool   // Data is rounded to bfloat16: see ForProducts
	gradRounded bool   // so is Grad: see FromProduct
	stale       bool   // Grad holds nothing yet: what is added to it first overwrites it
	fixed       int    // rows, the first ones, that are not trained: Grad has those after them (Params.SetTrainableRows)

	packed kernel.Weights // in place of Data: see Params.Pack
}

// New returns a tensor of zeros.
func New(shape ...int) *Tensor {
	return &Tensor{Shape: slices.Clone(shape), Data: kernel.Floats(size(shape))}
}

// From returns a tensor of the given shape around data, which is not copied.
// It panics when the lengths differ.
func From(data []float32, shape ...int) *Tensor {
	if len(data) != size(shape) {
		panic(fmt.Sprintf("tensor: %d numbers do not make shape %v", len(data), shape))
	}
	return &Tensor{Shape: slices.Clone(shape), Data: data}
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Cols is the length of the last dimension.
func (x *Tensor) Cols() int { return x.Shape[len(x.Shape)-1] }

// Rows is the product of all dimensions but the last.
func (x *Tensor) Rows() int { return size(x.Shape[:len(x.Shape)-1]) }

// Row returns row i, sharing memory with x.
func (x *Tensor) Row(i int) []float32 { c := x.Cols(); return x.Data[i*c : (i+1)*c : (i+1)*c] }

func (x *Tensor) gradRow(i int) []float32 {
	c := x.Cols()
	i -= x.fixed
	return x.Grad[i*c : (i+1)*c : (i+1)*c]
}

// claim returns whether x's gradient holds nothing yet, and takes it that the
// caller now writes all of it.
func (x *Tensor) claim() (fresh bool) {
	fresh, x.stale = x.stale, false
	return fresh
}

// grad is x's gradient, to be added to.
func (x *Tensor) grad() []float32 {
	if x.claim() {
		clear(x.Grad)
	}
	return x.Grad
}

// Cols are the columns [From, From+N) of a tensor: one of several matrices that
// a fused projection computes side by side.
type Cols struct {
	*Tensor
	From, N int
}

// All is x as Cols.
func (x *Tensor) All() Cols { return Cols{x, 0, x.Cols()} }

// Part is columns [from, from+n) of x.
func (x *Tensor) Part(from, n int) Cols {
	if from < 0 || n < 0 || from+n > x.Cols() {
		panic(fmt.Sprintf("tensor: Part: columns %d to %d of shape %v", from, from+n, x.Shape))
	}
	return Cols{x, from, n}
}

// row returns the columns of row i.
func (c Cols) row(i int) []float32 { return c.Data[c.at(i):][:c.N:c.N] }

func (c Cols) gradRow(i int) []float32 { return c.Grad[c.at(i):][:c.N:c.N] }

// mat is the columns of numbers that are laid out as x is.
func (c Cols) mat(numbers []float32) kernel.Mat {
	return kernel.Mat{Data: numbers[c.From:], Stride: c.Tensor.Cols()}
}

// at is where row i begins.
func (c Cols) at(i int) int { return i*c.Tensor.Cols() + c.From }

// mustMatch panics unless a and b have the same number of rows and columns: a
// mismatch is a bug in the caller, not a condition to handle.
func mustMatch(op string, a, b *Tensor) {
	if a.Rows() != b.Rows() || a.Cols() != b.Cols() {
		panic(fmt.Sprintf("tensor: %s: shape %v against %v", op, a.Shape, b.Shape))
	}
}
