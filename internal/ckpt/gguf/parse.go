package gguf

// The format: magic, version, two counts, metadata, descriptions of tensors, padding, data; little-endian. Every count and
// length is held against the bytes that are there before anything is made of it.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf8"
)

const (
	magic            = "GGUF"
	maxDimensions    = 4
	defaultAlignment = 32
)

// contents are what a file says about itself.
type contents struct {
	version int
	keys    []string // in the order of the file
	values  map[string]value
	entries []entry // in the order of the file
}

// An entry is a tensor with the place of its data in the file.
type entry struct {
	Info
	offset int
}

// A reader goes through the bytes of a file. After its first error it returns zeros.
type reader struct {
	data []byte
	at   int
	err  error
}

func (r *reader) left() uint64 { return uint64(len(r.data) - r.at) }

// take returns the next n bytes, which hold what.
func (r *reader) take(n uint64, what string) []byte {
	if r.err == nil && n > r.left() {
		r.err = fmt.Errorf("%s takes %d bytes from byte %d on, but the file has %d; is it truncated?", what, n, r.at, len(r.data))
	}
	if r.err != nil {
		return nil
	}
	b := r.data[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

func (r *reader) uint32(what string) uint32 {
	if b := r.take(4, what); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64(what string) uint64 {
	if b := r.take(8, what); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// text reads a string: its length and its bytes.
func (r *reader) text(what string) []byte { return r.take(r.uint64(what), what) }

// count reads how many things follow that take at least so many bytes each.
func (r *reader) count(what string, atLeast uint64) uint64 {
	n := r.uint64("the number of " + what)
	if r.err == nil && n > r.left()/atLeast {
		r.err = fmt.Errorf("has %d %s, too many for a file of %d bytes; is it truncated, or damaged?", n, what, len(r.data))
	}
	if r.err != nil {
		return 0
	}
	return n
}

// parse reads everything but the data, and checks it.
func (c *contents) parse(file []byte) error {
	r := &reader{data: file}
	if !bytes.HasPrefix(file, []byte(magic)) {
		return fmt.Errorf("begins with %.10q; expected %q, as every GGUF file does", file[:min(len(magic), len(file))], magic)
	}
	r.at = len(magic)
	version := r.uint32("the version")
	switch {
	case r.err != nil:
		return r.err
	case version>>16 != 0 && version&0xffff == 0:
		return fmt.Errorf("is big-endian (version %#x); only little-endian files are supported", version)
	case version != 2 && version != 3:
		return fmt.Errorf("is of version %d; only 2 and 3 are supported", version)
	}
	c.version = int(version)
	tensors := r.count("tensors", 24) // name, dimensions, type, offset
	entries := r.count("metadata entries", 13)
	if err := c.parseMetadata(r, entries); err != nil {
		return err
	}
	return c.parseTensors(r, tensors)
}

func (c *contents) parseMetadata(r *reader, n uint64) error {
	c.values = map[string]value{}
	for range n {
		key := string(r.text("a key of the metadata"))
		switch {
		case r.err != nil:
			return r.err
		case key == "" || !utf8.ValidString(key):
			return fmt.Errorf("metadata has the key %q; expected text", shorten(key))
		case c.has(key):
			return fmt.Errorf("metadata %q is there twice", shorten(key))
		}
		v, err := parseValue(r)
		if err != nil {
			return fmt.Errorf("metadata %q: %w", shorten(key), err)
		}
		c.keys = append(c.keys, key)
		c.values[key] = v
	}
	return r.err
}

func (c *contents) has(key string) bool {
	_, ok := c.values[key]
	return ok
}

func (c *contents) parseTensors(r *reader, n uint64) error {
	seen := map[string]bool{}
	for range n {
		e, err := parseEntry(r)
		if err != nil {
			return err
		}
		if seen[e.Name] {
			return fmt.Errorf("tensor %q is there twice", e.Name)
		}
		seen[e.Name] = true
		c.entries = append(c.entries, e)
	}
	if r.err != nil {
		return r.err
	}
	alignment, err := c.alignment()
	if err != nil {
		return err
	}
	start := uint64(r.at) + (alignment-uint64(r.at)%alignment)%alignment
	for i := range c.entries {
		if err := c.entries[i].place(start, alignment, uint64(len(r.data))); err != nil {
			return fmt.Errorf("tensor %q: %w", c.entries[i].Name, err)
		}
	}
	return checkOverlap(c.entries)
}

func (c *contents) alignment() (uint64, error) {
	v, ok := c.values["general.alignment"]
	if !ok {
		return defaultAlignment, nil
	}
	if v.kind != kindUint32 {
		return 0, fmt.Errorf("metadata \"general.alignment\" is %s; expected a uint32", v)
	}
	n := uint64(binary.LittleEndian.Uint32(v.data))
	if bits.OnesCount64(n) != 1 {
		return 0, fmt.Errorf("metadata \"general.alignment\" is %d; expected a power of two", n)
	}
	return n, nil
}

// parseEntry reads the description of a tensor. Its offset is left as it is in the file: counted from the start of the data.
func parseEntry(r *reader) (entry, error) {
	name := string(r.text("the name of a tensor"))
	if r.err == nil && (name == "" || len(name) > 1<<10 || !utf8.ValidString(name)) {
		return entry{}, fmt.Errorf("a tensor has the name %q; expected text of 1 to 1024 bytes", shorten(name))
	}
	e := entry{Info: Info{Name: name}}
	what := fmt.Sprintf("the description of tensor %q", shorten(name))
	dimensions := r.uint32(what)
	if r.err == nil && (dimensions < 1 || dimensions > maxDimensions) {
		return e, fmt.Errorf("tensor %q: has %d dimensions; expected 1 to %d", name, dimensions, maxDimensions)
	}
	elements := uint64(1)
	for i := range min(dimensions, maxDimensions) {
		n := r.uint64(what)
		high, low := bits.Mul64(elements, n)
		if r.err == nil && (n == 0 || high != 0 || low > 1<<62) {
			return e, fmt.Errorf("tensor %q: dimension %d is %d; expected at least 1, and less than 2^62 numbers in all", name, i, n)
		}
		elements = low
		e.Shape = append(e.Shape, int(n))
	}
	e.Type = Type(r.uint32(what))
	offset := r.uint64(what)
	if r.err != nil {
		return e, r.err
	}
	slices.Reverse(e.Shape)
	l, ok := layouts[e.Type]
	if !ok {
		return e, fmt.Errorf("tensor %q: is of %s, which is not known; expected %s", name, e.Type, readable)
	}
	if row := e.Shape[len(e.Shape)-1]; row%l.block != 0 {
		return e, fmt.Errorf("tensor %q: has %d numbers in a row; %s has blocks of %d", name, row, e.Type, l.block)
	}
	high, size := bits.Mul64(elements/uint64(l.block), uint64(l.bytes))
	if high != 0 || size > 1<<62 || offset > 1<<62 {
		return e, fmt.Errorf("tensor %q: %d bytes of data at offset %d; no file is as large", name, size, offset)
	}
	e.Bytes, e.offset = int(size), int(offset)
	return e, nil
}

// place checks where the data of a tensor is, and makes its offset one from the start of the file.
func (e *entry) place(start, alignment, size uint64) error {
	if uint64(e.offset)%alignment != 0 {
		return fmt.Errorf("its data is at offset %d, not a multiple of the alignment (%d)", e.offset, alignment)
	}
	if from := start + uint64(e.offset); from+uint64(e.Bytes) > size {
		return fmt.Errorf("its data is in bytes %d to %d, but the file has %d; is it truncated?", from, from+uint64(e.Bytes), size)
	}
	e.offset += int(start)
	return nil
}

// checkOverlap refuses bytes that are two tensors'.
func checkOverlap(entries []entry) error {
	sorted := slices.SortedFunc(slices.Values(entries), func(a, b entry) int { return a.offset - b.offset })
	for i, e := range sorted {
		if i > 0 && sorted[i-1].offset+sorted[i-1].Bytes > e.offset {
			return fmt.Errorf("tensor %q: its data overlaps that of %q", e.Name, sorted[i-1].Name)
		}
	}
	return nil
}

// shorten makes a name out of a damaged file fit into a line.
func shorten(name string) string {
	const limit = 100
	if len(name) > limit {
		return name[:limit] + "..."
	}
	return name
}
