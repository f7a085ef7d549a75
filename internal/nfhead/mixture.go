package nfhead

import (
	"fmt"
	"math"
	"math/rand/v2"

	"nfcot/internal/tensor"
)

// A Mixture predicts the next thought as one of several Gaussians, with weights
// that depend on the hidden state too: p(u | h) = Σ_m w_m(h) N(u; mu_m, sigma_m).
// Its density is exact. One Gaussian is the paper's head; more can say "either
// this line or that one", where a single one with independent dimensions can
// only say "something in between".
type Mixture struct {
	Components   []*Head
	weight, bias *tensor.Tensor // [M, H], [M]; nil for one component
}

// NewMixture makes the parameters of m heads for thoughts of d numbers; limit is
// NewHead's.
func NewMixture(p *tensor.Params, hidden, d int, limit float64, m int) *Mixture {
	if m < 2 {
		return &Mixture{Components: []*Head{NewHead(p, hidden, d, limit)}}
	}
	x := &Mixture{weight: p.Const("mixture.weight", 0, m, hidden), bias: p.Const("mixture.bias", 0, m)}
	for i := range m {
		x.Components = append(x.Components, NewHead(p.Sub(fmt.Sprintf("components.%d", i)), hidden, d, limit))
	}
	return x
}

// A Prediction is what a Mixture says of R thoughts.
type Prediction struct {
	LogWeight    []*tensor.Tensor // of each component, [R, 1]; nil for one component
	Mu, LogSigma []*tensor.Tensor // of each component, [R, D]
}

// Predict reads the head.   h [R, H]
func (x *Mixture) Predict(t *tensor.Tape, h *tensor.Tensor) Prediction {
	var p Prediction
	for _, c := range x.Components {
		mu, logSigma := c.Gaussian(t, h)
		p.Mu, p.LogSigma = append(p.Mu, mu), append(p.LogSigma, logSigma)
	}
	if x.weight == nil {
		return p
	}
	ones := make([]int, len(x.Components))
	for i := range ones {
		ones[i] = 1
	}
	logits := t.Split(t.Linear(h, x.weight, x.bias), ones...)
	total := t.LogSumExp(logits...)
	for _, l := range logits {
		p.LogWeight = append(p.LogWeight, t.Sub(l, total))
	}
	return p
}

// joint returns log w_m + log N(x; mu_m, sigma_m) of every component, in nats,
// the second term in expectation over noise as GaussianLogProb has it.
// x [R, D] → [R, 1] each
func (p Prediction) joint(t *tensor.Tape, x *tensor.Tensor, noise float64) []*tensor.Tensor {
	terms := make([]*tensor.Tensor, len(p.Mu))
	for m := range terms {
		terms[m] = t.GaussianLogProb(x, p.Mu[m], p.LogSigma[m], noise)
		if p.LogWeight != nil {
			terms[m] = t.Add(terms[m], p.LogWeight[m])
		}
	}
	return terms
}

// LogProb returns log p(x) of every row, in nats. With noise it is the
// expectation over noise N(0, noise² I) on x for one component, and a lower bound
// of it for several.   x [R, D] → [R, 1]
func (p Prediction) LogProb(t *tensor.Tape, x *tensor.Tensor, noise float64) *tensor.Tensor {
	return t.LogSumExp(p.joint(t, x, noise)...)
}

// SquaredError returns Σ_d (x - mu)² of every row, of the components weighted by
// how likely each is to have made x (no gradient flows through that).
// x [R, D] → [R, 1]
func (p Prediction) SquaredError(t *tensor.Tape, x *tensor.Tensor, noise float64) *tensor.Tensor {
	terms := p.joint(nil, x, noise)
	total := (*tensor.Tape)(nil).LogSumExp(terms...)
	var sum *tensor.Tensor
	for m, mu := range p.Mu {
		d := t.Sub(x, mu)
		share := (*tensor.Tape)(nil).Exp((*tensor.Tape)(nil).Sub(terms[m], total))
		part := t.Mul(t.SumCols(t.Mul(d, d)), share)
		if sum == nil {
			sum = part
		} else {
			sum = t.Add(sum, part)
		}
	}
	return sum
}

// Draw writes a sample for row r to u. The component is drawn from the weights
// to the power 1/temp, the noise is scaled by temp; at temperature 0 u is the
// mean of the likeliest component.
func (p Prediction) Draw(u []float32, r int, temp float64, rng *rand.Rand) {
	m := 0
	if p.LogWeight != nil {
		m = p.pick(r, temp, rng)
	}
	Draw(u, p.Mu[m].Row(r), p.LogSigma[m].Row(r), temp, rng)
}

// pick draws a component for row r by the Gumbel-max trick.
func (p Prediction) pick(r int, temp float64, rng *rand.Rand) int {
	best, at := math.Inf(-1), 0
	for m, w := range p.LogWeight {
		gumbel := -math.Log(-math.Log(rng.Float64())) // drawn at temperature 0 too: the stream stays in step
		if v := float64(w.Data[r]) + temp*gumbel; v > best {
			best, at = v, m
		}
	}
	return at
}

// MeanSigma is the standard deviation of row r, averaged over dimensions and,
// by their weights, over components.
func (p Prediction) MeanSigma(r int) float64 {
	var mean float64
	for m, l := range p.LogSigma {
		weight := 1.0
		if p.LogWeight != nil {
			weight = math.Exp(float64(p.LogWeight[m].Data[r]))
		}
		for _, s := range l.Row(r) {
			mean += weight * math.Exp(float64(s)) / float64(l.Cols())
		}
	}
	return mean
}
