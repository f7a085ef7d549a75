// Package problems finds the problems of a benchmark by its name: those that this program
// makes (minicode, multiply), published ones, and those of files. It is the one place that
// knows them all.
package problems

import (
	"cmp"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/minicode"
	"nfcot/internal/cot/multiply"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
)

// Made are the names of what this program makes, for people.
const Made = "minicode[:FAMILY,...[:LEVEL[:VARIANT]]], multiply:NxM"

// A maker makes examples and problems of the names that are its own.
type maker struct {
	owns      func(name string) bool
	benchmark func(name, split string, seed uint64, n int) (*bench.Benchmark, error)
	lines     func(name, split string, seed uint64, n int) iter.Seq2[any, error]
	chains    func(taskID, prompt string) []cot.Chain
}

var makers = []maker{
	{minicode.IsName, minicode.Benchmark, minicode.Lines, minicode.Chains},
	{multiply.IsName, multiply.Benchmark, multiply.Lines, multiply.Chains},
}

// makerOf is the maker of a name; ok is false for others.
func makerOf(name string) (m maker, ok bool) {
	i := slices.IndexFunc(makers, func(m maker) bool { return m.owns(name) })
	if i < 0 {
		return maker{}, false
	}
	return makers[i], true
}

// Lines are n examples of a split of what is made under a name, as files have them:
// problems of the split test. They come one after the other, up to an error.
func Lines(name, split string, seed uint64, n int) iter.Seq2[any, error] {
	if m, ok := makerOf(name); ok {
		return m.lines(name, split, seed, n)
	}
	return func(yield func(any, error) bool) {
		yield(nil, fmt.Errorf("benchmark %q is not made by this program; want %s", name, Made))
	}
}

// Chains are all chains of thought that a problem of what is made may have, published ones of
// the kind included; none if it is no such problem.
func Chains(p eval.Problem) []cot.Chain {
	for _, m := range makers {
		if chains := m.chains(p.TaskID, p.Prompt); chains != nil {
			return chains
		}
	}
	return nil
}

// A Request says which problems there are to be.
type Request struct {
	Bench string // a name, or a file
	Data  string // file or folder of a published set, as it was asked for; empty: Published
	Split string // of those that are made
	Seed  uint64 // of those that are made
	N     int    // so many are made
	First int    // of others, the first so many; 0: all

	Published string // folder with the data of published sets; empty if the user named none
}

// Load makes or reads the problems.
func (r Request) Load() (*bench.Benchmark, error) {
	public := slices.Contains(bench.Names(), r.Bench)
	if r.Data != "" && !public {
		return nil, fmt.Errorf("--data goes with a public benchmark (%s), and --bench is %s", strings.Join(bench.Names(), ", "), r.Bench)
	}
	// The split test of what is made and published is what is published.
	if m, ok := makerOf(r.Bench); ok && !(public && (r.Split == "test" || r.Data != "")) {
		return m.benchmark(r.Bench, r.Split, r.Seed, r.N)
	}
	if _, err := os.Stat(r.Bench); err != nil && !public && r.Bench != ckpt.Stdin {
		return nil, fmt.Errorf("--bench %s: there is no such file, and no benchmark of that name; want minicode[:FAMILY,...[:LEVEL[:one-order|no-plan]]], %s, or a file", r.Bench, strings.Join(bench.Names(), ", "))
	}
	b, err := bench.Load(r.Bench, cmp.Or(r.Data, r.Published))
	if err == nil && r.First > 0 {
		b.Problems = b.Problems[:min(r.First, len(b.Problems))]
	}
	return b, err
}

// Judged is Load of problems that can be judged.
func (r Request) Judged() (*bench.Benchmark, error) {
	b, err := r.Load()
	if err != nil {
		return nil, err
	}
	if err := eval.CheckSamples(b.Problems, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Bench, err)
	}
	return b, nil
}
