package cot

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

// A sequence is one answer being sampled.
type sequence struct {
	Sample
	cache    *transformer.Cache
	tokenRNG *rand.Rand // that its tokens are drawn with
	thinking bool       // what is drawn is a chain of thought, not yet the answer
	stopped  bool       // Options.Stop has ended its answer
	mixture  []share    // what it thinks, with Soft
	given    []int      // its answer, with Options.Answer
}

// prefill runs every prompt, followed by the tokens of opening, through the
// backbone once and forks n sequences off each. It returns them, prompt by prompt, and
// the hidden states that predict their first tokens or thoughts: [len(prompts)·n, H].
func prefill(lm *transformer.LM, prompts [][]int, n int, o Options, opening ...int) ([]*sequence, *tensor.Tensor) {
	var caches []*transformer.Cache // of each token
	var tokens, last []int
	var sequences []*sequence
	for _, q := range prompts {
		c := lm.NewCache()
		caches = append(caches, slices.Repeat([]*transformer.Cache{c}, len(q)+len(opening))...)
		tokens = append(append(tokens, q...), opening...)
		last = append(last, slices.Repeat([]int{len(tokens) - 1}, n)...)
		for range n {
			sequences = append(sequences, &sequence{Sample: Sample{Prompt: q}})
		}
	}
	h := lm.Step(nil, caches, lm.Embed(nil, tokens))
	for p := range prompts {
		cache := caches[last[p*n]]
		for i, c := range cache.Fork(n) {
			s := sequences[p*n+i]
			s.cache = c
			s.tokenRNG = tensor.Rand(o.Seed, "words", append(slices.Clone(s.Prompt), i)...)
			if o.Answer != nil {
				s.given = o.Answer(p, i)
			}
		}
	}
	return sequences, (*tensor.Tape)(nil).Gather(h, last)
}

// decode draws tokens for every sequence until it has EOS, is stopped, has o.MaxTokens
// tokens or has no position left. Row i of h predicts the first token of sequence i.
func decode(t *tensor.Tape, lm *transformer.LM, special Special, sequences []*sequence, h *tensor.Tensor, o Options) {
	newTokenBatch(t, lm, special, sequences, h, o).decode()
}

// A tokenBatch is sequences whose tokens are drawn together. All that a token takes
// is kept for the next one.
type tokenBatch struct {
	lm      *transformer.LM
	special Special
	options Options
	soft    *Soft // how those think whose thinking is not drawn; nil: everything is drawn

	tape   *tensor.Tape   // holds the token under way
	h      *tensor.Tensor // the states that predict the next tokens of live: [len(live), H]
	logits *tensor.Tensor // of the token under way: [len(live), V]

	live     []*sequence // those under way
	tokens   []int       // what was drawn for each of them
	thinking []bool      // whether it was part of a chain of thought
	still    []*sequence // those of them that go on
	caches   []*transformer.Cache
	next     []int
}

func newTokenBatch(t *tensor.Tape, lm *transformer.LM, special Special, sequences []*sequence, h *tensor.Tensor, o Options) *tokenBatch {
	n := len(sequences)
	return &tokenBatch{lm: lm, special: special, options: o, tape: t, h: h,
		live: slices.Clone(sequences), tokens: make([]int, n), thinking: make([]bool, n),
		still: make([]*sequence, 0, n), caches: make([]*transformer.Cache, 0, n), next: make([]int, 0, n)}
}

// decode goes on until none is under way, or the context ends.
func (c *tokenBatch) decode() {
	for n := 1; n <= c.options.MaxTokens && len(c.live) > 0 && !c.options.ended(); n++ {
		c.step(n == c.options.MaxTokens)
	}
	if c.options.ended() {
		for _, s := range c.live { // after the last token there are none
			s.Err = cmp.Or(s.Err, c.options.Context.Err())
		}
	}
}

