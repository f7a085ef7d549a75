package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// A kind is a type of values, by its number in the format.
type kind uint32

const (
	kindUint8 kind = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64
)

var kinds = [...]struct {
	name string
	size uint64 // in bytes; 0: it varies
}{
	{"uint8", 1}, {"int8", 1}, {"uint16", 2}, {"int16", 2}, {"uint32", 4}, {"int32", 4}, {"float32", 4}, {"bool", 1},
	{"string", 0}, {"array", 0}, {"uint64", 8}, {"int64", 8}, {"float64", 8},
}

// A value is an entry of the metadata: bytes of the file that hold a number, a string with its length, or the items of an array.
type value struct {
	kind   kind
	item   kind // of an array
	length int  // of an array
	data   []byte
}

// String describes the value by its type.
func (v value) String() string {
	if v.kind == kindArray {
		return fmt.Sprintf("an array of %d values of type %s", v.length, kinds[v.item].name)
	}
	return "a value of type " + kinds[v.kind].name
}

// parseValue reads a value of the metadata, with its type.
func parseValue(r *reader) (value, error) {
	v := value{kind: readKind(r), length: 1}
	item := v.kind
	if v.kind == kindArray {
		item = readKind(r)
		v.item = item
		if item == kindArray && r.err == nil {
			return v, errors.New("is an array of arrays, which is not supported")
		}
		v.length = int(r.count("values", max(kinds[item].size, 1))) // a string takes more
	}
	from := r.at
	if size := kinds[item].size; size > 0 {
		r.take(uint64(v.length)*size, "a value")
	}
	for i := 0; i < v.length && item == kindString && r.err == nil; i++ {
		r.text("a string")
	}
	v.data = r.data[from:r.at]
	return v, r.err
}

// readKind reads the type of a value.
func readKind(r *reader) kind {
	k := kind(r.uint32("the type of a value"))
	if int(k) >= len(kinds) {
		r.err = fmt.Errorf("is of type %d, which is not known", k)
		return 0
	}
	return k
}

// A Value is a type that metadata can be asked for: every integer of the file is an int, every float a float64.
type Value interface {
	string | bool | int | float64 | []string | []int | []float32
}

// Keys lists the metadata, in the order of the file.
func (f *File) Keys() []string { return slices.Clone(f.parts[0].keys) }

// Has tells whether the metadata has a key.
func (f *File) Has(key string) bool { return f.parts[0].has(key) }

// Get returns an entry of the metadata. It is an error if there is none, or one of another type.
func Get[T Value](f *File, key string) (T, error) {
	var out T
	v, ok := f.parts[0].values[key]
	if !ok {
		return out, fmt.Errorf("%s: has no metadata %q; expected %s", f.path, key, expected(out))
	}
	fits := false
	err := f.parts[0].file.Guard(func() error {
		fits = v.decode(&out)
		return nil
	})
	if err == nil && !fits {
		err = fmt.Errorf("metadata %q is %s; expected %s", key, v, expected(out))
	}
	if err != nil {
		return out, fmt.Errorf("%s: %w", f.path, err)
	}
	return out, nil
}

// GetOr is Get with a value for a key that is not there.
func GetOr[T Value](f *File, key string, missing T) (T, error) {
	if !f.Has(key) {
		return missing, nil
	}
	return Get[T](f, key)
}

// Describe is an entry of the metadata in a line: a number, a string in quotes, cut where it is long, or what an array holds.
func (f *File) Describe(key string) string {
	v, err := f.parts[0].values[key], error(nil)
	var found any
	switch v.kind {
	case kindArray:
		return v.String()
	case kindString:
		var text string
		if text, err = Get[string](f, key); len(text) > 100 {
			return fmt.Sprintf("%.100q... (%d bytes)", text, len(text))
		}
		found = strconv.Quote(text)
	case kindBool:
		found, err = Get[bool](f, key)
	case kindFloat32, kindFloat64:
		var x float64
		x, err = Get[float64](f, key)
		found = strconv.FormatFloat(x, 'g', -1, int(8*kinds[v.kind].size))
	default:
		found, err = Get[int](f, key)
	}
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(found)
}

// expected describes what decode takes for a type of Value.
func expected(zero any) string {
	switch zero.(type) {
	case string:
		return "a string"
	case bool:
		return "a bool"
	case int:
		return "a whole number that fits 63 bits"
	case float64:
		return "a float32 or float64"
	case []string:
		return "an array of strings"
	case []int:
		return "an array of whole numbers that fit 63 bits"
	}
	return "an array of float32"
}

// decode writes the value to where out points, a pointer to a Value; false means that it is of another type.
func (v value) decode(out any) bool {
	isArray := v.kind == kindArray
	switch out := out.(type) {
	case *string:
		if v.kind == kindString {
			*out = string(v.data[8:])
		}
		return v.kind == kindString
	case *bool:
		*out = v.kind == kindBool && v.data[0] != 0
		return v.kind == kindBool
	case *int:
		n, ok := integer(v.kind, v.data)
		*out = n
		return ok
	case *float64:
		if v.kind == kindFloat32 {
			*out = float64(math.Float32frombits(binary.LittleEndian.Uint32(v.data)))
		} else if v.kind == kindFloat64 {
			*out = math.Float64frombits(binary.LittleEndian.Uint64(v.data))
		}
		return v.kind == kindFloat32 || v.kind == kindFloat64
	case *[]string:
		return isArray && v.item == kindString && decodeItems(v, out, func(b []byte) (string, bool) { return string(b), true })
	case *[]int:
		return isArray && decodeItems(v, out, func(b []byte) (int, bool) { return integer(v.item, b) })
	case *[]float32:
		return isArray && v.item == kindFloat32 && decodeItems(v, out, func(b []byte) (float32, bool) {
			return math.Float32frombits(binary.LittleEndian.Uint32(b)), true
		})
	}
	return false
}

// decodeItems decodes the items of an array, until one does not fit.
func decodeItems[T any](v value, out *[]T, item func([]byte) (T, bool)) bool {
	*out = make([]T, v.length)
	data, size := v.data, int(kinds[v.item].size)
	for i := range *out {
		if v.item == kindString {
			size = int(binary.LittleEndian.Uint64(data))
			data = data[8:]
		}
		var fits bool
		if (*out)[i], fits = item(data[:size]); !fits {
			return false
		}
		data = data[size:]
	}
	return true
}

// integer reads a whole number; false means that it is none, or too large for int.
func integer(k kind, b []byte) (int, bool) {
	le := binary.LittleEndian
	switch k {
	case kindUint8:
		return int(b[0]), true
	case kindInt8:
		return int(int8(b[0])), true
	case kindUint16:
		return int(le.Uint16(b)), true
	case kindInt16:
		return int(int16(le.Uint16(b))), true
	case kindUint32:
		return int(le.Uint32(b)), true
	case kindInt32:
		return int(int32(le.Uint32(b))), true
	case kindUint64:
		n := le.Uint64(b)
		return int(n), n <= math.MaxInt64
	case kindInt64:
		return int(le.Uint64(b)), true
	}
	return 0, false
}
