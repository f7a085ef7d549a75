package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
)

type evalOptions struct {
	samplingOptions
	samples string
	k       string
	results string
	timeout time.Duration
	memory  string
	workers int
	out     string
}

func defaultEval() evalOptions {
	return evalOptions{samplingOptions: defaultSampling(), k: "1,8", timeout: eval.DefaultTimeout, memory: "512MiB", workers: runtime.GOMAXPROCS(0), out: "eval"}
}

func (e *env) eval() *cli.Command {
	o := defaultEval()
	return e.command(&cli.Command{
		Name:  "eval",
		Usage: "sample if need be, run every program against its tests, report pass@k",
		Description: "Programs run in an embedded Starlark interpreter (a subset of Python that reaches nothing outside itself),\n" +
			"in worker processes with limits of time and memory. The exit code is 0 whatever the verdicts.",
		Flags: append(o.flags(),
			&cli.StringFlag{Name: "samples", Usage: "judge the samples of this `FILE` instead of drawing some", Destination: &o.samples},
			&cli.StringFlag{Name: "k", Usage: "`k`s of pass@k, comma separated; each needs that many samples a problem", Value: o.k, Destination: &o.k},
			&cli.StringFlag{Name: "results", Usage: "`FILE` for the verdicts; default: verdicts.jsonl in -o", Destination: &o.results},
			&cli.DurationFlag{Name: "timeout", Usage: "wall `time` a program and its test may take", Value: o.timeout, Destination: &o.timeout},
			&cli.StringFlag{Name: "memory", Usage: "`bytes` a program may use (with KiB, MiB or GiB)", Value: o.memory, Destination: &o.memory},
			&cli.IntFlag{Name: "workers", Usage: "`programs` run at a time; verdicts do not depend on it", Value: o.workers, Destination: &o.workers},
			&cli.StringFlag{Name: "o", Usage: "output `DIR` for samples.jsonl, verdicts.jsonl, report.json", Value: o.out, Destination: &o.out}),
		Action: func(*cli.Context) error {
			_, err := e.runEval(o)
			return err
		},
	})
}

// leastMemory is what a worker needs to start and run small programs.
const leastMemory = 64 << 20

// An evaluation is what eval reports: the numbers, and where they come from.
type evaluation struct {
	Method string `json:"method,omitempty"`
	Bench  string `json:"bench"`
	Seed   uint64 `json:"seed"`
	eval.Report
}

func (e *env) runEval(o evalOptions) (evaluation, error) {
	x := evaluation{Bench: o.bench, Seed: o.seed}
	ks, memory, err := o.limits()
	if err != nil {
		return x, err
	}
	b, err := o.benchmark()
	if err != nil {
		return x, err
	}
	recipe, err := b.Recipe(o.recipe, noSanitizer)
	if err != nil {
		return x, input(err)
	}
	problems := b.Problems
	if i := slices.IndexFunc(problems, func(p eval.Problem) bool { return p.Format != eval.HumanEval }); i >= 0 || slices.Contains(bench.Names(), o.bench) {
		return x, inputf("--bench %s: this version runs programs in an embedded Starlark interpreter only; use minicode or a problem file in the common subset of Python and Starlark", o.bench)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return x, err
	}
	samples, err := e.samplesToJudge(o, problems, recipe, &x)
	if err != nil {
		return x, err
	}
	exec, err := starlark(o, memory)
	if err != nil {
		return x, err
	}
	defer exec.Close()
	if err := e.checkProblems(o, exec, problems); err != nil {
		return x, err
	}
	verdicts, err := e.judge(o, exec, recipe.Assemble, problems, samples)
	if err != nil {
		return x, err
	}
	if x.Report, err = eval.Summarize(problems, verdicts, ks); err != nil {
		return x, input(err)
	}
	for _, k := range ks {
		if k > x.MinSamples {
			e.say("eval: pass@%d is left out: it needs %d samples of every problem, and one has %d", k, k, x.MinSamples)
		}
	}
	report, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return x, err
	}
	err = ckpt.WriteFile(filepath.Join(o.out, "report.json"), func(w io.Writer) error {
		_, err := w.Write(append(report, '\n'))
		return err
	})
	if err != nil {
		return x, err
	}
	return x, e.printEvaluation(x)
}