// step draws a token for every live sequence and, unless it is the last, feeds it
// to those that go on.
func (c *tokenBatch) step(last bool) {
	start := time.Now()
	c.logits = c.lm.Logits(c.tape, c.h)
	kernel.Run(len(c.live), 8, c)
	for i, s := range c.live {
		if c.thinking[i] || s.Finished || s.Err != nil {
			continue
		}
		if c.options.OnToken != nil {
			c.options.OnToken(&s.Sample, c.tokens[i])
		}
		s.stopped = c.options.Stop != nil && c.options.Stop(s.Answer)
	}
	c.still, c.caches, c.next = c.still[:0], c.caches[:0], c.next[:0]
	for i, s := range c.live {
		if !last && !s.Finished && !s.stopped && s.Err == nil && s.cache.Len() < c.lm.MaxTokens {
			c.still, c.caches, c.next = append(c.still, s), append(c.caches, s.cache), append(c.next, c.tokens[i])
		}
	}
	if len(c.still) > 0 {
		c.tape.Reset()
		x := c.lm.Embed(c.tape, c.next)
		if c.soft != nil {
			c.soft.mix(c.tape, x, c.still)
		}
		c.h = c.lm.Step(c.tape, c.caches, x)
	}
	share := time.Since(start).Seconds() / float64(len(c.live))
	for i, s := range c.live {
		s.addCost(c.thinking[i], share, c.lm.FLOPs(0, 0, 1))
	}
	for _, s := range c.still { // the token drawn last is read by no one
		s.addCost(s.thinking, 0, c.lm.FLOPs(1, s.cache.Len(), 0))
	}
	c.live, c.still = c.still, c.live
}

// Do draws the tokens of the live sequences lo to hi (kernel.Job).
func (c *tokenBatch) Do(lo, hi int) {
	d := samplerPool.Get().(*tokenSampler)
	defer samplerPool.Put(d)
	for i := lo; i < hi; i++ {
		s := c.live[i]
		c.thinking[i] = s.thinking
		if found := noDistribution(c.logits.Row(i)); found != "" && s.Err == nil {
			s.Err = NonFinite{fmt.Sprintf("logits of token %d", s.Drawn()+1), found}
		}
		if s.Err != nil {
			continue
		}
		if c.soft != nil && s.thinking {
			c.tokens[i] = c.soft.think(d, c.logits.Row(i), s, &c.options)
		} else {
			id, logp := d.next(c.logits.Row(i), s, c.special, &c.options)
			s.LogText += logp
			if c.options.LogProbs {
				s.TokenLogProbs = append(s.TokenLogProbs, DrawnToken{TokenLogProb{id, logp}, d.likeliest(c.logits.Row(i), c.options.TopLogProbs)})
			}
			c.tokens[i] = id
		}
		s.accept(c.tokens[i], c.special)
	}
}

// accept takes note of a token that was drawn.
func (s *sequence) accept(id int, special Special) {
	more := slices.Index(special.MoreEOS, id)
	switch {
	case id == special.EOS || more >= 0:
		s.Finished, s.EndedBy = true, more+1
	case !s.thinking:
		s.Answer = append(s.Answer, id)
	case id == special.Ans:
		s.thinking, s.ChainClosed = false, true
	default:
		s.Chain = append(s.Chain, id)
	}
}

func (s *sequence) addCost(thinking bool, seconds, flops float64) {
	cost := &s.AnswerCost
	if thinking {
		cost = &s.ThinkCost
	}
	cost.Seconds += seconds
	cost.FLOPs += flops
}

// collect groups sequences by prompt.
func collect(sequences []*sequence, n int) [][]Sample {
	out := make([][]Sample, 0, len(sequences)/n)
	for group := range slices.Chunk(sequences, n) {
		samples := make([]Sample, n)
		for i, s := range group {
			samples[i] = s.Sample
		}
		out = append(out, samples)
	}
	return out
}
