package ckpt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	oracle "github.com/nlpodyssey/safetensors"
	"pgregory.net/rapid"

	"nfcot/internal/ckpt/half"
	"nfcot/internal/shared"
)

// everySafetensors lists the fixtures of this format.
func everySafetensors(t testing.TB) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(shared.Fixtures(t), func(path string, d fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".safetensors" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		t.Fatalf("no safetensors among the fixtures: %v", err)
	}
	return paths
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

// mustRaw is a tensor's bytes, of any dtype, valid until Close.
func mustRaw(t interface {
	Helper()
	Fatal(...any)
}, f *File, name string) []byte {
	t.Helper()
	x, err := f.find(name)
	if err != nil {
		t.Fatal(err)
	}
	return x.bytes()
}

func mustWrite(t testing.TB, path string, tensors []Tensor, metadata map[string]string) string {
	t.Helper()
	if err := Write(path, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeBytes(t testing.TB, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// safetensorsBytes puts a file together from a header as it stands and data.
func safetensorsBytes(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

// wantError demands one line that begins with the file and holds all parts.
func wantError(t testing.TB, err error, path string, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one about %q", parts)
	}
	message := err.Error()
	if !strings.HasPrefix(message, path) || strings.Contains(message, "\n") {
		t.Errorf("error %q: want one line that begins with %s", message, path)
	}
	for _, part := range parts {
		if !strings.Contains(message, part) {
			t.Errorf("error %q does not say %q", message, part)
		}
	}
}

// Another reader and ours see the same tensors in every fixture, and every
// tensor converts to what its bytes say.
func TestFixturesAgainstOracle(t *testing.T) {
	for _, path := range everySafetensors(t) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := oracle.Deserialize(content)
		if err != nil {
			t.Fatal(err)
		}
		f := mustOpen(t, path)
		names := want.Names()
		slices.Sort(names)
		if diff := cmp.Diff(names, slices.Sorted(slices.Values(f.Names()))); diff != "" {
			t.Fatalf("%s: names (-want +got)\n%s", path, diff)
		}
		for _, name := range names {
			view, _ := want.Tensor(name)
			info, ok := f.Info(name)
			if !ok || string(info.DType) != view.DType().String() || fmt.Sprint(info.Shape) != fmt.Sprint(view.Shape()) {
				t.Errorf("%s: %s is %v, want %v %v", path, name, info, view.DType(), view.Shape())
			}
			if !bytes.Equal(mustRaw(t, f, name), view.Data()) {
				t.Errorf("%s: %s: bytes differ", path, name)
			}
			checkValues(t, f, info, view.Data())
		}
	}
}

// checkValues reads a tensor, if its dtype allows, and turns the values back into
// bytes; those of float64 are rounded first.
func checkValues(t *testing.T, f *File, info Info, want []byte) {
	t.Helper()
	le := binary.LittleEndian
	values, shape, err := f.Float32(info.Name)
	if _, isFloat := floatWidth[info.DType]; !isFloat {
		if err == nil || !strings.Contains(err.Error(), "is "+string(info.DType)) {
			t.Errorf("%s: %v, want a refusal", info.Name, err)
		}
		return
	}
	if err != nil || !slices.Equal(shape, info.Shape) {
		t.Fatalf("%s: shape %v, error %v", info.Name, shape, err)
	}
	var back []byte
	for i, x := range values {
		switch info.DType {
		case F64:
			exact := math.Float64frombits(le.Uint64(want[8*i:]))
			if x != float32(exact) {
				t.Errorf("%s[%d] = %v, want float32 of %v", info.Name, i, x, exact)
			}
			back = le.AppendUint64(back, math.Float64bits(exact))
		case F32:
			back = le.AppendUint32(back, math.Float32bits(x))
		case BF16:
			back = le.AppendUint16(back, half.ToBF16(x))
		case F16:
			back = le.AppendUint16(back, half.ToF16(x))
		default:
			t.Fatalf("%s: no check for %s", info.Name, info.DType)
		}
	}
	if !bytes.Equal(back, want) {
		t.Errorf("%s: values do not give the bytes back", info.Name)
	}
}

// A file read and written again holds the same names in the same order, the
// same metadata and the same bytes; written twice, it is the same file.
func TestFixturesRoundTrip(t *testing.T) {
	dir := t.TempDir()
	for i, path := range everySafetensors(t) {
		f := mustOpen(t, path)
		var tensors []Tensor
		for _, name := range f.Names() {
			info, _ := f.Info(name)
			tensors = append(tensors, Tensor{Name: name, Shape: info.Shape, DType: info.DType, Data: mustRaw(t, f, name)})
		}
		first := mustWrite(t, filepath.Join(dir, fmt.Sprintf("%d.safetensors", i)), tensors, f.Metadata())
		again := mustWrite(t, filepath.Join(dir, fmt.Sprintf("%d-again.safetensors", i)), tensors, f.Metadata())
		g := mustOpen(t, first)
		if diff := cmp.Diff(f.Names(), g.Names()); diff != "" {
			t.Errorf("%s: order (-want +got)\n%s", path, diff)
		}
		if diff := cmp.Diff(f.Metadata(), g.Metadata()); diff != "" {
			t.Errorf("%s: metadata (-want +got)\n%s", path, diff)
		}
		for _, name := range f.Names() {
			want, _ := f.Info(name)
			got, _ := g.Info(name)
			if diff := cmp.Diff(want, got); diff != "" || !bytes.Equal(mustRaw(t, f, name), mustRaw(t, g, name)) {
				t.Errorf("%s: tensor %s changed %s", path, name, diff)
			}
		}
		a, _ := os.ReadFile(first)
		b, _ := os.ReadFile(again)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: two writes differ", path)
		}
	}
}

func TestWriteByHand(t *testing.T) {
	path := mustWrite(t, filepath.Join(t.TempDir(), "x.safetensors"), []Tensor{
		{Name: "b<1>", Shape: []int{2}, Data: []float32{1, -2}},
		{Name: "a", Data: []uint8{7}},
	}, map[string]string{"z": "1", "format": "pt"})
	header := `{"__metadata__":{"format":"pt","z":"1"},` +
		`"b<1>":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}`
	header += strings.Repeat(" ", 8-len(header)%8)
	want := safetensorsBytes(header, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 7})
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q (%v)", got, want, err)
	}
}

