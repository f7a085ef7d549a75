package eval

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"unicode/utf8"

	"nfcot/internal/ckpt/jsontext"
)

// An Indexed is a sample and its number, from 0, among all samples of an
// evaluation.
type Indexed struct {
	Index int
	Sample
}

// Enumerate yields samples with their numbers.
func Enumerate(samples []Sample) iter.Seq2[Indexed, error] {
	return func(yield func(Indexed, error) bool) {
		for i, s := range samples {
			if !yield(Indexed{i, s}, nil) {
				return
			}
		}
	}
}

// Judge assembles and runs every sample's program with up to the given number
// of workers (at least one) at once and yields each verdict with the number of
// its sample, as soon as it is known. Calls of yield do not overlap; their order
// is that of completion, the verdicts themselves do not depend on the number of
// workers.
//
// Samples are taken from their sequence as fast as it gives them, in the
// caller's goroutine, so that they are judged while others are still drawn.
//
// A program stopped by the wall clock, and not for the processor time that it
// used, is run a second time, after all others and alone, and that outcome counts.
//
// Judge returns the first error: the sequence's, a sample whose task is not
// among the problems, an executor that cannot work, a context that ended, or
// what yield returned.
func Judge(ctx context.Context, exec Executor, assemble Assemble, problems []Problem, samples iter.Seq2[Indexed, error], workers int,
	yield func(index int, v Verdict) error) error {
	tasks, err := tasksOf(problems)
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	var (
		group sync.WaitGroup
		queue = newQueue()
		mu    sync.Mutex // guards slow and serializes yield
		slow  []Indexed  // samples stopped by the wall clock
	)
	judge := func(s Indexed, final bool) error {
		p, ok := tasks[s.TaskID]
		if !ok {
			return unknownTask(s.Index, s.TaskID, len(problems))
		}
		program, err := assemble(ctx, p, s.Sample)
		if err != nil {
			return err
		}
		o, err := execute(ctx, exec, p, program)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if o.WallClock && !final {
			slow = append(slow, s)
			return nil
		}
		return yield(s.Index, NewVerdict(s.Sample, o))
	}
	for range max(1, workers) {
		group.Go(func() {
			for s, ok := queue.take(); ok && ctx.Err() == nil; s, ok = queue.take() {
				if err := judge(s, false); err != nil {
					fail(err)
					return
				}
				queue.done(s)
			}
		})
	}
	for s, err := range samples {
		if err != nil {
			fail(err)
		}
		if ctx.Err() != nil {
			break
		}
		queue.put(s)
	}
	queue.close()
	group.Wait()
	slices.SortFunc(slow, func(a, b Indexed) int { return a.Index - b.Index })
	for _, s := range slow {
		if ctx.Err() != nil {
			break
		}
		if err := judge(s, true); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// execute runs a program. One with half of a surrogate pair fails without, since Python does
// not compile it, in Python's words. An answer may have one.
func execute(ctx context.Context, exec Executor, p Problem, program string) (Outcome, error) {
	before, lone := jsontext.Surrogate(program)
	if before == len(program) || p.Format == Answers {
		return exec.Execute(ctx, p, program)
	}
	first := utf8.RuneCountInString(program[:before])
	last := first
	for rest := program[before+3:]; rest != ""; rest = rest[3:] {
		if n, _ := jsontext.Surrogate(rest); n > 0 {
			break
		}
		last++
	}
	which := fmt.Sprintf(`character '\u%04x' in position %d`, lone, first)
	if last > first {
		which = fmt.Sprintf("characters in position %d-%d", first, last)
	}
	o := Outcome{Kind: Failed, Detail: "'utf-8' codec can't encode " + which + ": surrogates not allowed"}
	if p.Format == EvalPlus {
		o.Base, o.Plus = o.Result(), o.Result()
	}
	return o, nil
}

// JudgeAll returns the verdicts of samples in their order, see Judge.
func JudgeAll(ctx context.Context, exec Executor, assemble Assemble, problems []Problem, samples []Sample, workers int) ([]Verdict, error) {
	verdicts := make([]Verdict, len(samples))
	err := Judge(ctx, exec, assemble, problems, Enumerate(samples), workers, func(i int, v Verdict) error {
		verdicts[i] = v
		return nil
	})
	return verdicts, err
}

// A queue is a channel without a bound: who draws samples does not wait for who
// judges them. First in is first out, but for samples of a problem whose first
// sample is under way: that may find out what the others of its problem would wait
// for, such as EvalPlus's expected results. They let samples of other problems pass.
type queue struct {
	mu     sync.Mutex
	change *sync.Cond
	items  []Indexed
	known  map[string]bool // whether a first sample is done, by the tasks that have one
	closed bool
}

func newQueue() *queue {
	q := &queue{known: map[string]bool{}}
	q.change = sync.NewCond(&q.mu)
	return q
}

func (q *queue) put(s Indexed) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, s)
	q.change.Signal()
}

// close says that nothing more will be put.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.change.Broadcast()
}

// take waits for an item; there is none when the queue is closed and empty.
func (q *queue) take() (s Indexed, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.change.Wait()
	}
	if len(q.items) == 0 {
		return Indexed{}, false
	}
	i := slices.IndexFunc(q.items, func(s Indexed) bool {
		done, begun := q.known[s.TaskID]
		return done || !begun
	})
	i = max(i, 0) // all wait: then it may as well be there
	s = q.items[i]
	q.items = slices.Delete(q.items, i, i+1)
	if _, begun := q.known[s.TaskID]; !begun {
		q.known[s.TaskID] = false
	}
	return s, true
}

// done says that a sample that was taken is judged.
func (q *queue) done(s Indexed) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.known[s.TaskID] = true
}

// tasksOf indexes the problems, and checks them.
func tasksOf(problems []Problem) (map[string]Problem, error) {
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
	return tasks, nil
}

// CheckSamples says before anything runs what Judge would say of the problems
// and of a sample without a problem.
func CheckSamples(problems []Problem, samples []Sample) error {
	tasks, err := tasksOf(problems)
	if err != nil {
		return err
	}
	for i, s := range samples {
		if _, ok := tasks[s.TaskID]; !ok {
			return unknownTask(i, s.TaskID, len(problems))
		}
	}
	return nil
}

func unknownTask(index int, task string, problems int) error {
	return fmt.Errorf("sample %d: task_id %q is not among the %d problems", index+1, task, problems)
}
