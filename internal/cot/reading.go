package cot

import (
	"iter"

	"nfcot/internal/tensor"
)

// A Reader is a method whose backbone can be taught to read thoughts before it has to think them.
type Reader interface {
	Reading() Learner
}

// Reading is a language model that says what each code alone stands for (the autoencoding of Ge et al.,
// arXiv 2307.06945, of codes that are given). With no prompt before it and no other code beside it there is nothing else
// to tell it from; in a joint sequence the prompt explains most of an answer, so that thoughts are read late.
//
//	BOT e_k CoT d_k Ans   for each k
type Reading struct{ *latent }

// Reading is the method as it learns to read (Reader).
func (m *latent) Reading() Learner { return Reading{m} }

// Size counts the tokens of what codes stand for, and the one that ends each of these: there are no others to predict.
func (m Reading) Size(batch []Encoded) Size {
	said := m.latent.Size(batch).Said
	return Size{Tokens: said, Said: said}
}

// Rows counts codes, the two tokens around each, and what they stand for.
func (m Reading) Rows(batch []Encoded, _ StepRand) int {
	n := 0
	for _, ex := range batch {
		for _, said := range ex.Said {
			n += lineRows(said)
		}
	}
	return n
}

// lineRows is the number of rows in which a code is read alone: with BOT and CoT; Ans is read by no one.
func lineRows(said []int) int { return 3 + len(said) }

// Loss is the cross-entropy of what codes stand for, in nats per token.
func (m Reading) Loss(t *tensor.Tape, batch []Encoded, whole Size, random StepRand) Loss {
	_, noisy := m.codes(t, batch, random)
	s := newPacked(t, m.Rows(batch, random)+noisy.Rows()) // with Ans
	for i, ex := range batch {
		for k, said := range ex.Said {
			m.layLine(&s, i*m.Options.K+k, said)
		}
	}
	logp := s.textLogProb(t, m.LM, s.hidden(t, m.LM, m.project(t, noisy)), 1)
	loss := Loss{FLOPs: s.trainingFLOPs(m.LM), HeadFLOPs: 3 * float64(noisy.Rows()) * m.projectFLOPs()}
	loss.Total = t.Scale(-1/float32(whole.Said), t.Sum(logp))
	m.terms = append(m.terms[:0], Term{"chain_nats_per_token", float64(loss.Total.Data[0])})
	loss.Terms = m.terms
	return loss
}

// layLine puts the rows of thought number j of all into s, read alone.
func (m *latent) layLine(s *packed, j int, said []int) {
	s.begin(m.Special.BOT)
	s.feedThought(j)
	s.feed(m.Special.CoT)
	s.predict(said...)
	s.predict(m.Special.Ans)
	s.end()
}

// drawLines yields the codes of an example that are read alone beside a step, and what they stand for: ReadLines in a
// row, the first after the last, from one that is drawn anew for each example and step.
func (m *latent) drawLines(t *tensor.Tape, ex Encoded, random StepRand) iter.Seq2[int, []int] {
	return func(yield func(int, []int) bool) {
		if m.Options.ReadLines == 0 || ex.Said == nil {
			return
		}
		first := random.For(t, "read", ex.Index).IntN(m.Options.K)
		for i := range m.Options.ReadLines {
			if k := (first + i) % m.Options.K; !yield(k, ex.Said[k]) {
				return
			}
		}
	}
}

// layLines puts the codes of a batch that are read alone into s, codes being the number of the first of all.
func (m *latent) layLines(t *tensor.Tape, s *packed, batch []Encoded, codes int, random StepRand) {
	for i, ex := range batch {
		for k, said := range m.drawLines(t, ex, random) {
			m.layLine(s, codes+i*m.Options.K+k, said)
		}
	}
}

// textLosses are the cross-entropies, in nats per token, of answers and of what codes stand for that are read alone
// after them: of all codes, in expectation over the draw. Where none is, said is nil.
// logp, of the tokens of a layout [tokens, 1] → [1, 1] each
func (m *latent) textLosses(t *tensor.Tape, logp *tensor.Tensor, batch []Encoded, whole Size) (text, said *tensor.Tensor) {
	answers := 0
	for _, ex := range batch {
		answers += ex.targets()
	}
	if n := logp.Rows() - answers; n > 0 {
		share := float32(m.Options.ReadLines) / float32(m.Options.K)
		said = t.Scale(-1/(share*float32(whole.Said)), t.Sum(stretch(t, logp, answers, n)))
		logp = stretch(t, logp, 0, answers)
	}
	return t.Scale(-1/float32(whole.Tokens), t.Sum(logp)), said
}

// stretch is n rows of x, from number first on.
func stretch(t *tensor.Tape, x *tensor.Tensor, first, n int) *tensor.Tensor {
	rows := t.Ints(n)
	for i := range n {
		rows = append(rows, first+i)
	}
	return t.Gather(x, rows)
}

// addSaid adds what codes stand for that are read alone to a loss, with the weight of the text.
func (m *latent) addSaid(t *tensor.Tape, loss *Loss, said *tensor.Tensor) {
	if said == nil {
		return
	}
	loss.Total = t.Add(loss.Total, t.Scale(float32(m.Options.LambdaText), said))
	m.terms = append(m.terms, Term{"chain_nats_per_token", float64(said.Data[0])})
}