// What is written comes back, through our reader and the other one, for any
// names, shapes and values, NaN patterns included.
func TestWriteReadProperty(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.String().Filter(func(s string) bool { return s != metadataKey }), 0, 5, rapid.ID).Draw(t, "names")
		var tensors []Tensor
		for _, name := range names {
			shape := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 3).Draw(t, "shape")
			elements, _ := product(shape)
			n := int(elements)
			data := rapid.OneOf(
				rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(rapid.Float32(), n, n).Draw(t, "f32") }),
				rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(rapid.Float64(), n, n).Draw(t, "f64") }),
				rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(rapid.Int64(), n, n).Draw(t, "i64") }),
				rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(rapid.Uint16(), n, n).Draw(t, "bf16") }),
				rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "u8") }),
			).Draw(t, "data")
			tensors = append(tensors, Tensor{Name: name, Shape: shape, Data: data})
		}
		path := filepath.Join(dir, "x.safetensors")
		if err := Write(path, tensors, nil); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		other, err := oracle.Deserialize(content)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.Names(), names) {
			t.Fatalf("names %q, want %q", f.Names(), names)
		}
		for _, tensor := range tensors {
			info, ok := f.Info(tensor.Name)
			want, err := binary.Append(nil, binary.LittleEndian, tensor.Data)
			if !ok || err != nil || !slices.Equal(info.Shape, tensor.Shape) || !bytes.Equal(mustRaw(t, f, tensor.Name), want) {
				t.Fatalf("%q: %v (%v), want %v", tensor.Name, info, err, tensor)
			}
			if view, ok := other.Tensor(tensor.Name); !ok || !bytes.Equal(view.Data(), want) {
				t.Fatalf("%q: the other reader disagrees", tensor.Name)
			}
			if values, isFloat := tensor.Data.([]float32); isFloat {
				if got, _, err := f.Float32(tensor.Name); err != nil || !cmp.Equal(got, values) {
					t.Fatalf("%q: got %v (%v), want %v", tensor.Name, got, err, values)
				}
			}
		}
	})
}

func TestWriteRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	for name, c := range map[string]struct {
		tensors  []Tensor
		metadata map[string]string
		want     []string
	}{
		"length":        {tensors: []Tensor{{Name: "w", Shape: []int{3}, Data: []float32{1, 2}}}, want: []string{`"w"`, "8 bytes", "[3]"}},
		"negative":      {tensors: []Tensor{{Name: "w", Shape: []int{-1, -2}, Data: []float32{1, 2}}}, want: []string{`"w"`, "negative"}},
		"duplicate":     {tensors: []Tensor{{Name: "w", Data: []uint8{1}}, {Name: "w", Data: []uint8{1}}}, want: []string{`"w"`, "taken"}},
		"reserved":      {tensors: []Tensor{{Name: metadataKey, Data: []uint8{1}}}, want: []string{metadataKey}},
		"type":          {tensors: []Tensor{{Name: "w", Data: []int{1}}}, want: []string{`"w"`, "[]int,"}},
		"dtype":         {tensors: []Tensor{{Name: "w", Data: []float32{1}, DType: I64}}, want: []string{`"w"`, "[]float32", "I64"}},
		"unknown dtype": {tensors: []Tensor{{Name: "w", Data: []uint8{1}, DType: "F128"}}, want: []string{`"w"`, "F128"}},
		"utf-8":         {tensors: []Tensor{{Name: "w\xff", Data: []uint8{1}}}, want: []string{"UTF-8"}},
		"utf-8 value":   {metadata: map[string]string{"a": "\xff"}, want: []string{"UTF-8", `"a"`}},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, Write(path, c.tensors, c.metadata), path, c.want...)
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Error("left a file behind")
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	four := make([]byte, 4)
	entry := func(dtype, shape, offsets string) string {
		return fmt.Sprintf(`{"dtype":%q,"shape":%s,"data_offsets":%s}`, dtype, shape, offsets)
	}
	u8 := func(begin, end int) string {
		return entry("U8", fmt.Sprintf("[%d]", end-begin), fmt.Sprintf("[%d,%d]", begin, end))
	}
	file := safetensorsBytes
	for name, c := range map[string]struct {
		content []byte
		want    []string
	}{
		"empty file":          {nil, []string{"0 bytes"}},
		"7 bytes":             {make([]byte, 7), []string{"7 bytes"}},
		"header beyond file":  {binary.LittleEndian.AppendUint64(nil, 1), []string{"header of 1 bytes in a file of 8"}},
		"header enormous":     {binary.LittleEndian.AppendUint64(nil, math.MaxUint64), []string{"header of 18446744073709551615 bytes"}},
		"no header":           {file("", nil), []string{"invalid JSON"}},
		"not JSON":            {file("{nonsense}", nil), []string{"invalid JSON"}},
		"header cut":          {file(`{"w":`+u8(0, 4), four), []string{"invalid JSON"}},
		"array":               {file("[1,2]", nil), []string{"found an array", "object"}},
		"behind the header":   {file("{} {}", nil), []string{"after top-level value"}},
		"not UTF-8":           {file("{\"\xff\":"+u8(0, 4)+"}", four), []string{"UTF-8"}},
		"duplicate tensor":    {file(`{"w":`+u8(0, 4)+`,"w":`+u8(0, 4)+`}`, four), []string{"duplicate", `"w"`}},
		"duplicate field":     {file(`{"w":{"dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4]}}`, four), []string{`"w"`, "duplicate", `"dtype"`}},
		"duplicate metadata":  {file(`{"__metadata__":{"a":"1","a":"2"}}`, nil), []string{"__metadata__", "duplicate", `"a"`}},
		"metadata no string":  {file(`{"__metadata__":{"a":1}}`, nil), []string{"__metadata__", `"a"`, "1"}},
		"metadata no object":  {file(`{"__metadata__":"a"}`, nil), []string{"__metadata__", "object"}},
		"entry no object":     {file(`{"w":[0,4]}`, four), []string{`"w"`, "found an array", "object"}},
		"entry null":          {file(`{"w":null}`, four), []string{`"w"`, "null"}},
		"no dtype":            {file(`{"w":{"shape":[4],"data_offsets":[0,4]}}`, four), []string{`"w"`, "dtype"}},
		"wrong case":          {file(`{"w":{"DType":"U8","shape":[4],"data_offsets":[0,4]}}`, four), []string{`"w"`, "dtype"}},
		"dtype a number":      {file(`{"w":{"dtype":8,"shape":[4],"data_offsets":[0,4]}}`, four), []string{`"w"`, "dtype", "8"}},
		"shape null":          {file(`{"w":`+entry("U8", "null", "[0,1]")+`}`, four[:1]), []string{`"w"`, "shape", "null"}},
		"shape with null":     {file(`{"w":`+entry("U8", "[4,null]", "[0,4]")+`}`, four), []string{`"w"`, "shape", "null"}},
		"shape a fraction":    {file(`{"w":`+entry("U8", "[4.0]", "[0,4]")+`}`, four), []string{`"w"`, "shape", "4.0"}},
		"shape text":          {file(`{"w":`+entry("U8", `["4"]`, "[0,4]")+`}`, four), []string{`"w"`, "shape", `"4"`}},
		"shape negative":      {file(`{"w":`+entry("U8", "[-2,-2]", "[0,4]")+`}`, four), []string{`"w"`, "shape", "-2"}},
		"shape beyond int":    {file(`{"w":`+entry("U8", "[9223372036854775808]", "[0,4]")+`}`, four), []string{`"w"`, "shape", "9223372036854775808"}},
		"elements overflow":   {file(`{"w":`+entry("U8", "[4294967296,4294967296,4]", "[0,4]")+`}`, four), []string{`"w"`, "overflows"}},
		"bits overflow":       {file(`{"w":`+entry("U8", "[4611686018427387904]", "[0,4]")+`}`, four), []string{`"w"`, "4 bytes"}},
		"length too short":    {file(`{"w":`+entry("F32", "[2]", "[0,4]")+`}`, four), []string{`"w"`, "4 bytes", "F32", "[2]"}},
		"length too long":     {file(`{"w":`+entry("U8", "[3]", "[0,4]")+`}`, four), []string{`"w"`, "4 bytes", "U8", "[3]"}},
		"half a byte":         {file(`{"w":`+entry("F4", "[7]", "[0,3]")+`}`, four[:3]), []string{`"w"`, "28 bits"}},
		"one offset":          {file(`{"w":`+entry("U8", "[4]", "[4]")+`}`, four), []string{`"w"`, "data_offsets", "[4]"}},
		"offsets backwards":   {file(`{"w":`+entry("U8", "[4]", "[4,0]")+`}`, four), []string{`"w"`, "data_offsets", "[4 0]"}},
		"offset negative":     {file(`{"w":`+entry("U8", "[4]", "[-4,0]")+`}`, four), []string{`"w"`, "data_offsets", "-4"}},
		"out of range":        {file(`{"w":`+u8(0, 5)+`}`, four), []string{`"w"`, "byte 5", "4 bytes", "truncated"}},
		"all out of range":    {file(`{"w":`+u8(100, 104)+`}`, four), []string{`"w"`, "byte 104"}},
		"overlap":             {file(`{"a":`+u8(0, 3)+`,"b":`+u8(2, 4)+`}`, four), []string{`"b"`, "overlaps", `"a"`}},
		"same place":          {file(`{"a":`+u8(0, 4)+`,"b":`+u8(0, 4)+`}`, four), []string{`"b"`, "overlaps", `"a"`}},
		"gap":                 {file(`{"a":`+u8(0, 1)+`,"b":`+u8(3, 4)+`}`, four), []string{`"b"`, "gap of 2", `"a"`}},
		"gap at the start":    {file(`{"b":`+u8(1, 4)+`}`, four), []string{`"b"`, "gap of 1", "start"}},
		"uncovered":           {file(`{"a":`+u8(0, 1)+`}`, four), []string{"3 bytes", `"a"`, "no tensor"}},
		"uncovered, no names": {file(`{}`, four), []string{"4 bytes", "no tensor"}},
		"long and odd shape":  {file(`{"w":`+entry("U8", "[\n"+strings.Repeat("1,", 100)+"-1]", "[0,4]")+`}`, four), []string{`"w"`, `"[\n1,1,`, `"... holds -1`}},
		"unknown but short":   {file(`{"w":`+entry("F128", "[1]", "[0,5]")+`}`, four), []string{`"w"`, "byte 5"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeBytes(t, filepath.Join(t.TempDir(), "x.safetensors"), c.content)
			f, err := Open(path)
			wantError(t, err, path, c.want...)
			if f != nil {
				t.Error("a file came with the error")
			}
		})
	}
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(filepath.Join(dir, "absent"))
	wantError(t, err, filepath.Join(dir, "absent"), "no such file")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the error does not wrap fs.ErrNotExist")
	}
	_, err = Open(dir)
	wantError(t, err, dir, "not a regular file")
	big := filepath.Join(dir, "big")
	writeBytes(t, big, binary.LittleEndian.AppendUint64(nil, maxHeader+1))
	if err := os.Truncate(big, 2*maxHeader); err != nil { // sparse: no disk is used
		t.Fatal(err)
	}
	_, err = Open(big)
	wantError(t, err, big, "100000001", "100000000")
}

