package data

// Parquet. Its rows are put together here, from the raw values of columns, which are found by
// their place in the file's schema: readers that look for columns by name lose lists whose
// element has another name than the one they expect. Only columns that examples are made of
// are read.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	schema "github.com/parquet-go/parquet-go/format"

	"nfcot/internal/ckpt/jsontext"
)

var parquetMagic = []byte("PAR1")

// parquetRows yields the rows of the file.
func (f *file) parquetRows() iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		f.table = true
		in, size, done, err := f.randomAccess()
		if err != nil {
			yield(row{}, err)
			return
		}
		defer done()
		var table *parquet.File
		err = guarded(func() (err error) {
			if err := checkFooter(in, size); err != nil {
				return err
			}
			table, err = parquet.OpenFile(in, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(1<<16))
			return err
		})
		if err != nil {
			yield(row{}, fmt.Errorf("%s: %w", f.name, damaged(err)))
			return
		}
		number := int64(0)
		f.done = func() int64 { return size * number / max(table.NumRows(), 1) }
		for _, group := range table.RowGroups() {
			if !f.groupRows(table.Root(), group, &number, yield) {
				return
			}
		}
	}
}

// groupRows yields the rows of a row group, after number others. It says whether there may be
// more.
func (f *file) groupRows(root *parquet.Column, group parquet.RowGroup, number *int64, yield func(row, error) bool) bool {
	var columns []*column
	for _, c := range root.Columns() {
		if f.wants(c.Name()) {
			columns = append(columns, newColumn(c, group))
		}
	}
	defer func() {
		for _, c := range columns {
			c.close()
		}
	}()
	for range group.NumRows() {
		*number++
		r := row{where: fmt.Sprintf("%s: row %d", f.name, *number), fields: make(map[string]value, len(columns))}
		for _, c := range columns {
			v, err := c.next()
			if err != nil {
				yield(r, r.errorf("column %s: %w", c.Name(), err))
				return false
			}
			r.fields[c.Name()] = v
		}
		if !yield(r, nil) {
			return false
		}
	}
	return true
}

// checkFooter refuses a file that does not end with a description of its columns, the length
// of it and the magic word: the library makes room for any length.
func checkFooter(in io.ReaderAt, size int64) error {
	end := make([]byte, 8)
	if size >= 12 {
		if _, err := in.ReadAt(end, size-8); err != nil {
			return err
		}
	}
	if !bytes.HasSuffix(end, parquetMagic) || int64(binary.LittleEndian.Uint32(end)) > size-12 {
		return errors.New("it does not end as such files do")
	}
	return nil
}

// wants says whether a column may be part of examples.
func (f *file) wants(column string) bool {
	for _, theirs := range f.columns {
		if theirs == column {
			return true
		}
	}
	return slices.ContainsFunc(formats, func(x format) bool { return slices.Contains(x.keys, column) || slices.Contains(x.also, column) })
}

// randomAccess opens the file to read any part of it; one that is compressed, or no file, is
// uncompressed into a temporary file first. done closes it.
func (f *file) randomAccess() (in *os.File, size int64, done func(), err error) {
	done = func() { in.Close() }
	if info, statErr := os.Stat(f.name); statErr == nil && info.Mode().IsRegular() && !f.text.Compressed() {
		in, err = os.Open(f.name)
	} else if in, err = os.CreateTemp("", "nfcot-*.parquet"); err == nil {
		os.Remove(in.Name()) // at once, so that no end of the program leaves it; where that is refused, at the end
		done = func() {
			in.Close()
			os.Remove(in.Name())
		}
		_, err = io.Copy(in, f.text)
	}
	var info os.FileInfo
	if err == nil {
		info, err = in.Stat()
	}
	if err != nil {
		done()
		return nil, 0, nil, err
	}
	return in, info.Size(), done, nil
}

// guarded does work on what may be damaged, of which a panic of the library is an error, too.
func guarded(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = damaged(fmt.Errorf("%v", p))
		}
	}()
	return work()
}

// A brokenParquet is what is wrong with a file that is no valid parquet.
type brokenParquet struct{ error }

func (b brokenParquet) Error() string { return "damaged parquet data: " + b.error.Error() }

func (b brokenParquet) Unwrap() error { return b.error }

// damaged says of an error that it is the file's.
func damaged(err error) error {
	if err == nil || errors.As(err, new(brokenParquet)) {
		return err
	}
	return brokenParquet{err}
}

