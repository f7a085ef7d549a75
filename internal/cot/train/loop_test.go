package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tensor/tensortest"
)

// Fifty steps of every method, through all of its stages, leave files with the
// same bytes whatever the number of threads: the model, and the state with the
// optimizer's moments. The models are large enough that work is shared out.
func TestThreadsChangeNoByte(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	for _, m := range trained() {
		c := tiny(m.Name)
		c.Model.Hidden, c.Model.FFN, c.Model.HeadDim, c.Flow.Width, c.Batch = 48, 96, 16, 32, 24
		c.Stages.Text.Steps, c.Stages.Joint.Steps = 20, 30
		if codes(c) {
			c.Stages.Heads.Steps, c.Stages.Joint.Steps, c.Stages.Flow.Steps = 5, 13, 12
		}
		switch m.Name {
		case "nfcot-dual":
			c.NF.ReadBack = 0.5
		case "lavae", "ladir":
			c.NF.ReadLines = 1
		}
		c.SaveEvery = 11 // and so once in the last stage
		files := func(threads int) (state, model []byte, reports []Metrics) {
			kernel.SetThreads(threads)
			l, r := trainer(c, examples(30))
			l.Dir = t.TempDir()
			if err := l.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			state, err := os.ReadFile(filepath.Join(l.Dir, experiment.StateDir, stateFile))
			if err != nil {
				t.Fatal(err)
			}
			if err := (&experiment.Run{Dir: l.Dir, Model: l.Model}).Finish(); err != nil {
				t.Fatal(err)
			}
			if model, err = os.ReadFile(filepath.Join(l.Dir, experiment.ModelFile)); err != nil {
				t.Fatal(err)
			}
			return state, model, *r
		}
		wantState, wantModel, want := files(1)
		if len(want) != 50 {
			t.Errorf("%s: %d steps, want 50", m.Name, len(want))
		}
		for _, threads := range []int{2, 3, 8} {
			what := fmt.Sprintf("%s with %d threads", m.Name, threads)
			state, model, reports := files(threads)
			if !bytes.Equal(state, wantState) || !bytes.Equal(model, wantModel) {
				t.Errorf("%s: files differ from those with one", what)
			}
			sameReports(t, what, reports, want)
		}
	}
}

// interrupted trains with a context that ends when step number at is reported.
func interrupted(t *testing.T, l *Loop, at int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	report := l.Report
	l.Report = func(m Metrics) error {
		if m.Step == at {
			cancel()
		}
		return report(m)
	}
	if err := l.Run(ctx); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("interrupted at step %d: %v", at, err)
	}
}

// endsAt is a context that ends when it is asked for the n-th time.
type endsAt struct {
	context.Context
	n int
}

func (c *endsAt) Err() error {
	if c.n--; c.n > 0 {
		return nil
	}
	return context.Canceled
}

// TestInterruptedWithinAStep: a step of several microbatches is given up between two of them,
// and the run that goes on ends as one that was not disturbed.
func TestInterruptedWithinAStep(t *testing.T) {
	c, data := allStages(), examples(15)
	c.Accumulate = 3
	want, whole := run(t, c, data)
	for n := 1; n < 10; n++ { // the stage asks once, and each step four times
		what := fmt.Sprintf("interrupted at %d", n)
		l, before := trainer(c, data)
		l.Dir = t.TempDir()
		if err := l.Run(&endsAt{context.Background(), n}); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("%s: %v", what, err)
		}
		if done := max(0, n-2) / 4; len(*before) != done {
			t.Fatalf("%s after %d steps; want %d", what, len(*before), done)
		}
		goesOn(t, what, c, data, nil, l.Dir, *before, want, whole)
	}
}

// goesOn continues the run in dir, of which some steps are reported, and wants it to end as
// one that was not disturbed.
func goesOn(t *testing.T, what string, c experiment.Config, data, held []cot.Encoded, dir string, before []Metrics, want *experiment.Model, whole []Metrics) {
	t.Helper()
	l, reports := trainer(c, data)
	l.Held, l.Dir = held, dir
	if _, err := l.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := l.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	sameWeights(t, what, l.Model, want)
	sameReports(t, what, append(before, *reports...), whole)
	lines, err := ckpt.ReadAllJSONL[struct{ Step int }](filepath.Join(dir, experiment.MetricsFile))
	if err != nil || len(lines) != len(whole) {
		t.Errorf("%s: %d lines of metrics, %v; want %d", what, len(lines), err, len(whole))
	}
	for i, line := range lines {
		if line.Step != i+1 {
			t.Errorf("%s: line %d is of step %d", what, i+1, line.Step)
		}
	}
}