// Every prefix of a good file is refused.
func TestOpenTruncated(t *testing.T) {
	dir := t.TempDir()
	whole, err := os.ReadFile(mustWrite(t, filepath.Join(dir, "whole"), []Tensor{
		{Name: "a", Shape: []int{2, 3}, Data: make([]float32, 6)}, {Name: "b", Data: []int64{1}},
	}, nil))
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		path := writeBytes(t, filepath.Join(dir, "part"), whole[:n])
		if _, err := Open(path); err == nil {
			t.Errorf("the first %d of %d bytes were accepted", n, len(whole))
		}
	}
}

// Some writers say null where there is no metadata.
func TestNullMetadata(t *testing.T) {
	header := `{"__metadata__":null,"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`
	f := mustOpen(t, writeBytes(t, filepath.Join(t.TempDir(), "x"), safetensorsBytes(header, []byte{7})))
	if names := f.Names(); len(names) != 1 || names[0] != "w" || !bytes.Equal(mustRaw(t, f, "w"), []byte{7}) {
		t.Errorf("found %q", names)
	}
}

// Integers are listed and copied, not read as weights.
func TestEveryIntegerType(t *testing.T) {
	var tensors []Tensor
	for _, dtype := range []DType{I64, U64, I32, U32, I16, U16, I8, U8, Bool} {
		data := bytes.Repeat([]byte{0xfe}, int(bitsOf[dtype]/8))
		tensors = append(tensors, Tensor{Name: string(dtype), DType: dtype, Data: data})
	}
	path := mustWrite(t, filepath.Join(t.TempDir(), "x"), tensors, nil)
	f := mustOpen(t, path)
	for _, x := range tensors {
		if got := mustRaw(t, f, x.Name); !bytes.Equal(got, x.Data.([]byte)) {
			t.Errorf("%s: bytes %v, want %v", x.Name, got, x.Data)
		}
		_, _, err := f.Float32(x.Name)
		wantError(t, err, path, `"`+x.Name+`"`, "is "+x.Name, "F32")
	}
}

