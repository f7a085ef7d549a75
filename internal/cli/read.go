package cli

import (
	"errors"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/probe"
)

type readOptions struct {
	samplingOptions
	prompt string
	steps  int
	out    string
}

func (e *env) probeRead() *cli.Command {
	o := readOptions{samplingOptions: defaultSampling(), steps: 3}
	o.N, o.n = 1, 2
	return e.command(&cli.Command{
		Name:  "read",
		Usage: "print the thoughts of samples as the VAE's decoder reads them, and what lies between two",
		Description: "Each thought comes with the standard deviation that the head gave it (sigma), and with whether it says what a chain of thought\n" +
			"of the problem says, where those are known (minicode). Between the thoughts of the first two samples lie mixtures of both; they are\n" +
			"answered with the random numbers of the first sample. For example:\n" +
			"    nfcot probe read --model run --bench minicode:fold --problems 1 -n 2 --steps 3",
		Flags: append(o.flags(),
			&cli.StringFlag{Name: "o", Usage: "`FILE` for all of it, as JSON", Destination: &o.out},
			&cli.StringFlag{Name: "prompt", Usage: "`TEXT` to think about, instead of a benchmark; -: stdin", Destination: &o.prompt},
			&cli.IntFlag{Name: "steps", Usage: "`number` of mixtures between the first two samples", Value: o.steps, Destination: &o.steps}),
		Action: func(c *cli.Context) error {
			switch ofBench := firstSet(c, ofBenchmarks...); {
			case c.IsSet("prompt") && ofBench != "":
				return inputf("probe read: %s goes with --bench, not with --prompt", ofBench)
			case c.IsSet("prompt") && c.IsSet("bench"):
				return inputf("probe read: --prompt and --bench exclude each other")
			case c.IsSet("prompt") && o.prompt == "":
				return inputf("probe read: --prompt is empty; give a text, or leave it out to read about a benchmark")
			case o.steps < 0:
				return inputf("--steps is %d; it must not be negative", o.steps)
			}
			return e.runRead(o)
		},
	})
}

func (e *env) runRead(o readOptions) error {
	if err := errors.Join(need("model", o.model), o.check(), outFile(o.out)); err != nil {
		return err
	}
	run, err := o.open()
	if err != nil {
		return err
	}
	if err := probe.Check(run); err != nil {
		return input(err)
	}
	b, err := promptsOf(run, sampleOptions{samplingOptions: o.samplingOptions, prompt: o.prompt})
	if err != nil {
		return err
	}
	g, err := o.generator(run, b, nil)
	if err != nil {
		return err
	}
	p := &probe.Probe{Generator: g, Bench: b}
	all := probe.Readings{Model: run.Dir, Seed: o.Seed}
	for _, problem := range b.Problems {
		r, err := p.Read(e.ctx, problem, o.steps)
		if err != nil {
			return err
		}
		if err := e.print(r); err != nil {
			return err
		}
		all.Problems = append(all.Problems, r)
	}
	if o.out == "" {
		return nil
	}
	return ckpt.WriteJSON(o.out, all)
}