// A column is a column of a row group, with the leaves under it, being read.
type column struct {
	*parquet.Column
	leaves []*leaf
}

// newColumn begins to read a column.
func newColumn(c *parquet.Column, group parquet.RowGroup) *column {
	x := &column{Column: c}
	var gather func(c *parquet.Column)
	gather = func(c *parquet.Column) {
		if c.Leaf() {
			x.leaves = append(x.leaves, &leaf{Column: c, chunk: group.ColumnChunks()[c.Index()], other: otherType(c.Type())})
		}
		for _, below := range c.Columns() {
			gather(below)
		}
	}
	gather(c)
	return x
}

func (c *column) close() {
	for _, l := range c.leaves {
		l.close()
	}
}

// next is the value of the next row.
func (c *column) next() (value, error) {
	cells := make([][]cell, len(c.leaves))
	for i, l := range c.leaves {
		var err error
		if cells[i], err = l.next(); err != nil {
			return value{}, err
		}
	}
	if c.Leaf() && !c.Repeated() && cells[0][0].isText && cells[0][0].definition == c.MaxDefinitionLevel() {
		return textValue(cells[0][0].text), nil
	}
	var out []byte
	err := guarded(func() error { // levels may contradict each other
		out, _ = appendValue(nil, c.Column, cells)
		return nil
	})
	if err != nil {
		return value{}, err
	}
	return value{json: out}, nil
}

// appendValue appends the value of a column as JSON. It takes the cells of the leaves under the
// column, and returns those of others behind them.
func appendValue(out []byte, c *parquet.Column, cells [][]cell) (text []byte, rest [][]cell) {
	n := leavesOf(c)
	cells, rest = cells[:n], cells[n:]
	switch missing := cells[0][0].definition < c.MaxDefinitionLevel(); {
	case c.Repeated() && missing:
		return append(out, "[]"...), rest
	case c.Repeated():
		return appendList(out, c, c, cells), rest
	case c.Optional() && missing:
		return append(out, "null"...), rest
	}
	if repeated := listOf(c); repeated != nil {
		if cells[0][0].definition < repeated.MaxDefinitionLevel() {
			return append(out, "[]"...), rest
		}
		return appendList(out, repeated, elementOf(c, repeated), cells), rest
	}
	return appendContent(out, c, cells), rest
}

// appendContent appends what a column that is there has: a cell, or an object.
func appendContent(out []byte, c *parquet.Column, cells [][]cell) []byte {
	if c.Leaf() {
		x := cells[0][0]
		if x.isText {
			return append(out, jsontext.Quote(x.text)...)
		}
		return append(out, x.text...)
	}
	out = append(out, '{')
	for i, below := range c.Columns() {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, jsontext.Quote(below.Name())...), ':')
		out, cells = appendValue(out, below, cells)
	}
	return append(out, '}')
}

// appendList appends the elements of a repeated column, which has some.
func appendList(out []byte, repeated, element *parquet.Column, cells [][]cell) []byte {
	level := repeated.MaxRepetitionLevel()
	out = append(out, '[')
	for i := 0; len(cells[0]) > 0; i++ {
		item := make([][]cell, len(cells))
		for j, all := range cells {
			end := 1
			for end < len(all) && all[end].repetition > level {
				end++
			}
			end = min(end, len(all))
			item[j], cells[j] = all[:end], all[end:]
		}
		if i > 0 {
			out = append(out, ',')
		}
		if element == repeated {
			out = appendContent(out, element, item)
		} else {
			out, _ = appendValue(out, element, item)
		}
	}
	return append(out, ']')
}

// listOf is the repeated column of a group that is nothing but a list; nil if it is more.
func listOf(c *parquet.Column) *parquet.Column {
	if below := c.Columns(); len(below) == 1 && below[0].Repeated() {
		return below[0]
	}
	return nil
}

// elementOf is what the elements of a list are, by the rules of the format's description: the
// one column in the repeated group, whatever its name, or in old files the group itself.
func elementOf(list, repeated *parquet.Column) *parquet.Column {
	below := repeated.Columns()
	if len(below) != 1 || below[0].Repeated() || repeated.Name() == "array" || repeated.Name() == list.Name()+"_tuple" {
		return repeated
	}
	return below[0]
}

