package cli

import (
	"errors"
	"iter"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/data"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/progress"
	"nfcot/internal/tokenizer"
)

type tokenizeTrainOptions struct {
	source    data.Source
	vocabSize int
	out       string
}

type tokenizeOptions struct {
	tokenizer, in string
	addSpecial    bool // encode: what the tokenizer's template puts around a text
}

func (e *env) tokenize() *cli.Command {
	o := tokenizeTrainOptions{vocabSize: 512}
	var encode, decode tokenizeOptions
	flags := func(o *tokenizeOptions) []cli.Flag {
		return []cli.Flag{
			&cli.StringFlag{Name: "tokenizer", Usage: "tokenizer.json, the `DIR` that holds it, or a GGUF file", Destination: &o.tokenizer},
			&cli.StringFlag{Name: "in", Usage: "input `FILE` (.gz, .zst too); -: stdin", Value: "-", Destination: &o.in},
		}
	}
	return group("tokenize", "train a byte-level BPE tokenizer, and turn text into ids and back", "train, encode or decode",
		e.command(&cli.Command{
			Name:      "train",
			Usage:     "learn a vocabulary from text, or from the prompts, chains and answers of example files",
			ArgsUsage: "[FILE...]",
			Flags: append(dataFlags(&o.source, "in"), []cli.Flag{
				&cli.IntFlag{Name: "vocab-size", Usage: "`tokens` at most, special tokens and 256 bytes included", Value: o.vocabSize, Destination: &o.vocabSize},
				&cli.StringFlag{Name: "o", Usage: "output `DIR`; tokenizer.json is written there", Destination: &o.out},
			}...),
			Action: func(c *cli.Context) error {
				o.source.Files = append(o.source.Files, c.Args().Slice()...)
				return e.runTokenizeTrain(o)
			},
		}),
		e.command(&cli.Command{
			Name: "encode", Usage: "lines of text to lines of ids (JSON arrays)",
			Flags: append(flags(&encode),
				&cli.BoolFlag{Name: "add-special-tokens", Usage: "put the tokens around each line that the tokenizer's post_processor has for a text, as Hugging Face does; =false: put none", Value: true, Destination: &encode.addSpecial}),
			Action: func(*cli.Context) error { return e.runEncode(encode) },
		}),
		e.command(&cli.Command{
			Name: "decode", Usage: "lines of ids (JSON arrays) to lines of text", Flags: flags(&decode),
			Action: func(*cli.Context) error { return e.runDecode(decode) },
		}),
	)
}

func (e *env) runTokenizeTrain(o tokenizeTrainOptions) error {
	if err := errors.Join(need("in", o.source.Files.String()), need("o", o.out)); err != nil {
		return err
	}
	o.source.Begin = e.reading("tokenize")
	reader := data.NewReader(o.source)
	tok, err := data.TrainTokenizer(reader, o.vocabSize)
	if err != nil {
		return input(err)
	}
	e.say("tokenize: %s", reader.Counts)
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	path := filepath.Join(o.out, data.TokenizerFile)
	if err := ckpt.WriteFile(path, tok.Save); err != nil {
		return err
	}
	e.say("tokenize: %d tokens, in %s", tok.VocabSize(), path)
	return nil
}

// lines yields the lines of a text file with progress.
func (e *env) lines(label, path string) iter.Seq2[string, error] {
	return data.Lines(path, func(kB int) *progress.Bar { return e.progress(label, "kB", 0, kB) })
}

func (e *env) runEncode(o tokenizeOptions) error {
	return e.convert("encode", o, func(tok *tokenizer.Tokenizer, line string, out []byte) ([]byte, error) {
		if o.addSpecial {
			return tokenizer.AppendIDs(out, tok.EncodePrompt(line)), nil
		}
		return tokenizer.AppendIDs(out, tok.Encode(line)), nil
	})
}

func (e *env) runDecode(o tokenizeOptions) error {
	return e.convert("decode", o, func(tok *tokenizer.Tokenizer, line string, out []byte) ([]byte, error) {
		ids, err := tok.ParseIDs(line)
		if err != nil {
			return nil, err
		}
		return append(out, tok.Decode(ids, false)...), nil
	})
}

// convert writes a line to stdout for each line of a file: what f appends to out.
func (e *env) convert(label string, o tokenizeOptions, f func(tok *tokenizer.Tokenizer, line string, out []byte) ([]byte, error)) error {
	if err := need("tokenizer", o.tokenizer); err != nil {
		return err
	}
	tok, err := experiment.LoadTokenizer(o.tokenizer)
	if err != nil {
		return input(err)
	}
	return input(data.Convert(e.stdout, o.in, e.lines(label, o.in), func(line string, out []byte) ([]byte, error) { return f(tok, line, out) }))
}
