package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// What Python's str knows about characters.

func runeCount(s string) int { return utf8.RuneCountInString(s) }

// isSpace is str.isspace of one character.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1C && r <= 0x1F }

// isLineEnd is where str.splitlines cuts.
func isLineEnd(r rune) bool {
	switch r {
	case '\n', '\r', '\v', '\f', 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}

// splitLines is str.splitlines().
func splitLines(s string, keepEnds bool) (out []string) {
	for s != "" {
		i := strings.IndexFunc(s, isLineEnd)
		if i < 0 {
			return append(out, s)
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			size = 2
		}
		end := i
		if keepEnds {
			end += size
		}
		out = append(out, s[:end])
		s = s[i+size:]
	}
	return out
}

func upper(s string) string { return cases.Upper(language.Und).String(s) }
func lower(s string) string { return cases.Lower(language.Und).String(s) }

// titleFirst is the title case of one character.
func titleFirst(char string) string {
	return cases.Title(language.Und, cases.NoLower).String(char)
}

// capitalize is str.capitalize.
func capitalize(s string) string {
	if s == "" {
		return s
	}
	_, size := utf8.DecodeRuneInString(s)
	return titleFirst(s[:size]) + lowerWithin(s[:size], s[size:])
}

// lowerWithin is the lower case of s behind other text, which decides about a final sigma.
func lowerWithin(before, s string) string {
	if !strings.ContainsRune(s, 'Σ') {
		return lower(s)
	}
	fail("the lower case of a sigma within a text is not supported")
	return ""
}

// title is str.title: the first letter of each run of letters in title case, the others in lower case.
func title(s string) string {
	if strings.ContainsRune(s, 'Σ') {
		fail("the title case of a text with a sigma is not supported")
	}
	var out strings.Builder
	within := false
	for _, r := range s {
		if within {
			out.WriteString(lower(string(r)))
		} else {
			out.WriteString(titleFirst(string(r)))
		}
		within = isCased(r)
	}
	return out.String()
}

// isCased is Unicode's property Cased.
func isCased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

func isUpper(r rune) bool { return unicode.In(r, unicode.Lu, unicode.Other_Uppercase) }
func isLower(r rune) bool { return unicode.In(r, unicode.Ll, unicode.Other_Lowercase) }

// digits are the characters that are digits but not decimal ones.
var digits = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0xB2, 0xB3, 1}, {0xB9, 0xB9, 1}, {0x1369, 0x1371, 1}, {0x19DA, 0x19DA, 1}, {0x2070, 0x2070, 1}, {0x2074, 0x2079, 1},
		{0x2080, 0x2089, 1}, {0x2460, 0x2468, 1}, {0x2474, 0x247C, 1}, {0x2488, 0x2490, 1}, {0x24EA, 0x24EA, 1},
		{0x24F5, 0x24FD, 1}, {0x24FF, 0x24FF, 1}, {0x2776, 0x277E, 1}, {0x2780, 0x2788, 1}, {0x278A, 0x2792, 1},
	},
	R32:         []unicode.Range32{{0x10A40, 0x10A43, 1}, {0x10E60, 0x10E68, 1}, {0x11052, 0x1105A, 1}, {0x1F100, 0x1F10A, 1}},
	LatinOffset: 2,
}

func isDigit(r rune) bool { return unicode.In(r, unicode.Nd, digits) }

// isNumeric is str.isnumeric of one character; which Han characters are numbers is not known here.
func isNumeric(r rune) bool {
	if unicode.Is(unicode.Han, r) && unicode.IsLetter(r) {
		fail("isnumeric of Han characters is not supported")
	}
	return unicode.IsNumber(r)
}

// isWord is \w of Python's regular expressions.
func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;")

// escape replaces what means something in HTML.
func escape(s string) string { return escaper.Replace(s) }
