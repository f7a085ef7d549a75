package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/eval"
	"nfcot/internal/eval/harness"
	"nfcot/internal/tensor/kernel"
)

type evalOptions struct {
	samplingOptions
	executorOptions
	samples    string
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
		Usage: "sample if need be, run every program against its tests, report pass@k",
		Description: "Problems of minicode run in an embedded Starlark interpreter (a subset of Python that reaches nothing outside itself),\n" +
			"all others in CPython behind the layers that nfcot sandbox check lists. The exit code is 0 whatever the verdicts.\n" +
			"Verdicts are kept as they come: after an interruption or a crash the same command goes on where it was.",
		Flags: append(flags,
			&cli.StringFlag{Name: "samples", Usage: "judge the samples of this `FILE` instead of drawing some", Destination: &o.samples},
			&cli.StringFlag{Name: "k", Usage: "`k`s of pass@k, comma separated; each needs that many samples a problem", Value: o.k, Destination: &o.k},
			&cli.StringFlag{Name: "shard", Usage: "judge only shard `i/n` of the problems, counted from 0, for nfcot merge; /n: the one that JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID or OMPI_COMM_WORLD_RANK says; default: what a Slurm array or Open MPI says, then in a folder shard-i-of-n in -o, else 0/1, all of them", Destination: &shard},
			&cli.BoolFlag{Name: "per-problem", Usage: "print a line for each problem, too", Destination: &o.perProblem},
			&cli.StringFlag{Name: "results", Usage: "`FILE` for the verdicts; default: verdicts.jsonl in -o", Destination: &o.results},
			&cli.StringFlag{Name: "o", Usage: "output `DIR` for samples.jsonl, verdicts.jsonl, report.json, problems.csv, pass_at_k.svg, and results as human-eval or EvalPlus writes them", Value: o.out, Destination: &o.out}),
		Action: func(*cli.Context) error {
			if err := e.chooseShard(&o, shard, os.Getenv); err != nil {
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
		o.shard, err = harness.ParseShard(flag, getenv)
		return err
	}
	var variable string
	if o.shard, variable = harness.JobShard(getenv); variable != "" {
		o.out = filepath.Join(o.out, o.shard.Folder())
		e.say("eval: shard %s, as %s says, in %s; --shard 0/1 judges all problems", o.shard, variable, o.out)
	} else if index := getenv("JOB_COMPLETION_INDEX"); index != "" {
		e.say("eval: judging all problems: JOB_COMPLETION_INDEX is %s, but only --shard /COMPLETIONS says of how many", index)
	}
	return nil
}

func (e *env) runEval(o evalOptions) (*harness.Evaluation, error) {
	ks, err := o.checkAll()
	if err != nil {
		return nil, err
	}
	b, err := o.benchmark(o.Seed)
	if err != nil {
		return nil, err
	}
	plan := harness.Plan{Bench: o.bench, Seed: o.Seed, Problems: b.Problems, K: ks, Workers: o.workers, Shard: o.shard,
		Out: o.out, Results: o.results, Logf: e.say}
	var run *experiment.Run // nil where samples are given
	if o.samples != "" {
		plan.Given, err = o.readGiven(b.Problems)
	} else {
		run, err = o.openDrawer(b.Problems)
	}
	if err != nil {
		return nil, err
	}
	if plan.Executor, err = o.openExecutor(e.ctx, b.Problems); err != nil {
		return nil, err
	}
	defer plan.Executor.Close()
	if plan.Recipe, err = b.Recipe(o.recipe, plan.Executor.Sanitize); err != nil {
		return nil, input(err)
	}
	show := judging{e: e}
	plan.Watch = show.watch
	if run != nil {
		g := generate.New(run, plan.Recipe, o.Sampling, o.n, o.batch)
		if plan.Sampling, err = o.record(g); err != nil {
			return nil, err
		}
		plan.Method, plan.N, plan.PeakMemory = run.Model.Method.Name, o.n, kernel.PeakMemory
		plan.Draw = func(ctx context.Context, missing []int) iter.Seq2[eval.Indexed, error] {
			return g.Draw(ctx, b.Problems, missing)
		}
		show.label = "sample " + plan.Method
	}
	return e.judge(plan, o.perProblem)
}

// readGiven reads the samples to judge.
func (o *evalOptions) readGiven(problems []eval.Problem) ([]eval.Sample, error) {
	samples, err := readSamples(o.samples)
	if err != nil {
		return nil, err
	}
	if err := eval.CheckSamples(problems, samples); err != nil {
		return nil, inputf("%s for %s: %w", o.samples, o.bench, err)
	}
	return samples, nil
}

// openDrawer opens the model that draws samples.
func (o *evalOptions) openDrawer(problems []eval.Problem) (*experiment.Run, error) {
	if err := eval.CheckSamples(problems, nil); err != nil {
		return nil, inputf("%s: %w", o.bench, err)
	}
	return o.open()
}

// record is what the samples that a generator draws depend on, beside problems, recipe
// and seed.
func (o *evalOptions) record(g *generate.Generator) (json.RawMessage, error) {
	hash, err := experiment.Hash(o.model, g.Run.Experiment)
	if err != nil {
		return nil, err
	}
	return g.Record(hash, o.weights).JSON()
}

// judge carries out an evaluation and prints it.
func (e *env) judge(plan harness.Plan, perProblem bool) (*harness.Evaluation, error) {
	if plan.Executor.Info.Executor == harness.Starlark {
		if err := e.warnOfUnsolved(plan); err != nil {
			return nil, err
		}
	}
	x, err := harness.Run(e.ctx, plan)
	if err != nil {
		return nil, err
	}
	for _, k := range plan.K {
		if k > x.MinSamples {
			e.say("eval: pass@%d is left out: it needs %d samples of every problem, and one has %d", k, k, x.MinSamples)
		}
	}
	return x, e.printEvaluation(x, perProblem)
}

// warnOfUnsolved warns of problems whose own solutions the embedded interpreter does
// not run.
func (e *env) warnOfUnsolved(plan harness.Plan) error {
	solved, failed, err := plan.FailingSolutions(e.ctx)
	if len(failed) > 0 {
		fmt.Fprintf(e.stderr, "eval: warning: the canonical solutions of %d of %d problems do not pass in the embedded Starlark interpreter, so their samples cannot either (%s: %s)\n",
			len(failed), solved, failed[0].TaskID, failed[0].Result)
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
	case o.shard != harness.Whole && o.results != "":
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
