package transformer_test

import (
	"fmt"
	"runtime/debug"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// Sizes of models whose training step is measured, with their true proportions.
var sizes = []transformer.Config{
	{Hidden: 128, Layers: 4, Heads: 4, KVHeads: 2, HeadDim: 32, FFN: 384, Vocab: 1024, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 256},
	{Hidden: 256, Layers: 6, Heads: 8, KVHeads: 4, HeadDim: 32, FFN: 768, Vocab: 1024, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 256},
	{Hidden: 512, Layers: 8, Heads: 8, KVHeads: 4, HeadDim: 64, FFN: 1536, Vocab: 1024, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 256},
}

// A step is one of training a language model on streams of random tokens.
type step struct {
	lm        *transformer.LM
	optimizer *tensor.AdamW
	tape      tensor.Tape
	tokens    []int
	target    []int
	rows      transformer.Layout
}

func newStep(c transformer.Config, streams, length int) *step {
	p := tensor.NewParams(1)
	s := &step{lm: transformer.NewLM(p, c), optimizer: tensor.NewAdamW(p)}
	rng := tensor.Rand(1, "tokens")
	for range streams {
		for range length {
			s.tokens, s.target = append(s.tokens, rng.IntN(c.Vocab)), append(s.target, rng.IntN(c.Vocab))
		}
		s.rows = transformer.Causal(s.rows, length)
	}
	return s
}

func (s *step) run() float32 {
	t := &s.tape
	t.Reset()
	h := s.lm.Forward(t, s.lm.Embed(t, s.tokens), s.rows)
	loss := t.Scale(-1/float32(len(s.tokens)), t.Sum(s.lm.LogProb(t, h, s.target)))
	t.Backward(loss)
	s.optimizer.Step(1e-4, 1)
	return loss.Data[0]
}

func BenchmarkTrainingStep(b *testing.B) {
	for _, c := range sizes {
		b.Run(fmt.Sprintf("d%dL%d", c.Hidden, c.Layers), func(b *testing.B) {
			s := newStep(c, 16, 256)
			s.run()
			for b.Loop() {
				s.run()
			}
			b.ReportMetric(float64(len(s.tokens)*b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// raceDetector is set when the tests run with it; sync.Pool then forgets at random.
var raceDetector bool

// A step of training allocates nothing once its memory is there.
func TestTrainingStepAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection would empty the pools of scratch memory
	c := sizes[0]
	c.Layers = 2
	s := newStep(c, 3, 70)
	s.run()
	// An average of many steps: workers that meet in a new way may still take a scratch buffer each, once.
	if n := testing.AllocsPerRun(30, func() { s.run() }); n != 0 {
		t.Errorf("%g allocations a step", n)
	}
}

// A token of each of several streams allocates nothing: its operations take the
// memory of the token before, and the pasts have room.
func TestDecodedTokenAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	lm := transformer.NewLM(tensor.NewParams(1), sizes[0])
	prompt := lm.NewCache()
	lm.Step(nil, []*transformer.Cache{prompt, prompt, prompt}, lm.Embed(nil, []int{7, 8, 9}))
	streams := append(prompt.Fork(5), lm.NewCache())
	tokens := []int{1, 2, 3, 4, 5, 6}
	tape := &tensor.Tape{Inference: true}
	n := testing.AllocsPerRun(30, func() { // as many as a past has room for at first
		tape.Reset()
		lm.Logits(tape, lm.Step(tape, streams, lm.Embed(tape, tokens)))
	})
	if n != 0 {
		t.Errorf("%g allocations a token", n)
	}
}
