package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"nfcot/internal/ckpt"
)

// Writing files of version 3. The bytes of a file depend on nothing but the arguments of Write.

// An Entry is one of the metadata. Its value is a string, bool, uint32, float32, []string or []int32.
type Entry struct {
	Key   string
	Value any
}

// A Tensor is what Write stores under a name.
type Tensor struct {
	Name  string
	Shape []int // row-major; rows are whole blocks of the type
	Type  Type  // F32, F16, BF16 or Q8_0
	Heads int   // of rows of queries or keys that are in the order of transformers, and are written in that of llama.cpp; 0: rows stay where they are

	// Read writes numbers [from, from+len(dst)), counted row-major.
	Read func(dst []float32, from int) error
}

// A TensorError says that the numbers of a tensor could not be read, or that its type cannot hold one: a fault of what is written,
// not of where it is written to.
type TensorError struct {
	Name string
	Err  error
}

func (e *TensorError) Error() string { return fmt.Sprintf("tensor %q: %v", e.Name, e.Err) }

// Unwrap is the reason.
func (e *TensorError) Unwrap() error { return e.Err }

// Write writes a GGUF file, whole or not at all, with metadata and tensors in the given order. No more than some rows of a tensor are
// in memory at a time.
func Write(path string, metadata []Entry, tensors []Tensor) error {
	header, err := marshal(metadata, tensors)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return ckpt.WriteFile(path, func(w io.Writer) error {
		if _, err := w.Write(header); err != nil {
			return err
		}
		for _, t := range tensors {
			if err := t.write(w); err != nil {
				return err
			}
		}
		return nil
	})
}

// marshal is all that comes before the data.
func marshal(metadata []Entry, tensors []Tensor) ([]byte, error) {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte(magic), 3)
	b = le.AppendUint64(b, uint64(len(tensors)))
	b = le.AppendUint64(b, uint64(len(metadata)))
	for _, e := range metadata {
		b = appendValue(appendText(b, e.Key), e.Value)
	}
	offset := 0
	for _, t := range tensors {
		l := layouts[t.Type]
		if _, ok := encoders[t.Type]; !ok || t.columns()%l.block != 0 {
			return nil, fmt.Errorf("tensor %q: rows of %d numbers cannot be written as %s", t.Name, t.columns(), t.Type)
		}
		b = le.AppendUint32(appendText(b, t.Name), uint32(len(t.Shape)))
		for i := len(t.Shape) - 1; i >= 0; i-- {
			b = le.AppendUint64(b, uint64(t.Shape[i]))
		}
		b = le.AppendUint64(le.AppendUint32(b, uint32(t.Type)), uint64(offset))
		offset += aligned(t.bytes())
	}
	return append(b, make([]byte, aligned(len(b))-len(b))...), nil
}

// aligned is the next place where data may begin.
func aligned(n int) int { return (n + defaultAlignment - 1) / defaultAlignment * defaultAlignment }

func appendText(b []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(text))), text...)
}

// appendValue appends a value with its type.
func appendValue(b []byte, v any) []byte {
	le := binary.LittleEndian
	of := func(k kind) []byte { return le.AppendUint32(b, uint32(k)) }
	array := func(item kind, n int) []byte {
		return le.AppendUint64(le.AppendUint32(of(kindArray), uint32(item)), uint64(n))
	}
	switch v := v.(type) {
	case string:
		return appendText(of(kindString), v)
	case bool:
		if v {
			return append(of(kindBool), 1)
		}
		return append(of(kindBool), 0)
	case uint32:
		return le.AppendUint32(of(kindUint32), v)
	case float32:
		return le.AppendUint32(of(kindFloat32), math.Float32bits(v))
	case []string:
		b = array(kindString, len(v))
		for _, text := range v {
			b = appendText(b, text)
		}
	case []int32:
		b = array(kindInt32, len(v))
		for _, n := range v {
			b = le.AppendUint32(b, uint32(n))
		}
	default:
		panic(fmt.Sprintf("gguf: no metadata of type %T", v))
	}
	return b
}

func (t Tensor) columns() int { return t.Shape[len(t.Shape)-1] }

func (t Tensor) numbers() int {
	n := 1
	for _, size := range t.Shape {
		n *= size
	}
	return n
}

// bytes is the length of the data.
func (t Tensor) bytes() int {
	l := layouts[t.Type]
	return t.numbers() / l.block * l.bytes
}

// write writes the data, padded to where that of the next tensor begins.
func (t Tensor) write(w io.Writer) error {
	l, encode, n := layouts[t.Type], encoders[t.Type], t.numbers()
	numbers, data := make([]float32, min(n, chunk)), make([]byte, min(n, chunk)/l.block*l.bytes)
	for from := 0; from < n; from += chunk {
		part := numbers[:min(chunk, n-from)]
		if err := t.read(part, from); err != nil {
			return &TensorError{t.Name, err}
		}
		out := data[:len(part)/l.block*l.bytes]
		if i := encode(out, part); i >= 0 {
			return &TensorError{t.Name, fmt.Errorf("number %d is %g, which %s cannot hold; choose bf16 or f32", from+i, part[i], t.Type)}
		}
		if _, err := w.Write(out); err != nil {
			return err
		}
	}
	_, err := w.Write(make([]byte, aligned(t.bytes())-t.bytes()))
	return err
}

// read reads numbers in the order of the file.
func (t Tensor) read(dst []float32, from int) error {
	if t.Heads == 0 {
		return t.Read(dst, from)
	}
	columns := 1 // of a bias
	if len(t.Shape) == 2 {
		columns = t.Shape[1]
	}
	for len(dst) > 0 {
		row, column := from/columns, from%columns
		n := min(len(dst), columns-column)
		if err := t.Read(dst[:n], halved(row, t.Shape[0]/t.Heads)*columns+column); err != nil {
			return err
		}
		dst, from = dst[n:], from+n
	}
	return nil
}

// halved is where transformers has a row of queries or keys that a file has at row: the opposite of interleaved.
func halved(row, headDim int) int {
	head, i := row/headDim, row%headDim
	return head*headDim + i%2*(headDim/2) + i/2
}
