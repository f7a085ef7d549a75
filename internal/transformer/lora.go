package transformer

import (
	"errors"
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
	Fused   bool    `yaml:"merged"`  // the adapters are in the matrices by now
}

// On says whether there are adapters.
func (c LoRA) On() bool { return c.Rank > 0 && !c.Fused }

// linearLayers are the matrices of a block, as Hugging Face calls them.
var linearLayers = []string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}

// TargetList returns the names of the matrices with adapters.
func (c LoRA) TargetList() []string {
	if c.Targets == "all" {
		return slices.Clone(linearLayers)
	}
	return strings.Split(c.Targets, ",")
}

// Check says what is wrong with the settings, if anything is.
func (c LoRA) Check() error {
	switch {
	case c.Rank < 0:
		return fmt.Errorf("lora.rank is %d; it must not be negative", c.Rank)
	case c.Rank == 0:
		return nil
	case !(c.Alpha > 0) || math.IsInf(c.Alpha, 0):
		return fmt.Errorf("lora.alpha is %g; it must be positive", c.Alpha)
	}
	for _, name := range c.TargetList() {
		if !slices.Contains(linearLayers, name) {
			return fmt.Errorf("lora.targets has %q; want \"all\" or some of %s", name, strings.Join(linearLayers, ","))
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
	targets := c.TargetList()
	rows := map[string]int{
		"q_proj": m.Heads * m.HeadDim, "k_proj": m.KVHeads * m.HeadDim, "v_proj": m.KVHeads * m.HeadDim, "o_proj": m.Hidden,
		"gate_proj": m.FFN, "up_proj": m.FFN, "down_proj": m.Hidden,
	}
	for l := range m.blocks {
		adapt := func(within string, inputs int, names ...string) *adapters {
			p := p.Sub(fmt.Sprintf("model.layers.%d.%s", l, within))
			ad, from := &adapters{scale: c.scale()}, 0
			var as []*tensor.Tensor
			for _, name := range names {
				if slices.Contains(targets, name) {
					as = append(as, p.Normal(name+"."+loraA, 1/math.Sqrt(float64(inputs)), c.Rank, inputs))
					ad.parts = append(ad.parts, adapter{p.Const(name+"."+loraB, 0, rows[name], c.Rank), from})
				}
				from += rows[name]
			}
			if len(as) == 0 {
				return nil
			}
			ad.a = p.Stack(as...)
			return ad
		}
		b := &m.blocks[l]
		b.qkvLoRA = adapt("self_attn", m.Hidden, "q_proj", "k_proj", "v_proj")
		b.oLoRA = adapt("self_attn", m.Heads*m.HeadDim, "o_proj")
		b.gateUpLoRA = adapt("mlp", m.Hidden, "gate_proj", "up_proj")
		b.downLoRA = adapt("mlp", m.FFN, "down_proj")
	}
}

// PackBlocks stores the matrices of the blocks in a format: they are not trained any
// more, but gradients pass through them.
func (m *LM) PackBlocks(p *tensor.Params, format kernel.Format) {
	for _, b := range m.blocks {
		p.Pack(format, b.qkv, b.o, b.gateUp, b.down)
	}
}

// BlockNumbers counts the numbers in the matrices of the blocks.
func (m *LM) BlockNumbers() int { return int(m.blockWeights()) }

// An AdapterReader gives adapters by name: an adapter file.
type AdapterReader interface {
	tensor.WeightReader
	Names() []string
}

// Fuse adds the changes that adapters make to the matrices of p. The names in
// the file are those of the parameters after prefix.
func (c LoRA) Fuse(p *tensor.Params, from AdapterReader, prefix string) error {
	rest := map[string]bool{}
	for _, name := range from.Names() {
		rest[name] = true
	}
	for q := range p.All() {
		stem := prefix + strings.TrimSuffix(q.Name, "weight")
		if !rest[stem+loraA] || !rest[stem+loraB] {
			continue
		}
		delete(rest, stem+loraA)
		delete(rest, stem+loraB)
		O, I := q.Rows(), q.Cols()
		a, b := make([]float32, c.Rank*I), make([]float32, O*c.Rank)
		if err := errors.Join(tensor.LoadInto(a, []int{c.Rank, I}, from, stem+loraA), tensor.LoadInto(b, []int{O, c.Rank}, from, stem+loraB)); err != nil {
			return err
		}
		kernel.Scale(b, c.scale(), b)
		kernel.Gemm(q.Data, I, kernel.Mat{Data: b, Stride: c.Rank}, kernel.Mat{Data: a, Stride: I}, O, I, c.Rank, true)
	}
	for _, name := range from.Names() {
		if rest[name] {
			return fmt.Errorf("%s: tensor %q: is no part of an adapter for a matrix of this model", from, name)
		}
	}
	return nil
}
