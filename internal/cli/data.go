package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/problems"
	"nfcot/internal/progress"
)

type dataOptions struct {
	bench, split string
	n            int
	seed         uint64
	out          string
}

func (e *env) data() *cli.Command {
	o := dataOptions{bench: "minicode", split: "train", n: 4000, seed: 1}
	return e.command(&cli.Command{
		Name:  "data",
		Usage: "write examples (train, dev) or problems (test) of a benchmark that this program makes as JSON lines",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "bench", Usage: "`NAME` of the benchmark: minicode[:FAMILY,...[:easy|medium|hard[:one-order|no-plan]]], with chains in one order only or without the line that says which, or multiply:NxM, factors of N and M digits (train and dev; the published problems are the test split of 4x4 and 5x5)", Value: o.bench, Destination: &o.bench},
			&cli.StringFlag{Name: "split", Usage: "train, dev or test; no problem is in two of them", Value: o.split, Destination: &o.split},
			&cli.IntFlag{Name: "n", Usage: "`number` of examples", Value: o.n, Destination: &o.n},
			&cli.Uint64Flag{Name: "seed", Usage: "random `seed`", Value: o.seed, Destination: &o.seed},
			&cli.StringFlag{Name: "o", Usage: "output `FILE` (.gz and .zst compress); -: stdout", Value: "-", Destination: &o.out},
		},
		Subcommands: []*cli.Command{e.dataConvert(), e.dataInspect()},
		Action:      func(*cli.Context) error { return e.runData(o) },
	})
}

func (e *env) runData(o dataOptions) error {
	if o.n < 1 {
		return inputf("-n is %d; it must be at least 1", o.n)
	}
	if err := outFile(o.out); err != nil {
		return err
	}
	lines := problems.Lines(o.bench, o.split, o.seed, o.n)
	bar := func() *progress.Bar { return e.progress("data", "examples", 0, o.n) }
	return e.stream(o.out, progress.Each(e.ctx, lines, bar))
}
