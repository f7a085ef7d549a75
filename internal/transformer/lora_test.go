package transformer

import (
	"math"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tensor/tensortest"
)

var allMatrices = LoRA{Rank: 3, Alpha: 6, Targets: "all"}

// adapted makes a small model with adapters, whose B are not zero if shaken.
func adapted(c LoRA, shaken bool) (*LM, *tensor.Params) {
	p := tensor.NewParams(3)
	m := NewLM(p, small)
	m.AddLoRA(p, c)
	if shaken {
		rng := tensor.Rand(4, "shake")
		for q := range p.All() {
			if strings.HasSuffix(q.Name, loraB) {
				for i := range q.Data {
					q.Data[i] = float32(0.3 * rng.NormFloat64())
				}
			}
		}
	}
	return m, p
}

// run is the hidden states of a short sequence.
func run(t *tensor.Tape, m *LM) *tensor.Tensor {
	return m.Forward(t, m.Embed(t, []int{3, 1, 4, 1, 5}), Causal(Layout{}, 5))
}

// Fresh adapters change no bit of what the model computes.
func TestLoRAStartsAsTheModel(t *testing.T) {
	plain := NewLM(tensor.NewParams(3), small)
	for _, targets := range []string{"all", "q_proj,v_proj", "o_proj", "up_proj,down_proj"} {
		m, _ := adapted(LoRA{Rank: 2, Alpha: 4, Targets: targets}, false)
		same(t, targets, run(nil, m), run(nil, plain))
	}
}

// files are adapters as a file would give them.
type files map[string]*tensor.Tensor

func (files) String() string { return "adapters" }

func (f files) Names() (names []string) {
	for name := range f {
		names = append(names, name)
	}
	return names
}

func (f files) Shape(name string) ([]int, error) { return f[name].Shape, nil }

func (f files) Weights(dst []float32, name string, from int) error {
	copy(dst, f[name].Data[from:])
	return nil
}

func adapterFiles(p *tensor.Params, prefix string) files {
	f := files{}
	for q := range p.All() {
		if IsAdapter(q.Name) {
			f[prefix+q.Name] = q.Tensor
		}
	}
	return f
}

// Fused into the matrices, adapters give the same model but for rounding.
func TestLoRAFuses(t *testing.T) {
	for _, targets := range []string{"all", "k_proj,down_proj", "gate_proj"} {
		c := LoRA{Rank: 3, Alpha: 6, Targets: targets}
		m, p := adapted(c, true)
		want := run(nil, m)
		plainP := tensor.NewParams(3)
		plain := NewLM(plainP, small)
		before := run(nil, plain)
		if err := small.Apply(plainP, adapterFiles(p, "base."), small.Vocab, changes(small, c, p, "base.")); err != nil {
			t.Fatal(err)
		}
		got := run(nil, plain)
		moved := 0.0
		for i, v := range want.Data {
			if math.Abs(float64(got.Data[i]-v)) > 2e-5 {
				t.Fatalf("%s: number %d is %g fused, %g with adapters", targets, i, got.Data[i], v)
			}
			moved = max(moved, math.Abs(float64(v-before.Data[i])))
		}
		if moved < 1e-2 {
			t.Errorf("%s: the adapters change no more than %g", targets, moved)
		}
	}
}

// changes are what adapters in a file do.
func changes(model Config, c LoRA, p *tensor.Params, prefix string) (all []Change) {
	for q := range p.All() {
		if stem, ok := strings.CutSuffix(model.StoredName(q.Name), loraA); ok {
			all = append(all, Change{Tensor: stem + "weight", A: prefix + stem + loraA, B: prefix + stem + loraB, Rank: c.Rank, Scale: c.Alpha / float64(c.Rank)})
		}
	}
	return all
}

