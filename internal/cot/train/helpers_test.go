package train

import (
	"context"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/nfhead"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

var special = cot.Special{EOS: 0, BOT: 1, CoT: 2, Ans: 3}

// tiny is a small experiment in which the method's own stage has some steps.
func tiny(method string) experiment.Config {
	stage := experiment.Stage{LR: 5e-3, Warmup: 1, FlowLR: 1, FreezeFlow: true}
	c := experiment.Config{
		Method: method, Seed: 5,
		Model:     transformer.Config{Hidden: 16, Layers: 2, Heads: 2, KVHeads: 1, HeadDim: 8, FFN: 24, Vocab: 20, Tied: true, Theta: 1e4, NormEps: 1e-6, MaxTokens: 48},
		NF:        cot.NFOptions{K: 2, D: 2, Noise: 0.3, LambdaFlow: 1, LambdaText: 1, SigmaLimit: 5, Expectation: true},
		Flow:      nfhead.Config{Blocks: 2, Width: 8, Layers: 1, HeadDim: 4, Expansion: 2, Permute: "alternate"},
		Coconut:   cot.CoconutOptions{PerLine: 1, Lines: 2, Last: 0.4, Scale: 1},
		ICoT:      cot.ICoTOptions{Tokens: 2, Whole: 0.2, Last: 0.2, Smoothing: 1, Reset: true},
		Diffusion: cot.Diffusion{Process: "flow", Steps: 3, Shift: 1},
		Batch:     6, Accumulate: 1, Precision: "f32", Clip: 1, Decay: 0.01, MinLR: 0.05, DirectShare: 0.15,
		Stages: experiment.Stages{Text: stage, Read: stage, Heads: stage, Joint: stage, Flow: stage},
	}
	if method == "lavae" {
		c.NF.MeanWeight = 1
	}
	c.Stages.Joint.Steps = 5
	c.Stages.Flow.FreezeFlow = false
	return c
}

// allStages is nfcot with some steps in each of its stages.
func allStages() experiment.Config {
	c := tiny("nfcot")
	for i, s := range c.Stages.All() {
		s.Steps = 3 + int(i)%2
	}
	return c
}

// codes says whether an experiment's method thinks in codes.
func codes(c experiment.Config) bool {
	m, err := experiment.FindMethod(c.Method)
	return err == nil && m.Codes
}

// trained are the methods that are trained.
func trained() []experiment.Method {
	return slices.DeleteFunc(slices.Clone(experiment.Methods), func(m experiment.Method) bool { return m.Of != "" })
}

// examples draws n examples in tokens, with codes; for method lm with prompt and answer as one text.
func examples(n int) []cot.Encoded {
	data := make([]cot.Encoded, n)
	for i := range data {
		rng := tensor.Rand(3, "examples", i)
		words := func(least, most int) []int {
			ids := make([]int, least+rng.IntN(most-least+1))
			for j := range ids {
				ids[j] = 4 + rng.IntN(16)
			}
			return ids
		}
		data[i] = cot.Encoded{Index: i, Prompt: words(2, 4), Steps: [][]int{words(2, 3), words(1, 3)}, Answer: words(2, 4), Codes: tensor.New(2, 2)}
		data[i].Segments, data[i].Said = data[i].Steps, data[i].Steps
		data[i].Tokens = slices.Concat(data[i].Prompt, data[i].Answer, []int{special.EOS})
		data[i].Targets = slices.Concat(make([]bool, len(data[i].Prompt)), slices.Repeat([]bool{true}, len(data[i].Answer)+1))
		for j := range data[i].Codes.Data {
			data[i].Codes.Data[j] = float32(rng.NormFloat64())
		}
	}
	return data
}

// reader is a frozen VAE of the chains of examples.
func reader() *cot.VAE {
	v := cot.NewVAE(tensor.NewParams(3), readerConfig, 20, special.EOS, nil)
	v.Params.SetTrainable(func(string) bool { return false })
	return v
}

var readerConfig = cot.VAEConfig{K: 2, D: 2, Encoder: "local", Segments: "lines", Length: 3, Noise: 0.3, Beta: 1e-3, Hidden: 16, Layers: 1, Heads: 2}

// trainer makes a loop that keeps what it reports.
func trainer(c experiment.Config, data []cot.Encoded) (*Loop, *[]Metrics) {
	l := &Loop{Config: c, Model: experiment.NewModel(c, special), Data: data, Stage: experiment.AllStages}
	if c.NF.ReadBack > 0 {
		if err := l.Model.ReadBack(reader()); err != nil {
			panic(err)
		}
	}
	reports := new([]Metrics)
	l.Report = func(m Metrics) error {
		m.Time, m.Terms = 0, slices.Clone(m.Terms)
		*reports = append(*reports, m)
		return nil
	}
	return l, reports
}

// run trains to the end.
func run(t *testing.T, c experiment.Config, data []cot.Encoded) (*experiment.Model, []Metrics) {
	t.Helper()
	l, reports := trainer(c, data)
	if err := l.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return l.Model, *reports
}

// weights copies the parameters whose names begin with one of the prefixes, all
// of them if there is none.
func weights(m *experiment.Model, prefixes ...string) (all []float32) {
	for p := range m.Params.All() {
		if len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(p.Name, prefix) }) {
			all = append(all, p.Data...)
		}
	}
	return all
}

// sameWeights compares two models bit for bit.
func sameWeights(t *testing.T, what string, got, want *experiment.Model) {
	t.Helper()
	other := map[string][]float32{}
	for p := range want.Params.All() {
		other[p.Name] = p.Data
	}
	for p := range got.Params.All() {
		if !slices.Equal(p.Data, other[p.Name]) {
			t.Errorf("%s: parameter %s differs", what, p.Name)
			return
		}
	}
}

// sameReports compares all that was reported but the time it took.
func sameReports(t *testing.T, what string, got, want []Metrics) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d steps reported, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		g, w := got[i], want[i]
		if !slices.Equal(g.Terms, w.Terms) || !slices.Equal(g.Held, w.Held) || g.Step != w.Step || g.Steps != w.Steps || g.Stage != w.Stage ||
			g.Loss != w.Loss || g.LR != w.LR || g.Norm != w.Norm || g.Tokens != w.Tokens || g.FLOPs != w.FLOPs {
			t.Errorf("%s: step %d is reported as %+v, want %+v", what, i+1, g, w)
			return
		}
	}
}
