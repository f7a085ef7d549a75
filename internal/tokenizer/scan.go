package tokenizer

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The patterns of GPT-2, Qwen and Llama-3 have scanners written by hand, some fifty times faster than a general engine.
// Other patterns run on regexp2, if they keep to syntax that means the same there and in Oniguruma, the engine the files
// are written for.

const (
	gpt2Pattern   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	qwenPattern   = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// scanners are the splitters written by hand. Their pieces are the matches of the pattern, which leave nothing between.
var scanners = map[string]splitter{
	gpt2Pattern:   scanner(nextGPT2),
	qwenPattern:   scanner(func(text string, pos int) int { return nextGPT4(text, pos, 1) }),
	llama3Pattern: scanner(func(text string, pos int) int { return nextGPT4(text, pos, 3) }),
}

// scanner makes a splitter of a function that returns the end of the piece that starts at pos.
func scanner(next func(text string, pos int) int) splitter {
	return func(text string) iter.Seq2[int, string] {
		return func(yield func(int, string) bool) {
			for pos := 0; pos < len(text); {
				end := next(text, pos)
				if !yield(pos, text[pos:end]) {
					return
				}
				pos = end
			}
		}
	}
}

// A class is one of the four kinds of characters the patterns tell apart.
type class uint8

const (
	other  class = iota
	letter       // \p{L}
	number       // \p{N}
	space        // \s
	end          // past the last character
)

var asciiClass = func() (table [utf8.RuneSelf]class) {
	for r := range rune(utf8.RuneSelf) {
		table[r] = runeClass(r)
	}
	return table
}()

func runeClass(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// classAt returns the class and the size of the character at pos. A byte that is not UTF-8 is of class other.
func classAt(text string, pos int) (class, int) {
	if pos >= len(text) {
		return end, 0
	}
	if b := text[pos]; b < utf8.RuneSelf {
		return asciiClass[b], 1
	}
	r, size := utf8.DecodeRuneInString(text[pos:])
	return runeClass(r), size
}

// skip returns the end of the run of class c that starts at pos.
func skip(text string, pos int, c class) int {
	for {
		found, size := classAt(text, pos)
		if found != c {
			return pos
		}
		pos += size
	}
}

// nextGPT2 is gpt2Pattern.
func nextGPT2(text string, pos int) int {
	if n := contraction(text[pos:], false); n > 0 {
		return pos + n
	}
	start := pos
	if text[pos] == ' ' {
		start++
	}
	if c, size := classAt(text, start); c == letter || c == number || c == other {
		return skip(text, start+size, c)
	}
	return endOfSpaces(text, pos, skip(text, pos, space))
}

// nextGPT4 is qwenPattern and llama3Pattern, which differ in how many digits make a piece.
func nextGPT4(text string, pos, maxDigits int) int {
	if n := contraction(text[pos:], true); n > 0 {
		return pos + n
	}
	c, size := classAt(text, pos)
	if c == letter {
		return skip(text, pos+size, letter)
	}
	if c == number {
		for range maxDigits {
			if c, size = classAt(text, pos); c == number {
				pos += size
			}
		}
		return pos
	}
	next, nextSize := classAt(text, pos+size)
	if next == letter && text[pos] != '\r' && text[pos] != '\n' {
		return skip(text, pos+size+nextSize, letter)
	}
	if c == other || text[pos] == ' ' && next == other {
		end := skip(text, pos+size, other)
		for end < len(text) && (text[end] == '\r' || text[end] == '\n') {
			end++
		}
		return end
	}
	spaces := skip(text, pos, space)
	if i := strings.LastIndexAny(text[pos:spaces], "\r\n"); i >= 0 {
		return pos + i + 1
	}
	return endOfSpaces(text, pos, spaces)
}

// endOfSpaces is \s+(?!\S)|\s+ on a run of white space: its last character goes with what follows, unless it is the only
// one or nothing follows.
func endOfSpaces(text string, pos, end int) int {
	if end == len(text) {
		return end
	}
	_, size := utf8.DecodeLastRuneInString(text[pos:end])
	if end-size > pos {
		return end - size
	}
	return end
}

// contraction returns the length of 's, 't, 're, 've, 'm, 'll or 'd at the start of text, 0 if there is none.
func contraction(text string, ignoreCase bool) int {
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	lower := byte(0)
	if ignoreCase {
		lower = 'a' - 'A'
		if strings.HasPrefix(text[1:], "ſ") { // U+017F, the other lower case of S
			return 1 + len("ſ")
		}
	}
	first := text[1] | lower
	switch first {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(text) < 3 {
		return 0
	}
	second := text[2] | lower
	if second == 'e' && (first == 'r' || first == 'v') || first == 'l' && second == 'l' {
		return 3
	}
	return 0
}
