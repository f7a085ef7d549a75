// Package train trains: stages of supervised training, reinforcement learning
// (GRPO), and the VAE that distils chains. It knows how a run continues exactly
// where it was interrupted; what a run is made from is package experiment's.
package train

import (
	"context"
	"errors"
	"iter"
	"runtime/debug"
	"slices"
	"time"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/interrupt"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tokenizer"
)

// ErrInterrupted is returned by Run when its context ended: the state is saved.
var ErrInterrupted = errors.New("interrupted")

// A Loop trains a model on data.
type Loop struct {
	Config experiment.Config
	Model  *experiment.Model
	Data   []cot.Encoded           // training examples
	Held   []cot.Encoded           // held-out examples
	Stage  experiment.StageID      // the one to run, or all
	Dir    string                  // the run's folder, for its state and metrics; "" keeps none
	Report func(Metrics) error     // is told of every step
	Plan   func(experiment.Memory) // is told what training will take, before the first step
	Words  *tokenizer.Tokenizer    // with which evaluations show what the model answers; nil: they do not
	Limit  int                     // of the memory that training may take, in bytes; 0: none

	saved  *state    // to continue from; nil for a fresh start
	onDisk *position // of the state in the run's folder; nil before there is one
	record *record
}

// New makes the loop that trains a run on examples, the last of which are held out. It may
// take limit bytes of memory; 0 knows of no limit.
func New(r *experiment.Run, examples []cot.Encoded, limit int) *Loop {
	x := r.Experiment
	trained := len(examples) - x.HeldOut
	return &Loop{Config: x.Config, Model: r.Model, Stage: x.Source.Stage, Dir: r.Dir, Limit: limit, Words: r.Tokenizer, Data: examples[:trained], Held: examples[trained:]}
}

// Metrics are what one step tells.
type Metrics struct {
	Step      int // from 1, over all stages
	Steps     int // of all stages
	Stage     experiment.StageID
	Loss      float64   // total
	Terms     cot.Terms // of the loss, until the next step
	LR        float64
	Norm      float64   // of the gradient, before clipping
	FLOPs     float64   // of the backbone
	HeadFLOPs float64   // those of what else is trained through
	Tokens    int       // rows of text and thoughts that were predicted
	Held      cot.Terms // terms of the loss and diagnostics on held-out data, on steps that evaluate
	Time      time.Duration

	PeakMemory int64 // that the process has held at most, in bytes, on the last step; 0 if not known
}

// position is where a run stands.
type position struct {
	Stage experiment.StageID `json:"stage"`
	Done  int                `json:"steps_done_in_stage"`
	Total int                `json:"step"` // over all stages

	// Unrecorded is the last of those steps if it is still to be recorded: its evaluation
	// was interrupted.
	Unrecorded *unrecorded `json:"unrecorded,omitempty"`
}

// recorded is the number of steps, over all stages, that have their lines in metrics.jsonl.
func (p position) recorded() int {
	if p.Unrecorded != nil {
		return p.Total - 1
	}
	return p.Total
}

// Resume reads the saved state from the run's folder, so that Run continues
// there, and returns the number of steps done.
func (l *Loop) Resume() (done int, err error) {
	if l.saved, err = loadState(l.Dir, l.Model); err != nil {
		return 0, err
	}
	l.onDisk = &l.saved.position
	return l.saved.Total, nil
}

// Run trains from where the run stands to the end, and records every step in the run's
// folder. When ctx ends it saves the state and returns ErrInterrupted; a step or an
// evaluation that does not end soon is left where it is (interrupt.Leave), with the model.
func (l *Loop) Run(ctx context.Context) (err error) {
	if l.Limit > 0 { // collect garbage rather than take more
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(l.Limit)))
	}
	var at position
	if l.saved != nil {
		at = l.saved.position
	} else if err := l.save(at, new(tensor.AdamW)); err != nil { // whatever ends the run, it can be resumed
		return err
	}
	if l.record, err = openRecord(l.Dir, at.recorded()); err != nil {
		return err
	}
	defer l.record.close(&err)
	if l.Plan != nil || l.Limit > 0 {
		plan, err := l.plan(at)
		if err != nil {
			return err
		}
		if l.Plan != nil {
			l.Plan(plan)
		}
	}
	for stage := range l.Config.Stages.All() {
		if stage.Before(at.Stage) || !l.runs(stage) {
			continue
		}
		if stage != at.Stage {
			at = position{Stage: stage, Total: at.Total}
		}
		if err := l.stage(ctx, &at); err != nil {
			return err
		}
	}
	return nil
}

func (l *Loop) runs(stage experiment.StageID) bool {
	return l.Config.Stages.Runs(stage, l.Stage)
}

// Steps is the number of steps of all stages to run.
func (l *Loop) Steps() int { return l.stepsOf(func(experiment.StageID) bool { return true }) }

