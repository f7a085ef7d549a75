// Package gguf reads GGUF files, the format of llama.cpp: metadata (metadata.go), quantised tensors (types.go, dequantize.go),
// and language models under Hugging Face's names (model.go, config.go). Files are under a memory map; numbers leave them as
// float32, as many at a time as are asked for. It writes them too (write.go, quantise.go).
//
// What the format demands: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
//
// Errors are one line and start with the file's name.
package gguf

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"nfcot/internal/ckpt"
)

// A File is metadata and named tensors, of one GGUF file or of a set of them. It may be read from many goroutines, up to Close.
type File struct {
	path    string
	parts   []*part
	tensors []located // in the order of the files
	byName  map[string]located
}

// A part is one open file.
type part struct {
	path string
	file *ckpt.Mapped
	contents
}

// located is a tensor and the file it is in.
type located struct {
	entry
	part *part
}

// Info describes a tensor.
type Info struct {
	Name  string
	Type  Type
	Shape []int // row-major: the other way round than in the file
	Bytes int   // length of the data
}

// setName is how the files of a set are called.
var setName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// Open opens a GGUF file of version 2 or 3 and checks all that it says about its contents. Of a set
// (model-00001-of-00003.gguf, …), path is the first file. The caller closes it.
func Open(path string) (_ *File, err error) {
	f := &File{path: path, byName: map[string]located{}}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	paths, err := Files(path)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if err := f.add(path); err != nil {
			return nil, err
		}
	}
	return f, f.checkSet()
}

// IsFile tells whether a path is meant as a GGUF file: by its name, or by what the file begins with.
func IsFile(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return err != nil && filepath.Ext(path) == ".gguf"
	}
	if filepath.Ext(path) == ".gguf" {
		return true
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var start [len(magic)]byte
	_, err = io.ReadFull(f, start[:])
	return err == nil && string(start[:]) == magic
}

// Files lists the files of the set that a file is the first of: itself alone, if it is no part of one.
func Files(path string) ([]string, error) {
	name := setName.FindStringSubmatch(filepath.Base(path))
	if name == nil {
		return []string{path}, nil
	}
	file := func(i int, of string) string {
		return filepath.Join(filepath.Dir(path), fmt.Sprintf("%s-%05d-of-%s.gguf", name[1], i, of))
	}
	if name[2] != "00001" {
		return nil, fmt.Errorf("%s: is part of a set; expected its first file, %s", path, file(1, name[3]))
	}
	n, err := strconv.Atoi(name[3])
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%s: its name says that it is the first of %s files; expected 00001 at least", path, name[3])
	}
	paths := []string{path}
	for i := 2; i <= n; i++ {
		paths = append(paths, file(i, name[3]))
	}
	return paths, nil
}

// add takes in one more file.
func (f *File) add(path string) error {
	p := &part{path: path}
	var err error
	if p.file, err = ckpt.Map(path, "a GGUF file"); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f.parts = append(f.parts, p)
	if err := p.file.Guard(func() error { return p.parse(p.file.Bytes()) }); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, e := range p.entries {
		if other, ok := f.byName[e.Name]; ok {
			return fmt.Errorf("%s: tensor %q is also in %s", path, e.Name, other.part.path)
		}
		f.tensors = append(f.tensors, located{e, p})
		f.byName[e.Name] = located{e, p}
	}
	return nil
}

// checkSet compares the files that there are with what the first one says about its set.
func (f *File) checkSet() error {
	count, err := GetOr(f, "split.count", 1)
	if err != nil {
		return err
	}
	if count > 1 && count != len(f.parts) {
		return fmt.Errorf("%s: is one of %d files (split.count); expected the name of the first, which ends in -00001-of-%05d.gguf", f.path, count, count)
	}
	tensors, err := GetOr(f, "split.tensors.count", len(f.tensors))
	if err == nil && count > 1 && tensors != len(f.tensors) {
		err = fmt.Errorf("%s: its %d files hold %d tensors; expected %d (split.tensors.count)", f.path, count, len(f.tensors), tensors)
	}
	return err
}

// Close releases the files.
func (f *File) Close() error {
	var err error
	for _, p := range f.parts {
		err = cmp.Or(err, p.file.Close())
	}
	f.parts, f.tensors, f.byName = nil, nil, nil
	return err
}

