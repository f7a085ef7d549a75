// Package nfhead gives thoughts a density: an invertible map from the codes of
// the VAE to the thoughts of the model (Flow), and a Gaussian over the next
// thought given a hidden state (Head).
package nfhead

import (
	"fmt"
	"math"
	"slices"

	"nfcot/internal/tensor"
)

// Config is the shape of a Flow.
type Config struct {
	Blocks     int    `yaml:"blocks"`      // MetaBlocks
	Width      int    `yaml:"width"`       // of the transformer inside a block
	Layers     int    `yaml:"layers"`      // of the transformer inside a block
	HeadDim    int    `yaml:"head_dim"`    // of its attention
	Expansion  int    `yaml:"expansion"`   // of its feed-forward layers
	Permute    string `yaml:"permutation"` // "alternate": every second block sees the positions in reverse order; "identity": none does
	ShiftsOnly bool   `yaml:"shifts_only"` // volume preserving: no scales, log-determinant 0
}

// Check says what is wrong with the shape, if anything is.
func (c Config) Check() error {
	switch {
	case c.Blocks < 0 || c.Layers < 1 || c.Expansion < 1 || c.Width < 1 || c.HeadDim < 1:
		return fmt.Errorf("flow of %d blocks, width %d, %d layers, head_dim %d, expansion %d; all but blocks must be at least 1", c.Blocks, c.Width, c.Layers, c.HeadDim, c.Expansion)
	case c.Blocks > 1<<12 || c.Layers > 1<<12 || c.Expansion > 1<<10 || c.Width > 1<<20: // a slip of the hand, for which there are no bits to count with
		return fmt.Errorf("flow of %d blocks, width %d, %d layers, expansion %d; want at most %d, %d, %d and %d", c.Blocks, c.Width, c.Layers, c.Expansion, 1<<12, 1<<20, 1<<12, 1<<10)
	case c.Width%c.HeadDim != 0:
		return fmt.Errorf("flow width is %d, not a multiple of its head_dim (%d)", c.Width, c.HeadDim)
	case c.Permute != "alternate" && c.Permute != "identity":
		return fmt.Errorf("flow permutation is %q; want \"alternate\" or \"identity\"", c.Permute)
	}
	return nil
}

// A Flow is a TARFlow (Zhai et al., 2024): causal affine maps over the K rows
// of a thought, one after the other, in alternating directions. A new Flow is
// the identity.
type Flow struct {
	K, D   int
	blocks []*metaBlock
}

// A metaBlock is a causal transformer over K rows that predicts how to scale
// and shift each row from the rows before it (docs/method.md eq. 3). Parameter names
// are those of the reference implementation.
type metaBlock struct {
	Config
	k, d        int
	flip        bool
	in, inBias  *tensor.Tensor // [C, D]
	pos         *tensor.Tensor // [K, C], by original position
	layers      []metaLayer
	out, outBia *tensor.Tensor // [2D, C], or [D, C] for shifts only
}

type metaLayer struct {
	norm1, bias1, qkv, qkvBias, proj, projBias *tensor.Tensor
	norm2, bias2, up, upBias, down, downBias   *tensor.Tensor
}

// NewFlow makes the parameters of a flow over thoughts of k rows of d numbers.
func NewFlow(p *tensor.Params, c Config, k, d int) *Flow {
	f := &Flow{K: k, D: d}
	for i := range c.Blocks {
		f.blocks = append(f.blocks, newMetaBlock(p.Sub(fmt.Sprintf("blocks.%d", i)), c, k, d, c.Permute == "alternate" && i%2 == 1))
	}
	return f
}

