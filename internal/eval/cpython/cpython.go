// Package cpython runs programs in CPython and judges them as the reference
// harnesses of the public benchmarks do.
//
// Two processes take part in each run, both sandboxed. The candidate's process
// (python/candidate.py) runs the program and calls its functions on request. The
// tester's process (python/tester.py) runs the benchmark's test, where each
// call of a function of the program is such a request. What comes back is plain
// data (python/wire.py), so that nothing that a program does to its own process
// can pass for the right result. The verdict comes from the tester alone, on a
// channel of which the candidate has no end.
//
// Both are copies of interpreters that have started already: the tester's process
// of one that judges (tester.serve), the candidate's of a template that never runs
// anything of a program (python/template.py), or, where there can be no template,
// an interpreter of its own. Either way a candidate's process is used once.
//
// The package knows the interpreter and the tests of all formats. It does not know
// what stands between a program and the machine: that is package sandbox's.
package cpython

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nfcot/internal/eval"
	"nfcot/internal/eval/sandbox"
)

// Options say how to run programs.
type Options struct {
	Python  string          // name or path of the interpreter, with the packages of its environment; empty: the first that will do, without any
	Sandbox sandbox.Options // how to open the sandbox; its ReadOnly need not name the interpreter's files
	Memory  int64           // bytes that a program may use; 0: the sandbox's default
	Timeout time.Duration   // wall-clock limit of a program with its tests; 0: the benchmark's own
	Workers int             // programs that run at once; 0: 1
}

// An Executor runs programs in CPython. It is an eval.Executor.
type Executor struct {
	options Options
	python  *interpreter
	sandbox *sandbox.Sandbox

	testerMu sync.Mutex
	tester   *tester

	template template

	tasksMu  sync.Mutex
	tasks    map[string]task // by TaskID
	prepared []*os.File      // of all tasks

	turns    chan struct{}   // as many as programs may run at once
	ready    chan *candidate // started ahead
	starting sync.WaitGroup
	closing  atomic.Bool
}

// Open finds an interpreter, opens the sandbox and starts the tester. Where no
// interpreter will do the error is a *NotFound, where the sandbox will not do it is a *sandbox.Refused.
func Open(ctx context.Context, o Options) (*Executor, error) {
	python, err := find(ctx, o.Python)
	if err != nil {
		return nil, err
	}
	o.Sandbox.ReadOnly = append(slices.Clone(o.Sandbox.ReadOnly), python.Files...)
	var x *Executor
	var startErr error
	o.Sandbox.Meanwhile = func(box *sandbox.Sandbox) {
		if x != nil { // what it has started is dead
			_ = x.Close()
		}
		x, startErr = start(ctx, o, python, box)
	}
	box, err := sandbox.Open(ctx, o.Sandbox)
	switch {
	case err != nil && x != nil:
		_ = x.Close()
	case err == nil && startErr != nil:
		_ = box.Close()
	}
	if err = errors.Join(err, startErr); err != nil {
		return nil, err
	}
	return x, nil
}

// start starts the tester and, ahead, what the first programs need.
func start(ctx context.Context, o Options, python *interpreter, box *sandbox.Sandbox) (*Executor, error) {
	workers := max(1, o.Workers)
	x := &Executor{options: o, python: python, sandbox: box, tasks: map[string]task{}, turns: make(chan struct{}, workers), ready: make(chan *candidate, workers)}
	t, err := x.startTester()
	if err != nil {
		return nil, err
	}
	x.tester = t
	for range workers {
		x.startAhead()
		x.starting.Go(func() {
			// Without it, a later call of takeJob begins one and reports what is wrong.
			if j, err := t.begin(ctx, 'J'); err == nil {
				t.put(j)
			}
		})
	}
	return x, nil
}

// Version is CPython's version as in "3.11.2".
func (x *Executor) Version() string { return x.python.version() }

// Packages are the installed packages that programs may import, as "numpy 2.4.6".
func (x *Executor) Packages() []string { return x.python.Packages }

// Layers is what confines programs, in one line.
func (x *Executor) Layers() string { return x.sandbox.String() }

// Close ends all processes. No call of Execute may be running.
func (x *Executor) Close() error {
	x.closing.Store(true)
	x.starting.Wait()
	close(x.ready)
	var errs []error
	for c := range x.ready {
		_, err := c.finish()
		errs = append(errs, err)
	}
	if t := x.template.process; t != nil {
		t.Kill()
		_, err := t.Wait()
		errs = append(errs, err)
	}
	for _, f := range x.prepared {
		errs = append(errs, f.Close())
	}
	return errors.Join(append(errs, x.tester.finish(), x.sandbox.Close())...)
}

// takeTester returns the tester. If it has ended it is started again: what one
// program did to it must not be the fate of others.
func (x *Executor) takeTester() (*tester, error) {
	x.testerMu.Lock()
	defer x.testerMu.Unlock()
	select {
	case <-x.tester.gone:
		t, err := x.startTester()
		if err != nil {
			return nil, err
		}
		_ = x.tester.close() // nobody listens there
		x.tester = t
	default:
	}
	return x.tester, nil
}

// startAhead starts a candidate's process that will be needed soon.
func (x *Executor) startAhead() {
	x.starting.Go(func() {
		if x.closing.Load() {
			return
		}
		// Without one, a later call of takeCandidate starts its own and reports what is wrong.
		if c, err := x.startCandidate(); err == nil {
			select {
			case x.ready <- c:
			default:
				_, _ = c.finish()
			}
		}
	})
}

// takeCandidate gives out a process that has run nothing yet.
func (x *Executor) takeCandidate() (*candidate, error) {
	defer x.startAhead()
	select {
	case c := <-x.ready:
		return c, nil
	default:
		return x.startCandidate()
	}
}

// begin waits until one program less than may run at once does. Who is let in calls end.
func (x *Executor) begin(ctx context.Context) error {
	select {
	case x.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (x *Executor) end() { <-x.turns }

var _ eval.Executor = (*Executor)(nil)
