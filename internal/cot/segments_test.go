package cot

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDivide(t *testing.T) {
	for _, tt := range []struct{ by, chain, want string }{
		{"lines", "a. b\nc", "a. b\n|c\n"},
		{"lines", "a\n\nb\n", "a\n|\n|b\n"},
		{"even", "a. b\nc", "a. b\n|c\n"},
		{"lines", "", ""},
		{"sentences", "", ""},

		{"sentences", "He has 3.50 left. So 3.50*2 = 7. That is it", "He has 3.50 left.| So 3.50*2 = 7.| That is it\n"},
		{"sentences", "One? Two! \"Three.\" Four (five.) Six...", "One?| Two!| \"Three.\"| Four (five.)| Six...\n"},
		{"sentences", "Mr. A. Smith has approx. 5 kg vs. 3. J. does, e.g. This", "Mr. A. Smith has approx. 5 kg vs. 3.| J. does, e.g. This\n"},
		{"sentences", "no end\nnone either. but lower\n\nC. D", "no end\n|none either. but lower\n\n|C. D\n"},
		{"sentences", "a. Ünlü", "a.| Ünlü\n"},

		{"equations", "16 - 3 = 13 eggs, so 13*2 = $26. And 26/2=13, done.\nAll", "16 - 3 = 13| eggs, so 13*2 = $26|. And 26/2=13, done.\nAll\n"},
		{"equations", "2 = 3 - 1 = 4/2\nx = (1+2)*3\n", "2 = 3 - 1 = 4/2\n|x = (1+2)*3\n"},
		{"equations", "1,000 + .5 = 1,000.5. 3 = 3", "1,000 + .5 = 1,000.5|. 3 = 3\n"},
		{"equations", "<<1+1=2>> <<2*3=6>> <<6-1=5>>", "<<1+1=2>>| <<2*3=6>>| <<6-1=5>>\n"},
		{"equations", "It is <<1+1=2>>2.\nThen x = 5 <<2*3=6>>6 in all", "It is <<1+1=2>>2|.\nThen x = 5 <<2*3=6>>6 in all\n"},
		{"equations", "no equation. none", "no equation. none\n"},
		{"before:+(", "1 2 + 3 4 ( 5 ) + 6", "1 2| + 3 4| ( 5 )| + 6\n"},
		{"before:+(", "1 2\n+ 3 4\n( 5 )\n+ 6\n", "1 2\n|+ 3 4\n|( 5 )\n|+ 6\n"},
		{"before:+", "1 2\n+ 3 4\n( 5 )\n+ 6", "1 2\n|+ 3 4\n( 5 )\n|+ 6\n"},
		{"before:+", "+1++2", "+1|+|+2\n"},
		{"before:é", "aé b", "a|é b\n"},

		{"equations", "a = b, c == d", "a = b, c == d\n"},
	} {
		if got := strings.Join(divide(tt.chain, tt.by), "|"); got != tt.want {
			t.Errorf("%s of %q: %q, want %q", tt.by, tt.chain, got, tt.want)
		}
	}
}

// TestDivideKeepsTheChain: the steps are the chain, whatever it is, and none is empty.
func TestDivideKeepsTheChain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chain := rapid.StringOfN(rapid.RuneFrom([]rune("aA1.=<>! \n\"é+")), 1, 40, -1).Draw(t, "chain")
		for _, by := range append([]string{"before:+aé"}, Segmentations...) {
			steps := divide(chain, by)
			if got := strings.Join(steps, ""); got != chain && got != chain+"\n" {
				t.Errorf("%s of %q: %q", by, chain, steps)
			}
			if slices.Contains(steps, "") {
				t.Errorf("%s of %q: %q has an empty step", by, chain, steps)
			}
		}
	})
}

func TestCheckSegments(t *testing.T) {
	for _, by := range append([]string{"before:+(", "before:a b"}, Segmentations...) {
		if err := checkSegments(by); err != nil {
			t.Error(err)
		}
	}
	for _, by := range []string{"", "line", "before", "before:", "before: ", "before:+ "} {
		if checkSegments(by) == nil {
			t.Errorf("%q is taken", by)
		}
	}
}
