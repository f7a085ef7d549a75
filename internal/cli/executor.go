package cli

// This file chooses what runs programs.

import (
	"context"
	"errors"
	"os"
	"strings"

	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
	"nfcot/internal/eval/cpython"
	"nfcot/internal/eval/sandbox"
	"nfcot/internal/eval/starlark"
)

// The executors by name.
const (
	executorAuto     = "auto"
	executorStarlark = "starlark"
	executorCPython  = "cpython"
)

// An executor runs programs; it has to be closed.
type executor struct {
	run   eval.Executor
	info  executorInfo
	close func() error

	// sanitize is EvalPlus's sanitiser, which needs CPython's parser.
	sanitize bench.Sanitizer
}

// executorInfo is what a report says of an executor: everything that verdicts
// may depend on, and what stood between the programs and the machine.
type executorInfo struct {
	Executor    string  `json:"executor"`
	Python      string  `json:"python,omitempty"`          // version
	Sandbox     string  `json:"sandbox,omitempty"`         // the walls that stood
	Unsandboxed bool    `json:"unsandboxed,omitempty"`     // --sandbox none
	Timeout     float64 `json:"timeout_seconds,omitempty"` // absent: what the benchmark's own harness gives
	Memory      int64   `json:"memory_bytes"`
}

// The default limits of memory, and what a worker of either executor needs to
// start and run small programs.
const (
	memoryStarlark = starlark.DefaultMemory
	memoryCPython  = 4096 << 20
	leastMemory    = 64 << 20
)

// checkFlags finds what is wrong with the flags whatever the executor.
func (o *executorOptions) checkFlags() error {
	switch {
	case o.executor != executorAuto && o.executor != executorStarlark && o.executor != executorCPython:
		return inputf("--executor is %q; want auto, starlark or cpython", o.executor)
	case o.timeout < 0 || o.workers < 1:
		return inputf("--timeout is %s and --workers %d; they must be positive", o.timeout, o.workers)
	case o.sandbox != "auto" && o.sandbox != "none":
		return inputf("--sandbox is %q; want auto or none", o.sandbox)
	case o.sandbox == "none" && !o.unsafe:
		return inputf("--sandbox none lets programs that a model wrote do with this machine whatever you can; if that is what you want, add --unsafe-run-untrusted-code")
	case o.sandbox != "none" && o.unsafe:
		return inputf("--unsafe-run-untrusted-code goes with --sandbox none only")
	}
	_, err := o.memoryLimit(0)
	return err
}

// memoryLimit is --memory in bytes.
func (o *executorOptions) memoryLimit(ifNone int64) (int64, error) {
	if o.memory == "" {
		return ifNone, nil
	}
	n, err := parseBytes(o.memory)
	switch {
	case err != nil:
		return 0, inputf("--memory %s: %w", o.memory, err)
	case n < leastMemory:
		return 0, inputf("--memory %s: a worker needs at least 64MiB", o.memory)
	}
	return n, nil
}

// openExecutor makes ready what runs the programs of the problems.
func (e *env) openExecutor(o executorOptions, problems []eval.Problem) (*executor, error) {
	name := o.executor
	if name == executorAuto {
		name = executorFor(problems)
	}
	if name == executorStarlark {
		return openStarlark(o, problems)
	}
	return e.openCPython(o)
}

// executorFor is the executor of problems unless the user chooses: Starlark for
// those of minicode, also out of a file.
func executorFor(problems []eval.Problem) string {
	for _, p := range problems {
		if !strings.HasPrefix(p.TaskID, "minicode/") {
			return executorCPython
		}
	}
	return executorStarlark
}

// openStarlark is the embedded interpreter, whose workers are this program.
func openStarlark(o executorOptions, problems []eval.Problem) (*executor, error) {
	for _, p := range problems {
		if p.Format != eval.HumanEval {
			return nil, inputf("--executor starlark: the tests of %s are not in HumanEval's format; use --executor cpython", p.TaskID)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	memory, err := o.memoryLimit(memoryStarlark)
	if err != nil {
		return nil, err
	}
	timeout := o.timeout
	if timeout == 0 {
		timeout = starlark.DefaultTimeout
	}
	x := &starlark.Executor{Command: []string{self, starlark.Subcommand}, Timeout: timeout, Memory: memory}
	return &executor{x, executorInfo{Executor: executorStarlark, Timeout: timeout.Seconds(), Memory: memory}, x.Close, noSanitizer}, nil
}

// openCPython is the interpreter that public benchmarks are written for.
func (e *env) openCPython(o executorOptions) (*executor, error) {
	memory, err := o.memoryLimit(memoryCPython)
	if err != nil {
		return nil, err
	}
	box, err := sandboxOptions(o.unsafe)
	if err != nil {
		return nil, err
	}
	x, err := cpython.Open(e.ctx, cpython.Options{Python: o.python, Sandbox: box, Memory: memory, Timeout: o.timeout, Workers: o.workers})
	if err != nil {
		return nil, refusal(err)
	}
	return &executor{x, executorInfo{
		Executor: executorCPython, Python: x.Version(), Sandbox: x.Walls(), Unsandboxed: o.unsafe, Timeout: o.timeout.Seconds(), Memory: memory,
	}, x.Close, x.Sanitize}, nil
}

// noSanitizer stands for EvalPlus's where there is no CPython.
func noSanitizer(context.Context, string, string) (string, error) {
	return "", inputf("recipe evalplus needs CPython; give another --recipe, or --executor cpython")
}

// sandboxOptions are those of a sandbox whose confined half is this program.
func sandboxOptions(unsafe bool) (sandbox.Options, error) {
	self, err := os.Executable()
	return sandbox.Options{Command: []string{self, sandbox.Subcommand}, Unsafe: unsafe}, err
}

// refusal marks an error for which the user has the remedy.
func refusal(err error) error {
	if errors.As(err, new(*sandbox.Refused)) || errors.As(err, new(*cpython.NotFound)) {
		return input(err)
	}
	return err
}
