// Package probe looks into the thoughts of a model: what noise in them does to answers
// (Perturb), whether thoughts or answers go wrong (Oracle), what they say (Read), whether
// answers follow them (Intervene), and how likely they make the right ones (Likelihood).
// Programs are run by whatever executor it is given.
package probe

import (
	"context"
	"fmt"
	"slices"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
	"nfcot/internal/progress"
	"nfcot/internal/tensor"
)

// A Probe has what it takes to answer a benchmark from given thoughts, and to run the
// programs. Sample j of all is sample j%N of problem j/N.
type Probe struct {
	*generate.Generator
	Bench   *bench.Benchmark
	Exec    eval.Executor // runs programs; Read needs none
	Workers int           // programs run at a time
	Watch   func(Progress)
}

// A Progress tells how far a probe is with answering from some thoughts.
type Progress struct {
	Thoughts  string // which ones
	Done, All int    // samples
	Judged    bool   // all programs were run
	Passed    int    // of them
}

// Show shows how far a probe is, with a bar, which begin makes, for each kind of thoughts
// that it answers from.
func Show(begin func(label, unit string, done, total int) *progress.Bar) func(Progress) {
	var bar *progress.Bar
	return func(p Progress) {
		switch {
		case p.Judged:
			bar.End(fmt.Sprintf("%.1f %% passed", 100*float64(p.Passed)/float64(p.All)))
		case p.Done == 0:
			bar = begin("answer "+p.Thoughts, "samples", 0, p.All)
		default:
			bar.Set(p.Done, "")
		}
	}
}

// Check fails for a run whose thoughts are no codes of the VAE, which are what can be
// probed.
func Check(run *experiment.Run) error {
	if run.Model.Coder() == nil {
		return fmt.Errorf("%s: method %s does not think in codes, which are what can be probed", run.Dir, run.Model.Method.Name)
	}
	return nil
}

// CheckThoughts fails for a run that does not think in vectors, which are what can be replaced.
func CheckThoughts(run *experiment.Run) error {
	if x := run.Experiment; run.Model.Coder() == nil && x.Coconut.States() == 0 {
		return fmt.Errorf("%s: method %s does not think in vectors, which are what can be replaced", run.Dir, run.Model.Method.Name)
	}
	return nil
}

// PassOne is pass@1 with its 95 % interval.
type PassOne struct {
	Pass1 float64 `json:"pass1"`
	Low   float64 `json:"pass1_low"`
	High  float64 `json:"pass1_high"`
}

// Estimate is pass@1 as an estimate.
func (p PassOne) Estimate() eval.Estimate {
	return eval.Estimate{Value: p.Pass1, Low: p.Low, High: p.High}
}

// String writes pass@1 in percent, with its interval.
func (p PassOne) String() string { return p.Estimate().Percent() }

// passOne is that of the verdicts of all samples.
func (p *Probe) passOne(verdicts []eval.Verdict) (PassOne, error) {
	report, err := eval.Summarize(p.Bench.Problems, verdicts, []int{1})
	if err != nil {
		return PassOne{}, err
	}
	pass := report.PassAtK[0]
	return PassOne{pass.Value, pass.Low, pass.High}, nil
}

// thoughts are those of all samples. No token is drawn for them.
func (p *Probe) thoughts(ctx context.Context) ([]*tensor.Tensor, error) {
	o := p.Options()
	o.MaxTokens = 0
	samples, err := p.All(ctx, p.Bench.Problems, o)
	u := make([]*tensor.Tensor, len(samples))
	for j, s := range samples {
		u[j] = s.Thoughts
	}
	return u, err
}

// prompt is that of sample j, in tokens. The sample was drawn for it, which fails where it
// cannot be made.
func (p *Probe) prompt(j int) []int {
	prompts, _ := p.Prompts(p.Bench.Problems[j/p.N : j/p.N+1])
	return prompts[0]
}

// answer answers every problem from thoughts u of sample j, and runs the programs.
func (p *Probe) answer(ctx context.Context, u func(j int) *tensor.Tensor, label string) ([]eval.Verdict, error) {
	o := p.Options()
	o.Replace = func(problem, i int) *tensor.Tensor { return u(problem*p.N + i) }
	samples := make([]eval.Sample, 0, len(p.Bench.Problems)*p.N)
	at := Progress{Thoughts: label, All: cap(samples)}
	p.watch(at)
	err := p.Each(ctx, p.Bench.Problems, o, func(problem eval.Problem, s cot.Sample) error {
		line, err := p.Line(problem, s)
		samples = append(samples, line)
		at.Done++
		p.watch(at)
		return err
	})
	if err != nil {
		return nil, err
	}
	verdicts, err := eval.JudgeAll(ctx, p.Exec, p.Recipe.Assemble, p.Bench.Problems, samples, p.Workers)
	if err != nil {
		return nil, err
	}
	at.Judged = true
	for _, v := range verdicts {
		if v.Passed {
			at.Passed++
		}
	}
	p.watch(at)
	return verdicts, nil
}

func (p *Probe) watch(at Progress) {
	if p.Watch != nil {
		p.Watch(at)
	}
}

// sigmas are the standard deviations that the method gave the thoughts of samples, mean
// over dimensions; nil where no method does.   → [n][K]
func (p *Probe) sigmas(samples []cot.Sample) [][]float64 {
	if m, ok := p.Run.Model.Sampler().(cot.Spreader); ok {
		return m.Sigmas(samples)
	}
	return nil
}

// normal is standard normal noise for the thoughts of sample j; it depends on
// the seed, the prompt and the number of the sample among those of its problem alone.
func (p *Probe) normal(j, rows, cols int) *tensor.Tensor {
	eps := tensor.New(rows, cols)
	rng := tensor.Rand(p.Seed, "perturb", append(slices.Clone(p.prompt(j)), j%p.N)...)
	for i := range eps.Data {
		eps.Data[i] = float32(rng.NormFloat64())
	}
	return eps
}
