// Package nfhead gives thoughts a density: an invertible map from the codes of
// the VAE to the thoughts of the model (Flow), and a Gaussian over the next
// thought given a hidden state (Head).
package nfhead

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"nfcot/internal/tensor"
)

// Config is the shape of a Flow.
type Config struct {
	Stack      string  `yaml:"stack,omitempty"`    // layers from the codes on, separated by commas: linear, spline, logistic, metablock; "": as many metablocks as blocks says
	Thoughts   int     `yaml:"thoughts,omitempty"` // the first ones, which the flow maps; the others stay codes; 0: all
	Parts      int     `yaml:"parts,omitempty"`    // bins of a spline, components of a logistic curve; 0: 16
	Bound      float64 `yaml:"bound,omitempty"`    // splines are the identity outside of [-bound, bound]; 0: 16
	Blocks     int     `yaml:"blocks"`             // MetaBlocks
	Width      int     `yaml:"width"`              // of the transformer inside a block
	Layers     int     `yaml:"layers"`             // of the transformer inside a block
	HeadDim    int     `yaml:"head_dim"`           // of its attention
	Expansion  int     `yaml:"expansion"`          // of its feed-forward layers
	Permute    string  `yaml:"permutation"`        // "alternate": every second block sees the positions in reverse order; "identity": none does
	ShiftsOnly bool    `yaml:"shifts_only"`        // volume preserving: no scales, log-determinant 0
	Scale      string  `yaml:"scale,omitempty"`    // of metablocks: "exp" of what a block predicts, or "softplus", softly limited; "": exp
}

// softScale keeps the logarithms of softplus scales within ±5, as heads keep those of sigma by default.
const softScale = 5

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
	case c.Thoughts < 0:
		return fmt.Errorf("flow maps %d thoughts; want a number of them, or 0 for all", c.Thoughts)
	case c.Parts < 0 || c.Parts == 1 || c.Parts > mostParts || !(c.Bound >= 0) || math.IsInf(c.Bound, 0):
		return fmt.Errorf("flow has %d parts and bound %g; want 2 to %d, and a positive number, or 0 for the default", c.Parts, c.Bound, mostParts)
	case c.Scale != "" && c.Scale != "exp" && c.Scale != "softplus":
		return fmt.Errorf("flow scale is %q; want \"exp\" or \"softplus\"", c.Scale)
	case c.Scale == "softplus" && (c.ShiftsOnly || !slices.Contains(c.Names(), "metablock")):
		return fmt.Errorf("flow scale is softplus, but it has no metablocks that scale (shifts_only %v, stack %q, %d blocks)", c.ShiftsOnly, c.Stack, c.Blocks)
	}
	for _, name := range c.Names() {
		if !slices.Contains(layerNames, name) {
			return fmt.Errorf("flow stack %q has a layer %q; want some of %s, separated by commas", c.Stack, name, strings.Join(layerNames, ", "))
		}
	}
	return nil
}

// layerNames are what a stack is made of.
var layerNames = []string{"linear", "spline", "logistic", "metablock"}

// Names are those of the layers, from the codes on.
func (c Config) Names() []string {
	if c.Stack == "" {
		return slices.Repeat([]string{"metablock"}, c.Blocks)
	}
	return strings.Split(c.Stack, ",")
}

// A Flow is an invertible map of K thoughts, layer after layer. Of metablocks alone it is a
// TARFlow (Zhai et al., 2024): causal affine maps over the K rows, in alternating directions.
// A new Flow is the identity, but for logistic curves.
type Flow struct {
	K, D   int
	first  int // thoughts that are mapped, of K
	layers []layer
}

// A metaBlock is a causal transformer over K rows that predicts how to scale
// and shift each row from the rows before it (docs/method.md eq. 3). Parameter names
// are those of the reference implementation.
type metaBlock struct {
	Config
	k, d         int
	flip         bool
	in, inBias   *tensor.Tensor // [C, D]
	pos          *tensor.Tensor // [K, C], by original position
	layers       []metaLayer
	out, outBias *tensor.Tensor // [2D, C], or [D, C] for shifts only
}

