package ckpt

// Text input, plain or compressed. Whether it is compressed is decided by its
// first bytes, never by its name.

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Stdin is the path that means standard input.
const Stdin = "-"

// The first bytes of compressed files.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// OpenText opens a file, or standard input for "-", and uncompresses what is
// gzip or Zstandard. Errors of reading name the file, too.
func OpenText(path string) (*Text, error) {
	t := &Text{name: inputName(path)}
	source := os.Stdin
	if path != Stdin {
		f, err := os.Open(path)
		if err != nil {
			return nil, t.explain(err)
		}
		source, t.source = f, f
	}
	if err := t.start(source); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// OrCompressed is the path of a file, or, where only that is there, of the file compressed: path.zst.
func OrCompressed(path string) string {
	compressed := path + ".zst"
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(compressed); err == nil {
			return compressed
		}
	}
	return path
}

// inputName is what errors call an input.
func inputName(path string) string {
	if path == Stdin {
		return "standard input"
	}
	return path
}

// A Text is an open input.
type Text struct {
	name         string
	compression  string // as it is called in errors; empty for plain text
	uncompressed *bufio.Reader
	decoder      io.Closer // nil for plain text
	source       io.Closer // nil for standard input, which is not ours to close
	bytesRead    atomic.Int64
}

// BytesRead is the number of bytes read from the file up to now, some of which may not
// have come out of Read yet: compressed ones where the file is compressed.
func (t *Text) BytesRead() int64 { return t.bytesRead.Load() }

// counted counts what is read of a text's file.
type counted struct {
	io.Reader
	*Text
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytesRead.Add(int64(n))
	return n, err
}

// start looks at the first bytes and chooses the decoder.
func (t *Text) start(source io.Reader) error {
	b := bufio.NewReaderSize(counted{source, t}, 1<<16)
	first, err := b.Peek(len(zstdMagic))
	if err != nil && err != io.EOF {
		return t.explain(err)
	}
	switch {
	case bytes.HasPrefix(first, gzipMagic):
		t.compression = "gzip"
		z, err := gzip.NewReader(b)
		if err != nil {
			return t.explain(err)
		}
		t.uncompressed, t.decoder = bufio.NewReaderSize(z, 1<<16), z
	case bytes.HasPrefix(first, zstdMagic):
		t.compression = "Zstandard"
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return t.explain(err)
		}
		t.uncompressed, t.decoder = bufio.NewReaderSize(z, 1<<16), z.IOReadCloser()
	default:
		t.uncompressed = b
	}
	return nil
}

// Read gives uncompressed text.
func (t *Text) Read(p []byte) (int, error) {
	n, err := t.uncompressed.Read(p)
	if err != nil && err != io.EOF {
		err = t.explain(err)
	}
	return n, err
}

// ReadText returns all of a file, or of standard input for "-", as OpenText gives it.
func ReadText(path string) ([]byte, error) {
	t, err := OpenText(path)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	return io.ReadAll(t)
}

// Peek is the next n bytes of the text, at most 64 KiB, without reading them; fewer, and an
// error, if the text ends or cannot be read, which Read then says, too.
func (t *Text) Peek(n int) ([]byte, error) { return t.uncompressed.Peek(n) }

// Compressed says whether the file holds other bytes than the text.
func (t *Text) Compressed() bool { return t.compression != "" }

// Lines yields the lines of the text, without their ends, up to the first error.
func (t *Text) Lines() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		r := bufio.NewReaderSize(t, 1<<16)
		for {
			line, err := r.ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				yield("", err) // what there is of the line is not all of it
				return
			}
			if line != "" && !yield(strings.TrimSuffix(line, "\n"), nil) || err != nil {
				return
			}
		}
	}
}

func (t *Text) explain(err error) error {
	if t.compression != "" {
		return fmt.Errorf("%s: damaged %s data: %w", t.name, t.compression, err)
	}
	return fmt.Errorf("%s: %w", t.name, reason(err))
}

// Close closes the file.
func (t *Text) Close() error {
	var err error
	for _, c := range []io.Closer{t.decoder, t.source} {
		if c != nil {
			err = cmp.Or(err, c.Close())
		}
	}
	return err
}
