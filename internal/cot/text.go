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
}

// chain says whether an example is shown with its chain of thought.
func (m *Text) chain(t *tensor.Tape, ex Encoded, draws Draws) bool {
	return m.Chain && (m.DirectShare == 0 || draws.For(t, "direct", ex.Index).Float64() >= m.DirectShare)
}

// lay puts one stream of words into s; end is the token that ended the answer,
// negative if none did.
func (m *Text) lay(s *stream, prompt []int, chain [][]int, withChain, thought bool, answer []int, end int) {
	s.begin(prompt...)
	switch {
	case withChain:
		s.read(m.Special.CoT)
		for _, step := range chain {
			s.say(step...)
		}
		if thought {
			s.say(m.Special.Ans)
		}
	case !m.Bare:
		s.read(m.Special.Ans)
	}
	s.say(answer...)
	if end >= 0 {
		s.say(end)
	}
	s.end()
}

// Size counts every token of the chain and the answer, whether or not a draw
// leaves the chain out: the normaliser must not depend on the draw.
func (m *Text) Size(batch []Encoded) Size {
	var n Size
	for _, ex := range batch {
		n.Tokens += len(ex.Answer) + 1
		if m.Chain {
			n.Tokens += ex.chainTokens() + 1
		}
	}
	return n
}

// Rows counts what lay lays: prompt, chain and answer, a token that begins each
// of the last two, and no EOS, which is read by no one.
func (m *Text) Rows(batch []Encoded, draws Draws) int {
	n := 0
	for _, ex := range batch {
		n += len(ex.Prompt) + 1 + len(ex.Answer)
		if m.chain(nil, ex, draws) {
			n += ex.chainTokens() + 1
		}
	}
	return n
}

// Loss is the cross-entropy of chain and answer, in nats per token.
func (m *Text) Loss(t *tensor.Tape, batch []Encoded, whole Size, draws Draws) Loss {
	rows := 0
	for _, ex := range batch {
		rows += len(ex.Prompt) + ex.chainTokens() + len(ex.Answer) + 3 // with CoT, Ans and EOS
	}
	s := newStream(t, rows)
	for _, ex := range batch {
		m.lay(&s, ex.Prompt, ex.Steps, m.chain(t, ex, draws), true, ex.Answer, m.Special.EOS)
	}
	logp := s.textLogProb(t, m.LM, s.hidden(t, m.LM, nil))
	loss := Loss{Total: t.Scale(-1/float32(whole.Tokens), t.Sum(logp)), FLOPs: s.trainingFLOPs(m.LM)}
	loss.Parts.Add("text_nats_per_token", float64(loss.Total.Data[0]))
	return loss
}

// LogProb scores the words of samples; there are no thoughts to score.
func (m *Text) LogProb(t *tensor.Tape, samples []Sample) (thoughts, text *tensor.Tensor) {
	var s stream
	for _, x := range samples {
		m.lay(&s, x.Prompt, [][]int{x.Chain}, m.Chain, x.Thought, x.Answer, m.Special.end(&x))
	}
	logp := s.textLogProb(t, m.LM, s.hidden(t, m.LM, nil))
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
	speakers, h := prefill(m.LM, prompts, n, o, m.opening()...)
	for _, s := range speakers {
		s.thinking = m.Chain
	}
	speak(&tensor.Tape{Inference: true}, m.LM, m.Special, speakers, h, o)
	return collect(speakers, n)
}
