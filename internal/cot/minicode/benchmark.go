package minicode

import (
	"iter"
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
// split test they are problems. They come one after the other, up to an error.
func Lines(name, split string, seed uint64, n int) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		spec, err := ParseName(name)
		if err != nil {
			yield(nil, err)
			return
		}
		for ex, err := range spec.Each(split, seed, n) {
			line := any(ex)
			if split == "test" {
				line = Problem(ex)
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}

// Problem is an example as a problem in HumanEval's format.
func Problem(ex cot.Example) eval.Problem {
	return eval.Problem{TaskID: ex.TaskID, Prompt: ex.Prompt, EntryPoint: ex.EntryPoint, CanonicalSolution: ex.Answer, Test: ex.Test}
}
