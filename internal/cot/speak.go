package cot

import (
	"math"
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
}

// prefill runs every prompt, followed by the token first, through the backbone
// once and forks n speakers off each. It returns them, prompt by prompt, and
// the hidden states that predict what they say or think first: [len(prompts)·n, H].
func prefill(lm *transformer.LM, prompts [][]int, first, n int, o Options) ([]*speaker, *tensor.Tensor) {
	var streams []*transformer.Cache
	var tokens, last []int
	var speakers []*speaker
	for _, q := range prompts {
		c := lm.NewCache()
		streams = append(streams, slices.Repeat([]*transformer.Cache{c}, len(q)+1)...)
		tokens = append(append(tokens, q...), first)
		last = append(last, slices.Repeat([]int{len(tokens) - 1}, n)...)
		for range n {
			speakers = append(speakers, &speaker{Sample: Sample{Prompt: q}})
		}
	}
	h := lm.Step(nil, streams, lm.Embed(nil, tokens))
	for p := range prompts {
		past := streams[last[p*n]]
		for i, c := range past.Fork(n) {
			s := speakers[p*n+i]
			s.cache = c
			s.words = tensor.Rand(o.Seed, "words", append(slices.Clone(s.Prompt), i)...)
		}
	}
	return speakers, (*tensor.Tape)(nil).Gather(h, last)
}

// speak lets every speaker draw tokens until it has said EOS, has said
// o.MaxTokens tokens or has no position left. Row i of h predicts the first
// token of speaker i.
func speak(lm *transformer.LM, special Special, speakers []*speaker, h *tensor.Tensor, o Options) {
	live := speakers
	for said := 0; said < o.MaxTokens && len(live) > 0; said++ {
		start := time.Now()
		logits := lm.Logits(nil, h)
		tokens := make([]int, len(live))
		thinking := make([]bool, len(live))
		kernel.Parallel(len(live), 8, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				s := live[i]
				thinking[i] = s.thinking
				id, logp := draw(logits.Row(i), o.TextTemp, s.words)
				s.LogText += logp
				s.hear(id, special)
				tokens[i] = id
			}
		})
		if o.Heard != nil {
			for i, s := range live {
				if !thinking[i] && !s.Finished {
					o.Heard(&s.Sample, tokens[i])
				}
			}
		}
		var still []*speaker
		var caches []*transformer.Cache
		var next []int
		for i, s := range live {
			if !s.Finished && s.cache.Len() < lm.MaxTokens {
				still, caches, next = append(still, s), append(caches, s.cache), append(next, tokens[i])
			}
		}
		if said+1 == o.MaxTokens {
			still = nil
		}
		if len(still) > 0 {
			h = lm.Step(nil, caches, lm.Embed(nil, next))
		}
		share := time.Since(start).Seconds() / float64(len(live))
		for i, s := range live {
			s.spend(thinking[i], share, lm.FLOPs(0, 0, 1))
		}
		for _, s := range still { // the token drawn last is read by no one
			s.spend(s.thinking, 0, lm.FLOPs(1, s.cache.Len(), 0))
		}
		live = still
	}
}

// hear takes note of a token that was drawn.
func (s *speaker) hear(id int, special Special) {
	switch {
	case id == special.EOS:
		s.Finished = true
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

// draw takes a token from softmax(logits/temp), the likeliest one at
// temperature 0, and returns its log-probability at temperature 1.
func draw(logits []float32, temp float64, rng *rand.Rand) (id int, logp float64) {
	p := make([]float32, len(logits))
	target := rng.Float64()
	id = argmax(logits)
	if temp > 0 {
		for i, l := range logits {
			p[i] = float32(float64(l) / temp)
		}
		kernel.Softmax(p)
		var sum float64
		for i, v := range p {
			if sum += float64(v); sum > target {
				id = i
				break
			} // rounding may leave the sum below target: the likeliest token then
		}
	}
	return id, float64(tensor.LogSoftmaxAt(logits, p, id))
}

// argmax is the place of the first largest number.
func argmax(x []float32) int {
	best, at := float32(math.Inf(-1)), 0
	for i, v := range x {
		if v > best {
			best, at = v, i
		}
	}
	return at
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
