// Package transformer is a decoder of the kind that most language models are, with
// one block for all of them: embeddings in, hidden states out. Config says what a
// block has; the files of the architectures (llama.go, qwen.go, gpt2.go) know what
// Hugging Face's transformers calls that in config.json, and its tensors in
// checkpoints. The package does not know whether a row of its input is a token or a
// thought, nor what is predicted from a row of its output; and it opens no files.
package transformer

import (
	"fmt"
	"math"

	"nfcot/internal/tensor"
)

// A Layout places the rows of an input in their sequences.
type Layout struct {
	Pos   []int         // rotary position of each row
	Spans []tensor.Span // the rows it may attend to
}

// Causal appends n rows to a layout: a sequence of its own, in which every row
// sees itself and the rows before it.
func Causal(l Layout, n int) Layout {
	from := len(l.Pos)
	for i := range n {
		l.Pos, l.Spans = append(l.Pos, i), append(l.Spans, tensor.Span{From: from, To: from + i + 1})
	}
	return l
}

// Seen counts the rows that the rows may attend to, all together.
func (l Layout) Seen() int {
	n := 0
	for _, see := range l.Spans {
		n += see.To - see.From
	}
	return n
}

// A Trunk is a stack of blocks and a final norm.
type Trunk struct {
	Config
	// Recompute keeps only the input of each block in training and runs the block
	// again in the backward pass: less memory for about a third more work.
	Recompute bool

	blocks    []block
	norm      norm
	rotary    *tensor.Rotary // nil: positions are
	positions *tensor.Tensor // [positions, H], added to the input
}

// A block is attention and a feed-forward layer, each added to the residual stream.
type block struct {
	attnNorm, ffnNorm norm
	qkv               linear         // queries, keys and values: (nh + 2 nkv)·hd outputs
	qNorm, kNorm      *tensor.Tensor // [hd]; nil: queries and keys have no norms
	o                 linear
	up                linear // with a gate: 2 F outputs, the gate's first
	down              linear
	segment           tensor.Segment // the block over whole sequences
}

// A norm is RMSNorm, or LayerNorm if there is a bias.
type norm struct {
	weight, bias *tensor.Tensor // [H]
	eps          float64
}

func (n norm) apply(t *tensor.Tape, x *tensor.Tensor, uses ...tensor.Use) *tensor.Tensor {
	if n.bias != nil {
		return t.LayerNorm(x, n.weight, n.bias, n.eps, uses...)
	}
	return t.RMSNorm(x, n.weight, n.eps, uses...)
}

// A linear layer is one matrix, or several one under the other, with what is added
// to the product.
type linear struct {
	weight *tensor.Tensor // [O, I]
	bias   *tensor.Tensor // [O]; nil without
	lora   *adapters      // nil without
}

// apply returns the layer's outputs.   x [R, I] → [R, O]
func (l *linear) apply(t *tensor.Tape, x *tensor.Tensor) *tensor.Tensor {
	return l.lora.add(t, t.Linear(x, l.weight, l.bias), x)
}

// addTo adds them to a residual stream.   a [R, O], x [R, I] → [R, O]
func (l *linear) addTo(t *tensor.Tape, a, x *tensor.Tensor) *tensor.Tensor {
	return l.lora.add(t, t.AddLinear(a, x, l.weight, l.bias), x)
}

// NewTrunk makes the parameters of a trunk, under Llama's names of Hugging Face's
// (what another architecture calls them only Checkpoint and Stored know). The projections
// that write to the residual stream start smaller the more of them there are
// (GPT-2's rule).
func NewTrunk(p *tensor.Params, c Config) *Trunk {
	tr := &Trunk{Config: c}
	if c.Learned {
		tr.positions = p.Normal("embed_positions.weight", 0.02, c.MaxTokens, c.Hidden)
	} else {
		freq, scale := c.Rope.frequencies(c)
		tr.rotary = tensor.NewRotary(freq, scale, c.MaxTokens)
	}
	for l := range c.Layers {
		b := c.newBlock(p.Sub(fmt.Sprintf("layers.%d", l)))
		b.segment = func(t *tensor.Tape, x *tensor.Tensor, pos []int, mask tensor.Mask) *tensor.Tensor {
			return tr.block(t, l, x, rows{pos: pos, mask: mask})
		}
		tr.blocks = append(tr.blocks, b)
	}
	tr.norm = c.newNorm(p, "norm")
	return tr
}

// newBlock makes the parameters of a block.
func (c Config) newBlock(p *tensor.Params) (b block) {
	in := 1 / math.Sqrt(float64(c.Hidden))
	residual := 1 / math.Sqrt(float64(2*c.Layers))
	queries := c.Heads * c.HeadDim
	b.attnNorm = c.newNorm(p, "input_layernorm")
	b.qkv = newLinear(p, c.QKVBias, in, c.Hidden, c.qkvMatrices()...)
	b.o = newLinear(p, c.OutputBias, residual/math.Sqrt(float64(queries)), queries, c.oMatrix())
	if !c.PlainHeads {
		b.qNorm = p.Const("self_attn.q_norm.weight", 1, c.HeadDim)
		b.kNorm = p.Const("self_attn.k_norm.weight", 1, c.HeadDim)
	}
	b.ffnNorm = c.newNorm(p, "post_attention_layernorm")
	b.up = newLinear(p, c.FFNBias, in, c.Hidden, c.upMatrices()...)
	b.down = newLinear(p, c.FFNBias, residual/math.Sqrt(float64(c.FFN)), c.FFN, c.downMatrix())
	return b
}

// A matrix is one of the matrices of a linear layer.
type matrix struct {
	name    string
	outputs int
}