func newMetaBlock(p *tensor.Params, c Config, k, d int, flip bool) *metaBlock {
	C := c.Width
	linear := func(name string, out, in int) (w, b *tensor.Tensor) {
		return p.Normal(name+".weight", 1/math.Sqrt(float64(in)), out, in), p.Const(name+".bias", 0, out)
	}
	b := &metaBlock{Config: c, k: k, d: d, flip: flip}
	b.in, b.inBias = linear("proj_in", C, d)
	b.pos = p.Normal("pos_embed", 0.01, k, C)
	for i := range c.Layers {
		var l metaLayer
		at := fmt.Sprintf("attn_blocks.%d.", i)
		l.norm1, l.bias1 = p.Const(at+"attention.norm.weight", 1, C), p.Const(at+"attention.norm.bias", 0, C)
		l.qkv, l.qkvBias = linear(at+"attention.qkv", 3*C, C)
		l.proj, l.projBias = linear(at+"attention.proj", C, C)
		l.norm2, l.bias2 = p.Const(at+"mlp.norm.weight", 1, C), p.Const(at+"mlp.norm.bias", 0, C)
		l.up, l.upBias = linear(at+"mlp.main.0", c.Expansion*C, C)
		l.down, l.downBias = linear(at+"mlp.main.2", C, c.Expansion*C)
		b.layers = append(b.layers, l)
	}
	outs := 2 * d
	if c.ShiftsOnly {
		outs = d
	}
	b.out, b.outBia = p.Const("proj_out.weight", 0, outs, C), p.Const("proj_out.bias", 0, outs)
	return b
}

// Forward maps codes to thoughts and returns log |det du/de| of each thought.
// cond, if not nil, holds for every block a vector for each thought that is
// added to the block's inputs.
// e [n·K, D], cond[block] [n, C] → u [n·K, D], logDet [n, 1]
func (f *Flow) Forward(t *tensor.Tape, e *tensor.Tensor, cond []*tensor.Tensor) (u, logDet *tensor.Tensor) {
	n := e.Rows() / f.K
	u, logDet = e, t.New(n, 1)
	owner := t.Ints(e.Rows())
	for r := range e.Rows() {
		owner = append(owner, r/f.K)
	}
	backwards, before := f.order(t, n, true), f.shifted(t, n)
	in := context{mask: t.Mask(f.causal(t, n))}
	for i, b := range f.blocks {
		w := u
		if b.flip {
			w = t.Gather(u, backwards)
		}
		a, shift := b.affine(t, w, condOf(cond, i), in)
		v := t.Sub(w, t.Gather(shift, before))
		if a != nil {
			a = t.Gather(a, before)
			v = t.Mul(v, t.Exp(t.Scale(-1, a)))                     // eq. (3)
			logDet = t.Sub(logDet, t.SumBy(t.SumCols(a), owner, n)) // -Σ a
		}
		u = v
		if b.flip {
			u = t.Gather(v, backwards)
		}
	}
	return u, logDet
}

// context says what the rows of a block look at: each other, as mask lets them,
// or what the thoughts remember of the rows before (caches[layer][thought]).
type context struct {
	mask   tensor.Mask
	caches [][]*tensor.KVCache
}

func (c context) mix(t *tensor.Tape, layer int, q, k, v tensor.Cols, hd int) *tensor.Tensor {
	if c.caches == nil {
		return t.Attention(q, k, v, c.mask, hd)
	}
	return t.Attend(q, k, v, c.caches[layer], hd, false)
}

func condOf(cond []*tensor.Tensor, block int) *tensor.Tensor {
	if cond == nil {
		return nil
	}
	return cond[block]
}

// Inverse maps thoughts to codes: Forward undone, block by block and row by
// row, each row seeing the keys and values of the rows before it.
// u [n·K, D], cond as in Forward → e [n·K, D]
func (f *Flow) Inverse(u *tensor.Tensor, cond []*tensor.Tensor) *tensor.Tensor {
	var t *tensor.Tape
	n := u.Rows() / f.K
	for i, b := range slices.Backward(f.blocks) {
		order := f.order(t, n, b.flip)
		w := t.Gather(u, order)
		caches := make([][]*tensor.KVCache, len(b.layers)) // [layer][thought]
		for l := range caches {
			for range n {
				caches[l] = append(caches[l], new(tensor.KVCache))
			}
		}
		var a, shift *tensor.Tensor // for row k, from the rows before it
		for k := range f.K {
			rows := make([]int, n) // row k of every thought
			for j := range rows {
				rows[j] = j*f.K + k
			}
			if k > 0 {
				for j, r := range rows {
					for d := range f.D {
						v := w.Row(r)[d]
						if a != nil {
							v *= float32(math.Exp(float64(a.Row(j)[d])))
						}
						w.Row(r)[d] = v + shift.Row(j)[d]
					}
				}
			}
			a, shift = b.affineRow(t.Gather(w, rows), k, condOf(cond, i), context{caches: caches})
		}
		u = t.Gather(w, order)
	}
	return u
}

