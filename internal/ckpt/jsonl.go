package ckpt

// JSON lines: one JSON value a line, of any length.

import (
	"bufio"
	"bytes"
	"cmp"
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
// kept byte for byte; elements of an array have spaces for line breaks. No more than one
// record is held at a time.
func Records(path string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		in, err := OpenText(path)
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer in.Close()
		RecordsIn(inputName(path), in)(yield)
	}
}

// RecordsIn is Records for a file that is open already.
func RecordsIn(name string, in io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s := &scanner{Reader: bufio.NewReaderSize(in, 1<<16), name: name, line: 1}
		if err := SkipBOM(s.Reader); err != nil {
			yield(Record{}, fmt.Errorf("%s: %w", name, err))
			return
		}
		first, err := s.next()
		if err == nil && first == '[' {
			s.array(yield)
			return
		}
		if err == nil {
			err = s.UnreadByte()
		}
		for begun := 0; err == nil; {
			var text string
			text, err = s.ReadString('\n')
			if err != nil && err != io.EOF {
				break // what there is of the line is not all of it
			}
			text = strings.TrimSpace(text)
			if begun == 0 && err == nil && goesOn(text) {
				yield(Record{}, fmt.Errorf("%s:%d: invalid JSON: found an object that does not end in its line, expected JSON lines (an object a line) or one array", name, s.line))
				return
			}
			if text != "" {
				begun++
				if !yield(Record{fmt.Sprintf("%s:%d", name, s.line), json.RawMessage(text)}, nil) {
					return
				}
			}
			s.line++
		}
		if err != io.EOF {
			yield(Record{}, fmt.Errorf("%w (in line %d)", err, s.line))
		}
	}
}

// goesOn says whether a line of JSON begins an object that other lines go on with, as those that
// are indented do.
func goesOn(line string) bool {
	if !strings.HasPrefix(line, "{") || strings.HasSuffix(line, "}") {
		return false
	}
	var syntax *json.SyntaxError
	err := json.Unmarshal(jsontext.Mask([]byte(line)), new(json.RawMessage))
	return errors.As(err, &syntax) && syntax.Offset >= int64(len(line)) && strings.HasPrefix(syntax.Error(), "unexpected end")
}

// SkipBOM skips the byte order mark that a text begins with. That of UTF-16 is an error.
func SkipBOM(text interface {
	io.Reader
	Peek(n int) ([]byte, error)
}) error {
	first, _ := text.Peek(len(jsontext.BOM)) // what cannot be read is said when it is read
	switch {
	case bytes.HasPrefix(first, []byte("\xff\xfe")), bytes.HasPrefix(first, []byte("\xfe\xff")):
		return errors.New("is UTF-16 (by its byte order mark), expected UTF-8")
	case bytes.Equal(first, jsontext.BOM):
		_, err := io.ReadFull(text, make([]byte, len(first)))
		return err
	}
	return nil
}

// A scanner reads JSON byte by byte.
type scanner struct {
	*bufio.Reader
	name string
	line int // of the next byte
}

// next is the next byte that is no white space.
func (s *scanner) next() (byte, error) {
	for {
		c, err := s.ReadByte()
		switch {
		case err != nil:
			return 0, err
		case c == '\n':
			s.line++
		case c != ' ' && c != '\t' && c != '\r':
			return c, nil
		}
	}
}

// array yields the elements of the array whose bracket has been read. They may turn out to be
// no JSON when they are decoded.
func (s *scanner) array(yield func(Record, error) bool) {
	start := s.line
	err := s.elements(func(number int, element []byte) bool {
		return yield(Record{fmt.Sprintf("%s: element %d of the array", s.name, number), element}, nil)
	})
	switch {
	case err == nil:
	case err == io.EOF:
		yield(Record{}, fmt.Errorf("%s: the array that begins in line %d: unexpected end of JSON input", s.name, start))
	case errors.As(err, new(badArray)):
		yield(Record{}, fmt.Errorf("%s: the array that begins in line %d: %w (in line %d)", s.name, start, err, s.line))
	default:
		yield(Record{}, fmt.Errorf("%w (in line %d)", err, s.line))
	}
}

// A badArray says what is wrong between the elements of an array.
type badArray string

func (b badArray) Error() string { return string(b) }

// elements calls yield with the elements of an array and their numbers, until it says false.
func (s *scanner) elements(yield func(number int, element []byte) bool) error {
	for number := 1; ; number++ {
		element, end, err := s.element()
		switch {
		case err != nil:
			return err
		case len(element) == 0 && (number > 1 || end == ','):
			return badArray(fmt.Sprintf("found %q, expected element %d", end, number))
		case len(element) > 0 && !yield(number, element):
			return nil
		case end == ']':
			if _, err := s.next(); err == nil {
				return badArray("found more after the array, expected the end of the file")
			} else if err != io.EOF {
				return err
			}
			return nil
		}
	}
}

// element reads up to the comma or the bracket that ends an element.
func (s *scanner) element() (element []byte, end byte, err error) {
	c, err := s.next()
	inString, depth := false, 0
	for ; err == nil; c, err = s.ReadByte() {
		switch {
		case c == '\n' || c == '\r': // never within a string
			if c == '\n' {
				s.line++
			}
			c = ' '
		case inString && c == '\\':
			element = append(element, c)
			if c, err = s.ReadByte(); err != nil {
				return nil, 0, err
			}
		case c == '"':
			inString = !inString
		case inString:
		case depth == 0 && (c == ',' || c == ']'):
			return bytes.TrimRight(element, " \t"), c, nil
		case c == '{' || c == '[':
			depth++
		case depth == 0 && c == '}':
			return nil, 0, badArray("found '}' without its '{'")
		case c == '}' || c == ']':
			depth--
		}
		element = append(element, c)
	}
	return nil, 0, err
}

// WriteJSONL writes values as JSON lines, whole or not at all (see WriteFile);
// compressed if the name ends in .gz or .zst.
func WriteJSONL[T any](path string, rows iter.Seq[T]) error {
	return StreamJSONL(path, func(yield func(T, error) bool) {
		for row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	})
}

// StreamJSONL is WriteJSONL for values of which an error may come instead, which it returns;
// the file then stays as it was.
func StreamJSONL[T any](path string, rows iter.Seq2[T, error]) error {
	var failed error
	err := WriteFile(path, func(w io.Writer) error {
		z, err := compress(path, w)
		if err != nil {
			return err
		}
		number := 0
		for row, err := range rows {
			if err != nil {
				failed = err
				return err
			}
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
	return cmp.Or(failed, err)
}

// WriteJSON writes a value as indented JSON, for people and programs, whole or not
// at all (see WriteFile).
func WriteJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteBytes(path, append(text, '\n'))
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
