package cot

import (
	"fmt"
	"math"

	"nfcot/internal/tensor"
)

// ICoT internalises an explicit chain of thought step by step (Deng et al., 2024). It is
// method cot, Text with its chain, but for a curriculum in which the chain loses its first
// tokens, one after the other, until none is left:
//
//	q CoT d_{r+1} … d_L Ans x EOS      r = min(L, s + o)
//
// s rises with the step; o is drawn for each example of a step, P(o) ∝ exp(-λ o), so that the
// model has met a removal before it comes to all examples.
//
// To answer it thinks in words what is left, after the curriculum nothing, and so its samples,
// and their likelihoods, are those of Text.
type ICoT struct {
	*Text
	Options ICoTOptions

	// Steps are those of training that the curriculum has, the first of them at step First; without any, and before
	// and after them, all of the chain is removed.
	First, Steps int

	batch []Encoded // of the last loss, without what is removed
	steps [][]int   // of its chains
}

// ICoTOptions are ICoT's settings.
type ICoTOptions struct {
	Tokens    int     `yaml:"tokens"`          // of the longest chain; fewer are taken for those of the data
	Whole     float64 `yaml:"first_phase"`     // share of the training steps with the whole chain
	Last      float64 `yaml:"last_phase"`      // share of the training steps with none of it; those in between remove token after token
	Smoothing float64 `yaml:"smoothing"`       // λ of removal smoothing; 0: none
	Reset     bool    `yaml:"reset_optimizer"` // begin the optimizer anew whenever a token is removed
}

// Check says what is wrong with the settings, if anything is.
func (o ICoTOptions) Check() error {
	if o.Tokens < 0 || !(o.Whole >= 0 && o.Last >= 0 && o.Whole+o.Last <= 1) || !(o.Smoothing >= 0) {
		return fmt.Errorf("icot has tokens %d, first_phase %g, last_phase %g and smoothing %g; want 0 or more each, and shares that are at most 1 together",
			o.Tokens, o.Whole, o.Last, o.Smoothing)
	}
	return nil
}

// removed is the number of tokens that chains have lost in a step of training: s. It is
// beyond the first phase, in which removals are not smoothed, where smooth is true.
func (m *ICoT) removed(step int) (s int, smooth bool) {
	o, done := m.Options, step-m.First
	whole, none := int(o.Whole*float64(m.Steps)), int((1-o.Last)*float64(m.Steps))
	switch {
	case done < 0 || done >= none:
		return o.Tokens, true
	case done < whole:
		return 0, false
	}
	return (done - whole) * o.Tokens / (none - whole), true
}

// Restarts says whether a token is removed at a step of training that the step before it had.
func (m *ICoT) Restarts(step int) bool {
	if !m.Options.Reset || step <= m.First || step >= m.First+m.Steps {
		return false
	}
	now, _ := m.removed(step)
	before, _ := m.removed(step - 1)
	return now != before
}

// removal is the number of tokens that an example loses in a step: s + o.
func (m *ICoT) removal(t *tensor.Tape, ex Encoded, random StepRand) int {
	s, smooth := m.removed(random.Step)
	if !smooth || m.Options.Smoothing == 0 {
		return s
	}
	u := random.For(t, "removal", ex.Index).Float64()
	return s + int(min(-math.Log1p(-u)/m.Options.Smoothing, 1e6))
}

// left is a batch without what is removed of its chains, until the next one.
func (m *ICoT) left(t *tensor.Tape, batch []Encoded, random StepRand) []Encoded {
	m.batch, m.steps = append(m.batch[:0], batch...), m.steps[:0]
	for i := range m.batch {
		ex, from, n := &m.batch[i], len(m.steps), m.removal(t, batch[i], random)
		for _, step := range ex.Steps {
			cut := min(n, len(step))
			m.steps, n = append(m.steps, step[cut:]), n-cut
		}
		ex.Steps = m.steps[from:]
	}
	return m.batch
}

// Rows is that of Text for what is left of the chains.
func (m *ICoT) Rows(batch []Encoded, random StepRand) int {
	return m.Text.Rows(m.left(nil, batch, random), random)
}

// Loss is the cross-entropy of what is left of the chain and of the answer, in nats per token
// of the whole chain and the answer: the normaliser does not depend on the step.
func (m *ICoT) Loss(t *tensor.Tape, batch []Encoded, whole Size, random StepRand) Loss {
	return m.Text.Loss(t, m.left(t, batch, random), whole, random)
}