// String is the file's path; of a set, that of the first.
func (f *File) String() string { return f.path }

// Version is that of the format: 2 or 3.
func (f *File) Version() int { return f.parts[0].version }

// Names lists the tensors, in the order of the files.
func (f *File) Names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.Name
	}
	return names
}

// Info describes a tensor; false means that there is none of this name.
func (f *File) Info(name string) (Info, bool) {
	t, ok := f.byName[name]
	t.Shape = slices.Clone(t.Shape)
	return t.Info, ok
}

// Shape is the shape of a tensor, row-major.
func (f *File) Shape(name string) ([]int, error) {
	t, err := f.find(name)
	return slices.Clone(t.Shape), err
}

func (f *File) find(name string) (located, error) {
	t, ok := f.byName[name]
	if !ok {
		return t, fmt.Errorf("%s: has no tensor %q among its %d", f.path, name, len(f.tensors))
	}
	return t, nil
}

// chunk is how many numbers Weights converts at a time, so that a large matrix is not in memory twice: whole blocks of all types.
const chunk = 1 << 16

// buffers are where Weights reads to.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Weights writes numbers [from, from+len(dst)) of a tensor, counted row-major. One that is not finite is an error: a model with
// it says nothing.
func (f *File) Weights(dst []float32, name string, from int) error {
	t, err := f.find(name)
	if err != nil {
		return err
	}
	if err := t.weights(dst, from); err != nil {
		return fmt.Errorf("%s: tensor %q: %w", t.part.path, name, err)
	}
	return nil
}

func (t located) weights(dst []float32, from int) error {
	l := layouts[t.Type]
	if l.decode == nil {
		return fmt.Errorf("is %s, expected %s", t.Type, readable)
	}
	for len(dst) > 0 {
		n := min(len(dst), chunk-from%chunk)
		if err := t.read(dst[:n], l, from); err != nil {
			return err
		}
		if i := ckpt.NotFinite(dst[:n]); i >= 0 {
			return fmt.Errorf("number %d is %v, expected finite weights", from+i, dst[i])
		}
		dst, from = dst[n:], from+n
	}
	return nil
}

// Blocks copies a row of a matrix as its type has it in bytes. A number that is not finite is an error, as in Weights.
func (f *File) Blocks(dst []byte, name string, row int) error {
	t, err := f.find(name)
	if err == nil {
		if err = t.blocks(dst, row); err != nil {
			err = fmt.Errorf("%s: tensor %q: %w", t.part.path, name, err)
		}
	}
	return err
}

func (t located) blocks(dst []byte, row int) error {
	if err := t.part.file.ReadAt(dst, int64(t.offset+row*len(dst))); err != nil {
		return err
	}
	l := layouts[t.Type]
	for i := 0; i < len(dst); i += l.bytes {
		for _, at := range l.scales {
			if half := binary.LittleEndian.Uint16(dst[i+at:]); half&0x7c00 == 0x7c00 { // not finite, and so are its numbers
				block := make([]float32, l.block)
				return t.weights(block, row*t.Shape[1]+i/l.bytes*l.block)
			}
		}
	}
	return nil
}

// read writes numbers of a chunk: those of whole blocks where they belong, those of blocks cut at the ends by a copy.
func (t located) read(dst []float32, l layout, from int) error {
	first, last := from/l.block, (from+len(dst)+l.block-1)/l.block
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	size := (last - first) * l.bytes
	*buffer = slices.Grow((*buffer)[:0], size)[:size]
	src := *buffer
	if err := t.part.file.ReadAt(src, int64(t.offset+first*l.bytes)); err != nil {
		return err
	}
	var whole [256]float32 // one block of any type
	if skip := from - first*l.block; skip > 0 {
		l.decode(whole[:l.block], src[:l.bytes])
		n := copy(dst, whole[skip:l.block])
		dst, src = dst[n:], src[l.bytes:]
	}
	inside := len(dst) / l.block * l.block
	l.decode(dst[:inside], src)
	if dst = dst[inside:]; len(dst) > 0 {
		l.decode(whole[:l.block], src[inside/l.block*l.bytes:])
		copy(dst, whole[:])
	}
	return nil
}
