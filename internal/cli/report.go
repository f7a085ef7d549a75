package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/eval/harness"
)

type reportOptions struct {
	dirs []string
	out  string
}

func (e *env) report() *cli.Command {
	var o reportOptions
	return e.command(&cli.Command{
		Name:      "report",
		Usage:     "lay evaluations side by side, with the differences between them",
		ArgsUsage: "DIR...",
		Description: "Each DIR is what nfcot eval or nfcot merge left. Every evaluation is compared with the first, problem by problem:\n" +
			"the interval of a difference is a paired bootstrap, which sees much smaller differences than the two intervals alone.\n" +
			"Methods are compared over several seeds by nfcot study report.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "o", Usage: "`FILE` for one HTML page with tables and a plot", Destination: &o.out},
		},
		Action: func(c *cli.Context) error {
			o.dirs = c.Args().Slice()
			return e.runReport(o)
		},
	})
}

func (e *env) runReport(o reportOptions) error {
	if len(o.dirs) == 0 {
		return inputf("report: name the folders of evaluations; see nfcot report --help")
	}
	if err := outFile(o.out); err != nil {
		return err
	}
	compared, err := harness.Compare(o.dirs)
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := ckpt.WriteFile(o.out, harness.Document(compared).WriteHTML); err != nil {
			return err
		}
	}
	if e.json {
		return printLines(e, compared)
	}
	return harness.SideBySide(compared).WriteText(e.stdout)
}