// hangs is a context that ends when it is asked for the n-th time, and whoever asks gets no
// answer until the test is over.
type hangs struct {
	context.Context
	end  context.CancelFunc
	n    atomic.Int64
	over chan struct{}
}

func (c *hangs) Err() error {
	if c.n.Add(-1) == 0 {
		c.end()
		<-c.over
	}
	return c.Context.Err()
}

// TestLeavesALongStep: a step that does not end is left, and what is saved is the state from
// before it.
func TestLeavesALongStep(t *testing.T) {
	c, data := allStages(), examples(15)
	c.Accumulate = 3
	want, whole := run(t, c, data)
	for _, n := range []int64{3, 5, 8} { // asked within a step
		what := fmt.Sprintf("hangs at %d", n)
		ctx, end := context.WithCancel(t.Context())
		h := &hangs{Context: ctx, end: end, over: make(chan struct{})}
		h.n.Store(n)
		l, before := trainer(c, data)
		l.Dir = t.TempDir()
		start := time.Now()
		if err := l.Run(h); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("%s: %v", what, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: it took %s to end", what, took)
		}
		if done := int(n-2) / 4; len(*before) != done {
			t.Fatalf("%s after %d steps; want %d", what, len(*before), done)
		}
		goesOn(t, what, c, data, nil, l.Dir, *before, want, whole)
		close(h.over)
	}
}

// TestStateIsWrittenOnce: a run that is interrupted where its state was saved leaves that.
func TestStateIsWrittenOnce(t *testing.T) {
	c, data := allStages(), examples(15)
	dir := t.TempDir()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	saved := func() os.FileInfo {
		info, err := os.Stat(filepath.Join(dir, experiment.StateDir, stateFile))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	l, _ := trainer(c, data)
	l.Dir = dir
	for step := range 5 { // through the first stage into the second
		interrupted(t, l, step+1)
		before := saved()
		again, _ := resumed(t, c, data, dir, step+1)
		if err := again.Run(ended); !errors.Is(err, ErrInterrupted) || !os.SameFile(before, saved()) {
			t.Errorf("step %d: %v, and the state is written again: %t", step+1, err, !os.SameFile(before, saved()))
		}
		l, _ = resumed(t, c, data, dir, step+1)
	}
}

// TestInterruptedEvaluation: the step before an evaluation that is given up, or left, has moved
// the parameters, and is recorded when the run goes on, which evaluates then.
func TestInterruptedEvaluation(t *testing.T) {
	c, data := tiny("nfcot"), examples(15)
	c.Stages.Joint.Steps, c.EvalEvery, c.HeldOut = 3, 2, 3
	held := examples(18)[15:]
	undisturbed, reports := trainer(c, data)
	undisturbed.Held = held
	if err := undisturbed.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	interruptedAt := func(what string, ctx context.Context) {
		l, before := trainer(c, data)
		l.Held, l.Dir = held, t.TempDir()
		if err := l.Run(ctx); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("%s: %v", what, err)
		}
		where, err := os.ReadFile(filepath.Join(l.Dir, experiment.StateDir, whereFile))
		if err != nil || !strings.Contains(string(where), `"unrecorded":`) {
			t.Fatalf("%s: %s, %v; want an unrecorded step", what, where, err)
		}
		goesOn(t, what, c, data, held, l.Dir, *before, undisturbed.Model, *reports)
	}
	// The stage asks once, each step twice, and the evaluations of steps 2 and 3 when they
	// begin, twice on their way, and at their end.
	for _, n := range []int{6, 7, 8, 9, 12, 13, 14, 15} {
		interruptedAt(fmt.Sprintf("ends at %d", n), &endsAt{context.Background(), n})
	}
	for _, n := range []int64{7, 8, 13, 14} {
		ctx, end := context.WithCancel(t.Context())
		h := &hangs{Context: ctx, end: end, over: make(chan struct{})}
		h.n.Store(n)
		interruptedAt(fmt.Sprintf("hangs at %d", n), h)
		close(h.over)
	}
}

// resumed makes a new loop that continues the run in dir.
func resumed(t *testing.T, c experiment.Config, data []cot.Encoded, dir string, done int) (*Loop, *[]Metrics) {
	t.Helper()
	l, reports := trainer(c, data)
	l.Dir = dir
	if got, err := l.Resume(); err != nil || got != done {
		t.Fatalf("resumed after %d steps, %v, want %d", got, err, done)
	}
	return l, reports
}

