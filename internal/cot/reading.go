package cot

import "nfcot/internal/tensor"

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

// Size counts the tokens of what codes stand for, and the one that ends each of these.
func (m Reading) Size(batch []Encoded) Size {
	var n Size
	for _, ex := range batch {
		for _, said := range ex.Said {
			n.Tokens += len(said) + 1
		}
	}
	return n
}

// Rows counts codes, the two tokens around each, and what they stand for.
func (m Reading) Rows(batch []Encoded, _ StepRand) int {
	n := 0
	for _, ex := range batch {
		for _, said := range ex.Said {
			n += 3 + len(said)
		}
	}
	return n
}

// Loss is the cross-entropy of what codes stand for, in nats per token.
func (m Reading) Loss(t *tensor.Tape, batch []Encoded, whole Size, random StepRand) Loss {
	_, noisy := m.codes(t, batch, random)
	s := newPacked(t, m.Rows(batch, random)+noisy.Rows()) // with Ans
	for i, ex := range batch {
		for k, said := range ex.Said {
			s.begin(m.Special.BOT)
			s.feedThought(i*m.Options.K + k)
			s.feed(m.Special.CoT)
			s.predict(said...)
			s.predict(m.Special.Ans)
			s.end()
		}
	}
	logp := s.textLogProb(t, m.LM, s.hidden(t, m.LM, m.project(t, noisy)), 1)
	loss := Loss{Total: t.Scale(-1/float32(whole.Tokens), t.Sum(logp)),
		FLOPs: s.trainingFLOPs(m.LM), HeadFLOPs: 3 * float64(noisy.Rows()) * m.projectFLOPs()}
	m.terms = append(m.terms[:0], Term{"chain_nats_per_token", float64(loss.Total.Data[0])})
	loss.Terms = m.terms
	return loss
}