// FLOPs counts the floating-point operations that Forward or Inverse takes for a thought
// of K rows: two for each multiplication in a weight or in attention.
func (f *Flow) FLOPs() float64 {
	var weights, width int // a row's, and of its attention over layers
	for _, b := range f.blocks {
		C := b.Width
		weights += C*f.D + len(b.layers)*(4+2*b.Expansion)*C*C + b.out.Rows()*C
		width += len(b.layers) * C
	}
	return 2 * float64(f.K*weights+2*width*f.K*(f.K+1)/2)
}

// affine runs the block's transformer over rows w, which lie in the block's own
// order, K a thought, and returns what each row predicts for the next one: a
// log-scale (nil for shifts only) and a shift.
func (b *metaBlock) affine(t *tensor.Tape, w, cond *tensor.Tensor, in context) (a, shift *tensor.Tensor) {
	at := t.Ints(w.Rows())
	for r := range w.Rows() {
		at = append(at, b.original(r%b.k))
	}
	return b.transform(t, w, at, cond, in)
}

// affineRow is affine for row k of every thought, which sees the rows before it
// in its cache and is added to it.
func (b *metaBlock) affineRow(w *tensor.Tensor, k int, cond *tensor.Tensor, in context) (a, shift *tensor.Tensor) {
	return b.transform(nil, w, slices.Repeat([]int{b.original(k)}, w.Rows()), cond, in)
}

// transform is the transformer itself: w [R, D] at original positions at [R].
func (b *metaBlock) transform(t *tensor.Tape, w *tensor.Tensor, at []int, cond *tensor.Tensor, in context) (a, shift *tensor.Tensor) {
	const eps = 1e-5
	C := b.Width
	h := t.Add(t.Linear(w, b.in, b.inBias), t.Gather(b.pos, at))
	if cond != nil {
		owner := t.Ints(w.Rows())
		for r := range w.Rows() {
			owner = append(owner, r*cond.Rows()/w.Rows())
		}
		h = t.Add(h, t.Gather(cond, owner))
	}
	for i := range b.layers {
		l := &b.layers[i]
		qkv := t.Linear(t.LayerNorm(h, l.norm1, l.bias1, eps, tensor.ForProducts), l.qkv, l.qkvBias)
		mixed := in.mix(t, i, qkv.Part(0, C), qkv.Part(C, C), qkv.Part(2*C, C), b.HeadDim)
		h = t.Add(h, t.Linear(mixed, l.proj, l.projBias))
		up := t.GELU(t.Linear(t.LayerNorm(h, l.norm2, l.bias2, eps, tensor.ForProducts), l.up, l.upBias), tensor.ForProducts)
		h = t.Add(h, t.Linear(up, l.down, l.downBias))
	}
	o := t.Linear(h, b.out, b.outBia)
	if b.ShiftsOnly {
		return nil, o
	}
	return t.Columns(o.Part(0, b.d)), t.Columns(o.Part(b.d, b.d))
}

// original is the position, before the block's permutation, of its row k.
func (b *metaBlock) original(k int) int {
	if b.flip {
		return b.k - 1 - k
	}
	return k
}

// order lists the rows of n thoughts forwards or, for flip, each one backwards.
// It is its own inverse.
func (f *Flow) order(t *tensor.Tape, n int, flip bool) []int {
	order := t.Ints(n * f.K)
	for r := range n * f.K {
		if k := r % f.K; flip {
			r += f.K - 1 - 2*k
		}
		order = append(order, r)
	}
	return order
}

// shifted names for each row the row before it; -1 for the first of a thought,
// whose scale and shift are zero.
func (f *Flow) shifted(t *tensor.Tape, n int) []int {
	before := t.Ints(n * f.K)
	for r := range n * f.K {
		if r%f.K == 0 {
			r = 0
		}
		before = append(before, r-1)
	}
	return before
}

// causal lets each row of a thought see itself and the rows before it.
func (f *Flow) causal(t *tensor.Tape, n int) []tensor.Span {
	see := t.Spans(n * f.K)
	for r := range n * f.K {
		see = append(see, tensor.Span{From: r - r%f.K, To: r + 1})
	}
	return see
}
