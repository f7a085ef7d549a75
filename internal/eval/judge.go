package eval

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// Judge assembles and runs every sample's program with up to the given number of workers
// (at least one) at once and yields each verdict with the index of its sample,
// as soon as it is known. Calls of yield do not overlap; their order is that
// of completion, the verdicts themselves do not depend on the number of
// workers.
//
// A program stopped by the wall clock is run a second time, after all others
// and alone, and that outcome counts.
//
// Judge returns the first error: a sample whose task is not among the
// problems (found before anything runs), an executor that cannot work, a
// context that ended, or what yield returned.
func Judge(ctx context.Context, exec Executor, assemble Assemble, problems []Problem, samples []Sample, workers int,
	yield func(index int, v Verdict) error) error {
	tasks, err := tasksOf(problems, samples)
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	var (
		group   sync.WaitGroup
		indices = make(chan int)
		mu      sync.Mutex // guards slow and serializes yield
		slow    []int      // samples stopped by the wall clock
	)
	judge := func(i int, final bool) error {
		p := tasks[samples[i].TaskID]
		program, err := programOf(ctx, assemble, p, samples[i])
		if err != nil {
			return err
		}
		o, err := exec.Execute(ctx, p, program)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if o.WallClock && !final {
			slow = append(slow, i)
			return nil
		}
		return yield(i, NewVerdict(samples[i], o))
	}
	for range max(1, workers) {
		group.Go(func() {
			for i := range indices {
				if err := judge(i, false); err != nil {
					fail(err)
					return
				}
			}
		})
	}
feed:
	for i := range samples {
		select {
		case indices <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(indices)
	group.Wait()
	slices.Sort(slow)
	for _, i := range slow {
		if ctx.Err() != nil {
			break
		}
		if err := judge(i, true); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// programOf is what to run for a sample: its solution, which is a whole program,
// or what assemble makes of its completion.
func programOf(ctx context.Context, assemble Assemble, p Problem, s Sample) (string, error) {
	if s.Solution != nil {
		return *s.Solution, nil
	}
	return assemble(ctx, p, s)
}

// tasksOf indexes the problems, and checks them and that every sample has one.
func tasksOf(problems []Problem, samples []Sample) (map[string]Problem, error) {
	tasks := make(map[string]Problem, len(problems))
	for i, p := range problems {
		if _, ok := tasks[p.TaskID]; ok {
			return nil, fmt.Errorf("problem %d: task_id %q occurs a second time", i+1, p.TaskID)
		}
		if p.Format == HumanEval && (p.EntryPoint == "" || p.Test == "") {
			return nil, fmt.Errorf("problem %d (%q): entry_point or test is empty", i+1, p.TaskID)
		}
		tasks[p.TaskID] = p
	}
	for i, s := range samples {
		if _, ok := tasks[s.TaskID]; !ok {
			return nil, fmt.Errorf("sample %d: task_id %q is not among the %d problems", i+1, s.TaskID, len(problems))
		}
	}
	return tasks, nil
}
