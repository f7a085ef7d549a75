package cot

import (
	"slices"
	"strings"
	"testing"

	"nfcot/internal/nfhead"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

var (
	_ Learner = Stage{}
	_ Sampler = (*NFCoT)(nil)
	_ Scorer  = (*NFCoT)(nil)
	_ Coder   = (*NFCoT)(nil)
	_ Learner = (*LaVAE)(nil)
	_ Sampler = (*LaVAE)(nil)
	_ Coder   = (*LaVAE)(nil)
	_ Learner = (*LaDiR)(nil)
	_ Sampler = (*LaDiR)(nil)
	_ Coder   = (*LaDiR)(nil)
	_ Reader  = (*NFCoT)(nil)
	_ Reader  = (*LaVAE)(nil)
	_ Reader  = (*LaDiR)(nil)
	_ Learner = (*Coconut)(nil)
	_ Sampler = (*Coconut)(nil)
	_ Learner = (*ICoT)(nil)
	_ Sampler = (*ICoT)(nil)
	_ Scorer  = (*ICoT)(nil)
	_ Learner = (*Text)(nil)
	_ Sampler = (*Text)(nil)
	_ Scorer  = (*Text)(nil)
	_ Sampler = (*Soft)(nil)
)

var (
	special    = Special{EOS: 0, BOT: 1, CoT: 2, Ans: 3}
	lmShape    = transformer.Config{Hidden: 16, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 4, FFN: 24, Vocab: 20, Theta: 1e4, NormEps: 1e-6, MaxTokens: 64}
	flowShape  = nfhead.Config{Blocks: 3, Width: 8, Layers: 1, HeadDim: 4, Expansion: 2, Permute: "alternate"}
	untempered = Temperatures{1, 1}
	nfOptions  = NFOptions{K: 3, D: 2, MLP: 4, Noise: 0.3, LambdaFlow: 1, LambdaText: 1, SigmaLimit: 5}
)

// newNFCoT makes a small model as training would find it.
func newNFCoT(o NFOptions) (*NFCoT, *tensor.Params) {
	p := tensor.NewParams(1)
	return NewNFCoT(p, transformer.NewLM(p, lmShape), special, flowShape, o), p
}

// shakenNFCoT is newNFCoT away from its start: no zero, no one is left.
func shakenNFCoT(o NFOptions) (*NFCoT, *tensor.Params) {
	m, p := newNFCoT(o)
	shake(p)
	return m, p
}

// shakenDual is shakenNFCoT in two passes, with the same numbers.
func shakenDual(o NFOptions) (*NFCoT, *tensor.Params) {
	p := tensor.NewParams(1)
	m := NewDual(p, transformer.NewLM(p, lmShape), special, flowShape, o)
	shake(p)
	return m, p
}

func shakenLaVAE(o NFOptions) (*LaVAE, *tensor.Params) {
	p := tensor.NewParams(1)
	m := NewLaVAE(p, transformer.NewLM(p, lmShape), special, o)
	shake(p)
	return m, p
}

func shakenLaDiR(o NFOptions, process string) (*LaDiR, *tensor.Params) {
	p := tensor.NewParams(1)
	m := NewLaDiR(p, transformer.NewLM(p, lmShape), special, o, Diffusion{Process: process, Steps: 4, Shift: 1})
	shake(p)
	return m, p
}

func shakenCoconut() (*Coconut, *tensor.Params) {
	p := tensor.NewParams(1)
	m := NewCoconut(transformer.NewLM(p, lmShape), special, CoconutOptions{PerLine: 2, Lines: 3, Last: 0.25, Scale: 0.5})
	shake(p)
	return m, p
}

func shakenICoT() (*ICoT, *tensor.Params) {
	text, p := shakenText(true)
	return &ICoT{Text: text, Options: ICoTOptions{Tokens: 8, Last: 0.25, Smoothing: 0.5, Reset: true}}, p
}

func shakenText(chain bool) (*Text, *tensor.Params) {
	p := tensor.NewParams(1)
	m := &Text{LM: transformer.NewLM(p, lmShape), Special: special, Chain: chain}
	shake(p)
	return m, p
}

// bareText is a model of others, whose answers several tokens end.
func bareText() *Text {
	m, _ := shakenText(false)
	m.Bare, m.Special = true, Special{EOS: 0, BOT: -1, CoT: -1, Ans: -1, MoreEOS: []int{3, 7}}
	return m
}

func shake(p *tensor.Params) {
	rng := tensor.Rand(2, "shake")
	for q := range p.All() {
		std := 0.2
		if strings.Contains(q.Name, "proj_out") { // of the flow: its scales are exponentials
			std = 0.05
		}
		for i := range q.Data {
			q.Data[i] += float32(std * rng.NormFloat64())
		}
	}
}

// random draws a tensor from N(0, 1).
func random(seed uint64, shape ...int) *tensor.Tensor {
	x, rng := tensor.New(shape...), tensor.Rand(seed, "random")
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	return x
}

// examples draws n examples of several lengths in ordinary tokens, with chains
// of one to K steps. For method lm prompt, chain and answer are a text, of which the first
// step and the answer are targets.
func examples(n int) []Encoded {
	out := make([]Encoded, n)
	for i := range out {
		rng := tensor.Rand(3, "examples", i)
		words := func(least, most int) []int {
			ids := make([]int, least+rng.IntN(most-least+1))
			for j := range ids {
				ids[j] = 4 + rng.IntN(lmShape.Vocab-4)
			}
			return ids
		}
		out[i] = Encoded{Index: i, Prompt: words(2, 6), Answer: words(1, 5), Codes: random(uint64(100+i), nfOptions.K, nfOptions.D)}
		for range 1 + rng.IntN(nfOptions.K) {
			out[i].Steps = append(out[i].Steps, words(2, 4))
		}
		var err error
		if out[i].Segments, err = vaeConfig("local", "lines").Cut(out[i].Steps); err != nil {
			panic(err)
		}
		out[i].Said = out[i].Segments
		for part, ids := range slices.Concat([][]int{out[i].Prompt}, out[i].Steps, [][]int{append(slices.Clone(out[i].Answer), special.EOS)}) {
			out[i].Tokens = append(out[i].Tokens, ids...)
			out[i].Targets = append(out[i].Targets, slices.Repeat([]bool{part == 1 || part == 1+len(out[i].Steps)}, len(ids))...)
		}
	}
	return out
}

// reader is a frozen VAE that has the chains of examples, cut as they are.
func reader(encoder string) *VAE {
	v := NewVAE(tensor.NewParams(1), vaeConfig(encoder, "lines"), lmShape.Vocab, special.EOS, nil)
	shake(v.Params)
	v.Mean, v.Std = []float32{0.3, -0.2}, []float32{0.8, 1.3}
	v.Params.SetTrainable(func(string) bool { return false })
	return v
}

// prompts are the prompts of n examples.
func prompts(n int) [][]int {
	var qs [][]int
	for _, ex := range examples(n) {
		qs = append(qs, ex.Prompt)
	}
	return qs
}

// same compares bit for bit.
func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: element %d of %d is %v, want %v", what, i, len(want), got[i], want[i])
			return
		}
	}
}

func sameInts(t *testing.T, what string, got, want []int) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// gradients are those of all parameters after the backward pass from a loss.
func gradients(p *tensor.Params, losses ...func(t *tensor.Tape) *tensor.Tensor) []float32 {
	p.SetTrainable(func(string) bool { return true })
	tape := new(tensor.Tape)
	for _, loss := range losses {
		tape.Reset()
		tape.Backward(loss(tape))
	}
	var all []float32
	for q := range p.All() {
		all = append(all, q.Grad...)
	}
	return all
}

// term finds a term of a loss.
func (l Loss) term(t *testing.T, name string) float64 {
	t.Helper()
	i := slices.IndexFunc(l.Terms, func(p Term) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("the loss has no term %s", name)
	}
	return l.Terms[i].Value
}

func (l Loss) total() float64 { return float64(l.Total.Data[0]) }