func (c Config) qkvMatrices() []matrix {
	queries, keys := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	if c.FusedQKV {
		return []matrix{{"self_attn.qkv_proj", queries + 2*keys}}
	}
	return []matrix{{"self_attn.q_proj", queries}, {"self_attn.k_proj", keys}, {"self_attn.v_proj", keys}}
}

func (c Config) oMatrix() matrix { return matrix{"self_attn.o_proj", c.Hidden} }

func (c Config) upMatrices() []matrix {
	if !c.gated() {
		return []matrix{{"mlp.up_proj", c.FFN}}
	}
	return []matrix{{"mlp.gate_proj", c.FFN}, {"mlp.up_proj", c.FFN}}
}

func (c Config) downMatrix() matrix { return matrix{"mlp.down_proj", c.Hidden} }

func (c Config) newNorm(p *tensor.Params, name string) norm {
	n := norm{weight: p.Const(name+".weight", 1, c.Hidden), eps: c.NormEps}
	if c.LayerNorm {
		n.bias = p.Const(name+".bias", 0, c.Hidden)
	}
	return n
}

// newLinear makes the parameters of a linear layer.
func newLinear(p *tensor.Params, bias bool, std float64, inputs int, parts ...matrix) (l linear) {
	var weights, biases []*tensor.Tensor
	for _, q := range parts {
		weights = append(weights, p.Normal(q.name+".weight", std, q.outputs, inputs))
		if bias {
			biases = append(biases, p.Const(q.name+".bias", 0, q.outputs))
		}
	}
	l.weight = weights[0]
	if bias {
		l.bias = biases[0]
	}
	if len(parts) > 1 {
		l.weight = p.Stack(weights...)
		if bias {
			l.bias = p.Stack(biases...)
		}
	}
	return l
}

// rows says where the rows of an input stand and what they look at: each other,
// as mask lets them, in training; what their sequences remember, in decoding.
// Nothing else differs between the two.
type rows struct {
	pos    []int
	mask   tensor.Mask
	caches []*Cache    // nil in training
	train  *TrainCache // in training: sequences that the rows continue
	both   bool        // with caches: new rows of a sequence see each other in both directions
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
	return tr.norm.apply(t, tr.through(t, x, r, len(tr.blocks)))
}

// through runs the first blocks, n of them.
func (tr *Trunk) through(t *tensor.Tape, x *tensor.Tensor, r rows, n int) *tensor.Tensor {
	if tr.positions != nil {
		x = t.Add(x, t.Gather(tr.positions, r.pos))
	}
	for l := range n {
		if tr.Recompute && r.caches == nil && r.train == nil {
			x = t.Checkpoint(tr.blocks[l].segment, x, r.pos, r.mask)
		} else {
			x = tr.block(t, l, x, r)
		}
	}
	return x
}

// block is layer l.   x [R, H] → [R, H]
func (tr *Trunk) block(t *tensor.Tape, l int, x *tensor.Tensor, r rows) *tensor.Tensor {
	b := &tr.blocks[l]
	q, k, v := tr.heads(t, b, b.qkv.apply(t, b.attnNorm.apply(t, x, tensor.ForProducts)), r.pos)
	x = b.o.addTo(t, x, r.mix(t, l, q, k, v, tr.HeadDim))
	return b.down.addTo(t, x, tr.activate(t, b.up.apply(t, b.ffnNorm.apply(t, x, tensor.ForProducts))))
}

// heads makes of a projection the queries, keys and values that meet in attention.
// qkv [R, (nh + 2 nkv)·hd] → [R, nh·hd], [R, nkv·hd] twice
func (tr *Trunk) heads(t *tensor.Tape, b *block, qkv *tensor.Tensor, pos []int) (q, k, v tensor.Cols) {
	queries, keys := tr.Heads*tr.HeadDim, tr.KVHeads*tr.HeadDim
	v = qkv.Part(queries+keys, keys)
	qk := qkv
	switch {
	case b.qNorm != nil:
		qk = t.NormRope(qkv.Part(0, queries+keys), tr.Heads, b.qNorm, b.kNorm, tr.NormEps, pos, tr.rotary)
	case tr.rotary != nil:
		qk = t.Rope(qkv.Part(0, queries+keys), pos, tr.rotary)
	}
	return qk.Part(0, queries), qk.Part(queries, keys), v
}

// activate is what stands between the matrices of the feed-forward layer.
// up [R, F], or [R, 2 F] with a gate → [R, F]
func (tr *Trunk) activate(t *tensor.Tape, up *tensor.Tensor) *tensor.Tensor {
	switch tr.Activation {
	case "gelu":
		return t.GELU(up, tensor.ForProducts)
	case "gelu_new":
		return t.GELUTanh(up, tensor.ForProducts)
	}
	gate, values := up.Part(0, tr.FFN), up.Part(tr.FFN, tr.FFN)
	if tr.FFNBias {
		return t.SwiGLU(gate, values, tensor.ForProducts)
	}
	return t.SwiGLU(gate, values, tensor.ForProducts, tensor.FromProduct)
}

// Forward runs the trunk over whole sequences and returns the hidden states after
// the final norm. The layout must stay as it is until t is reset.
// x [R, H] → h [R, H]
func (tr *Trunk) Forward(t *tensor.Tape, x *tensor.Tensor, layout Layout) *tensor.Tensor {
	return tr.run(t, x, rows{pos: layout.Pos, mask: t.Mask(layout.Spans)})
}

// States runs the first n blocks over whole sequences and returns the hidden states between
// the last of them and what comes next: no norm is applied.
// x [R, H] → h [R, H]
func (tr *Trunk) States(t *tensor.Tape, x *tensor.Tensor, layout Layout, n int) *tensor.Tensor {
	return tr.through(t, x, rows{pos: layout.Pos, mask: t.Mask(layout.Spans)}, n)
}
