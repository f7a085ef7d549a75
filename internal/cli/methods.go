package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/experiment"
)

func (e *env) methods() *cli.Command {
	return e.command(&cli.Command{
		Name:   "methods",
		Usage:  "the methods that there are, and what each can do",
		Action: func(*cli.Context) error { return e.runMethods() },
	})
}

func (e *env) runMethods() error {
	if e.json {
		return printLines(e, experiment.DescribeMethods())
	}
	return experiment.WriteMethods(e.stdout)
}