// A run that is interrupted after any of its steps, in the middle of a stage or
// between two, and continued in another process is the run that was not, byte
// for byte.
func TestResumeIsUndisturbed(t *testing.T) {
	for _, accumulate := range []int{1, 3} {
		c := allStages()
		c.Accumulate, c.EvalEvery, c.HeldOut = accumulate, 2, 3
		data := examples(15)
		held := examples(18)[15:]
		l, reports := trainer(c, data)
		l.Held = held
		if err := l.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		want, total := l.Model, len(*reports)
		if total != 3+3+4+3+4 {
			t.Fatalf("%d steps, want 17", total)
		}
		for at := 1; at < total; at++ {
			what := fmt.Sprintf("%d parts, interrupted after step %d", accumulate, at)
			l, before := trainer(c, data)
			l.Held, l.Dir = held, t.TempDir()
			interrupted(t, l, at)
			l, after := resumed(t, c, data, l.Dir, at)
			l.Held = held
			if err := l.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			sameWeights(t, what, l.Model, want)
			sameReports(t, what, append(*before, *after...), *reports)
		}
	}
}

// To compute the backbone's blocks again in the backward pass changes no byte.
func TestRecompute(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	for _, c := range []experiment.Config{allStages(), tiny("cot")} {
		for _, threads := range []int{1, 4} {
			kernel.SetThreads(threads)
			want, reports := run(t, c, examples(15))
			again := c
			again.Recompute = true
			got, reportsAgain := run(t, again, examples(15))
			if !got.LM.Recompute {
				t.Fatal("the model does not know what its experiment says")
			}
			sameWeights(t, c.Method, got, want)
			sameReports(t, c.Method, reportsAgain, reports)
		}
	}
}

// Every method, interrupted after every single step.
func TestResumeAgainAndAgain(t *testing.T) {
	reading := allStages()
	reading.NF.ReadBack, reading.NF.ReadLines = 1, 1
	configs := []experiment.Config{allStages(), reading}
	for _, m := range trained() {
		configs = append(configs, tiny(m.Name))
	}
	data := examples(15)
	for _, c := range configs {
		want, reports := run(t, c, data)
		l, _ := trainer(c, data)
		l.Dir = t.TempDir()
		for at := 1; at < len(reports); at++ {
			interrupted(t, l, at)
			l, _ = resumed(t, c, data, l.Dir, at)
		}
		if err := l.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		sameWeights(t, c.Method+", interrupted after every step", l.Model, want)
	}
}

// A curriculum that begins the optimizer anew does so at its steps, wherever the run was
// interrupted, and never elsewhere.
func TestOptimizerBeginsAnew(t *testing.T) {
	c, data := tiny("icot"), examples(15)
	c.Stages.Text.Steps, c.Stages.Joint.Steps = 3, 10 // s is 0 from step 5 on, 1 from step 8 on, 2 from step 11 on
	restarts := []int{8, 11}
	want, reports := run(t, c, data)
	kept := c
	kept.ICoT.Reset = false
	if other, _ := run(t, kept, data); slices.Equal(weights(other), weights(want)) {
		t.Error("the optimizer goes on")
	}
	for at := 1; at < len(reports); at++ {
		l, _ := trainer(c, data)
		l.Dir = t.TempDir()
		interrupted(t, l, at)
		l, _ = resumed(t, c, data, l.Dir, at)
		where := l.saved.position
		taken := where.Done
		for _, step := range restarts {
			if at > step {
				taken = at - step
			}
		}
		if got := l.newStageRun(where.Stage).taken(where); got != taken {
			t.Errorf("after %d steps the optimizer has taken %d, want %d", at, got, taken)
		}
		if err := l.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		sameWeights(t, fmt.Sprintf("interrupted after %d steps", at), l.Model, want)
	}
}

// A stage that is run alone has the curriculum that it has behind others.
func TestCurriculumOfAStageAlone(t *testing.T) {
	for _, method := range []string{"icot", "coconut"} {
		c, data := tiny(method), examples(15)
		c.Stages.Text.Steps, c.ICoT.Smoothing = 3, 0
		both, _ := trainer(c, data)
		alone, _ := trainer(c, data)
		alone.Stage = experiment.JointStage
		behind, first := both.newStageRun(experiment.JointStage), alone.newStageRun(experiment.JointStage)
		for step := range c.Stages.Joint.Steps {
			got, want := first.learner.Rows(data, cot.StepRand{Step: step}), behind.learner.Rows(data, cot.StepRand{Step: 3 + step})
			if got != want || first.restarts(step) != behind.restarts(3+step) {
				t.Errorf("%s: step %d has %d rows, want %d; restarts: %t", method, step, got, want, first.restarts(step))
			}
		}
	}
}

