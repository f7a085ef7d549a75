package cli

import (
	"errors"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/cot/experiment"
)

func (e *env) export() *cli.Command {
	var model, kind, out string
	return e.command(&cli.Command{
		Name:  "export",
		Usage: "write a language model, or a run of direct, cot or icot, as a GGUF file for llama.cpp: matrices, tokenizer, chat template, ends",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "model", Usage: "`MODEL` to write: a run, a language model of Hugging Face's, or a GGUF file", Destination: &model},
			&cli.StringFlag{Name: "gguf", Usage: "`TYPE` of its matrices: f32, f16, bf16 or q8_0", Destination: &kind},
			&cli.StringFlag{Name: "o", Usage: "`FILE` to write", Destination: &out},
		},
		Action: func(*cli.Context) error {
			if err := errors.Join(need("model", model), need("gguf", kind), need("o", out), outFile(out)); err != nil {
				return err
			}
			as, err := gguf.ParseType(kind)
			if err != nil {
				return inputf("--gguf: %w", err)
			}
			x, err := experiment.OpenExport(model, as)
			if err != nil {
				return input(err)
			}
			defer x.Close()
			if err = x.Save(out); errors.As(err, new(*gguf.TensorError)) {
				return input(err)
			}
			return err
		},
	})
}
