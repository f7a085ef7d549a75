package ckpt

// JSON lines: one JSON value a line, of any length.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// ErrEmpty is wrapped by the error of reading a file without a single line.
var ErrEmpty = errors.New("is empty, expected JSON lines")

// ReadJSONL reads a file of JSON lines ("-": standard input), compressed or
// not, line by line. Blank lines are skipped. The first error ends the sequence
// and names file and line; a missing or empty file is an error as well.
func ReadJSONL[T any](path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		rows := 0
		for line, err := range lines(path) {
			var row T
			if err == nil {
				err = line.decode(&row)
			}
			rows++
			if !yield(row, err) || err != nil {
				return
			}
		}
		if rows == 0 {
			var none T
			yield(none, fmt.Errorf("%s: %w", inputName(path), ErrEmpty))
		}
	}
}

// ReadAllJSONL collects what ReadJSONL reads.
func ReadAllJSONL[T any](path string) ([]T, error) {
	var rows []T
	for row, err := range ReadJSONL[T](path) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// line is one line of a file that is not blank.
type line struct {
	file   string
	number int // from 1
	text   []byte
}

// lines reads the lines of a file that are not blank.
func lines(path string) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		name := inputName(path)
		in, err := OpenText(path)
		if err != nil {
			yield(line{}, err)
			return
		}
		defer in.Close()
		r := bufio.NewReaderSize(in, 1<<16)
		for number := 1; ; number++ {
			text, err := r.ReadBytes('\n')
			if err != nil && err != io.EOF {
				yield(line{}, fmt.Errorf("%w (in line %d)", err, number))
				return
			}
			if text = bytes.TrimSpace(text); len(text) > 0 && !yield(line{name, number, text}, nil) {
				return
			}
			if err == io.EOF {
				return
			}
		}
	}
}

// decode is json.Unmarshal with errors in the user's terms, and without its
// leniency towards null and broken UTF-8, which would read as empty values.
func (l line) decode(into any) error {
	var err error
	switch {
	case !utf8.Valid(l.text):
		err = errors.New("is not valid UTF-8")
	case string(l.text) == "null":
		err = errors.New("found null, expected a value")
	default:
		err = explainJSON(json.Unmarshal(l.text, into))
	}
	if err != nil {
		return fmt.Errorf("%s:%d: %w", l.file, l.number, err)
	}
	return nil
}

func explainJSON(err error) error {
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("invalid JSON: %w (at byte %d)", err, syntax.Offset)
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return fmt.Errorf("field %q: found %s, expected %s", mismatch.Field, mismatch.Value, jsonKind(mismatch.Type))
	case errors.As(err, &mismatch):
		return fmt.Errorf("found %s, expected %s", mismatch.Value, jsonKind(mismatch.Type))
	}
	return err
}

// jsonKind is what a Go type is called in JSON; numbers keep their Go names,
// which tell their range.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice, reflect.Array:
		return "array"
	}
	return t.String()
}

// WriteJSONL writes values as JSON lines, whole or not at all (see WriteFile);
// compressed if the name ends in .gz or .zst.
func WriteJSONL[T any](path string, rows iter.Seq[T]) error {
	return WriteFile(path, func(w io.Writer) error {
		z, err := compress(path, w)
		if err != nil {
			return err
		}
		number := 0
		for row := range rows {
			number++
			text, err := marshalJSON(row)
			if err != nil {
				return fmt.Errorf("line %d: %w", number, err)
			}
			if _, err := z.Write(append(text, '\n')); err != nil {
				return err
			}
		}
		return z.Close()
	})
}

// WriteJSON writes a value as indented JSON, for people and programs, whole or not
// at all (see WriteFile).
func WriteJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// compress chooses the encoder by the name of the output. Both encoders give
// the same bytes every time.
func compress(path string, w io.Writer) (io.WriteCloser, error) {
	switch {
	case strings.HasSuffix(path, ".gz"):
		return gzip.NewWriter(w), nil
	case strings.HasSuffix(path, ".zst"):
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	}
	return plain{w}, nil
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// marshalJSON is json.Marshal without its \u003c for <, > and &: programs are
// to be read.
func marshalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
