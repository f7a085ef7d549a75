package cli

import (
	"errors"
	"iter"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/cot/data"
)

// streamMemory is how many bytes commands take, if they can, that go through files of any size.
const streamMemory = 250 << 20

func (e *env) dataConvert() *cli.Command {
	var source data.Source
	var out string
	return e.command(&cli.Command{
		Name:      "convert",
		Usage:     "write examples of any shape in nfcot's own, as JSON lines",
		ArgsUsage: "FILE...",
		Flags: append(shapeFlags(&source),
			&cli.StringFlag{Name: "o", Usage: "output `FILE` (.gz and .zst compress); -: stdout", Destination: &out}),
		Action: func(c *cli.Context) error {
			source.Files = c.Args().Slice()
			if err := errors.Join(needFiles(source), need("o", out), outFile(out)); err != nil {
				return err
			}
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(streamMemory))
			source.Begin = e.reading("convert")
			r := data.NewReader(source)
			if err := e.stream(out, data.Own(e.ctx, r)); err != nil {
				return err
			}
			e.say("convert: %s", r.Counts)
			return nil
		},
	})
}

// needFiles fails when no file is named to read.
func needFiles(s data.Source) error {
	if len(s.Files) == 0 {
		return inputf("want one FILE or more; see --help")
	}
	return nil
}

// stream writes JSON lines to a file, or to stdout for "-", as they come. An error in their
// place is one of input.
func (e *env) stream(path string, lines iter.Seq2[any, error]) error {
	marked := func(yield func(any, error) bool) {
		for line, err := range lines {
			if !yield(line, input(err)) || err != nil {
				return
			}
		}
	}
	if path != "-" {
		return ckpt.StreamJSONL(path, marked)
	}
	for line, err := range marked {
		var text []byte
		if err == nil {
			text, err = jsontext.Marshal(line)
		}
		if err == nil {
			_, err = e.stdout.Write(append(text, '\n'))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
