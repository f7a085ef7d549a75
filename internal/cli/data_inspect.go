package cli

import (
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/data"
	"nfcot/internal/cot/experiment"
)

func (e *env) dataInspect() *cli.Command {
	var source experiment.Source
	var method string
	var most int
	return e.command(&cli.Command{
		Name:      "inspect",
		Usage:     "what examples of any shape are to a model: how many, how long, what is learned of them",
		ArgsUsage: "FILE...",
		Flags: append(shapeFlags(&source.Data),
			&cli.StringFlag{Name: "tokenizer", Usage: "count the tokens of this tokenizer.json, the `DIR` that holds it, or a GGUF file; default: bytes", Destination: &source.Tokenizer},
			&cli.StringFlag{Name: "init", Usage: "`MODEL` to see them with, its tokenizer and its chat template, as train starts from one", Destination: &source.Init},
			baseFlag(&source.Base),
			&cli.StringFlag{Name: "method", Usage: "`NAME` of the method that sees them (default: lm, a run's own, or with --tokenizer cot)", Destination: &method},
			&cli.IntFlag{Name: "context", Usage: "count examples of more than `N` tokens", Destination: &most}),
		Action: func(c *cli.Context) error {
			if source.Data.Files = c.Args().Slice(); len(source.Data.Files) == 0 {
				return needFiles(source.Data)
			}
			view, err := source.View(method)
			if err != nil {
				return input(err)
			}
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(streamMemory))
			source.Data.Begin = e.reading("inspect")
			x, err := data.Inspect(e.ctx, data.NewReader(source.Data), view, most)
			if err != nil {
				return input(err)
			}
			return e.print(x)
		},
	})
}
