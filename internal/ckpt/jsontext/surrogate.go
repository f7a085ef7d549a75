package jsontext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Half of a surrogate pair is a character to Python, which no UTF-8 has. A string keeps it
// as the three bytes that UTF-8 would have for it (known as WTF-8), so that it is not valid
// UTF-8 and is written as it was read.

// Lone is the first escape in JSON text that is half of a surrogate pair, "" if there is
// none.
func Lone(text []byte) string {
	from, to := loneEscape(text)
	return string(text[from:to])
}

// loneEscape is where the escape of Lone is; an empty range if there is none.
func loneEscape(text []byte) (from, to int) {
	for i := 0; ; {
		next := bytes.IndexByte(text[i:], '\\')
		if next < 0 {
			return 0, 0
		}
		i += next
		r, ok := escaped(text[i:])
		switch {
		case !ok || !isSurrogate(r):
			i = min(i+2, len(text))
		case r >= 0xdc00:
			return i, i + 6
		default:
			if low, ok := escaped(text[i+6:]); !ok || low < 0xdc00 || low > 0xdfff {
				return i, i + 6
			}
			i += 12
		}
	}
}

func isSurrogate(r rune) bool { return r >= 0xd800 && r <= 0xdfff }

// escaped is the character of an escape of the form \u1234 that a text begins with.
func escaped(text []byte) (r rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(n), err == nil
}

// Unquote reads a JSON string, which may have halves of surrogate pairs.
func Unquote(text []byte) (string, error) {
	if len(text) == 0 || text[0] != '"' {
		return "", fmt.Errorf("found %s, expected a string", Kind(text))
	}
	var out []byte
	for {
		from, to := loneEscape(text)
		part := text
		if to > 0 {
			part = append(bytes.Clone(text[:from]), '"')
		}
		var s string
		if err := json.Unmarshal(part, &s); err != nil {
			return "", explain(text, err)
		}
		out = append(out, s...)
		if to == 0 {
			return string(out), nil
		}
		r, _ := escaped(text[from:])
		out = append(out, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0xbf, 0x80|byte(r)&0xbf)
		text = append([]byte{'"'}, text[to:]...)
	}
}

// Quote writes a JSON string, which Unquote reads back.
func Quote(s string) []byte {
	out := []byte{'"'}
	for s != "" {
		n, r := Surrogate(s)
		if n > 0 {
			part, err := Marshal(s[:n])
			if err != nil {
				panic(err) // it is a string
			}
			out = append(out, part[1:len(part)-1]...)
		}
		if s = s[n:]; s != "" {
			out = fmt.Appendf(out, `\u%04x`, r)
			s = s[3:]
		}
	}
	return append(out, '"')
}

// Surrogate is the first half of a surrogate pair in a string and the number of bytes
// before it, which are all if there is none.
func Surrogate(s string) (before int, r rune) {
	if utf8.ValidString(s) {
		return len(s), 0
	}
	for i := 0; i+2 < len(s); i++ {
		if s[i] == 0xed && s[i+1] >= 0xa0 && s[i+1] <= 0xbf && s[i+2]&0xc0 == 0x80 {
			return i, 0xd000 | rune(s[i+1]&0x3f)<<6 | rune(s[i+2]&0x3f)
		}
	}
	return len(s), 0
}