// limits reads the flags that are numbers in words.
func (o *evalOptions) limits() (ks []int, memory int64, err error) {
	if err := o.check(); err != nil {
		return nil, 0, err
	}
	if (o.model == "") == (o.samples == "") {
		return nil, 0, inputf("give either --model RUN to draw samples or --samples FILE to judge")
	}
	for _, s := range strings.Split(o.k, ",") {
		k, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || k < 1 {
			return nil, 0, inputf("-k %s: %q is not a whole number of at least 1", o.k, s)
		}
		ks = append(ks, k)
	}
	if memory, err = parseBytes(o.memory); err != nil {
		return nil, 0, inputf("--memory %s: %w", o.memory, err)
	}
	if memory < leastMemory {
		return nil, 0, inputf("--memory %s: a worker needs at least 64MiB", o.memory)
	}
	if o.timeout <= 0 || o.workers < 1 {
		return nil, 0, inputf("--timeout is %s and --workers %d; they must be positive", o.timeout, o.workers)
	}
	return ks, memory, nil
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

// samplesToJudge reads the samples given, or draws them into samples.jsonl.
func (e *env) samplesToJudge(o evalOptions, problems []eval.Problem, recipe *bench.Recipe, x *evaluation) ([]eval.Sample, error) {
	if o.samples != "" {
		return readSamples(o.samples)
	}
	run, err := o.open()
	if err != nil {
		return nil, err
	}
	x.Method = run.Experiment.Method
	var samples []eval.Sample
	err = e.drawSamples(run, problems, recipe, o.samplingOptions, func(_ eval.Problem, s eval.Sample) error {
		samples = append(samples, s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return samples, ckpt.WriteJSONL(filepath.Join(o.out, "samples.jsonl"), slices.Values(samples))
}

// noSanitizer stands for EvalPlus's, which needs CPython.
func noSanitizer(context.Context, string, string) (string, error) {
	return "", inputf("recipe evalplus needs CPython, which this version does not run; give another --recipe")
}

// starlark is the executor of the embedded interpreter, whose workers are this
// program.
func starlark(o evalOptions, memory int64) (*eval.Starlark, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &eval.Starlark{Command: []string{self, workerCommand}, Timeout: o.timeout, Memory: memory}, nil
}

// checkProblems runs the canonical solutions of a problem file and warns of
// those that fail: what they need of Python is not in the embedded interpreter,
// and samples for them will fail too, whatever they are worth.
func (e *env) checkProblems(o evalOptions, exec eval.Executor, problems []eval.Problem) error {
	var solved []eval.Problem
	var solutions []eval.Sample
	for _, p := range problems {
		if p.CanonicalSolution != "" {
			solved, solutions = append(solved, p), append(solutions, eval.Sample{TaskID: p.TaskID, Completion: p.CanonicalSolution})
		}
	}
	failed, first := 0, len(solutions)
	var why string
	err := eval.Judge(e.ctx, exec, eval.Concatenate, solved, solutions, o.workers, func(i int, v eval.Verdict) error {
		if !v.Passed {
			failed++
			if i < first {
				first, why = i, v.TaskID+": "+v.Result
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if failed > 0 {
		fmt.Fprintf(e.stderr, "eval: warning: the canonical solutions of %d of %d problems do not pass in the embedded Starlark interpreter, so their samples cannot either (%s)\n", failed, len(solved), why)
	}
	return nil
}

// judge runs the samples' programs and writes the verdicts, in the order of the
// samples.
func (e *env) judge(o evalOptions, exec eval.Executor, assemble eval.Assemble, problems []eval.Problem, samples []eval.Sample) ([]eval.Verdict, error) {
	bar := e.progress("judge", "programs", 0, len(samples))
	verdicts := make([]eval.Verdict, len(samples))
	done, passed := 0, 0
	info := func() string { return fmt.Sprintf("%.1f %% passed", 100*float64(passed)/float64(max(1, done))) }
	err := eval.Judge(e.ctx, exec, assemble, problems, samples, o.workers, func(i int, v eval.Verdict) error {
		verdicts[i] = v
		done++
		if v.Passed {
			passed++
		}
		bar.set(done, info())
		return nil
	})
	if err != nil {
		return nil, input(fmt.Errorf("%s: %w", strings.TrimPrefix(o.samples+" for "+o.bench, " for "), err))
	}
	bar.end(info())
	if o.results == "" {
		o.results = filepath.Join(o.out, "verdicts.jsonl")
	}
	return verdicts, ckpt.WriteJSONL(o.results, slices.Values(verdicts))
}

func (e *env) printEvaluation(x evaluation) error {
	if e.json {
		return e.printJSON(x)
	}
	rows := [][]string{{"problems", fmt.Sprint(x.Problems)}, {"samples", fmt.Sprint(x.Samples)}}
	for _, p := range x.PassAtK {
		rows = append(rows, []string{fmt.Sprintf("pass@%d", p.K), percent(p)})
	}
	for _, kind := range []eval.Kind{eval.Passed, eval.Failed, eval.TimedOut, eval.OutOfMemory, eval.Crashed} {
		if n := x.Results[kind]; n > 0 {
			rows = append(rows, []string{string(kind), fmt.Sprint(n)})
		}
	}
	rows = append(rows, []string{"reasoning positions", number(x.ReasoningPositions, "%.1f")}, []string{"thinking, ms a sample", number(scaled(x.ThinkSeconds, 1e3), "%.2f")},
		[]string{"answering, ms a sample", number(scaled(x.AnswerSeconds, 1e3), "%.2f")}, []string{"thinking, MFLOP a sample", number(scaled(x.ThinkFLOPs, 1e-6), "%.2f")},
		[]string{"answering, MFLOP a sample", number(scaled(x.AnswerFLOPs, 1e-6), "%.2f")})
	e.printTable([]string{x.Bench, x.Method}, rows)
	return nil
}

// percent is an estimate with its 95 % interval.
func percent(p eval.PassEstimate) string {
	return fmt.Sprintf("%.1f %% [%.1f, %.1f]", 100*p.Value, 100*p.Low, 100*p.High)
}

// number formats a mean that may be missing.
func number(v *float64, format string) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf(format, *v)
}

func scaled(v *float64, by float64) *float64 {
	if v == nil {
		return nil
	}
	s := *v * by
	return &s
}
