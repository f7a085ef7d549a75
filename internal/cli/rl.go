package cli

import (
	"errors"
	"os"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/cot/problems"
	"nfcot/internal/cot/train"
	"nfcot/internal/eval/harness"
)

type rlOptions struct {
	executorOptions
	experiment.RLRequest
	resume bool
	out    string
}

func (e *env) rl() *cli.Command {
	o := rlOptions{executorOptions: defaultExecutor()}
	var set cli.StringSlice
	return e.command(&cli.Command{
		Name:  "rl",
		Usage: "reinforce what makes programs pass their tests, or answers right (GRPO), in the thoughts and in the text of a trained run",
		Description: "Every step answers some problems several times, runs the programs as eval does, and makes what the better ones\n" +
			"thought and said likelier than what the worse ones did. It takes a method with exact likelihoods (see nfcot methods).\n" +
			"Problems of minicode and multiply are from their train splits. The settings are section rl of RUN/config.yaml, --set changes them. For example:\n" +
			"    nfcot rl --init run --bench minicode:fold:easy --set rl.steps=200 --set rl.lr=1e-4 -o run-rl",
		Flags: append(o.executorOptions.flags(),
			&cli.StringFlag{Name: "init", Usage: "`RUN` to start from, which stays the reference", Destination: &o.Init},
			&cli.StringFlag{Name: "bench", Usage: "problems to learn from, `NAME|FILE`: minicode[:FAMILY,...[:LEVEL[:one-order|no-plan]]], multiply:4x4, a public one, or a file in the format of one of those, or of questions with answers (default: minicode)", Destination: &o.Bench},
			&cli.StringFlag{Name: "data", Usage: "`FILE|DIR` with the data of a public benchmark; default: what $NFCOT_DATA names", Destination: &o.Data},
			&cli.StringSliceFlag{Name: "set", Usage: "change one setting, `KEY=VALUE` (rl.group=16, rl.objective.kl=0.01, seed=2); may be given several times", Destination: &set},
			&cli.BoolFlag{Name: "resume", Usage: "continue the interrupted run in -o exactly", Destination: &o.resume},
			&cli.StringFlag{Name: "o", Usage: "`RUN` folder to write", Destination: &o.out}),
		Action: func(*cli.Context) error {
			o.Set = set.Value()
			return e.runRL(o)
		},
	})
}

func (e *env) runRL(o rlOptions) error {
	if err := errors.Join(need("o", o.out), o.settle()); err != nil {
		return err
	}
	o.RLRequest.Judge = o.ExecutorOptions.Judge
	x, err := o.Begin(o.out, o.resume)
	if err != nil {
		return input(err)
	}
	learned := problems.Request{Bench: x.RL.Bench, Data: x.RL.Data, Split: "train", Seed: x.Seed, N: x.RL.Problems, Published: os.Getenv("NFCOT_DATA")}
	b, err := learned.Judged()
	if err != nil {
		return input(err)
	}
	checksum, err := harness.HashProblems(b.Problems)
	if err != nil {
		return err
	}
	run, reference, err := experiment.PrepareRL(x, o.out, len(b.Problems), checksum)
	if err != nil {
		return input(err)
	}
	o.ExecutorOptions.Judge = x.RL.Judge
	exec, err := harness.OpenExecutor(e.ctx, o.ExecutorOptions, b)
	if err != nil {
		return err
	}
	defer exec.Close()
	recipe, err := b.Recipe("", exec.Sanitize)
	if err != nil {
		return input(err)
	}
	g, err := generate.New(run, recipe, x.RL.Sampling, x.RL.Group, 0)
	if err != nil {
		return input(err)
	}
	warn := func(format string, args ...any) { e.warn("rl: warning: "+format, args...) }
	loop, err := g.PolicyLoop(reference, b.Problems, generate.PassReward(g, exec, b.Problems, o.Workers, warn))
	if err != nil {
		return err
	}
	defer run.Close()
	saved, err := run.Start(o.resume, e.say)
	if err != nil {
		return err
	}
	e.guard.Saves()
	if err := e.reinforce(loop, saved); err != nil {
		return err
	}
	return run.Finish()
}

// reinforce goes through the steps with progress.
func (e *env) reinforce(loop *train.PolicyLoop, saved bool) error {
	done, err := e.resume(loop, saved, loop.Dir)
	if err != nil {
		return err
	}
	label := "rl " + loop.Config.Method
	e.say("%s: %d problems, %d steps of %d x %d rollouts", label, len(loop.Prompts), loop.RL.Steps, loop.RL.Prompts, loop.RL.Group)
	bar := e.progress(label, "steps", done, loop.RL.Steps)
	var last string
	loop.Report = func(m train.RLMetrics) error {
		last = m.String()
		bar.Set(m.Step, last)
		return nil
	}
	if err := loop.Run(e.ctx); err != nil {
		return unfinished(err, loop.Dir, "rl")
	}
	bar.End(last)
	return nil
}
