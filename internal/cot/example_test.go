package cot

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/tokenizer"
)

var written = []Example{
	{TaskID: "a/0", Prompt: "def f(x):\n", CoT: "plan first\n1) times 3", Answer: "    return x * 3\n", EntryPoint: "f", Test: "assert f(1) == 3"},
	{TaskID: "a/1", Prompt: "def g(y):\n", CoT: "plan last", Answer: "    return y\n"},
	{TaskID: "a/2", Prompt: "def f(x):\n", CoT: "plan first\n1) plus 3\n2) minus 1", Answer: "    return x + 2\n"},
}

func newTokenizer(t *testing.T) *tokenizer.Tokenizer {
	t.Helper()
	var texts []string
	for _, ex := range written {
		texts = append(texts, ex.Prompt+ex.CoT+ex.Answer)
	}
	tok, err := tokenizer.Train(slices.Values(texts), 280, SpecialTokens)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestEncode(t *testing.T) {
	tok := newTokenizer(t)
	e := Encode(tok, written[2], 7)
	if e.Index != 7 || e.Codes != nil {
		t.Errorf("index %d, codes %v", e.Index, e.Codes)
	}
	sameInts(t, "prompt", e.Prompt, tok.Encode(written[2].Prompt))
	sameInts(t, "answer", e.Answer, tok.Encode(written[2].Answer))
	for i, line := range []string{"plan first\n", "1) plus 3\n", "2) minus 1\n"} { // the last line too has an end
		if i >= len(e.Steps) || tok.Decode(e.Steps[i], false) != line {
			t.Fatalf("steps %v: step %d is not %q", e.Steps, i, line)
		}
	}
	if len(e.Steps) != 3 {
		t.Errorf("%d steps, want 3", len(e.Steps))
	}
	if e := Encode(tok, Example{Prompt: "x"}, 0); len(e.Steps) != 0 || len(e.Answer) != 0 {
		t.Errorf("no chain gives steps %v, no answer %v", e.Steps, e.Answer)
	}
}

func TestFindSpecial(t *testing.T) {
	special, err := FindSpecial(newTokenizer(t))
	if want := (Special{EOS: 0, BOT: 1, CoT: 2, Ans: 3}); err != nil || !reflect.DeepEqual(special, want) {
		t.Errorf("%+v, %v, want %+v", special, err, want)
	}
	tok, err := tokenizer.Train(slices.Values([]string{"ab"}), 260, SpecialTokens[:3])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FindSpecial(tok); err == nil || !strings.Contains(err.Error(), SpecialTokens[3]) {
		t.Errorf("error %v, want one that names %q", err, SpecialTokens[3])
	}
}
