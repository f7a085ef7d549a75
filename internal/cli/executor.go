package cli

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"nfcot/internal/eval"
	"nfcot/internal/eval/harness"
)

// executorOptions say what runs programs, and under which limits.
type executorOptions struct {
	executor string
	timeout  time.Duration // 0: the format's own
	memory   string        // empty: the executor's own
	python   string
	sandbox  string
	unsafe   bool
	workers  int
}

func defaultExecutor() executorOptions {
	return executorOptions{executor: harness.Auto, sandbox: "auto", workers: runtime.GOMAXPROCS(0)}
}

func (o *executorOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "executor", Usage: "`NAME` of what runs programs: starlark, the embedded interpreter of a subset of Python; cpython; auto: starlark for minicode's problems, cpython for all others", Value: o.executor, Destination: &o.executor},
		&cli.DurationFlag{Name: "timeout", Usage: "`time` a program and its test may take; default: what the benchmark's own harness gives, 3s in starlark", Destination: &o.timeout},
		&cli.StringFlag{Name: "memory", Usage: "`bytes` a program may use (with KiB, MiB or GiB); default: 4096MiB in cpython, 512MiB in starlark", Destination: &o.memory},
		&cli.StringFlag{Name: "python", Usage: "`PATH` of the CPython, 3.8 to 3.13, that runs programs; default: python3 or the newest python3.N there is", Destination: &o.python},
		&cli.StringFlag{Name: "sandbox", Usage: "layers around cpython: auto, the best that this machine has, or a refusal; `none`, only with --unsafe-run-untrusted-code", Value: o.sandbox, Destination: &o.sandbox},
		&cli.BoolFlag{Name: "unsafe-run-untrusted-code", Usage: "with --sandbox none: programs of the model run with all of your rights", Destination: &o.unsafe},
		&cli.IntFlag{Name: "workers", Usage: "`programs` run at a time; verdicts do not depend on it", Value: o.workers, DefaultText: "one for each core", Destination: &o.workers},
	}
}

// checkFlags finds what is wrong with the flags whatever the executor.
func (o *executorOptions) checkFlags() error {
	switch {
	case !slices.Contains([]string{harness.Auto, harness.Starlark, harness.CPython}, o.executor):
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
	_, err := o.memoryLimit()
	return err
}

// memoryLimit is --memory in bytes, 0 if it is not given.
func (o *executorOptions) memoryLimit() (int64, error) {
	if o.memory == "" {
		return 0, nil
	}
	n, err := parseBytes(o.memory)
	switch {
	case err != nil:
		return 0, inputf("--memory %s: %w", o.memory, err)
	case n < harness.LeastMemory:
		return 0, inputf("--memory %s: a worker needs at least 64MiB", o.memory)
	}
	return n, nil
}

// openExecutor makes ready what runs the programs of the problems.
func (o *executorOptions) openExecutor(ctx context.Context, problems []eval.Problem) (*harness.Executor, error) {
	memory, err := o.memoryLimit()
	if err != nil {
		return nil, err
	}
	return harness.OpenExecutor(ctx, harness.ExecutorOptions{
		Name: o.executor, Timeout: o.timeout, Memory: memory, Python: o.python, Unsafe: o.unsafe, Workers: o.workers,
	}, problems)
}

// parseBytes reads a number of bytes, with a unit or without.
func parseBytes(s string) (int64, error) {
	unit := int64(1)
	number := s
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if head, ok := strings.CutSuffix(s, suffix); ok {
			number, unit = head, n
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 1 || n > 1<<62/unit {
		return 0, fmt.Errorf("want a number of bytes, like 512MiB")
	}
	return n * unit, nil
}
