package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"nfcot/internal/ckpt/jsontext"
)

// A row is one of a file: an object with keys, or a line of plain text.
type row struct {
	where  string // file:line, or the number of an element or row
	fields map[string]value
	line   string // where fields is nil
}

// A value is what a row has under a key: JSON, or a text as it is.
type value struct {
	json json.RawMessage // nil if it is a text
	text string
}

// textValue is a text as a value.
func textValue(s string) value { return value{text: s} }

// isNull says whether there is nothing.
func (v value) isNull() bool { return string(v.json) == "null" }

// asText is the value if it is a text; null is "".
func (v value) asText() (s string, err error) {
	if v.json != nil {
		err = jsontext.Unmarshal(v.json, &s)
		return s, err
	}
	if !utf8.ValidString(v.text) {
		return "", errors.New("is not valid UTF-8")
	}
	return v.text, nil
}

// asJSON is the value as JSON: also a text that is JSON, as tables have lists.
func (v value) asJSON() json.RawMessage {
	if v.json == nil {
		return json.RawMessage(v.text)
	}
	if text := ""; v.json[0] == '"' && jsontext.Unmarshal(v.json, &text) == nil {
		return json.RawMessage(text)
	}
	return v.json
}

// isEmpty says whether nothing is said: null, an empty text, list or object.
func (v value) isEmpty() bool {
	switch text := string(bytes.TrimSpace(v.asJSON())); text {
	case "", "null", "[]", "{}":
		return true
	}
	return false
}

// text is the text under a key; "" if there is none.
func (r *row) text(key string) (string, error) {
	v, ok := r.fields[key]
	if !ok {
		return "", nil
	}
	s, err := v.asText()
	if err != nil {
		err = r.errorf("key %q: %w", key, err)
	}
	return s, err
}

// has says whether the row has all of the keys.
func (r *row) has(keys ...string) bool {
	for _, key := range keys {
		if _, ok := r.fields[key]; !ok {
			return false
		}
	}
	return true
}

// keys are what the row has, for people.
func (r *row) keys() string {
	if r.fields == nil {
		return "a line of plain text"
	}
	return "the keys " + strings.Join(slices.Sorted(maps.Keys(r.fields)), ", ")
}

// rename gives the columns the names that they have here.
func (r *row) rename(columns Columns) error {
	if len(columns) == 0 {
		return nil
	}
	found := make(map[string]value, len(columns))
	for ours, theirs := range columns {
		v, ok := r.fields[theirs]
		if !ok {
			return r.errorf("there is no column %s for %s; found %s", theirs, ours, r.keys())
		}
		found[ours] = v
	}
	for _, theirs := range columns {
		delete(r.fields, theirs)
	}
	maps.Copy(r.fields, found)
	return nil
}

// errorf is an error of the row.
func (r *row) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{r.where}, args...)...)
}
