package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

// Pre-tokenization cuts the text with a regular expression; merges never cross a cut. The patterns of GPT-2, Qwen and
// Llama-3 have scanners written by hand, some fifty times faster than a general engine. Other patterns run on regexp2,
// if they keep to syntax that means the same there and in Oniguruma, the engine the files are written for.

const (
	gpt2Pattern   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	qwenPattern   = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// A splitter cuts text into pieces which, put together, are the text. No piece is empty.
type splitter func(text string) iter.Seq[string]

// scanners are the splitters written by hand.
var scanners = map[string]splitter{
	gpt2Pattern:   scanner(nextGPT2),
	qwenPattern:   scanner(func(text string, pos int) int { return nextGPT4(text, pos, 1) }),
	llama3Pattern: scanner(func(text string, pos int) int { return nextGPT4(text, pos, 3) }),
}

// scanner makes a splitter of a function that returns the end of the piece that starts at pos.
func scanner(next func(text string, pos int) int) splitter {
	return func(text string) iter.Seq[string] {
		return func(yield func(string) bool) {
			for pos := 0; pos < len(text); {
				end := next(text, pos)
				if !yield(text[pos:end]) {
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

// regexpSplitter makes a splitter of a pattern: every match is a piece, and so is the text between matches.
func regexpSplitter(pattern string) (splitter, error) {
	if err := checkPortable(pattern); err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	re, err := regexp2.Compile(pattern, regexp2.OptionMaxBacktrackingStackSize(-1))
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %s", pattern, strings.ReplaceAll(err.Error(), "\n", `\n`)) // it quotes the pattern as it is
	}
	return func(text string) iter.Seq[string] {
		return func(yield func(string) bool) {
			matches, err := re.FindAllStringIndex(text, -1)
			if err != nil {
				panic(err) // there is neither a time nor a stack limit, and nothing else fails
			}
			done := 0
			for _, m := range matches {
				if done < m[0] && !yield(text[done:m[0]]) || m[0] < m[1] && !yield(text[m[0]:m[1]]) {
					return
				}
				done = m[1]
			}
			if done < len(text) {
				yield(text[done:])
			}
		}
	}, nil
}

const contractions = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`

// checkPortable refuses syntax that regexp2 reads otherwise than Oniguruma, or that was not compared.
func checkPortable(pattern string) error {
	inClass := false
	for i := 0; i < len(pattern); {
		rest := pattern[i:]
		i++
		switch c := rest[0]; {
		case c == '\\':
			n, err := portableEscape(rest)
			if err != nil {
				return err
			}
			i += n - 1
		case inClass && (c == '[' || strings.HasPrefix(rest, "&&")):
			return errors.New("sets inside sets are not supported")
		case c == ']':
			inClass = false
		case inClass:
		case c == '[':
			inClass = true
		case c == '^' || c == '$':
			return fmt.Errorf("the anchor %c is not supported", c)
		case strings.HasPrefix(rest, contractions):
			i += len(contractions) - 1
		case strings.HasPrefix(rest, "(?") && !hasAnyPrefix(rest, "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"):
			return fmt.Errorf("the group %.4s is not supported", rest)
		case hasAnyPrefix(rest, "}+", "}?", "{,"):
			return fmt.Errorf("the quantifier %.2s is not supported", rest)
		}
	}
	return nil
}

// portableEscape returns the length of the escape that text begins with.
func portableEscape(text string) (int, error) {
	if len(text) < 2 {
		return 0, errors.New("ends in a backslash")
	}
	switch c := text[1]; {
	case c == 'p' || c == 'P':
		name, _, ok := strings.Cut(strings.TrimPrefix(text[2:], "{"), "}")
		if !ok || text[2] != '{' || unicode.Categories[name] == nil && unicode.Scripts[name] == nil {
			return 0, fmt.Errorf("the property %.12q is not supported", text)
		}
		return len(`\p{}`) + len(name), nil
	case strings.IndexByte("sSdDrntfu", c) >= 0, asciiClass[c&0x7F] == other && c < utf8.RuneSelf:
		return 2, nil
	}
	return 0, fmt.Errorf("the escape %.2q is not supported", text)
}

func hasAnyPrefix(text string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	return false
}

// A stage is one step of pre-tokenization.
type stage struct {
	prefixSpace bool     // first put a space before text that does not begin with one
	split       splitter // nil: no cut
}

// preTokenize runs text, which is not empty, through the stages and hands out the pieces.
func preTokenize(text string, stages []stage, emit func(piece string)) {
	if len(stages) == 0 {
		emit(text)
		return
	}
	if stages[0].prefixSpace && text[0] != ' ' {
		text = " " + text
	}
	if stages[0].split == nil {
		preTokenize(text, stages[1:], emit)
		return
	}
	for piece := range stages[0].split(text) {
		preTokenize(piece, stages[1:], emit)
	}
}

func (t *Tokenizer) setPreTokenizer() error {
	list := []json.RawMessage{t.doc.PreTokenizer}
	kind, err := typeOf(t.doc.PreTokenizer)
	if err == nil && kind == "Sequence" {
		list, err = sequenceOf(t.doc.PreTokenizer, "pretokenizers")
	}
	if err != nil {
		return fmt.Errorf("pre_tokenizer: %w", err)
	}
	for i, raw := range list {
		s, isByteLevel, err := parseStage(raw)
		if err == nil && isByteLevel != (i == len(list)-1) {
			err = errors.New("want any number of Split, then one ByteLevel")
		}
		if err != nil {
			return fmt.Errorf("pre_tokenizer: %w", err)
		}
		t.stages = append(t.stages, s)
	}
	return nil
}

func parseStage(raw json.RawMessage) (s stage, isByteLevel bool, err error) {
	kind, err := typeOf(raw)
	if err != nil {
		return stage{}, false, err
	}
	switch kind {
	case "Split":
		s, err = parseSplit(raw)
	case "ByteLevel":
		s, err = parseByteLevel(raw)
	default:
		return stage{}, false, fmt.Errorf("found type %q, only ByteLevel, Split and a Sequence of these are supported", kind)
	}
	if err != nil {
		return stage{}, false, fmt.Errorf("%s: %w", kind, err)
	}
	return s, kind == "ByteLevel", nil
}

func parseSplit(raw json.RawMessage) (stage, error) {
	var split struct {
		Type    string `json:"type"`
		Pattern struct {
			Regex *string
		} `json:"pattern"`
		Behavior string `json:"behavior"`
		Invert   bool   `json:"invert"` // swaps matches and the text between; Isolated treats both alike
	}
	if err := decodeStrictly(raw, &split); err != nil {
		return stage{}, err
	}
	if split.Behavior != "Isolated" {
		return stage{}, fmt.Errorf("found behavior %q, only Isolated is supported", split.Behavior)
	}
	if split.Pattern.Regex == nil {
		return stage{}, errors.New("the pattern has no Regex")
	}
	cut, ok := scanners[*split.Pattern.Regex]
	if !ok {
		var err error
		if cut, err = regexpSplitter(*split.Pattern.Regex); err != nil {
			return stage{}, err
		}
	}
	return stage{split: cut}, nil
}

func parseByteLevel(raw json.RawMessage) (stage, error) {
	var level byteLevel
	if err := decodeStrictly(raw, &level); err != nil {
		return stage{}, err
	}
	if level.AddPrefixSpace == nil {
		return stage{}, errors.New("add_prefix_space is missing")
	}
	s := stage{prefixSpace: *level.AddPrefixSpace}
	if level.UseRegex == nil || *level.UseRegex {
		s.split = scanners[gpt2Pattern]
	}
	return s, nil
}
