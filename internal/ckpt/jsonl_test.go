package ckpt

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

type row struct {
	TaskID string    `json:"task_id"`
	Seed   int       `json:"seed"`
	Codes  []float32 `json:"codes,omitempty"`
	Inner  struct {
		LR float64 `json:"lr"`
	} `json:"inner"`
}

// gz compresses with the standard library, as an independent source.
func gz(t *testing.T, parts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, part := range parts { // concatenated members are one stream
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, part); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func zst(t *testing.T, text string) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll([]byte(text), nil)
}

// The content decides, whatever the name says.
func TestOpenText(t *testing.T) {
	const text = "one\ntwo\n"
	for name, content := range map[string][]byte{
		"plain.txt": []byte(text), "plain.gz": []byte(text),
		"gzip.gz": gz(t, text), "gzip.txt": gz(t, text), "members.zst": gz(t, "one\n", "two\n"),
		"zstd.zst": zst(t, text), "zstd.jsonl": zst(t, text),
	} {
		in, err := OpenText(writeBytes(t, filepath.Join(t.TempDir(), name), content))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in)
		if err != nil || string(got) != text {
			t.Errorf("%s: %q (%v)", name, got, err)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, short := range []string{"", "a", "(\xb5/"} {
		in, err := OpenText(writeBytes(t, filepath.Join(t.TempDir(), "short"), []byte(short)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(in); err != nil || string(got) != short {
			t.Errorf("%q came back as %q (%v)", short, got, err)
		}
		in.Close()
	}
}

func TestOpenTextErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenText(filepath.Join(dir, "absent"))
	wantError(t, err, filepath.Join(dir, "absent"), "no such file")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the error does not wrap fs.ErrNotExist")
	}
	_, err = OpenText(dir)
	wantError(t, err, dir, "is a directory")
	for kind, content := range map[string][]byte{"gzip": gz(t, "some text"), "Zstandard": zst(t, "some text")} {
		for n := len(zstdMagic); n < len(content); n++ {
			path := writeBytes(t, filepath.Join(dir, "cut"), content[:n])
			in, err := OpenText(path)
			if err == nil {
				_, err = io.ReadAll(in)
				in.Close()
			}
			wantError(t, err, path, "damaged "+kind)
		}
	}
}

func TestStdin(t *testing.T) {
	path := writeBytes(t, filepath.Join(t.TempDir(), "in"), gz(t, "{\"seed\":3}\n{\"seed\":null}\nnull\n"))
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer func(saved *os.File) { os.Stdin = saved }(os.Stdin)
	os.Stdin = in
	rows, err := ReadAllJSONL[row](Stdin)
	wantError(t, err, "standard input:3: found null")
	if rows != nil {
		t.Errorf("rows %v came with the error", rows)
	}
	if _, err := in.Stat(); err != nil {
		t.Error("standard input was closed")
	}
}

func TestReadJSONL(t *testing.T) {
	long := strings.Repeat("x", 3<<20) // no limit on a line
	content := "\n{\"task_id\":\"a\",\"seed\":1,\"unknown\":[]}\r\n  \n{\"task_id\":\"" + long + "\"}\n\t\n{\"task_id\":\"end\"}"
	for _, c := range [][]byte{[]byte(content), gz(t, content), zst(t, content)} {
		rows, err := ReadAllJSONL[row](writeBytes(t, filepath.Join(t.TempDir(), "x.jsonl"), c))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]row{{TaskID: "a", Seed: 1}, {TaskID: long}, {TaskID: "end"}}, rows); diff != "" {
			t.Error(diff)
		}
	}
	numbers, err := ReadAllJSONL[int](writeBytes(t, filepath.Join(t.TempDir(), "numbers"), []byte("3.0\n4\n")))
	if err != nil || !slices.Equal(numbers, []int{3, 4}) {
		t.Errorf("numbers %v (%v)", numbers, err)
	}
}

