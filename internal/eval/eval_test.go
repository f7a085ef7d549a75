package eval

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// identity is a problem that `def f(x): return x` solves.
var identity = Problem{
	TaskID:            "identity",
	EntryPoint:        "f",
	CanonicalSolution: "def f(x):\n    return x\n",
	Test:              "def check(candidate):\n    assert candidate(1) == 1\n    assert candidate([2]) == [2]\n",
}

// What is kept is a program, by problem and completion; not an error.
func TestMemoize(t *testing.T) {
	asked := map[string]int{}
	assemble := Memoize(func(_ context.Context, p Problem, s Sample) (string, error) {
		name := p.TaskID + s.Completion
		asked[name]++
		if s.Completion == "bad" {
			return "", errors.New("bad")
		}
		return name, nil
	})
	for range 2 {
		for _, p := range tasks(2) {
			for _, completion := range []string{"x", "y", "bad"} {
				got, err := assemble(t.Context(), p, Sample{Completion: completion})
				if want := p.TaskID + completion; (err == nil) != (completion != "bad") || err == nil && got != want {
					t.Errorf("%q: %q, %v", want, got, err)
				}
			}
		}
	}
	for name, n := range asked {
		want := 1
		if strings.HasSuffix(name, "bad") {
			want = 2
		}
		if n != want {
			t.Errorf("%s was assembled %d times, want %d", name, n, want)
		}
	}
}

// A solution is another program than a completion of the same text.
func TestMemoizeSolutions(t *testing.T) {
	text := "x"
	assemble := Memoize(Concatenate)
	for range 2 {
		for s, want := range map[*Sample]string{{Completion: "x"}: "px", {Solution: &text}: "x", {Completion: "y", Solution: &text}: "x"} {
			if got, err := assemble(t.Context(), Problem{Prompt: "p"}, *s); got != want || err != nil {
				t.Errorf("%+v: %q, %v, want %q", s, got, err, want)
			}
		}
	}
}

func TestOneLine(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"plain: naïve 日本", "plain: naïve 日本"},
		{"a\nb\r\t\x00\x1b[31m", `a\nb\r\t\x00\x1b[31m`},
		{"\xff\u202e\ufffd", "\\xff\\u202e\ufffd"},
		{strings.Repeat("é", MaxDetail), strings.Repeat("é", MaxDetail)},
		{strings.Repeat("é", MaxDetail+1), strings.Repeat("é", MaxDetail) + "..."},
	} {
		if got := OneLine(tt.text); got != tt.want {
			t.Errorf("OneLine(%q)\n got %q\nwant %q", tt.text, got, tt.want)
		}
	}
}
