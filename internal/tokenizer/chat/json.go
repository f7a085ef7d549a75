package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"

	"nfcot/internal/ckpt/jsontext"
)

// ParseJSON reads one JSON value as Python does, and keeps the order of the keys of objects. Its errors say in which line
// of the text they are.
func ParseJSON(text []byte) (v Value, err error) {
	text = bytes.TrimPrefix(text, jsontext.BOM)
	if err := jsontext.Check(text); err != nil {
		return nil, err
	}
	masked := jsontext.Mask(text)
	d := &decoder{Decoder: json.NewDecoder(bytes.NewReader(masked)), text: text}
	d.UseNumber()
	if v, err = parseValue(d, 0); err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("found more after the end of the JSON value")
		}
	}
	if err != nil {
		end := min(int(d.InputOffset()), len(text))
		return nil, fmt.Errorf("line %d: %w", 1+bytes.Count(text[:end], []byte("\n")), err)
	}
	return v, nil
}

// A decoder reads masked text.
type decoder struct {
	*json.Decoder
	text []byte // as it was before
}

func parseValue(d *decoder, depth int) (Value, error) {
	t, err := d.Token()
	if err == io.EOF {
		return nil, errors.New("the JSON value is cut off")
	}
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if v, ok := jsontext.Constant(d.text[:d.InputOffset()]); ok {
		return v, nil
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	switch t := t.(type) {
	case json.Number:
		return parseNumber(t.String())
	case json.Delim:
		if t == '{' {
			return parseObject(d, depth)
		}
		out := NewList()
		for d.More() {
			item, err := parseValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, item)
		}
		_, err := d.Token()
		return out, err
	}
	return t, nil
}

func parseObject(d *decoder, depth int) (Value, error) {
	out := NewDict()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		value, err := parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		out.set(key, value)
	}
	_, err := d.Token()
	return out, err
}

func parseNumber(s string) (Value, error) {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil && !math.IsInf(f, 0) {
			return nil, err
		}
		return f, nil
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("the number %s is not supported: integers have at most 64 bits here", s)
	}
	return i, nil
}

// filterJSON is tojson as transformers has it: Python's json.dumps, with characters beyond ASCII as they are.
func filterJSON(r *run, v Value, p *params) Value {
	w := jsonWriter{run: r}
	w.ascii = truth(p.get("ensure_ascii", false))
	indent, separators := p.get("indent", nil), p.get("separators", nil)
	w.sortKeys = truth(p.get("sort_keys", false))
	w.comma, w.colon = ", ", ": "
	switch indent := indent.(type) {
	case nil:
	case string:
		w.indent, w.lines = indent, true
	default:
		n := max(toInt(p.of, indent), 0)
		r.sized(n)
		w.indent, w.lines = strings.Repeat(" ", int(n)), true
	}
	if w.lines {
		w.comma = ","
	}
	if separators != nil {
		both := collect(r, separators)
		if len(both) != 2 {
			fail("ValueError: want two separators, found %d", len(both))
		}
		w.comma, w.colon = needText(p.of, both[0]), needText(p.of, both[1])
	}
	w.value(v, 0)
	return w.String()
}

type jsonWriter struct {
	strings.Builder
	*run
	ascii, sortKeys, lines bool
	indent, comma, colon   string
}

func (w *jsonWriter) value(v Value, depth int) {
	if depth > maxDepth {
		fail("RecursionError: values are nested too deep")
	}
	w.step(1)
	switch v := v.(type) {
	case nil:
		w.WriteString("null")
	case bool:
		w.WriteString(strconv.FormatBool(v))
	case int64:
		w.WriteString(strconv.FormatInt(v, 10))
	case float64:
		w.WriteString(jsonFloat(v))
	case string:
		w.text(v)
	case markup:
		w.text(string(v))
	case *List:
		w.list(v.items, depth)
	case *Tuple:
		w.list(v.items, depth)
	case *Dict:
		w.dict(v, depth)
	default:
		fail("TypeError: Object of type %s is not JSON serializable", typeName(v))
	}
	w.sized(int64(w.Len()))
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return floatRepr(f)
}

// newline begins a line, if there is an indent.
func (w *jsonWriter) newline(depth int) {
	if w.lines {
		w.sized(int64(w.Len() + depth*len(w.indent)))
		w.WriteByte('\n')
		w.WriteString(strings.Repeat(w.indent, depth))
	}
}

func (w *jsonWriter) list(items []Value, depth int) {
	if len(items) == 0 {
		w.WriteString("[]")
		return
	}
	w.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			w.WriteString(w.comma)
		}
		w.newline(depth + 1)
		w.value(item, depth+1)
	}
	w.newline(depth)
	w.WriteByte(']')
}

func (w *jsonWriter) dict(d *Dict, depth int) {
	if len(d.keys) == 0 {
		w.WriteString("{}")
		return
	}
	pairs := dictView{"items", d}.items()
	if w.sortKeys {
		pairs = sortBy(w.run, pairs, d.keys, false)
	}
	w.WriteByte('{')
	for i, pair := range pairs {
		if i > 0 {
			w.WriteString(w.comma)
		}
		w.newline(depth + 1)
		w.text(jsonKey(pair.(*Tuple).items[0]))
		w.WriteString(w.colon)
		w.value(pair.(*Tuple).items[1], depth+1)
	}
	w.newline(depth)
	w.WriteByte('}')
}

// jsonKey is a key as a text.
func jsonKey(key Value) string {
	switch k := key.(type) {
	case string:
		return k
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(k)
	case int64:
		return strconv.FormatInt(k, 10)
	case float64:
		return jsonFloat(k)
	}
	fail("TypeError: keys must be str, int, float, bool or None, not %s", typeName(key))
	return ""
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\f': `\f`, '\b': `\b`}

func (w *jsonWriter) text(s string) {
	w.WriteByte('"')
	for _, r := range s {
		short, ok := jsonEscapes[r]
		switch {
		case ok:
			w.WriteString(short)
		case r < 0x20 || w.ascii && r > 0x7E && r < 0x10000:
			fmt.Fprintf(w, `\u%04x`, r)
		case w.ascii && r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(w, `\u%04x\u%04x`, high, low)
		default:
			w.WriteRune(r)
		}
	}
	w.WriteByte('"')
}
