package train

import (
	"testing"

	"nfcot/internal/cot"
)

// What the registry says of a method is what its model can do, and stage 1 has
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
		if heads := model.learnt(1) > 0; heads != m.Codes {
			t.Errorf("%s: stage 1 has parameters to train: %v", m.Name, heads)
		}
		if flow := len(weights(model, "flow.")) > 0; flow != m.Flow {
			t.Errorf("%s: a flow: %v", m.Name, flow)
		}
	}
	if err := (Method{Name: "x"}).CheckScores("reinforced"); err == nil || err.Error() != "x cannot be reinforced because it has no exact likelihood" {
		t.Error(err)
	}
}
