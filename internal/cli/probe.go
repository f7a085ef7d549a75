package cli

// Probes look into the thoughts of a model. This file has what they share.

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
	"nfcot/internal/eval/harness"
	"nfcot/internal/tensor"
)

func (e *env) probe() *cli.Command {
	return &cli.Command{
		Name:            "probe",
		Usage:           "look into the thoughts of a model",
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Action:          func(*cli.Context) error { return inputf("probe: want perturb, read or oracle; see nfcot probe --help") },
		Subcommands:     []*cli.Command{e.probePerturb(), e.probeRead(), e.probeOracle()},
	}
}

// openThinker reads a model whose thoughts can be probed.
func (o *modelOption) openThinker() (*experiment.Run, error) {
	run, err := o.open()
	if err != nil {
		return nil, err
	}
	if run.Model.Coder() == nil {
		return nil, inputf("%s: method %s does not think in codes, which are what can be probed", o.model, run.Model.Method.Name)
	}
	return run, nil
}

// sigmasOf are the standard deviations that the head gave the thoughts of samples, mean
// over dimensions; nil for methods whose thoughts have none.   → [n][K]
func sigmasOf(run *experiment.Run, samples []cot.Sample) [][]float64 {
	nf, ok := run.Model.Sampler().(*cot.NFCoT)
	if !ok {
		return nil
	}
	return nf.Sigmas(samples)
}

// probeOptions are those of probes that run programs.
type probeOptions struct {
	samplingOptions
	executorOptions
	out string
}

func defaultProbe() probeOptions {
	return probeOptions{samplingOptions: defaultSampling(), executorOptions: defaultExecutor()}
}

func (o *probeOptions) flags() []cli.Flag {
	return append(append(o.samplingOptions.flags(), o.executorOptions.flags()...),
		&cli.StringFlag{Name: "o", Usage: "`FILE` for the numbers, as JSON", Destination: &o.out})
}

// printProbe writes what a probe found to a file, if one is named, and to stdout:
// as JSON, or as print does.
func (e *env) printProbe(out string, found any, print func()) error {
	if out != "" {
		if err := ckpt.WriteJSON(out, found); err != nil {
			return err
		}
	}
	if e.json {
		return e.printJSON(found)
	}
	print()
	return nil
}

// samplesOf are all samples of problems, problem by problem.
func (e *env) samplesOf(run *experiment.Run, problems []eval.Problem, recipe *bench.Recipe, o samplingOptions, options cot.Options) ([]cot.Sample, error) {
	var samples []cot.Sample
	err := e.sampleBatches(run, problems, recipe, o, options, func(_ eval.Problem, s cot.Sample) error {
		samples = append(samples, s)
		return nil
	})
	return samples, err
}

// passOne is pass@1 with its 95 % interval.
type passOne struct {
	Pass1 float64 `json:"pass1"`
	Low   float64 `json:"pass1_low"`
	High  float64 `json:"pass1_high"`
}

func (p passOne) String() string {
	return eval.Estimate{Value: p.Pass1, Low: p.Low, High: p.High}.Percent()
}

// A lab has what it takes to answer a benchmark from given thoughts and to run the
// programs. Sample j of all is sample j%n of problem j/n.
type lab struct {
	e        *env
	run      *experiment.Run
	problems []eval.Problem
	recipe   *bench.Recipe
	exec     *harness.Executor
	probeOptions
}

// openLab reads the model and the benchmark, and opens what runs programs.
func (e *env) openLab(o probeOptions) (*lab, error) {
	if err := need("model", o.model); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := o.checkFlags(); err != nil {
		return nil, err
	}
	l := &lab{e: e, probeOptions: o}
	b, err := o.benchmark(o.Seed)
	if err != nil {
		return nil, err
	}
	if err := eval.CheckSamples(b.Problems, nil); err != nil {
		return nil, inputf("%s: %w", o.bench, err)
	}
	l.problems = b.Problems
	if l.run, err = o.openThinker(); err != nil {
		return nil, err
	}
	if l.exec, err = o.openExecutor(e.ctx, l.problems); err != nil {
		return nil, err
	}
	if l.recipe, err = recipeOf(b, o.recipe, o.Stops, l.exec.Sanitize); err != nil {
		l.exec.Close()
		return nil, err
	}
	return l, nil
}

// thoughts are those of all samples. No word is drawn for them.
func (l *lab) thoughts() ([]*tensor.Tensor, error) {
	options := l.options(l.run, l.recipe)
	options.MaxTokens = 0
	samples, err := l.e.samplesOf(l.run, l.problems, l.recipe, l.samplingOptions, options)
	var u []*tensor.Tensor
	for _, s := range samples {
		u = append(u, s.Thoughts)
	}
	return u, err
}

func (l *lab) passOne(verdicts []eval.Verdict) (passOne, error) {
	report, err := eval.Summarize(l.problems, verdicts, []int{1})
	if err != nil {
		return passOne{}, err
	}
	pass := report.PassAtK[0]
	return passOne{pass.Value, pass.Low, pass.High}, nil
}

// noise is standard normal noise in the shape of a sample's thoughts; it depends on
// the seed, the prompt and the number of the sample among those of its problem alone.
func (l *lab) noise(j int) *tensor.Tensor {
	prompt := l.run.Tokenizer.EncodePrompt(l.recipe.Prompt(l.problems[j/l.n]))
	eps := tensor.New(l.run.Experiment.NF.K, l.run.Experiment.NF.D)
	rng := tensor.Rand(l.Seed, "perturb", append(slices.Clone(prompt), j%l.n)...)
	for i := range eps.Data {
		eps.Data[i] = float32(rng.NormFloat64())
	}
	return eps
}

// answer answers every problem from thoughts u of sample j, and runs the programs.
func (l *lab) answer(u func(j int) *tensor.Tensor, label string) ([]eval.Verdict, error) {
	options := l.options(l.run, l.recipe)
	options.Replace = func(p, i int) *tensor.Tensor { return u(p*l.n + i) }
	samples := make([]eval.Sample, 0, len(l.problems)*l.n)
	bar := l.e.progress("answer "+label, "samples", 0, cap(samples))
	err := l.e.sampleBatches(l.run, l.problems, l.recipe, l.samplingOptions, options, func(p eval.Problem, s cot.Sample) error {
		line, err := sampleLine(l.run, p, l.recipe, s, l.samplingOptions)
		samples = append(samples, line)
		bar.set(len(samples), "")
		return err
	})
	if err != nil {
		return nil, err
	}
	verdicts, err := eval.JudgeAll(l.e.ctx, l.exec, l.recipe.Assemble, l.problems, samples, l.workers)
	passed := 0
	for _, v := range verdicts {
		if v.Passed {
			passed++
		}
	}
	bar.end(fmt.Sprintf("%.1f %% passed", 100*float64(passed)/float64(len(verdicts))))
	return verdicts, err
}
