package cot

import (
	"fmt"
	"math"
	"slices"

	"nfcot/internal/nfhead"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// NFCoT is the unified method: one causal pass, with a flow head on thoughts
// and a language head on text (docs/method.md section 3).
//
//	q BOT u_1 … u_K x EOS
type NFCoT struct {
	latent
	Flow *nfhead.Flow
	Head *nfhead.Head

	FreezeSigma bool // scores have no gradient through sigma: only the means of thoughts move
}

// NewNFCoT makes the parts that NF-CoT adds to a language model: proj_in, the
// NF head and the flow, which starts as the identity.
func NewNFCoT(p *tensor.Params, lm *transformer.LM, special Special, flow nfhead.Config, o NFOptions) *NFCoT {
	return &NFCoT{
		Flow:   nfhead.NewFlow(p.Sub("flow"), flow, o.K, o.D),
		Head:   nfhead.NewHead(p.Sub("nf_head"), lm.Hidden, o.MLP, o.D, o.Components, o.SigmaLimit, o.stateScale(lm)),
		latent: newLatent(p, lm, special, o),
	}
}

// A Stage is NFCoT as it learns: with its flow free, or frozen: then as it was fitted before,
// or, where it was not, left out, which is the same as the identity.
type Stage struct {
	*NFCoT
	FreezeFlow bool
	Fitted     bool // before the stage
	Marginal   bool // a free flow learns what codes are whatever the prompt, and not from the head
}

// Loss is the flow loss, in nats per latent dimension, plus the text loss, in
// nats per token, each with its weight (docs/method.md section 6).
func (m Stage) Loss(t *tensor.Tape, batch []Encoded, whole Size, random StepRand) Loss {
	e, noisy := m.codes(t, batch, random)
	return m.loss(t, batch, whole, random, e, noisy)
}

// loss is Loss of given codes, as they are and with their noise.
// e, noisy [B·K, D]
func (m Stage) loss(t *tensor.Tape, batch []Encoded, whole Size, random StepRand, e, noisy *tensor.Tensor) Loss {
	o := m.Options
	u, logDet := noisy, (*tensor.Tensor)(nil)
	if m.Flows() {
		u, logDet = m.Flow.Forward(t, noisy, nil)
	}
	var marginal *tensor.Tensor
	if m.Marginal { // all else takes thoughts as they are
		marginal = m.marginal(t, u, logDet, whole)
		u, logDet = t.Detach(u), t.Detach(logDet)
	}
	s := m.layout(t, batch, random)
	in := m.reads(t, u, noisy)
	next, logText := m.forward(t, s, in, 1)
	clean := m.clean(t, e)
	var flow *tensor.Tensor
	if o.Expectation && m.FreezeFlow {
		flow = t.Sum(m.expected(t, next, clean))
	} else {
		flow = t.Sum(next.LogProb(t, u, 0))
	}
	if logDet != nil {
		flow = t.Add(flow, t.Sum(logDet)) // eq. (2)
	}
	flow = t.Scale(-1/float32(whole.Dims), flow)
	text, said := m.textLosses(t, logText, batch, whole)
	loss := Loss{Total: t.Add(t.Scale(float32(o.LambdaFlow), flow), t.Scale(float32(o.LambdaText), text)),
		FLOPs: s.trainingFLOPs(m.LM), HeadFLOPs: 3 * (float64(u.Rows())*m.Head.FLOPs() + float64(in.Rows())*m.projectFLOPs())}
	loss.HeadFLOPs += float64(len(batch)) * m.flowFLOPs()
	m.terms = append(m.terms[:0], Term{"flow_nats_per_dim", float64(flow.Data[0])}, Term{"text_nats_per_token", float64(text.Data[0])})
	m.addSaid(t, &loss, said)
	if o.MeanWeight > 0 && m.FreezeFlow {
		mean := m.guidance(t, next, clean, whole)
		loss.Total = t.Add(loss.Total, t.Scale(float32(o.MeanWeight), mean))
		m.terms = append(m.terms, Term{"mean_error_per_dim", float64(mean.Data[0])})
	}
	if marginal != nil {
		loss.Total = t.Add(loss.Total, t.Scale(float32(o.LambdaFlow), marginal))
		m.terms = append(m.terms, Term{"marginal_nats_per_dim", float64(marginal.Data[0])})
	}
	if m.VAE != nil && !m.Flows() {
		predicted := next.Mu
		if next.Logits != nil {
			predicted = t.Add(predicted, m.nearest(t, next, clean.U))
		}
		m.readBack(t, &loss, predicted, batch, whole)
	}
	loss.Terms = m.terms
	return loss
}

// marginal is the negative log-density of codes that thoughts of N(0, I) would give them, in nats per dimension: what
// makes a flow map the codes of all prompts together to N(0, I).
func (m Stage) marginal(t *tensor.Tape, u, logDet *tensor.Tensor, whole Size) *tensor.Tensor {
	zero := t.New(u.Rows(), u.Cols()) // mean, and log sigma
	return t.Scale(-1/float32(whole.Dims), t.Add(t.Sum(t.GaussianLogProb(u, zero, zero, 0)), t.Sum(logDet)))
}

// Flows says whether the stage runs the flow: where it does not, thoughts are codes.
func (m Stage) Flows() bool { return !m.FreezeFlow || m.Fitted }

// flowFLOPs is what the flow takes for an example: forward and backward where it learns; where it is frozen, forward
// for codes with noise, and for codes without it and for the variance of the noise.
func (m Stage) flowFLOPs() float64 {
	if m.Flows() {
		return 3 * m.Flow.FLOPs()
	}
	return 0
}

// clean is what a frozen flow makes of codes without noise, and how far noise moves that. Where the flow is left out
// codes are what they are, and noise is that on them (nil).
func (m Stage) clean(t *tensor.Tape, e *tensor.Tensor) nfhead.Trace {
	if m.FreezeFlow && m.Fitted {
		return m.Flow.Trace(t, e)
	}
	return nfhead.Trace{U: e}
}

// expected is the log-density of thoughts in expectation over the noise of their codes.   → [B·K, 1]
func (m Stage) expected(t *tensor.Tape, next nfhead.Prediction, clean nfhead.Trace) *tensor.Tensor {
	if clean.Variance == nil {
		return next.LogProb(t, clean.U, m.Options.Noise)
	}
	spread := t.SumCols(t.Mul(clean.Variance, t.Exp(t.Scale(-2, next.LogSigma))))
	return t.Sub(next.LogProb(t, clean.U, 0), t.Scale(float32(m.Options.Noise*m.Options.Noise/2), spread))
}

// guidance pulls the head's means to thoughts without noise. The likelihood's own gradient divides errors by sigma²,
// so that what the head is still unsure of is neglected (Seitzer et al., 2022). The targets must be codes, or what a
// frozen flow makes of them: one that moves could make any target easy.
func (m Stage) guidance(t *tensor.Tape, next nfhead.Prediction, clean nfhead.Trace, whole Size) *tensor.Tensor {
	mean := m.missed(t, clean.U, next.Mu, clean.Variance, whole)
	if next.Logits == nil {
		return mean
	}
	// The nearest component takes what their common mean misses, as it is: were the common mean not to
	// learn all that it can, components would part by what could be known.
	left := t.Sub(clean.U, t.Detach(next.Mu))
	return t.Add(mean, m.missed(t, left, m.nearest(t, next, clean.U), clean.Variance, whole))
}

// nearest is what the component that is nearest to each thought adds to the common mean.   u [R, D] → [R, D]
func (m Stage) nearest(t *tensor.Tape, next nfhead.Prediction, u *tensor.Tensor) *tensor.Tensor {
	return t.Pick(next.Delta, next.Logits.Cols(), next.Nearest(t, u))
}

// missed is meanError at the variances that noise has in the space of thoughts; nil: in that of codes.
func (m Stage) missed(t *tensor.Tape, u, mu, variance *tensor.Tensor, whole Size) *tensor.Tensor {
	if variance == nil {
		return m.meanError(t, u, mu, whole)
	}
	weight := t.New(variance.Rows(), variance.Cols())
	for i, v := range variance.Data {
		weight.Data[i] = 1 / v
	}
	d := t.Sub(u, mu)
	noise := m.Options.Noise * m.Options.Noise
	return t.Scale(float32(0.5/noise)/float32(whole.Dims), t.Sum(t.Mul(weight, t.Mul(d, d))))
}

// forward runs the backbone once over rows with thoughts in them, and reads both
// heads: the density of every thought, and the log-probability of every answer
// token at temperature textTemp, in nats.   u, see reads → n·K rows, [tokens, 1]
func (m *NFCoT) forward(t *tensor.Tape, s packed, u *tensor.Tensor, textTemp float64) (next nfhead.Prediction, text *tensor.Tensor) {
	h := s.hidden(t, m.LM, m.project(t, u))
	return m.Head.Predict(t, t.Gather(h, s.thoughtRows)), s.textLogProb(t, m.LM, h, textTemp)
}

// LogProb scores samples: log p(u|q) and log p(x|q, u) of each, EOS included
// where it was drawn.
func (m *NFCoT) LogProb(t *tensor.Tape, samples []Sample, temp Temperatures) (thoughts, text *tensor.Tensor) {
	s, u, in := m.replay(t, samples)
	owner := make([]int, u.Rows())
	for j := range owner {
		owner[j] = j / m.Options.K
	}
	next, logText := m.forward(t, s, in, temp.Text)
	if m.FreezeSigma {
		next.LogSigma = t.Detach(next.LogSigma)
	}
	logThoughts := next.At(t, temp.Thought).LogProb(t, u, 0)
	return t.SumBy(logThoughts, owner, len(samples)), t.SumBy(logText, s.owner, len(samples))
}

// replay lays the rows of samples one after the other.
// → their thoughts u [n·K, D], and what the backbone reads, see reads
func (m *NFCoT) replay(t *tensor.Tape, samples []Sample) (s packed, u, in *tensor.Tensor) {
	o := m.Options
	u = tensor.New(len(samples)*o.K, o.D)
	for i, x := range samples {
		m.lay(&s, i, len(samples), x.Prompt, x.Answer, m.Special.end(&x))
		copy(u.Data[i*o.K*o.D:], x.Thoughts.Data)
	}
	e := u // or what it stands for, where that is read
	if m.dualPath {
		e = m.ToCodes(u)
	}
	return s, u, m.reads(t, u, e)
}

// Sigmas returns what the head predicts (Spreader).
func (m *NFCoT) Sigmas(samples []Sample) [][]float64 {
	s, u, in := m.replay(nil, samples)
	next, _ := m.forward(nil, s, in, 1)
	all := make([]float64, u.Rows())
	for r := range all {
		all[r] = meanSigma(next.LogSigma.Row(r))
	}
	return slices.Collect(slices.Chunk(all, m.Options.K))
}

func meanSigma(logSigma []float32) float64 {
	sum := 0.0
	for _, l := range logSigma {
		sum += math.Exp(float64(l))
	}
	return sum / float64(len(logSigma))
}

// Sample answers each prompt n times from one prefill: K thoughts, drawn one
// after the other, then tokens (docs/method.md section 7).
func (m *NFCoT) Sample(prompts [][]int, n int, o Options) [][]Sample {
	sequences, h := prefill(m.LM, prompts, n, o, m.Special.BOT)
	t := &tensor.Tape{Inference: true}
	texts := m.textCaches(sequences)
	flops := m.Head.FLOPs()
	if o.Denoise && !m.Flow.Identity() { // back to a code, and on to the variance of its noise
		flops += 3 * m.Flow.FLOPs() / float64(m.Options.K)
	}
	h = m.think(t, sequences, h, &o, flops, func(h, u *tensor.Tensor, k int) { m.draw(t, sequences, h, u, k, n, o) })
	if m.dualPath {
		h = m.secondPass(t, sequences, texts)
	}
	decode(t, m.LM, m.Special, sequences, h, o)
	return collect(sequences, n)
}

// draw draws thought k of every sequence into u and adds up their likelihoods.
// h [len(sequences), H], u [len(sequences), D]
func (m *NFCoT) draw(t *tensor.Tape, sequences []*sequence, h, u *tensor.Tensor, k, n int, o Options) {
	next := m.Head.Predict(t, h)
	if o.Replace != nil {
		o.replace(u, k, n)
	} else {
		var noise nfhead.Noise
		if o.Denoise {
			noise = nfhead.Noise{Std: m.Options.Noise, Variance: m.Flow.Spread(next.Mu, k)}
		}
		for i, s := range sequences {
			key := append(append(t.Ints(len(s.Prompt)+2), s.Prompt...), i%n, k)
			next.Draw(u.Row(i), i, o.ThoughtTemp, noise, t.Rand(o.Seed, "thoughts", key...))
		}
	}
	for i, v := range next.LogProb(t, u, 0).Data {
		s := sequences[i]
		s.LogThoughts += float64(v)
		if o.Replace == nil && s.Err == nil && !isFinite(s.LogThoughts) { // what is put in its place may be as unlikely as it likes
			s.Err = Finite(fmt.Sprintf("log-likelihoods of thoughts up to number %d", k+1), s.LogThoughts)
		}
	}
}

// Denoises says whether thoughts can be drawn without the noise that they were trained with: what it is at a thought
// must not depend on later ones.
func (m *NFCoT) Denoises() bool { return m.Flow.Identity() || m.Flow.Apart() }

// ToCodes undoes the flow (Coder).
func (m *NFCoT) ToCodes(u *tensor.Tensor) *tensor.Tensor { return m.Flow.Inverse(u, nil) }

// FromCodes is the flow (Coder).
func (m *NFCoT) FromCodes(e *tensor.Tensor) *tensor.Tensor {
	u, _ := m.Flow.Forward(nil, e, nil)
	return u
}

// Diagnose looks at each thought of a batch: the standard deviation that the head
// predicts, and the negative log-likelihood of its code, the flow's log-determinant
// included, both averages over batch and dimensions. A sigma near the dequantisation noise,
// and an NLL near that of the noise alone, say that a thought is learned.
func (m Stage) Diagnose(t *tensor.Tape, batch []Encoded, random StepRand) []Term {
	_, noisy := m.codes(t, batch, random)
	x := nfhead.Trace{U: noisy, LogDet: t.New(noisy.Rows(), 1)}
	if m.Flows() {
		x = m.Flow.Trace(t, noisy)
	}
	u, K, D := x.U, m.Options.K, m.Options.D
	next, _ := m.forward(t, m.layout(t, batch, random), m.reads(t, u, noisy), 1)
	logp := next.LogProb(t, u, 0)
	sigma, nll := make([]float64, K), make([]float64, K)
	for r := range u.Rows() {
		nll[r%K] -= (float64(logp.Data[r]) + float64(x.LogDet.Data[r])) / float64(D*len(batch))
		sigma[r%K] += meanSigma(next.LogSigma.Row(r)) / float64(len(batch))
	}
	var terms []Term
	for k := range K {
		terms = append(terms, Term{fmt.Sprintf("sigma_thought_%d", k+1), sigma[k]}, Term{fmt.Sprintf("nll_thought_%d_nats_per_dim", k+1), nll[k]})
	}
	return terms
}
