package ckpt

// Text input, plain or compressed. Whether it is compressed is decided by its
// first bytes, never by its name.

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"

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
func OpenText(path string) (io.ReadCloser, error) {
	t := &text{name: inputName(path)}
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

// inputName is what errors call an input.
func inputName(path string) string {
	if path == Stdin {
		return "standard input"
	}
	return path
}

// text is an open input.
type text struct {
	name         string
	compression  string // as it is called in errors; empty for plain text
	uncompressed io.Reader
	decoder      io.Closer // nil for plain text
	source       io.Closer // nil for standard input, which is not ours to close
}

// start looks at the first bytes and chooses the decoder.
func (t *text) start(source io.Reader) error {
	b := bufio.NewReaderSize(source, 1<<16)
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
		t.uncompressed, t.decoder = z, z
	case bytes.HasPrefix(first, zstdMagic):
		t.compression = "Zstandard"
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return t.explain(err)
		}
		t.uncompressed, t.decoder = z, z.IOReadCloser()
	default:
		t.uncompressed = b
	}
	return nil
}

func (t *text) Read(p []byte) (int, error) {
	n, err := t.uncompressed.Read(p)
	if err != nil && err != io.EOF {
		err = t.explain(err)
	}
	return n, err
}

func (t *text) explain(err error) error {
	if t.compression != "" {
		return fmt.Errorf("%s: damaged %s data: %w", t.name, t.compression, err)
	}
	return fmt.Errorf("%s: %w", t.name, reason(err))
}

func (t *text) Close() error {
	var err error
	for _, c := range []io.Closer{t.decoder, t.source} {
		if c != nil {
			err = cmp.Or(err, c.Close())
		}
	}
	return err
}
