package cli

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/cot/train"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
	"nfcot/internal/eval/harness"
)

type rlOptions struct {
	executorOptions
	init   string
	bench  string
	data   string
	set    []string // key=value
	resume bool
	out    string
}

func (e *env) rl() *cli.Command {
	o := rlOptions{executorOptions: defaultExecutor()}
	var set cli.StringSlice
	return e.command(&cli.Command{
		Name:  "rl",
		Usage: "reinforce what makes programs pass their tests (GRPO), in the thoughts and in the text of a trained run",
		Description: "Every step answers some problems several times, runs the programs as eval does, and makes what the better ones\n" +
			"thought and said likelier than what the worse ones did. It takes a method with exact likelihoods (see nfcot methods).\n" +
			"Problems of minicode are from its train split. The settings are section rl of RUN/config.yaml, --set changes them. For example:\n" +
			"nfcot rl --init run --bench minicode:fold:easy --set rl.steps=200 --set rl.lr=1e-4 -o run-rl",
		Flags: append(o.executorOptions.flags(),
			&cli.StringFlag{Name: "init", Usage: "`RUN` to start from, which stays the reference", Destination: &o.init},
			&cli.StringFlag{Name: "bench", Usage: "problems to learn from, `NAME|FILE`: minicode[:FAMILY,...[:LEVEL]], a public one, or a file in the format of one of those (default: minicode)", Destination: &o.bench},
			&cli.StringFlag{Name: "data", Usage: "`FILE|DIR` with the data of a public benchmark; default: what $NFCOT_DATA names", Destination: &o.data},
			&cli.StringSliceFlag{Name: "set", Usage: "change one setting, `KEY=VALUE` (rl.group=16, rl.objective.kl=0.01, seed=2); may be given several times", Destination: &set},
			&cli.BoolFlag{Name: "resume", Usage: "continue the interrupted run in -o exactly", Destination: &o.resume},
			&cli.StringFlag{Name: "o", Usage: "`RUN` folder to write", Destination: &o.out}),
		Action: func(*cli.Context) error {
			o.set = set.Value()
			return e.runRL(o)
		},
	})
}

func (e *env) runRL(o rlOptions) error {
	if err := errors.Join(need("o", o.out), o.checkFlags()); err != nil {
		return err
	}
	x, err := o.experiment()
	if err != nil {
		return err
	}
	problems := problemOptions{bench: x.RL.Bench, data: x.RL.Data, split: "train", problems: x.RL.Problems}
	b, err := problems.benchmark(x.Seed)
	if err != nil {
		return err
	}
	if err := eval.CheckSamples(b.Problems, nil); err != nil {
		return inputf("%s: %w", x.RL.Bench, err)
	}
	if err := settle(&x, b, o.out); err != nil {
		return err
	}
	run, reference, err := experiment.Reinforced(x.Source.Init, x, o.out)
	if err != nil {
		return inputf("%s: %w", x.Source.Init, err)
	}
	exec, err := o.openExecutor(e.ctx, b.Problems)
	if err != nil {
		return err
	}
	defer exec.Close()
	recipe, err := b.Recipe("", exec.Sanitize)
	if err != nil {
		return input(err)
	}
	g := generate.New(run, recipe, x.RL.Sampling, x.RL.Group, 0)
	prompts, err := g.Prompts(b.Problems)
	if err != nil {
		return err
	}
	if !o.resume {
		if err := run.Start(); err != nil {
			return err
		}
	}
	warn := func(format string, args ...any) { fmt.Fprintf(e.stderr, "rl: warning: "+format+"\n", args...) }
	loop := &train.Reinforcement{Config: x.Config, RL: *x.RL, Model: run.Model, Reference: reference, Prompts: prompts,
		Stop: g.Options().Stop, Reward: generate.PassReward(g, exec, b.Problems, o.workers, warn), Dir: o.out}
	if err := e.rlLoop(loop, o.resume); err != nil {
		return err
	}
	return run.Finish()
}

