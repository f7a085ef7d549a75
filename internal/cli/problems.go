package cli

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/minicode"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
)

// problemOf is an example as a problem of the embedded benchmark.
func problemOf(ex cot.Example) eval.Problem {
	return eval.Problem{TaskID: ex.TaskID, Prompt: ex.Prompt, EntryPoint: ex.EntryPoint, CanonicalSolution: ex.Answer, Test: ex.Test}
}

// benchmark reads the problems that --bench names: some of the embedded
// benchmark, a public one, or those of a file.
func (o *samplingOptions) benchmark() (*bench.Benchmark, error) {
	public := slices.Contains(bench.Names(), o.bench)
	if o.data != "" && !public {
		return nil, inputf("--data goes with a public benchmark (%s), and --bench is %s", strings.Join(bench.Names(), ", "), o.bench)
	}
	if o.bench == "minicode" || strings.HasPrefix(o.bench, "minicode:") {
		return o.minicode()
	}
	if _, err := os.Stat(o.bench); err != nil && !public && o.bench != ckpt.Stdin {
		return nil, inputf("--bench %s: there is no such file, and no benchmark of that name; want minicode[:FAMILY,...[:LEVEL]], %s, or a file", o.bench, strings.Join(bench.Names(), ", "))
	}
	b, err := bench.Load(o.bench, cmp.Or(o.data, os.Getenv("NFCOT_DATA")))
	return b, input(err)
}

// minicode makes problems of the embedded benchmark.
func (o *samplingOptions) minicode() (*bench.Benchmark, error) {
	spec, err := minicode.ParseName(o.bench)
	if err != nil {
		return nil, input(err)
	}
	examples, err := spec.Examples(o.split, o.seed, o.problems)
	if err != nil {
		return nil, input(err)
	}
	problems := make([]eval.Problem, len(examples))
	for i, ex := range examples {
		problems[i] = problemOf(ex)
	}
	return plainBenchmark(o.bench, problems...), nil
}

// plainBenchmark is one of programs to continue, for models that end their
// answers themselves.
func plainBenchmark(name string, problems ...eval.Problem) *bench.Benchmark {
	return &bench.Benchmark{Name: name, Problems: problems, DefaultRecipe: "plain"}
}
