package train

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

// newTokens is the first token that was added in withAdapters.
const newTokens = 17

// withAdapters is nfcot through all of its stages with adapters, and with new
// tokens.
func withAdapters(precision string) experiment.Config {
	c := allStages()
	c.LoRA = transformer.LoRA{Rank: 2, Alpha: 4, Targets: "all"}
	c.Precision, c.NewTokens = precision, newTokens
	return c
}

// frozen copies what must stay frozen: matrices, norms, and the rows of old tokens.
func frozen(m *experiment.Model) (all []float32) {
	for p := range m.Params.All() {
		switch {
		case transformer.IsTable(p.Name):
			all = append(all, p.Data[:newTokens*p.Cols()]...)
		case experiment.IsBackbone(p.Name) && !transformer.IsAdapter(p.Name):
			all = append(all, p.Data...)
		}
	}
	return all
}

// With adapters the backbone keeps its bytes through every stage, while adapters,
// heads and the rows of new tokens are trained; and no memory goes to what is frozen.
func TestAdaptersAloneLearn(t *testing.T) {
	c := withAdapters("f32")
	l, _ := trainer(c, examples(15))
	before, heads, table := frozen(l.Model), weights(l.Model, "nf_head.", "proj_in."), weights(l.Model, transformer.EmbeddingName)
	if err := l.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(frozen(l.Model), before) {
		t.Error("what is frozen has moved")
	}
	if slices.Equal(weights(l.Model, "nf_head.", "proj_in."), heads) || slices.Equal(weights(l.Model, transformer.EmbeddingName), table) {
		t.Error("heads or new tokens were not trained")
	}
	for p := range l.Model.Params.All() {
		if strings.HasSuffix(p.Name, "lora_B.weight") && !slices.ContainsFunc(p.Data, func(v float32) bool { return v != 0 }) {
			t.Errorf("%s was not trained", p.Name)
		}
		if experiment.IsBackbone(p.Name) && !transformer.IsAdapter(p.Name) && !transformer.IsTable(p.Name) && p.Grad != nil {
			t.Errorf("%s has a gradient", p.Name)
		}
	}
}

// Stage heads leaves the backbone alone but for new tokens, adapters or not.
func TestStageOneKeepsTheBackbone(t *testing.T) {
	c := tiny("nfcot")
	c.Stages.Heads.Steps, c.Stages.Joint.Steps, c.NewTokens = 4, 0, 17
	l, _ := trainer(c, examples(15))
	before := frozen(l.Model)
	if err := l.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(frozen(l.Model), before) {
		t.Error("what is frozen has moved")
	}
}

// overPretrained is what train does by default over a model of others, with adapters or without: heads at the model's own
// scales; and with a mixture, an MLP at both ends and guidance of the means.
func overPretrained(precision string, adapters bool) experiment.Config {
	c := withAdapters(precision)
	if !adapters {
		c.LoRA.Rank = 0
	}
	c.NF.Fit, c.NF.Components, c.NF.MLP, c.NF.MeanWeight = true, 2, 4, 1
	return c
}

// A run over a model of others that is interrupted and continued is the run that was not, with
// any number of threads; with adapters its state holds no frozen matrix.
func TestPretrainedResume(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	for _, c := range []experiment.Config{overPretrained("f32", true), overPretrained("bf16", true), overPretrained("bf16", false)} {
		data := examples(15)
		start := func() *Loop {
			l, _ := trainer(c, data)
			l.Model.Pack()
			return l
		}
		whole := start()
		if err := whole.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := keptOf(whole.Model)
		for _, at := range []int{2, 5, 9} {
			kernel.SetThreads(1 + at%3)
			l := start()
			l.Dir = t.TempDir()
			interrupted(t, l, at)
			state, err := os.ReadFile(filepath.Join(l.Dir, experiment.StateDir, stateFile))
			if err != nil {
				t.Fatal(err)
			}
			if on := c.LoRA.On(); bytes.Contains(state, []byte("q_proj.weight")) == on || bytes.Contains(state, []byte("q_proj.lora_A.weight")) != on {
				t.Error("the state holds frozen matrices, or not what is trained")
			}
			next := start()
			next.Dir = l.Dir
			if done, err := next.Resume(); err != nil || done != at {
				t.Fatalf("resumed after %d steps, %v", done, err)
			}
			if err := next.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(keptOf(next.Model), want) {
				t.Errorf("%s, adapters %v: interrupted at step %d, the run is another one", c.Precision, c.LoRA.On(), at)
			}
		}
	}
}

func keptOf(m *experiment.Model) (all []float32) {
	for p := range m.Kept() {
		all = append(all, p.Data...)
	}
	return all
}

// Matrices packed under adapters change no byte of what is trained in the
// precision of bfloat16.
func TestPackedUnderAdapters(t *testing.T) {
	trained := func(pack bool) []float32 {
		l, _ := trainer(withAdapters("bf16"), examples(15))
		if pack {
			l.Model.Pack()
		}
		if err := l.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		return keptOf(l.Model)
	}
	if !slices.Equal(trained(true), trained(false)) {
		t.Error("packed matrices train to other adapters")
	}
}

// What training takes beside its steps is known from the experiment alone.
func TestResidentMemory(t *testing.T) {
	for name, c := range map[string]experiment.Config{"all": allStages(), "adapters": withAdapters("f32"), "packed adapters": withAdapters("bf16")} {
		l, _ := trainer(c, examples(15))
		l.Model.Pack()
		want := planned(t, l)
		got := c.ResidentMemory(experiment.AllStages)
		if got.Gradients != want.Gradients || got.Optimizer != want.Optimizer || got.Step != 0 {
			t.Errorf("%s: %+v, planned %+v", name, got, want)
		}
		// Panels of such small matrices are mostly padding.
		if got.Parameters > want.Parameters || got.Parameters != want.Parameters && name != "packed adapters" {
			t.Errorf("%s: %d bytes of parameters, planned %d", name, got.Parameters, want.Parameters)
		}
	}
}

// Training that does not fit is refused before its first step, with the number.
func TestTooLarge(t *testing.T) {
	l, _ := large("cot")
	plan := planned(t, l)
	for limit, fits := range map[int]bool{plan.All() + 1<<10: true, plan.All() - plan.Step/2: false} {
		l, reports := large("cot")
		l.Limit = limit
		err := l.Run(context.Background())
		var e experiment.TooLarge
		if fits != (err == nil) || !fits && (!errors.As(err, &e) || e.Limit != limit || e.All() <= limit || len(*reports) > 0) {
			t.Errorf("limit %d, plan %+v: error %v after %d steps", limit, plan, err, len(*reports))
		}
	}
}
