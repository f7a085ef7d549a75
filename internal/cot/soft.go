package cot

import (
	"math"
	"math/rand/v2"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

// Soft is soft thinking (Zhang et al., 2025): a rule for sampling from a language model
// that was trained to think in words. While it thinks, what is fed back is not the
// embedding of a token but the mean of all of them, weighted by the probabilities that
// they would be drawn with: softmax(logits/T_x), truncated. The chain is over when the
// token with the greatest weight ends it; the answer is drawn as usual.
//
// With Gumbel the weights have noise in them, a Gumbel-softmax of those probabilities
// at T_z (Jang et al., 2017): softmax((log p + g)/T_z). At T_z 0 that is to draw tokens.
//
// A sample's Chain has the tokens of greatest weight; its likelihood is nothing that a
// model knows.
type Soft struct {
	LM      *transformer.LM
	Special Special
	Gumbel  bool
}

// A share is what a token has of a mixture.
type share struct {
	id     int
	weight float32
}

// Sample answers each prompt n times from one prefill. Without Gumbel the samples of a
// prompt think the same.
func (m *Soft) Sample(prompts [][]int, n int, o Options) [][]Sample {
	sequences, h := prefill(m.LM, prompts, n, o, m.Special.CoT)
	for _, s := range sequences {
		s.thinking = true
	}
	c := newTokenBatch(&tensor.Tape{Inference: true}, m.LM, m.Special, sequences, h, o)
	c.soft = m
	c.decode()
	return collect(sequences, n)
}

// think makes the sequence's mixture and returns the token of greatest weight.
func (m *Soft) think(d *tokenSampler, logits []float32, s *sequence, o *Options) int {
	top := d.weigh(logits, o, [][]int{s.Prompt, s.Chain})
	if o.Temp == 0 {
		s.mixture = append(s.mixture[:0], share{top, 1})
		return top
	}
	if !o.keepsAll() && d.p[top] > 0 { // not NaN
		d.truncate(o.Truncation, top)
	}
	if m.Gumbel {
		top = d.gumbel(o.ThoughtTemp, s.tokenRNG)
	}
	s.mixture = s.mixture[:0]
	least := d.p[top] * 0x1p-24 // less changes nothing in float32
	for id, p := range d.p {
		if p > least {
			s.mixture = append(s.mixture, share{id, p})
		}
	}
	return top
}

// truncate gives the probabilities of tokens that c does not keep to those that it
// keeps.
func (d *tokenSampler) truncate(c Truncation, likeliest int) {
	kept, mass := d.keep(c, likeliest)
	clear(d.p)
	for _, at := range d.ranks.ranked[:kept] {
		d.p[at.id] = float32(float64(at.p) / mass)
	}
}

// gumbel makes a Gumbel-softmax of the probabilities and returns the token of the
// greatest.
func (d *tokenSampler) gumbel(temp float64, rng *rand.Rand) (top int) {
	for i, p := range d.p {
		g := -math.Log(-math.Log(rng.Float64()))
		d.p[i] = float32(math.Log(float64(p)) + g)
	}
	top = argmax(d.p)
	if temp == 0 {
		clear(d.p)
		d.p[top] = 1
		return top
	}
	for i, v := range d.p {
		d.p[i] = float32(float64(v) / temp)
	}
	kernel.Softmax(d.p)
	return top
}

// mix puts the mixtures of those that still think into their rows of x, the inputs of
// the backbone.   x [len(sequences), H]
func (m *Soft) mix(t *tensor.Tape, x *tensor.Tensor, sequences []*sequence) {
	for i, s := range sequences {
		if !s.thinking {
			continue
		}
		ids := t.Ints(len(s.mixture))
		for _, part := range s.mixture {
			ids = append(ids, part.id)
		}
		embeddings := m.LM.Embed(t, ids)
		clear(x.Row(i))
		for j, part := range s.mixture {
			kernel.Axpy(part.weight, embeddings.Row(j), x.Row(i))
		}
		s.addCost(true, 0, float64(2*len(ids)*m.LM.Hidden))
	}
}
