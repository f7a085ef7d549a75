package gguf

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"nfcot/internal/ckpt"
	"nfcot/internal/shared"
	"nfcot/internal/tensor/kernel"
)

// golden is a path below the goldens of this format.
func golden(t testing.TB, parts ...string) string {
	t.Helper()
	return filepath.Join(shared.Goldens(t), "gguf", filepath.Join(parts...))
}

func mustOpen(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// all returns the numbers of a tensor.
func all(t testing.TB, f *File, name string) []float32 {
	t.Helper()
	shape, err := f.Shape(name)
	if err != nil {
		t.Fatal(err)
	}
	n := 1
	for _, size := range shape {
		n *= size
	}
	x := make([]float32, n)
	if err := f.Weights(x, name, 0); err != nil {
		t.Fatal(err)
	}
	return x
}

// Every type has the numbers that the gguf package and ggml find in it, bit for bit, whole and in any part.
func TestTypes(t *testing.T) {
	paths, err := filepath.Glob(golden(t, "types", "*.gguf"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files of types: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".gguf")
		t.Run(name, func(t *testing.T) {
			f := mustOpen(t, path)
			want, err := ckpt.Open(strings.TrimSuffix(path, ".gguf") + ".safetensors")
			if err != nil {
				t.Fatal(err)
			}
			defer want.Close()
			for _, tensor := range f.Names() {
				info, _ := f.Info(tensor)
				if info.Type.String() != name {
					t.Errorf("%s is %s", tensor, info.Type)
				}
				values, shape, err := want.Float32(tensor)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(info.Shape, shape) {
					t.Fatalf("%s has shape %v, want %v", tensor, info.Shape, shape)
				}
				checkBits(t, tensor, all(t, f, tensor), values)
				for from := range len(values) { // parts, cut anywhere
					n := (from*31 + 1) % (len(values) - from)
					part := make([]float32, n)
					if err := f.Weights(part, tensor, from); err != nil {
						t.Fatal(err)
					}
					checkBits(t, fmt.Sprintf("%s from %d", tensor, from), part, values[from:from+n])
				}
			}
		})
	}
}

// Blocks of Q8_0 are blocks of the 8-bit kernels: packing them rounds nothing, as their largest numbers are 127 times the scale.
func TestQ8_0IsInt8(t *testing.T) {
	f := mustOpen(t, golden(t, "types", "Q8_0.gguf"))
	shape, err := f.Shape("quantised")
	if err != nil {
		t.Fatal(err)
	}
	want := all(t, f, "quantised")
	packed := kernel.Pack(want, shape[0], shape[1], kernel.Int8)
	for i := range shape[0] {
		row := make([]float32, shape[1])
		packed.Row(row, i)
		checkBits(t, fmt.Sprintf("row %d", i), row, want[i*shape[1]:][:shape[1]])
	}
}

// Blocks that products take as they are hold the numbers that Weights gives, of all types that there are kernels for.
func TestBlocksAreWeights(t *testing.T) {
	known := 0
	for typ := range layouts {
		if !kernel.KnowsBlocks(typ.String()) {
			continue
		}
		known++
		f := mustOpen(t, golden(t, "types", typ.String()+".gguf"))
		for _, tensor := range f.Names() {
			info, _ := f.Info(tensor)
			rows, columns := info.Shape[0], info.Shape[1]
			packed, err := kernel.PackBlocks(columns, []kernel.BlockRows{{Type: typ.String(), Out: rows, Read: func(dst []byte, row int) error { return f.Blocks(dst, tensor, row) }}})
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float32, rows*columns)
			packed.Unpack(got)
			checkBits(t, fmt.Sprintf("%s of type %s", tensor, typ), got, all(t, f, tensor))
		}
	}
	if known != 8 {
		t.Errorf("there are kernels for %d types, want 8", known)
	}
}