func TestReadJSONLErrors(t *testing.T) {
	for name, c := range map[string]struct{ third, want string }{
		"syntax":   {`{"seed": x}`, "3: invalid JSON: invalid character 'x'"},
		"cut":      {`{"seed": 1`, "3: invalid JSON: unexpected end"},
		"two":      {`{"seed":1} {"seed":2}`, "3: invalid JSON: invalid character '{'"},
		"type":     {`{"seed":"one"}`, `3: field "seed": found string, expected int`},
		"fraction": {`{"seed":4.5}`, `3: field "seed": found number 4.5, expected int`},
		"nested":   {`{"inner":{"lr":"high"}}`, `3: field "inner.lr": found string, expected float64`},
		"no row":   {`[1]`, "3: found array, expected object"},
		"nan":      {`{"inner":{"lr":NaN}}`, `3: field "inner.lr": found NaN, expected float64`},
		"half":     {`{"task_id":"\ud800"}`, `3: found \ud800, half of a surrogate pair`},
		"no array": {`{"codes":1}`, `3: field "codes": found number, expected array`},
		"null":     {`null`, "3: found null"},
		"utf-8":    {"{\"task_id\":\"\xff\"}", "3: is not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeBytes(t, filepath.Join(t.TempDir(), "train.jsonl"), []byte("{\"seed\":1}\n\n"+c.third+"\n{\"seed\":4}\n"))
			good, failures := 0, 0
			for r, err := range ReadJSONL[row](path) {
				switch {
				case err != nil:
					failures++
					wantError(t, err, path+":"+c.want)
				case r.Seed != 1:
					t.Errorf("read on to %v", r)
				default:
					good++
				}
			}
			if good != 1 || failures != 1 {
				t.Errorf("%d rows and %d errors, want one of each", good, failures)
			}
		})
	}
}

// TestRecords: an array gives what lines give, and blank lines and a byte order mark are
// nothing.
func TestRecords(t *testing.T) {
	lines := "{\"task_id\": \"a\", \"x\": NaN}\n{\"task_id\":\r\t\"b\"}\n"
	array := "[{\"task_id\": \"a\", \"x\": NaN},\n {\"task_id\":\r\n\"b\"}\n]"
	for name, text := range map[string]string{
		"lines": lines, "mark": "\ufeff" + lines, "blank": "\n \r\n" + lines, "both": "\ufeff\r\n" + lines,
		"array": array, "array mark": "\ufeff" + array + "\n", "array blank": "\n\n" + array, "one line": strings.ReplaceAll(array, "\n", ""),
	} {
		path := writeBytes(t, filepath.Join(t.TempDir(), "x"), []byte(text))
		rows, err := ReadAllJSONL[row](path)
		if err != nil || len(rows) != 2 || rows[0].TaskID != "a" || rows[1].TaskID != "b" {
			t.Errorf("%s: %v (%v)", name, rows, err)
		}
		for r, err := range Records(path) {
			if err != nil || strings.ContainsAny(string(r.Text), "\n") {
				t.Errorf("%s: %q (%v)", name, r.Text, err)
			}
		}
	}
	for text, want := range map[string]string{
		"\n\n{": ":3: invalid JSON", "\n{\n  \"seed\": 1\n}\n": ":2: invalid JSON: found an object that does not end in its line, expected JSON lines", "[\n{}, []]": ": element 2 of the array: found array, expected object",
		"\n[{}": ": the array that begins in line 2: unexpected end", "[] 3": "found more after the array",
		"[{},\n]": "found ']', expected element 2 (in line 2)", "[,{}]": "found ',', expected element 1", "[{}}": "found '}' without its '{'",
		`[{"a": "]},"` + "\n": ": the array that begins in line 1: unexpected end", `[{"a":1} {"b":2}]`: ": element 1 of the array: invalid JSON",
		"\xff\xfe{\x00}\x00": ": is UTF-16", "[]": "is empty", "[{\"seed\": 1.5}]": `: element 1 of the array: field "seed"`,
	} {
		path := writeBytes(t, filepath.Join(t.TempDir(), "x"), []byte(text))
		_, err := ReadAllJSONL[row](path)
		wantError(t, err, path, want)
	}
}

// TestRecordsStream: of a file of any size no more is read than the record that is asked for
// needs, even where all of it is one line.
func TestRecordsStream(t *testing.T) {
	for name, text := range map[string]string{"lines": "{\"a\": \"]\"}\n", "array": "{\"a\": \"\\\"],[{\"}, "} {
		in := &endless{text: text, next: "[", most: 1 << 17}
		if name == "lines" {
			in.next = ""
		}
		n := 0
		for r, err := range RecordsIn("x", in) {
			if err != nil || string(r.Text) != strings.TrimRight(text, ", \n") {
				t.Fatalf("%s: %q (%v)", name, r.Text, err)
			}
			if n++; n == 10 {
				break
			}
		}
		if n != 10 {
			t.Errorf("%s: %d records", name, n)
		}
	}
}