// first is the number of steps of the stages to run before a stage.
func (l *Loop) first(stage experiment.StageID) int {
	return l.stepsOf(func(s experiment.StageID) bool { return s.Before(stage) })
}

// stepsOf is the number of steps of those stages to run that are among some.
func (l *Loop) stepsOf(among func(experiment.StageID) bool) int {
	n := 0
	for i, s := range l.Config.Stages.All() {
		if among(i) && l.runs(i) {
			n += s.Steps
		}
	}
	return n
}

// stage runs one stage from where the run stands in it.
func (l *Loop) stage(ctx context.Context, at *position) error {
	s := l.newStageRun(at.Stage)
	if l.saved != nil {
		if err := l.saved.restore(s.optimizer, s.taken(*at)); err != nil {
			return err
		}
		l.saved = nil // later stages begin afresh
	}
	err := interrupt.Leave(ctx, func() error { return s.reserve(*at) })
	for err == nil && (at.Done < s.stage.Steps || at.Unrecorded != nil) {
		err = s.advance(ctx, at)
	}
	if err == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	if err := l.save(*at, s.optimizer); err != nil {
		return err
	}
	return ErrInterrupted
}

// advance takes the run a step further and records it, or records the one that it stands
// behind. When ctx ends before that, it returns the error of ctx: at says where the run
// stands, and parameters and moments are those of there.
func (s *stageRun) advance(ctx context.Context, at *position) error {
	if at.Unrecorded == nil {
		start := time.Now()
		m := &Metrics{Step: at.Total + 1, Stage: at.Stage, LR: rate(s.stage, s.Config.MinLR, at.Done)}
		err := interrupt.Leave(ctx, func() error { return s.backward(ctx, s.take(*at), m) })
		if err != nil {
			return err
		}
		if s.restarts(at.Total) { // only now: a step that is given up must leave the state of before it
			s.optimizer.Restart()
		}
		if m.Norm, err = move(s.optimizer, m.LR, s.Config.Clip, m.Step, m.Loss); err != nil {
			return err
		}
		m.Time = time.Since(start)
		at.Done, at.Total, at.Unrecorded = at.Done+1, at.Total+1, (*unrecorded)(m)
	}
	m, last := (*Metrics)(at.Unrecorded), at.Done == s.stage.Steps
	evaluate, answer := s.evaluates() && (at.Done%s.Config.EvalEvery == 0 || last), ""
	if evaluate {
		start := time.Now()
		var held cot.Terms
		err := interrupt.Leave(ctx, func() error {
			held, answer = s.evaluate(ctx), s.answer(ctx)
			return ctx.Err()
		})
		if err != nil {
			return err
		}
		m.Held = held
		m.Time += time.Since(start)
	}
	if m.Steps = s.Steps(); m.Step == m.Steps {
		m.PeakMemory = kernel.PeakMemory()
	}
	if err := s.record.add(m.Step, m, m.curves()); err != nil {
		return err
	}
	if evaluate {
		if err := s.show(m.Step, answer); err != nil {
			return err
		}
	}
	at.Unrecorded = nil
	if s.Report != nil {
		if err := s.Report(*m); err != nil {
			return err
		}
	}
	if e := s.Config.SaveEvery; e > 0 && at.Done%e == 0 && !last {
		return s.save(*at, s.optimizer)
	}
	return nil
}

// A stageRun is a stage being run. Its steps use the same memory.
type stageRun struct {
	*Loop
	stage     experiment.Stage
	learner   cot.Learner
	optimizer *tensor.AdamW
	order     *order
	batch     []cot.Encoded // of the step under way
	terms     cot.Terms     // of its loss
	tape      tensor.Tape
}

func (l *Loop) newStageRun(number experiment.StageID) *stageRun {
	l.Model.SetTrainable(number)
	s := &stageRun{Loop: l, stage: *l.Config.Stages.Of(number), learner: l.Model.Learner(number, l.first(number)),
		optimizer: tensor.NewAdamW(l.Model.Params), order: newOrder(l.Config.Seed, int(number), len(l.Data)), batch: make([]cot.Encoded, l.Config.Batch)}
	s.tape.BF16 = l.Config.Precision == "bf16"
	s.optimizer.Decay = l.Config.Decay
	s.optimizer.Scale = func(name string) float64 {
		if experiment.IsFlow(name) {
			return s.stage.FlowLR
		}
		return 1
	}
	return s
}

// restarts says whether the optimizer begins anew at a step over all stages.
func (s *stageRun) restarts(step int) bool {
	r, ok := s.learner.(cot.Restarter)
	return ok && r.Restarts(step)
}

