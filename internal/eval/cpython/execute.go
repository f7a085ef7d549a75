package cpython

// This file says how programs of each benchmark are judged.

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"nfcot/internal/eval"
)

// A grading is how programs of a format are judged.
type grading struct {
	grader string        // a module of python/
	limit  time.Duration // of a program with its test
}

var gradings = map[eval.Format]grading{
	eval.HumanEval: {"humaneval", 3 * time.Second},
	eval.MBPP:      {"mbpp", 3 * time.Second},
	eval.EvalPlus:  {"evalplus", 0}, // each problem has its own

	eval.LiveCodeBench: {"lcb", time.Hour}, // each test has its own
}

// A task is a problem that programs have been judged for.
type task struct {
	order order // without a program
	limit time.Duration

	// What judging needs to know of the problem, found out when it is first needed.
	prepare  func(context.Context) ([]part, error) // EvalPlus
	together func(context.Context) (bool, error)   // whether the test needs the candidate's own objects; nil without a solution
}

// Execute runs a program against its problem's test.
func (x *Executor) Execute(ctx context.Context, p eval.Problem, program string) (eval.Outcome, error) {
	t, err := x.task(p)
	if err == nil {
		t.order.Program = program
		var o eval.Outcome
		if p.Format == eval.EvalPlus {
			o, err = x.executeParts(ctx, t)
		} else {
			o, err = x.executeWhole(ctx, t)
		}
		if err == nil {
			return o, nil
		}
	}
	return eval.Outcome{}, fmt.Errorf("%s: %w", p.TaskID, err)
}

// executeWhole judges a program by one run. Where the test needs the
// candidate's own objects, it takes another one with both in one process.
func (x *Executor) executeWhole(ctx context.Context, t task) (eval.Outcome, error) {
	r, err := x.run(ctx, t.order, nil, t.limit)
	if err != nil {
		return eval.Outcome{}, err
	}
	o := r.outcome()
	if !r.Objects || o.Kind == eval.Passed || t.together == nil {
		return o, nil
	}
	together, err := t.together(ctx)
	if err != nil || !together {
		return o, err
	}
	t.order.Together = true
	if r, err = x.run(ctx, t.order, nil, t.limit); err != nil {
		return eval.Outcome{}, err
	}
	o = r.outcome()
	o.InProcess = true
	return o, nil
}

// executeParts judges a program by EvalPlus's base and additional inputs, in a
// process for each.
func (x *Executor) executeParts(ctx context.Context, t task) (eval.Outcome, error) {
	parts, err := t.prepare(ctx)
	if err != nil {
		return eval.Outcome{}, err
	}
	outcomes := map[string]eval.Outcome{}
	for _, p := range parts {
		r, err := x.run(ctx, t.order, p.prepared, cmp.Or(x.options.Timeout, p.limit))
		if err != nil {
			return eval.Outcome{}, err
		}
		outcomes[p.name] = r.outcome()
	}
	base, plus := outcomes["base"], outcomes["plus"]
	o := plus
	if base.Kind != eval.Passed {
		o = base
	}
	o.Base, o.Plus = base.Result(), plus.Result()
	o.Seconds = base.Seconds + plus.Seconds
	o.CPUSeconds = base.CPUSeconds + plus.CPUSeconds
	o.PeakMemory = max(base.PeakMemory, plus.PeakMemory)
	o.WallClock = base.WallClock || plus.WallClock
	return o, nil
}

// task returns the task of a problem, the same one for the same problem.
func (x *Executor) task(p eval.Problem) (task, error) {
	x.tasksMu.Lock()
	defer x.tasksMu.Unlock()
	if t, ok := x.tasks[p.TaskID]; ok {
		return t, nil
	}
	g, ok := gradings[p.Format]
	if !ok {
		return task{}, fmt.Errorf("CPython judges no problems of format %q", p.Format)
	}
	line := p.Raw
	if p.Format == eval.HumanEval {
		var err error
		if line, err = json.Marshal(p); err != nil {
			return task{}, err
		}
	}
	t := task{order: order{Grader: g.grader, Problem: string(line)}, limit: cmp.Or(x.options.Timeout, g.limit)}
	reference := t.order
	t.prepare = once(func(ctx context.Context) ([]part, error) {
		parts, err := x.prepare(ctx, reference)
		x.tasksMu.Lock()
		defer x.tasksMu.Unlock()
		for _, p := range parts {
			x.prepared = append(x.prepared, p.prepared)
		}
		return parts, err
	})
	if p.CanonicalSolution != "" {
		reference.Program = p.Prompt + p.CanonicalSolution
		t.together = once(func(ctx context.Context) (bool, error) { return x.needsObjects(ctx, reference) })
	}
	x.tasks[p.TaskID] = t
	return t, nil
}

// referenceTimeout bounds the run of a problem's own solution.
const referenceTimeout = time.Minute

// needsObjects says whether a problem's own solution passes its test only
// where both share a process.
func (x *Executor) needsObjects(ctx context.Context, reference order) (bool, error) {
	apart, err := x.run(ctx, reference, nil, referenceTimeout)
	if err != nil || apart.outcome().Kind == eval.Passed {
		return false, err
	}
	reference.Together = true
	together, err := x.run(ctx, reference, nil, referenceTimeout)
	return err == nil && together.outcome().Kind == eval.Passed, err
}

// once returns a function that does its work when it is called first and then
// always returns the same. A call that fails, as with the end of its context,
// leaves the work to the next.
func once[T any](work func(context.Context) (T, error)) func(context.Context) (T, error) {
	var mu sync.Mutex
	var value T
	done := false
	return func(ctx context.Context) (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return value, nil
		}
		v, err := work(ctx)
		if err == nil {
			value, done = v, true
		}
		return v, err
	}
}
