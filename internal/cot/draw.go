package cot

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
)

// keepsAll says whether no token is left out.
func (c Truncation) keepsAll() bool {
	return c.TopK <= 0 && (c.TopP <= 0 || c.TopP >= 1) && c.MinP <= 0
}

// A tokenSampler draws tokens. It has the memory that this takes.
type tokenSampler struct {
	p     []float32 // probabilities of the tokens: [V]
	ranks ranking
}

// samplerPool has those that no worker is using.
var samplerPool = sync.Pool{New: func() any { return new(tokenSampler) }}

// draw takes a token from softmax(logits/T_x), truncated, the likeliest one at
// temperature 0, where the logits of tokens that past has are penalised. It returns
// the token's log-probability at temperature 1, of all tokens, without penalties.
func (d *tokenSampler) draw(logits []float32, o *Options, rng *rand.Rand, past ...[]int) (id int, logp float64) {
	target := rng.Float64()
	id = d.weigh(logits, o, past)
	if o.Temp > 0 {
		switch {
		case o.keepsAll():
			id = pick(d.p, target, id)
		case d.p[id] > 0: // not NaN
			id = d.pickTruncated(o.Truncation, target, id)
		}
	}
	return id, float64(tensor.LogSoftmaxAt(logits, d.p, id))
}

// next is the token after those of a sequence, which draw draws but where the answer is given,
// and its log-probability.
func (d *tokenSampler) next(logits []float32, s *sequence, special Special, o *Options) (id int, logp float64) {
	if o.Answer == nil || s.thinking {
		return d.draw(logits, o, s.tokenRNG, s.Prompt, s.Chain, s.Answer)
	}
	id = special.EOS
	if n := len(s.Answer); n < len(s.given) {
		id = s.given[n]
	}
	d.p = slices.Grow(d.p[:0], len(logits))[:len(logits)]
	return id, float64(tensor.LogSoftmaxAt(logits, d.p, id))
}

// weigh puts into p the probabilities of tokens at the temperature, of all tokens and
// with the penalties; at temperature 0 their logits. It returns the likeliest.
func (d *tokenSampler) weigh(logits []float32, o *Options, past [][]int) (likeliest int) {
	d.p = slices.Grow(d.p[:0], len(logits))[:len(logits)]
	copy(d.p, logits)
	if o.RepeatPenalty > 0 && o.RepeatPenalty != 1 {
		d.penalise(logits, o.RepeatPenalty, past)
	}
	likeliest = argmax(d.p)
	if o.Temp > 0 {
		kernel.SoftmaxScaled(d.p, float32(1/o.Temp))
	}
	return likeliest
}

// likeliest returns the n likeliest tokens of softmax(logits), the first first, with
// their log-probabilities.
func (d *tokenSampler) likeliest(logits []float32, n int) []TokenLogProb {
	copy(d.p, logits)
	logSum := kernel.Softmax(d.p)
	greatest := d.p[argmax(d.p)]
	if !(greatest > 0) { // NaN
		return nil
	}
	d.ranks.begin(d.p, greatest)
	top := make([]TokenLogProb, min(n, len(logits)))
	for i := range top {
		id := d.ranks.at(i)
		top[i] = TokenLogProb{id, float64(tensor.LogProb(d.p[id], logits[id], logSum))}
	}
	return top
}

// penalise puts the penalised logits of the tokens in past into p, once each
// however often they are there.
func (d *tokenSampler) penalise(logits []float32, penalty float64, past [][]int) {
	for _, ids := range past {
		for _, id := range ids {
			if l := float64(logits[id]); l > 0 {
				d.p[id] = float32(l / penalty)
			} else {
				d.p[id] = float32(l * penalty)
			}
		}
	}
}

// pick is where the sum of probabilities passes target. Rounding may leave the sum
// below it: likeliest then.
func pick(p []float32, target float64, likeliest int) int {
	var sum float64
	for i, v := range p {
		if sum += float64(v); sum > target {
			return i
		}
	}
	return likeliest
}

// pickTruncated is pick among the tokens that c keeps, the likeliest first, with
// their probabilities divided by their sum.
func (d *tokenSampler) pickTruncated(c Truncation, target float64, likeliest int) int {
	kept, mass := d.keep(c, likeliest)
	var sum float64
	for i := range kept {
		if sum += d.probability(i); sum > target*mass {
			return d.ranks.at(i)
		}
	}
	return likeliest // target is 1 but for rounding
}

// keep ranks the tokens and returns how many of them c keeps, and their probability
// together. Each of c's conditions keeps a beginning of the order.
func (d *tokenSampler) keep(c Truncation, likeliest int) (kept int, mass float64) {
	d.ranks.begin(d.p, d.p[likeliest])
	most, enough := len(d.p), math.Inf(1) // tokens, and probability of them together
	whole := 1.0                          // what top-p takes its share of
	if c.TopK > 0 && c.TopK < most {
		most, whole = c.TopK, 0
		for i := range most {
			whole += d.probability(i)
		}
	}
	if c.TopP > 0 && c.TopP < 1 {
		enough = c.TopP * whole
	}
	kept, mass = 1, d.probability(0)
	for least := c.MinP * mass; kept < most && mass < enough && d.probability(kept) >= least; kept++ {
		mass += d.probability(kept)
	}
	return kept, mass
}

// probability is that of the token of rank i.
func (d *tokenSampler) probability(i int) float64 { return float64(d.p[d.ranks.at(i)]) }

// A ranking puts tokens in the order of their probabilities, as far as it is asked
// to: few are asked for of a large vocabulary. It goes down level by level, and sorts
// the tokens of a level, down to a quarter of the probability where the last one ended.
type ranking struct {
	p      []float32
	ranked []candidate // those of all levels so far
	floor  float32     // the least probability of these
}

// A candidate is a token with its probability.
type candidate struct {
	p  float32
	id int32
}

// begin takes the probabilities of all tokens, of which greatest is the greatest and
// not zero.
func (r *ranking) begin(p []float32, greatest float32) {
	r.p, r.ranked, r.floor = p, slices.Grow(r.ranked[:0], len(p)), 2*greatest
}

// at is the token of rank i, counted from 0.
func (r *ranking) at(i int) int {
	for len(r.ranked) <= i {
		r.descend()
	}
	return int(r.ranked[i].id)
}

// descend ranks the tokens of the next level.
func (r *ranking) descend() {
	above := r.floor
	r.floor /= 4
	if r.floor < 1e-30 {
		r.floor = 0 // all that are left
	}
	start := len(r.ranked)
	for id, p := range r.p {
		if p >= r.floor && p < above {
			r.ranked = append(r.ranked, candidate{p, int32(id)})
		}
	}
	slices.SortFunc(r.ranked[start:], func(a, b candidate) int {
		switch {
		case a.p > b.p:
			return -1
		case a.p < b.p:
			return 1
		}
		return int(a.id - b.id)
	})
}

// argmax is the place of the first largest number, 0 if all are NaN.
func argmax(x []float32) int { return max(0, slices.Index(x, kernel.Max(x))) }
