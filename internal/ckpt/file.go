package ckpt

// Reading safetensors. Tensor data stays in a read-only memory map until a
// tensor is asked for, and is then copied out, converted.

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"sync"

	"nfcot/internal/ckpt/half"
)

// maxHeader is the limit of the reference implementation.
const maxHeader = 100_000_000

// A File is a set of named tensors in one safetensors file, or in the several
// files of a sharded model (OpenModel). It may be read from many goroutines, up
// to Close.
type File struct {
	path    string
	shards  []*shard
	tensors []located // in the order of the data, shard after shard
	byName  map[string]located
}

// located is an entry and the file it is in.
type located struct {
	entry
	shard *shard
}

// shard is one open safetensors file.
type shard struct {
	path     string
	file     *Mapped
	dataAt   int     // where the data section begins
	entries  []entry // in the order of the data
	metadata map[string]string
}

// Open opens one safetensors file and checks all of its header. The caller
// closes it.
func Open(path string) (*File, error) { return open(path, mapFile) }

// open is Open with the memory map as an argument, for file systems without.
func open(path string, mapFile func(*os.File) ([]byte, error)) (*File, error) {
	s, err := openShard(path, mapFile)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, byName: map[string]located{}}
	return f, f.add(s)
}

// add takes in the tensors of one more file.
func (f *File) add(s *shard) error {
	f.shards = append(f.shards, s)
	for _, e := range s.entries {
		if other, ok := f.byName[e.Name]; ok {
			return fmt.Errorf("%s: tensor %q is also in %s", s.path, e.Name, other.shard.path)
		}
		t := located{e, s}
		f.tensors = append(f.tensors, t)
		f.byName[e.Name] = t
	}
	return nil
}

func openShard(path string, mapFile func(*os.File) ([]byte, error)) (*shard, error) {
	m, err := openMapped(path, "a safetensors file", mapFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := &shard{path: path, file: m}
	if err := s.parse(); err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// parse reads and checks the header.
func (s *shard) parse() error {
	header, err := readHeader(s.file)
	if err != nil {
		return err
	}
	s.dataAt = 8 + len(header)
	s.entries, s.metadata, err = parseHeader(header, int(s.file.size)-s.dataAt)
	return err
}

// readHeader returns the JSON header of a safetensors file.
func readHeader(file *Mapped) ([]byte, error) {
	var prefix [8]byte
	if file.size < int64(len(prefix)) {
		return nil, fmt.Errorf("has %d bytes, too few for a safetensors file", file.size)
	}
	if err := file.ReadAt(prefix[:], 0); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	if length > uint64(file.size-8) {
		return nil, fmt.Errorf("header of %d bytes in a file of %d; truncated, or not a safetensors file", length, file.size)
	}
	if length > maxHeader {
		return nil, fmt.Errorf("header of %d bytes, the format allows %d", length, maxHeader)
	}
	header := make([]byte, length)
	return header, file.ReadAt(header, 8)
}

// Close releases the files.
func (f *File) Close() error {
	var err error
	for _, s := range f.shards {
		err = cmp.Or(err, s.file.Close())
	}
	f.shards, f.tensors, f.byName = nil, nil, nil
	return err
}

// String is where the tensors are: the file, or the folder of a sharded model.
func (f *File) String() string { return f.path }

// Names lists the tensors in the order of their data.
func (f *File) Names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.Name
	}
	return names
}

// Has tells whether there is a tensor of a name.
func (f *File) Has(name string) bool {
	_, ok := f.byName[name]
	return ok
}

// Info describes a tensor; false means that there is none of this name.
func (f *File) Info(name string) (Info, bool) {
	t, ok := f.byName[name]
	t.Shape = slices.Clone(t.Shape)
	return t.Info, ok
}

// Metadata is the header's free text, nil if there is none; of a sharded
// model, that of the first shard.
func (f *File) Metadata() map[string]string {
	if len(f.shards) == 0 { // closed
		return nil
	}
	return maps.Clone(f.shards[0].metadata)
}

