package cot

import (
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// raceDetector is set when the tests run with it; sync.Pool then forgets at random.
var raceDetector bool

// allocations is what a step allocates once its memory is there.
func allocations(t *testing.T, steps int, step func()) float64 {
	t.Helper()
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection would empty the pools of scratch memory
	return testing.AllocsPerRun(steps, step)
}

// A token of many samples allocates nothing: an answer and a cache that have no
// room left grow to twice their size, and these have room.
func TestDrawnTokenAllocatesNothing(t *testing.T) {
	nf, _ := shakenNFCoT(nfOptions)
	text, _ := shakenText(true)
	const steps = 20
	for name, m := range map[string]struct {
		lm    *transformer.LM
		first int
		Truncation
	}{
		"nfcot":     {nf.LM, nf.Special.BOT, Truncation{}},
		"cot":       {text.LM, text.Special.CoT, Truncation{}},
		"gumbel":    {text.LM, text.Special.CoT, Truncation{}},
		"truncated": {nf.LM, nf.Special.BOT, Truncation{TopK: 9, TopP: 0.9, MinP: 0.01}},
	} {
		o := Options{Sampling: Sampling{Temp: 1, MaxTokens: steps + 1, Truncation: m.Truncation, RepeatPenalty: 1.1}}
		silent := special
		silent.EOS = -1 // is never drawn
		sequences, h := prefill(m.lm, prompts(3), 4, o, m.first)
		for _, s := range sequences {
			s.thinking = name == "cot" || name == "gumbel"
			s.mixture = make([]share, 0, m.lm.Vocab)
			s.Answer, s.Chain = slices.Grow(s.Answer, o.MaxTokens), slices.Grow(s.Chain, o.MaxTokens)
		}
		c := newTokenBatch(&tensor.Tape{Inference: true}, m.lm, silent, sequences, h, o)
		if name == "gumbel" {
			c.soft = &Soft{LM: m.lm, Special: silent, Gumbel: true}
		}
		if n := allocations(t, steps, func() { c.step(false) }); n != 0 {
			t.Errorf("%s: %g allocations a token", name, n)
		}
		if len(c.live) != len(sequences) {
			t.Errorf("%s: only %d sequences of %d have gone on", name, len(c.live), len(sequences))
		}
	}
}

// Nor does a thought.
func TestThoughtAllocatesNothing(t *testing.T) {
	const steps = 20
	o := nfOptions
	o.K, o.Components = steps+1, 2
	m, _ := shakenNFCoT(o)
	const n = 4
	sequences, h := prefill(m.LM, prompts(3), n, Options{}, m.Special.BOT)
	tape, k := &tensor.Tape{Inference: true}, 0
	c := m.newThoughtBatch(tape, sequences, h)
	draw := func(h, u *tensor.Tensor, k int) {
		m.draw(tape, sequences, h, u, k, n, Options{Sampling: Sampling{ThoughtTemp: 1}})
	}
	allocs := allocations(t, steps, func() {
		c.step(k, 0, draw)
		k++
	})
	if allocs != 0 {
		t.Errorf("%g allocations a thought", allocs)
	}
}

// A step of training allocates nothing: loss, backward pass and optimizer, for every
// learner but those that read back: a VAE lays out its rows anew.
func TestTrainingStepAllocatesNothing(t *testing.T) {
	batch := examples(9)
	for name, m := range learners() {
		if strings.Contains(name, "read back") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			optimizer, tape, size, step := tensor.NewAdamW(m.Params), new(tensor.Tape), m.Size(batch), 0
			n := allocations(t, 30, func() {
				tape.Reset()
				tape.Backward(m.Loss(tape, batch, size, StepRand{Seed: 1, Step: step}).Total)
				optimizer.Step(1e-3, 1)
				step++
			})
			if n != 0 {
				t.Errorf("%g allocations a step", n)
			}
		})
	}
}