// A run that was cancelled before it began has no step done; one that was killed
// goes on from what it saved last.
func TestSavedState(t *testing.T) {
	c, data := allStages(), examples(15)
	c.SaveEvery = 2
	plain := c
	plain.SaveEvery = 0
	want, _ := run(t, plain, data)
	saving, _ := trainer(c, data)
	saving.Dir = t.TempDir()
	if err := saving.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	sameWeights(t, "saving every 2 steps", saving.Model, want)

	l, _ := trainer(c, data)
	l.Dir = t.TempDir()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Run(cancelled); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	l, _ = resumed(t, c, data, l.Dir, 0)
	killed := errors.New("killed")
	l.Report = func(m Metrics) error {
		if m.Step == 6 { // the third of stage heads
			return killed
		}
		return nil
	}
	if err := l.Run(context.Background()); !errors.Is(err, killed) {
		t.Fatal(err)
	}
	l, _ = resumed(t, c, data, l.Dir, 5)
	if err := l.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	sameWeights(t, "killed and continued", l.Model, want)
}

// What cannot be resumed says why in one line.
func TestResumeErrors(t *testing.T) {
	c, data := allStages(), examples(15)
	for _, tt := range []struct {
		name   string
		damage func(dir string) error
		want   []string
	}{
		{"no state", os.RemoveAll, []string{"no saved state"}},
		{"no position", func(dir string) error { return os.Remove(filepath.Join(dir, whereFile)) }, []string{"no saved state"}},
		{"position cut short", func(dir string) error { return os.Truncate(filepath.Join(dir, whereFile), 5) }, []string{whereFile, "JSON"}},
		{"no tensors", func(dir string) error { return os.Remove(filepath.Join(dir, stateFile)) }, []string{stateFile}},
		{"tensors cut short", func(dir string) error { return os.Truncate(filepath.Join(dir, stateFile), 1000) }, []string{stateFile}},
	} {
		l, _ := trainer(c, data)
		l.Dir = t.TempDir()
		interrupted(t, l, 2)
		state := filepath.Join(l.Dir, experiment.StateDir)
		if err := tt.damage(state); err != nil {
			t.Fatal(err)
		}
		again, _ := trainer(c, data)
		again.Dir = l.Dir
		_, err := again.Resume()
		if err == nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		for _, part := range append(tt.want, state) {
			if !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: error %q, want one line with %q", tt.name, err, part)
			}
		}
	}

	l, _ := trainer(c, data)
	l.Dir = t.TempDir()
	interrupted(t, l, 2)
	wider := c
	wider.Model.FFN *= 2
	other, _ := trainer(wider, data)
	other.Dir = l.Dir
	if _, err := other.Resume(); err == nil || !strings.Contains(err.Error(), stateFile) || !strings.Contains(err.Error(), "has shape [24 16]; expected [48 16]") {
		t.Errorf("the state of another model: %v", err)
	}
}

// Every epoch is a permutation of its own; seeds and stages differ.
func TestOrder(t *testing.T) {
	const n = 20
	epochs := map[string]bool{}
	for seed := range uint64(2) {
		for stage := range 2 {
			o := newOrder(seed, stage, n)
			for epoch := range 3 {
				var seen []int
				for i := range n {
					seen = append(seen, o.at(epoch*n+i))
				}
				epochs[fmt.Sprint(seen)] = true
				if again := newOrder(seed, stage, n).at(epoch*n + 7); again != seen[7] {
					t.Errorf("example 7 of epoch %d is %d, and %d when one begins there", epoch, seen[7], again)
				}
				slices.Sort(seen)
				for i, v := range seen {
					if v != i {
						t.Fatalf("seed %d, stage %d, epoch %d is no permutation: %v", seed, stage, epoch, seen)
					}
				}
			}
		}
	}
	if len(epochs) != 12 {
		t.Errorf("%d different epochs of 12", len(epochs))
	}
}

