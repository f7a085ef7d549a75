package cot

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
	"nfcot/internal/transformer"
)

// A walker goes through one sequence row by row, with a cache.
type walker struct {
	lm    *transformer.LM
	cache *transformer.Cache
	h     *tensor.Tensor // the state of the row before
}

func walk(lm *transformer.LM, tokens ...int) *walker {
	w := &walker{lm: lm, cache: lm.NewCache()}
	for _, id := range tokens {
		w.feed(lm.Embed(nil, []int{id}))
	}
	return w
}

func (w *walker) feed(x *tensor.Tensor) { w.h = w.lm.Step(nil, []*transformer.Cache{w.cache}, x) }

// predict returns log p of a token, and goes on to it if more follows.
func (w *walker) predict(id int, last bool) float32 {
	logp := w.lm.LogProb(nil, w.h, []int{id}).Data[0]
	if !last {
		w.feed(w.lm.Embed(nil, []int{id}))
	}
	return logp
}

func (w *walker) predictAll(ids []int) (logp []float32) {
	for i, id := range ids {
		logp = append(logp, w.predict(id, i == len(ids)-1))
	}
	return logp
}

// replayNF recomputes the log-probability of every thought and token.
func replayNF(m *NFCoT, x Sample) (thoughts, text []float32) {
	w := walk(m.LM, append(slices.Clone(x.Prompt), m.Special.BOT)...)
	for k := range m.Options.K {
		u := rowRange(x.Thoughts, k, k+1)
		thoughts = append(thoughts, m.Head.Predict(nil, w.h).LogProb(nil, u, 0).Data...)
		w.feed(m.project(nil, u))
	}
	return thoughts, w.predictAll(drawnTokens(x, m.Special))
}

func replayText(m *Text, x Sample) []float32 {
	return walk(m.LM, append(slices.Clone(x.Prompt), m.opening()...)...).predictAll(drawnTokens(x, m.Special))
}

// drawnTokens lists the tokens that were drawn.
func drawnTokens(x Sample, special Special) []int {
	ids := slices.Clone(x.Chain)
	if x.ChainClosed {
		ids = append(ids, special.Ans)
	}
	ids = append(ids, x.Answer...)
	if x.Finished {
		ids = append(ids, append([]int{special.EOS}, special.MoreEOS...)[x.EndedBy])
	}
	return ids
}

// float32Sum adds one after the other, as the tape does.
func float32Sum(x []float32) (s float32) {
	for _, v := range x {
		s += v
	}
	return s
}

func float64Sum(x []float32) (s float64) {
	for _, v := range x {
		s += float64(v)
	}
	return s
}

// rounding is what the sum of some float32 logarithms may be off by.
var rounding = tensortest.Tolerance{Rel: 2e-6, Abs: 2e-6}

var temperatures = []struct{ thoughts, text float64 }{{1, 1}, {0.9, 0.6}, {0, 0}, {2, 1.5}, {1, 0}, {0, 1}}

// The likelihood that a sample was drawn with is the likelihood the scorer gives
// it, and that of going through it once more row by row: an off-by-one in which
// row predicts what passes every test but this. The score is the row-by-row
// value bit for bit; so is the sampler's for thoughts, added in float64.
func TestReplayNFCoT(t *testing.T) {
	for _, components := range []int{1, 3} {
		o := nfOptions
		o.Components = components
		m, _ := shakenNFCoT(o)
		checkReplay(t, m, replayNF)
	}
}

