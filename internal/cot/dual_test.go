package cot

import (
	"fmt"
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
	return thoughts, w.sayAll(said(x, m.Special))
}

// As TestReplayNFCoT.
func TestReplayDual(t *testing.T) {
	m, _ := shakenDual(nfOptions)
	for _, temp := range temperatures {
		samples := slices.Concat(m.Sample(prompts(4), 5, Options{ThoughtTemp: temp.thoughts, TextTemp: temp.text, MaxTokens: 9, Seed: 1})...)
		thoughts, text := m.LogProb(nil, samples, untempered)
		taped, tapedText := m.LogProb(new(tensor.Tape), samples, untempered)
		same(t, "thoughts scored with a tape", taped.Data, thoughts.Data)
		same(t, "text scored with a tape", tapedText.Data, text.Data)
		for i, x := range samples {
			at := fmt.Sprintf("T_z %g, T_x %g, sample %d", temp.thoughts, temp.text, i)
			u, words := replayDual(m, x)
			same(t, at+": score of thoughts", thoughts.Data[i:i+1], []float32{float32Sum(u)})
			same(t, at+": score of text", text.Data[i:i+1], []float32{float32Sum(words)})
			if x.LogThoughts != float64Sum(u) {
				t.Errorf("%s: thoughts drawn with %v, row by row %v", at, x.LogThoughts, float64Sum(u))
			}
			rounding.CheckScalar(t, at+": LogText", x.LogText, float64Sum(words))
			checkEnd(t, at, x, len(words), 9)
			if x.Positions() != m.Options.K {
				t.Errorf("%s: %d positions", at, x.Positions())
			}
		}
	}
}

// The thoughts of two passes are those of one; the answers are others, unless the flow
// is the identity. Then all is the same, and it costs more.
func TestDualIsUnifiedAtIdentity(t *testing.T) {
	o := Options{ThoughtTemp: 1, TextTemp: 1, MaxTokens: 9, Seed: 3}
	batch, draws := examples(5), Draws{Seed: 1}
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
			if x.Think.FLOPs <= want[i].Think.FLOPs {
				t.Errorf("thinking takes %g operations, in one pass %g", x.Think.FLOPs, want[i].Think.FLOPs)
			}
		}
		if answers != identity {
			t.Errorf("identity %v: the answers are the same: %v", identity, answers)
		}
		a := Stage{unified, false}.Loss(nil, batch, unified.Size(batch), draws)
		b := Stage{dual, false}.Loss(nil, batch, dual.Size(batch), draws)
		if same := a.total() == b.total(); same != identity || a.part(t, "flow_nats_per_dim") != b.part(t, "flow_nats_per_dim") {
			t.Errorf("identity %v: losses %v and %v", identity, a.Parts.All(), b.Parts.All())
		}
	}
}

// By hand: K-1 rows to find the thoughts, the inverse of the flow, and K rows to read
// the codes.
func TestDualFLOPs(t *testing.T) {
	m, _ := shakenDual(nfOptions)
	q := prompts(1)
	K, D, H, before := m.Options.K, m.Options.D, m.LM.Hidden, len(q[0])+1
	C, hidden := flowShape.Width, flowShape.Expansion*flowShape.Width
	want := 0.0
	for k := range K {
		want += float64(2 * 2 * D * H) // head
		if k < K-1 {
			want += m.LM.FLOPs(1, before+k+1, 0) + float64(2*D*H)
		}
		want += m.LM.FLOPs(1, before+k+1, 0) + float64(2*D*H)
		row := C*D + 3*C*C + C*C + 2*C*hidden + 2*C*(k+1) + 2*D*C // in, qkv, proj, up and down, attention, out
		want += float64(2 * flowShape.Blocks * row)
	}
	for _, x := range m.Sample(q, 2, Options{ThoughtTemp: 1, TextTemp: 1, MaxTokens: 4})[0] {
		if x.Think.FLOPs != want || x.Think.Seconds <= 0 {
			t.Errorf("think %+v, want %g operations", x.Think, want)
		}
	}
}
