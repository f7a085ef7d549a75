package transformer

import (
	"strings"
	"testing"

	"nfcot/internal/tensor"
)

// multiplied is what the passes of a step multiply, a step of which two of five rows have a target. Attention is not counted.
func multiplied(m *LM) map[string]float64 {
	tape := &tensor.Tape{Profile: tensor.NewProfile()}
	h := tape.Gather(run(tape, m), []int{1, 4})
	tape.Backward(tape.Sum(m.LogProb(tape, h, []int{2, 3})))
	sums := map[string]float64{}
	for part, cost := range tape.Profile.Costs {
		if part.Operation == "CategoricalLogProb" && part.Pass == "product" {
			part.Pass = "logits"
		}
		if part.Operation != "Attention" && cost.FLOPs > 0 {
			sums[part.Pass] += cost.FLOPs
		}
	}
	return sums
}

// What is not trained costs nothing in the backward pass: no gradient of a frozen matrix, none of what lies below the lowest
// parameter that is trained; and only rows that the loss reads have logits.
func TestFrozenParametersAreNotDifferentiated(t *testing.T) {
	const rows, targets = 5, 2
	weights := func(p *tensor.Params, wanted func(name string) bool) (n float64) {
		for q := range p.All() {
			if strings.Contains(q.Name, "layers.") && len(q.Shape) == 2 && wanted(q.Name) {
				n += float64(len(q.Data))
			}
		}
		return n
	}
	last := func(name string) bool { return strings.Contains(name, "layers.2.") }
	all := func(string) bool { return true }
	vocabulary := float64(2 * targets * small.Vocab * small.Hidden)

	p := tensor.NewParams(3)
	m := NewLM(p, small)
	p.SetTrainable(last)
	check := func(what string, got map[string]float64, want map[string]float64) {
		t.Helper()
		for pass, n := range want {
			if got[pass] != n {
				t.Errorf("%s: %s multiplies %g times, want %g", what, pass, got[pass], n)
			}
		}
	}
	check("the last layer alone", multiplied(m), map[string]float64{
		"product": 2 * rows * weights(p, all), "logits": vocabulary,
		"dX": 2*rows*weights(p, last) + vocabulary, "dW": 2 * rows * weights(p, last),
	})

	m, p = adapted(LoRA{Rank: 2, Alpha: 4, Targets: "all"}, true)
	adapters := func(name string) bool { return IsAdapter(name) && last(name) }
	p.SetTrainable(adapters)
	check("adapters of the last layer", multiplied(m), map[string]float64{"dW": 2 * rows * weights(p, adapters)})
}
