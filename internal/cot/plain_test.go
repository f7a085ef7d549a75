package cot

import (
	"fmt"
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

var (
	_ Learner = (*Plain)(nil)
	_ Sampler = (*Plain)(nil)
	_ Scorer  = (*Plain)(nil)
)

// texts are conversations of several lengths: n examples with some runs of targets each, the
// last of which ends the text.
func texts(n, vocab int) []Encoded {
	out := make([]Encoded, n)
	for i := range out {
		rng := tensor.Rand(4, "texts", i)
		out[i].Index = i
		for range 1 + i%3 {
			for _, target := range []bool{false, true} {
				for range 1 + rng.IntN(2+5*i) {
					out[i].Tokens, out[i].Targets = append(out[i].Tokens, rng.IntN(vocab)), append(out[i].Targets, target)
				}
			}
		}
		out[i].Prompt = out[i].Tokens[:slices.Index(out[i].Targets, true)]
	}
	return out
}

// The rows of texts whose targets are some of their tokens, the last one included.
func TestPlainLayout(t *testing.T) {
	batch := []Encoded{
		{Tokens: []int{5, 6, 7, 8, 9}, Targets: []bool{false, true, false, true, true}},
		{Tokens: []int{4, 4}, Targets: []bool{false, true}},
	}
	m := NewPlain(nil, special)
	s := m.layout(nil, batch, StepRand{})
	sameInts(t, "tokens", s.tokens, []int{5, 6, 7, 8, 4})
	sameInts(t, "order", s.order, []int{0, 1, 2, 3, 4})
	sameInts(t, "tokenRows", s.tokenRows, []int{0, 2, 3, 4})
	sameInts(t, "target", s.target, []int{6, 8, 9, 4})
	sameInts(t, "owner", s.owner, []int{0, 0, 0, 1})
	sameInts(t, "positions", s.rows.Pos, []int{0, 1, 2, 3, 0})
	if want := []tensor.Span{{From: 0, To: 1}, {From: 0, To: 2}, {From: 0, To: 3}, {From: 0, To: 4}, {From: 4, To: 5}}; !slices.Equal(s.rows.Spans, want) {
		t.Errorf("rows see %v, want %v", s.rows.Spans, want)
	}
	if size, rows := m.Size(batch), m.Rows(batch, StepRand{}); size != (Size{Tokens: 4}) || rows != 5 {
		t.Errorf("size is %+v and rows %d, want 4 tokens and 5 rows", size, rows)
	}
}

// What is learned of prompt, answer and EOS is what is scored of the same sample.
func TestPlainLearnsWhatItScores(t *testing.T) {
	bare := bareText()
	m := NewPlain(bare.LM, bare.Special)
	ex := Encoded{Tokens: []int{5, 6, 7, 8, 0}, Targets: []bool{false, false, true, true, true}}
	loss := m.Loss(nil, []Encoded{ex}, Size{Tokens: 1}, StepRand{}).total()
	_, text := m.LogProb(nil, []Sample{{Prompt: []int{5, 6}, Answer: []int{7, 8}, Finished: true}}, untempered)
	if loss != -float64(text.Data[0]) {
		t.Errorf("the loss is %v, and the likelihood %v", loss, text.Data[0])
	}
}

// An answer that is cut off has no EOS to learn: no method counts one, lays one out, or reads
// the row of the last token.
func TestCutAnswers(t *testing.T) {
	whole := examples(4)
	cut := slices.Clone(whole)
	for i := range cut {
		cut[i].Cut = true
	}
	for name, m := range learners() {
		if name == "lm" || name == "reading" { // which have no answers
			continue
		}
		random := StepRand{Seed: 1, Step: 2}
		if got, want := m.Size(cut).Tokens, m.Size(whole).Tokens-len(cut); got != want {
			t.Errorf("%s: %d targets, want %d", name, got, want)
		}
		if got, want := m.Rows(cut, random), m.Rows(whole, random)-len(cut); got != want {
			t.Errorf("%s: %d rows, want %d", name, got, want)
		}
		if m.Loss(nil, cut, m.Size(cut), random).total() == m.Loss(nil, whole, m.Size(cut), random).total() {
			t.Errorf("%s: the loss is that of answers with their end", name)
		}
	}
}

// The words of an example have the likelihoods in a packed batch that they have alone, bit for
// bit, however many rows stand beside them and whatever the threads.
func TestWordsPackedAreWordsAlone(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	shape := transformer.Config{Hidden: 72, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 18, FFN: 100, Vocab: 301, Theta: 1e4, NormEps: 1e-6, MaxTokens: 512}
	p := tensor.NewParams(1)
	lm := transformer.NewLM(p, shape)
	nf := NewNFCoT(p, lm, special, flowShape, nfOptions)
	shake(p)
	plain := NewPlain(lm, special)
	words, direct := &Text{LM: lm, Special: special, Chain: true}, &Text{LM: lm, Special: special}
	text := func(m *Text) func([]Encoded) (_, _ *tensor.Tensor, owner []int) {
		return func(batch []Encoded) (_, _ *tensor.Tensor, owner []int) {
			var s packed
			for _, ex := range batch {
				m.lay(&s, ex.Prompt, ex.Steps, m.Chain, true, ex.Answer, ex.end(special))
			}
			return nil, s.textLogProb(nil, lm, s.hidden(nil, lm, nil), 1), s.owner
		}
	}
	short, long := examples(11), texts(11, shape.Vocab)
	for i := range short { // some rows more than any kernel takes at a time
		short[i].Prompt = long[i].Tokens
	}
	for _, tt := range []struct {
		name  string
		batch []Encoded
		logp  func([]Encoded) (thoughts, text *tensor.Tensor, owner []int)
	}{
		{"lm", long, func(batch []Encoded) (_, _ *tensor.Tensor, owner []int) {
			s := plain.layout(nil, batch, StepRand{})
			return nil, s.textLogProb(nil, lm, s.hidden(nil, lm, nil), 1), s.owner
		}},
		{"cot", short, text(words)},
		{"direct", short, text(direct)},
		{"nfcot", short, func(batch []Encoded) (thoughts, text *tensor.Tensor, owner []int) {
			s := nf.layout(nil, batch, StepRand{})
			_, u := nf.codes(nil, batch, StepRand{Seed: 1})
			next, logp := nf.forward(nil, s, u, 1)
			return next.LogProb(nil, u, 0), logp, s.owner
		}},
	} {
		for _, threads := range []int{1, 2, 5} {
			kernel.SetThreads(threads)
			thoughts, logp, owner := tt.logp(tt.batch)
			at := 0
			for i := range tt.batch {
				thoughtsAlone, alone, _ := tt.logp(tt.batch[i : i+1])
				what := fmt.Sprintf("%s, %d threads, example %d", tt.name, threads, i)
				same(t, what, logp.Data[at:at+len(alone.Data)], alone.Data)
				if at += len(alone.Data); owner[at-1] != i || at < len(owner) && owner[at] != i+1 {
					t.Fatalf("%s: its targets do not end at %d", what, at)
				}
				if thoughts != nil {
					k := len(thoughtsAlone.Data)
					same(t, what+": thoughts", thoughts.Data[i*k:(i+1)*k], thoughtsAlone.Data)
				}
			}
		}
	}
}