// A change that does not fit is an error that names its tensor.
func TestApplyErrors(t *testing.T) {
	_, p := adapted(allMatrices, true)
	for what, change := range map[string]func(f files, all []Change){
		`has no tensor "model.layers.9.mlp.up_proj.weight"`: func(_ files, all []Change) { all[0].Tensor = "model.layers.9.mlp.up_proj.weight" },
		`tensor "base.model.layers.0.mlp.up_proj.lora_A.weight": has shape [2 20]; expected [3 20]`: func(f files, _ []Change) {
			f["base.model.layers.0.mlp.up_proj.lora_A.weight"] = tensor.New(2, small.Hidden)
		},
		`tensor "whole": has shape [1 20]; expected`: func(f files, all []Change) {
			all[0] = Change{Tensor: EmbeddingName, Whole: "whole"}
			f["whole"] = tensor.New(1, 20)
		},
		`tensor "rows": has shape [1 20]; expected [2 20]`: func(f files, all []Change) {
			all[0] = Change{Tensor: EmbeddingName, Rows: []int{1, 2}, Delta: "rows"}
			f["rows"] = tensor.New(1, 20)
		},
	} {
		f, all := adapterFiles(p, "base."), changes(small, allMatrices, p, "base.")
		change(f, all)
		q := tensor.NewParams(3)
		NewLM(q, small)
		if err := small.Apply(q, f, small.Vocab, all); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("error %v, want %q", err, what)
		}
	}
}

// The gradients of adapters, alone and with the base trainable too, are those of
// finite differences.
func TestLoRAGradients(t *testing.T) {
	m, p := adapted(allMatrices, true)
	p.SetTrainable(IsAdapter)
	var trainable []*tensor.Tensor
	for q := range p.All() {
		if strings.Contains(q.Name, "layers.1.") && IsAdapter(q.Name) {
			trainable = append(trainable, q.Tensor)
		}
	}
	if len(trainable) != 14 {
		t.Fatalf("%d adapters in a block, want 7 pairs", len(trainable))
	}
	f := func(tp *tensor.Tape) *tensor.Tensor { return run(tp, m) }
	tensortest.GradCheck(t, f, trainable...)
	m.Recompute = true
	tensortest.GradCheck(t, f, trainable...)
}

// Frozen matrices have no gradients, and nothing else changes when
// they are packed in the precision of the products.
func TestLoRAOverPackedMatrices(t *testing.T) {
	gradients := func(pack, recompute bool) (all []float32) {
		m, p := adapted(allMatrices, true)
		p.SetTrainable(IsAdapter)
		m.Recompute = recompute
		if pack {
			m.PackBlocks(p, kernel.BF16)
		}
		tp := &tensor.Tape{BF16: true}
		h := run(tp, m)
		tp.Backward(tp.Sum(tp.Mul(h, h)))
		all = slices.Clone(h.Data)
		for q := range p.All() {
			if !IsAdapter(q.Name) {
				if q.Grad != nil {
					t.Errorf("%s has a gradient", q.Name)
				}
				continue
			}
			all = append(all, q.Grad...)
		}
		return all
	}
	want := gradients(false, false)
	for _, recompute := range []bool{false, true} {
		if !slices.Equal(gradients(true, recompute), want) {
			t.Errorf("recompute %v: packed matrices change values or gradients", recompute)
		}
	}
}

// With adapters too, the cache is the full pass and threads change no bit.
func TestLoRACacheAndThreads(t *testing.T) {
	m, _ := adapted(allMatrices, true)
	want := run(nil, m)
	c := m.NewCache()
	same(t, "step", m.Step(nil, slices.Repeat([]*Cache{c}, 5), m.Embed(nil, []int{3, 1, 4, 1, 5})), want)
	defer kernel.SetThreads(kernel.Threads())
	for _, n := range []int{1, 3} {
		kernel.SetThreads(n)
		same(t, "threads", run(nil, m), want)
	}
}

func TestLoRACheck(t *testing.T) {
	for want, c := range map[string]LoRA{
		"":           {Rank: 4, Alpha: 8, Targets: "q_proj,v_proj"},
		"lora.rank":  {Rank: -1, Alpha: 8, Targets: "all"},
		"at most":    {Rank: 4e18, Alpha: 8, Targets: "all"},
		"lora.alpha": {Rank: 1, Targets: "all"},
		`"w_proj"`:   {Rank: 1, Alpha: 1, Targets: "q_proj,w_proj"},
	} {
		err := c.Check(small)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: error %v, want %q", c, err, want)
		}
	}
}
