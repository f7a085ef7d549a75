package train

import (
	"context"
	"nfcot/internal/cot/experiment"
	"runtime"
	"slices"
	"testing"
)

// large is a loop through all stages of a method whose steps take many slabs of
// a tape, on data of very different lengths.
func large(method string) (*Loop, *[]Metrics) {
	c := tiny(method)
	c.Model.Layers, c.Model.Hidden, c.Model.FFN, c.Model.MaxTokens, c.Flow.Width = 4, 32, 512, 64, 32
	c.Batch = 64
	c.Stages.Text.Steps, c.Stages.Joint.Steps = 3, 3
	if codes(c) {
		c.Stages.Heads.Steps, c.Stages.Flow.Steps = 3, 3
	}
	switch method {
	case "lavae":
		c.NF.ReadBack = 1
	case "nfcot-dual", "ladir":
		c.NF.ReadLines = 1
	}
	data := examples(100)
	for i := range data {
		data[i].Prompt = slices.Repeat(data[i].Prompt, 1+i%5)
		data[i].Answer = slices.Repeat(data[i].Answer, 1+i%3)
	}
	return trainer(c, data)
}

// planned is the plan from the beginning.
func planned(t *testing.T, l *Loop) experiment.Memory {
	t.Helper()
	m, err := l.plan(position{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What training will take is known before it begins, and room for it is made:
// that plan is what the largest step takes by itself, no step needs more, and
// nothing but room has changed.
func TestMemoryIsKnownBeforehand(t *testing.T) {
	for _, m := range trained() {
		l, _ := large(m.Name)
		before := weights(l.Model)
		plan := planned(t, l)
		moments, reserved, largest, at := 0, 0, 0, position{}
		for i, stage := range l.Config.Stages.All() {
			if at.Stage, at.Done = i, 0; !l.runs(i) {
				continue
			}
			s := l.newStageRun(i)
			n := 0
			for _, o := range s.optimizer.Moments {
				n += 4 * (len(o.M) + len(o.V))
			}
			moments = max(moments, n)
			if err := s.reserve(at); err != nil {
				t.Fatal(err)
			}
			for p := range l.Model.Params.All() {
				if slices.ContainsFunc(p.Grad, func(g float32) bool { return g != 0 }) {
					t.Errorf("%s, stage %d: the gradient of %s is not zero", m.Name, i, p.Name)
				}
			}
			room := s.tape.Bytes()
			reserved = max(reserved, room)
			for range stage.Steps {
				fresh := l.newStageRun(i)
				for _, s := range []*stageRun{s, fresh} {
					s.backward(t.Context(), s.take(at), new(Metrics))
				}
				largest = max(largest, fresh.tape.Bytes())
				at.Done, at.Total = at.Done+1, at.Total+1
			}
			if s.tape.Bytes() != room {
				t.Errorf("%s, stage %d: the tape has room for %d bytes, and %d in the end", m.Name, i, room, s.tape.Bytes())
			}
		}
		if largest < 40<<20 {
			t.Errorf("%s: a step takes %d bytes, too few for the test to mean something", m.Name, largest)
		}
		if plan.Step != reserved || plan.Step < largest || float64(plan.Step) > 1.1*float64(largest) {
			t.Errorf("%s: planned are %d bytes a step, %d were reserved, the largest takes %d", m.Name, plan.Step, reserved, largest)
		}
		if plan.Parameters != 4*len(before) || plan.Optimizer != moments || 2*plan.Gradients != moments {
			t.Errorf("%s: plan %+v, want %d bytes of parameters and %d of moments", m.Name, plan, 4*len(before), moments)
		}
		if !slices.Equal(weights(l.Model), before) {
			t.Errorf("%s: parameters have moved", m.Name)
		}
	}
}

// Evaluation needs no memory beyond what is known beforehand, whether its examples are
// longer than those of training or not, and what it says does not depend on the steps
// before it.
//
// Coconut is left out: from one stage of its curriculum to the next its arrays have other sizes, and
// do not find the room of those before. What is announced for it is what its largest step takes alone
// (docs/method.md, section 9).
func TestMemoryOfEvaluation(t *testing.T) {
	for _, m := range trained() {
		if m.Name == "coconut" {
			continue
		}
		for _, c := range []struct {
			more       int // tokens of the held-out answers
			accumulate int
			recompute  bool
		}{{4, 1, false}, {0, 3, true}, {60, 3, false}} {
			l, _ := large(m.Name)
			l.Config.Model.MaxTokens, l.Config.Accumulate, l.Config.Recompute = 256, c.accumulate, c.recompute
			l.Model = experiment.NewModel(l.Config, special)
			plain := planned(t, l).Step
			l.Config.EvalEvery = 1
			for _, ex := range l.Data[:70] {
				ex.Answer = slices.Concat(ex.Answer, slices.Repeat(ex.Answer[:1], c.more))
				l.Held = append(l.Held, ex)
			}
			plan := planned(t, l).Step
			if c.more <= 4 && float64(plan) > 1.4*float64(plain) || c.more == 60 && plan <= plain {
				t.Errorf("%s: %d bytes are planned a step, %d with evaluation of answers that are %d tokens longer", m.Name, plain, plan, c.more)
			}
			at := position{}
			for i, stage := range l.Config.Stages.All() {
				if at.Stage, at.Done = i, 0; !l.runs(i) {
					continue
				}
				s := l.newStageRun(i)
				if err := s.reserve(at); err != nil {
					t.Fatal(err)
				}
				room := s.tape.Bytes()
				want := l.newStageRun(i).evaluate(t.Context())
				for range stage.Steps {
					s.backward(t.Context(), s.take(at), new(Metrics))
					if got := s.evaluate(t.Context()); !slices.Equal(got, want) {
						t.Errorf("%s, stage %d: evaluation after a step says %v, before any %v", m.Name, i, got, want)
					}
					at.Done, at.Total = at.Done+1, at.Total+1
				}
				if s.tape.Bytes() != room || plan < room {
					t.Errorf("%s, stage %d: %d bytes are planned, the tape has room for %d, and %d in the end", m.Name, i, plan, room, s.tape.Bytes())
				}
			}
		}
	}
}

// A batch in parts takes what its largest part takes, and recomputing less than
// keeping.
func TestMemoryCanBeSaved(t *testing.T) {
	l, _ := large("cot")
	whole := planned(t, l).Step
	l.Config.Accumulate = 4
	if parts := planned(t, l).Step; float64(parts) > 0.45*float64(whole) {
		t.Errorf("a quarter of a batch takes %d bytes, all of it %d", parts, whole)
	}
	l, _ = large("cot")
	l.Config.Recompute = true
	l.Model = experiment.NewModel(l.Config, special)
	if recomputing := planned(t, l).Step; float64(recomputing) > 0.8*float64(whole) {
		t.Errorf("recomputing takes %d bytes, keeping %d", recomputing, whole)
	}
}

// The plan is told before the first step, also when a run is resumed, and then
// it is that of the steps that are left. From then on a stage asks for no large
// memory.
func TestPlanComesFirst(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	var plans []experiment.Memory
	listen := func(l *Loop, reports *[]Metrics) {
		l.Plan = func(m experiment.Memory) {
			if len(*reports) > 0 {
				t.Error("the plan comes after the first step")
			}
			plans = append(plans, m)
		}
		report := l.Report
		var before runtime.MemStats
		l.Report = func(m Metrics) error {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			if last := len(*reports) - 1; last >= 0 && (*reports)[last].Stage == m.Stage && now.TotalAlloc-before.TotalAlloc > 2<<20 {
				t.Errorf("step %d allocates %d bytes", m.Step, now.TotalAlloc-before.TotalAlloc)
			}
			before = now
			return report(m)
		}
	}
	l, reports := large("nfcot")
	l.Dir = t.TempDir()
	listen(l, reports)
	interrupted(t, l, 7) // in stage joint
	l, reports = resumed(t, l.Config, l.Data, l.Dir, 7)
	listen(l, reports)
	if err := l.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(plans) != 2 || plans[1].Step > plans[0].Step || 2*plans[1].Step < plans[0].Step || plans[0].Optimizer != plans[1].Optimizer {
		t.Errorf("plans %+v", plans)
	}
}
