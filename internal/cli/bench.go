package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/speed"
)

func (e *env) bench() *cli.Command {
	var o speed.Options
	return e.command(&cli.Command{
		Name:  "bench",
		Usage: "speed of matrix products, the training step, prefill and decoding on this machine",
		Description: "Every number stands beside its share of what the machine can do at best, which is measured first: of its float32\n" +
			"multiply-adds, which products in bfloat16 may exceed, or of reading memory, for what reads every weight for a few rows.\n" +
			"Groups: gemm, products of large matrices; gemv, of a vector with weights that no cache holds; train, the training step of small\n" +
			"language models; model, prefill and decoding of a model of random weights in the shape of Qwen3-0.6B (4 GB of memory).\n" +
			"For example:\n" +
			"    nfcot bench --only gemm --threads 1",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "only", Usage: "measure one `GROUP` alone: gemm, gemv, train or model", Destination: &o.Only},
			&cli.BoolFlag{Name: "quick", Usage: "one short round of each, to see that it works", Destination: &o.Quick},
		},
		Action: func(*cli.Context) error { return e.runBench(o) },
	})
}

func (e *env) runBench(o speed.Options) error {
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