// experiment settles what is to be done: what the run to resume says, or the
// experiment of the run to start from with the user's changes.
func (o rlOptions) experiment() (experiment.Experiment, error) {
	if o.resume {
		if o.init+o.bench+o.data != "" || len(o.set) > 0 {
			return experiment.Experiment{}, inputf("--resume takes the experiment from %s; leave the other flags out", filepath.Join(o.out, experiment.ConfigFile))
		}
		return resumed(o.out, "rl")
	}
	if err := need("init", o.init); err != nil {
		return experiment.Experiment{}, err
	}
	if err := emptyFolder(o.out); err != nil {
		return experiment.Experiment{}, err
	}
	x, err := experiment.ReadConfig(o.init)
	if err != nil {
		return x, input(err)
	}
	c := experiment.DefaultRL()
	x.RL, x.Source = &c, experiment.Source{Init: o.init, Stage: -1}
	// Likelihoods are those of sampling, which rounds nothing; a decay would be a pull nobody asked for.
	x.Precision, x.Decay, x.SaveEvery = "f32", 0, 20
	if o.bench != "" {
		c.Bench = o.bench
	}
	c.Data = o.data
	return x, change(&x, o.set)
}

// settle checks an experiment and fills in what it is made from, which for a run that
// is resumed must be the same.
func settle(x *experiment.Experiment, b *bench.Benchmark, dir string) error {
	if err := errors.Join(x.Check(), x.RL.Check()); err != nil {
		return inputf("experiment: %w", err)
	}
	if x.RL.Prompts > len(b.Problems) {
		return inputf("rl.prompts is %d, and %s has %d problems", x.RL.Prompts, x.RL.Bench, len(b.Problems))
	}
	from, err := experiment.ReadConfig(x.Source.Init)
	if err != nil {
		return input(err)
	}
	model, err := hashModel(x.Source.Init, from)
	if err != nil {
		return input(err)
	}
	problems, err := harness.HashProblems(b.Problems)
	if err != nil {
		return err
	}
	for _, made := range []struct {
		what string
		was  *string
		is   string
	}{{"problems", &x.Source.SHA256, problems}, {"run " + x.Source.Init, &x.RL.Init, model}} {
		if *made.was != "" && *made.was != made.is {
			return inputf("%s: the %s is not what the run began with; expected sha256 %s, found %s", dir, made.what, *made.was, made.is)
		}
		*made.was = made.is
	}
	x.Source.Examples = len(b.Problems)
	return nil
}

// rlLoop goes through the steps with progress, metrics.jsonl and TensorBoard events.
func (e *env) rlLoop(loop *train.Reinforcement, resume bool) (err error) {
	log, err := ckpt.OpenLog(filepath.Join(loop.Dir, experiment.MetricsFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	events, err := ckpt.NewEvents(loop.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.Close()) }()
	done := 0
	if resume {
		if done, err = loop.Resume(); err != nil {
			return input(err)
		}
		if err := log.DropAfter(int64(done)); err != nil {
			return err
		}
	}
	label := "rl " + loop.Config.Method
	e.say("%s: %d problems, %d steps of %d x %d rollouts", label, len(loop.Prompts), loop.RL.Steps, loop.RL.Prompts, loop.RL.Group)
	bar := e.progress(label, "steps", done, loop.RL.Steps)
	var last string
	loop.Report = func(m train.RLMetrics) error {
		last = fmt.Sprintf("reward %.3f, KL %.3g + %.3g, clipped %.2g + %.2g", m.Reward, m.KL.Thoughts, m.KL.Text, m.Clipped.Thoughts, m.Clipped.Text)
		bar.set(m.Step, last)
		for _, p := range m.Scalars() {
			if err := events.Scalar(int64(m.Step), "rl/"+p.Name, p.Value); err != nil {
				return err
			}
		}
		return log.Append(m)
	}
	if err := loop.Run(e.ctx); err != nil {
		if errors.Is(err, train.ErrInterrupted) {
			return fmt.Errorf("%s: %w, state saved; continue with nfcot rl --resume -o %s", loop.Dir, err, loop.Dir)
		}
		return err
	}
	bar.end(last)
	return nil
}
