package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/train"
	"nfcot/internal/tensor/kernel"
)

// A modelOption says which trained model to run, and how its weights are kept.
type modelOption struct {
	model   string
	weights string
}

func (o *modelOption) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "model", Usage: "`RUN` folder of a trained model", Destination: &o.model},
		&cli.StringFlag{Name: "weights", Usage: "`FORMAT` of the backbone's matrices in memory: f32, exact; bf16, half the size; int8, blocks of 32 with a scale, a quarter. Fewer bytes decode faster, and the model is a little another one", Value: kernel.F32.String(), Destination: &o.weights},
	}
}

// open reads the model.
func (o *modelOption) open() (*train.Run, error) {
	format, ok := kernel.ParseFormat(o.weights)
	if !ok {
		return nil, inputf("--weights is %q; want f32, bf16 or int8", o.weights)
	}
	run, err := train.Open(o.model)
	if err != nil {
		return nil, input(err)
	}
	run.Model.LM.Pack(run.Model.Params, format)
	return run, nil
}
