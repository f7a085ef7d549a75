package cot

import (
	"fmt"

	"nfcot/internal/nfhead"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// LaVAE regresses the codes of the VAE from left to right: a map of the state before a
// thought, that of NF-CoT's mean, is the thought, without noise and so without a likelihood.
//
//	q BOT e_1 … e_K x EOS
type LaVAE struct {
	latent

	head, headBias *tensor.Tensor // [D, H], [D]
	mlp            *nfhead.MLP
}

// NewLaVAE makes the parts that LaVAE adds to a language model: the head and proj_in.
func NewLaVAE(p *tensor.Params, lm *transformer.LM, special Special, o NFOptions) *LaVAE {
	states := o.stateScale(lm)
	return &LaVAE{
		head:     p.Normal("code_head.weight", 0.02/states, o.D, lm.Hidden),
		headBias: p.Const("code_head.bias", 0, o.D),
		mlp:      nfhead.NewMLP(p.Sub("code_head.mlp"), lm.Hidden, o.MLP, o.D, nfhead.Scale{In: states, Out: 1}),
		latent:   newLatent(p, lm, special, o),
	}
}

// predict is the next code after each row.   h [R, H] → [R, D]
func (m *LaVAE) predict(t *tensor.Tape, h *tensor.Tensor) *tensor.Tensor {
	return m.mlp.Add(t, t.Linear(h, m.head, m.headBias), h)
}

// predictFLOPs is what predict takes for a row.
func (m *LaVAE) predictFLOPs() float64 { return float64(2*len(m.head.Data)) + m.mlp.FLOPs() }

// Loss is the squared error of the codes at the variance of the noise, per latent
// dimension, which is how NF-CoT guides its means, plus the text loss, in nats per
// token, each with its weight. As there, the backbone reads the codes with
// dequantisation noise; what it is to predict has none.
func (m *LaVAE) Loss(t *tensor.Tape, batch []Encoded, whole Size, random StepRand) Loss {
	e, noisy := m.codes(t, batch, random)
	s := m.layout(t, batch, random)
	mu, logText := m.forward(t, s, noisy)
	mean := m.meanError(t, e, mu, whole)
	text, said := m.textLosses(t, logText, batch, whole)
	o := m.Options
	loss := Loss{Total: t.Add(t.Scale(float32(o.MeanWeight), mean), t.Scale(float32(o.LambdaText), text)),
		FLOPs: s.trainingFLOPs(m.LM), HeadFLOPs: 3 * float64(e.Rows()) * (m.predictFLOPs() + m.projectFLOPs())}
	m.terms = append(m.terms[:0], Term{"mean_error_per_dim", float64(mean.Data[0])}, Term{"text_nats_per_token", float64(text.Data[0])})
	m.addSaid(t, &loss, said)
	if m.VAE != nil {
		m.readBack(t, &loss, mu, batch, whole)
	}
	loss.Terms = m.terms
	return loss
}

// forward runs the backbone once over rows with codes in them, and reads what it
// predicts: every code, and the log-probability of every answer token in nats.
// noisy [n·K, D] → [n·K, D], [tokens, 1]
func (m *LaVAE) forward(t *tensor.Tape, s packed, noisy *tensor.Tensor) (mu, text *tensor.Tensor) {
	h := s.hidden(t, m.LM, m.project(t, noisy))
	return m.predict(t, t.Gather(h, s.thoughtRows)), s.textLogProb(t, m.LM, h, 1)
}

// Sample answers each prompt n times from one prefill. The samples of a prompt differ
// in their tokens alone.
func (m *LaVAE) Sample(prompts [][]int, n int, o Options) [][]Sample {
	sequences, h := prefill(m.LM, prompts, n, o, m.Special.BOT)
	t := &tensor.Tape{Inference: true}
	h = m.think(t, sequences, h, &o, m.predictFLOPs(), func(h, u *tensor.Tensor, k int) {
		if o.Replace != nil {
			o.replace(u, k, n)
		} else {
			copy(u.Data, m.predict(t, h).Data)
		}
	})
	decode(t, m.LM, m.Special, sequences, h, o)
	return collect(sequences, n)
}

// ToCodes returns the thoughts: they are codes (Coder).
func (m *LaVAE) ToCodes(u *tensor.Tensor) *tensor.Tensor { return u }

// FromCodes returns the codes: they are thoughts (Coder).
func (m *LaVAE) FromCodes(e *tensor.Tensor) *tensor.Tensor { return e }

// Diagnose is the mean error of each thought, in the units of the loss.
func (m *LaVAE) Diagnose(t *tensor.Tape, batch []Encoded, random StepRand) []Term {
	e, noisy := m.codes(t, batch, random)
	mu, _ := m.forward(t, m.layout(t, batch, random), noisy)
	o := m.Options
	terms := make([]Term, o.K)
	for k := range terms {
		terms[k].Name = fmt.Sprintf("mean_error_thought_%d_per_dim", k+1)
	}
	for r := range e.Rows() {
		for d, x := range e.Row(r) {
			miss := float64(x-mu.Row(r)[d]) / o.Noise
			terms[r%o.K].Value += 0.5 * miss * miss / float64(o.D*len(batch))
		}
	}
	return terms
}
