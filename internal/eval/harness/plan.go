package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"nfcot/internal/eval"
	"nfcot/internal/eval/answer"
	"nfcot/internal/eval/bench"
)

// A Plan is one evaluation, or one shard of it. Samples are given, or Draw makes
// them.
type Plan struct {
	Bench    string // name of the benchmark, or its file
	Seed     uint64 // of the samples and of generated problems: recorded only
	Problems []eval.Problem
	Recipe   *bench.Recipe
	Executor *Executor
	K        []int // of pass@k
	Shard    Shard // Whole for all problems

	Given []eval.Sample

	// Draw yields the samples of the numbers in missing, which rise: sample i is
	// number i%N of those of problem i/N. Each depends on Sampling, its problem and
	// its number alone, so that what is missing can be drawn later. watch is told now and
	// then how many tokens of answers there are.
	Draw       func(ctx context.Context, missing []int, watch func(tokens int)) iter.Seq2[eval.Indexed, error]
	N          int             // samples of each problem
	Method     string          // that draws them
	Sampling   json.RawMessage // an object of all that they depend on beside problems, recipe and seed
	PeakMemory func() int64    // bytes that this process held at most; 0 if not known

	Out     string // folder for all files
	Results string // file for the verdicts; empty: verdicts.jsonl in Out

	Watch func(Progress)       // is told of every sample and verdict, and now and then of tokens; calls do not overlap. nil: nobody watches
	Logf  func(string, ...any) // lines for the user
	Warnf func(string, ...any) // warnings, which even those get who want no other lines; Starlark's executor has some
}

// Progress says how far an evaluation, or a shard of it, is.
type Progress struct {
	Samples         int    // of the evaluation
	Unit            string // what is judged of each: "programs" or "answers"
	Missing         int    // that had to be drawn when the drawing began; 0 before, and where none had
	Drawn, Finished int    // of the missing: those that are drawn, and of these those that came to their end
	Tokens          int    // of answers, those of samples under way included
	Judged, Passed  int    // of all, earlier calls of Run included
}

// add counts a verdict.
func (p *Progress) add(v eval.Verdict) {
	p.Judged++
	if v.Passed {
		p.Passed++
	}
}

// warnOfUnsolved warns of problems whose own solutions the embedded interpreter, which is
// one of a part of Python, does not run.
func (p *Plan) warnOfUnsolved(ctx context.Context) error {
	if p.Executor.Info.Executor != Starlark {
		return nil
	}
	solved, failed, err := p.failingSolutions(ctx)
	if len(failed) > 0 {
		p.Warnf("eval: warning: the canonical solutions of %d of %d problems do not pass in the embedded Starlark interpreter, so their samples cannot either (%s: %s)",
			len(failed), solved, failed[0].TaskID, failed[0].Result)
	}
	return err
}

// mostNamed is how many problems a warning names.
const mostNamed = 20

// warnOfFailing warns of problems whose own solutions were found to fail.
func (p *Plan) warnOfFailing(x *Evaluation) {
	if len(x.FailingSolutions) == 0 {
		return
	}
	var named []string
	for _, task := range slices.Sorted(maps.Keys(x.FailingSolutions)) {
		if len(named) == mostNamed {
			named = append(named, "... (all are in report.json)")
			break
		}
		named = append(named, fmt.Sprintf("%s (%s)", task, x.FailingSolutions[task]))
	}
	p.Warnf("eval: warning: the own solutions of %d of %d problems do not pass their tests either, so that verdicts on their samples say little: %s",
		len(x.FailingSolutions), x.Problems, strings.Join(named, ", "))
}

// warnOfMarks warns of answers that strict reading finds nothing in.
func (p *Plan) warnOfMarks(x *Evaluation) {
	if x.Judge == answer.Strict && x.NoAnswer > 0 {
		p.Warnf("eval: warning: %d of %d answers have no number after ####, which --judge strict looks for; --judge flexible takes the last number", x.NoAnswer, x.Samples)
	}
}

// failingSolutions runs the canonical solutions of those problems that have one, and
// returns how many these are and the verdicts of those that fail.
func (p *Plan) failingSolutions(ctx context.Context) (solved int, failed []eval.Verdict, err error) {
	problems := p.Shard.of(p.Problems)
	var solutions []eval.Sample
	for _, q := range problems {
		if q.CanonicalSolution != "" {
			solutions = append(solutions, eval.Sample{TaskID: q.TaskID, Completion: q.CanonicalSolution})
		}
	}
	verdicts, err := eval.JudgeAll(ctx, p.Executor, eval.Concatenate, problems, solutions, p.Executor.Calls)
	for _, v := range verdicts {
		if !v.Passed {
			failed = append(failed, v)
		}
	}
	return len(solutions), failed, err
}
