package cot

import (
	"math"
	"time"

	"nfcot/internal/nfhead"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// A latent is a language model that thinks in K vectors of D numbers before it
// answers: what the methods that learn the VAE's codes from left to right share.
// proj_in makes inputs of the backbone out of thoughts.
//
//	q BOT u_1 … u_K x EOS
type latent struct {
	LM      *transformer.LM
	Special Special
	Options NFOptions
	VAE     *VAE // frozen, whose decoder reads predicted codes back; nil: none does

	projIn, projInBias *tensor.Tensor // [H, D], [H]
	projInMLP          *nfhead.MLP

	terms    Terms // of the last loss
	dualPath bool  // text is predicted in a pass of its own, see NewDual
}

// NFOptions are the settings of the methods that think in codes.
type NFOptions struct {
	K           int     `yaml:"thoughts"`             // thoughts an example
	D           int     `yaml:"dims"`                 // numbers a thought
	Noise       float64 `yaml:"noise"`                // std of the dequantisation noise
	LambdaFlow  float64 `yaml:"lambda_flow"`          // weight of the flow loss
	LambdaText  float64 `yaml:"lambda_text"`          // weight of the text loss
	MLP         int     `yaml:"mlp"`                  // width of the MLPs that add to proj_in and to predicted thoughts; 0: none
	Fit         bool    `yaml:"fit_model"`            // proj_in and heads begin at the scales of the model's embeddings and states
	Components  int     `yaml:"components"`           // Gaussians that NF-CoT's head mixes; 0 and 1: one, as in the paper
	SigmaLimit  float64 `yaml:"log_sigma_limit"`      // soft limit of |log sigma|; 0: none
	MeanWeight  float64 `yaml:"mean_weight"`          // while no flow moves: weight of the mean's squared error at the variance of the noise
	ReadBack    float64 `yaml:"read_back,omitempty"`  // while thoughts are codes: weight of the chain's cross-entropy as the VAE's decoder reads it from predicted codes
	ReadLines   int     `yaml:"read_lines,omitempty"` // codes of each example that are read alone beside every step (Reading); 0: none
	Expectation bool    `yaml:"expected_noise"`       // while the flow is held at identity: the flow loss in expectation over the noise of its target
}

func newLatent(p *tensor.Params, lm *transformer.LM, special Special, o NFOptions) latent {
	std := 0.05
	if o.Fit {
		std = lm.EmbeddingRMS() / math.Sqrt(float64(o.D)*(1+o.Noise*o.Noise))
	}
	return latent{LM: lm, Special: special, Options: o,
		projIn: p.Normal("proj_in.weight", std, lm.Hidden, o.D), projInBias: p.Const("proj_in.bias", 0, lm.Hidden),
		projInMLP: nfhead.NewMLP(p.Sub("proj_in.mlp"), o.D, o.MLP, lm.Hidden, nfhead.Scale{In: 1, Out: std / 0.05})}
}

// stateScale is the root mean square of hidden states that heads begin for.
func (o NFOptions) stateScale(lm *transformer.LM) float64 {
	if o.Fit {
		return lm.StateRMS()
	}
	return 1
}

// Size counts latent dimensions, answer tokens, those that are read back, and those that codes stand for.
func (m *latent) Size(batch []Encoded) Size {
	n := Size{Dims: len(batch) * m.Options.K * m.Options.D}
	for _, ex := range batch {
		n.Tokens += ex.targets()
		if m.VAE != nil {
			n.Chain += m.VAE.targets(ex.Segments)
		}
		for _, said := range ex.Said {
			n.Said += len(said) + 1
		}
	}
	return n
}

// Rows counts prompts, BOT, thoughts and answers, whose last token is read by no one, and codes that are read alone.
func (m *latent) Rows(batch []Encoded, random StepRand) int {
	n := 0
	for _, ex := range batch {
		n += m.rows(ex)
		for _, said := range m.drawLines(nil, ex, random) {
			n += lineRows(said)
		}
	}
	return n
}

func (m *latent) rows(ex Encoded) int {
	n := len(ex.Prompt) + m.Options.K + ex.targets()
	if m.dualPath {
		n += len(ex.Prompt) + m.Options.K
	}
	return n
}

// codes stacks the codes of a batch, as they are and with fresh dequantisation
// noise.   → [B·K, D] each
func (m *latent) codes(t *tensor.Tape, batch []Encoded, random StepRand) (e, noisy *tensor.Tensor) {
	o := m.Options
	e, noisy = t.New(len(batch)*o.K, o.D), t.New(len(batch)*o.K, o.D)
	for i, ex := range batch {
		rng := random.For(t, "dequantise", ex.Index)
		for j, v := range ex.Codes.Data {
			at := i*o.K*o.D + j
			e.Data[at] = v
			noisy.Data[at] = v + float32(o.Noise*rng.NormFloat64())
		}
	}
	return e, noisy
}

// meanError is the squared error of predicted codes at the variance of the
// dequantisation noise, per latent dimension: what their likelihood would be but for a
// constant, were the noise all that is uncertain.   e, mu [B·K, D] → [1, 1]
func (m *latent) meanError(t *tensor.Tape, e, mu *tensor.Tensor, whole Size) *tensor.Tensor {
	d := t.Sub(e, mu)
	variance := m.Options.Noise * m.Options.Noise
	return t.Scale(float32(0.5/variance)/float32(whole.Dims), t.Sum(t.Mul(d, d)))
}

// readBack adds to a loss, with its weight, the cross-entropy of the chains as the VAE's decoder reads them from
// predicted codes, in nats per token.   e [B·K, D]
func (m *latent) readBack(t *tensor.Tape, loss *Loss, e *tensor.Tensor, batch []Encoded, whole Size) {
	chains := make([][][]int, len(batch))
	for i, ex := range batch {
		chains[i] = ex.Segments
	}
	logp, _, flops := m.VAE.logProb(t, m.VAE.raw(t, e), chains)
	ce := t.Scale(-1/float32(whole.Chain), logp)
	loss.Total = t.Add(loss.Total, t.Scale(float32(m.Options.ReadBack), ce))
	loss.HeadFLOPs += 3 * flops
	m.terms = append(m.terms, Term{"read_back_nats_per_token", float64(ce.Data[0])})
}

// layout puts the rows of a batch one after the other, and after them those of codes that are read alone.
func (m *latent) layout(t *tensor.Tape, batch []Encoded, random StepRand) packed {
	s := newPacked(t, m.Rows(batch, random)+(2+m.Options.ReadLines)*len(batch)) // with EOS, Ans, and a thought that is not read
	for i, ex := range batch {
		m.lay(&s, i, len(batch), ex.Prompt, ex.Answer, ex.end(m.Special))
	}
	codes := 0
	if m.dualPath { // after thoughts
		codes = len(batch) * m.Options.K
	}
	m.layLines(t, &s, batch, codes, random)
	return s
}

// lay puts the rows of example i of n into s; end is the token that ended the answer,
// negative if none did.
func (m *latent) lay(s *packed, i, n int, prompt, answer []int, end int) {
	K := m.Options.K
	s.begin(prompt...)
	s.feed(m.Special.BOT)
	for k := range K {
		s.predictThought(i*K + k)
	}
	if m.dualPath {
		s.split()
		s.begin(prompt...)
		s.feed(m.Special.BOT)
		for k := range K {
			s.feedThought((n+i)*K + k) // what thought i·K + k stands for
		}
	}
	s.answer(answer, end)
	s.end()
}

// project is proj_in: thoughts as inputs of the backbone.   u [n, D] → [n, H]
func (m *latent) project(t *tensor.Tape, u *tensor.Tensor) *tensor.Tensor {
	return m.projInMLP.Add(t, t.Linear(u, m.projIn, m.projInBias), u)
}

// projectFLOPs is what proj_in takes for a thought.
func (m *latent) projectFLOPs() float64 { return float64(2*len(m.projIn.Data)) + m.projInMLP.FLOPs() }

// think makes K thoughts for every sequence, one after the other, and feeds each of
// them back. next puts thought k of all sequences into u, given the states before it;
// flops is what it takes to find one.
// h, that predict first thoughts [len(sequences), H] → those that predict first tokens
func (m *latent) think(t *tensor.Tape, sequences []*sequence, h *tensor.Tensor, o *Options, flops float64, next func(h, u *tensor.Tensor, k int)) *tensor.Tensor {
	c := m.newThoughtBatch(t, sequences, h)
	for k := 0; k < m.Options.K && !o.ended(); k++ {
		c.step(k, flops, next)
	}
	return c.h
}

// A thoughtBatch is sequences whose thoughts are made together. All that a thought takes
// is kept for the next one.
type thoughtBatch struct {
	*latent
	tape      *tensor.Tape // holds the thought under way
	sequences []*sequence
	caches    []*transformer.Cache
	h         *tensor.Tensor // the states that predict the next thoughts: [len(sequences), H]
	u         *tensor.Tensor // the thoughts under way: [len(sequences), D]
}

func (m *latent) newThoughtBatch(t *tensor.Tape, sequences []*sequence, h *tensor.Tensor) *thoughtBatch {
	c := &thoughtBatch{latent: m, tape: t, sequences: sequences, h: h, u: tensor.New(len(sequences), m.Options.D)}
	for _, s := range sequences {
		c.caches = append(c.caches, s.cache)
		s.Thoughts = tensor.New(m.Options.K, m.Options.D)
	}
	return c
}

// step makes thought k.
func (c *thoughtBatch) step(k int, flops float64, next func(h, u *tensor.Tensor, k int)) {
	start := time.Now()
	next(c.h, c.u, k)
	for i, s := range c.sequences {
		copy(s.Thoughts.Row(k), c.u.Row(i))
	}
	c.tape.Reset()
	read := k < c.Options.K-1 || !c.dualPath // in two passes the last thought is read in the second alone
	if read {
		c.h = c.LM.Step(c.tape, c.caches, c.project(c.tape, c.u))
	}
	share := time.Since(start).Seconds() / float64(len(c.sequences))
	for _, s := range c.sequences {
		s.addCost(true, share, flops)
		if read {
			s.addCost(true, 0, c.LM.FLOPs(1, s.cache.Len(), 0)+c.projectFLOPs())
		}
	}
}

// replace puts given thoughts number k, those of sample i%n of prompt i/n, into row i of u.
func (o *Options) replace(u *tensor.Tensor, k, n int) {
	for i := range u.Rows() {
		copy(u.Row(i), o.Replace(i/n, i%n).Row(k))
	}
}