// leavesOf is the number of leaves under a column.
func leavesOf(c *parquet.Column) int {
	if c.Leaf() {
		return 1
	}
	n := 0
	for _, below := range c.Columns() {
		n += leavesOf(below)
	}
	return n
}

// A cell is one value of a leaf, with the levels that say where it belongs.
type cell struct {
	repetition, definition int
	isText                 bool
	text                   string // or JSON
}

// A leaf is a column of values, being read.
type leaf struct {
	*parquet.Column
	chunk  parquet.ColumnChunk
	other  string // what its values are, if that is neither a text nor a number that is written as such
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader // of the page
	raw    [64]parquet.Value
	cells  []cell // read, but not given out
	used   int    // of them
}

// next are the cells of the next row. They are kept until the next call.
func (l *leaf) next() ([]cell, error) {
	l.cells = append(l.cells[:0], l.cells[l.used:]...)
	for n := 0; ; n++ {
		if n == len(l.cells) {
			switch err := guarded(l.read); {
			case err == io.EOF && n > 0:
			case err == io.EOF:
				return nil, damaged(errors.New("it has fewer values than there are rows"))
			case err != nil:
				return nil, err
			}
		}
		if n > 0 && (n == len(l.cells) || l.cells[n].repetition == 0) {
			l.used = n
			return l.cells[:n], nil
		}
	}
}

// read reads some more cells; io.EOF if there are none.
func (l *leaf) read() (err error) {
	if l.pages == nil {
		l.pages = l.chunk.Pages()
	}
	for before := len(l.cells); len(l.cells) == before; {
		if l.values == nil {
			if l.page, err = l.pages.ReadPage(); err == io.EOF {
				return err
			} else if err != nil {
				return damaged(err)
			}
			l.values = l.page.Values()
		}
		n, err := l.values.ReadValues(l.raw[:])
		for _, v := range l.raw[:n] {
			x, wrong := cellOf(v)
			if l.other != "" && !v.IsNull() {
				wrong = fmt.Errorf("found a value of type %s, expected a text or a number", l.other)
			}
			if wrong != nil {
				return wrong
			}
			l.cells = append(l.cells, x)
		}
		if err == io.EOF {
			parquet.Release(l.page)
			l.page, l.values = nil, nil
		} else if err != nil {
			return damaged(err)
		}
	}
	return nil
}

func (l *leaf) close() {
	if l.page != nil {
		parquet.Release(l.page)
	}
	if l.pages != nil {
		l.pages.Close()
	}
}

// otherType names the type of values that are written as numbers or bytes and mean something
// else: decimals, of which only the digits are there, and bytes of a fixed length (numbers of
// 16 bits, ids); "" of others.
func otherType(t parquet.Type) string {
	logical := t.LogicalType()
	if logical == nil && t.Kind() == parquet.FixedLenByteArray {
		return t.Kind().String()
	} else if logical == nil {
		return ""
	}
	switch logical.Value.(type) {
	case *schema.DecimalType, *schema.UUIDType:
		return logical.String()
	}
	return ""
}

// cellOf copies a value out of the memory of its page. Texts need not be marked as such: old
// files have bytes.
func cellOf(v parquet.Value) (cell, error) {
	x := cell{repetition: v.RepetitionLevel(), definition: v.DefinitionLevel()}
	if v.IsNull() {
		return x, nil
	}
	switch v.Kind() {
	case parquet.Boolean:
		x.text = strconv.FormatBool(v.Boolean())
	case parquet.Int32:
		x.text = strconv.FormatInt(int64(v.Int32()), 10)
	case parquet.Int64:
		x.text = strconv.FormatInt(v.Int64(), 10)
	case parquet.Float:
		x.text = number(float64(v.Float()), 32)
	case parquet.Double:
		x.text = number(v.Double(), 64)
	case parquet.ByteArray, parquet.FixedLenByteArray:
		if !utf8.Valid(v.ByteArray()) {
			return x, errors.New("found bytes that are no UTF-8, expected a text")
		}
		x.isText, x.text = true, string(v.ByteArray())
	default:
		return x, fmt.Errorf("found a value of type %s, expected a text or a number", v.Kind())
	}
	return x, nil
}

// number is a number as JSON.
func number(x float64, bits int) string {
	switch text := strconv.FormatFloat(x, 'g', -1, bits); text {
	case "+Inf":
		return "Infinity"
	case "-Inf":
		return "-Infinity"
	default:
		return text
	}
}
