package cli

import (
	"errors"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/experiment"
)

func (e *env) fuse() *cli.Command {
	var model, base, dtype, out string
	return e.command(&cli.Command{
		Name:  "fuse",
		Usage: "write a run with adapters (train --lora), or a model with an adapter of PEFT's, as a whole model, in which they are fused into the matrices",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "model", Usage: "`RUN|ADAPTER` folder", Destination: &model},
			baseFlag(&base),
			&cli.StringFlag{Name: "dtype", Usage: "`TYPE` of the weights: f32, bf16 or f16 (default: that of the model under the adapters; f32 if it has fewer bits)", Destination: &dtype},
			&cli.StringFlag{Name: "o", Usage: "`DIR` to write: a run, or a model folder of Hugging Face's", Destination: &out},
		},
		Action: func(*cli.Context) error {
			if err := errors.Join(need("model", model), need("o", out)); err != nil {
				return err
			}
			if err := experiment.CheckFolder(out); err != nil {
				return input(err)
			}
			run, err := experiment.OpenFused(model, base, dtype)
			if err != nil {
				return input(err)
			}
			return run.SaveFused(out, e.say)
		},
	})
}
