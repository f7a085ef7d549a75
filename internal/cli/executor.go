package cli

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/eval/answer"
	"nfcot/internal/eval/harness"
)

// executorOptions say what runs programs, and under which limits.
type executorOptions struct {
	harness.ExecutorOptions
	memory  string // empty: the executor's own
	sandbox string
}

func defaultExecutor() executorOptions {
	return executorOptions{ExecutorOptions: harness.ExecutorOptions{Name: harness.Auto, Workers: runtime.GOMAXPROCS(0)}, sandbox: "auto"}
}

func (o *executorOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "executor", Usage: "`NAME` of what runs programs: starlark, the embedded interpreter of a subset of Python; cpython; auto: starlark for minicode's problems, cpython for other programs", Value: o.Name, Destination: &o.Name},
		&cli.StringFlag{Name: "judge", Usage: "compare answers by this `RULE` (default: the benchmark's own): " + answer.Help(), Destination: &o.Judge},
		&cli.DurationFlag{Name: "timeout", Usage: "`time` a program and its test may take; default: what the benchmark's own harness gives, 3s in starlark", Destination: &o.Timeout},
		&cli.StringFlag{Name: "memory", Usage: "`bytes` a program may use (with KiB, MiB or GiB); default: 4096MiB in cpython, 512MiB in starlark", Destination: &o.memory},
		&cli.StringFlag{Name: "python", Usage: "`PATH` of the CPython, 3.8 to 3.13, that runs programs, which may import the packages of its environment (VENV/bin/python); default: python3 or the newest python3.N there is, without packages", Destination: &o.Python},
		&cli.StringFlag{Name: "sandbox", Usage: "layers around cpython: auto, the best that this machine has, or a refusal; `none`, only with --unsafe-run-untrusted-code", Value: o.sandbox, Destination: &o.sandbox},
		&cli.BoolFlag{Name: "unsafe-run-untrusted-code", Usage: "with --sandbox none: programs of the model run with all of your rights", Destination: &o.Unsafe},
		&cli.IntFlag{Name: "workers", Usage: "`programs` run at a time; verdicts do not depend on it", Value: o.Workers, DefaultText: "one for each core", Destination: &o.Workers},
	}
}

// settle finds what is wrong with the flags whatever the executor, and reads --memory.
func (o *executorOptions) settle() error {
	if err := o.Check(); err != nil {
		return err
	}
	switch {
	case o.sandbox != "auto" && o.sandbox != "none":
		return inputf("--sandbox is %q; want auto or none", o.sandbox)
	case o.sandbox == "none" && !o.Unsafe:
		return inputf("--sandbox none lets programs that a model wrote do with this machine whatever you can; if that is what you want, add --unsafe-run-untrusted-code")
	case o.sandbox != "none" && o.Unsafe:
		return inputf("--unsafe-run-untrusted-code goes with --sandbox none only")
	case o.memory == "":
		return nil
	}
	var err error
	if o.Memory, err = parseBytes(o.memory); err != nil {
		return inputf("--memory %s: %w", o.memory, err)
	}
	if o.Memory < harness.LeastMemory {
		return inputf("--memory %s: a worker needs at least 64MiB", o.memory)
	}
	return nil
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
