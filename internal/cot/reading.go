package cot

import "nfcot/internal/tensor"

// A Reader is a method whose backbone can be taught to read thoughts before it has to think them.
type Reader interface {
	Reading() Learner
}

// Reading is a language model that says chains from their codes alone: with no prompt before them there is nothing else
// to tell them from (the autoencoding of Ge et al., arXiv 2307.06945, of codes that are given). In a joint sequence the
// prompt explains most of an answer, so that thoughts are read late.
//
//	BOT e_1 … e_K CoT d Ans
type Reading struct{ *latent }

// Reading is the method as it learns to read (Reader).
func (m *latent) Reading() Learner { return Reading{m} }

// Size counts the tokens of chains, and the one that ends each.
func (m Reading) Size(batch []Encoded) Size {
	var n Size
	for _, ex := range batch {
		n.Tokens += ex.chainTokens() + 1
	}
	return n
}

// Rows counts thoughts, the tokens that begin them and the chain, and the chain.
func (m Reading) Rows(batch []Encoded, _ StepRand) int {
	n := 0
	for _, ex := range batch {
		n += m.Options.K + 2 + ex.chainTokens()
	}
	return n
}

// Loss is the cross-entropy of the chain, in nats per token.
func (m Reading) Loss(t *tensor.Tape, batch []Encoded, whole Size, random StepRand) Loss {
	_, noisy := m.codes(t, batch, random)
	s := newPacked(t, m.Rows(batch, random)+len(batch)) // with Ans
	for i, ex := range batch {
		s.begin(m.Special.BOT)
		for k := range m.Options.K {
			s.feedThought(i*m.Options.K + k)
		}
		s.feed(m.Special.CoT)
		for _, step := range ex.Steps {
			s.predict(step...)
		}
		s.predict(m.Special.Ans)
		s.end()
	}
	logp := s.textLogProb(t, m.LM, s.hidden(t, m.LM, m.project(t, noisy)), 1)
	loss := Loss{Total: t.Scale(-1/float32(whole.Tokens), t.Sum(logp)),
		FLOPs: s.trainingFLOPs(m.LM), HeadFLOPs: 3 * float64(noisy.Rows()) * m.projectFLOPs()}
	m.terms = append(m.terms[:0], Term{"chain_nats_per_token", float64(loss.Total.Data[0])})
	loss.Terms = m.terms
	return loss
}