// checkBits compares numbers exactly, but for the sign of zero.
func checkBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) && (got[i] != 0 || want[i] != 0) {
			t.Fatalf("%s: number %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// Files that are wrong are refused in one line that names them, at once and without memory for what they claim to hold; whole
// models are another matter.
func TestBroken(t *testing.T) {
	text, err := os.ReadFile(golden(t, "broken", "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index map[string]struct {
		Wrong, Expect string
		LlamaCpp      *string `json:"llama_cpp"` // of whole models
	}
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	for name, tt := range index {
		path := golden(t, "broken", name+".gguf")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		f, err := Open(path)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if err == nil {
			f.Close()
		}
		switch allocated := after.TotalAlloc - before.TotalAlloc; {
		case tt.LlamaCpp != nil || tt.Expect == "either":
		case (err != nil) != (tt.Expect == "refuse"):
			t.Errorf("%s (%s): want %q, got %v", name, tt.Wrong, tt.Expect, err)
		case allocated > 1<<20 || took > 5*time.Second:
			t.Errorf("%s: took %d bytes and %v", name, allocated, took)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), path+": ") || strings.Contains(err.Error(), "\n") || len(err.Error()) > len(path)+300) {
			t.Errorf("%s: the error is %q; want one line that begins with the path", name, err)
		}
	}
}

// A description of a file, for tests that write one.
type testFile struct {
	metadata []any // keys and values, in turn
	tensors  []testTensor
}

type testTensor struct {
	name  string
	shape []int // row-major
	kind  Type
	data  []byte
}

func (f testFile) bytes() []byte {
	le := binary.LittleEndian
	text := func(b []byte, s string) []byte { return append(le.AppendUint64(b, uint64(len(s))), s...) }
	b := le.AppendUint32([]byte(magic), 3)
	b = le.AppendUint64(b, uint64(len(f.tensors)))
	b = le.AppendUint64(b, uint64(len(f.metadata)/2))
	for i := 0; i < len(f.metadata); i += 2 {
		b = text(b, f.metadata[i].(string))
		number := func(k kind) []byte { return le.AppendUint32(b, uint32(k)) }
		switch v := f.metadata[i+1].(type) {
		case string:
			b = text(number(kindString), v)
		case bool:
			b = append(number(kindBool), map[bool]byte{true: 1}[v])
		case uint32:
			b = le.AppendUint32(number(kindUint32), v)
		case int32:
			b = le.AppendUint32(number(kindInt32), uint32(v))
		case uint16:
			b = le.AppendUint16(number(kindUint16), v)
		case int16:
			b = le.AppendUint16(number(kindInt16), uint16(v))
		case uint8:
			b = append(number(kindUint8), v)
		case int8:
			b = append(number(kindInt8), uint8(v))
		case uint64:
			b = le.AppendUint64(number(kindUint64), v)
		case int64:
			b = le.AppendUint64(number(kindInt64), uint64(v))
		case float32:
			b = le.AppendUint32(number(kindFloat32), math.Float32bits(v))
		case float64:
			b = le.AppendUint64(number(kindFloat64), math.Float64bits(v))
		case []string:
			b = le.AppendUint64(le.AppendUint32(number(kindArray), uint32(kindString)), uint64(len(v)))
			for _, s := range v {
				b = text(b, s)
			}
		case []int32:
			b = le.AppendUint64(le.AppendUint32(number(kindArray), uint32(kindInt32)), uint64(len(v)))
			for _, n := range v {
				b = le.AppendUint32(b, uint32(n))
			}
		case []float32:
			b = le.AppendUint64(le.AppendUint32(number(kindArray), uint32(kindFloat32)), uint64(len(v)))
			for _, x := range v {
				b = le.AppendUint32(b, math.Float32bits(x))
			}
		default:
			panic(fmt.Sprintf("no values of type %T", v))
		}
	}
	var data []byte
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&(defaultAlignment-1))...) }
	for _, x := range f.tensors {
		b = le.AppendUint32(text(b, x.name), uint32(len(x.shape)))
		for _, n := range slices.Backward(x.shape) {
			b = le.AppendUint64(b, uint64(n))
		}
		b = le.AppendUint64(le.AppendUint32(b, uint32(x.kind)), uint64(len(data)))
		data = pad(append(data, x.data...))
	}
	return append(pad(b), data...)
}

