package nfhead

import (
	"math"

	"nfcot/internal/tensor"
)

// An MLP stands beside a linear map between states and thoughts, and adds what no linear
// map can say. A code is the sum of vectors of tokens, with noise: to decide which, before
// it is predicted and when it is read, takes a layer. The nil MLP adds nothing.
type MLP struct {
	up, upBias *tensor.Tensor // [W, in], [W]
	down       *tensor.Tensor // [out, W]
}

// A Scale is what an MLP begins for: the root mean square of its inputs, and how many times
// as large as usual its outputs are to be.
type Scale struct{ In, Out float64 }

// NewMLP makes an MLP from in to out numbers with a hidden layer of a width, nil for
// width 0.
func NewMLP(p *tensor.Params, in, width, out int, start Scale) *MLP {
	if width == 0 {
		return nil
	}
	return &MLP{p.Normal("up.weight", 1/math.Sqrt(float64(in))/start.In, width, in), p.Const("up.bias", 0, width), p.Normal("down.weight", 0.02*start.Out, out, width)}
}

// Add returns y + down · GELU(up · x + bias).   y [R, out], x [R, in] → [R, out]
func (m *MLP) Add(t *tensor.Tape, y, x *tensor.Tensor) *tensor.Tensor {
	if m == nil {
		return y
	}
	return t.AddLinear(y, t.GELU(t.Linear(x, m.up, m.upBias), tensor.ForProducts), m.down, nil)
}

// FLOPs is what Add takes for a row.
func (m *MLP) FLOPs() float64 {
	if m == nil {
		return 0
	}
	return float64(2*m.up.Rows()) * float64(m.up.Cols()+m.down.Rows())
}
