package cot

import (
	"fmt"
	"slices"
	"testing"

	"nfcot/internal/tensor"
)

// thinkAlone feeds back n states after a prompt, row by row.
func thinkAlone(m *Coconut, prompt []int, n int) (w *walker, states [][]float32) {
	w = walk(m.LM, append(slices.Clone(prompt), m.Special.BOT)...)
	for range n {
		states = append(states, slices.Clone(w.h.Data))
		w.feed(m.feed(nil, w.h))
	}
	return w, states
}

// The loss is minus the log-likelihood, row by row, of the words that are left after the
// states that were fed back, in every stage of the curriculum.
func TestCoconutLossIsReplay(t *testing.T) {
	batch := examples(7)
	for replaced := range 4 {
		m, _ := shakenCoconut()
		m.Steps = 4
		var text, flops float64
		rows := 0
		for _, ex := range batch {
			n := replaced * m.Options.PerLine
			w, _ := thinkAlone(m, ex.Prompt, n)
			opening, words := m.Special.Ans, append(slices.Clone(ex.Answer), m.Special.EOS)
			if replaced < len(ex.Steps) {
				opening = m.Special.CoT
				words = slices.Concat(slices.Concat(ex.Steps[replaced:]...), []int{m.Special.Ans}, words)
			}
			w.feed(m.LM.Embed(nil, []int{opening}))
			text -= float64Sum(w.predictAll(words))
			length := len(ex.Prompt) + 1 + n + len(words)
			rows += length
			flops += 3 * m.LM.FLOPs(length, length*(length+1)/2, len(words))
		}
		random, whole := StepRand{Step: replaced}, m.Size(batch)
		loss := m.Loss(new(tensor.Tape), batch, whole, random)
		at := fmt.Sprintf("%d lines replaced: ", replaced)
		rounding.CheckScalar(t, at+"text", loss.term(t, "text_nats_per_token"), text/float64(whole.Tokens))
		rounding.CheckScalar(t, at+"operations", loss.FLOPs, flops)
		if got := m.Rows(batch, random); got != rows {
			t.Errorf("%s%d rows, want %d", at, got, rows)
		}
	}
}

// The curriculum replaces line after line and leaves the last stage its share; outside
// of it, all lines are replaced.
func TestCoconutCurriculum(t *testing.T) {
	m, _ := shakenCoconut()
	m.First, m.Steps = 10, 8
	var got []int
	for step := range 10 {
		got = append(got, m.replaced(m.First+step))
	}
	sameInts(t, "lines replaced", got, []int{0, 0, 1, 1, 2, 2, 3, 3, 3, 3})
	sameInts(t, "lines replaced outside", []int{m.replaced(-1), m.replaced(9)}, []int{3, 3})
	for _, o := range []CoconutOptions{{0, 1, 0, 1}, {1, -1, 0, 1}, {1, 1, 1.1, 1}, {1, 1, 0, 0}} {
		if o.Check() == nil {
			t.Errorf("%+v is not refused", o)
		}
	}
}

// Thinking feeds back states at every temperature, and the answer follows Ans.
func TestCoconutThinks(t *testing.T) {
	m, _ := shakenCoconut()
	for i, x := range slices.Concat(m.Sample(prompts(4), 3, Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 6, Seed: 2}})...) {
		at := fmt.Sprintf("sample %d", i)
		const n = 6
		w, states := thinkAlone(m, x.Prompt, n)
		same(t, at+": thoughts", x.Thoughts.Data, slices.Concat(states...))
		w.feed(m.LM.Embed(nil, []int{m.Special.Ans}))
		words := w.predictAll(drawnTokens(x, m.Special))
		rounding.CheckScalar(t, at+": LogText", x.LogText, float64Sum(words))
		checkEnd(t, at, x, len(words), 6)
		want := 0.0
		for k := range n {
			want += m.LM.FLOPs(1, len(x.Prompt)+1+k+1, 0)
		}
		if x.ThinkCost.FLOPs != want || x.ThinkCost.Seconds <= 0 || x.Positions() != n {
			t.Errorf("%s: think %+v, want %g operations; %d positions", at, x.ThinkCost, want, x.Positions())
		}
	}
}
