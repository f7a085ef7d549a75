package gguf

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/ckpt"
)

// from is a tensor with numbers in memory.
func from(name string, t Type, shape []int, x []float32) Tensor {
	return Tensor{Name: name, Type: t, Shape: shape, Read: func(dst []float32, from int) error {
		copy(dst, x[from:])
		return nil
	}}
}

// The bytes of a tensor are those that ggml and the gguf package write for the same numbers.
func TestWriteTypes(t *testing.T) {
	for kind := range encoders {
		name := kind.String()
		source, err := ckpt.Open(golden(t, "types", name+".safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		x, shape, err := source.Float32("source")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.gguf")
		if err := Write(path, nil, []Tensor{from("quantised", kind, shape, x)}); err != nil {
			t.Fatal(err)
		}
		bytesOf := func(path string) []byte {
			f := mustOpen(t, path)
			x := f.byName["quantised"]
			return x.part.file.Bytes()[x.offset:][:x.Bytes]
		}
		if got, want := bytesOf(path), bytesOf(golden(t, "types", name+".gguf")); !bytes.Equal(got, want) {
			t.Errorf("%s: the bytes differ from those of ggml", name)
		}
	}
}

// A file that is written has all that it was given, also where its tensors are larger than what is converted at a time; it is the
// same each time.
func TestWrite(t *testing.T) {
	metadata := []Entry{{"s", "text"}, {"yes", true}, {"no", false}, {"u32", uint32(7)}, {"f32", float32(0.5)},
		{"strings", []string{"a", "", "ccc"}}, {"ints", []int32{1, -2}}}
	large := make([]float32, 3*chunk)
	for i := range large {
		large[i] = float32(i%1000) / 8
	}
	tensors := []Tensor{from("a", F32, []int{3}, large), from("b", BF16, []int{1, 5}, large), from("c", F32, []int{6, chunk / 2}, large),
		from("d", F16, []int{1, 1, 1}, large), from("e", Q8_0, []int{6, chunk / 2}, large)}
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := Write(path, metadata, tensors); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := mustOpen(t, path)
	if got := strings.Join([]string{ask[string](f, "s"), ask[bool](f, "yes"), ask[bool](f, "no"), ask[int](f, "u32"), ask[float64](f, "f32"),
		ask[[]string](f, "strings"), ask[[]int](f, "ints")}, " "); got != "text true false 7 0.5 [a  ccc] [1 -2]" {
		t.Errorf("metadata: %s", got)
	}
	for i, want := range tensors {
		info, _ := f.Info(want.Name)
		if f.Names()[i] != want.Name || info.Type != want.Type || !slices.Equal(info.Shape, want.Shape) {
			t.Errorf("tensor %d is %v, want %+v", i, info, want)
		}
		if f.byName[want.Name].offset%defaultAlignment != 0 {
			t.Errorf("tensor %s begins at byte %d", want.Name, f.byName[want.Name].offset)
		}
		for i, x := range all(t, f, want.Name) {
			if math.Abs(float64(x-large[i])) > 0.5 || want.Type == F32 && x != large[i] {
				t.Fatalf("tensor %s: number %d is %v, want %v", want.Name, i, x, large[i])
			}
		}
	}
	if err := Write(path, metadata, tensors); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(path); err != nil || !bytes.Equal(first, second) {
		t.Errorf("the second file differs from the first (%v)", err)
	}
}

// Rows of queries and keys come back in their order, those of biases too.
func TestWriteHeads(t *testing.T) {
	metadata, shapes := tinyModel()
	shapes["blk.0.attn_q.bias"], shapes["blk.0.attn_k.bias"], shapes["blk.0.attn_v.bias"], shapes["blk.0.attn_output.bias"] = []int{8}, []int{4}, []int{4}, []int{8}
	m, err := openTiny(t, metadata, shapes)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range m.byHF {
		shape, err := m.Shape(name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.gguf")
		x := Tensor{Name: s.name, Shape: shape, Heads: s.heads, Read: func(dst []float32, from int) error { return m.Weights(dst, name, from) }}
		if err := Write(path, nil, []Tensor{x}); err != nil {
			t.Fatal(err)
		}
		checkBits(t, name, all(t, mustOpen(t, path), s.name), all(t, m.File, s.name))
	}
}

// What a type cannot hold is an error that names the number, and there is no file.
func TestWriteRefuses(t *testing.T) {
	failed := errors.New("no such thing")
	row := make([]float32, 32)
	row[7] = -65520
	beyond := slices.Clone(row)
	beyond[7] = 1e7
	most := slices.Clone(row)
	most[7] = math.MaxFloat32
	broken := from("x", F32, []int{32}, row)
	broken.Read = func([]float32, int) error { return failed }
	for _, tt := range []struct {
		tensor Tensor
		want   string
	}{
		{from("x", F16, []int{32}, row), `tensor "x": number 7 is -65520, which F16 cannot hold; choose bf16 or f32`},
		{from("x", Q8_0, []int{32}, beyond), `tensor "x": number 7 is 1e+07, which Q8_0 cannot hold; choose bf16 or f32`},
		{from("x", BF16, []int{32}, most), `tensor "x": number 7 is 3.4028235e+38, which BF16 cannot hold; choose bf16 or f32`},
		{broken, `tensor "x": no such thing`},
		{from("x", Q8_0, []int{2, 16}, row), `tensor "x": rows of 16 numbers cannot be written as Q8_0`},
		{from("x", Q4_0, []int{32}, row), `tensor "x": rows of 32 numbers cannot be written as Q4_0`},
	} {
		path := filepath.Join(t.TempDir(), "x.gguf")
		err := Write(path, nil, []Tensor{tt.tensor})
		if err == nil || err.Error() != path+": "+tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
		if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 0 {
			t.Errorf("it left %v (%v)", files, err)
		}
	}
	row[7] = 65519 // rounds to the largest number of F16
	if err := Write(filepath.Join(t.TempDir(), "x.gguf"), nil, []Tensor{from("x", F16, []int{32}, row)}); err != nil {
		t.Error(err)
	}
}

// Blocks whose numbers are all zero, or too small for a scale, are zero.
func TestQ8_0Small(t *testing.T) {
	for _, x := range []float32{0, math.SmallestNonzeroFloat32, 1e-39, -1e-38} {
		block := slices.Repeat([]float32{x}, 32)
		data := make([]byte, 34)
		if i := encodeQ8_0(data, block); i >= 0 {
			t.Errorf("%g is refused", x)
		}
		decodeQ8_0(block, data)
		if !slices.Equal(block, make([]float32, 32)) {
			t.Errorf("%g becomes %v", x, block)
		}
	}
}

func TestParseType(t *testing.T) {
	for name, want := range map[string]Type{"f32": F32, "f16": F16, "bf16": BF16, "q8_0": Q8_0} {
		if got, err := ParseType(name); got != want || err != nil {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "F32", "q4_0", "iq4_nl"} {
		_, err := ParseType(name)
		if want := fmt.Sprintf("the type is %q; expected f32, f16, bf16 or q8_0", name); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
