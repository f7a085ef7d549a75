package ckpt

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/edsrzf/mmap-go"
)

// A Mapped is a regular file under a read-only memory map, or a copy of it where
// there are no maps. Its size is read once, when it is opened; a file that shrinks
// or grows afterwards is an error of the call that meets it, not a crash. Errors do
// not name the file. It may be read from many goroutines, up to Close.
type Mapped struct {
	size   int64
	bytes  []byte
	mapped *os.File // while bytes is a memory map, nil when it is an ordinary copy
}

// Map opens a file for reading. kind is what the file ought to be, for errors: "a safetensors file".
func Map(path, kind string) (*Mapped, error) { return openMapped(path, kind, mapFile) }

func mapFile(f *os.File) ([]byte, error) { return mmap.Map(f, mmap.RDONLY, 0) }

// openMapped is Map with the memory map as an argument, for file systems without.
func openMapped(path, kind string, mapFile func(*os.File) ([]byte, error)) (*Mapped, error) {
	file, size, err := openRegular(path, kind)
	if err != nil {
		return nil, err
	}
	m := &Mapped{size: size}
	if size > 0 { // nothing cannot be mapped
		err = m.load(file, mapFile)
	}
	if m.mapped == nil {
		file.Close()
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// openRegular looks before it opens: opening a pipe would wait for its other end.
func openRegular(path, kind string) (*os.File, int64, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, 0, reason(err)
	}
	if !stat.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("is not a regular file, expected %s", kind)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, reason(err)
	}
	return file, stat.Size(), nil
}

// load makes the file's bytes accessible.
func (m *Mapped) load(file *os.File, mapFile func(*os.File) ([]byte, error)) (err error) {
	if m.bytes, err = mapFile(file); err == nil {
		m.mapped = file
	} else if m.bytes, err = io.ReadAll(io.NewSectionReader(file, 0, m.size)); err != nil {
		return reason(err)
	}
	if int64(len(m.bytes)) != m.size {
		length := len(m.bytes)
		return cmp.Or(m.Close(), fmt.Errorf("changed from %d to %d bytes while being opened", m.size, length))
	}
	return nil
}

// Bytes is the whole file: read-only, valid until Close, and only as long as nobody
// cuts the file short; Guard catches that.
func (m *Mapped) Bytes() []byte { return m.bytes }

// ReadAt copies bytes of the file. It reads the file, since what is read once is read
// faster so than page by page through a memory map, and the pages do not count as
// memory of this process.
func (m *Mapped) ReadAt(b []byte, at int64) error {
	if m.mapped == nil {
		copy(b, m.bytes[at:])
		return nil
	}
	if _, err := m.mapped.ReadAt(b, at); err != nil {
		return cmp.Or(m.unchanged(), reason(err))
	}
	return nil
}

// Guard runs a function that reads Bytes. Touching a page beyond the end of a file
// that was cut meanwhile is a memory fault, which ends the program unless it is
// caught here; bytes cut within the last page read as zeros without one, hence the
// second look at the size.
func (m *Mapped) Guard(read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if _, isFault := p.(interface{ Addr() uintptr }); !isFault {
				panic(p)
			}
			err = cmp.Or(m.unchanged(), errors.New("the file cannot be read through its memory map"))
		}
	}()
	err = read()
	return cmp.Or(m.unchanged(), err)
}

// unchanged fails when the file under a memory map has been cut or grown.
func (m *Mapped) unchanged() error {
	if m.mapped == nil {
		return nil
	}
	stat, err := m.mapped.Stat()
	if err != nil {
		return reason(err)
	}
	if stat.Size() != m.size {
		return fmt.Errorf("the file changed from %d to %d bytes while open", m.size, stat.Size())
	}
	return nil
}

// Close releases the file. What Bytes returned must not be touched after it.
func (m *Mapped) Close() (err error) {
	if m.mapped != nil {
		all := mmap.MMap(m.bytes)
		err = cmp.Or(all.Unmap(), m.mapped.Close())
	}
	m.bytes, m.mapped = nil, nil
	return err
}
