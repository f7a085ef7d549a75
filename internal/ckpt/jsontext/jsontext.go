// Package jsontext reads and writes JSON as people and Python's json.dumps have it: with a
// byte order mark before it, with NaN, Infinity and -Infinity beside numbers, and with 1.0
// for a whole number. It changes no text without a word: half of a surrogate pair, which
// encoding/json replaces by U+FFFD, is refused, or kept by those who ask for it (Unquote).
package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// BOM is the byte order mark of UTF-8, which Windows puts before texts.
var BOM = []byte("\xef\xbb\xbf")

// Unmarshal is json.Unmarshal for what is described above. An into that is a json.Unmarshaler
// gets the text as it is. A NaN or infinity fits nowhere else: it is the error of a wrong
// type, and so is a null in a list of texts or numbers. Errors say where or what the text
// has, and what was expected.
func Unmarshal(text []byte, into any) error {
	text = bytes.TrimPrefix(text, BOM)
	if own, ok := into.(json.Unmarshaler); ok {
		return own.UnmarshalJSON(text)
	}
	if err := Check(text); err != nil {
		return err
	}
	if err := json.Unmarshal(mask(text, true, asTexts), into); err != nil {
		return explain(text, err)
	}
	t := reflect.TypeOf(into).Elem()
	if mayHaveConstants(text) { // which have become texts, and must not be taken for some
		if err := json.Unmarshal(mask(text, true, asNumbers), reflect.New(t).Interface()); err != nil {
			return explain(text, err)
		}
	}
	return checkNull(text, t)
}

// checkNull refuses null in a list of texts or numbers, of which encoding/json makes an empty
// text or 0.
func checkNull(text []byte, t reflect.Type) error {
	if t.Kind() != reflect.Slice {
		return nil
	}
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if k := t.Kind(); k != reflect.String && (k < reflect.Bool || k > reflect.Float64) {
		return nil
	}
	for i := bytes.IndexByte(text, '['); i >= 0 && i < len(text); i++ { // a null in place of the list is none
		switch text[i] {
		case '"':
			i = stringEnd(text, i)
		case 'n':
			return fmt.Errorf("found null, expected %s", kind(t))
		}
	}
	return nil
}

// Check refuses text that is not UTF-8, and half of a surrogate pair.
func Check(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("is not valid UTF-8")
	}
	if lone := Lone(text); lone != "" {
		return fmt.Errorf("found %s, half of a surrogate pair, which is no character", lone)
	}
	return nil
}

// explain is an error of encoding/json in the user's terms.
func explain(text []byte, err error) error {
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("invalid JSON: %w (at byte %d)", err, syntax.Offset)
	case errors.As(err, &mismatch):
		found, expected := mismatch.Value, kind(mismatch.Type)
		if c := constantBefore(text[:mismatch.Offset]); c != "" { // for which mask has a string
			found = c
		}
		if mismatch.Field != "" {
			return fmt.Errorf("field %q: found %s, expected %s", mismatch.Field, found, expected)
		}
		return fmt.Errorf("found %s, expected %s", found, expected)
	}
	return err
}

// kind is what a Go type is called in JSON; numbers keep their Go names, which tell their
// range.
func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice, reflect.Array:
		return "array"
	}
	return t.String()
}

// A Field is a key of a JSON object, and its value as it was written.
type Field struct {
	Key   string
	Value json.RawMessage
}

// Fields splits a JSON object into its fields, in their order. Their values are as they
// were written: they may hold all that this package is about.
func Fields(text []byte) ([]Field, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, BOM))
	if !utf8.Valid(text) {
		return nil, errors.New("is not valid UTF-8")
	}
	plain := mask(text, false, asTexts)
	var valid json.RawMessage
	if err := json.Unmarshal(plain, &valid); err != nil {
		return nil, explain(text, err)
	}
	if text[0] != '{' {
		return nil, fmt.Errorf("found %s, expected an object", Kind(text))
	}
	var fields []Field
	for i := fieldStart(plain, 1); plain[i] == '"'; {
		end := stringEnd(plain, i) + 1
		if lone := Lone(text[i:end]); lone != "" {
			return nil, fmt.Errorf("a key has %s, half of a surrogate pair, which is no character", lone)
		}
		key, err := Unquote(plain[i:end])
		if err != nil {
			return nil, err
		}
		from := end + bytes.IndexByte(plain[end:], ':') + 1
		end = valueEnd(plain, from)
		fields = append(fields, Field{key, bytes.Clone(bytes.TrimSpace(text[from:end]))})
		i = fieldStart(plain, end)
	}
	return fields, nil
}

// fieldStart is where the key of the next field is, or the object's end.
func fieldStart(object []byte, i int) int {
	return i + bytes.IndexAny(object[i:], `"}`)
}

// valueEnd is where the value ends that begins at i in a valid object: at a comma or the object's end.
func valueEnd(object []byte, i int) int {
	for depth := 0; ; i++ {
		switch object[i] {
		case '"':
			i = stringEnd(object, i)
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
}

// Object is Fields by their keys, the last one of those with the same key.
func Object(text []byte) (map[string]json.RawMessage, error) {
	fields, err := Fields(text)
	if err != nil {
		return nil, err
	}
	object := make(map[string]json.RawMessage, len(fields))
	for _, f := range fields {
		object[f.Key] = f.Value
	}
	return object, nil
}

// Compact is a JSON value without the white space between its parts.
func Compact(value []byte) []byte {
	out := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		switch c := value[i]; c {
		case ' ', '\t', '\n', '\r':
		case '"':
			end := min(stringEnd(value, i), len(value)-1)
			out = append(out, value[i:end+1]...)
			i = end
		default:
			out = append(out, c)
		}
	}
	return out
}

// Kind is what a JSON value is, which is told by its first character.
func Kind(value []byte) string {
	if len(value) == 0 {
		return "nothing"
	}
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// Marshal is json.Marshal without its \u003c for <, > and &, and without a check of what a
// json.Marshaler makes, which may be what this package reads.
func Marshal(v any) ([]byte, error) {
	if own, ok := v.(json.Marshaler); ok {
		return own.MarshalJSON()
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