// An endless reader repeats a text; it fails after so many bytes.
type endless struct {
	text, next string
	most       int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.most -= len(p); e.most < 0 {
		return 0, errors.New("too much is read")
	}
	n := 0
	for n < len(p) {
		if e.next == "" {
			e.next = e.text
		}
		c := copy(p[n:], e.next)
		n, e.next = n+c, e.next[c:]
	}
	return n, nil
}

func TestReadJSONLNothing(t *testing.T) {
	for _, content := range [][]byte{nil, []byte("\n \n"), gz(t, "")} {
		path := writeBytes(t, filepath.Join(t.TempDir(), "x"), content)
		_, err := ReadAllJSONL[row](path)
		wantError(t, err, path, "is empty")
		if !errors.Is(err, ErrEmpty) {
			t.Error("the error does not wrap ErrEmpty")
		}
	}
	absent := filepath.Join(t.TempDir(), "x")
	_, err := ReadAllJSONL[row](absent)
	wantError(t, err, absent, "no such file")
}

func TestReadJSONLDamaged(t *testing.T) {
	whole := gz(t, strings.Repeat("{\"seed\":1}\n", 10))
	path := writeBytes(t, filepath.Join(t.TempDir(), "x"), whole[:len(whole)-1])
	_, err := ReadAllJSONL[row](path)
	wantError(t, err, path, "damaged gzip", "in line 11")
	whole = gz(t, "["+strings.Repeat("{\"seed\":1},\n", 10))
	path = writeBytes(t, path, whole[:len(whole)-1])
	if _, err := ReadAllJSONL[row](path); err == nil || err.Error() != path+": damaged gzip data: unexpected EOF (in line 11)" {
		t.Errorf("error %v", err)
	}
}

// Leaving the loop early is allowed, and the sequence starts anew.
func TestReadJSONLBreak(t *testing.T) {
	path := writeBytes(t, filepath.Join(t.TempDir(), "x"), []byte("1\n2\n3\n"))
	seq := ReadJSONL[int](path)
	for range 2 {
		for n, err := range seq {
			if err != nil || n != 1 {
				t.Fatalf("got %d (%v)", n, err)
			}
			break
		}
	}
}

func TestWriteJSONL(t *testing.T) {
	dir := t.TempDir()
	rows := []map[string]any{{"text": "a<b && c>d\n"}, {"n": 0.5}}
	const want = "{\"text\":\"a<b && c>d\\n\"}\n{\"n\":0.5}\n"
	for name, magic := range map[string][]byte{"x.jsonl": []byte("{\""), "x.jsonl.gz": gzipMagic, "x.jsonl.zst": zstdMagic} {
		path := filepath.Join(dir, name)
		var contents [2][]byte
		for i := range contents {
			if err := WriteJSONL(path, slices.Values(rows)); err != nil {
				t.Fatal(err)
			}
			contents[i], _ = os.ReadFile(path)
		}
		if !bytes.HasPrefix(contents[0], magic) || !bytes.Equal(contents[0], contents[1]) {
			t.Errorf("%s begins with %x and %x, want twice the same, beginning with %x", name, contents[0][:8], contents[1][:8], magic)
		}
		in, err := OpenText(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(in); err != nil || string(got) != want {
			t.Errorf("%s: %q (%v)", name, got, err)
		}
		in.Close()
	}
	path := filepath.Join(dir, "nan.jsonl.zst")
	wantError(t, WriteJSONL(path, slices.Values([]float64{1, math.NaN()})), path, "line 2", "NaN")
	wantOnly(t, dir, "x.jsonl", "x.jsonl.gz", "x.jsonl.zst")
}

func TestJSONLRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) row {
			r := row{TaskID: rapid.String().Draw(t, "id"), Seed: rapid.Int().Draw(t, "seed")}
			r.Codes = rapid.SliceOfN(rapid.Float32(), 1, 3).Draw(t, "codes")
			return r
		}), 1, 4).Draw(t, "rows")
		path := filepath.Join(dir, "x"+rapid.SampledFrom([]string{"", ".gz", ".zst"}).Draw(t, "ending"))
		if err := WriteJSONL(path, slices.Values(rows)); err != nil {
			t.Fatal(err)
		}
		got, err := ReadAllJSONL[row](path)
		if diff := cmp.Diff(rows, got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	})
}
