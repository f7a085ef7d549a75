package harness

// This file opens what runs programs, or compares answers.

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"nfcot/internal/eval"
	"nfcot/internal/eval/answer"
	"nfcot/internal/eval/bench"
	"nfcot/internal/eval/cpython"
	"nfcot/internal/eval/sandbox"
	"nfcot/internal/eval/starlark"
)

// The executors by name.
const (
	Auto     = "auto" // Starlark for minicode's problems, Answers for questions, CPython for all others
	Starlark = "starlark"
	CPython  = "cpython"
	Answers  = "answers" // what compares answers, which nobody has to ask for by its name
)

// Limits of memory, in bytes: those of the executors unless others are given, and
// what a worker of either needs to start and run small programs.
const (
	memoryStarlark = starlark.DefaultMemory
	memoryCPython  = 4096 << 20
	LeastMemory    = 64 << 20
)

// ExecutorOptions say what runs programs, and under which limits.
type ExecutorOptions struct {
	Name    string        // of an executor
	Judge   string        // the rule by which answers are compared; empty: the benchmark's own
	Timeout time.Duration // of a program with its test; 0: what the benchmark's own harness gives, 3 s in Starlark
	Memory  int64         // bytes a program may use; 0: 4 GiB in CPython, 512 MiB in Starlark
	Python  string        // path of the CPython, with the packages of its environment; empty: python3 or the newest python3.N there is, without any
	Unsafe  bool          // no sandbox around CPython
	Workers int           // programs run at a time
}

// mostWorkers is more than any machine runs at a time: each is there before the first program is.
const mostWorkers = 1 << 12

// Check says which options make no sense, if any do, as their flags are called.
func (o ExecutorOptions) Check() error {
	switch {
	case !slices.Contains([]string{Auto, Starlark, CPython}, o.Name):
		return inputf("--executor is %q; want auto, starlark or cpython", o.Name)
	case o.Timeout < 0 || o.Workers < 1:
		return inputf("--timeout is %s and --workers %d; they must be positive", o.Timeout, o.Workers)
	case o.Workers > mostWorkers:
		return inputf("--workers is %d; want at most %d", o.Workers, mostWorkers)
	}
	return nil
}

// ExecutorInfo is what a report says of an executor: everything that verdicts
// may depend on, and what stood between the programs and the machine.
type ExecutorInfo struct {
	Executor    string  `json:"executor"`
	Python      string  `json:"python,omitempty"`          // version
	Packages    string  `json:"packages,omitempty"`        // name and version of those that programs may import
	Sandbox     string  `json:"sandbox,omitempty"`         // the layers that stood
	Unsandboxed bool    `json:"unsandboxed,omitempty"`     // ExecutorOptions.Unsafe
	Timeout     float64 `json:"timeout_seconds,omitempty"` // absent: what the benchmark's own harness gives
	Memory      int64   `json:"memory_bytes,omitempty"`

	Judge answer.Rule `json:"judge,omitempty"` // how answers are compared
}

// judged is what of samples is judged.
func (i ExecutorInfo) judged() string {
	if i.Executor == Answers {
		return "answers"
	}
	return "programs"
}

// An Executor runs programs or compares answers; it has to be closed.
type Executor struct {
	eval.Executor
	Info  ExecutorInfo
	Calls int // of Execute at once with which all workers have something to do

	sanitize bench.Sanitizer
	close    func() error
}

// OpenExecutor makes ready what runs the programs of a benchmark's problems. Its workers and
// the confined half of its sandbox are this program, called with the hidden
// subcommands of packages starlark and sandbox. Of problems with answers it makes ready
// what compares these, by the rule asked for, which becomes the benchmark's.
func OpenExecutor(ctx context.Context, o ExecutorOptions, b *bench.Benchmark) (*Executor, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if err := b.CompareBy(o.Judge); err != nil {
		return nil, input(err)
	}
	if o.Name == Auto {
		o.Name = executorFor(b.Problems)
	}
	switch {
	case b.Rule == "" && o.Name == Starlark:
		return openStarlark(o, b.Problems)
	case b.Rule == "":
		return openCPython(ctx, o)
	case o.Name != Answers:
		return nil, inputf("--executor %s: the answers of %s are compared, and no program is run; give no --executor", o.Name, b.Name)
	}
	compares := ExecutorInfo{Executor: Answers, Judge: b.Rule}
	return &Executor{answer.Executor{Rule: b.Rule}, compares, o.Workers, noSanitizer, func() error { return nil }}, nil
}

// executorFor is the executor of problems unless the user chooses: Starlark for
// those of minicode, also out of a file.
func executorFor(problems []eval.Problem) string {
	for _, p := range problems {
		if p.Format == eval.Answers {
			return Answers
		}
		if !strings.HasPrefix(p.TaskID, "minicode/") {
			return CPython
		}
	}
	return Starlark
}

// openStarlark is the embedded interpreter.
func openStarlark(o ExecutorOptions, problems []eval.Problem) (*Executor, error) {
	for _, p := range problems {
		if p.Format != eval.HumanEval {
			return nil, inputf("--executor starlark: the tests of %s are not in HumanEval's format; use --executor cpython", p.TaskID)
		}
	}
	if o.Python != "" {
		return nil, inputf("--python %s: these programs run in the embedded interpreter; add --executor cpython, or leave --python out", o.Python)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	x := &starlark.Executor{
		Command: []string{self, starlark.Subcommand},
		Timeout: cmp.Or(o.Timeout, starlark.DefaultTimeout),
		Memory:  cmp.Or(o.Memory, memoryStarlark),
	}
	info := ExecutorInfo{Executor: Starlark, Timeout: x.Timeout.Seconds(), Memory: x.Memory}
	return &Executor{x, info, o.Workers, noSanitizer, x.Close}, nil
}

// openCPython is the interpreter that public benchmarks are written for.
func openCPython(ctx context.Context, o ExecutorOptions) (*Executor, error) {
	memory := cmp.Or(o.Memory, memoryCPython)
	box, err := sandboxOptions(o.Unsafe)
	if err != nil {
		return nil, err
	}
	x, err := cpython.Open(ctx, cpython.Options{Python: o.Python, Sandbox: box, Memory: memory, Timeout: o.Timeout, Workers: o.Workers})
	if err != nil {
		return nil, refusal(err)
	}
	info := ExecutorInfo{
		Executor: CPython, Python: x.Version(), Packages: strings.Join(x.Packages(), ", "), Sandbox: x.Layers(), Unsandboxed: o.Unsafe, Timeout: o.Timeout.Seconds(), Memory: memory,
	}
	const each = 2 // calls of a worker: one program runs while another's process is buried
	return &Executor{x, info, each * o.Workers, x.Sanitize, x.Close}, nil
}

// Close ends the executor's processes. No call of Execute may be running.
func (x *Executor) Close() error { return x.close() }

// Sanitize is EvalPlus's sanitiser, for recipes that need one. Only CPython has it.
func (x *Executor) Sanitize(ctx context.Context, text, entryPoint string) (string, error) {
	return x.sanitize(ctx, text, entryPoint)
}

// noSanitizer stands for EvalPlus's where there is no CPython.
func noSanitizer(context.Context, string, string) (string, error) {
	return "", inputf("EvalPlus's sanitiser needs CPython; give --executor cpython, or another --recipe and no --sanitize")
}

// refusal marks an error for which the user has the remedy.
func refusal(err error) error {
	if errors.As(err, new(*sandbox.Refused)) || errors.As(err, new(*cpython.NotFound)) {
		return input(err)
	}
	return err
}
