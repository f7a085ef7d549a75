package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/experiment"
)

func (e *env) inspect() *cli.Command {
	return e.command(&cli.Command{
		Name:      "inspect",
		Usage:     "what a checkpoint, run, thoughts folder, model directory or GGUF file holds",
		ArgsUsage: "PATH",
		Action: func(c *cli.Context) error {
			if c.Args().Len() != 1 {
				return inputf("inspect: want one PATH; see nfcot inspect --help")
			}
			return e.runInspect(c.Args().First())
		},
	})
}

func (e *env) runInspect(path string) error {
	x, err := experiment.Inspect(path)
	if err != nil {
		return input(err)
	}
	if e.json {
		return printLines(e, x.Tensors)
	}
	return x.WriteText(e.stdout)
}
