package cot

import (
	"slices"
	"strings"
	"testing"

	"nfcot/internal/tensor"
)

// replayDual recomputes the log-probability of every thought and token, each in its own
// pass.
func replayDual(m *NFCoT, x Sample) (thoughts, text []float32) {
	opening := append(slices.Clone(x.Prompt), m.Special.BOT)
	thoughts, _ = replayNF(m, Sample{Prompt: x.Prompt, Thoughts: x.Thoughts})
	w, e := walk(m.LM, opening...), m.ToCodes(x.Thoughts)
	for k := range m.Options.K {
		w.feed(m.project(nil, rowRange(e, k, k+1)))
	}
	return thoughts, w.predictAll(drawnTokens(x, m.Special))
}

// As TestReplayNFCoT. With an MLP the head's random means are so far out that the flow,
// undone, overflows.
func TestReplayDual(t *testing.T) {
	o := nfOptions
	o.MLP = 0
	m, _ := shakenDual(o)
	checkReplay(t, m, replayDual)
}

// The thoughts of two passes are those of one; the answers are others, unless the flow
// is the identity. Then all is the same, and it costs more.
func TestDualIsUnifiedAtIdentity(t *testing.T) {
	o := Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 9, Seed: 3}}
	batch, random := examples(5), StepRand{Seed: 1}
	for _, identity := range []bool{false, true} {
		unified, p := shakenNFCoT(nfOptions)
		dual, q := shakenDual(nfOptions)
		for _, p := range []*tensor.Params{p, q} {
			for x := range p.Sub("flow").All() {
				if identity && strings.Contains(x.Name, "proj_out") {
					clear(x.Data)
				}
			}
		}
		want := slices.Concat(unified.Sample(prompts(4), 3, o)...)
		answers := true
		for i, x := range slices.Concat(dual.Sample(prompts(4), 3, o)...) {
			same(t, "thoughts", x.Thoughts.Data, want[i].Thoughts.Data)
			answers = answers && slices.Equal(x.Answer, want[i].Answer) && x.LogText == want[i].LogText
			if x.ThinkCost.FLOPs <= want[i].ThinkCost.FLOPs {
				t.Errorf("thinking takes %g operations, in one pass %g", x.ThinkCost.FLOPs, want[i].ThinkCost.FLOPs)
			}
		}
		if answers != identity {
			t.Errorf("identity %v: the answers are the same: %v", identity, answers)
		}
		a := Stage{NFCoT: unified}.Loss(nil, batch, unified.Size(batch), random)
		b := Stage{NFCoT: dual}.Loss(nil, batch, dual.Size(batch), random)
		if same := a.total() == b.total(); same != identity || a.term(t, "flow_nats_per_dim") != b.term(t, "flow_nats_per_dim") {
			t.Errorf("identity %v: losses %v and %v", identity, a.Terms, b.Terms)
		}
	}
}
