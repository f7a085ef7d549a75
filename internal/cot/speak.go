package cot

import (
	"math/rand/v2"
	"slices"
	"time"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

// A speaker is one stream being sampled.
type speaker struct {
	Sample
	cache    *transformer.Cache
	words    *rand.Rand // draws of tokens
	thinking bool       // what it says is a chain of thought, not yet the answer
	stopped  bool       // Options.Stop has ended its answer
	mixture  []share    // what it thinks, with Soft
}

// prefill runs every prompt, followed by the tokens of opening, through the
// backbone once and forks n speakers off each. It returns them, prompt by prompt, and
// the hidden states that predict what they say or think first: [len(prompts)·n, H].
func prefill(lm *transformer.LM, prompts [][]int, n int, o Options, opening ...int) ([]*speaker, *tensor.Tensor) {
	var streams []*transformer.Cache
	var tokens, last []int
	var speakers []*speaker
	for _, q := range prompts {
		c := lm.NewCache()
		streams = append(streams, slices.Repeat([]*transformer.Cache{c}, len(q)+len(opening))...)
		tokens = append(append(tokens, q...), opening...)
		last = append(last, slices.Repeat([]int{len(tokens) - 1}, n)...)
		for range n {
			speakers = append(speakers, &speaker{Sample: Sample{Prompt: q}})
		}
	}
	h := lm.Step(nil, streams, lm.Embed(nil, tokens))
	for p := range prompts {
		cache := streams[last[p*n]]
		for i, c := range cache.Fork(n) {
			s := speakers[p*n+i]
			s.cache = c
			s.words = tensor.Rand(o.Seed, "words", append(slices.Clone(s.Prompt), i)...)
		}
	}
	return speakers, (*tensor.Tape)(nil).Gather(h, last)
}

// speak lets every speaker draw tokens until it has said EOS, is stopped, has
// said o.MaxTokens tokens or has no position left. Row i of h predicts the first
// token of speaker i.
func speak(t *tensor.Tape, lm *transformer.LM, special Special, speakers []*speaker, h *tensor.Tensor, o Options) {
	newChorus(t, lm, special, speakers, h, o).speak()
}

// A chorus is speakers who draw their tokens together. All that a token takes
// is kept for the next one.
type chorus struct {
	lm      *transformer.LM
	special Special
	options Options
	soft    *Soft // how those think who do not draw what they think; nil: everything is drawn

	tape   *tensor.Tape   // holds the token under way
	h      *tensor.Tensor // the states that predict the next tokens of live: [len(live), H]
	logits *tensor.Tensor // of the token under way: [len(live), V]

	live     []*speaker // those who speak
	tokens   []int      // what each of them has drawn
	thinking []bool     // whether it was part of a chain of thought
	still    []*speaker // those of them who go on
	caches   []*transformer.Cache
	next     []int
}

func newChorus(t *tensor.Tape, lm *transformer.LM, special Special, speakers []*speaker, h *tensor.Tensor, o Options) *chorus {
	n := len(speakers)
	return &chorus{lm: lm, special: special, options: o, tape: t, h: h,
		live: slices.Clone(speakers), tokens: make([]int, n), thinking: make([]bool, n),
		still: make([]*speaker, 0, n), caches: make([]*transformer.Cache, 0, n), next: make([]int, 0, n)}
}

// speak goes on until no one does.
func (c *chorus) speak() {
	for said := 1; said <= c.options.MaxTokens && len(c.live) > 0; said++ {
		c.step(said == c.options.MaxTokens)
	}
}

// step draws a token for every live speaker and, unless it is the last, feeds it
// to those who go on.
func (c *chorus) step(last bool) {
	start := time.Now()
	c.logits = c.lm.Logits(c.tape, c.h)
	kernel.Run(len(c.live), 8, c)
	for i, s := range c.live {
		if c.thinking[i] || s.Finished {
			continue
		}
		if c.options.Heard != nil {
			c.options.Heard(&s.Sample, c.tokens[i])
		}
		s.stopped = c.options.Stop != nil && c.options.Stop(s.Answer)
	}
	c.still, c.caches, c.next = c.still[:0], c.caches[:0], c.next[:0]
	for i, s := range c.live {
		if !last && !s.Finished && !s.stopped && s.cache.Len() < c.lm.MaxTokens {
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
		s.spend(c.thinking[i], share, c.lm.FLOPs(0, 0, 1))
	}
	for _, s := range c.still { // the token drawn last is read by no one
		s.spend(s.thinking, 0, c.lm.FLOPs(1, s.cache.Len(), 0))
	}
	c.live, c.still = c.still, c.live
}

// Do draws the tokens of the live speakers lo to hi (kernel.Job).
func (c *chorus) Do(lo, hi int) {
	dice := allDice.Get().(*dice)
	defer allDice.Put(dice)
	for i := lo; i < hi; i++ {
		s := c.live[i]
		c.thinking[i] = s.thinking
		if c.soft != nil && s.thinking {
			c.tokens[i] = c.soft.think(dice, c.logits.Row(i), s, &c.options)
		} else {
			id, logp := dice.draw(c.logits.Row(i), &c.options, s.words, s.Prompt, s.Chain, s.Answer)
			s.LogText += logp
			if c.options.LogProbs {
				s.Said = append(s.Said, SaidToken{TokenLogProb{id, logp}, dice.likeliest(c.logits.Row(i), c.options.TopLogProbs)})
			}
			c.tokens[i] = id
		}
		s.hear(c.tokens[i], c.special)
	}
}

// hear takes note of a token that was drawn.
func (s *speaker) hear(id int, special Special) {
	more := slices.Index(special.MoreEOS, id)
	switch {
	case id == special.EOS || more >= 0:
		s.Finished, s.EndedBy = true, more+1
	case !s.thinking:
		s.Answer = append(s.Answer, id)
	case id == special.Ans:
		s.thinking, s.Thought = false, true
	default:
		s.Chain = append(s.Chain, id)
	}
}

func (s *speaker) spend(thinking bool, seconds, flops float64) {
	cost := &s.Say
	if thinking {
		cost = &s.Think
	}
	cost.Seconds += seconds
	cost.FLOPs += flops
}

// collect groups speakers by prompt.
func collect(speakers []*speaker, n int) [][]Sample {
	out := make([][]Sample, 0, len(speakers)/n)
	for group := range slices.Chunk(speakers, n) {
		samples := make([]Sample, n)
		for i, s := range group {
			samples[i] = s.Sample
		}
		out = append(out, samples)
	}
	return out
}
