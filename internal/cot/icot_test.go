package cot

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
)

// The loss is minus the log-likelihood, row by row, of the tokens of the chain that are left
// and of the answer, in every phase of the curriculum.
func TestICoTLossIsReplay(t *testing.T) {
	batch := examples(7)
	for removed := range 13 { // of chains of up to 12 tokens
		m, _ := shakenICoT()
		m.Options = ICoTOptions{Tokens: 12, Last: 0.05}
		m.First, m.Steps = 3-removed, 13
		var text, flops float64
		rows := 0
		for _, ex := range batch {
			chain := slices.Concat(ex.Steps...)
			words := slices.Concat(chain[min(removed, len(chain)):], []int{special.Ans}, ex.Answer, []int{special.EOS})
			w := walk(m.LM, append(slices.Clone(ex.Prompt), special.CoT)...)
			text -= float64Sum(w.predictAll(words))
			length := len(ex.Prompt) + len(words)
			rows += length
			flops += 3 * m.LM.FLOPs(length, length*(length+1)/2, len(words))
		}
		random, whole := StepRand{Step: 3}, m.Size(batch)
		loss := m.Loss(new(tensor.Tape), batch, whole, random)
		at := fmt.Sprintf("%d tokens removed: ", removed)
		rounding.CheckScalar(t, at+"text", loss.term(t, "text_nats_per_token"), text/float64(whole.Tokens))
		rounding.CheckScalar(t, at+"operations", loss.FLOPs, flops)
		if got := m.Rows(batch, random); got != rows {
			t.Errorf("%s%d rows, want %d", at, got, rows)
		}
	}
}

// The curriculum leaves the chain whole in the first phase, removes token after token, and
// leaves nothing in the last one and outside of it. The optimizer begins anew with each removal.
func TestICoTCurriculum(t *testing.T) {
	m, _ := shakenICoT()
	m.Options = ICoTOptions{Tokens: 3, Whole: 0.2, Last: 0.2, Smoothing: 4, Reset: true}
	m.First, m.Steps = 10, 10
	var got, smooth, restarts []int
	for step := range m.Steps {
		s, smoothed := m.removed(m.First + step)
		got = append(got, s)
		if smoothed {
			smooth = append(smooth, step)
		}
		if m.Restarts(m.First + step) {
			restarts = append(restarts, step)
		}
	}
	sameInts(t, "tokens removed", got, []int{0, 0, 0, 0, 1, 1, 2, 2, 3, 3})
	sameInts(t, "smoothed steps", smooth, []int{2, 3, 4, 5, 6, 7, 8, 9})
	sameInts(t, "steps with a new optimizer", restarts, []int{4, 6, 8})
	for _, outside := range []int{-1, 9, 20} {
		if s, _ := m.removed(outside); s != 3 || m.Restarts(outside) {
			t.Errorf("step %d removes %d tokens, and restarts: %t", outside, s, m.Restarts(outside))
		}
	}
	m.Options.Reset = false
	if m.Restarts(14) {
		t.Error("the optimizer begins anew although it is to go on")
	}
	for _, o := range []ICoTOptions{{Tokens: -1}, {Whole: -0.1}, {Last: 1.1}, {Whole: 0.6, Last: 0.5}, {Smoothing: -1}, {Smoothing: math.NaN()}} {
		if o.Check() == nil {
			t.Errorf("%+v is not refused", o)
		}
	}
}

// Removals are smoothed by o more tokens, P(o) = (1 - exp(-λ)) exp(-λ o), for each example and
// step by themselves.
func TestICoTSmoothing(t *testing.T) {
	m, _ := shakenICoT()
	const n, lambda = 40000, 1.0
	m.Options.Smoothing = lambda
	count := make([]float64, 200)
	for i := range n {
		count[m.removal(nil, Encoded{Index: i % 200}, StepRand{Seed: 1, Step: -1 - i/200})-m.Options.Tokens]++
	}
	for o, c := range count[:4] {
		want := (1 - math.Exp(-lambda)) * math.Exp(-lambda*float64(o))
		if math.Abs(c/n-want) > 4*math.Sqrt(want/n) {
			t.Errorf("%d more tokens: a share of %g, want %g", o, c/n, want)
		}
	}
}

// Of a model that has internalised its chain, sampling and scoring are those of words.
func TestICoTThinksWhatIsLeft(t *testing.T) {
	m, p := shakenICoT()
	for q := range p.All() { // after CoT the answer begins at once
		if q.Name == "lm_head.weight" {
			copy(q.Data[special.Ans*lmShape.Hidden:], walk(m.LM, 4, 5, special.CoT).h.Data)
			for i := range lmShape.Hidden {
				q.Data[special.Ans*lmShape.Hidden+i] *= 100
			}
		}
	}
	x := m.Sample([][]int{{4, 5}}, 1, Options{Sampling: Sampling{Temp: 1, MaxTokens: 6, Seed: 2}})[0][0]
	if len(x.Chain) != 0 || !x.ChainClosed || x.Positions() != 0 || x.Thoughts != nil {
		t.Errorf("thinks %+v", x)
	}
	_, text := m.LogProb(nil, []Sample{x}, untempered)
	rounding.CheckScalar(t, "log-likelihood", float64(text.Data[0]), x.LogText)
}
