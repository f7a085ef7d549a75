package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// graphemeJoiner is what x/text inserts after 30 combining marks in a row (Unicode's "stream-safe text format", UAX 15).
const graphemeJoiner = "\u034F"

func nfc(text string) string { return unicodeForm(norm.NFC, text) }

// unicodeForm is a Unicode normalization form. It uses x/text, but for text whose runs of marks that package would break
// up (there alone, bytes that are not UTF-8 become U+FFFD).
func unicodeForm(form norm.Form, text string) string {
	out := form.String(text)
	if strings.Count(out, graphemeJoiner) == strings.Count(text, graphemeJoiner) {
		return out
	}
	switch form {
	case norm.NFC:
		return compose(decompose(norm.NFD, text))
	case norm.NFKC:
		return compose(decompose(norm.NFKD, text))
	}
	return string(decompose(form, text))
}

// decompose replaces every character by its decomposition in a form, NFD or NFKD, and sorts the marks by combining class.
func decompose(form norm.Form, text string) []rune {
	var out []rune
	for i := 0; i < len(text); {
		_, size := utf8.DecodeRuneInString(text[i:])
		out = append(out, []rune(form.String(text[i:i+size]))...)
		i += size
	}
	for start := 0; start < len(out); {
		end := start
		for end < len(out) && combiningClass(out[end]) != 0 {
			end++
		}
		slices.SortStableFunc(out[start:end], func(a, b rune) int { return combiningClass(a) - combiningClass(b) })
		start = end + 1
	}
	return out
}

// compose joins each mark to the last starter where the pair has a composed form and no mark between blocks it.
func compose(runes []rune) string {
	var out []rune
	starter, lastClass := -1, 0 // position in out, class of the mark before
	for _, r := range runes {
		class := combiningClass(r)
		adjacent := starter == len(out)-1
		if starter >= 0 && (adjacent || lastClass < class) {
			if composed, ok := composePair(out[starter], r); ok {
				out[starter] = composed
				continue
			}
		}
		if class == 0 {
			starter = len(out)
		}
		lastClass = class
		out = append(out, r)
	}
	return string(out)
}

func composePair(starter, next rune) (rune, bool) {
	joined := norm.NFC.String(string(starter) + string(next))
	r, size := utf8.DecodeRuneInString(joined)
	return r, size == len(joined)
}

func combiningClass(r rune) int { return int(norm.NFD.PropertiesString(string(r)).CCC()) }