func (f testFile) write(t testing.TB, path string) string {
	t.Helper()
	if err := os.WriteFile(path, f.bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// floats are numbers of type F32, as bytes.
func floats(x ...float32) (b []byte) {
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// ask gets a value of the metadata as text, or what is wrong.
func ask[T Value](f *File, key string) string {
	v, err := Get[T](f, key)
	if err != nil {
		return strings.TrimPrefix(err.Error(), f.String()+": ")
	}
	return fmt.Sprint(v)
}

// Metadata comes out as it is, or an error says what was found and what was expected.
func TestMetadata(t *testing.T) {
	f := mustOpen(t, testFile{metadata: []any{
		"s", "text", "yes", true, "no", false, "u8", uint8(200), "i8", int8(-2), "u16", uint16(65535), "i16", int16(-3), "u32", uint32(1 << 31),
		"i32", int32(-4), "u64", uint64(1) << 62, "i64", int64(-5), "big", uint64(1) << 63, "f32", float32(0.5), "f64", 0.1,
		"strings", []string{"a", "", "ccc"}, "ints", []int32{1, -2}, "floats", []float32{0.5, -1}, "none", []string{},
	}}.write(t, filepath.Join(t.TempDir(), "x.gguf")))
	for _, tt := range []struct{ got, want string }{
		{ask[string](f, "s"), "text"}, {ask[bool](f, "yes"), "true"}, {ask[bool](f, "no"), "false"},
		{ask[int](f, "u8"), "200"}, {ask[int](f, "i8"), "-2"}, {ask[int](f, "u16"), "65535"}, {ask[int](f, "i16"), "-3"},
		{ask[int](f, "u32"), "2147483648"}, {ask[int](f, "i32"), "-4"}, {ask[int](f, "u64"), "4611686018427387904"}, {ask[int](f, "i64"), "-5"},
		{ask[float64](f, "f32"), "0.5"}, {ask[float64](f, "f64"), "0.1"},
		{ask[[]string](f, "strings"), "[a  ccc]"}, {ask[[]int](f, "ints"), "[1 -2]"}, {ask[[]float32](f, "floats"), "[0.5 -1]"}, {ask[[]string](f, "none"), "[]"},
		{ask[string](f, "absent"), `has no metadata "absent"; expected a string`},
		{ask[string](f, "u8"), `metadata "u8" is a value of type uint8; expected a string`},
		{ask[int](f, "big"), `metadata "big" is a value of type uint64; expected a whole number that fits 63 bits`},
		{ask[int](f, "f32"), `metadata "f32" is a value of type float32; expected a whole number that fits 63 bits`},
		{ask[bool](f, "s"), `metadata "s" is a value of type string; expected a bool`},
		{ask[float64](f, "i8"), `metadata "i8" is a value of type int8; expected a float32 or float64`},
		{ask[[]string](f, "s"), `metadata "s" is a value of type string; expected an array of strings`},
		{ask[[]string](f, "ints"), `metadata "ints" is an array of 2 values of type int32; expected an array of strings`},
		{ask[[]int](f, "floats"), `metadata "floats" is an array of 2 values of type float32; expected an array of whole numbers that fit 63 bits`},
		{ask[[]float32](f, "i8"), `metadata "i8" is a value of type int8; expected an array of float32`},
	} {
		if tt.got != tt.want {
			t.Errorf("got  %s\nwant %s", tt.got, tt.want)
		}
	}
	if v, err := GetOr(f, "absent", 7); v != 7 || err != nil {
		t.Errorf("absent is %v (%v), want 7", v, err)
	}
	if _, err := GetOr(f, "s", 7); err == nil {
		t.Error("a string is read as a number")
	}
}

// The numbers of a set of files are those of all of them.
func TestSet(t *testing.T) {
	dir := t.TempDir()
	split := func(no, count, tensors int) []any {
		return []any{"split.no", uint16(no), "split.count", uint16(count), "split.tensors.count", int32(tensors)}
	}
	row := func(name string, x float32) []testTensor { return []testTensor{{name, []int{1}, F32, floats(x)}} }
	first := testFile{append(split(0, 3, 2), "k", "v"), nil}.write(t, filepath.Join(dir, "m-00001-of-00003.gguf"))
	second := testFile{split(1, 3, 2), row("a", 1)}.write(t, filepath.Join(dir, "m-00002-of-00003.gguf"))
	third := filepath.Join(dir, "m-00003-of-00003.gguf")
	refuse := func(path string, want ...string) {
		t.Helper()
		_, err := Open(path)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("got error %v, want %q in it", err, w)
			}
		}
	}
	refuse(first, third, "no such file")
	testFile{split(2, 3, 2), row("a", 2)}.write(t, third)
	refuse(first, third, `tensor "a" is also in `+second)
	testFile{split(2, 3, 2), append(row("b", 2), row("c", 3)...)}.write(t, third)
	refuse(first, first, "3 files hold 3 tensors; expected 2")
	testFile{split(2, 3, 2), row("b", 2)}.write(t, third)
	refuse(second, second, "expected its first file, "+first)
	if err := os.Link(first, filepath.Join(dir, "alone.gguf")); err != nil {
		t.Fatal(err)
	}
	refuse(filepath.Join(dir, "alone.gguf"), "is one of 3 files", "-00001-of-00003.gguf")
	f := mustOpen(t, first)
	if !slices.Equal(f.Names(), []string{"a", "b"}) || all(t, f, "a")[0] != 1 || all(t, f, "b")[0] != 2 || ask[string](f, "k") != "v" {
		t.Errorf("the set has %v", f.Names())
	}
}

func TestWeightsRefuses(t *testing.T) {
	path := testFile{tensors: []testTensor{
		{"nan", []int{3}, F32, floats(1, float32(math.NaN()), 2)}, {"I8", []int{2}, 24, []byte{1, 2}},
		{"inf", []int{1, 32}, Q8_0, append([]byte{0, 0x7c}, slices.Repeat([]byte{1}, 32)...)},
	}}.write(t, filepath.Join(t.TempDir(), "x.gguf"))
	f := mustOpen(t, path)
	for name, want := range map[string]string{
		"nan": `tensor "nan": number 1 is NaN, expected finite weights`, "inf": `tensor "inf": number 0 is +Inf`,
		"I8": `tensor "I8": is I8, expected F32, F16, BF16`, "absent": `has no tensor "absent" among its 3`,
	} {
		if err := f.Weights(make([]float32, 2), name, 0); err == nil || !strings.HasPrefix(err.Error(), path+": "+want) {
			t.Errorf("%s: got error %v, want %q", name, err, want)
		}
	}
	if err := f.Weights(make([]float32, 1), "nan", 2); err != nil {
		t.Errorf("numbers around one that is not finite: %v", err)
	}
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if err := f.Weights(make([]float32, 1), "nan", 2); err == nil || !strings.Contains(err.Error(), "changed from") {
		t.Errorf("of a file that was cut: %v", err)
	}
}

// A tensor of more numbers than are converted at a time, in parts that begin and end inside of blocks.
func TestLargeTensor(t *testing.T) {
	const rows, columns = 700, 256
	data := make([]byte, rows*columns/32*34)
	for i := range data {
		data[i] = byte(i * 7)
		if i%34 == 1 {
			data[i] = 0x3c // a finite scale
		}
	}
	f := mustOpen(t, testFile{tensors: []testTensor{{"w", []int{rows, columns}, Q8_0, data}}}.write(t, filepath.Join(t.TempDir(), "x.gguf")))
	whole := make([]float32, rows*columns)
	blocks(32, 34, decodeQ8_0)(whole, data)
	checkBits(t, "whole", all(t, f, "w"), whole)
	for _, from := range []int{0, 5, chunk - 3, chunk + 33} {
		part := make([]float32, chunk+100)
		part = part[:min(len(part), len(whole)-from)]
		if err := f.Weights(part, "w", from); err != nil {
			t.Fatal(err)
		}
		checkBits(t, fmt.Sprintf("from %d", from), part, whole[from:from+len(part)])
	}
}

// Whatever a file holds, it is read or refused, and what is read can be asked for.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"broken/*.gguf", "types/*.gguf"} {
		paths, err := filepath.Glob(filepath.Join(shared.Goldens(f), "gguf", pattern))
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c contents
		if err := c.parse(data); err != nil {
			if text := err.Error(); text == "" || strings.Contains(text, "\n") {
				t.Errorf("the error is %q", text)
			}
			return
		}
		for _, v := range c.values {
			for _, out := range []any{new(string), new(bool), new(int), new(float64), new([]string), new([]int), new([]float32)} {
				v.decode(out)
			}
		}
		for _, e := range c.entries {
			if l := layouts[e.Type]; l.decode != nil {
				l.decode(make([]float32, e.Bytes/l.bytes*l.block), data[e.offset:][:e.Bytes])
			}
		}
	})
}
