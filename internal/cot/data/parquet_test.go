package data

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"
)

// table writes a parquet file of the rows, so many a row group.
func table[T any](t *testing.T, group int, rows []T, options ...parquet.WriterOption) string {
	t.Helper()
	var out bytes.Buffer
	w := parquet.NewGenericWriter[T](&out, options...)
	for some := range slices.Chunk(rows, group) {
		if _, err := w.Write(some); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return put(t, "x.parquet", out.String())
}

type turn struct {
	Role    string   `parquet:"role,dict"`
	Content *string  `parquet:"content,optional"`
	Weight  *float64 `parquet:"weight,optional"`
}

// The ways in which writers have called the element of a list.
type (
	itemOf struct {
		Item *turn `parquet:"item,optional"`
	}
	elementOf2 struct {
		Element turn `parquet:"element"`
	}
	itemRow struct {
		ID       int64 `parquet:"id"`
		Messages *struct {
			List []itemOf `parquet:"list"`
		} `parquet:"messages,optional"`
	}
	elementRow struct {
		Messages *struct {
			List []elementOf2 `parquet:"list"`
		} `parquet:"messages,optional"`
		Other [][]byte `parquet:"other"`
	}
	arrayRow struct { // of two levels
		Messages *struct {
			Array []turn `parquet:"array"`
		} `parquet:"messages,optional"`
	}
	bareRow struct { // of one
		Messages []turn `parquet:"messages"`
	}
)

// TestParquetLists: conversations are the same whatever their lists are called, null and empty
// ones among them.
func TestParquetLists(t *testing.T) {
	text := func(s string) *string { return &s }
	half := 0.5
	all := [][]turn{
		{{"user", text("u"), &half}, {"assistant", text("a\u2028\"\\"), nil}},
		{},
		nil,
		{{"user", nil, nil}, {"assistant", text(""), nil}},
		{{"system", text("s"), nil}, {"user", text("é"), nil}, {"assistant", text(strings.Repeat("long ", 5000)), nil}},
	}
	var items []itemRow
	var elements []elementRow
	var arrays []arrayRow
	var bare []bareRow
	for i, turns := range all {
		item, element, array := itemRow{ID: int64(i)}, elementRow{Other: [][]byte{{0xff}}}, arrayRow{}
		if turns != nil {
			item.Messages, element.Messages, array.Messages = new(struct {
				List []itemOf `parquet:"list"`
			}), new(struct {
				List []elementOf2 `parquet:"list"`
			}), new(struct {
				Array []turn `parquet:"array"`
			})
			array.Messages.Array = turns
		}
		for _, x := range turns {
			item.Messages.List = append(item.Messages.List, itemOf{&x})
			element.Messages.List = append(element.Messages.List, elementOf2{x})
		}
		items, elements, arrays, bare = append(items, item), append(elements, element), append(arrays, array), append(bare, bareRow{turns})
	}
	want := []string{
		`[{"role":"user","content":"u","weight":0.5},{"role":"assistant","content":"a\u2028\"\\"}]`,
		`[{"role":"system","content":"s"},{"role":"user","content":"é"},{"role":"assistant","content":"` + strings.Repeat("long ", 5000) + `"}]`,
	}
	const rest = "dropped 1: a message without content (FILE: row 4)"
	for name, path := range map[string]string{
		"item": table(t, 2, items), "zstd": table(t, 5, items, parquet.Compression(&parquet.Zstd)), "snappy": table(t, 5, items, parquet.Compression(&parquet.Snappy)),
		"gzip": table(t, 1, items, parquet.Compression(&parquet.Gzip)), "brotli": table(t, 5, items, parquet.Compression(&parquet.Brotli)),
		"lz4": table(t, 5, items, parquet.Compression(&parquet.Lz4Raw)), "small pages": table(t, 5, items, parquet.PageBufferSize(20)),
		"v1": table(t, 5, items, parquet.DataPageVersion(1)), "element": table(t, 3, elements), "array": table(t, 3, arrays), "one level": table(t, 3, bare),
	} {
		examples, said := readAll(Source{Files: Files{path}})
		if !slices.Equal(examples, want) {
			t.Errorf("%s: %q", name, examples)
		}
		first := "dropped 1: no turn of the assistant's (FILE: row 2); dropped 1: no conversation (FILE: row 3)"
		if name == "one level" { // knows no null
			first = "dropped 2: no turn of the assistant's (FILE: row 2, FILE: row 3)"
		}
		if want := "reading 2 examples as messages; " + first + "; " + rest; said != want {
			t.Errorf("%s: %s, want %s", name, said, want)
		}
	}
}

// TestParquetTables: columns of texts and lists, and what is wrong with others.
func TestParquetTables(t *testing.T) {
	type steps struct {
		Question  string    `parquet:"question,dict"`
		Steps     []string  `parquet:"steps,list"`
		Answer    []byte    `parquet:"answer"` // not marked as a text
		Embedding []float32 `parquet:"embedding"`
	}
	rows := []steps{{"q", []string{"a", "b"}, []byte("1"), []float32{1, 2}}, {"q", nil, []byte("2"), nil}, {"r", []string{"c"}, []byte("3"), nil}}
	path := table(t, 2, rows)
	examples, said := readAll(Source{Files: Files{path}})
	if got := strings.Join(examples, " "); got != "q|a\nb|1 q||2 r|c|3" || said != "reading 3 examples as prosqa; 1 of them without a chain of thought" {
		t.Errorf("%q (%s)", got, said)
	}
	packed := filepath.Join(t.TempDir(), "x")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(whole)
	z.Close()
	if err := os.WriteFile(packed, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	if again, _ := readAll(Source{Files: Files{packed}}); !slices.Equal(again, examples) {
		t.Errorf("%q", again)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left %v", left)
	}

	type numbers struct {
		Prompt string  `parquet:"prompt"`
		Answer float64 `parquet:"answer"`
		Bytes  []byte  `parquet:"cot"`
	}
	path = table(t, 2, []numbers{{"p", 2.5, nil}})
	for _, tt := range []struct {
		source Source
		want   string
	}{
		{Source{}, `FILE: row 1: key "answer": found number, expected string`},
		{Source{Columns: Columns{"prompt": "question"}}, "FILE: row 1: there is no column question for prompt; found the keys answer, cot, prompt"},
		{Source{Format: "gsm8k"}, "FILE: row 1: found the keys answer, cot, prompt, expected question, answer, the keys of gsm8k"},
	} {
		tt.source.Files = Files{path}
		if _, said := readAll(tt.source); said != tt.want {
			t.Errorf("%s, want %s", said, tt.want)
		}
	}
	path = table(t, 2, []numbers{{"p", 2.5, []byte("\xff")}})
	if _, said := readAll(Source{Files: Files{path}}); said != "FILE: row 1: column cot: found bytes that are no UTF-8, expected a text" {
		t.Error(said)
	}
	type others struct {
		Prompt  string  `parquet:"prompt"`
		Answer  string  `parquet:"answer"`
		Decimal *int64  `parquet:"cot,optional,decimal(2:10)"`
		Fixed   [2]byte `parquet:"task_id"`
	}
	for _, tt := range []struct {
		row  others
		want string
	}{
		{others{"p", "a", new(int64(125)), [2]byte{'i', 'd'}}, "FILE: row 1: column cot: found a value of type DECIMAL(10,2), expected a text or a number"},
		{others{"p", "a", nil, [2]byte{0, '>'}}, "FILE: row 1: column task_id: found a value of type FIXED_LEN_BYTE_ARRAY, expected a text or a number"},
	} {
		if _, said := readAll(Source{Files: Files{table(t, 1, []others{tt.row})}}); said != tt.want {
			t.Errorf("%s, want %s", said, tt.want)
		}
	}
	if _, said := readAll(Source{Files: Files{table[numbers](t, 1, nil)}}); said != "FILE: has no rows" {
		t.Error(said)
	}
}

// TestParquetDamaged: whatever is changed in a file, reading ends with rows or an error.
func TestParquetDamaged(t *testing.T) {
	text := func(s string) *string { return &s }
	path := table(t, 1, []bareRow{{[]turn{{"user", text("u"), nil}, {"assistant", text("a"), nil}}}, {[]turn{{"assistant", text("b"), nil}}}}, parquet.Compression(&parquet.Uncompressed))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4; i < len(whole); i += 3 {
		for _, change := range []byte{0x01, 0xff} {
			damaged := bytes.Clone(whole)
			damaged[i] ^= change
			if err := os.WriteFile(path, damaged, 0o644); err != nil {
				t.Fatal(err)
			}
			readAll(Source{Files: Files{path}})
		}
	}
}

// TestParquetFooter: a length that the file does not have is not made room for.
func TestParquetFooter(t *testing.T) {
	for _, end := range []string{"\xff\xff\xff\xffPAR1", "\x09\x00\x00\x00PAR1", "PAR1", ""} {
		if _, said := readAll(Source{Files: Files{put(t, "x", "PAR1"+end)}}); said != "FILE: damaged parquet data: it does not end as such files do" {
			t.Errorf("%q: %s", end, said)
		}
	}
}

// TestParquetOfOthers reads what testdata/make_parquet.py makes.
func TestParquetOfOthers(t *testing.T) {
	path := filepath.Join("testdata", "others.parquet")
	examples, said := readAll(Source{Files: Files{path}})
	want := []string{
		`[{"role":"user","content":"2+2?"},{"role":"assistant","content":"4","weight":1}]`,
		`[{"role":"system","content":"be brief"},{"role":"user","content":"é\u2028x","weight":0.5},{"role":"assistant","content":"` + strings.Repeat("y", 300) + `"},` +
			`{"role":"user","content":"again"},{"role":"assistant","content":"z"}]`,
	}
	if !slices.Equal(examples, want) || said != "reading 2 examples as sharegpt; dropped 1: no turn of the assistant's (FILE: row 2); dropped 1: no conversation (FILE: row 3); "+
		"dropped 1: a message without content (FILE: row 4)" {
		t.Errorf("%q (%s)", examples, said)
	}
}