func TestF16Tensor(t *testing.T) {
	f := mustOpen(t, mustWrite(t, filepath.Join(t.TempDir(), "x"), []Tensor{
		{Name: "h", DType: F16, Shape: []int{3}, Data: []byte{0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00}},
	}, nil))
	want := []float32{1, -2, 1.0 / (1 << 24)}
	if got, _, err := f.Float32("h"); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}

// A dtype that nobody knows yet does not keep the other tensors from being
// read, nor its own bytes from being copied.
func TestUnknownDType(t *testing.T) {
	path := writeBytes(t, filepath.Join(t.TempDir(), "x"), safetensorsBytes(
		`{"new":{"dtype":"F3","shape":[2],"data_offsets":[0,1]},"old":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}`, []byte{9, 8}))
	f := mustOpen(t, path)
	if info, ok := f.Info("new"); !ok || info.DType != "F3" || info.Bytes != 1 {
		t.Errorf("listed as %v", info)
	}
	if got := mustRaw(t, f, "new"); !bytes.Equal(got, []byte{9}) {
		t.Errorf("raw bytes %v", got)
	}
	if got := mustRaw(t, f, "old"); !bytes.Equal(got, []byte{8}) {
		t.Errorf("old = %v", got)
	}
	_, _, err := f.Float32("new")
	wantError(t, err, path, `"new"`, "is F3")
	_, _, err = f.Float32("absent")
	wantError(t, err, path, `"absent"`, "2")
	if _, ok := f.Info("absent"); ok {
		t.Error("an absent tensor has an Info")
	}
}