// taken is the number of steps that the optimizer has taken at a position since it began.
func (s *stageRun) taken(at position) int {
	for n := 1; n < at.Done; n++ {
		if s.restarts(at.Total - n) {
			return n
		}
	}
	return at.Done
}

// take makes the batch that of the step at a position, and returns its draws.
func (s *stageRun) take(at position) cot.StepRand {
	for i := range s.batch {
		s.batch[i] = s.Data[s.order.at(at.Done*len(s.batch)+i)]
	}
	return cot.StepRand{Seed: s.Config.Seed, Step: at.Total}
}

// microbatch is what goes forward and backward at a time: number i of the batch.
func (s *stageRun) microbatch(i int) []cot.Encoded {
	n, of := len(s.batch), s.Config.Accumulate
	return s.batch[i*n/of : (i+1)*n/of]
}

// backward accumulates the gradient of the batch, one microbatch after the other. When ctx
// ends before the last, it returns the error of ctx.
func (s *stageRun) backward(ctx context.Context, random cot.StepRand, m *Metrics) error {
	whole := s.learner.Size(s.batch)
	m.Tokens = whole.Tokens + whole.Dims/max(1, s.Config.NF.D)
	s.terms = s.terms[:0]
	for i := range s.Config.Accumulate {
		if err := ctx.Err(); err != nil {
			s.clearGradients()
			return err
		}
		s.tape.Reset()
		loss := s.learner.Loss(&s.tape, s.microbatch(i), whole, random)
		m.Loss += float64(loss.Total.Data[0])
		m.FLOPs += loss.FLOPs
		m.HeadFLOPs += loss.HeadFLOPs
		s.terms = s.terms.Plus(loss.Terms)
		s.tape.Backward(loss.Total)
	}
	m.Terms = s.terms
	return nil
}

func (s *stageRun) clearGradients() {
	for p := range s.Model.Params.All() {
		clear(p.Grad)
	}
}

// evaluates says whether the stage looks at held-out data.
func (s *stageRun) evaluates() bool { return s.Config.EvalEvery > 0 && len(s.Held) > 0 }

// heldOutRand are the same in every evaluation.
func (s *stageRun) heldOutRand() cot.StepRand { return cot.StepRand{Seed: s.Config.Seed, Step: -1} }

// heldMicrobatches are what an evaluation goes through at a time, until ctx ends: as many
// examples as a step does.
func (s *stageRun) heldMicrobatches(ctx context.Context) iter.Seq[[]cot.Encoded] {
	n := s.Config.Accumulate
	return func(yield func([]cot.Encoded) bool) {
		for microbatch := range slices.Chunk(s.Held, (s.Config.Batch+n-1)/n) {
			if ctx.Err() != nil || !yield(microbatch) {
				return
			}
		}
	}
}

// evaluate is the loss on held-out data, always in float32, and what each thought is
// like. It uses the tape of the steps, which has room for it. If ctx ends, it is of no use.
func (s *stageRun) evaluate(ctx context.Context) []cot.Term {
	defer func(precision bool) { s.tape.BF16 = precision }(s.tape.BF16)
	s.tape.BF16 = false
	whole := s.learner.Size(s.Held)
	var terms cot.Terms
	for microbatch := range s.heldMicrobatches(ctx) {
		s.tape.Reset()
		terms = terms.Plus(s.learner.Loss(&s.tape, microbatch, whole, s.heldOutRand()).Terms)
	}
	d, ok := s.learner.(cot.Diagnoser)
	if !ok {
		return terms
	}
	var diagnosis []cot.Term
	for microbatch := range s.heldMicrobatches(ctx) {
		s.tape.Reset()
		share := float64(len(microbatch)) / float64(len(s.Held))
		for i, p := range d.Diagnose(&s.tape, microbatch, s.heldOutRand()) {
			if i == len(diagnosis) {
				diagnosis = append(diagnosis, cot.Term{Name: p.Name})
			}
			diagnosis[i].Value += share * p.Value
		}
	}
	return append(terms, diagnosis...)
}

// shownTokens are what an answer that an evaluation shows has at most.
const shownTokens = 64

// answer is what the model answers to the first held-out prompt, at temperature 0.
func (s *stageRun) answer(ctx context.Context) string {
	if !s.shows() {
		return ""
	}
	x := s.Model.Sampler().Sample([][]int{s.Held[0].Prompt}, 1, cot.Options{Sampling: cot.Sampling{MaxTokens: shownTokens, Seed: s.Config.Seed}, Context: ctx})[0][0]
	return s.Words.Decode(slices.Concat(x.Chain, x.Answer), false)
}

// show records the answer.
func (s *stageRun) show(step int, answer string) error {
	if !s.shows() {
		return nil
	}
	return s.record.show(step, s.Words.Decode(s.Held[0].Prompt, false), answer)
}

func (s *stageRun) shows() bool { return s.record != nil && s.Words != nil }
