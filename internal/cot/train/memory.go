package train

import (
	"runtime/debug"

	"nfcot/internal/cot"
	"nfcot/internal/tensor"
)

// Memory is what training takes, in bytes.
type Memory struct {
	Parameters int
	Gradients  int
	Optimizer  int // its moments
	Step       int // what the largest step computes and keeps for its way back
}

// plan is what the stages from position at on will take, each by itself: the
// largest of them counts.
func (l *Loop) plan(at position) Memory {
	m := Memory{Parameters: 4 * l.Model.Params.Count()}
	for i, stage := range l.Config.Stages.List() {
		if i < at.Stage || !l.runs(i) {
			continue
		}
		at.Stage = i
		learner, learnt := l.learn(i), 0
		for p := range l.Model.Params.All() {
			learnt += len(p.Grad)
		}
		m.Gradients, m.Optimizer = max(m.Gradients, 4*learnt), max(m.Optimizer, 8*learnt)
		m.Step = max(m.Step, l.reserve(at, learner).Bytes())
		at.Total += stage.Steps - at.Done
		at.Done = 0
	}
	return m
}

// reserve returns a tape with room for every step that the stage has still to
// go through: it went through the largest, forward and back. So whatever a
// method computes, keeps or computes again counts as what it is, and no formula
// has to follow the code. Other steps fit, since on a tape everything finds room
// where something larger was.
//
// Nothing else changes: gradients are zero again, parameters do not move, and
// draws depend on the number of the step alone.
func (l *Loop) reserve(at position, learner cot.Learner) *tensor.Tape {
	debug.FreeOSMemory() // the tape of the stage before would stay: training allocates too little to be collected soon
	tape := new(tensor.Tape)
	if part, draws := l.largest(at, learner); part != nil {
		tape.Backward(learner.Loss(tape, part, learner.Size(part), draws).Total)
	}
	for p := range l.Model.Params.All() {
		clear(p.Grad)
	}
	return tape
}

// largest returns the part of a batch with the most rows of all that the stage
// has still to go through, nil if there is none, and the draws of its step.
func (l *Loop) largest(at position, learner cot.Learner) (part []cot.Encoded, draws cot.Draws) {
	order, most := newOrder(l.Config.Seed, at.Stage, len(l.Data)), 0
	for ; at.Done < l.Config.Stages.List()[at.Stage].Steps; at.Done, at.Total = at.Done+1, at.Total+1 {
		batch, its := l.batch(order, at)
		for _, p := range l.parts(batch) {
			if rows := learner.Rows(p, its); rows > most {
				most, part, draws = rows, p, its
			}
		}
	}
	return part, draws
}
