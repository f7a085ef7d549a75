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
		&cli.StringFlag{Name: "model", Usage: "`RUN|HF_DIR`: folder of a trained model, or of a Qwen3 language model as Hugging Face has them (config.json, tokenizer.json, safetensors)", Destination: &o.model},
		&cli.StringFlag{Name: "weights", Usage: "`FORMAT` of the backbone's matrices in memory: f32, exact; bf16, half the size; int8, blocks of 32 with a scale, a quarter. Fewer bytes decode faster, and the model is a little another one; default: bf16 if the file has bf16, else f32", Destination: &o.weights},
	}
}

// open reads the model.
func (o *modelOption) open() (*train.Run, error) {
	var format *kernel.Format
	if o.weights != "" {
		f, ok := kernel.ParseFormat(o.weights)
		if !ok {
			return nil, inputf("--weights is %q; want f32, bf16 or int8", o.weights)
		}
		format = &f
	}
	run, err := train.Open(o.model, format)
	return run, input(err)
}
