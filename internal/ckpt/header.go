package ckpt

// The safetensors format: u64 little-endian header length, a JSON object, raw
// little-endian row-major data. This file turns the JSON object into checked
// descriptions of tensors; it reads no tensor data. What the format demands:
// https://github.com/huggingface/safetensors#format

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"nfcot/internal/ckpt/jsontext"
)

// A DType is a safetensors element type, spelled as in the header.
type DType string

// The element types with a meaning here; a file may hold others.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U64  DType = "U64"
	U32  DType = "U32"
	U16  DType = "U16"
	U8   DType = "U8"
	Bool DType = "BOOL"
)

// bitsOf is the width of an element. The types below one byte and the exotic
// ones can be listed, checked and copied as raw bytes, not converted.
var bitsOf = map[DType]uint64{
	F64: 64, F32: 32, F16: 16, BF16: 16,
	I64: 64, I32: 32, I16: 16, I8: 8,
	U64: 64, U32: 32, U16: 16, U8: 8, Bool: 8,
	"F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
	"F6_E2M3": 6, "F6_E3M2": 6, "F4": 4, "C64": 64,
}

// Info describes one tensor of a file.
type Info struct {
	Name  string
	DType DType
	Shape []int // empty for a scalar
	Bytes int   // length of the data
}

// entry is a tensor with its place in the data section: bytes [begin, end).
type entry struct {
	Info
	begin, end int
}

// parseHeader reads the JSON header of a file whose data section has dataSize
// bytes, and checks every claim it makes. The entries come back in the order of
// the data, which they cover from end to end.
func parseHeader(header []byte, dataSize int) ([]entry, map[string]string, error) {
	if !utf8.Valid(header) {
		return nil, nil, errors.New("header is not valid UTF-8")
	}
	members, err := objectMembers(header)
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	var entries []entry
	var metadata map[string]string
	for _, m := range members {
		if m.Key == metadataKey {
			if string(m.Value) == "null" {
				continue
			}
			if metadata, err = parseMetadata(m.Value); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", metadataKey, err)
			}
			continue
		}
		e, err := parseEntry(m.Key, m.Value)
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", m.Key, err)
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	return entries, metadata, checkCoverage(entries, dataSize)
}

const metadataKey = "__metadata__"

func parseMetadata(value json.RawMessage) (map[string]string, error) {
	members, err := objectMembers(value)
	if err != nil {
		return nil, err
	}
	metadata := make(map[string]string, len(members))
	for _, m := range members {
		if m.Value[0] != '"' {
			return nil, fmt.Errorf("%q is %s, expected a string", m.Key, shorten(m.Value))
		}
		var s string
		if err := jsontext.Unmarshal(m.Value, &s); err != nil {
			return nil, fmt.Errorf("%q: %w", m.Key, err)
		}
		metadata[m.Key] = s
	}
	return metadata, nil
}

func parseEntry(name string, value json.RawMessage) (entry, error) {
	members, err := objectMembers(value)
	if err != nil {
		return entry{}, err
	}
	fields := make(map[string]json.RawMessage, len(members))
	for _, m := range members {
		fields[m.Key] = m.Value
	}
	for _, field := range []string{"dtype", "shape", "data_offsets"} {
		if fields[field] == nil {
			return entry{}, fmt.Errorf("has no %q", field)
		}
	}
	e := entry{Info: Info{Name: name}}
	if raw := fields["dtype"]; raw[0] != '"' || json.Unmarshal(raw, &e.DType) != nil {
		return entry{}, fmt.Errorf("dtype is %s, expected a string", shorten(raw))
	}
	if e.Shape, err = parseSizes(fields["shape"]); err != nil {
		return entry{}, fmt.Errorf("shape: %w", err)
	}
	offsets, err := parseSizes(fields["data_offsets"])
	if err != nil {
		return entry{}, fmt.Errorf("data_offsets: %w", err)
	}
	if len(offsets) != 2 || offsets[0] > offsets[1] {
		return entry{}, fmt.Errorf("data_offsets are %v, expected [begin, end]", offsets)
	}
	e.begin, e.end = offsets[0], offsets[1]
	e.Bytes = e.end - e.begin
	return e, checkLength(e.Info)
}

// checkLength compares the length of the data with what shape and dtype need,
// where the dtype is known.
func checkLength(t Info) error {
	elements, ok := product(t.Shape)
	if !ok {
		return fmt.Errorf("shape %v overflows", t.Shape)
	}
	width, known := bitsOf[t.DType]
	if !known {
		return nil
	}
	high, total := bits.Mul64(elements, width)
	if high != 0 || total%8 != 0 || total/8 != uint64(t.Bytes) {
		return fmt.Errorf("has %d bytes of data, but %s of shape %v needs %d bits", t.Bytes, t.DType, t.Shape, total)
	}
	return nil
}

// product multiplies sizes that are not negative; false means overflow.
func product(shape []int) (uint64, bool) {
	elements := uint64(1)
	for _, n := range shape {
		high, low := bits.Mul64(elements, uint64(n))
		if high != 0 {
			return 0, false
		}
		elements = low
	}
	return elements, true
}

// checkCoverage demands that the sorted entries fill [0, dataSize) without
// overlap or gap, so that no byte of a file is unaccounted for.
func checkCoverage(entries []entry, dataSize int) error {
	covered, before := 0, "the start of the data"
	for _, e := range entries {
		switch {
		case e.end > dataSize:
			return fmt.Errorf("tensor %q: data ends at byte %d, but the file has %d bytes of data; is it truncated?", e.Name, e.end, dataSize)
		case e.begin < covered:
			return fmt.Errorf("tensor %q: data overlaps that of %s", e.Name, before)
		case e.begin > covered:
			return fmt.Errorf("tensor %q: gap of %d bytes after %s", e.Name, e.begin-covered, before)
		}
		covered, before = e.end, fmt.Sprintf("tensor %q", e.Name)
	}
	if covered != dataSize {
		return fmt.Errorf("%d bytes after %s belong to no tensor", dataSize-covered, before)
	}
	return nil
}

// objectMembers splits a JSON object, in order. It refuses duplicate keys, with which two
// readers could see two different files.
func objectMembers(data []byte) ([]jsontext.Field, error) {
	members, err := jsontext.Fields(data)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		if seen[m.Key] {
			return nil, fmt.Errorf("duplicate key %q", m.Key)
		}
		seen[m.Key] = true
	}
	return members, nil
}

// parseSizes reads a JSON array of integers that are not negative. Going
// through the raw text keeps 1.5, null, "3" and 1e99 from becoming a size.
func parseSizes(data json.RawMessage) ([]int, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil || data[0] != '[' {
		return nil, fmt.Errorf("found %s, expected an array of integers", shorten(data))
	}
	sizes := make([]int, len(items))
	for i, item := range items {
		n, err := strconv.Atoi(string(item))
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%s holds %s, expected integers from 0 to %d", shorten(data), shorten(item), math.MaxInt)
		}
		sizes[i] = n
	}
	return sizes, nil
}

// shorten makes JSON from a file fit into a one-line error message.
func shorten(data []byte) string {
	const limit = 40
	text, more := string(bytes.TrimSpace(data)), ""
	if len(text) > limit {
		text, more = strings.ToValidUTF8(text[:limit], ""), "..."
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		text = strconv.Quote(text)
	}
	return text + more
}
