package data

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/jsontext"
)

// A file is one of a source, being read.
type file struct {
	name    string // what errors call it
	text    *ckpt.Text
	columns Columns
	table   bool         // its columns have names: CSV or parquet
	done    func() int64 // how many of its bytes are read
}

// openFile opens a file to read its rows. A column is called what columns call it.
func openFile(path string, columns Columns) (*file, error) {
	f := &file{name: path, columns: columns}
	if path == ckpt.Stdin {
		f.name = "standard input"
	} else if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s: is a folder, expected a file; %s names the files in it", path, filepath.Join(path, "*.jsonl"))
	}
	var err error
	if f.text, err = ckpt.OpenText(path); err != nil {
		return nil, err
	}
	f.done = f.text.BytesRead
	return f, nil
}

// sizeOf is the size of a file in bytes; 0 if nobody knows.
func sizeOf(path string) int64 {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return info.Size()
	}
	return 0
}

// rows yields the rows of the file, up to the first error. What the file is, its first bytes
// say; that it is a table of CSV, its name or its first line.
func (f *file) rows() iter.Seq2[row, error] {
	start, _ := f.text.Peek(1 << 16) // what cannot be read is said when it is read
	if bytes.HasPrefix(start, parquetMagic) {
		return f.parquetRows()
	}
	if err := ckpt.SkipBOM(f.text); err != nil {
		return func(yield func(row, error) bool) { yield(row{}, fmt.Errorf("%s: %w", f.name, err)) }
	}
	name := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(f.name), ".gz"), ".zst")
	start = bytes.TrimLeft(bytes.TrimPrefix(start, jsontext.BOM), " \t\r\n")
	switch {
	case strings.HasSuffix(name, ".csv"):
		return f.csvRows(',')
	case strings.HasSuffix(name, ".tsv"):
		return f.csvRows('\t')
	case strings.HasSuffix(name, ".jsonl"), strings.HasSuffix(name, ".json"), jsonStart.Match(start):
		return f.jsonRows()
	case f.looksLikeCSV(start):
		return f.csvRows(',')
	}
	return f.lineRows()
}

// jsonStart begins an object, or an array of objects. An array of nothing counts, so that it
// is not taken for a text.
var jsonStart = regexp.MustCompile(`^(\[\s*)?\{\s*["}]|^\[\s*\]?\s*$`)

// looksLikeCSV says whether the first line of a text names columns that make a shape.
func (f *file) looksLikeCSV(start []byte) bool {
	line, _, _ := bytes.Cut(start, []byte("\n"))
	header, err := csv.NewReader(bytes.NewReader(line)).Read()
	if err != nil || len(header) < 2 {
		return false
	}
	r := row{fields: map[string]value{}}
	for _, column := range header {
		r.fields[strings.TrimSpace(column)] = value{}
	}
	if r.rename(f.columns) != nil {
		return false
	}
	_, err = formatOf(&r)
	return err == nil
}

// jsonRows yields the objects of JSON lines, or of an array.
func (f *file) jsonRows() iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for record, err := range ckpt.RecordsIn(f.name, f.text) {
			r := row{where: record.Where}
			if err == nil {
				r.fields, err = objectOf(record)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// objectOf are the fields of a record.
func objectOf(record ckpt.Record) (map[string]value, error) {
	all, err := jsontext.Fields(record.Text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", record.Where, err)
	}
	fields := make(map[string]value, len(all))
	for _, f := range all {
		fields[f.Key] = value{json: f.Value}
	}
	return fields, nil
}

// csvRows yields the rows of a table whose first line names its columns (RFC 4180).
func (f *file) csvRows(comma rune) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		f.table = true
		in := csv.NewReader(f.text)
		in.Comma = comma
		in.FieldsPerRecord = -1
		header, err := in.Read()
		if err == nil {
			for i, column := range header {
				header[i] = strings.TrimSpace(column)
				if header[i] != "" && slices.Contains(header[:i], header[i]) {
					err = fmt.Errorf("%s: the column %s is there twice", f.name, header[i])
				}
			}
		}
		for err == nil {
			var record []string
			if record, err = in.Read(); err != nil {
				break
			}
			line, _ := in.FieldPos(0)
			r := row{where: fmt.Sprintf("%s:%d", f.name, line), fields: make(map[string]value, len(header))}
			if len(record) != len(header) {
				yield(r, r.errorf("found %d fields, expected %d, as many as the first line names", len(record), len(header)))
				return
			}
			for i, text := range record {
				r.fields[header[i]] = textValue(text)
			}
			if !yield(r, nil) {
				return
			}
		}
		if bad := new(csv.ParseError); errors.As(err, &bad) {
			err = fmt.Errorf("%s:%d: not CSV: %w", f.name, bad.Line, bad.Err)
		}
		if err != io.EOF {
			yield(row{}, err)
		}
	}
}

// lineRows yields the lines of plain text, also those that are blank, without their ends, Windows' too.
func (f *file) lineRows() iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		number := 0
		for line, err := range f.text.Lines() {
			number++
			line = strings.TrimSuffix(line, "\r")
			r := row{where: fmt.Sprintf("%s:%d", f.name, number), line: line}
			if err == nil {
				_, err = textValue(line).asText()
				if err != nil {
					err = r.errorf("%w", err)
				}
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// Close closes the file.
func (f *file) Close() error { return f.text.Close() }
