package ckpt

// JSON lines: one JSON value a line, of any length.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"nfcot/internal/ckpt/jsontext"
)

// ErrEmpty is wrapped by the error of reading a file without a single line.
var ErrEmpty = errors.New("is empty, expected JSON lines")

// ReadJSONL reads the Records of a file ("-": standard input). The first error ends the
// sequence and names file and line; a missing or empty file is an error as well.
func ReadJSONL[T any](path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		rows := 0
		for record, err := range Records(path) {
			var row T
			if err == nil {
				err = record.Decode(&row)
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

// A Record is a JSON value of a file, as it was written, and where it stands.
type Record struct {
	Where string // file:line, or the number of an array's element
	Text  json.RawMessage
}

// Decode is jsontext.Unmarshal with an error that says where. It refuses null, which would
// be read as an empty value.
func (r Record) Decode(into any) error {
	err := errors.New("found null, expected a value")
	if string(r.Text) != "null" {
		err = jsontext.Unmarshal(r.Text, into)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.Where, err)
	}
	return nil
}

// Records reads a file ("-": standard input), compressed or not, of JSON lines, or of one
// array, whose elements it then is. A byte order mark and blank lines are skipped. Lines are
// kept byte for byte; elements of an array have spaces for line breaks.
func Records(path string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		in, err := OpenText(path)
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer in.Close()
		RecordsIn(inputName(path), in.Lines())(yield)
	}
}

// RecordsIn is Records for the lines of a file that is open already.
func RecordsIn(name string, lines iter.Seq2[string, error]) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		number, start := 0, 0 // the line of the array's bracket
		var array []byte
		for line, err := range lines {
			number++
			if err != nil {
				yield(Record{}, fmt.Errorf("%w (in line %d)", err, number))
				return
			}
			if number == 1 {
				if line, err = WithoutBOM(line); err != nil {
					yield(Record{}, fmt.Errorf("%s: %w", name, err))
					return
				}
			}
			text := strings.TrimSpace(line)
			if start == 0 && strings.HasPrefix(text, "[") {
				start = number
			}
			switch {
			case start > 0:
				array = append(append(array, line...), '\n')
			case text == "":
			case !yield(Record{fmt.Sprintf("%s:%d", name, number), json.RawMessage(text)}, nil):
				return
			default:
				start = -1
			}
		}
		if start > 0 {
			elements(name, start, array, yield)
		}
	}
}

// WithoutBOM is the first line of a file without its byte order mark. That of UTF-16 is an
// error.
func WithoutBOM(line string) (string, error) {
	if strings.HasPrefix(line, "\xff\xfe") || strings.HasPrefix(line, "\xfe\xff") {
		return "", errors.New("is UTF-16 (by its byte order mark), expected UTF-8")
	}
	return strings.TrimPrefix(line, string(jsontext.BOM)), nil
}

// elements yields the elements of an array, which begins at a line.
func elements(name string, line int, array []byte, yield func(Record, error) bool) {
	number := 0
	err := jsontext.Elements(array, func(element json.RawMessage) bool {
		number++
		for i, c := range element {
			if c == '\n' || c == '\r' { // never within a string
				element[i] = ' '
			}
		}
		return yield(Record{fmt.Sprintf("%s: element %d of the array", name, number), element}, nil)
	})
	if err != nil {
		yield(Record{}, fmt.Errorf("%s: the array that begins in line %d: %w", name, line, err))
	}
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
			text, err := jsontext.Marshal(row)
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
