package experiment

import (
	"testing"

	"nfcot/internal/cot"
)

// What the registry says of a method is what its model can do, and stage heads has
// something to train exactly where it may have steps.
func TestMethodsAreWhatTheySay(t *testing.T) {
	for _, m := range trained() {
		model := NewModel(tiny(m.Name), special)
		if _, can := model.Sampler().(cot.Scorer); can != m.Scores {
			t.Errorf("%s: scores is %v, its model says %v", m.Name, m.Scores, can)
		}
		scorer, err := model.Scorer()
		if (scorer != nil) != m.Scores || (err == nil) != m.Scores {
			t.Errorf("%s: scorer %v, %v", m.Name, scorer, err)
		}
		if (model.Coder() != nil) != m.Codes {
			t.Errorf("%s: coder %v", m.Name, model.Coder())
		}
		if heads := model.countTrainable(1) > 0; heads != m.Codes {
			t.Errorf("%s: stage heads has parameters to train: %v", m.Name, heads)
		}
	}
	if err := (Method{Name: "x"}).CheckScores("reinforced"); err == nil || err.Error() != "x cannot be reinforced because it has no exact likelihood" {
		t.Error(err)
	}
}

// Methods are compared at the same size: with the flow left out, which no stage trains
// then, the number of parameters differs by less than 5 % in the setting of
// scripts/compare.sh.
func TestMethodsHaveTheSameSize(t *testing.T) {
	least, most := 0, 0
	for _, m := range trained() {
		c := Default(m.Name)
		c.Model.Hidden, c.Model.Heads, c.Model.KVHeads, c.Model.FFN, c.Model.Vocab = 96, 3, 3, 192, 400
		c.NF.K, c.NF.D, c.Flow.Blocks = 7, 64, 0
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		n := NewModel(c, special).Params.Count()
		if least == 0 || n < least {
			least = n
		}
		most = max(most, n)
	}
	if float64(most) > 1.05*float64(least) {
		t.Errorf("from %d to %d parameters", least, most)
	}
}

// What thoughts are drawn from is said as it is: the flow counts only where a stage trains it.
func TestDensity(t *testing.T) {
	c := Default("nfcot")
	c.NF.Components = 2
	const mixture = "a mixture of 2 Gaussians for each thought; "
	if got, want := c.density(), mixture+"the flow is the identity (no stage trains it)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.Stages.Flow.Steps = 10
	if got, want := c.density(), mixture+"a flow of 5 blocks, trained in stage flow"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.Stages.Heads.Steps, c.Stages.Heads.FreezeFlow, c.Stages.Heads.FlowFit, c.Flow.Stack = 10, false, "marginal", "linear,spline"
	if got, want := c.density(), mixture+"a flow of linear, spline, fitted to the marginal of codes in stage heads"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.Flow.Stack, c.Flow.Blocks = "", 0
	if got, want := c.density(), mixture+"the flow is the identity (flow.blocks is 0)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, method := range []string{"cot", "lavae", LM} {
		if got := Default(method).density(); got != "" {
			t.Errorf("%s: %q, want nothing", method, got)
		}
	}
}
