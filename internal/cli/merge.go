package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/eval/harness"
)

type mergeOptions struct {
	dirs       []string
	perProblem bool
	out        string
}

func (e *env) merge() *cli.Command {
	var o mergeOptions
	return e.command(&cli.Command{
		Name:      "merge",
		Usage:     "join the shards of an evaluation into what it would have left undivided",
		ArgsUsage: "DIR...",
		Description: "Each DIR is the folder of a shard, or holds the folders shard-i-of-n of several. For example:\n" +
			"    nfcot eval --shard 0/2 --samples samples.jsonl -o out/shard-0-of-2\n" +
			"    nfcot eval --shard 1/2 --samples samples.jsonl -o out/shard-1-of-2\n" +
			"    nfcot merge -o out out",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "per-problem", Usage: "print a line for each problem, too", Destination: &o.perProblem},
			&cli.StringFlag{Name: "o", Usage: "output `DIR` for the files that nfcot eval leaves", Destination: &o.out},
		},
		Action: func(c *cli.Context) error {
			o.dirs = c.Args().Slice()
			return e.runMerge(o)
		},
	})
}

func (e *env) runMerge(o mergeOptions) error {
	if err := need("o", o.out); err != nil {
		return err
	}
	if len(o.dirs) == 0 {
		return inputf("merge: name the folders of the shards; see nfcot merge --help")
	}
	x, err := harness.Merge(o.dirs, o.out)
	if err != nil {
		return err
	}
	return e.printEvaluation(x, o.perProblem)
}
