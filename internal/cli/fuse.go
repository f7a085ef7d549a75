package cli

import (
	"errors"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/experiment"
)

func (e *env) fuse() *cli.Command {
	var model, out string
	return e.command(&cli.Command{
		Name:  "fuse",
		Usage: "write a run with adapters (train --lora) as a whole model, in which they are fused into the matrices",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "model", Usage: "`RUN` folder with adapters", Destination: &model},
			&cli.StringFlag{Name: "o", Usage: "`RUN` folder to write", Destination: &out},
		},
		Action: func(*cli.Context) error {
			if err := errors.Join(need("model", model), need("o", out)); err != nil {
				return err
			}
			if err := experiment.CheckFolder(out); err != nil {
				return input(err)
			}
			run, err := experiment.OpenFused(model)
			if err != nil {
				return input(err)
			}
			run.Dir = out
			if err := run.Start(); err != nil {
				return err
			}
			return run.Finish()
		},
	})
}
