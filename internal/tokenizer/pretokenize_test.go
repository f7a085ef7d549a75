package tokenizer

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// alphabet holds what the patterns and the finder of added tokens tell apart, and what is easy to get wrong about it.
var alphabet = []string{
	"'", "'s", "'S", "'ſ", "'t", "'re", "'rE", "'v", "'ve", "'m", "'LL", "'l", "'d", "ſ", "K", "a", "Z", "ß", "é", "e\u0301", "Ж", "世",
	"ㅎ", "ǅ", "ʰ", "0", "9", "12345", "½", "٣", "Ⅷ", "²", " ", "  ", "   ", "\t", "\n", "\r", "\r\n", "\n\n", "\v", "\f", "\u0085",
	"\u00a0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u3000", "\u180e", "\u200b", "\u200d", "\ufeff", "\x00", "\x1f", "\x7f", ".",
	"!!", "_", "-", "$", "{", "😀", "👩\u200d💻", "\u0300", "\ufffd", "\U000e0001", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f",
}

// strange draws texts out of the alphabet, or any text.
var strange = rapid.OneOf(
	rapid.Map(rapid.SliceOf(rapid.SampledFrom(alphabet)), func(parts []string) string { return strings.Join(parts, "") }),
	rapid.String(),
	rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
)

// pieces are those of a text, whose positions must be right.
func pieces(split splitter, text string) (out []string) {
	for pos, piece := range split(text) {
		if text[pos:pos+len(piece)] != piece {
			panic("a piece at a wrong position")
		}
		out = append(out, piece)
	}
	return out
}

func TestScannersEqualTheirPatterns(t *testing.T) {
	for pattern, scan := range scanners {
		find, err := findRegexp(pattern)
		if err != nil {
			t.Fatal(err)
		}
		oracle := isolate(find)
		rapid.Check(t, func(t *rapid.T) {
			text := strange.Draw(t, "text")
			got, want := pieces(scan, text), pieces(oracle, text)
			if !slices.Equal(got, want) {
				t.Fatalf("%s\n cuts %q\n got %q\nwant %q", pattern, text, got, want)
			}
			if strings.Join(got, "") != text || slices.Contains(got, "") {
				t.Fatalf("the pieces %q do not make %q", got, text)
			}
		})
	}
}

// Every pair of the alphabet at the end of the text and before each kind of character.
func TestScannersEqualTheirPatternsOnPairs(t *testing.T) {
	for pattern, scan := range scanners {
		find, err := findRegexp(pattern)
		if err != nil {
			t.Fatal(err)
		}
		oracle := isolate(find)
		for _, a := range alphabet {
			for _, b := range alphabet {
				for _, c := range []string{"", "x", "1", "!", " ", "\n"} {
					text := a + b + c
					if got, want := pieces(scan, text), pieces(oracle, text); !slices.Equal(got, want) {
						t.Fatalf("%s\n cuts %q\n got %q\nwant %q", pattern, text, got, want)
					}
				}
			}
		}
	}
}

func TestPatternsByHand(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          []string
	}{
		{gpt2Pattern, "I'll  go: 123!\n\n x ", []string{"I", "'ll", " ", " go", ":", " 123", "!", "\n\n", " x", " "}},
		{gpt2Pattern, "IT'S it'sx", []string{"IT", "'", "S", " it", "'s", "x"}},
		{qwenPattern, "IT'S 12.5\n  \n  x=(y);\n\n", []string{"IT", "'S", " ", "1", "2", ".", "5", "\n  \n", " ", " x", "=(", "y", ");\n\n"}},
		{qwenPattern, "'ſa\tb", []string{"'ſ", "a", "\tb"}},
		{llama3Pattern, "1234567 a", []string{"123", "456", "7", " a"}},
	} {
		if got := pieces(scanners[c.pattern], c.text); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q\n got %q\nwant %q", c.pattern, c.text, got, c.want)
		}
	}
}

// Components of a pre_tokenizer.
const noRegex = `{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}`

func split(pattern string) string {
	quoted, err := json.Marshal(pattern)
	if err != nil {
		panic(err)
	}
	return `{"type":"Split","pattern":{"Regex":` + string(quoted) + `},"behavior":"Isolated","invert":false}`
}

func sequence(parts ...string) string {
	return `{"type":"Sequence","pretokenizers":[` + strings.Join(parts, ",") + `]}`
}

// Patterns without a scanner, text that they do not match, several cuts one after the other, the space in front.
func TestStages(t *testing.T) {
	for _, c := range []struct{ preTokenizer, text, want string }{
		{sequence(split(`\p{N}{1,3}`), noRegex), "ab1234cd", "ab|123|4|cd"},
		{sequence(split(`\p{N}{1,3}`), split(`[一-龥]+| ?[a-z]+`), noRegex), "12世界ab é cd", "12|世界|ab| é| cd"},
		{sequence(split(`[0-9]`), `{"type":"ByteLevel","add_prefix_space":true}`), "x's1 y", " x|'s| 1| y"},
		{sequence(split(`(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{Lu}?[^\s\p{N}]`), noRegex), "Ab'S", "Ab|'S"},
		{`{"type":"ByteLevel","add_prefix_space":true,"use_regex":false}`, "a b", " a b"},
		{`{"type":"ByteLevel","add_prefix_space":true,"use_regex":false}`, " a b", " a b"},
		{`{"type":"ByteLevel","add_prefix_space":false}`, "a b", "a| b"},
		{sequence(noRegex), "a b", "a b"},
		{sequence(split(`x*`), noRegex), "axxb", "a|xx|b"},
	} {
		doc := byteDocument()
		doc.PreTokenizer = []byte(c.preTokenizer)
		var got []string
		preTokenize(c.text, true, build(t, doc).stages, func(piece string) { got = append(got, piece) })
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s: %q\n got %q\nwant %q", c.preTokenizer, c.text, got, c.want)
		}
	}
}
