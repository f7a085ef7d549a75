package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/speed"
)

func (e *env) bench() *cli.Command {
	var o speed.Options
	var model modelOption
	return e.command(&cli.Command{
		Name:  "bench",
		Usage: "speed of matrix products, the training step, prefill and decoding on this machine",
		Description: "Every number stands beside its share of what the machine can do at best, which is measured first: of its float32\n" +
			"multiply-adds, which products in bfloat16 may exceed, or of reading memory, for what reads every weight for a few rows.\n" +
			"Groups: gemm, products of large matrices; gemv, of a vector with weights that no cache holds; train, the training step of small\n" +
			"language models (16 sequences of 256 tokens), or of one in the shape of --model (8 of 128); model, prefill and decoding of --model,\n" +
			"or of random weights in the shape of Qwen3-0.6B (4 GB of memory). For example:\n" +
			"    nfcot bench --only gemm --threads 1\n" +
			"    nfcot bench --only train --profile --model run",
		Flags: append(model.flags(),
			&cli.StringFlag{Name: "only", Usage: "measure one `GROUP` alone: gemm, gemv, train or model", Destination: &o.Only},
			&cli.BoolFlag{Name: "profile", Usage: "with --only train: where the time of a step goes, by operation", Destination: &o.Profile},
			&cli.BoolFlag{Name: "quick", Usage: "one short round of each, to see that it works", Destination: &o.Quick}),
		Action: func(*cli.Context) error { return e.runBench(o, model) },
	})
}

func (e *env) runBench(o speed.Options, model modelOption) error {
	if model.model == "" && model.base+model.weights != "" {
		return inputf("bench: --base and --weights go with --model")
	}
	if o.Profile && o.Only != "train" {
		return inputf("bench: --profile goes with --only train")
	}
	switch {
	case model.model == "":
	case o.Only == "train":
		if model.weights != "" {
			return inputf("bench: --weights goes with --only model: training is in f32 and bf16")
		}
		base, err := experiment.OpenBase(model.model, model.base)
		if err != nil {
			return input(err)
		}
		o.Shape = &base.Model
	case o.Only != "" && o.Only != "model":
		return inputf("bench: --model goes with --only model or train, and --only is %s", o.Only)
	default:
		run, err := model.open()
		if err != nil {
			return err
		}
		if n := run.Experiment.Model.MaxTokens; n < speed.MinTokens {
			return inputf("bench: %s has %d positions; it takes %d", model.model, n, speed.MinTokens)
		}
		o.Only, o.Model, o.Weights = "model", run.Model.LM, cmp.Or(model.weights, "default")
	}
	if o.Only != "" && !slices.Contains(speed.Groups, o.Only) {
		return inputf("--only is %q; want one of %s", o.Only, strings.Join(speed.Groups, ", "))
	}
	o.Watch = func(m speed.Measurement) { e.say("%s %s: %s", m.Group, m.Name, m.Speed()) }
	r, err := speed.Run(e.ctx, o)
	if err != nil {
		return err
	}
	return e.print(r)
}
