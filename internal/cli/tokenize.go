package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/tokenizer"
)

type tokenizeTrainOptions struct {
	in        []string
	vocabSize int
	out       string
}

func defaultTokenizeTrain() tokenizeTrainOptions { return tokenizeTrainOptions{vocabSize: 512} }

type tokenizeOptions struct {
	tokenizer, in string
	addSpecial    bool // encode: what the tokenizer's template puts around a text
}

func (e *env) tokenize() *cli.Command {
	var in cli.StringSlice
	o := defaultTokenizeTrain()
	var encode, decode tokenizeOptions
	flags := func(o *tokenizeOptions) []cli.Flag {
		return []cli.Flag{
			&cli.StringFlag{Name: "tokenizer", Usage: "tokenizer.json, or the `DIR` that holds it", Destination: &o.tokenizer},
			&cli.StringFlag{Name: "in", Usage: "input `FILE` (.gz, .zst too); -: stdin", Value: "-", Destination: &o.in},
		}
	}
	return &cli.Command{
		Name:  "tokenize",
		Usage: "train a byte-level BPE tokenizer, and turn text into ids and back",
		Action: func(c *cli.Context) error {
			return inputf("tokenize: want train, encode or decode; see nfcot tokenize --help")
		},
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Subcommands: []*cli.Command{
			e.command(&cli.Command{
				Name:      "train",
				Usage:     "learn a vocabulary from text, or from the prompts, chains and answers of example files",
				ArgsUsage: "[FILE...]",
				Flags: []cli.Flag{
					&cli.StringSliceFlag{Name: "in", Usage: "input `FILE`; may be given several times, and more files as arguments", Destination: &in},
					&cli.IntFlag{Name: "vocab-size", Usage: "`tokens` at most, special tokens and 256 bytes included", Value: o.vocabSize, Destination: &o.vocabSize},
					&cli.StringFlag{Name: "o", Usage: "output `DIR`; tokenizer.json is written there", Destination: &o.out},
				},
				Action: func(c *cli.Context) error {
					o.in = append(in.Value(), c.Args().Slice()...)
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
		},
	}
}

func (e *env) runTokenizeTrain(o tokenizeTrainOptions) error {
	if len(o.in) == 0 {
		return need("in", "")
	}
	if err := need("o", o.out); err != nil {
		return err
	}
	var failed error
	tok, err := tokenizer.Train(func(yield func(string) bool) {
		for _, path := range o.in {
			more, err := e.texts(path, yield)
			if err != nil || !more {
				failed = err
				return
			}
		}
	}, o.vocabSize, cot.SpecialTokens)
	if failed != nil {
		return input(failed)
	}
	if err != nil {
		return input(err)
	}
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

// texts yields the texts of a file: of example files (JSON lines with a prompt)
// prompt, chain and answer; of any other file its lines. The first line says
// which of the two a file is.
func (e *env) texts(path string, yield func(string) bool) (more bool, err error) {
	n, examples := 0, false
	for line, err := range e.fileLines("read "+filepath.Base(path), path) {
		if err != nil {
			return false, err
		}
		n++
		var ex cot.Example
		invalid := json.Unmarshal([]byte(line), &ex)
		if n == 1 {
			examples = strings.HasPrefix(line, "{") && invalid == nil && ex.Prompt != ""
		}
		switch {
		case !examples:
			if !yield(line + "\n") {
				return false, nil
			}
		case invalid != nil:
			return false, fmt.Errorf("%s:%d: invalid JSON (%w); expected an example, as on the lines before", path, n, invalid)
		default:
			if !yield(ex.Prompt) || !yield(ex.CoT+"\n") || !yield(ex.Answer) {
				return false, nil
			}
		}
	}
	return true, nil
}

// textLines yields the lines of a text file, without their ends.
func textLines(path string) func(yield func(string, error) bool) {
	return func(yield func(string, error) bool) {
		f, err := ckpt.OpenText(path)
		if err != nil {
			yield("", err)
			return
		}
		defer f.Close()
		linesOf(f, yield)
	}
}

// linesOf yields the lines of a text.
func linesOf(f io.Reader, yield func(string, error) bool) {
	r := bufio.NewReaderSize(f, 1<<16)
	for {
		line, err := r.ReadString('\n')
		if line != "" && !yield(strings.TrimSuffix(line, "\n"), nil) {
			return
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			yield("", err)
			return
		}
	}
}

// fileLines is textLines with progress: of the file, which says how much there is.
func (e *env) fileLines(label, path string) func(yield func(string, error) bool) {
	info, err := os.Stat(path)
	if path == ckpt.Stdin || err != nil {
		return textLines(path)
	}
	return func(yield func(string, error) bool) {
		f, err := ckpt.OpenText(path)
		if err != nil {
			yield("", err)
			return
		}
		defer f.Close()
		const unit = 1000
		bar := e.progress(label, "kB", 0, int(info.Size()/unit))
		n, whole := 0, true
		linesOf(f, func(line string, err error) bool {
			if n++; n%1024 == 0 {
				bar.set(int(f.BytesRead()/unit), fmt.Sprintf("%d lines", n))
			}
			whole = yield(line, err) && err == nil
			return whole
		})
		if whole {
			bar.set(int(f.BytesRead()/unit), "")
			bar.end(fmt.Sprintf("%d lines", n))
		}
	}
}

func (e *env) runEncode(o tokenizeOptions) error {
	return e.convert("encode", o, func(tok *tokenizer.Tokenizer, line string, out []byte) ([]byte, error) {
		encode := tok.Encode
		if o.addSpecial {
			encode = tok.EncodePrompt
		}
		out = append(out, '[')
		for i, id := range encode(line) {
			if i > 0 {
				out = append(out, ',')
			}
			out = strconv.AppendInt(out, int64(id), 10)
		}
		return append(out, ']'), nil
	})
}

func (e *env) runDecode(o tokenizeOptions) error {
	return e.convert("decode", o, func(tok *tokenizer.Tokenizer, line string, out []byte) ([]byte, error) {
		var ids []int
		if err := json.Unmarshal([]byte(line), &ids); err != nil {
			return nil, fmt.Errorf("found %.40q; expected a JSON array of ids, like [5, 7]", line)
		}
		for _, id := range ids {
			if id < 0 || id >= tok.VocabSize() {
				return nil, fmt.Errorf("id %d is not in the vocabulary; expected 0 to %d", id, tok.VocabSize()-1)
			}
		}
		return append(out, tok.Decode(ids, false)...), nil
	})
}

// convert maps the lines of a file to lines of stdout. f appends a line to out.
func (e *env) convert(label string, o tokenizeOptions, f func(tok *tokenizer.Tokenizer, line string, out []byte) ([]byte, error)) error {
	if err := need("tokenizer", o.tokenizer); err != nil {
		return err
	}
	tok, err := tokenizer.Load(o.tokenizer)
	if err != nil {
		return input(err)
	}
	name := o.in
	if name == ckpt.Stdin {
		name = "standard input"
	}
	out := bufio.NewWriter(e.stdout)
	defer out.Flush()
	n := 0
	var text []byte
	for line, err := range e.fileLines(label, o.in) {
		if err != nil {
			return input(err)
		}
		n++
		if text, err = f(tok, line, text[:0]); err != nil {
			return inputf("%s:%d: %w", name, n, err)
		}
		out.Write(append(text, '\n'))
	}
	return nil
}
