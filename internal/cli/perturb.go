package cli

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot"
	"nfcot/internal/cot/train"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
	"nfcot/internal/tensor"
)

// probeOptions are those of probes that run programs.
type probeOptions struct {
	samplingOptions
	executorOptions
	out string
}

func defaultProbe() probeOptions {
	return probeOptions{
		samplingOptions: defaultSampling(),
		executorOptions: executorOptions{executor: executorAuto, sandbox: "auto", workers: runtime.GOMAXPROCS(0)},
	}
}

func (o *probeOptions) flags() []cli.Flag {
	return append(append(o.samplingOptions.flags(), o.executorOptions.flags()...),
		&cli.StringFlag{Name: "o", Usage: "`FILE` for the numbers, as JSON", Destination: &o.out})
}

type perturbOptions struct {
	probeOptions
	scales string
}

func (e *env) probePerturb() *cli.Command {
	o := perturbOptions{probeOptions: defaultProbe(), scales: "0,0.5,1,1.5,2,2.5,3"}
	return e.command(&cli.Command{
		Name:  "perturb",
		Usage: "add noise to the thoughts of samples and see what their answers become",
		Description: "Thoughts u are drawn once, and answered from u + s*eps for each scale s. eps is N(0, I), the same at all scales, in the space of u:\n" +
			"there a unit is the standard deviation of the VAE's codes over the training set, as far as the flow leaves it (thought_rms says how large\n" +
			"the thoughts are). Words are drawn with the same random numbers at all scales, so that s = 0 is the samples themselves.",
		Flags: append(o.flags(),
			&cli.StringFlag{Name: "scale", Usage: "`SCALES` of the noise, comma separated", Value: o.scales, Destination: &o.scales}),
		Action: func(*cli.Context) error { return e.runPerturb(o) },
	})
}

// A perturbation is what noise in thoughts does to the answers.
type perturbation struct {
	Model      string           `json:"model"`
	Bench      string           `json:"bench"`
	Samples    int              `json:"samples"` // a problem
	Seed       uint64           `json:"seed"`
	ThoughtRMS float64          `json:"thought_rms"` // root mean square of the numbers of the thoughts
	Scales     []perturbedScale `json:"scales"`
}

// A perturbedScale compares the samples at one scale of the noise with those
// without noise, sample by sample.
type perturbedScale struct {
	Scale     float64 `json:"scale"`
	Cosine    float64 `json:"cosine"` // of all thoughts of a sample before and after, mean over samples
	Pass1     float64 `json:"pass1"`
	Low       float64 `json:"pass1_low"`
	High      float64 `json:"pass1_high"`
	Agreement float64 `json:"verdict_agreement"` // share of samples with the same verdict
	Exact     float64 `json:"exact_match"`       // share of samples with the same text
}

func (e *env) runPerturb(o perturbOptions) error {
	scales, err := parseScales(o.scales)
	if err != nil {
		return err
	}
	l, err := e.openLab(o.probeOptions)
	if err != nil {
		return err
	}
	defer l.exec.close()
	u, err := l.thoughts()
	if err != nil {
		return err
	}
	eps := make([]*tensor.Tensor, len(u))
	for j := range u {
		eps[j] = l.noise(j)
	}
	plain, err := l.answer(func(j int) *tensor.Tensor { return u[j] }, "s = 0")
	if err != nil {
		return err
	}
	p := perturbation{Model: o.model, Bench: o.bench, Samples: o.n, Seed: o.seed, ThoughtRMS: rootMeanSquare(u)}
	for _, scale := range scales {
		moved := func(j int) *tensor.Tensor {
			var t *tensor.Tape
			return t.Add(u[j], t.Scale(float32(scale), eps[j]))
		}
		verdicts := plain
		if scale != 0 {
			if verdicts, err = l.answer(moved, fmt.Sprintf("s = %g", scale)); err != nil {
				return err
			}
		}
		row := perturbedScale{Scale: scale}
		if err := row.compare(l.problems, plain, verdicts); err != nil {
			return err
		}
		for j := range u {
			row.Cosine += cosine(u[j].Data, moved(j).Data)
		}
		row.Cosine /= float64(len(u))
		p.Scales = append(p.Scales, row)
	}
	return e.printProbe(o.out, p, func() { e.printPerturbation(p) })
}

