package cli

import (
	"context"
	"iter"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
	"nfcot/internal/eval/harness"
	"nfcot/internal/tensor/kernel"
)

type evalOptions struct {
	samplingOptions
	executorOptions
	samples    string
	sanitize   bool
	k          string
	shard      harness.Shard
	perProblem bool
	results    string
	out        string
}

func (e *env) eval() *cli.Command {
	o := evalOptions{samplingOptions: defaultSampling(), executorOptions: defaultExecutor(), k: "1,8", out: "eval"}
	var shard string
	flags := append(o.samplingOptions.flags(), o.executorOptions.flags()...)
	return e.command(&cli.Command{
		Name:  "eval",
		Usage: "sample if need be, run every program against its tests or compare every answer with the right one, report pass@k",
		Description: "Problems of minicode run in an embedded Starlark interpreter (a subset of Python that reaches nothing outside itself),\n" +
			"other programs in CPython behind the layers that nfcot sandbox check lists. Answers are compared, and nothing is run.\n" +
			"The exit code is 0 whatever the verdicts.\n" +
			"Verdicts are kept as they come: after an interruption or a crash the same command goes on where it was.",
		Flags: append(flags,
			&cli.StringFlag{Name: "samples", Usage: "judge the samples of this `FILE` instead of drawing some", Destination: &o.samples},
			&cli.BoolFlag{Name: "sanitize", Usage: "with --samples: run what EvalPlus's sanitiser takes of each sample, as evalplus.sanitize makes it; default: samples as they are", Destination: &o.sanitize},
			&cli.StringFlag{Name: "k", Usage: "`k`s of pass@k, and of maj@k where answers are compared, comma separated; each needs that many samples a problem", Value: o.k, Destination: &o.k},
			&cli.StringFlag{Name: "shard", Usage: "judge only shard `i/n` of the problems, counted from 0, for nfcot merge; /n: the one of n that the job says (a Slurm array, srun, mpirun, or JOB_COMPLETION_INDEX); default: what the job says, then in a folder shard-i-of-n in -o, else 0/1, all of them", Destination: &shard},
			&cli.BoolFlag{Name: "per-problem", Usage: "print a line for each problem, too", Destination: &o.perProblem},
			&cli.StringFlag{Name: "results", Usage: "`FILE` for the verdicts; default: verdicts.jsonl in -o", Destination: &o.results},
			&cli.StringFlag{Name: "o", Usage: "output `DIR` for samples.jsonl, verdicts.jsonl, report.json, problems.csv, pass_at_k.svg, and results as human-eval or EvalPlus writes them", Value: o.out, Destination: &o.out}),
		Action: func(c *cli.Context) (err error) {
			if flag := firstSet(c, o.drawing()...); flag != "" && o.samples != "" {
				return inputf("eval: %s says how samples are drawn, and those of --samples are drawn; leave it out", flag)
			}
			if o.shard, o.out, err = harness.ChooseShard(shard, o.out, os.Getenv, e.say); err != nil {
				return err
			}
			return e.runEval(o)
		},
	})
}

func (e *env) runEval(o evalOptions) error {
	if err := o.settle(); err != nil {
		return err
	}
	ks, err := parseList("-k", o.k, "a whole number of at least 1", func(s string) (int, bool) {
		k, err := strconv.Atoi(s)
		return k, err == nil && k >= 1
	})
	if err != nil {
		return err
	}
	b, err := o.benchmark(o.Seed)
	if err != nil {
		return err
	}
	plan := harness.Plan{Bench: o.Bench, Seed: o.Seed, Problems: b.Problems, K: ks, Shard: o.shard,
		Out: o.out, Results: o.results, Logf: e.say, Warnf: e.warn}
	if plan.Given, err = o.given(b.Problems); err != nil {
		return err
	}
	var run *experiment.Run // nil where samples are given
	if o.samples == "" {
		if run, err = o.open(); err != nil {
			return err
		}
	}
	if plan.Executor, err = harness.OpenExecutor(e.ctx, o.ExecutorOptions, b); err != nil {
		return err
	}
	defer plan.Executor.Close()
	if run != nil {
		err = o.draw(&plan, run, b)
	} else {
		plan.Recipe, err = b.FileRecipe(o.recipe, o.sanitize, plan.Executor.Sanitize)
		err = input(err)
	}
	if err != nil {
		return err
	}
	show := harness.Display{Label: "sample " + plan.Method, Begin: e.progress}
	plan.Watch = show.Watch
	e.guard.Keeps("what is done is kept; continue with the same command")
	x, err := harness.Run(e.ctx, plan)
	if err != nil {
		return err
	}
	return e.printEvaluation(x, o.perProblem)
}

// draw lets a plan draw the samples of a model.
func (o *evalOptions) draw(plan *harness.Plan, run *experiment.Run, b *bench.Benchmark) error {
	g, err := o.generator(run, b, plan.Executor.Sanitize)
	if err != nil {
		return err
	}
	plan.Recipe, plan.Method, plan.N, plan.PeakMemory = g.Recipe, run.Model.Method.Name, o.n, kernel.PeakMemory
	plan.Draw = func(ctx context.Context, missing []int, watch func(tokens int)) iter.Seq2[eval.Indexed, error] {
		return g.Draw(ctx, b.Problems, missing, watch)
	}
	plan.Sampling, err = g.Record(o.weights)
	return err
}

// given reads the samples to judge, nil where they are to be drawn, and finds what is wrong
// with them or with the problems.
func (o *evalOptions) given(problems []eval.Problem) (samples []eval.Sample, err error) {
	source := o.Bench
	if o.samples != "" {
		source = o.samples + " for " + o.Bench
		if samples, err = readSamples(o.samples); err != nil {
			return nil, err
		}
	}
	if err := eval.CheckSamples(problems, samples); err != nil {
		return nil, inputf("%s: %w", source, err)
	}
	return samples, nil
}

// settle finds what is wrong with the flags.
func (o *evalOptions) settle() error {
	if err := o.check(); err != nil {
		return err
	}
	if err := o.executorOptions.settle(); err != nil {
		return err
	}
	switch {
	case (o.model == "") == (o.samples == ""):
		return inputf("give either --model RUN to draw samples or --samples FILE to judge")
	case o.sanitize && o.samples == "":
		return inputf("--sanitize goes with --samples FILE; what a model draws by recipe evalplus is sanitised without it")
	case o.shard != harness.Whole && o.results != "":
		return inputf("--results goes with a whole evaluation only: nfcot merge looks for a shard's verdicts in -o")
	}
	return outFile(o.results)
}
