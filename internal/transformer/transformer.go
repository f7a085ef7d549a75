// Package transformer is a Qwen3-style decoder: embeddings in, hidden states
// out. It does not know whether a row of its input is a token or a thought,
// nor what is predicted from a row of its output.
package transformer

import (
	"fmt"
	"math"

	"nfcot/internal/tensor"
)

// A Row places one input in its stream.
type Row struct {
	Pos int         // rotary position
	See tensor.Span // the rows it may attend to
}

// Causal appends n rows to rows: a stream of its own, in which every row sees
// itself and the rows before it.
func Causal(rows []Row, n int) []Row {
	from := len(rows)
	for i := range n {
		rows = append(rows, Row{i, tensor.Span{From: from, To: from + i + 1}})
	}
	return rows
}

// A Trunk is a stack of blocks and a final norm.
type Trunk struct {
	Config
	blocks []block
	norm   *tensor.Tensor
	rotary *tensor.Rotary
}

type block struct {
	attnNorm, ffnNorm *tensor.Tensor
	q, k, v, o        *tensor.Tensor
	qNorm, kNorm      *tensor.Tensor
	gate, up, down    *tensor.Tensor
}

// NewTrunk makes the parameters of a trunk, under Hugging Face's names. The
// projections that write to the residual stream start smaller the more of them
// there are (GPT-2's rule).
func NewTrunk(p *tensor.Params, c Config) *Trunk {
	tr := &Trunk{Config: c, rotary: tensor.NewRotary(c.HeadDim, c.Theta, c.MaxTokens)}
	in := 1 / math.Sqrt(float64(c.Hidden))
	residual := 1 / math.Sqrt(float64(2*c.Layers))
	for l := range c.Layers {
		p := p.Sub(fmt.Sprintf("layers.%d", l))
		tr.blocks = append(tr.blocks, block{
			attnNorm: p.Const("input_layernorm.weight", 1, c.Hidden),
			q:        p.Normal("self_attn.q_proj.weight", in, c.Heads*c.HeadDim, c.Hidden),
			k:        p.Normal("self_attn.k_proj.weight", in, c.KVHeads*c.HeadDim, c.Hidden),
			v:        p.Normal("self_attn.v_proj.weight", in, c.KVHeads*c.HeadDim, c.Hidden),
			o:        p.Normal("self_attn.o_proj.weight", residual/math.Sqrt(float64(c.Heads*c.HeadDim)), c.Hidden, c.Heads*c.HeadDim),
			qNorm:    p.Const("self_attn.q_norm.weight", 1, c.HeadDim),
			kNorm:    p.Const("self_attn.k_norm.weight", 1, c.HeadDim),
			ffnNorm:  p.Const("post_attention_layernorm.weight", 1, c.Hidden),
			gate:     p.Normal("mlp.gate_proj.weight", in, c.FFN, c.Hidden),
			up:       p.Normal("mlp.up_proj.weight", in, c.FFN, c.Hidden),
			down:     p.Normal("mlp.down_proj.weight", residual/math.Sqrt(float64(c.FFN)), c.Hidden, c.FFN),
		})
	}
	tr.norm = p.Const("norm.weight", 1, c.Hidden)
	return tr
}

// mix lets the rows of layer l look at each other. Training looks within the
// batch, decoding into a cache; nothing else differs between the two.
type mix func(t *tensor.Tape, l int, q, k, v *tensor.Tensor) *tensor.Tensor

func (tr *Trunk) run(t *tensor.Tape, x *tensor.Tensor, pos []int, mix mix) *tensor.Tensor {
	for l, b := range tr.blocks {
		n := t.RMSNorm(x, b.attnNorm, tr.NormEps)
		q := t.Rope(t.RMSNorm(t.Linear(n, b.q, nil), b.qNorm, tr.NormEps), pos, tr.rotary)
		k := t.Rope(t.RMSNorm(t.Linear(n, b.k, nil), b.kNorm, tr.NormEps), pos, tr.rotary)
		x = t.Add(x, t.Linear(mix(t, l, q, k, t.Linear(n, b.v, nil)), b.o, nil))

		n = t.RMSNorm(x, b.ffnNorm, tr.NormEps)
		x = t.Add(x, t.Linear(t.SwiGLU(t.Linear(n, b.gate, nil), t.Linear(n, b.up, nil)), b.down, nil))
	}
	return t.RMSNorm(x, tr.norm, tr.NormEps)
}

// Forward runs the trunk over whole streams and returns the hidden states after
// the final norm.   x [R, H] → h [R, H]
func (tr *Trunk) Forward(t *tensor.Tape, x *tensor.Tensor, rows []Row) *tensor.Tensor {
	pos, see := make([]int, len(rows)), make([]tensor.Span, len(rows))
	for i, r := range rows {
		pos[i], see[i] = r.Pos, r.See
	}
	return tr.run(t, x, pos, func(t *tensor.Tape, _ int, q, k, v *tensor.Tensor) *tensor.Tensor {
		return t.Attention(q, k, v, see, tr.HeadDim)
	})
}
