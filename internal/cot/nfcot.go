package cot

import (
	"math"
	"time"

	"nfcot/internal/nfhead"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// NFCoT is the unified method: one causal pass, with a flow head on thoughts
// and a language head on text (docs/method.md section 3).
//
//	q BOT u_1 … u_K x EOS
type NFCoT struct {
	LM      *transformer.LM
	Flow    *nfhead.Flow
	Head    *nfhead.Head
	Special Special
	Options NFOptions

	projIn, projInBias *tensor.Tensor // [H, D], [H]
}

// NFOptions are the settings of the NF-CoT loss.
type NFOptions struct {
	K           int     `yaml:"thoughts"`        // thoughts an example
	D           int     `yaml:"dims"`            // numbers a thought
	Noise       float64 `yaml:"noise"`           // std of the dequantisation noise
	LambdaFlow  float64 `yaml:"lambda_flow"`     // weight of the flow loss
	LambdaText  float64 `yaml:"lambda_text"`     // weight of the text loss
	SigmaLimit  float64 `yaml:"log_sigma_limit"` // soft limit of |log sigma|; 0: none
	MeanWeight  float64 `yaml:"mean_weight"`     // while the flow is held: weight of the mean's squared error at the variance of the noise
	Expectation bool    `yaml:"expected_noise"`  // while the flow is held at identity: the flow loss in expectation over the noise of its target
}

// NewNFCoT makes the parts that NF-CoT adds to a language model: proj_in, the
// NF head and the flow, which starts as the identity.
func NewNFCoT(p *tensor.Params, lm *transformer.LM, special Special, flow nfhead.Config, o NFOptions) *NFCoT {
	return &NFCoT{
		LM:         lm,
		Flow:       nfhead.NewFlow(p.Sub("flow"), flow, o.K, o.D),
		Head:       nfhead.NewHead(p.Sub("nf_head"), lm.Hidden, o.D, o.SigmaLimit),
		Special:    special,
		Options:    o,
		projIn:     p.Normal("proj_in.weight", 0.05, lm.Hidden, o.D),
		projInBias: p.Const("proj_in.bias", 0, lm.Hidden),
	}
}

// A Stage is NFCoT as it learns: with its flow held at the identity, or free.
type Stage struct {
	*NFCoT
	HoldFlow bool
}

// Size counts latent dimensions and answer tokens.
func (m *NFCoT) Size(batch []Encoded) Size {
	n := Size{Dims: len(batch) * m.Options.K * m.Options.D}
	for _, ex := range batch {
		n.Tokens += len(ex.Answer) + 1
	}
	return n
}

// Rows counts prompts, BOT, thoughts and answers; EOS is read by no one.
func (m *NFCoT) Rows(batch []Encoded, _ Draws) int {
	n := len(batch) * (1 + m.Options.K)
	for _, ex := range batch {
		n += len(ex.Prompt) + len(ex.Answer)
	}
	return n
}

// Loss is the flow loss, in nats per latent dimension, plus the text loss, in
// nats per token, each with its weight (docs/method.md section 6).
func (m Stage) Loss(t *tensor.Tape, batch []Encoded, whole Size, draws Draws) Loss {
	e, noisy := m.codes(t, batch, draws)
	return m.loss(t, batch, whole, e, noisy)
}

// loss is Loss of given codes, as they are and with their noise.
// e, noisy [B·K, D]
func (m Stage) loss(t *tensor.Tape, batch []Encoded, whole Size, e, noisy *tensor.Tensor) Loss {
	u, logDet := noisy, (*tensor.Tensor)(nil)
	target, noise := u, 0.0
	switch {
	case !m.HoldFlow:
		u, logDet = m.Flow.Forward(t, noisy, nil)
		target = u
	case m.Options.Expectation:
		target, noise = e, m.Options.Noise
	}
	s := m.layout(t, batch)
	mu, logSigma, logText := m.forward(t, s, u)
	flow := t.Sum(t.GaussianLogProb(target, mu, logSigma, noise))
	if logDet != nil {
		flow = t.Add(flow, t.Sum(logDet)) // eq. (2)
	}
	flow = t.Scale(-1/float32(whole.Dims), flow)
	text := t.Scale(-1/float32(whole.Tokens), t.Sum(logText))
	o := m.Options
	loss := Loss{Total: t.Add(t.Scale(float32(o.LambdaFlow), flow), t.Scale(float32(o.LambdaText), text)), FLOPs: s.trainingFLOPs(m.LM)}
	loss.Parts.Add("flow_nats_per_dim", float64(flow.Data[0]))
	loss.Parts.Add("text_nats_per_token", float64(text.Data[0]))
	if o.MeanWeight > 0 && m.HoldFlow {
		m.guideMean(t, &loss, e, mu, whole)
	}
	return loss
}

// guideMean adds the squared error of the predicted means at the variance of
// the noise. The likelihood's own gradient divides errors by sigma², so that
// what the head is still unsure of is neglected (Seitzer et al., 2022). The
// targets must be codes: a flow that moves could make any target easy.
func (m *NFCoT) guideMean(t *tensor.Tape, loss *Loss, e, mu *tensor.Tensor, whole Size) {
	d := t.Sub(e, mu)
	variance := m.Options.Noise * m.Options.Noise
	mean := t.Scale(float32(0.5/variance)/float32(whole.Dims), t.Sum(t.Mul(d, d)))
	loss.Total = t.Add(loss.Total, t.Scale(float32(m.Options.MeanWeight), mean))
	loss.Parts.Add("mean_error_per_dim", float64(mean.Data[0]))
}

// codes stacks the codes of a batch, as they are and with fresh dequantisation
// noise.   → [B·K, D] each
func (m *NFCoT) codes(t *tensor.Tape, batch []Encoded, draws Draws) (e, noisy *tensor.Tensor) {
	o := m.Options
	e, noisy = t.New(len(batch)*o.K, o.D), t.New(len(batch)*o.K, o.D)
	for i, ex := range batch {
		rng := draws.For(t, "dequantise", ex.Index)
		for j, v := range ex.Codes.Data {
			at := i*o.K*o.D + j
			e.Data[at] = v
			noisy.Data[at] = v + float32(o.Noise*rng.NormFloat64())
		}
	}
	return e, noisy
}

// layout puts the streams of a batch one after the other.
func (m *NFCoT) layout(t *tensor.Tape, batch []Encoded) stream {
	rows := 0
	for _, ex := range batch {
		rows += len(ex.Prompt) + m.Options.K + len(ex.Answer) + 2 // with BOT and EOS
	}
	s := newStream(t, rows)
	for i, ex := range batch {
		m.lay(&s, i, ex.Prompt, ex.Answer, m.Special.EOS)
	}
	return s
}

// lay puts the stream of example i into s; end is the token that ended the answer,
// negative if none did.
func (m *NFCoT) lay(s *stream, i int, prompt, answer []int, end int) {
	s.begin(prompt...)
	s.read(m.Special.BOT)
	for k := range m.Options.K {
		s.think(i*m.Options.K + k)
	}
	s.say(answer...)
	if end >= 0 {
		s.say(end)
	}
	s.end()
}

// forward runs the backbone once over streams with thoughts u in them, and reads
// both heads: the Gaussian of every thought, and the log-probability of every
// answer token in nats.   u [n·K, D] → [n·K, D] twice, [tokens, 1]
func (m *NFCoT) forward(t *tensor.Tape, s stream, u *tensor.Tensor) (mu, logSigma, text *tensor.Tensor) {
	h := s.hidden(t, m.LM, m.project(t, u))
	mu, logSigma = m.Head.Gaussian(t, t.Gather(h, s.thinkAt))
	return mu, logSigma, s.textLogProb(t, m.LM, h)
}

// project is proj_in: thoughts as inputs of the backbone.   u [n, D] → [n, H]
func (m *NFCoT) project(t *tensor.Tape, u *tensor.Tensor) *tensor.Tensor {
	return t.Linear(u, m.projIn, m.projInBias)
}

// LogProb scores samples: log p(u|q) and log p(x|q, u) of each, EOS included
// where it was drawn.
func (m *NFCoT) LogProb(t *tensor.Tape, samples []Sample) (thoughts, text *tensor.Tensor) {
	o := m.Options
	var s stream
	u := tensor.New(len(samples)*o.K, o.D)
	owner := make([]int, u.Rows())
	for i, x := range samples {
		m.lay(&s, i, x.Prompt, x.Answer, m.Special.end(&x))
		copy(u.Data[i*o.K*o.D:], x.Thoughts.Data)
		for k := range o.K {
			owner[i*o.K+k] = i
		}
	}
	mu, logSigma, logText := m.forward(t, s, u)
	logThoughts := t.GaussianLogProb(u, mu, logSigma, 0)
	return t.SumBy(logThoughts, owner, len(samples)), t.SumBy(logText, s.owner, len(samples))
}

// Sample answers each prompt n times from one prefill: K thoughts, drawn one
// after the other, then words (docs/method.md section 7).
func (m *NFCoT) Sample(prompts [][]int, n int, o Options) [][]Sample {
	speakers, h := prefill(m.LM, prompts, n, o, m.Special.BOT)
	caches := make([]*transformer.Cache, len(speakers))
	for i, s := range speakers {
		caches[i] = s.cache
		s.Thoughts = tensor.New(m.Options.K, m.Options.D)
	}
	t := &tensor.Tape{Inference: true}
	u := tensor.New(len(speakers), m.Options.D)
	for k := range m.Options.K {
		start := time.Now()
		h = m.think(t, speakers, caches, h, u, k, n, o)
		share := time.Since(start).Seconds() / float64(len(speakers))
		for _, s := range speakers {
			s.spend(true, share, m.LM.FLOPs(1, s.cache.Len(), 0)+m.thoughtFLOPs())
		}
	}
	speak(t, m.LM, m.Special, speakers, h, o)
	return collect(speakers, n)
}

// think draws thought k of every speaker, puts it into u and feeds it back.
// h [len(speakers), H], u [len(speakers), D] → the next h
func (m *NFCoT) think(t *tensor.Tape, speakers []*speaker, caches []*transformer.Cache, h, u *tensor.Tensor, k, n int, o Options) *tensor.Tensor {
	mu, logSigma := m.Head.Gaussian(t, h)
	for i, s := range speakers {
		if o.Replace != nil {
			copy(u.Row(i), o.Replace(i/n).Row(k))
		} else {
			key := append(append(t.Ints(len(s.Prompt)+2), s.Prompt...), i%n, k)
			nfhead.Draw(u.Row(i), mu.Row(i), logSigma.Row(i), o.ThoughtTemp, t.Rand(o.Seed, "thoughts", key...))
		}
		copy(s.Thoughts.Row(k), u.Row(i))
	}
	for i, v := range t.GaussianLogProb(u, mu, logSigma, 0).Data {
		speakers[i].LogThoughts += float64(v)
	}
	t.Reset()
	return m.LM.Step(t, caches, m.project(t, u))
}

// thoughtFLOPs is what the NF head and proj_in add to a row of the backbone.
func (m *NFCoT) thoughtFLOPs() float64 {
	return float64(2 * 3 * m.Options.D * m.LM.Hidden)
}

// Diagnostics are averages over a batch, thought by thought: the standard
// deviation that the head predicts, and the negative log-likelihood in nats per
// dimension, the flow's log-determinant left out.
type Diagnostics struct {
	Sigma, NLL []float64 // [K]
}

// Diagnose looks at each thought of a batch. A sigma near the dequantisation
// noise, and an NLL near that of the noise alone, say that a thought is learnt.
func (m Stage) Diagnose(t *tensor.Tape, batch []Encoded, draws Draws) Diagnostics {
	_, u := m.codes(t, batch, draws)
	if !m.HoldFlow {
		u, _ = m.Flow.Forward(t, u, nil)
	}
	K, D := m.Options.K, m.Options.D
	mu, logSigma, _ := m.forward(t, m.layout(t, batch), u)
	logp := t.GaussianLogProb(u, mu, logSigma, 0)
	d := Diagnostics{make([]float64, K), make([]float64, K)}
	for r := range u.Rows() {
		d.NLL[r%K] -= float64(logp.Data[r]) / float64(D*len(batch))
		for _, l := range logSigma.Row(r) {
			d.Sigma[r%K] += math.Exp(float64(l)) / float64(D*len(batch))
		}
	}
	return d
}