type metaLayer struct {
	norm1, bias1, qkv, qkvBias, proj, projBias *tensor.Tensor
	norm2, bias2, up, upBias, down, downBias   *tensor.Tensor
}

// NewFlow makes the parameters of a flow over thoughts of k rows of d numbers.
func NewFlow(p *tensor.Params, c Config, k, d int) *Flow {
	f := &Flow{K: k, D: d, first: k}
	if c.Thoughts > 0 {
		f.first = min(k, c.Thoughts)
	}
	k = f.first
	metablocks, parts := 0, cmp.Or(c.Parts, 16)
	for i, name := range c.Names() {
		p := p.Sub(fmt.Sprintf("blocks.%d", i))
		var l layer
		switch name {
		case "linear":
			l = newRotation(p, k, d)
		case "spline":
			curve := spline{parts, cmp.Or(c.Bound, 16)}
			l = &curves{curve, p.Const("curves", 0, k*d, curve.Numbers()), d}
		case "logistic":
			curve := logistic{parts}
			l = &curves{curve, p.Normal("curves", 0.1, k*d, curve.Numbers()), d} // components that are alike would stay so
		default:
			l = newMetaBlock(p, c, k, d, c.Permute == "alternate" && metablocks%2 == 1)
			metablocks++
		}
		f.layers = append(f.layers, l)
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
	b.out, b.outBias = p.Const("proj_out.weight", 0, outs, C), p.Const("proj_out.bias", 0, outs)
	return b
}

// Forward maps codes to thoughts and returns log |det du/de| of each thought.
// cond, if not nil, holds for every layer a vector for each thought that is
// added to the inputs of a metablock.
// e [n·K, D], cond[layer] [n, C] → u [n·K, D], logDet [n, 1]
func (f *Flow) Forward(t *tensor.Tape, e *tensor.Tensor, cond []*tensor.Tensor) (u, logDet *tensor.Tensor) {
	in := f.batch(t, e.Rows()/f.K)
	u, logDet = f.take(t, e), t.New(in.n, 1)
	for i, l := range f.layers {
		in.cond = condOf(cond, i)
		u, logDet = l.forward(t, u, logDet, in)
	}
	return f.put(t, u, e), logDet
}

// take are the rows of the thoughts that the flow maps.   x [n·K, C] → [n·first, C]
func (f *Flow) take(t *tensor.Tape, x *tensor.Tensor) *tensor.Tensor {
	if f.first == f.K {
		return x
	}
	rows := t.Ints(x.Rows() / f.K * f.first)
	for r := range x.Rows() {
		if r%f.K < f.first {
			rows = append(rows, r)
		}
	}
	return t.Gather(x, rows)
}

// put puts those rows in their places in x.
func (f *Flow) put(t *tensor.Tape, mapped, x *tensor.Tensor) *tensor.Tensor {
	if f.first == f.K {
		return mapped
	}
	rows := t.Ints(x.Rows())
	for r := range x.Rows() {
		at := mapped.Rows() + r
		if r%f.K < f.first {
			at = r/f.K*f.first + r%f.K
		}
		rows = append(rows, at)
	}
	return t.Gather(t.Stack(mapped, x), rows)
}

// A Trace is what a flow makes of codes, and of a little noise on them.
type Trace struct {
	U        *tensor.Tensor // [n·K, D]
	Variance *tensor.Tensor // of each number of U, in units of the codes' noise, to first order, correlations left out: [n·K, D]
	LogDet   *tensor.Tensor // each row's share in log |det du/de|: [n·K, 1]
}

// Trace maps codes, and noise that is the same and independent in all of their numbers. The tape lends memory alone:
// results have no gradients.   e [n·K, D]
func (f *Flow) Trace(t *tensor.Tape, e *tensor.Tensor) Trace {
	if t != nil && !t.Inference {
		t.Inference = true
		defer func() { t.Inference = false }()
	}
	same, none := t.New(e.Rows(), e.Cols()), t.New(e.Rows(), 1)
	for i := range same.Data {
		same.Data[i] = 1
	}
	in := f.batch(t, e.Rows()/f.K)
	x := Trace{f.take(t, e), f.take(t, same), t.New(in.n*f.first, 1)}
	for _, l := range f.layers {
		x.U, x.Variance = l.trace(t, x.U, x.Variance, x.LogDet, in)
	}
	return Trace{f.put(t, x.U, e), f.put(t, x.Variance, same), f.put(t, x.LogDet, none)}
}

// Spread is the variance of Trace at thoughts number k, of flows that map each thought by itself (Apart); nil, for 1
// everywhere, if the flow is the identity.   u [R, D] → [R, D]
func (f *Flow) Spread(u *tensor.Tensor, k int) *tensor.Tensor {
	if f.Identity() || k >= f.first {
		return nil
	}
	one := Flow{K: 1, D: f.D, first: 1}
	for _, l := range f.layers {
		one.layers = append(one.layers, l.only(k))
	}
	return one.Trace(nil, one.Inverse(u, nil)).Variance
}

// Apart says whether the flow maps each thought by itself.
func (f *Flow) Apart() bool {
	return !slices.ContainsFunc(f.layers, func(l layer) bool { return l.only(0) == nil })
}

// Identity says whether the flow changes nothing, as where it has not been trained.
func (f *Flow) Identity() bool {
	return !slices.ContainsFunc(f.layers, func(l layer) bool { return !l.identity() })
}

// A batch is how the rows of n chains of K thoughts lie.
type batch struct {
	n         int
	owner     []int // the chain of a row
	backwards []int // the rows of each chain in reverse order
	before    []int // the row before each row, -1 for the first of a chain
	mask      tensor.Mask
	cond      *tensor.Tensor // of the layer under way, or nil
}

func (f *Flow) batch(t *tensor.Tape, n int) batch {
	K := f.first
	in := batch{n: n, owner: t.Ints(n * K)}
	for r := range n * K {
		in.owner = append(in.owner, r/K)
	}
	in.backwards, in.before = order(t, n, K, true), shifted(t, n, K)
	in.mask = t.Mask(causal(t, n, K))
	return in
}

func (b *metaBlock) forward(t *tensor.Tape, u, logDet *tensor.Tensor, in batch) (*tensor.Tensor, *tensor.Tensor) {
	w := u
	if b.flip {
		w = t.Gather(u, in.backwards)
	}
	a, shift := b.affine(t, w, in.cond, context{mask: in.mask})
	v := t.Sub(w, t.Gather(shift, in.before))
	if a != nil {
		a = t.Gather(a, in.before)
		v = t.Mul(v, t.Exp(t.Scale(-1, a)))                           // eq. (3)
		logDet = t.Sub(logDet, t.SumBy(t.SumCols(a), in.owner, in.n)) // -Σ a
	}
	if b.flip {
		v = t.Gather(v, in.backwards)
	}
	return v, logDet
}

func (b *metaBlock) trace(t *tensor.Tape, u, variance, logDet *tensor.Tensor, in batch) (v, spread *tensor.Tensor) {
	v, _ = b.forward(t, u, t.New(in.n, 1), in)
	if b.ShiftsOnly {
		return v, variance
	}
	w := u
	if b.flip {
		w = t.Gather(u, in.backwards)
	}
	a, _ := b.affine(t, w, in.cond, context{mask: in.mask})
	a = t.Gather(a, in.before)
	if b.flip {
		a = t.Gather(a, in.backwards)
	}
	for r, sum := range t.SumCols(a).Data {
		logDet.Data[r] -= sum
	}
	return v, t.Mul(variance, t.Exp(t.Scale(-2, a)))
}

func (b *metaBlock) only(int) layer { return nil }

func (b *metaBlock) identity() bool { return zero(b.out) && zero(b.outBias) }

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

// Inverse maps thoughts to codes: Forward undone, layer by layer.
// u [n·K, D], cond as in Forward → e [n·K, D]
func (f *Flow) Inverse(u *tensor.Tensor, cond []*tensor.Tensor) *tensor.Tensor {
	in := batch{n: u.Rows() / f.K}
	e := f.take(nil, u)
	for i, l := range slices.Backward(f.layers) {
		in.cond = condOf(cond, i)
		e = l.inverse(e, in)
	}
	return f.put(nil, e, u)
}

// inverse goes row by row, each row seeing the keys and values of the rows before it.
func (b *metaBlock) inverse(u *tensor.Tensor, in batch) *tensor.Tensor {
	var t *tensor.Tape
	order := order(t, in.n, b.k, b.flip)
	w := t.Gather(u, order)
	caches := make([][]*tensor.KVCache, len(b.layers)) // [layer][thought]
	for l := range caches {
		for range in.n {
			caches[l] = append(caches[l], new(tensor.KVCache))
		}
	}
	var a, shift *tensor.Tensor // for row k, from the rows before it
	for k := range b.k {
		rows := make([]int, in.n) // row k of every thought
		for j := range rows {
			rows[j] = j*b.k + k
		}
		if k > 0 {
			for j, r := range rows {
				for d := range b.d {
					v := w.Row(r)[d]
					if a != nil {
						v *= float32(math.Exp(float64(a.Row(j)[d])))
					}
					w.Row(r)[d] = v + shift.Row(j)[d]
				}
			}
		}
		a, shift = b.affineRow(t.Gather(w, rows), k, in.cond, context{caches: caches})
	}
	return t.Gather(w, order)
}

// FLOPs counts the floating-point operations that Forward or Inverse takes for a thought
// of K rows: two for each multiplication in a weight or in attention.
func (f *Flow) FLOPs() (flops float64) {
	for _, l := range f.layers {
		flops += l.flops()
	}
	return flops
}

func (b *metaBlock) flops() float64 {
	C := b.Width
	weights := C*b.d + len(b.layers)*(4+2*b.Expansion)*C*C + b.out.Rows()*C
	width := len(b.layers) * C // of its attention over layers
	return 2 * float64(b.k*weights+2*width*b.k*(b.k+1)/2)
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
	o := t.Linear(h, b.out, b.outBias)
	if b.ShiftsOnly {
		return nil, o
	}
	a = t.Columns(o.Part(0, b.d))
	if b.Scale == "softplus" {
		a = limited(t, t.LogSoftplus(a), softScale) // eq. (3')
	}
	return a, t.Columns(o.Part(b.d, b.d))
}

// original is the position, before the block's permutation, of its row k.
func (b *metaBlock) original(k int) int {
	if b.flip {
		return b.k - 1 - k
	}
	return k
}

// order lists the rows of n thoughts of K rows forwards or, for flip, each one backwards.
// It is its own inverse.
func order(t *tensor.Tape, n, K int, flip bool) []int {
	order := t.Ints(n * K)
	for r := range n * K {
		if k := r % K; flip {
			r += K - 1 - 2*k
		}
		order = append(order, r)
	}
	return order
}

// shifted names for each row the row before it; -1 for the first of a thought,
// whose scale and shift are zero.
func shifted(t *tensor.Tape, n, K int) []int {
	before := t.Ints(n * K)
	for r := range n * K {
		if r%K == 0 {
			r = 0
		}
		before = append(before, r-1)
	}
	return before
}

// causal lets each row of a thought see itself and the rows before it.
func causal(t *tensor.Tape, n, K int) []tensor.Span {
	see := t.Spans(n * K)
	for r := range n * K {
		see = append(see, tensor.Span{From: r - r%K, To: r + 1})
	}
	return see
}
