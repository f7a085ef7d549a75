package eval

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
)

// structureOf is the structure of programs sampled for one problem.
func structureOf(t *testing.T, programs ...string) Structure {
	t.Helper()
	var verdicts []Verdict
	for _, p := range programs {
		verdicts = append(verdicts, NewVerdict(Sample{TaskID: "0", Completion: p}, Outcome{Kind: Passed}))
	}
	s, err := Structures(t.Context(), Concatenate, tasks(1), verdicts)
	if err != nil {
		t.Fatal(err)
	}
	return s[0]
}

func TestEqualStructures(t *testing.T) {
	const plain = "def f(x):\n    y = x + 1\n    return y\n"
	for name, test := range map[string]struct {
		other string
		equal bool
	}{
		"names":              {"def f(a):\n    b = a + 1\n    return b\n", true},
		"name of a function": {"def g(x):\n    y = x + 1\n    return y\n", true},
		"docstring":          {"def f(x):\n    \"\"\"One more.\"\"\"\n    y = x + 1\n    return y\n", true},
		"module's docstring": {"\"\"\"A module.\"\"\"\n" + plain, true},
		"parentheses":        {"def f(x):\n    y = ((x) + (1))\n    return (y)\n", true},
		"comments":           {"# one more\n" + plain, true},
		"value":              {"def f(x):\n    y = x + 2\n    return y\n", false},
		"type of a value":    {"def f(x):\n    y = x + 1.0\n    return y\n", false},
		"operator":           {"def f(x):\n    y = x - 1\n    return y\n", false},
		"which variable":     {"def f(x):\n    y = x + 1\n    return x\n", false},
		"global":             {"def f(x):\n    y = x + 1\n    return z\n", false},
		"statement":          {"def f(x):\n    return x + 1\n", false},
	} {
		s := structureOf(t, plain, test.other)
		if s.Similarity == nil || (*s.Similarity == 1) != test.equal {
			t.Errorf("%s: similarity %v, want equal trees: %v", name, s.Similarity, test.equal)
		}
	}
	for _, pair := range [][2]string{
		{"if a:\n    b()\n    c()\n", "if a:\n    b()\nelse:\n    c()\n"},
		{"x[a:]\n", "x[:a]\n"},
		{"len(a)\n", "max(a)\n"},
		{"a.b\n", "a.c\n"},
		{"f(b=1)\n", "f(c=1)\n"},
		{"while a:\n    break\n", "while a:\n    continue\n"},
	} {
		if s := structureOf(t, pair[0], pair[1]); *s.Similarity == 1 {
			t.Errorf("%q and %q have equal trees", pair[0], pair[1])
		}
	}
}

// Counted by hand: the edges of x + 1 are Module-ExprStmt, ExprStmt-BinaryExpr,
// BinaryExpr-+, BinaryExpr-Ident and BinaryExpr-Literal; x - y has the first two of
// them, BinaryExpr-Ident twice, and one of its own.
func TestStructuralSimilarity(t *testing.T) {
	const plus, minus, broken = "x + 1\n", "x - y\n", "x +\n"
	cosine := (1 + 1 + 1*2) / math.Sqrt(5*(1+1+4+1))
	check := func(want float64, unparsed int, programs ...string) {
		t.Helper()
		s := structureOf(t, programs...)
		if s.Similarity == nil || math.Abs(*s.Similarity-want) > 1e-15 || s.Unparsed != unparsed {
			t.Errorf("%q: similarity %v, %d left out; want %g, %d", programs, s.Similarity, s.Unparsed, want, unparsed)
		}
	}
	check(1, 0, plus, plus)
	check(cosine/2, 0, plus, minus)
	check(cosine/2, 1, plus, broken, minus)
	check((1+2*cosine/2)/3, 0, plus, minus, plus)
	check((0.5+2*cosine/2)/3, 0, "z + 1\n", plus, minus) // names without a binding are not renamed
	check(0, 0, "", plus)
	for _, programs := range [][]string{{}, {plus}, {plus, broken}, {broken, strings.Repeat("(", maxParsed+1)}} {
		if s := structureOf(t, programs...); s.Similarity != nil {
			t.Errorf("%d programs: similarity %g, want none", len(programs), *s.Similarity)
		}
	}
	if s := structureOf(t, "def f(x):\n    return x\n\n"+strings.Repeat("(", maxParsed-100)); s.Unparsed != 1 {
		t.Error("a deeply nested program was parsed")
	}
}

func TestAddStructures(t *testing.T) {
	half, whole := 0.5, 1.0
	r := Report{}
	r.AddStructures([]Structure{{"0", &half, 1}, {"1", nil, 2}, {"2", &whole, 0}})
	if r.StructuralSimilarity == nil || *r.StructuralSimilarity != 0.75 || r.Unparsed != 3 {
		t.Errorf("similarity %v, %d left out; want 0.75 and 3", r.StructuralSimilarity, r.Unparsed)
	}
	if r.AddStructures([]Structure{{"1", nil, 2}}); r.StructuralSimilarity != nil || r.Unparsed != 2 {
		t.Errorf("similarity %v, %d left out; want none and 2", r.StructuralSimilarity, r.Unparsed)
	}
}

// What is remembered is a program, by problem and completion; not an error.
func TestRemember(t *testing.T) {
	asked := map[string]int{}
	assemble := Remember(func(_ context.Context, p Problem, s Sample) (string, error) {
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
