package cot

import (
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// Text is a language model that answers in words: after an explicit chain of
// thought (method cot), at once (method direct), or as others have trained it: the
// answer is what follows the prompt, which must not be empty (method lm).
//
//	cot:    q CoT d Ans x EOS
//	direct: q Ans x EOS
//	lm:     q x EOS
type Text struct {
	LM      *transformer.LM
	Special Special
	Chain   bool // think in words before answering
	Bare    bool // nothing stands between prompt and answer
	// DirectShare is the share of training examples without their chain when
	// Chain is set: pretraining shows both kinds.
	DirectShare float64

	terms Terms // of the last loss
}

// chain says whether an example is shown with its chain of thought.
func (m *Text) chain(t *tensor.Tape, ex Encoded, random StepRand) bool {
	return m.Chain && (m.DirectShare == 0 || random.For(t, "direct", ex.Index).Float64() >= m.DirectShare)
}

// lay puts the rows of one example into s; end is the token that ended the answer,
// negative if none did.
func (m *Text) lay(s *packed, prompt []int, chain [][]int, withChain, thought bool, answer []int, end int) {
	s.begin(prompt...)
	switch {
	case withChain:
		s.feed(m.Special.CoT)
		for _, step := range chain {
			s.predict(step...)
		}
		if thought {
			s.predict(m.Special.Ans)
		}
	case !m.Bare:
		s.feed(m.Special.Ans)
	}
	s.answer(answer, end)
	s.end()
}

// Marked returns an example with its chain, if the method has chains: its tokens, and which of
// them are targets.
func (m *Text) Marked(ex Encoded) (tokens []int, targets []bool) {
	var s packed
	m.lay(&s, ex.Prompt, ex.Steps, m.Chain, true, ex.Answer, ex.end(m.Special))
	tokens = append(s.tokens, s.target[len(s.target)-1]) // which has no row
	targets = make([]bool, len(tokens))
	for _, row := range s.tokenRows {
		targets[row+1] = true
	}
	return tokens, targets
}

// Size counts every token of the chain and the answer, whether or not a draw
// leaves the chain out: the normaliser must not depend on the draw.
func (m *Text) Size(batch []Encoded) Size {
	var n Size
	for _, ex := range batch {
		n.Tokens += ex.targets()
		if m.Chain {
			n.Tokens += ex.chainTokens() + 1
		}
	}
	return n
}

// Rows counts what lay lays: prompt, chain and answer, a token that begins each
// of the last two, and not the last token, which is read by no one.
func (m *Text) Rows(batch []Encoded, random StepRand) int {
	n := 0
	for _, ex := range batch {
		n += len(ex.Prompt) + ex.targets()
		if m.chain(nil, ex, random) {
			n += ex.chainTokens() + 1
		}
	}
	return n
}

// Loss is the cross-entropy of chain and answer, in nats per token.
func (m *Text) Loss(t *tensor.Tape, batch []Encoded, whole Size, random StepRand) Loss {
	rows := 0
	for _, ex := range batch {
		rows += len(ex.Prompt) + ex.chainTokens() + len(ex.Answer) + 3 // with CoT, Ans and EOS
	}
	s := newPacked(t, rows)
	for _, ex := range batch {
		m.lay(&s, ex.Prompt, ex.Steps, m.chain(t, ex, random), true, ex.Answer, ex.end(m.Special))
	}
	return m.loss(t, s, whole)
}

// loss is the cross-entropy of a batch that is laid out.
func (m *Text) loss(t *tensor.Tape, s packed, whole Size) Loss {
	logp := s.textLogProb(t, m.LM, s.hidden(t, m.LM, nil), 1)
	loss := Loss{Total: t.Scale(-1/float32(whole.Tokens), t.Sum(logp)), FLOPs: s.trainingFLOPs(m.LM)}
	m.terms = append(m.terms[:0], Term{"text_nats_per_token", float64(loss.Total.Data[0])})
	loss.Terms = m.terms
	return loss
}

// LogProb scores the words of samples; there are no thoughts to score.
func (m *Text) LogProb(t *tensor.Tape, samples []Sample, temp Temperatures) (thoughts, text *tensor.Tensor) {
	var s packed
	for _, x := range samples {
		m.lay(&s, x.Prompt, [][]int{x.Chain}, m.Chain, x.ChainClosed, x.Answer, m.Special.end(&x))
	}
	logp := s.textLogProb(t, m.LM, s.hidden(t, m.LM, nil), temp.Text)
	return tensor.New(len(samples), 1), t.SumBy(logp, s.owner, len(samples))
}

// opening is what stands between a prompt and what is drawn.
func (m *Text) opening() []int {
	switch {
	case m.Chain:
		return []int{m.Special.CoT}
	case m.Bare:
		return nil
	}
	return []int{m.Special.Ans}
}

// Sample answers each prompt n times from one prefill.
func (m *Text) Sample(prompts [][]int, n int, o Options) [][]Sample {
	sequences, h := prefill(m.LM, prompts, n, o, m.opening()...)
	for _, s := range sequences {
		s.thinking = m.Chain
	}
	decode(&tensor.Tape{Inference: true}, m.LM, m.Special, sequences, h, o)
	return collect(sequences, n)
}
