package starlark

import (
	"math"
	"strings"
	"testing"

	"nfcot/internal/eval"
)

// structureOf is the structure of programs sampled for one problem.
func structureOf(t *testing.T, programs ...string) eval.Structure {
	t.Helper()
	var verdicts []eval.Verdict
	for _, p := range programs {
		verdicts = append(verdicts, eval.NewVerdict(eval.Sample{TaskID: "0", Completion: p}, eval.Outcome{Kind: eval.Passed}))
	}
	s, err := Structures(t.Context(), eval.Concatenate, []eval.Problem{{TaskID: "0"}}, verdicts)
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
