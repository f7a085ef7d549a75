package cot

import (
	"fmt"
	"slices"
	"time"

	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// Coconut thinks by feeding back its own hidden states (Hao et al., 2024). It learns to
// in a curriculum: in its phase s the first s lines of the chain are replaced by s
// times PerLine states, and the rest stays in words, until none is left.
//
//	q BOT z_1 … z_n CoT d_{s+1} … Ans x EOS      lines are left; n = s · PerLine
//	q BOT z_1 … z_n Ans x EOS                    none is
//
// z_1 is the state of BOT, z_{j+1} that of z_j. A state has no density: it is what it is.
type Coconut struct {
	LM      *transformer.LM
	Special Special
	Options CoconutOptions

	// Steps are those of training that the curriculum has, the first of them at step First; without any, and before
	// and after them, all lines are replaced.
	First, Steps int

	cache *transformer.TrainCache
	terms Terms // of the last loss
}

// CoconutOptions are Coconut's settings.
type CoconutOptions struct {
	PerLine int     `yaml:"per_line"`   // states that replace a line
	Lines   int     `yaml:"lines"`      // of the longest chain; fewer are taken for those of the data
	Last    float64 `yaml:"last_phase"` // share of the training steps in which all lines are replaced; the phases before share the rest
	Scale   float64 `yaml:"scale"`      // of a state that is fed back
}

// States is the number of states that are fed back before an answer.
func (o CoconutOptions) States() int { return o.Lines * o.PerLine }

// Check says what is wrong with the settings, if anything is.
func (o CoconutOptions) Check() error {
	if o.PerLine < 1 || o.Lines < 0 || !(o.Last >= 0 && o.Last <= 1) || !(o.Scale > 0) {
		return fmt.Errorf("coconut has per_line %d, lines %d, last_phase %g and scale %g; want at least 1, 0 or more, a share, and a positive scale",
			o.PerLine, o.Lines, o.Last, o.Scale)
	}
	return nil
}

// NewCoconut is a language model that thinks so. It has no parameters of its own.
func NewCoconut(lm *transformer.LM, special Special, o CoconutOptions) *Coconut {
	return &Coconut{LM: lm, Special: special, Options: o, cache: new(transformer.TrainCache)}
}

// replaced is the number of lines that states stand for in a step of training: the
// curriculum's phase.
func (m *Coconut) replaced(step int) int {
	o := m.Options
	words := int((1 - o.Last) * float64(m.Steps)) // steps with lines in words
	done := step - m.First
	if done < 0 || done >= words {
		return o.Lines
	}
	return done * o.Lines / words
}

// left are the lines of a chain that stay in words.
func left(steps [][]int, replaced int) [][]int { return steps[min(replaced, len(steps)):] }

// Size counts every token of the chain and the answer: what is replaced and what is
// not depends on the step, and the normaliser must not.
func (m *Coconut) Size(batch []Encoded) Size {
	return (&Text{Chain: true}).Size(batch)
}

// Rows counts prompts, states and words. The last token is read by no one.
func (m *Coconut) Rows(batch []Encoded, random StepRand) int {
	n := 0
	for _, ex := range batch {
		opening, words := m.rows(ex, m.replaced(random.Step))
		n += opening + words
	}
	return n
}

// rows counts prompt and BOT, and what follows them.
func (m *Coconut) rows(ex Encoded, replaced int) (opening, rest int) {
	rest = replaced*m.Options.PerLine + ex.targets()
	if lines := left(ex.Steps, replaced); len(lines) > 0 {
		rest++
		for _, line := range lines {
			rest += len(line)
		}
	}
	return len(ex.Prompt) + 1, rest
}

// Loss is the cross-entropy of the words that are left and of the answer, in nats per
// token. The states are made one after the other, each for all examples at once, and
// the gradient flows back through all of them: every row is computed once, over the
// keys of the rows before it.
func (m *Coconut) Loss(t *tensor.Tape, batch []Encoded, whole Size, random StepRand) Loss {
	replaced := m.replaced(random.Step)
	h, s := m.forward(t, batch, replaced)
	logp := s.textLogProb(t, m.LM, h, 1)
	loss := Loss{Total: t.Scale(-1/float32(whole.Tokens), t.Sum(logp))}
	m.terms = append(m.terms[:0], Term{"text_nats_per_token", float64(loss.Total.Data[0])})
	loss.Terms = m.terms
	rows, seen := 0, 0
	for _, ex := range batch {
		opening, rest := m.rows(ex, replaced)
		n := opening + rest
		rows, seen = rows+n, seen+n*(n+1)/2
	}
	loss.FLOPs = 3 * m.LM.FLOPs(rows, seen, len(s.target))
	return loss
}

// forward thinks, and reads the words. It returns the hidden states of the last state
// that is fed back and of the words, and their layout.
func (m *Coconut) forward(t *tensor.Tape, batch []Encoded, replaced int) (*tensor.Tensor, packed) {
	m.cache.Start(m.LM.Trunk, len(batch))
	more, tokens, last := t.Ints(len(batch)), 0, t.Ints(len(batch))
	for _, ex := range batch {
		more = append(more, len(ex.Prompt)+1)
		tokens += len(ex.Prompt) + 1
		last = append(last, tokens-1)
	}
	opening := t.Ints(tokens)
	for _, ex := range batch {
		opening = append(append(opening, ex.Prompt...), m.Special.BOT)
	}
	state := t.Gather(m.LM.StepGrad(t, m.cache, more, m.LM.Embed(t, opening)), last)
	n := replaced * m.Options.PerLine
	for i := range more {
		more[i] = 1
	}
	for range n - 1 {
		state = m.LM.StepGrad(t, m.cache, more, m.feed(t, state))
	}
	s := m.words(t, batch, replaced, more)
	in := m.LM.Embed(t, s.tokens)
	if n > 0 {
		in = interleave(t, in, m.feed(t, state), s.order)
	}
	return m.LM.StepGrad(t, m.cache, more, in), s
}

// feed makes inputs of the backbone out of its states.   h [n, H] → [n, H]
func (m *Coconut) feed(t *tensor.Tape, h *tensor.Tensor) *tensor.Tensor {
	return t.Scale(float32(m.Options.Scale), h)
}

// words lays out what follows the prompt but for all states before the last, and
// counts the rows of each example.
func (m *Coconut) words(t *tensor.Tape, batch []Encoded, replaced int, rows []int) packed {
	room := len(batch) // for EOS
	for _, ex := range batch {
		_, rest := m.rows(ex, replaced)
		room += rest
	}
	s := newPacked(t, room)
	for i, ex := range batch {
		s.begin()
		if replaced > 0 {
			s.feedThought(i)
		}
		if lines := left(ex.Steps, replaced); len(lines) > 0 {
			s.feed(m.Special.CoT)
			for _, line := range lines {
				s.predict(line...)
			}
			s.predict(m.Special.Ans)
		} else {
			s.feed(m.Special.Ans)
		}
		s.answer(ex.Answer, ex.end(m.Special))
		s.end()
		rows[i] = len(s.order) - s.start
	}
	return s
}

// Sample answers each prompt n times from one prefill. The samples of a prompt think
// the same; their words differ.
func (m *Coconut) Sample(prompts [][]int, n int, o Options) [][]Sample {
	sequences, h := prefill(m.LM, prompts, n, o, m.Special.BOT)
	caches := make([]*transformer.Cache, len(sequences))
	states := m.Options.States()
	for i, s := range sequences {
		caches[i] = s.cache
		s.Thoughts = tensor.New(states, m.LM.Hidden)
	}
	t := &tensor.Tape{Inference: true}
	for k := 0; k < states && !o.ended(); k++ {
		start := time.Now()
		if o.Replace != nil {
			o.replace(h, k, n)
		}
		for i, s := range sequences {
			copy(s.Thoughts.Row(k), h.Row(i))
		}
		in := m.feed(nil, h) // outlives h
		t.Reset()
		h = m.LM.Step(t, caches, in)
		share := time.Since(start).Seconds() / float64(len(sequences))
		for _, s := range sequences {
			s.addCost(true, share, m.LM.FLOPs(1, s.cache.Len(), 0))
		}
	}
	t.Reset()
	h = m.LM.Step(t, caches, m.LM.Embed(t, slices.Repeat([]int{m.Special.Ans}, len(sequences))))
	for _, s := range sequences {
		s.addCost(false, 0, m.LM.FLOPs(1, s.cache.Len(), 0))
	}
	decode(t, m.LM, m.Special, sequences, h, o)
	return collect(sequences, n)
}