// The parameters that each stage moves, and no others.
func TestStagesTrainWhatTheyShould(t *testing.T) {
	backbone, heads, flow := []string{"model."}, []string{"nf_head.", "proj_in."}, []string{"flow."}
	in, head := []string{"proj_in."}, []string{"nf_head."}
	for _, tt := range []struct {
		stage  experiment.StageID
		frozen bool
		moves  [][]string
		stays  [][]string
	}{
		{experiment.TextStage, true, [][]string{backbone}, [][]string{heads, flow}},
		{experiment.ReadStage, true, [][]string{backbone, in}, [][]string{head, flow}},
		{experiment.ReadStage, false, [][]string{backbone, in}, [][]string{head, flow}},
		{experiment.HeadsStage, true, [][]string{heads}, [][]string{backbone, flow}},
		{experiment.HeadsStage, false, [][]string{heads, flow}, [][]string{backbone}},
		{experiment.JointStage, true, [][]string{backbone, heads}, [][]string{flow}},
		{experiment.JointStage, false, [][]string{backbone, heads, flow}, nil},
		{experiment.FlowStage, false, [][]string{backbone, heads, flow}, nil},
		{experiment.FlowStage, true, [][]string{backbone, heads}, [][]string{flow}},
	} {
		c := allStages()
		c.Stages.Of(tt.stage).FreezeFlow = tt.frozen
		before := experiment.NewModel(c, special)
		l, reports := trainer(c, examples(15))
		l.Stage = tt.stage
		if err := l.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if steps := c.Stages.Of(tt.stage).Steps; len(*reports) != steps || l.Steps() != steps || (*reports)[0].Stage != tt.stage || (*reports)[0].Steps != steps {
			t.Errorf("stage %s alone: %d steps of %d, %+v", tt.stage, len(*reports), l.Steps(), (*reports)[0])
		}
		for p := range l.Model.Params.All() {
			is := func(sets [][]string) bool {
				return slices.ContainsFunc(sets, func(set []string) bool {
					return slices.ContainsFunc(set, func(prefix string) bool { return strings.HasPrefix(p.Name, prefix) })
				})
			}
			if is(tt.moves) == is(tt.stays) {
				t.Fatalf("%s is in none of the sets", p.Name)
			}
			if moved := !slices.Equal(p.Data, weights(before, p.Name)); moved != is(tt.moves) {
				t.Errorf("stage %d, flow held %v: %s moves: %v", tt.stage, tt.frozen, p.Name, moved)
			}
		}
	}
}

// flow_lr scales the steps of the flow's parameters and of no others.
func TestFlowLR(t *testing.T) {
	after := func(flowLR float64) *experiment.Model {
		c := tiny("nfcot")
		c.Stages.Joint.Steps, c.Stages.Flow.Steps = 0, 1 // one step: what follows depends on the flow
		c.Stages.Flow.FlowLR = flowLR
		m, _ := run(t, c, examples(15))
		return m
	}
	before := weights(experiment.NewModel(tiny("nfcot"), special), "flow.")
	full, half, none := after(1), after(0.5), after(0)
	rest := []string{"model.", "nf_head.", "proj_in."}
	if !slices.Equal(weights(half, rest...), weights(full, rest...)) || !slices.Equal(weights(none, rest...), weights(full, rest...)) {
		t.Error("flow_lr changes parameters that are not the flow's")
	}
	if !slices.Equal(weights(none, "flow."), before) {
		t.Error("the flow moves at flow_lr 0")
	}
	var want []float64
	for i, v := range weights(full, "flow.") {
		want = append(want, (float64(before[i])+float64(v))/2)
	}
	tensortest.Tolerance{Rel: 1e-6, Abs: 1e-7}.Check(t, "flow at half the rate", weights(half, "flow."), want)
	if slices.Equal(weights(full, "flow."), before) {
		t.Error("the flow does not move at all")
	}
}

// A batch in parts is the batch, up to rounding, for every method.
func TestAccumulate(t *testing.T) {
	for _, m := range trained() {
		c := tiny(m.Name)
		c.Stages.Joint.Steps, c.Stages.Flow.Steps = 2, 1
		if !m.Codes {
			c.Stages.Flow.Steps = 0
		}
		want, reports := run(t, c, examples(15))
		for _, parts := range []int{2, 3, 6} {
			c.Accumulate = parts
			got, again := run(t, c, examples(15))
			// Adam amplifies rounding where a gradient is near 0
			tensortest.Tolerance{Rel: 1e-4, Abs: 2e-4}.Check(t, "parameters", weights(got), tensortest.Float64s(weights(want)))
			for i, r := range reports {
				near := tensortest.Tolerance{Rel: 1e-4, Abs: 1e-4}
				near.CheckScalar(t, "loss", again[i].Loss, r.Loss)
				near.CheckScalar(t, "norm", again[i].Norm, r.Norm)
				for j, p := range r.Terms {
					near.CheckScalar(t, p.Name, again[i].Terms[j].Value, p.Value)
				}
				if again[i].Tokens != r.Tokens || again[i].FLOPs != r.FLOPs {
					t.Errorf("%d parts have %d tokens and %g operations, the batch %d and %g", parts, again[i].Tokens, again[i].FLOPs, r.Tokens, r.FLOPs)
				}
			}
		}
	}
}

