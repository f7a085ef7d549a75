package minicode

import (
	"strings"

	"nfcot/internal/cot"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
)

// IsName tells names of parts of the benchmark from those of others.
func IsName(name string) bool {
	return name == benchmark || strings.HasPrefix(name, benchmark+":")
}

// Benchmark makes n problems of the part of the benchmark that has a name, to be judged.
func Benchmark(name, split string, seed uint64, n int) (*bench.Benchmark, error) {
	spec, err := ParseName(name)
	if err != nil {
		return nil, err
	}
	examples, err := spec.Examples(split, seed, n)
	if err != nil {
		return nil, err
	}
	problems := make([]eval.Problem, len(examples))
	for i, ex := range examples {
		problems[i] = Problem(ex)
	}
	return bench.Plain(name, problems...), nil
}

// Lines are n examples of the part of the benchmark that has a name, as files have them: of
// split test they are problems.
func Lines(name, split string, seed uint64, n int) ([]any, error) {
	spec, err := ParseName(name)
	if err != nil {
		return nil, err
	}
	examples, err := spec.Examples(split, seed, n)
	lines := make([]any, len(examples))
	for i, ex := range examples {
		lines[i] = ex
		if split == "test" {
			lines[i] = Problem(ex)
		}
	}
	return lines, err
}

// Problem is an example as a problem in HumanEval's format.
func Problem(ex cot.Example) eval.Problem {
	return eval.Problem{TaskID: ex.TaskID, Prompt: ex.Prompt, EntryPoint: ex.EntryPoint, CanonicalSolution: ex.Answer, Test: ex.Test}
}
