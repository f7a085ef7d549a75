// Package transformer is a Qwen3-style decoder: embeddings in, hidden states
// out. It does not know whether a row of its input is a token or a thought,
// nor what is predicted from a row of its output.
package transformer

import (
	"fmt"
	"math"

	"nfcot/internal/tensor"
)

// A Layout places the rows of an input in their streams.
type Layout struct {
	Pos   []int         // rotary position of each row
	Spans []tensor.Span // the rows it may attend to
}

// Causal appends n rows to a layout: a stream of its own, in which every row
// sees itself and the rows before it.
func Causal(l Layout, n int) Layout {
	from := len(l.Pos)
	for i := range n {
		l.Pos, l.Spans = append(l.Pos, i), append(l.Spans, tensor.Span{From: from, To: from + i + 1})
	}
	return l
}

// A Trunk is a stack of blocks and a final norm.
type Trunk struct {
	Config
	// Recompute keeps only the input of each block in training and runs the block
	// again in the backward pass: less memory for about a third more work.
	Recompute bool

	blocks []block
	norm   *tensor.Tensor
	rotary *tensor.Rotary
}

type block struct {
	attnNorm, ffnNorm *tensor.Tensor // [H]
	qkv               *tensor.Tensor // queries, keys and values: [(nh + 2 nkv)·hd, H]
	o                 *tensor.Tensor // [H, nh·hd]
	qNorm, kNorm      *tensor.Tensor // [hd]
	gateUp            *tensor.Tensor // [2 F, H]
	down              *tensor.Tensor // [H, F]
	segment           tensor.Segment // the block over whole streams

	qkvLoRA, oLoRA, gateUpLoRA, downLoRA *adapters // nil without them
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
		var b block
		b.attnNorm = p.Const("input_layernorm.weight", 1, c.Hidden)
		b.qkv = p.Stack(
			p.Normal("self_attn.q_proj.weight", in, c.Heads*c.HeadDim, c.Hidden),
			p.Normal("self_attn.k_proj.weight", in, c.KVHeads*c.HeadDim, c.Hidden),
			p.Normal("self_attn.v_proj.weight", in, c.KVHeads*c.HeadDim, c.Hidden))
		b.o = p.Normal("self_attn.o_proj.weight", residual/math.Sqrt(float64(c.Heads*c.HeadDim)), c.Hidden, c.Heads*c.HeadDim)
		b.qNorm = p.Const("self_attn.q_norm.weight", 1, c.HeadDim)
		b.kNorm = p.Const("self_attn.k_norm.weight", 1, c.HeadDim)
		b.ffnNorm = p.Const("post_attention_layernorm.weight", 1, c.Hidden)
		b.gateUp = p.Stack(
			p.Normal("mlp.gate_proj.weight", in, c.FFN, c.Hidden),
			p.Normal("mlp.up_proj.weight", in, c.FFN, c.Hidden))
		b.down = p.Normal("mlp.down_proj.weight", residual/math.Sqrt(float64(c.FFN)), c.Hidden, c.FFN)
		b.segment = func(t *tensor.Tape, x *tensor.Tensor, pos []int, mask tensor.Mask) *tensor.Tensor {
			return tr.block(t, l, x, rows{pos: pos, mask: mask})
		}
		tr.blocks = append(tr.blocks, b)
	}
	tr.norm = p.Const("norm.weight", 1, c.Hidden)
	return tr
}

// rows says where the rows of an input stand and what they look at: each other,
// as mask lets them, in training; what their streams remember, in decoding.
// Nothing else differs between the two.
type rows struct {
	pos    []int
	mask   tensor.Mask
	caches []*Cache    // nil in training
	train  *TrainCache // in training: streams that the rows continue
	both   bool        // with caches: new rows of a stream see each other in both directions
}

// mix lets the rows of layer l look at each other.
func (r rows) mix(t *tensor.Tape, l int, q, k, v tensor.Cols, hd int) *tensor.Tensor {
	if r.train != nil {
		k, v = r.train.add(t, l, k, v)
	}
	if r.caches == nil {
		return t.Attention(q, k, v, r.mask, hd)
	}
	caches := t.KVCaches(len(r.caches))
	for _, c := range r.caches {
		caches = append(caches, &c.layers[l])
	}
	return t.Attend(q, k, v, caches, hd, r.both)
}

func (tr *Trunk) run(t *tensor.Tape, x *tensor.Tensor, r rows) *tensor.Tensor {
	for l := range tr.blocks {
		if tr.Recompute && r.caches == nil && r.train == nil {
			x = t.Checkpoint(tr.blocks[l].segment, x, r.pos, r.mask)
		} else {
			x = tr.block(t, l, x, r)
		}
	}
	return t.RMSNorm(x, tr.norm, tr.NormEps)
}

// block is layer l.   x [R, H] → [R, H]
func (tr *Trunk) block(t *tensor.Tape, l int, x *tensor.Tensor, r rows) *tensor.Tensor {
	b := &tr.blocks[l]
	queries, keys, F := tr.Heads*tr.HeadDim, tr.KVHeads*tr.HeadDim, tr.FFN
	in := t.RMSNorm(x, b.attnNorm, tr.NormEps)
	qkv := b.qkvLoRA.add(t, t.Linear(in, b.qkv, nil), in)
	qk := t.NormRope(qkv.Part(0, queries+keys), tr.Heads, b.qNorm, b.kNorm, tr.NormEps, r.pos, tr.rotary)
	mixed := r.mix(t, l, qk.Part(0, queries), qk.Part(queries, keys), qkv.Part(queries+keys, keys), tr.HeadDim)
	x = b.oLoRA.add(t, t.AddLinear(x, mixed, b.o), mixed)
	in = t.RMSNorm(x, b.ffnNorm, tr.NormEps)
	gateUp := b.gateUpLoRA.add(t, t.Linear(in, b.gateUp, nil), in)
	gated := t.SwiGLU(gateUp.Part(0, F), gateUp.Part(F, F))
	return b.downLoRA.add(t, t.AddLinear(x, gated, b.down), gated)
}

// Forward runs the trunk over whole streams and returns the hidden states after
// the final norm. The layout must stay as it is until t is reset.
// x [R, H] → h [R, H]
func (tr *Trunk) Forward(t *tensor.Tape, x *tensor.Tensor, layout Layout) *tensor.Tensor {
	return tr.run(t, x, rows{pos: layout.Pos, mask: t.Mask(layout.Spans)})
}
