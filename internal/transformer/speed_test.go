package transformer_test

import (
	"fmt"
	"runtime/debug"
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

// Sizes of models whose training step is measured, with their true proportions.
var sizes = []transformer.Config{
	{Hidden: 128, Layers: 4, Heads: 4, KVHeads: 2, HeadDim: 32, FFN: 384, Vocab: 1024, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 256},
	{Hidden: 256, Layers: 6, Heads: 8, KVHeads: 4, HeadDim: 32, FFN: 768, Vocab: 1024, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 256},
	{Hidden: 512, Layers: 8, Heads: 8, KVHeads: 4, HeadDim: 64, FFN: 1536, Vocab: 1024, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 256},
}

// kinds are small models of the kinds of block that there are.
func kinds() map[string]transformer.Config {
	qwen3 := sizes[0]
	qwen3.Layers = 2
	llama, qwen2, gpt2 := qwen3, qwen3, qwen3
	llama.Architecture, llama.PlainHeads, llama.Tied = "llama", true, false
	qwen2.Architecture, qwen2.PlainHeads, qwen2.QKVBias = "qwen2", true, true
	gpt2.Architecture, gpt2.PlainHeads, gpt2.Learned, gpt2.LayerNorm, gpt2.FusedQKV = "gpt2", true, true, true, true
	gpt2.QKVBias, gpt2.OutputBias, gpt2.FFNBias, gpt2.Activation, gpt2.KVHeads = true, true, true, "gelu_new", gpt2.Heads
	return map[string]transformer.Config{"qwen3": qwen3, "llama": llama, "qwen2": qwen2, "gpt2": gpt2}
}

// A step is one of training a language model on sequences of random tokens.
type step struct {
	lm        *transformer.LM
	optimizer *tensor.AdamW
	tape      tensor.Tape
	tokens    []int
	target    []int
	rows      transformer.Layout
}

func newStep(c transformer.Config, sequences, length int) *step {
	p := tensor.NewParams(1)
	s := &step{lm: transformer.NewLM(p, c), optimizer: tensor.NewAdamW(p)}
	rng := tensor.Rand(1, "tokens")
	for range sequences {
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
	for kind, c := range kinds() {
		s := newStep(c, 3, 70)
		for _, recompute := range []bool{false, true} {
			for _, bf16 := range []bool{false, true} {
				s.lm.Recompute, s.tape.BF16 = recompute, bf16
				for range 5 { // by then workers have met in most ways, and have their scratch buffers
					s.run()
				}
				// An average of many steps: workers that meet in a new way may still take a scratch buffer each, once.
				if n := testing.AllocsPerRun(30, func() { s.run() }); n != 0 {
					t.Errorf("%s, recompute %v, bf16 %v: %g allocations a step", kind, recompute, bf16, n)
				}
			}
		}
	}
}

// To compute blocks again in the backward pass saves memory and changes no bit.
func TestRecompute(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	c := sizes[0]
	c.Layers = 8
	for _, threads := range []int{1, 4} {
		kernel.SetThreads(threads)
		kept, again := newStep(c, 2, 200), newStep(c, 2, 200)
		again.lm.Recompute = true
		kept.tape.BF16, again.tape.BF16 = threads == 4, threads == 4
		for step := range 2 {
			if want, got := kept.run(), again.run(); got != want {
				t.Errorf("%d threads, step %d: the loss is %v, want %v", threads, step+1, got, want)
			}
			for i, p := range kept.optimizer.Moments { // parameters, and means of their gradients
				if q := again.optimizer.Moments[i]; !slices.Equal(q.Data, p.Data) || !slices.Equal(q.M, p.M) || !slices.Equal(q.V, p.V) {
					t.Fatalf("%d threads, step %d: %s differs", threads, step+1, p.Name)
				}
			}
		}
		if kept, again := kept.tape.Bytes(), again.tape.Bytes(); again > kept/3 {
			t.Errorf("%d MB when computed again, %d when kept", again>>20, kept>>20)
		}
	}
}

// A token of each of several sequences allocates nothing: its operations take the
// memory of the token before, and the caches have room.
func TestDecodedTokenAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for kind, c := range kinds() {
		for _, format := range []kernel.Format{kernel.F32, kernel.BF16, kernel.Int8, kernel.W8A8} {
			p := tensor.NewParams(1)
			lm := transformer.NewLM(p, c)
			lm.Pack(p, format)
			prompt := lm.NewCache()
			lm.Step(nil, []*transformer.Cache{prompt, prompt, prompt}, lm.Embed(nil, []int{7, 8, 9}))
			sequences := append(prompt.Fork(5), lm.NewCache())
			tokens := []int{1, 2, 3, 4, 5, 6}
			tape := &tensor.Tape{Inference: true}
			n := testing.AllocsPerRun(30, func() { // as many as a cache has room for at first
				tape.Reset()
				lm.Logits(tape, lm.Step(tape, sequences, lm.Embed(tape, tokens)))
			})
			if n != 0 {
				t.Errorf("%s, %v: %g allocations a token", kind, format, n)
			}
		}
	}
}
