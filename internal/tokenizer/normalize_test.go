package tokenizer

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// The composition written out here is the one of x/text, wherever that package does not break up long runs of marks.
func TestComposeEqualsXText(t *testing.T) {
	char := rapid.SampledFrom([]rune("eEéêaọạổ\u0300\u0301\u0302\u0323\u0327\u0345\u031b\u034f\u1100\u1161\u11a8가각\u09c7\u09be\u0dd9\u0dcf\u0dca\u0915\u093c\u0958\u2126\ufb1d\u05b4\u0344\u0f73"))
	text := rapid.OneOf(rapid.StringOfN(char, 0, 20, -1), rapid.StringN(0, 20, -1))
	rapid.Check(t, func(t *rapid.T) {
		s := text.Draw(t, "text")
		if got, want := compose(decompose(norm.NFD, s)), norm.NFC.String(s); got != want {
			t.Fatalf("NFC of %+q is %+q, want %+q", s, got, want)
		}
	})
}

func TestLongRunsOfMarks(t *testing.T) {
	for text, want := range map[string]string{
		"e" + strings.Repeat("\u0301", 50):                             "é" + strings.Repeat("\u0301", 49),
		"e" + strings.Repeat("\u0301", 40) + "\u0323x":                 "ẹ" + strings.Repeat("\u0301", 40) + "x",
		"e\u0301" + strings.Repeat("\u0316", 31) + "\u034f o\u0302":    "é" + strings.Repeat("\u0316", 31) + "\u034f ô",
		"e" + strings.Repeat("\u0305", 31) + "\u0301":                  "e" + strings.Repeat("\u0305", 31) + "\u0301", // the overlines block the acute
		strings.Repeat("\u0301", 35) + strings.Repeat("\u0316", 35):    strings.Repeat("\u0316", 35) + strings.Repeat("\u0301", 35),
		"\u1100\u1161\u11a8" + strings.Repeat("\u0301", 35) + "\u1161": "각" + strings.Repeat("\u0301", 35) + "\u1161",
	} {
		if got := nfc(text); got != want {
			t.Errorf("nfc(%+q)\n got %+q\nwant %+q", text, got, want)
		}
	}
}

func TestNFCKeepsBytesThatAreNotUTF8(t *testing.T) {
	const text = "e\u0301\xff\xc3é\xe2\x82"
	if got, want := nfc(text), "é\xff\xc3é\xe2\x82"; got != want || utf8.ValidString(got) {
		t.Errorf("nfc(%q) = %q, want %q", text, got, want)
	}
}