// What is reported: steps and stages in order, the schedule's rate, the loss of
// the batch, and the norm of its gradient.
func TestReports(t *testing.T) {
	c, data := allStages(), examples(15)
	_, reports := run(t, c, data)
	step := 0
	for stage, s := range c.Stages.All() {
		for done := range s.Steps {
			m := reports[step]
			step++
			if m.Step != step || m.Steps != 17 || m.Stage != stage || m.LR != rate(*s, c.MinLR, done) || m.Norm <= 0 || m.Tokens <= 0 || m.FLOPs <= 0 || len(m.Held) > 0 {
				t.Errorf("step %d of stage %d is reported as %+v", done, stage, m)
			}
		}
	}
}

// Every step by hand: at a learning rate of nothing the model stays what it was,
// so that the loss of each step is that of its stage's learner, for the batch
// that the order says, under draws of that step and no other.
func TestStepsByHand(t *testing.T) {
	c, data := allStages(), examples(15)
	for _, s := range c.Stages.All() {
		s.LR = 1e-30
	}
	_, reports := run(t, c, data)
	model, step := experiment.NewModel(c, special), 0
	for stage, s := range c.Stages.All() {
		learner, order := model.Learner(stage, step), newOrder(c.Seed, int(stage), len(data))
		for done := range s.Steps {
			var batch []cot.Encoded
			for i := range c.Batch {
				batch = append(batch, data[order.at(done*c.Batch+i)])
			}
			size := learner.Size(batch)
			loss := learner.Loss(nil, batch, size, cot.StepRand{Seed: c.Seed, Step: step})
			m := reports[step]
			tokens := size.Tokens
			if stage != experiment.TextStage && stage != experiment.ReadStage { // where thoughts are predicted, too
				tokens += len(batch) * c.NF.K
			}
			if want := float64(loss.Total.Data[0]); m.Loss != want || m.FLOPs != loss.FLOPs || !slices.Equal(m.Terms, loss.Terms) || m.Tokens != tokens {
				t.Errorf("step %d: loss %v, parts %v, %d tokens, want %v, %v, %d", step+1, m.Loss, m.Terms, m.Tokens, want, loss.Terms, tokens)
			}
			step++
		}
	}
}

// Evaluation happens when it should, looks at all held-out examples under the
// same draws, and disturbs nothing.
func TestEvaluation(t *testing.T) {
	c, data := allStages(), examples(15)
	plain, _ := run(t, c, data)
	c.EvalEvery = 2
	l, reports := trainer(c, data)
	l.Held = examples(25)[15:] // more than a batch
	if err := l.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	sameWeights(t, "with evaluation", l.Model, plain)
	at := map[int]bool{2: true, 3: true, 5: true, 6: true, 8: true, 10: true, 12: true, 13: true, 15: true, 17: true} // every 2 of a stage, and its last
	for _, m := range *reports {
		if (len(m.Held) > 0) != at[m.Step] {
			t.Errorf("step %d: held-out metrics %v", m.Step, m.Held)
		}
	}
	last := (*reports)[16]
	learner := l.Model.Learner(experiment.FlowStage, 0)
	loss := learner.Loss(nil, l.Held, learner.Size(l.Held), cot.StepRand{Seed: c.Seed, Step: -1})
	diagnosis := learner.(cot.Diagnoser).Diagnose(nil, l.Held, cot.StepRand{Seed: c.Seed, Step: -1})
	names := []string{"sigma_thought_1", "nll_thought_1_nats_per_dim", "sigma_thought_2", "nll_thought_2_nats_per_dim"}
	if len(last.Held) != len(loss.Terms)+len(names) {
		t.Fatalf("held-out metrics %v", last.Held)
	}
	for i, p := range loss.Terms {
		if got := last.Held[i]; got.Name != p.Name || math.Abs(got.Value-p.Value) > 1e-5 {
			t.Errorf("held-out %+v, want %+v", got, p)
		}
	}
	for i, name := range names {
		got, want := last.Held[len(loss.Terms)+i], diagnosis[i]
		if got.Name != name || want.Name != name || math.Abs(got.Value-want.Value) > 1e-5 {
			t.Errorf("held-out %+v, want %+v, named %s", got, want, name)
		}
	}
}

