package ckpt

// Writing safetensors. The bytes of a file depend on nothing but the arguments.

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"nfcot/internal/ckpt/half"
	"nfcot/internal/ckpt/jsontext"
)

// A Tensor is what Write stores under a name.
type Tensor struct {
	Name  string
	Shape []int // row-major; empty for a scalar
	// Data is []float32 (F32), []float64 (F64), []int64 (I64), []uint16 of
	// bfloat16 bit patterns (BF16) or []uint8 (U8).
	Data any
	// DType, unless it is empty, is the type to store: F32, BF16 or F16 of []float32,
	// rounded to nearest; any of []uint8, which then are the little-endian bytes
	// of this type.
	DType DType
}

// Write writes a safetensors file, whole or not at all, with the tensors in the
// given order and the metadata (which may be nil) in the order of its keys.
// transformers wants {"format": "pt"} there. Nothing is padded between tensors:
// in a file of mixed types, wider ones first keep all of them aligned.
func Write(path string, tensors []Tensor, metadata map[string]string) error {
	header, err := marshalHeader(tensors, metadata)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return WriteFile(path, func(w io.Writer) error {
		if _, err := w.Write(header); err != nil {
			return err
		}
		for _, t := range tensors {
			if err := writeData(w, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// marshalHeader returns length prefix and JSON header, padded with spaces so
// that the data starts at a multiple of 8.
func marshalHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	if err := checkText(tensors, metadata); err != nil {
		return nil, err
	}
	var members []string
	if len(metadata) > 0 {
		value, err := jsontext.Marshal(metadata)
		if err != nil {
			return nil, err
		}
		members = append(members, fmt.Sprintf("%q:%s", metadataKey, value))
	}
	offset := 0
	for _, t := range tensors {
		info, err := describe(t)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		name, err := jsontext.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		shape, err := jsontext.Marshal(info.Shape)
		if err != nil {
			return nil, err
		}
		members = append(members, fmt.Sprintf(`%s:{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`,
			name, info.DType, shape, offset, offset+info.Bytes))
		offset += info.Bytes
	}
	text := "{" + strings.Join(members, ",") + "}"
	text += strings.Repeat(" ", -len(text)&7)
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), nil
}

// checkText refuses names that would not come back from the file as they are.
func checkText(tensors []Tensor, metadata map[string]string) error {
	for key, value := range metadata {
		if !utf8.ValidString(key + value) {
			return fmt.Errorf("metadata %q: %q is not valid UTF-8", key, value)
		}
	}
	seen := map[string]bool{metadataKey: true}
	for _, t := range tensors {
		if !utf8.ValidString(t.Name) {
			return fmt.Errorf("tensor %q: the name is not valid UTF-8", t.Name)
		}
		if seen[t.Name] {
			return fmt.Errorf("tensor %q: the name is taken", t.Name)
		}
		seen[t.Name] = true
	}
	return nil
}

// describe finds dtype and length of a tensor's data and checks its shape.
func describe(t Tensor) (Info, error) {
	info := Info{Name: t.Name, Shape: append([]int{}, t.Shape...)} // never nil: JSON wants []
	switch data := t.Data.(type) {
	case []float32:
		info.DType, info.Bytes = F32, 4*len(data)
		if t.DType == BF16 || t.DType == F16 {
			info.DType, info.Bytes = t.DType, 2*len(data)
		}
	case []float64:
		info.DType, info.Bytes = F64, 8*len(data)
	case []int64:
		info.DType, info.Bytes = I64, 8*len(data)
	case []uint16:
		info.DType, info.Bytes = BF16, 2*len(data)
	case []uint8:
		info.DType, info.Bytes = U8, len(data)
		if t.DType != "" {
			info.DType = t.DType
		}
	default:
		return info, fmt.Errorf("data is %T, expected []float32, []float64, []int64, []uint16 or []uint8", data)
	}
	if _, known := bitsOf[info.DType]; !known || t.DType != "" && t.DType != info.DType {
		return info, fmt.Errorf("data is %T, which cannot be stored as %s", t.Data, t.DType)
	}
	if len(t.Shape) > 0 && slices.Min(t.Shape) < 0 {
		return info, fmt.Errorf("shape %v has a negative size", t.Shape)
	}
	return info, checkLength(info)
}

// writeData writes values little-endian.
func writeData(w io.Writer, t Tensor) error {
	le := binary.LittleEndian
	switch data := t.Data.(type) {
	case []float32:
		switch t.DType {
		case BF16:
			return writeEach(w, data, func(b []byte, x float32) []byte { return le.AppendUint16(b, half.ToBF16(x)) })
		case F16:
			return writeEach(w, data, func(b []byte, x float32) []byte { return le.AppendUint16(b, half.ToF16(x)) })
		}
		return writeEach(w, data, func(b []byte, x float32) []byte { return le.AppendUint32(b, math.Float32bits(x)) })
	case []float64:
		return writeEach(w, data, func(b []byte, x float64) []byte { return le.AppendUint64(b, math.Float64bits(x)) })
	case []int64:
		return writeEach(w, data, func(b []byte, x int64) []byte { return le.AppendUint64(b, uint64(x)) })
	case []uint16:
		return writeEach(w, data, le.AppendUint16)
	}
	_, err := w.Write(t.Data.([]uint8)) // describe has refused everything else
	return err
}

// writeEach converts and writes values a few thousand at a time, so that a
// large tensor is not in memory twice.
func writeEach[T any](w io.Writer, values []T, appendTo func([]byte, T) []byte) error {
	const chunk = 8192
	var buffer []byte
	for part := range slices.Chunk(values, chunk) {
		buffer = buffer[:0]
		for _, x := range part {
			buffer = appendTo(buffer, x)
		}
		if _, err := w.Write(buffer); err != nil {
			return err
		}
	}
	return nil
}
