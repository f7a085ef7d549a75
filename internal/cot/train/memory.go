package train

import (
	"fmt"
	"runtime/debug"
	"slices"

	"nfcot/internal/cot"
	"nfcot/internal/tensor"
)

// Memory is what training takes, in bytes.
type Memory struct {
	Parameters int
	Gradients  int
	Optimizer  int // its moments
	Step       int // what the largest step computes and keeps for its backward pass, or evaluation if that is more
}

// All is the sum.
func (m Memory) All() int { return m.Parameters + m.Gradients + m.Optimizer + m.Step }

// A TooLarge error says that training does not fit into memory. It takes at least
// what is known: its step is what had been asked for when the limit was reached, 0
// if it was not even begun.
type TooLarge struct {
	Memory
	Limit int // bytes
}

func (e TooLarge) Error() string {
	mib := func(bytes int) string { return fmt.Sprintf("%.1f", float64(bytes)/(1<<20)) }
	step := ""
	if e.Step > 0 {
		step = ", a step " + mib(e.Step)
	}
	return fmt.Sprintf("training takes at least %s MiB of memory (parameters %s, gradients %s, optimizer %s%s), and %s are available (--memory-limit); "+
		"take smaller parts of a batch (--set accumulate=N), --set recompute=true, or adapters (--lora RANK)",
		mib(e.All()), mib(e.Parameters), mib(e.Gradients), mib(e.Optimizer), step, mib(e.Limit))
}

// Standing is what the stages of an experiment (only, or all if it is negative)
// take beside their steps. It is known without making the model.
func (c Config) Standing(only int) Memory {
	m := newModel(tensor.NewOutline(), c, cot.Special{})
	memory := Memory{Parameters: 4 * m.Params.Count()}
	if m.packs() {
		memory.Parameters -= 2 * m.LM.BlockNumbers()
	}
	l := Loop{Config: c, Only: only}
	for i := range c.Stages.List() {
		if l.runs(i) {
			n := m.countTrainable(i)
			memory.Gradients, memory.Optimizer = max(memory.Gradients, 4*n), max(memory.Optimizer, 8*n)
		}
	}
	return memory
}

// plan is what the stages from position at on will take, each by itself: the
// largest of them counts. It fails with TooLarge if that is more than the limit.
func (l *Loop) plan(at position) (Memory, error) {
	m := Memory{Parameters: l.Model.Params.Bytes()}
	for i := range l.Config.Stages.List() {
		if i < at.Stage || !l.runs(i) {
			continue
		}
		at.Stage = i
		s := l.newStageRun(i)
		if err := s.reserve(at); err != nil {
			return m, err
		}
		standing := s.standing()
		m.Gradients, m.Optimizer = max(m.Gradients, standing.Gradients), max(m.Optimizer, standing.Optimizer)
		m.Step = max(m.Step, s.tape.Bytes())
		at.Total += s.stage.Steps - at.Done
		at.Done = 0
	}
	return m, nil
}

// reserve makes room on the tape for every step that the stage has still to go
// through from position at on, and for evaluation: it goes through the largest step,
// forward and backward, and before it through the largest part of the held-out examples
// if that has more rows. So whatever a method computes, keeps or computes again counts as what it is,
// and no formula has to follow the code. Other steps fit, since on a tape
// everything finds room where something larger was.
//
// Nothing else changes: gradients are zero again, parameters do not move, and
// draws depend on the number of the step alone.
func (s *stageRun) reserve(at position) (err error) {
	debug.FreeOSMemory() // the stage before would stay: training allocates too little to be collected soon
	if s.Limit > 0 {
		standing := s.standing()
		s.tape.Limit(s.Limit - standing.All())
		defer func() {
			switch over := recover().(type) {
			case nil:
			case tensor.OverLimit:
				standing.Step = over.Bytes
				err = TooLarge{standing, s.Limit}
			default:
				panic(over)
			}
		}()
	}
	part, draws := s.largest(at)
	held := s.largestHeld()
	if s.learner.Rows(held, s.heldDraws()) > s.learner.Rows(part, draws) { // then what a step takes fits where this was
		s.learner.Loss(&s.tape, held, s.learner.Size(held), s.heldDraws())
		s.tape.Reset()
	}
	if part != nil {
		s.tape.Backward(s.learner.Loss(&s.tape, part, s.learner.Size(part), draws).Total)
	}
	for p := range s.Model.Params.All() {
		clear(p.Grad)
	}
	return nil
}

// standing is what the stage takes beside its steps.
func (s *stageRun) standing() Memory {
	trainable := 0
	for _, p := range s.optimizer.Moments {
		trainable += len(p.Data)
	}
	return Memory{Parameters: s.Model.Params.Bytes(), Gradients: 4 * trainable, Optimizer: 8 * trainable}
}

// largest returns the part of a batch with the most rows of all that the stage
// has still to go through, nil if there is none, and the draws of its step.
func (s *stageRun) largest(at position) (part []cot.Encoded, draws cot.Draws) {
	most := 0
	for ; at.Done < s.stage.Steps; at.Done, at.Total = at.Done+1, at.Total+1 {
		its := s.take(at)
		for i := range s.Config.Accumulate {
			if rows := s.learner.Rows(s.part(i), its); rows > most {
				most, part, draws = rows, slices.Clone(s.part(i)), its
			}
		}
	}
	return part, draws
}

// largestHeld returns the part of the held-out examples with the most rows, nil if the
// stage does not evaluate.
func (s *stageRun) largestHeld() (part []cot.Encoded) {
	if !s.evaluates() {
		return nil
	}
	most := 0
	for held := range s.heldParts() {
		if rows := s.learner.Rows(held, s.heldDraws()); rows > most {
			most, part = rows, held
		}
	}
	return part
}
