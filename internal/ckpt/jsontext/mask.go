package jsontext

import (
	"bytes"
	"strconv"
	"strings"
)

// constants are what Python writes into JSON beside numbers.
var constants = []string{"NaN", "Infinity", "-Infinity"}

// constant is the length of the constant that a text begins with, 0 if it begins with none.
func constant(text []byte) int {
	for _, c := range constants {
		if len(text) >= len(c) && string(text[:len(c)]) == c {
			return len(c)
		}
	}
	return 0
}

// Mask is a text of the same length that encoding/json reads: with strings for NaN and
// infinities. Constant says where it has them.
func Mask(text []byte) []byte { return mask(text, false, asTexts) }

// Constant is the number that a text which is not masked ends with, if that is NaN or an
// infinity.
func Constant(text []byte) (value float64, ok bool) {
	found := constantBefore(text)
	if found == "" {
		return 0, false
	}
	value, err := strconv.ParseFloat(found, 64)
	return value, err == nil
}

// constantBefore is the constant that a text ends with, "" if it ends with none.
func constantBefore(text []byte) (found string) {
	for _, c := range constants {
		if bytes.HasSuffix(text, []byte(c)) {
			found = c
		}
	}
	return found
}

// mayHaveConstants says whether a text has the letters of a constant, if only in a string.
func mayHaveConstants(text []byte) bool {
	return bytes.Contains(text, []byte("NaN")) || bytes.Contains(text, []byte("Infinity"))
}

// What mask puts in the place of a constant: the first and last character, and those between.
const (
	asTexts   = `" `
	asNumbers = "11"
)

// mask is a text that encoding/json reads: with values of the same length for NaN and
// infinities and, if whole is set, with spaces for the point and the zeros of a whole number.
// It is the text itself where nothing changes.
func mask(text []byte, whole bool, constants string) []byte {
	out := text
	fill := func(from, to int, with byte) {
		if &out[0] == &text[0] {
			out = bytes.Clone(text)
		}
		copy(out[from:to], bytes.Repeat([]byte{with}, to-from))
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			i = stringEnd(text, i)
		case c == 'N' || c == 'I' || c == '-' || c >= '0' && c <= '9':
			end := i + max(1, constant(text[i:]))
			if end > i+1 {
				fill(i, end, constants[1])
				out[i], out[end-1] = constants[0], constants[0]
			}
			for end < len(text) && strings.IndexByte("0123456789.eE+-", text[end]) >= 0 {
				end++
			}
			if dot := wholeBefore(text[i:end]); whole && dot > 0 {
				fill(i+dot, end, ' ')
			}
			i = end - 1
		}
	}
	return out
}

// stringEnd is where the quote is that ends the string that begins at i.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

// wholeBefore is where the point of a number is that has nothing but zeros behind it; 0
// if it is another one.
func wholeBefore(number []byte) int {
	whole, zeros, ok := bytes.Cut(number, []byte("."))
	if !ok || len(zeros) == 0 || len(bytes.Trim(zeros, "0")) > 0 || len(bytes.Trim(bytes.TrimPrefix(whole, []byte("-")), "0123456789")) > 0 {
		return 0
	}
	return len(whole)
}