// Names follow the data, whatever the order of the header; a tensor without
// data may sit at any boundary.
func TestOrder(t *testing.T) {
	f := mustOpen(t, writeBytes(t, filepath.Join(t.TempDir(), "x"), safetensorsBytes(
		`{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"none":{"dtype":"F32","shape":[0,7],"data_offsets":[1,1]},`+
			`"z":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, []byte{1, 2, 3})))
	if want := []string{"z", "none", "a"}; !slices.Equal(f.Names(), want) {
		t.Errorf("Names = %v, want %v", f.Names(), want)
	}
	if got, shape, err := f.Float32("none"); err != nil || len(got) != 0 || !slices.Equal(shape, []int{0, 7}) {
		t.Errorf("none = %v of shape %v (%v)", got, shape, err)
	}
}

// Without memory maps the same calls give the same values.
func TestPlainReading(t *testing.T) {
	path := mustWrite(t, filepath.Join(t.TempDir(), "x"), []Tensor{{Name: "w", Shape: []int{3}, Data: []float32{1, 2, 3}}}, nil)
	f, err := open(path, func(*os.File) ([]byte, error) { return nil, errors.ErrUnsupported })
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 0); err != nil { // does not matter any more
		t.Fatal(err)
	}
	if got, _, err := f.Float32("w"); err != nil || !slices.Equal(got, []float32{1, 2, 3}) {
		t.Errorf("got %v (%v)", got, err)
	}
}

// A file cut between the look at its size and the mapping.
func TestFileShrinksWhileOpening(t *testing.T) {
	path := mustWrite(t, filepath.Join(t.TempDir(), "x"), []Tensor{{Name: "w", Shape: []int{8}, Data: make([]float32, 8)}}, nil)
	f, err := open(path, func(f *os.File) ([]byte, error) {
		if err := os.Truncate(path, 16); err != nil {
			t.Fatal(err)
		}
		return mapFile(f)
	})
	wantError(t, err, path, "to 16 bytes while being opened")
	if f != nil {
		t.Error("a file came with the error")
	}
}

// A file cut while it is mapped makes reads fail, not the program: on pages
// that are gone (a memory fault) and within the last page (silent zeros).
func TestFileShrinks(t *testing.T) {
	for _, remaining := range []float64{0, 0.5, 0.9999} {
		path := mustWrite(t, filepath.Join(t.TempDir(), "x"), []Tensor{{Name: "w", Shape: []int{100_000}, Data: make([]float32, 100_000)}}, nil)
		f := mustOpen(t, path)
		stat, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, int64(remaining*float64(stat.Size()))); err != nil {
			t.Fatal(err)
		}
		_, _, err = f.Float32("w")
		wantError(t, err, path, `"w"`, "changed from")
	}
}

func TestClosed(t *testing.T) {
	path := mustWrite(t, filepath.Join(t.TempDir(), "x"), []Tensor{{Name: "w", Data: []uint8{1}}}, nil)
	f := mustOpen(t, path)
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	_, _, err := f.Float32("w")
	wantError(t, err, path, `"w"`)
}

// Weights are parts of what Float32 gives, of every type, mapped or not.
func TestWeights(t *testing.T) {
	values := []float32{1, -2, 0.5, 3, 1.5, -0.25, 8, 9, 10, -11, 12}
	f64 := make([]float64, len(values))
	for i, v := range values {
		f64[i] = float64(v)
	}
	shape := []int{len(values)}
	path := mustWrite(t, filepath.Join(t.TempDir(), "x"), []Tensor{
		{Name: "F64", Shape: shape, Data: f64}, {Name: "F32", Shape: shape, Data: values},
		{Name: "BF16", Shape: shape, Data: values, DType: BF16}, {Name: "F16", Shape: shape, Data: values, DType: F16},
		{Name: "NaN", Shape: []int{3}, Data: []float32{1, float32(math.NaN()), 2}}, {Name: "Inf", Shape: []int{2}, Data: []float32{1, float32(math.Inf(-1))}, DType: BF16},
		{Name: "I64", Shape: []int{1}, Data: []int64{1}},
	}, nil)
	mapped := mustOpen(t, path)
	copied, err := open(path, func(*os.File) ([]byte, error) { return nil, errors.New("no maps") })
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*File{mapped, copied} {
		for _, name := range []string{"F64", "F32", "BF16", "F16"} {
			if info, _ := f.Info(name); string(info.DType) != name {
				t.Errorf("%s is stored as %s", name, info.DType)
			}
			if got, err := f.Shape(name); err != nil || !slices.Equal(got, shape) {
				t.Errorf("%s has shape %v, %v", name, got, err)
			}
			for from := range values {
				for to := from; to <= len(values); to++ {
					got := make([]float32, to-from)
					if err := f.Weights(got, name, from); err != nil || !slices.Equal(got, values[from:to]) {
						t.Fatalf("%s [%d, %d): %v, %v", name, from, to, got, err)
					}
				}
			}
		}
		wantError(t, f.Weights(make([]float32, 2), "NaN", 1), path, `tensor "NaN"`, "number 1 is NaN, expected finite weights")
		wantError(t, f.Weights(make([]float32, 2), "Inf", 0), path, `tensor "Inf"`, "number 1 is -Inf")
		wantError(t, f.Weights(make([]float32, 1), "I64", 0), path, `tensor "I64"`, "is I64, expected F32, F16, BF16 or F64")
		wantError(t, f.Weights(nil, "none", 0), path, `"none"`)
		if err := f.Weights(make([]float32, 1), "NaN", 2); err != nil {
			t.Errorf("beside a NaN: %v", err)
		}
	}
	if err := os.Truncate(path, 300); err != nil {
		t.Fatal(err)
	}
	wantError(t, mapped.Weights(make([]float32, 2), "Inf", 0), path, `tensor "Inf"`, "changed from")
}

// Whatever Open accepts is covered by its tensors to the last byte, can be read
// and written, and is the same afterwards.
func FuzzOpen(f *testing.F) {
	f.Add(safetensorsBytes(`{}`, nil))
	f.Add(safetensorsBytes(`{"__metadata__":{"format":"pt"},"w":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]}}  `, make([]byte, 4)))
	f.Add(safetensorsBytes(`{"a":{"dtype":"F4","shape":[2],"data_offsets":[2,3]},"b":{"dtype":"X","shape":[],"data_offsets":[0,2]}}`, make([]byte, 3)))
	f.Add(safetensorsBytes(`{"a":{"dtype":"I64","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, make([]byte, 1)))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		path := writeBytes(t, filepath.Join(dir, "in"), content)
		in, err := Open(path)
		if err != nil {
			wantError(t, err, path)
			return
		}
		defer in.Close()
		var tensors []Tensor
		data := 0
		for _, name := range in.Names() {
			info, _ := in.Info(name)
			raw := mustRaw(t, in, name)
			data += len(raw)
			_, _, _ = in.Float32(name) // may refuse the dtype, must not panic
			if _, known := bitsOf[info.DType]; known {
				tensors = append(tensors, Tensor{Name: name, Shape: info.Shape, DType: info.DType, Data: raw})
			}
		}
		if header := int(binary.LittleEndian.Uint64(content)); 8+header+data != len(content) {
			t.Fatalf("tensors hold %d bytes of a file of %d with a header of %d", data, len(content), header)
		}
		out := mustOpen(t, mustWrite(t, filepath.Join(dir, "out"), tensors, in.Metadata()))
		for _, tensor := range tensors {
			if !bytes.Equal(mustRaw(t, out, tensor.Name), tensor.Data.([]byte)) {
				t.Fatalf("tensor %q changed", tensor.Name)
			}
		}
		out.Close()
	})
}

func BenchmarkFloat32(b *testing.B) {
	const n = 1 << 22
	path := mustWrite(b, filepath.Join(b.TempDir(), "x"), []Tensor{
		{Name: "F32", Shape: []int{n}, Data: make([]float32, n)}, {Name: "BF16", Shape: []int{n}, Data: make([]uint16, n)},
	}, nil)
	f := mustOpen(b, path)
	for _, name := range f.Names() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(mustRaw(b, f, name))))
			for b.Loop() {
				if _, _, err := f.Float32(name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
