package nfhead

import "nfcot/internal/tensor"

// An MLP adds to a linear prediction of thoughts what no linear map can say: a code is
// the sum of vectors of tokens, of which the state before it may be undecided, and the
// decision takes a layer. The nil MLP adds nothing.
type MLP struct {
	up, upBias *tensor.Tensor // [W, H], [W]
	down       *tensor.Tensor // [D, W]
}

// NewMLP makes an MLP with a hidden layer of a width, nil for width 0, between states
// and thoughts of d numbers.
func NewMLP(p *tensor.Params, hidden, width, d int) *MLP {
	if width == 0 {
		return nil
	}
	return &MLP{p.Normal("up.weight", 0.05, width, hidden), p.Const("up.bias", 0, width), p.Normal("down.weight", 0.02, d, width)}
}

// Add returns mu + down · GELU(up · h).   mu [R, D], h [R, H] → [R, D]
func (m *MLP) Add(t *tensor.Tape, mu, h *tensor.Tensor) *tensor.Tensor {
	if m == nil {
		return mu
	}
	return t.AddLinear(mu, t.GELU(t.Linear(h, m.up, m.upBias)), m.down)
}

// FLOPs is what Add takes for a row.
func (m *MLP) FLOPs() float64 {
	if m == nil {
		return 0
	}
	return float64(2*m.up.Rows()) * float64(m.up.Cols()+m.down.Rows())
}