func (e *env) printPerturbation(p perturbation) {
	var rows [][]string
	for _, s := range p.Scales {
		rows = append(rows, []string{
			fmt.Sprintf("%g", s.Scale), fmt.Sprintf("%.3f", s.Cosine), fmt.Sprintf("%.1f %% [%.1f, %.1f]", 100*s.Pass1, 100*s.Low, 100*s.High),
			fmt.Sprintf("%.3f", s.Agreement), fmt.Sprintf("%.3f", s.Exact),
		})
	}
	e.printTable([]string{"scale", "cosine", "pass@1", "same verdict", "same text"}, rows)
}

// printProbe writes what a probe found to a file, if one is named, and to stdout:
// as JSON, or as print does.
func (e *env) printProbe(out string, found any, print func()) error {
	if out != "" {
		if err := writeReport(out, found); err != nil {
			return err
		}
	}
	if e.json {
		return e.printJSON(found)
	}
	print()
	return nil
}

// compare fills in the row of verdicts beside those of the samples without noise.
func (s *perturbedScale) compare(problems []eval.Problem, plain, verdicts []eval.Verdict) error {
	report, err := eval.Summarize(problems, verdicts, []int{1})
	if err != nil {
		return err
	}
	pass := report.PassAtK[0]
	s.Pass1, s.Low, s.High = pass.Value, pass.Low, pass.High
	agree, exact := 0, 0
	for j, v := range verdicts {
		if v.Passed == plain[j].Passed {
			agree++
		}
		if v.Completion == plain[j].Completion {
			exact++
		}
	}
	s.Agreement, s.Exact = float64(agree)/float64(len(verdicts)), float64(exact)/float64(len(verdicts))
	return nil
}

// parseScales reads the scales of the noise.
func parseScales(text string) ([]float64, error) {
	var scales []float64
	for _, s := range strings.Split(text, ",") {
		scale, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || !(scale >= 0) || math.IsInf(scale, 0) {
			return nil, inputf("--scale %s: %q is not a number of at least 0", text, s)
		}
		scales = append(scales, scale)
	}
	return scales, nil
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i, x := range a {
		y := float64(b[i])
		ab, aa, bb = ab+float64(x)*y, aa+float64(x)*float64(x), bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}

func rootMeanSquare(u []*tensor.Tensor) float64 {
	sum, n := 0.0, 0
	for _, x := range u {
		for _, v := range x.Data {
			sum += float64(v) * float64(v)
		}
		n += len(x.Data)
	}
	return math.Sqrt(sum / float64(n))
}

// A lab has what it takes to answer a benchmark from given thoughts and to run the
// programs. Sample j of all is sample j%n of problem j/n.
type lab struct {
	e        *env
	run      *train.Run
	problems []eval.Problem
	recipe   *bench.Recipe
	exec     *executor
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
	b, err := o.benchmark()
	if err != nil {
		return nil, err
	}
	if err := eval.CheckSamples(b.Problems, nil); err != nil {
		return nil, inputf("%s: %w", o.bench, err)
	}
	l.problems = b.Problems
	if l.recipe, err = o.recipeOf(b, func(ctx context.Context, text, entryPoint string) (string, error) {
		return l.exec.sanitize(ctx, text, entryPoint)
	}); err != nil {
		return nil, err
	}
	if l.run, err = o.openThinker(); err != nil {
		return nil, err
	}
	l.exec, err = e.openExecutor(o.executorOptions, l.problems)
	return l, err
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

// noise is standard normal noise in the shape of a sample's thoughts; it depends on
// the seed, the prompt and the number of the sample among those of its problem alone.
func (l *lab) noise(j int) *tensor.Tensor {
	prompt := l.run.Tokenizer.Encode(l.recipe.Prompt(l.problems[j/l.n]))
	eps := tensor.New(l.run.Experiment.NF.K, l.run.Experiment.NF.D)
	rng := tensor.Rand(l.seed, "perturb", append(slices.Clone(prompt), j%l.n)...)
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
		line, err := sampleLine(l.run, p, l.recipe, s, l.seed)
		samples = append(samples, line)
		bar.set(len(samples), "")
		return err
	})
	if err != nil {
		return nil, err
	}
	verdicts, err := l.e.judgeAll(l.exec.run, l.recipe.Assemble, l.problems, samples, l.workers)
	passed := 0
	for _, v := range verdicts {
		if v.Passed {
			passed++
		}
	}
	bar.end(fmt.Sprintf("%.1f %% passed", 100*float64(passed)/float64(len(verdicts))))
	return verdicts, err
}