// checkReplay goes through samples once more by replay.
func checkReplay(t *testing.T, m *NFCoT, replay func(m *NFCoT, x Sample) (thoughts, text []float32)) {
	t.Helper()
	var finished, cut int
	for _, temp := range temperatures {
		samples := slices.Concat(m.Sample(prompts(4), 5, Options{Sampling: Sampling{ThoughtTemp: temp.thoughts, Temp: temp.text, MaxTokens: 9, Seed: 1}})...)
		thoughts, text := m.LogProb(nil, samples, untempered)
		taped, tapedText := m.LogProb(new(tensor.Tape), samples, untempered)
		same(t, "thoughts scored with a tape", taped.Data, thoughts.Data)
		same(t, "text scored with a tape", tapedText.Data, text.Data)
		for i, x := range samples {
			at := fmt.Sprintf("T_z %g, T_x %g, sample %d", temp.thoughts, temp.text, i)
			u, words := replay(m, x)
			same(t, at+": score of thoughts", thoughts.Data[i:i+1], []float32{float32Sum(u)})
			same(t, at+": score of text", text.Data[i:i+1], []float32{float32Sum(words)})
			if x.LogThoughts != float64Sum(u) {
				t.Errorf("%s: thoughts drawn with %v, row by row %v", at, x.LogThoughts, float64Sum(u))
			}
			rounding.CheckScalar(t, at+": LogText", x.LogText, float64Sum(words))
			rounding.CheckScalar(t, at+": LogThoughts against the score", x.LogThoughts, float64(thoughts.Data[i]))
			rounding.CheckScalar(t, at+": LogText against the score", x.LogText, float64(text.Data[i]))
			checkEnd(t, at, x, len(words), 9)
			if x.Finished {
				finished++
			} else {
				cut++
			}
			if x.Chain != nil || x.ChainClosed || x.Positions() != nfOptions.K {
				t.Errorf("%s: chain %v, thought %v, %d positions", at, x.Chain, x.ChainClosed, x.Positions())
			}
		}
	}
	if finished < 10 || cut < 10 {
		t.Errorf("%d samples finished and %d were cut: want both kinds", finished, cut)
	}
}

// checkEnd: a sample ends by EOS, which is scored, or by its length, and then no
// EOS is scored that nobody drew.
func checkEnd(t *testing.T, at string, x Sample, scored, most int) {
	t.Helper()
	tokens := len(x.Chain) + len(x.Answer)
	if x.ChainClosed {
		tokens++
	}
	if x.Finished {
		tokens++
	}
	if scored != tokens || tokens > most || !x.Finished && tokens != most {
		t.Errorf("%s: %d tokens of at most %d drawn, finished %v, %d scored", at, tokens, most, x.Finished, scored)
	}
	if slices.Contains(x.Answer, special.EOS) || slices.Contains(x.Chain, special.EOS) {
		t.Errorf("%s: EOS is part of the text: %v, %v", at, x.Chain, x.Answer)
	}
}

func TestReplayText(t *testing.T) {
	for _, chain := range []bool{false, true} {
		m, _ := shakenText(chain)
		kinds := map[[2]bool]int{} // thought, finished
		for _, temp := range temperatures[:4] {
			samples := slices.Concat(m.Sample(prompts(4), 8, Options{Sampling: Sampling{Temp: temp.text, MaxTokens: 12, Seed: 1}})...)
			thoughts, text := m.LogProb(nil, samples, untempered)
			same(t, "score of no thoughts", thoughts.Data, make([]float32, len(samples)))
			for i, x := range samples {
				at := fmt.Sprintf("chain %v, T_x %g, sample %d", chain, temp.text, i)
				words := replayText(m, x)
				same(t, at+": score", text.Data[i:i+1], []float32{float32Sum(words)})
				rounding.CheckScalar(t, at+": LogText", x.LogText, float64Sum(words))
				rounding.CheckScalar(t, at+": LogText against the score", x.LogText, float64(text.Data[i]))
				checkEnd(t, at, x, len(words), 12)
				kinds[[2]bool{x.ChainClosed, x.Finished}]++
				if x.Thoughts != nil || x.LogThoughts != 0 || x.Positions() != len(x.Chain) || !chain && len(x.Chain) > 0 {
					t.Errorf("%s: thoughts %v, log %g, %d positions, chain %v", at, x.Thoughts, x.LogThoughts, x.Positions(), x.Chain)
				}
			}
		}
		want := [][2]bool{{false, false}, {false, true}}
		if chain {
			want = append(want, [2]bool{true, false}, [2]bool{true, true})
		}
		for _, kind := range want {
			if kinds[kind] == 0 {
				t.Errorf("chain %v: no sample with thought, finished = %v; there are %v", chain, kind, kinds)
			}
		}
	}
}