// Float32 copies a tensor of F32, F16, BF16 or F64 (rounded to nearest) and
// returns its values, row-major, and its shape.
func (f *File) Float32(name string) (values []float32, shape []int, err error) {
	t, err := f.find(name)
	if err != nil {
		return nil, nil, err
	}
	if width, ok := floatWidth[t.DType]; !ok {
		err = fmt.Errorf("is %s, expected %s", t.DType, floatTypes)
	} else {
		values = make([]float32, (t.end-t.begin)/width)
		err = t.shard.file.Guard(func() error {
			Widen(values, t.DType, t.bytes())
			return nil
		})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: tensor %q: %w", t.shard.path, name, err)
	}
	return values, slices.Clone(t.Shape), nil
}

// Shape is the shape of a tensor.
func (f *File) Shape(name string) ([]int, error) {
	t, err := f.find(name)
	return slices.Clone(t.Shape), err
}

// Weights copies numbers [from, from+len(dst)) of a tensor that Float32 reads,
// counted row-major. One that is not finite is an error: a model with it says
// nothing.
func (f *File) Weights(dst []float32, name string, from int) error {
	t, err := f.find(name)
	if err != nil {
		return err
	}
	if width, ok := floatWidth[t.DType]; !ok {
		err = fmt.Errorf("is %s, expected %s", t.DType, floatTypes)
	} else {
		buffer := buffers.Get().(*[]byte)
		defer buffers.Put(buffer)
		*buffer = slices.Grow((*buffer)[:0], len(dst)*width)[:len(dst)*width]
		if err = t.shard.file.ReadAt(*buffer, int64(t.shard.dataAt+t.begin+from*width)); err == nil {
			Widen(dst, t.DType, *buffer)
		}
	}
	if err == nil {
		if i := NotFinite(dst); i >= 0 {
			err = fmt.Errorf("number %d is %v, expected finite weights", from+i, dst[i])
		}
	}
	if err != nil {
		return fmt.Errorf("%s: tensor %q: %w", t.shard.path, name, err)
	}
	return nil
}

// buffers are where Weights reads to.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// NotFinite is the index of the first number that is infinite or NaN, -1 if none is.
func NotFinite(x []float32) int {
	if finite(x) {
		return -1
	}
	return slices.IndexFunc(x, func(v float32) bool { return !finite([]float32{v}) })
}

// finite says whether no number is infinite or NaN: whether no exponent is all
// ones, which adding one to would carry into the sign.
func finite(x []float32) bool {
	const exponent, one = 0x7f800000, 0x00800000
	var carry uint32
	for _, v := range x {
		carry |= math.Float32bits(v)&exponent + one
	}
	return carry>>31 == 0
}

func (f *File) find(name string) (located, error) {
	t, ok := f.byName[name]
	if !ok {
		return t, fmt.Errorf("%s: has no tensor %q among its %d", f.path, name, len(f.tensors))
	}
	return t, nil
}

func (t located) bytes() []byte { return t.shard.file.bytes[t.shard.dataAt:][t.begin:t.end:t.end] }

// floatWidth is the width in bytes of the types that are read as float32.
var floatWidth = map[DType]int{F32: 4, F16: 2, BF16: 2, F64: 8}

const floatTypes = "F32, F16, BF16 or F64"

// Widen converts the little-endian elements of b, of type F32, F16, BF16 or F64 (rounded to nearest).
func Widen(dst []float32, dtype DType, b []byte) {
	le := binary.LittleEndian
	switch dtype {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(b[4*i:]))
		}
	case BF16:
		for ; len(dst) >= 4 && len(b) >= 8; dst, b = dst[4:], b[8:] {
			four := le.Uint64(b)
			dst[0] = math.Float32frombits(uint32(four) << 16)
			dst[1] = math.Float32frombits(uint32(four) & 0xffff0000)
			dst[2] = math.Float32frombits(uint32(four>>32) << 16)
			dst[3] = math.Float32frombits(uint32(four>>32) & 0xffff0000)
		}
		for i := range dst {
			dst[i] = half.FromBF16(le.Uint16(b[2*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = half.FromF16(le.Uint16(b[2*i:]))
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(b[8*i:])))
		}
	}
}