// A gradient that is not finite ends the run with a line that names the step.
func TestDivergence(t *testing.T) {
	c := tiny("cot")
	l, _ := trainer(c, examples(15))
	for p := range l.Model.Params.All() {
		if p.Name == "model.norm.weight" {
			p.Data[0] = float32(math.NaN())
		}
	}
	err := l.Run(context.Background())
	if err == nil || !strings.HasPrefix(err.Error(), "step 1: the gradient is not finite") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v", err)
	}
}

// On a few examples every method learns: the loss goes down, and what is then
// sampled, greedily and to its end, is what was shown.
func TestMethodsLearn(t *testing.T) {
	data := examples(6)
	for _, m := range trained() {
		t.Run(m.Name, func(t *testing.T) {
			c := tiny(m.Name)
			c.Stages.Joint = experiment.Stage{Steps: 250, LR: 2e-2, Warmup: 10, FlowLR: 1, FreezeFlow: true}
			if m.Codes {
				c.Stages.Flow = experiment.Stage{Steps: 60, LR: 3e-3, Warmup: 5, FlowLR: 0.3}
			}
			model, reports := run(t, c, data)
			first, last := reports[0].Terms, reports[len(reports)-1].Terms
			for i := range first {
				if !(last[i].Value < first[i].Value-0.3) {
					t.Errorf("%s goes from %g to %g", first[i].Name, first[i].Value, last[i].Value)
				}
			}
			prompts := make([][]int, len(data))
			for i, ex := range data {
				prompts[i] = ex.Prompt
			}
			for i, xs := range model.Sampler().Sample(prompts, 1, cot.Options{Sampling: cot.Sampling{MaxTokens: 20}}) {
				x, ex := xs[0], data[i]
				if !x.Finished || !slices.Equal(x.Answer, ex.Answer) {
					t.Errorf("example %d: answer %v, finished %v, want %v", i, x.Answer, x.Finished, ex.Answer)
				}
				if m.Name == "cot" && (!x.ChainClosed || !slices.Equal(x.Chain, slices.Concat(ex.Steps...))) {
					t.Errorf("example %d: chain %v, want %v", i, x.Chain, ex.Steps)
				}
				if m.Codes {
					codes := model.Coder().ToCodes(x.Thoughts)
					if d := distance(codes, ex.Codes); d > 0.35 { // about the dequantisation noise
						t.Errorf("example %d: thoughts stand for %v, want %v", i, codes.Data, ex.Codes.Data)
					}
				}
			}
		})
	}
}

// distance is the root of the mean squared difference.
func distance(a, b *tensor.Tensor) (d float64) {
	for i := range a.Data {
		d += math.Pow(float64(a.Data[i]-b.Data[i]), 2) / float64(len(a.Data))
	}
	return math.Sqrt(d)
}

// An experiment decides what is trained, and every setting of it has a say.
func TestSettingsMatter(t *testing.T) {
	data := examples(15)
	want, _ := run(t, allStages(), data)
	again, _ := run(t, allStages(), data)
	sameWeights(t, "the same run again", again, want)
	for name, change := range map[string]func(c *experiment.Config){
		"seed":         func(c *experiment.Config) { c.Seed++ },
		"batch":        func(c *experiment.Config) { c.Batch++ },
		"clip":         func(c *experiment.Config) { c.Clip = 0.1 },
		"precision":    func(c *experiment.Config) { c.Precision = "bf16" },
		"decay":        func(c *experiment.Config) { c.Decay = 0.5 },
		"min_lr":       func(c *experiment.Config) { c.MinLR = 0.5 },
		"direct_share": func(c *experiment.Config) { c.DirectShare = 0.8 },
		"noise":        func(c *experiment.Config) { c.NF.Noise = 0.1 },
		"lambda_flow":  func(c *experiment.Config) { c.NF.LambdaFlow = 3 },
		"lambda_text":  func(c *experiment.Config) { c.NF.LambdaText = 3 },
		"sigma limit":  func(c *experiment.Config) { c.NF.SigmaLimit = 0.01 },
		"expectation":  func(c *experiment.Config) { c.NF.Expectation = false },
		"mean_weight":  func(c *experiment.Config) { c.NF.MeanWeight = 1 },
		"read_back":    func(c *experiment.Config) { c.NF.ReadBack = 1 },
		"read_lines":   func(c *experiment.Config) { c.NF.ReadLines = 1 },
		"permutation":  func(c *experiment.Config) { c.Flow.Permute = "identity" },
		"rope_theta":   func(c *experiment.Config) { c.Model.Theta = 100 },
		"lr":           func(c *experiment.Config) { c.Stages.Heads.LR *= 2 },
		"warmup":       func(c *experiment.Config) { c.Stages.Joint.Warmup = 3 },
		"flow_lr":      func(c *experiment.Config) { c.Stages.Flow.FlowLR = 0.5 },
		"flow_fit":     func(c *experiment.Config) { c.Stages.Flow.FlowFit = "marginal" },
		"flow.scale":   func(c *experiment.Config) { c.Flow.Scale = "softplus" },
		"freeze_flow":  func(c *experiment.Config) { c.Stages.Joint.FreezeFlow = false },
	} {
		c := allStages()
		change(&c)
		if got, _ := run(t, c, data); slices.Equal(weights(got), weights(want)) {
			t.Errorf("%s makes no difference", name)
		}
	}
}

