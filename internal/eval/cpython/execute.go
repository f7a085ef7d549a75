package cpython

// This file says how programs of each benchmark are judged.

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
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
	prepare func(context.Context) (preparation, error) // EvalPlus
	own     func(context.Context) (own, error)         // what becomes of its own solution; nil without one
}

// An own is what became of a problem's own solution.
type own struct {
	together bool   // it passes only where it shares a process with its test
	failed   string // its result where it does not pass in either way
}

// Execute runs a program against its problem's test.
func (x *Executor) Execute(ctx context.Context, p eval.Problem, program string) (eval.Outcome, error) {
	t, err := x.task(p)
	if err == nil {
		t.order.Program = program
		var o eval.Outcome
		if o, err = x.executeTask(ctx, t); err == nil {
			return o, nil
		}
	}
	return eval.Outcome{}, fmt.Errorf("%s: %w", p.TaskID, err)
}

// executeTask judges a program apart from its test. If it fails, and the
// problem's own solution fails, too, but passes with both in one process, that
// is how the program is judged: for whatever reason, the problem's values do not
// survive the way from one process to the other.
func (x *Executor) executeTask(ctx context.Context, t task) (eval.Outcome, error) {
	o, err := x.execute(ctx, t)
	if err != nil || o.Kind == eval.Passed || o.OwnSolution != "" || t.own == nil {
		return o, err
	}
	own, err := t.own(ctx)
	if err != nil || !own.together {
		o.OwnSolution = own.failed
		return o, err
	}
	t.order.Together = true
	o, err = x.execute(ctx, t)
	o.InProcess = true
	return o, err
}

// execute judges a program as its format wants it.
func (x *Executor) execute(ctx context.Context, t task) (eval.Outcome, error) {
	if t.prepare != nil {
		return x.executeParts(ctx, t)
	}
	r, err := x.run(ctx, t.order, nil, t.limit)
	o := r.outcome()
	o.MissingPackage = x.missingPackage(o)
	return o, err
}

// executeParts judges a program by EvalPlus's base and additional inputs, in a
// process for each.
func (x *Executor) executeParts(ctx context.Context, t task) (eval.Outcome, error) {
	prepared, err := t.prepare(ctx)
	if err != nil {
		return eval.Outcome{}, err
	}
	if prepared.failed != "" {
		o := eval.Outcome{Kind: eval.Failed, Detail: "the problem's own solution fails, so that there are no expected results"}
		o.Base, o.Plus, o.OwnSolution = o.Result(), o.Result(), prepared.failed
		return o, nil
	}
	t.order.Problem = "" // what is prepared has all of it that is needed
	outcomes := map[string]eval.Outcome{}
	for _, p := range prepared.parts {
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
	o.MissingPackage = x.missingPackage(o)
	return o, nil
}

// noModule is how CPython says that there is no module of a name.
var noModule = regexp.MustCompile(`^No module named '(\w+)`)

// missingPackage names the package for which a program failed, if it did.
func (x *Executor) missingPackage(o eval.Outcome) string {
	found := noModule.FindStringSubmatch(o.Detail)
	if o.Kind != eval.Failed || found == nil || slices.Contains(x.python.Standard, found[1]) {
		return ""
	}
	return found[1]
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
	if p.Format == eval.EvalPlus {
		order := t.order
		t.prepare = once(func(ctx context.Context) (preparation, error) { return x.prepare(ctx, order) })
	}
	if p.CanonicalSolution != "" {
		reference := t
		reference.order.Program, reference.order.Own, reference.limit = p.Prompt+p.CanonicalSolution, true, referenceTimeout
		t.own = once(func(ctx context.Context) (own, error) { return x.ownSolution(ctx, reference) })
	}
	x.tasks[p.TaskID] = t
	return t, nil
}

// referenceTimeout bounds the run of a problem's own solution.
const referenceTimeout = time.Minute

// ownSolution finds what becomes of a problem's own solution, apart from its
// test and, where the format has such a way, together with it.
func (x *Executor) ownSolution(ctx context.Context, t task) (own, error) {
	apart, err := x.execute(ctx, t)
	if err != nil || apart.Kind == eval.Passed {
		return own{}, err
	}
	if t.prepare != nil {
		return own{failed: apart.Result()}, nil
	}
	t.order.Together = true
	together, err := x.execute(ctx, t)
	if err != nil || together.Kind == eval.Passed {
		return own{together: true}, err
	}
	return own{failed: together.Result()}, nil
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