// Where several tokens end an answer, each is scored as the one that was drawn: by a
// plain language model, and by NF-CoT on top of one.
func TestReplayMoreEOS(t *testing.T) {
	bare := bareText()
	nf, _ := shakenNFCoT(nfOptions)
	nf.Special.MoreEOS = bare.Special.MoreEOS
	for name, m := range map[string]struct {
		Sampler
		Scorer
		replay func(Sample) []float32
	}{
		"lm":    {bare, bare, func(x Sample) []float32 { return replayText(bare, x) }},
		"nfcot": {nf, nf, func(x Sample) []float32 { _, words := replayNF(nf, x); return words }},
	} {
		endedBy := map[int]int{}
		samples := slices.Concat(m.Sample(prompts(4), 16, Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1.5, MaxTokens: 12, Seed: 1}})...)
		_, text := m.LogProb(nil, samples, untempered)
		for i, x := range samples {
			words := m.replay(x)
			same(t, name+": score", text.Data[i:i+1], []float32{float32Sum(words)})
			rounding.CheckScalar(t, name+": LogText", x.LogText, float64Sum(words))
			if slices.ContainsFunc(x.Answer, func(id int) bool { return id == 0 || id == 3 || id == 7 }) {
				t.Errorf("%s: sample %d: what ends an answer is part of it: %v", name, i, x.Answer)
			}
			if x.Finished {
				endedBy[x.EndedBy]++
			}
		}
		if len(endedBy) != 3 {
			t.Errorf("%s: answers ended by %v, want each of 3 tokens", name, endedBy)
		}
	}
}

// A sequence that runs out of positions ends there, and can be scored.
func TestPositionsRunOut(t *testing.T) {
	m, _ := shakenNFCoT(nfOptions)
	m.Special.EOS = -1 // is never drawn
	prompt := make([]int, 10)
	most := m.LM.MaxTokens - (len(prompt) + 1 + nfOptions.K) + 1 // the last token needs no position
	x := m.Sample([][]int{prompt}, 1, Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 1, MaxTokens: 1000}})[0][0]
	if len(x.Answer) != most || x.Finished {
		t.Errorf("%d tokens, finished %v, want %d", len(x.Answer), x.Finished, most)
	}
	_, text := m.LogProb(nil, []Sample{x}, untempered)
	rounding.CheckScalar(t, "LogText against the score", x.LogText, float64(text.Data[0]))
}

// The loss is minus the log-likelihood, row by row, of what the examples say,
// EOS included and the prompt not: everything else in it is normalisation.
func TestLossIsReplay(t *testing.T) {
	batch := examples(6)
	random := StepRand{Seed: 5, Step: 7}
	m, _ := shakenNFCoT(nfOptions)
	for _, hold := range []bool{true, false} {
		_, u := m.codes(nil, batch, random)
		logDet := tensor.New(len(batch), 1)
		if !hold {
			u, logDet = m.Flow.Forward(nil, u, nil)
		}
		var flow, text float64
		tokens := 0
		for i, ex := range batch {
			K := m.Options.K
			thoughts, words := replayNF(m, Sample{Prompt: ex.Prompt, Thoughts: rowRange(u, i*K, (i+1)*K), Answer: ex.Answer, Finished: true})
			flow -= float64Sum(thoughts) + float64(logDet.Data[i])
			text -= float64Sum(words)
			tokens += len(words)
		}
		flow, text = flow/float64(len(u.Data)), text/float64(tokens)
		s := Stage{NFCoT: m, FreezeFlow: hold}
		loss := s.Loss(nil, batch, s.Size(batch), random)
		rounding.CheckScalar(t, fmt.Sprintf("hold %v: flow", hold), loss.term(t, "flow_nats_per_dim"), flow)
		rounding.CheckScalar(t, fmt.Sprintf("hold %v: text", hold), loss.term(t, "text_nats_per_token"), text)
		rounding.CheckScalar(t, fmt.Sprintf("hold %v: total", hold), loss.total(), flow+text)
		if d := math.Abs(float64Sum(logDet.Data)); hold != (d == 0) {
			t.Errorf("hold %v: log-determinant %g", hold, d)
		}
	}
	for _, chain := range []bool{false, true} {
		m, _ := shakenText(chain)
		var text float64
		tokens := 0
		for _, ex := range batch {
			x := Sample{Prompt: ex.Prompt, Answer: ex.Answer, Finished: true}
			if chain {
				x.Chain, x.ChainClosed = slices.Concat(ex.Steps...), true
			}
			words := replayText(m, x)
			text -= float64Sum(words)
			tokens += len(words)
		}
		loss := m.Loss(nil, batch, m.Size(batch), random)
		rounding.CheckScalar(t, fmt.Sprintf("chain %v: text", chain), loss.term(t, "text_nats_per_token"), text/float64(tokens))
		rounding.CheckScalar(t, fmt.Sprintf("chain %v: total", chain), loss.total(), text/float64(tokens))
	}
}