// What is predicted comes to be read as the chains where nothing else tells what to predict; held-out examples tell it,
// too. The VAE stays what it was, and is no part of the model.
func TestReadBackIsLearned(t *testing.T) {
	data := examples(12)
	chains := make([][][]int, len(data))
	for i, ex := range data {
		chains[i] = ex.Segments
	}
	vae := cot.NewVAE(tensor.NewParams(3), readerConfig, 20, special.EOS, nil)
	codes, err := trainVAE(t.Context(), DistillConfig{VAE: readerConfig, Seed: 1, Steps: 300, Batch: 12, LR: 1e-2}, vae, chains, nil, func(int, cot.Loss) {})
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		copy(data[i].Codes.Data, codes.Data[i*4:])
	}
	vae.Params.SetTrainable(func(string) bool { return false })
	var before []float32
	for p := range vae.Params.All() {
		before = append(before, p.Data...)
	}
	term := func(terms cot.Terms) float64 {
		i := slices.IndexFunc(terms, func(term cot.Term) bool { return term.Name == "read_back_nats_per_token" })
		return terms[i].Value
	}
	for _, method := range []string{"nfcot", "lavae"} {
		c := tiny(method)
		c.NF.ReadBack, c.NF.MeanWeight, c.NF.LambdaFlow, c.EvalEvery = 1, 0, 0, 10
		c.Stages.Heads.Steps, c.Stages.Joint.Steps = 20, 60
		l, reports := trainer(c, data)
		l.Held = data[:3]
		if err := l.Model.ReadBack(vae); err != nil {
			t.Fatal(err)
		}
		if err := l.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for p := range l.Model.Params.All() {
			if strings.HasPrefix(p.Name, "decoder.") {
				t.Errorf("%s is among the model's parameters", p.Name)
			}
		}
		end := (*reports)[len(*reports)-1]
		if first, last, held := term((*reports)[0].Terms), term(end.Terms), term(end.Held); !(last < first-1) || !(held < first-1) {
			t.Errorf("%s: read-back goes from %g to %g, held out %g", method, first, last, held)
		}
	}
	var after []float32
	for p := range vae.Params.All() {
		after = append(after, p.Data...)
	}
	if !slices.Equal(after, before) {
		t.Error("the VAE has moved")
	}
}

// A step of method lm is the mean over all target tokens of its batch, in one part or in two, and not a mean of the examples'
// means, which would let the tokens of short answers count for more.
func TestTokenMean(t *testing.T) {
	c := tiny(experiment.LM)
	c.Batch, c.Stages.Joint.Steps = 2, 1
	data := make([]cot.Encoded, 2)
	for i, n := range []int{3, 40} {
		rng := tensor.Rand(6, "texts", i)
		for j := range n + 2 {
			data[i].Tokens, data[i].Targets = append(data[i].Tokens, rng.IntN(20)), append(data[i].Targets, j >= 2)
		}
	}
	learner := experiment.NewModel(c, special).Learner(experiment.JointStage, 0)
	sum, means := 0.0, 0.0 // in nats
	for i := range data {
		n := learner.Size(data[i : i+1])
		mean := float64(learner.Loss(nil, data[i:i+1], n, cot.StepRand{}).Total.Data[0])
		sum, means = sum+mean*float64(n.Tokens), means+mean/2
	}
	want := sum / 43
	if math.Abs(means-want) < 1e-2 {
		t.Fatalf("the mean of means is %v, that of tokens %v: the test sees nothing", means, want)
	}
	for _, parts := range []int{1, 2} {
		c.Accumulate = parts
		_, reports := run(t, c, data)
		if r := reports[0]; r.Tokens != 43 || math.Abs(r.Loss-want) > 1e-5 {
			t.Errorf("in %d parts %d tokens have %v nats each, want 43 and %v", parts, r.Tokens, r.Loss, want)
		}
	}
}
