package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

// A finder yields what it finds in a text, from left to right and without overlap: where each match begins and ends.
type finder func(text string) iter.Seq2[int, int]

// A pattern is a text to look for, or a regular expression: {"String": " "} or {"Regex": "\\s+"}.
type pattern struct {
	String *string `json:"String"`
	Regex  *string `json:"Regex"`
}

func (p *pattern) finder() (finder, error) {
	switch {
	case (p.String == nil) == (p.Regex == nil):
		return nil, errors.New("the pattern wants either a String or a Regex")
	case p.Regex != nil:
		return findRegexp(*p.Regex)
	case *p.String == "":
		return nil, errors.New("an empty pattern is not supported")
	}
	return findText(*p.String), nil
}

// findText finds a text, which is not empty.
func findText(wanted string) finder {
	return func(text string) iter.Seq2[int, int] {
		return func(yield func(int, int) bool) {
			for pos := 0; ; {
				i := strings.Index(text[pos:], wanted)
				if i < 0 || !yield(pos+i, pos+i+len(wanted)) {
					return
				}
				pos += i + len(wanted)
			}
		}
	}
}

// findRunes finds every character that is of a kind, each by itself.
func findRunes(is func(rune) bool) finder {
	return func(text string) iter.Seq2[int, int] {
		return func(yield func(int, int) bool) {
			for pos := 0; pos < len(text); {
				r, size := utf8.DecodeRuneInString(text[pos:])
				if is(r) && !yield(pos, pos+size) {
					return
				}
				pos += size
			}
		}
	}
}

// findRegexp finds the matches of a regular expression.
func findRegexp(expr string) (finder, error) {
	if err := checkPortable(expr); err != nil {
		return nil, fmt.Errorf("pattern %q: %w", expr, err)
	}
	re, err := regexp2.Compile(expr, regexp2.OptionMaxBacktrackingStackSize(-1))
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %s", expr, strings.ReplaceAll(err.Error(), "\n", `\n`)) // it quotes the pattern as it is
	}
	return func(text string) iter.Seq2[int, int] {
		return func(yield func(int, int) bool) {
			matches, err := re.FindAllStringIndex(text, -1)
			if err != nil {
				panic(err) // there is neither a time nor a stack limit, and nothing else fails
			}
			for _, m := range matches {
				if !yield(m[0], m[1]) {
					return
				}
			}
		}
	}, nil
}

// A splitter cuts text into pieces and yields them with their positions in the text. No piece is empty.
type splitter func(text string) iter.Seq2[int, string]

// A span is a part of a text that a finder found, or what lies between two of these.
type span struct {
	start, end int
	match      bool
}

// spans covers the whole text, in order.
func (find finder) spans(text string) []span {
	var out []span
	done := 0
	for start, end := range find(text) {
		if done < start {
			out = append(out, span{start: done, end: start})
		}
		out = append(out, span{start: start, end: end, match: true})
		done = end
	}
	if done < len(text) {
		out = append(out, span{start: done, end: len(text)})
	}
	return out
}

// splitAt makes a splitter that cuts at what find finds; behavior is one of those that tokenizer.json has, and says what
// becomes of the matches. With invert, matches and the text between change places.
func splitAt(find finder, behavior string, invert bool) (splitter, error) {
	var arrange func([]span) []span
	switch behavior {
	case "Isolated": // every match is a piece, and so is the text between
		return isolate(find), nil
	case "Removed":
		arrange = func(spans []span) []span { return slices.DeleteFunc(spans, func(s span) bool { return s.match }) }
	case "Contiguous":
		arrange = joinAlike
	case "MergedWithPrevious":
		arrange = joinPrevious
	case "MergedWithNext":
		arrange = joinNext
	default:
		return nil, fmt.Errorf("found behavior %q, want Isolated, Removed, Contiguous, MergedWithPrevious or MergedWithNext", behavior)
	}
	return func(text string) iter.Seq2[int, string] {
		return func(yield func(int, string) bool) {
			spans := find.spans(text)
			for i := range spans {
				spans[i].match = spans[i].match != invert
			}
			for _, s := range arrange(spans) {
				if s.start < s.end && !yield(s.start, text[s.start:s.end]) {
					return
				}
			}
		}
	}, nil
}

func isolate(find finder) splitter {
	return func(text string) iter.Seq2[int, string] {
		return func(yield func(int, string) bool) {
			done := 0
			for start, end := range find(text) {
				if done < start && !yield(done, text[done:start]) || start < end && !yield(start, text[start:end]) {
					return
				}
				done = end
			}
			if done < len(text) {
				yield(done, text[done:])
			}
		}
	}
}

// joinAlike makes one piece of matches in a row. It works in place, as the next two do.
func joinAlike(spans []span) []span {
	return joinWhere(spans, func(before, s span) bool { return before.match == s.match })
}

// joinPrevious puts a match on the piece before it, but not on another match.
func joinPrevious(spans []span) []span {
	return joinWhere(spans, func(before, s span) bool { return s.match && !before.match })
}

// joinNext puts a match before the piece that follows, but not before another match.
func joinNext(spans []span) []span {
	return joinWhere(spans, func(before, s span) bool { return before.match && !s.match })
}

// joinWhere joins neighbours for which join is true.
func joinWhere(spans []span, join func(before, s span) bool) []span {
	out := spans[:0]
	var before span
	for i, s := range spans {
		if i > 0 && join(before, s) {
			out[len(out)-1].end = s.end
		} else {
			out = append(out, s)
		}
		before = s
	}
	return out
}

const contractions = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`

// checkPortable refuses syntax that regexp2 reads otherwise than Oniguruma, or that was not compared.
func checkPortable(expr string) error {
	inClass := false
	for i := 0; i < len(expr); {
		rest := expr[i:]
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
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(text, p) })
}

// replacer makes the function that puts content in the place of every match.
func (p *pattern) replacer(content string) (func(string) string, error) {
	find, err := p.finder()
	if err != nil {
		return nil, err
	}
	if p.String != nil {
		return func(text string) string { return strings.ReplaceAll(text, *p.String, content) }, nil
	}
	return func(text string) string {
		var out strings.Builder
		done := 0
		for start, end := range find(text) {
			out.WriteString(text[done:start])
			out.WriteString(content)
			done = end
		}
		out.WriteString(text[done:])
		return out.String()
	}, nil
}

// A jsonRune is a string of exactly one character.
type jsonRune rune

// UnmarshalJSON implements json.Unmarshaler.
func (r *jsonRune) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil || utf8.RuneCountInString(text) != 1 {
		return fmt.Errorf("found %.20s, want one character", raw)
	}
	c, _ := utf8.DecodeRuneInString(text)
	*r = jsonRune(c)
	return nil
}
