package starlark

import (
	"strings"
	"testing"

	"nfcot/internal/eval"
)

// run runs a program in this process.
func run(p eval.Problem, completion string) string {
	return interpret(p.Prompt+completion, p.EntryPoint, p.Test, 100_000).Result()
}

func TestProgramsAndResults(t *testing.T) {
	sum := eval.Problem{
		TaskID:            "sum",
		Prompt:            "def total(xs):\n    \"\"\"The sum of xs.\n    >>> total([1, 2])\n    3\n    \"\"\"\n",
		EntryPoint:        "total",
		CanonicalSolution: "    t = 0\n    for x in xs:\n        t += x\n    return t\n",
		Test: "METADATA = {\n    'author': 'x',\n}\n\n\ndef check(candidate):\n" +
			"    assert candidate([]) == 0\n" +
			"    for n in range(5): assert candidate(range(n)) == n * (n - 1) // 2, 'n = ' + str(n)\n",
	}
	for _, tt := range []struct {
		name, completion, want string
	}{
		{"canonical", sum.CanonicalSolution, "passed"},
		{"wrong", "    return 0\n", "failed: test:8:30: assertion failed: n = 2"},
		{"error", "    return xs[0]\n", "failed: solution:6:14: index 0 out of range: empty list"},
		{"error in a builtin", "    return sorted(1)\n", "failed: solution:6:18: sorted: for parameter iterable: got int, want iterable"},
		{"syntax", "    return (\n", "failed: solution:7:1: got outdent, want primary expression"},
		{"name", "    return undefined\n", "failed: solution:6:12: undefined: undefined"},
		{"no loading", "    return 0\nload('m', 'x')\n", "failed: solution:7:1: load not implemented by this application"},
		{"endless", "    while True: pass\n", "timed out"},
		{"endless module", "    return 0\nwhile True: pass\n", "timed out"},
		{"printing", "    print(xs)\n" + sum.CanonicalSolution, "passed"},
		{"Python's freedoms", "    def go(i):\n        return 0 if i == len(xs) else xs[i] + go(i + 1)\n    return go(0)\n" +
			"memo = {}\nmemo = set([1])\nif memo:\n    i = 3\n    while i: i -= 1\n", "passed"},
		{"state between calls", "    calls.append(1)\n    return len(calls)\ncalls = []\n", "failed: test:7:11: assertion failed"},
	} {
		if got := run(sum, tt.completion); got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
	if got := run(sum, "")[:6]; got != "failed" {
		t.Errorf("a docstring alone: got %q, want failed", got)
	}
}

func TestBrokenProblems(t *testing.T) {
	solution := identity.CanonicalSolution
	for _, tt := range []struct{ entryPoint, test, want string }{
		{"g", identity.Test, "failed: solution: g is not defined"},
		{"f", "x = 1\n", "failed: test: check is not defined"},
		{"f", "def check(candidate):\n    assert candidate(1) ==\n", "failed: test:2:28: got ')', want primary expression"},
		{"f", "def check(candidate):\n    assert\n", "failed: test:2:11: assert: got 0 arguments, want at least 1"},
	} {
		if got := run(eval.Problem{EntryPoint: tt.entryPoint, Test: tt.test}, solution); got != tt.want {
			t.Errorf("%q:\n got %q\nwant %q", tt.test, got, tt.want)
		}
	}
}

// The message of an assert is computed only if the assertion fails.
func TestAssertMessageIsLazy(t *testing.T) {
	p := eval.Problem{EntryPoint: "f", Test: "def check(candidate):\n    assert candidate(0) == 0, [][5]\n"}
	if got := run(p, "def f(x): return x\n"); got != "passed" {
		t.Errorf("got %q, want passed", got)
	}
	if got, want := run(p, "def f(x): return 1\n"), "failed: test:2:42: index 5 out of range"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whatever a candidate defines, its tester does not see it.
func TestForgeries(t *testing.T) {
	for _, candidate := range []string{
		"def check(candidate): pass\ndef f(x): return None\n",
		"def assert(*args): return None\ndef f(x): return None\n",
		"def f(x): return None\ndef Assert(*args): pass\n_assert = __assert__ = assert_ = assert = Assert\n",
		"def f(x): return None\ncandidate = passed = True\nresult = 'passed'\n",
		"def f(x): return True\n",
		"def len(x): return 0\ndef f(x): return len\n",
		"f = True\n",
		"f = lambda *args, **kwargs: f\n",
		"f = print\n",
		"def f(x): fail('passed')\n",
	} {
		got := run(eval.Problem{EntryPoint: "f", Test: "def check(candidate):\n    assert candidate(7) == 49\n"}, candidate)
		if !strings.HasPrefix(got, "failed: ") {
			t.Errorf("%q: got %q, want failed", candidate, got)
		}
	}
}
