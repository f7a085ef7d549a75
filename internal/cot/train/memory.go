package train

import (
	"runtime/debug"
	"slices"

	"nfcot/internal/cot"
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
	for i := range l.Config.Stages.List() {
		if i < at.Stage || !l.runs(i) {
			continue
		}
		at.Stage = i
		s, learnt := l.newStageRun(i), 0
		for _, p := range s.optimizer.Moments {
			learnt += len(p.Data)
		}
		s.reserve(at)
		m.Gradients, m.Optimizer, m.Step = max(m.Gradients, 4*learnt), max(m.Optimizer, 8*learnt), max(m.Step, s.tape.Bytes())
		at.Total += s.stage.Steps - at.Done
		at.Done = 0
	}
	return m
}

// reserve makes room on the tape for every step that the stage has still to go
// through from position at on: it goes through the largest, forward and back.
// So whatever a method computes, keeps or computes again counts as what it is,
// and no formula has to follow the code. Other steps fit, since on a tape
// everything finds room where something larger was.
//
// Nothing else changes: gradients are zero again, parameters do not move, and
// draws depend on the number of the step alone.
func (s *stageRun) reserve(at position) {
	debug.FreeOSMemory() // the stage before would stay: training allocates too little to be collected soon
	if part, draws := s.largest(at); part != nil {
		s.tape.Backward(s.learner.Loss(&s.tape, part, s.learner.Size(part), draws).Total)
	}
	for p := range s.Model.Params.All() {
		clear(p.Grad)
	}
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
