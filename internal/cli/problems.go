package cli

import (
	"os"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/minicode"
	"nfcot/internal/eval"
)

// publicBenchmarks are names that CLI.md reserves and that need a CPython
// sandbox, which is not in this version.
var publicBenchmarks = []string{"humaneval", "humaneval+", "mbpp", "mbpp+", "livecodebench"}

// problemOf is an example as a problem of the embedded benchmark.
func problemOf(ex cot.Example) eval.Problem {
	return eval.Problem{TaskID: ex.TaskID, Prompt: ex.Prompt, EntryPoint: ex.EntryPoint, CanonicalSolution: ex.Answer, Test: ex.Test}
}

// benchProblems reads the problems that --bench names: n test problems of the
// embedded benchmark, or those of a file.
func benchProblems(name string, n int, seed uint64) ([]eval.Problem, error) {
	for _, public := range publicBenchmarks {
		if name == public {
			return nil, inputf("--bench %s: this version runs programs in an embedded Starlark interpreter only; use minicode or a problem file in the common subset of Python and Starlark", name)
		}
	}
	if name == "minicode" || strings.HasPrefix(name, "minicode:") {
		spec, err := minicode.ParseName(name)
		if err != nil {
			return nil, input(err)
		}
		examples, err := spec.Examples("test", seed, n)
		if err != nil {
			return nil, input(err)
		}
		problems := make([]eval.Problem, len(examples))
		for i, ex := range examples {
			problems[i] = problemOf(ex)
		}
		return problems, nil
	}
	if _, err := os.Stat(name); err != nil && name != ckpt.Stdin {
		return nil, inputf("--bench %s: there is no such file, and no benchmark of that name; want minicode[:FAMILY,...[:LEVEL]] or a file", name)
	}
	problems, err := ckpt.ReadAllJSONL[eval.Problem](name)
	if err != nil {
		return nil, input(err)
	}
	for i, p := range problems {
		if p.TaskID == "" || p.Prompt == "" {
			return nil, inputf("%s: problem %d has no task_id or no prompt; expected HumanEval's format", name, i+1)
		}
	}
	return problems, nil
}
