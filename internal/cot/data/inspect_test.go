package data

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot"
)

// words sees a token in each character; the answer is learned.
type words struct{}

func (words) See(ex cot.Example, index int) (tokens []int, targets []bool, err error) {
	if ex.Messages != "" {
		return nil, nil, errors.New("no template")
	}
	for i, part := range []string{ex.Prompt, ex.Answer} {
		for _, r := range part {
			tokens, targets = append(tokens, int(r)), append(targets, i == 1)
		}
	}
	return tokens, targets, nil
}

func (words) Decode(tokens []int) string {
	s := ""
	for _, id := range tokens {
		s += string(rune(id))
	}
	return s
}

func TestInspect(t *testing.T) {
	text := ""
	for n := range 99 {
		text += fmt.Sprintf(`{"prompt":"%s","cot":"c","answer":"ab"}`+"\n", strings.Repeat("p", n%3+1))
	}
	text += `{"prompt":"` + strings.Repeat("q", 38) + `","answer":"x\ny"}` + "\n" + `{"prompt":"","answer":"x"}`
	path := put(t, "x", text)
	x, err := Inspect(t.Context(), NewReader(Source{Files: Files{path}}), words{}, 5)
	if err != nil {
		t.Fatal(err)
	}
	if x.Examples != 100 || x.Chains != 99 || x.Duplicates != 96 || x.Conversations != 0 || x.TooLong.N != 1 || x.Longest != path+":100" {
		t.Errorf("%+v", x)
	}
	for i, want := range []Length{{"whole", 3, 4, 4.37, 5, 41}, {"learned", 2, 2, 2.01, 2, 3}} {
		if x.Lengths[i] != want {
			t.Errorf("%+v, want %+v", x.Lengths[i], want)
		}
	}
	if want := []Bin{{3, 4, 66}, {5, 8, 33}, {9, 16, 0}, {17, 32, 0}, {33, 64, 1}}; !slices.Equal(x.Histogram, want) {
		t.Errorf("%v, want %v", x.Histogram, want)
	}
	if len(x.Shown) != 3 || fmt.Sprint(x.Shown[1].Parts) != "[{pp false} {ab true}]" {
		t.Errorf("%v", x.Shown)
	}
	var out strings.Builder
	if err := x.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"100 examples as nfcot; 1 of them without a chain of thought; dropped 1: no prompt (FILE:101)\n", "with a chain of thought  99 (99.0 %)\n",
		"longer than 5            1 (1.0 %) (FILE:100)\n", "longest                  FILE:100, 41 tokens\n",
		"        3 to 4                66 ########################################\n        5 to 8                33 ####################\n        9 to 16                0\n",
		"example 1 (FILE:1); what is learned is behind >\n    p\n  > ab\n",
	} {
		if !strings.Contains(strings.ReplaceAll(out.String(), path, "FILE"), want) {
			t.Errorf("there is no %q in\n%s", want, out.String())
		}
	}

	chat := put(t, "y", `{"messages":[{"role":"assistant","content":"a"}]}`)
	if _, err := Inspect(t.Context(), NewReader(Source{Files: Files{chat}}), words{}, 0); err == nil || err.Error() != chat+":1: no template" {
		t.Errorf("error %v", err)
	}
	x, err = Inspect(t.Context(), NewReader(Source{Files: Files{chat}}), nil, 0)
	if err != nil || x.Conversations != 1 || x.Unit != "bytes" || x.TooLong != nil || x.Dropped == nil {
		t.Errorf("%+v (%v)", x, err)
	}
	if _, err := Inspect(t.Context(), NewReader(Source{Files: Files{chat}}), nil, 3); err == nil || err.Error() != "--context counts tokens; give --tokenizer or --init" {
		t.Errorf("error %v", err)
	}
}

// TestHistogram: the bins have every length once, and all of them.
func TestHistogram(t *testing.T) {
	counts := map[int]int{}
	for length := range 1000 {
		counts[length] = length + 1
	}
	next, n := 0, 0
	for _, b := range histogram(counts) {
		want := 0
		for length := b.Least; length <= b.Most; length++ {
			want += counts[length]
		}
		if b.Least != next || b.N != want {
			t.Errorf("%+v, want from %d: %d", b, next, want)
		}
		next, n = b.Most+1, n+b.N
	}
	if n != 1000*1001/2 {
		t.Errorf("%d are counted", n)
	}
}
