package transformer

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
)

// LoRA is how matrices of the blocks are adapted while they themselves are
// frozen: by y = x Wᵀ + Alpha/Rank · (x Aᵀ) Bᵀ (Hu et al., 2021).
type LoRA struct {
	Rank    int     `yaml:"rank"`    // of the changes; 0: no adapters
	Alpha   float64 `yaml:"alpha"`   // the changes are scaled by alpha / rank
	Targets string  `yaml:"targets"` // the matrices with adapters, separated by commas, or "all"
	Fused   bool    `yaml:"fused"`   // the adapters are in the matrices by now
}

// On says whether there are adapters.
func (c LoRA) On() bool { return c.Rank > 0 && !c.Fused }

// TargetList returns the names of the matrices with adapters, as the architecture of the
// model has them.
func (c LoRA) TargetList(model Config) []string {
	if c.Targets == "all" {
		return slices.Clone(model.architecture().modules)
	}
	return strings.Split(c.Targets, ",")
}

// mostRank is more than any matrix has (see Config.check).
const mostRank = 1 << 20

// Check says what is wrong with the settings for a model, if anything is.
func (c LoRA) Check(model Config) error {
	switch {
	case c.Rank < 0:
		return fmt.Errorf("lora.rank is %d; it must not be negative", c.Rank)
	case c.Rank == 0:
		return nil
	case c.Rank > mostRank:
		return fmt.Errorf("lora.rank is %d; it must be at most %d", c.Rank, mostRank)
	case !(c.Alpha > 0) || math.IsInf(c.Alpha, 0):
		return fmt.Errorf("lora.alpha is %g; it must be positive", c.Alpha)
	}
	modules := model.architecture().modules
	for _, name := range c.TargetList(model) {
		if !slices.Contains(modules, name) {
			return fmt.Errorf("lora.targets has %q; want \"all\" or some of %s", name, strings.Join(modules, ","))
		}
	}
	return nil
}

func (c LoRA) scale() float32 { return float32(c.Alpha / float64(c.Rank)) }

// Adapters' names: that of their matrix, with one of these in place of "weight".
const (
	loraA = "lora_A.weight" // [rank, inputs]
	loraB = "lora_B.weight" // [outputs, rank]
)

// IsAdapter says whether a parameter belongs to an adapter.
func IsAdapter(name string) bool {
	return strings.HasSuffix(name, loraA) || strings.HasSuffix(name, loraB)
}

// adapters are what LoRA adds to one product, which may be with several matrices
// one under the other.
type adapters struct {
	a     *tensor.Tensor // of all of them, one under the other: [n·rank, inputs]
	parts []adapter
	scale float32
}

// adapter is what LoRA adds to one matrix.
type adapter struct {
	b    *tensor.Tensor // [outputs, rank]
	from int            // where the matrix's outputs begin in the product
}

// add adds the changes to y, the product with x.   x [R, I], y [R, O] → y
func (ad *adapters) add(t *tensor.Tape, y, x *tensor.Tensor) *tensor.Tensor {
	if ad == nil {
		return y
	}
	h := t.Scale(ad.scale, t.Linear(x, ad.a, nil))
	for i, p := range ad.parts {
		r := p.b.Cols()
		y = t.AddProduct(y.Part(p.from, p.b.Rows()), h.Part(i*r, r), p.b)
	}
	return y
}

// AddLoRA makes adapters for m, whose parameters are p's. A starts normal and B at
// zero: the model is the same one until they are trained.
func (m *LM) AddLoRA(p *tensor.Params, c LoRA) {
	targets, architecture := c.TargetList(m.Config), m.architecture()
	adapt := func(l int, to *linear, parts ...matrix) {
		p := p.Sub(fmt.Sprintf("model.layers.%d", l))
		ad, from, inputs := &adapters{scale: c.scale()}, 0, to.weight.Cols()
		var as []*tensor.Tensor
		for _, q := range parts {
			if slices.Contains(targets, architecture.module(q.name)) {
				as = append(as, p.Normal(q.name+"."+loraA, 1/math.Sqrt(float64(inputs)), c.Rank, inputs))
				ad.parts = append(ad.parts, adapter{p.Const(q.name+"."+loraB, 0, q.outputs, c.Rank), from})
			}
			from += q.outputs
		}
		if len(as) > 0 {
			ad.a = p.Stack(as...)
			to.lora = ad
		}
	}
	for l := range m.blocks {
		b := &m.blocks[l]
		adapt(l, &b.qkv, m.qkvMatrices()...)
		adapt(l, &b.o, m.oMatrix())
		adapt(l, &b.up, m.upMatrices()...)
		adapt(l, &b.down, m.downMatrix())
	}
}

// module is what LoRA's targets call a matrix of a block.
func (f *architecture) module(name string) string {
	for _, t := range f.tensors {
		if t.ours == name {
			name = t.theirs
		}
	}
	return name[strings.LastIndex(name, ".")+1:]
}

// PackBlocks stores the matrices of the blocks in a format: they are not trained any
// more, but gradients pass through them.
func (m *LM) PackBlocks(p *tensor.Params, format kernel.Format) {
	for _, b := range m.blocks {
		p.Pack(format, b.matrices()...)
	}
}

// BlockNumbers counts the numbers in the matrices of the blocks.
func (m *LM) BlockNumbers() int { return int(m.blockWeights()) }
