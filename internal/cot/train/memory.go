package train

import (
	"context"
	"runtime/debug"
	"slices"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/tensor"
)

// plan is what the stages from position at on will take, each by itself: the
// largest of them counts. It fails with TooLarge if that is more than the limit.
func (l *Loop) plan(at position) (experiment.Memory, error) {
	m := experiment.Memory{Parameters: l.Model.Params.Bytes()}
	for stage := range l.Config.Stages.All() {
		if stage.Before(at.Stage) || !l.runs(stage) {
			continue
		}
		at.Stage = stage
		s := l.newStageRun(stage)
		if err := s.reserve(at); err != nil {
			return m, err
		}
		resident := s.resident()
		m.Gradients, m.Optimizer = max(m.Gradients, resident.Gradients), max(m.Optimizer, resident.Optimizer)
		m.Step = max(m.Step, s.tape.Bytes())
		at.Total += s.stage.Steps - at.Done
		at.Done = 0
	}
	return m, nil
}

// reserve makes room on the tape for every step that the stage has still to go
// through from position at on, and for evaluation: it goes through the largest step,
// forward and backward, and before it through the largest microbatch of the held-out examples
// if that has more rows. So whatever a method computes, keeps or computes again counts as what it is,
// and no formula has to follow the code. Other steps fit, since on a tape
// everything finds room where something larger was.
//
// Nothing else changes: gradients are zero again, parameters do not move, and
// draws depend on the number of the step alone.
func (s *stageRun) reserve(at position) (err error) {
	debug.FreeOSMemory() // the stage before would stay: training allocates too little to be collected soon
	if s.Limit > 0 {
		resident := s.resident()
		s.tape.Limit(s.Limit - resident.All())
		defer func() {
			switch over := recover().(type) {
			case nil:
			case tensor.OverLimit:
				resident.Step = over.Bytes
				err = experiment.TooLarge{Memory: resident, Limit: s.Limit}
			default:
				panic(over)
			}
		}()
	}
	microbatch, chains, random := s.largest(at)
	held, heldChains := s.largestHeld()
	if s.learner.Size(heldChains).Chain > s.learner.Size(chains).Chain {
		chains = heldChains
	}
	microbatch, held = reading(microbatch, chains), reading(held, chains)
	if s.learner.Rows(held, s.heldOutRand()) > s.learner.Rows(microbatch, random) { // then what a step takes fits where this was
		s.learner.Loss(&s.tape, held, s.learner.Size(held), s.heldOutRand())
		s.tape.Reset()
	}
	if microbatch != nil {
		s.tape.Backward(s.learner.Loss(&s.tape, microbatch, s.learner.Size(microbatch), random).Total)
	}
	s.clearGradients()
	return nil
}

// resident is what the stage takes beside its steps.
func (s *stageRun) resident() experiment.Memory {
	trainable := 0
	for _, p := range s.optimizer.Moments {
		trainable += len(p.Data)
	}
	return experiment.Memory{Parameters: s.Model.Params.Bytes(), Gradients: 4 * trainable, Optimizer: 8 * trainable}
}

// reading is a microbatch that has the chains of another one read back, in the place of its own: what is read back takes
// room beside the backbone's rows, and is most where these need not be.
func reading(microbatch, chains []cot.Encoded) []cot.Encoded {
	microbatch = slices.Clone(microbatch)
	for i := range microbatch {
		if len(chains) > 0 {
			microbatch[i].Segments = chains[i%len(chains)].Segments
		}
	}
	return microbatch
}

// largest returns the microbatch of a batch with the most rows of all that the stage
// has still to go through, nil if there is none, and the draws of its step; and the one
// of which most is read back, nil if nothing is.
func (s *stageRun) largest(at position) (microbatch, chains []cot.Encoded, random cot.StepRand) {
	most, longest := 0, 0
	for ; at.Done < s.stage.Steps; at.Done, at.Total = at.Done+1, at.Total+1 {
		its := s.take(at)
		for i := range s.Config.Accumulate {
			if rows := s.learner.Rows(s.microbatch(i), its); rows > most {
				most, microbatch, random = rows, slices.Clone(s.microbatch(i)), its
			}
			if n := s.learner.Size(s.microbatch(i)).Chain; n > longest {
				longest, chains = n, slices.Clone(s.microbatch(i))
			}
		}
	}
	return microbatch, chains, random
}

// largestHeld returns the microbatch of the held-out examples with the most rows, nil if the
// stage does not evaluate, and the one of which most is read back.
func (s *stageRun) largestHeld() (microbatch, chains []cot.Encoded) {
	if !s.evaluates() {
		return nil, nil
	}
	most, longest := 0, 0
	for held := range s.heldMicrobatches(context.Background()) {
		if rows := s.learner.Rows(held, s.heldOutRand()); rows > most {
			most, microbatch = rows, held
		}
		if n := s.learner.Size(held).Chain; n > longest {
			longest, chains = n, held
		}
	}
	return microbatch, chains
}
