package cpython

import (
	"encoding/json"
	"strings"
	"testing"

	"nfcot/internal/eval"
)

// ownProblem is a problem in HumanEval's format whose function is f.
func ownProblem(id, prompt, solution, test string) eval.Problem {
	return eval.Problem{TaskID: id, Prompt: prompt, EntryPoint: "f", CanonicalSolution: solution, Test: test}
}

// apartFails are problems whose values do not survive the way from the program's process to the test's. Each has a
// solution that is wrong.
var apartFails = map[string]struct{ prompt, solution, wrong, test string }{
	"fields": {"from typing import NamedTuple\nclass Span(NamedTuple):\n    low: int\n    high: int\n\ndef f(a):\n",
		"    return Span(min(a), max(a))\n", "    return Span(max(a), min(a))\n",
		"def check(f):\n    assert f([3, 1, 2]).low == 1\n    assert f([3, 1, 2])._asdict() == {'low': 1, 'high': 3}\n"},
	"dataclass": {"from dataclasses import dataclass\n@dataclass\nclass Pair:\n    a: int\n    b: int\n\ndef f(a, b):\n",
		"    return Pair(a, b)\n", "    return Pair(b, a)\n", "def check(f):\n    assert f(1, 2) == Pair(1, 2)\n"},
	"default": {"from collections import defaultdict\n\ndef f(words):\n",
		"    d = defaultdict(list)\n    for w in words:\n        d[len(w)].append(w)\n    return d\n", "    return {len(w): [w] for w in words}\n",
		"def check(f):\n    d = f(['a', 'bc'])\n    assert d[2] == ['bc'] and d[9] == []\n"},
	"printed": {"def f(n):\n", "    for i in range(n):\n        print(i, end=';')\n", "    print(n)\n",
		"import contextlib, io\ndef check(f):\n    text = io.StringIO()\n    with contextlib.redirect_stdout(text):\n        f(3)\n    assert text.getvalue() == '0;1;2;'\n"},
	"stderr": {"import sys\ndef f():\n", "    print('no', file=sys.stderr)\n", "    print('no')\n",
		"import contextlib, io\ndef check(f):\n    text = io.StringIO()\n    with contextlib.redirect_stderr(text):\n        f()\n    assert text.getvalue() == 'no\\n'\n"},
	"warning": {"import warnings\ndef f(x):\n", "    warnings.warn('old', DeprecationWarning)\n    return x\n", "    return x\n",
		"import warnings\ndef check(f):\n    with warnings.catch_warnings(record=True) as seen:\n        warnings.simplefilter('always')\n        assert f(1) == 1\n    assert [w.category for w in seen] == [DeprecationWarning]\n"},
	"own exception": {"class Full(Exception):\n    def __init__(self, size):\n        self.size = size\n\ndef f(n):\n",
		"    raise Full(n)\n", "    raise Full(0)\n", "def check(f):\n    try:\n        f(3)\n    except Full as e:\n        assert e.size == 3\n    else:\n        assert False\n"},
	"identity":  {"def f(a):\n", "    a.sort()\n    return a\n", "    return sorted(a)\n", "def check(f):\n    a = [2, 1]\n    assert f(a) is a\n"},
	"docstring": {"def f(x):\n", "    \"\"\"Half of x.\"\"\"\n    return x / 2\n", "    return x / 2\n", "def check(f):\n    assert f(1) == 0.5 and 'Half' in f.__doc__\n"},
	"signature": {"def f(a, *, key=None):\n", "    return a\n", "    return key\n",
		"import inspect\ndef check(f):\n    assert list(inspect.signature(f).parameters) == ['a', 'key'] and f(1) == 1\n"},
	"function": {"def f(n):\n", "    return lambda x: x + n\n", "    return lambda x: x - n\n", "def check(f):\n    assert f(2)(3) == 5\n"},
	"enum": {"import enum\nclass Side(enum.Enum):\n    LEFT = 1\n    RIGHT = 2\n\ndef f(x):\n", "    return Side.LEFT if x < 0 else Side.RIGHT\n", "    return Side.LEFT\n",
		"def check(f):\n    assert f(1) is Side.RIGHT and f(-1).name == 'LEFT'\n"},
	"many parts": {"def f(n):\n", "    return {i: i for i in range(n)}\n", "    return {}\n", "def check(f):\n    assert len(f(2100000)) == 2100000\n"},
	"long":       {"def f(n):\n", "    return [1] * n\n", "    return [1] * (n - 1)\n", "def check(f):\n    assert len(f(2500000)) == 2500000\n"},
	"deep": {"def f(n):\n", "    a = []\n    for _ in range(n):\n        a = [a]\n    return a\n", "    return []\n",
		"def check(f):\n    a, n = f(300), 0\n    while a:\n        a, n = a[0], n + 1\n    assert n == 300\n"},
	"cyclic": {"def f():\n", "    a = []\n    a.append(a)\n    return a\n", "    return [[]]\n", "def check(f):\n    a = f()\n    assert a[0] is a\n"},
	"own object as argument": {"class Node:\n    def __init__(self, value, next=None):\n        self.value, self.next = value, next\n\ndef f(node):\n",
		"    return node.value + (f(node.next) if node.next else 0)\n", "    return node.value\n", "def check(f):\n    assert f(Node(1, Node(2))) == 3\n"},
	"global": {"seen = 0\ndef f():\n", "    global seen\n    seen += 1\n", "    pass\n", "def check(f):\n    f(); f()\n    assert f.__globals__['seen'] == 2\n"},
}

// TestValuesThatDoNotCross: where a problem's own solution passes only in one process with its test, programs are judged so.
func TestValuesThatDoNotCross(t *testing.T) {
	x := open(t, Options{Workers: 2})
	for name, tt := range apartFails {
		p := ownProblem("own/"+name, tt.prompt, tt.solution, tt.test)
		for _, c := range []struct {
			completion string
			want       eval.Kind
		}{{tt.solution, eval.Passed}, {tt.wrong, eval.Failed}} {
			o, err := x.Execute(t.Context(), p, p.Prompt+c.completion)
			if err != nil {
				t.Fatal(err)
			}
			if o.Kind != c.want || !o.InProcess || o.OwnSolution != "" {
				t.Errorf("%s: %s, in process: %v, own solution: %q; want %s in process\n%s", name, o.Result(), o.InProcess, o.OwnSolution, c.want, c.completion)
			}
		}
	}
}

// ownMBPP is a problem in MBPP's format.
func ownMBPP(t *testing.T, id, code string, tests ...string) eval.Problem {
	line, err := json.Marshal(map[string]any{"task_id": id, "text": "t", "code": code, "test_setup_code": "", "test_list": tests})
	if err != nil {
		t.Fatal(err)
	}
	return eval.Problem{TaskID: id, CanonicalSolution: code, Format: eval.MBPP, Raw: line}
}

func TestValuesThatDoNotCrossInMBPP(t *testing.T) {
	x := open(t, Options{Workers: 2})
	for _, tt := range []struct{ code, wrong, test string }{
		{"from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return P(1, 2)", "def f(): return (1, 2)", "assert f().y == 2"},
		{"from collections import defaultdict\ndef f(): return defaultdict(int)", "def f(): return {}", "assert f()['k'] == 0"},
		{"def f(n): return [0] * n", "def f(n): return []", "assert len(f(2200000)) == 2200000"},
		{"class E(Exception):\n    code = 7\ndef f(): raise E()", "class E(Exception):\n    code = 8\ndef f(): raise E()",
			"try:\n    f()\nexcept Exception as e:\n    assert e.code == 7"},
	} {
		p := ownMBPP(t, tt.test, tt.code, tt.test)
		for program, want := range map[string]eval.Kind{tt.code: eval.Passed, tt.wrong: eval.Failed} {
			o, err := x.Execute(t.Context(), p, program)
			if err != nil {
				t.Fatal(err)
			}
			if o.Kind != want || !o.InProcess {
				t.Errorf("%s: %s, in process: %v; want %s in process", program, o.Result(), o.InProcess, want)
			}
		}
	}
}

// TestOwnSolutionFails: where a problem's own solution passes in no way, a failure says so, and others stay as they are.
func TestOwnSolutionFails(t *testing.T) {
	x := open(t, Options{Workers: 2})
	broken := ownProblem("own/broken", "def f(x):\n", "    return x\n", "def check(f):\n    assert f(1) == 2, 'is not two'\n")
	none := broken
	none.TaskID, none.CanonicalSolution = "own/none", ""
	plus := func(id, solution string) eval.Problem {
		p := eval.Problem{TaskID: id, Prompt: "def f(x):\n", EntryPoint: "f", CanonicalSolution: solution, Format: eval.EvalPlus}
		line, err := json.Marshal(map[string]any{"task_id": id, "prompt": p.Prompt, "entry_point": "f", "canonical_solution": solution,
			"base_input": [][]int{{1}}, "plus_input": [][]int{{2}}, "atol": 0})
		if err != nil {
			t.Fatal(err)
		}
		p.Raw = line
		return p
	}
	for _, tt := range []struct {
		name       string
		p          eval.Problem
		completion string
		kind       eval.Kind
		own        string
	}{
		{"the solution itself", broken, "    return x\n", eval.Failed, "failed: is not two"},
		{"another", broken, "    return 0\n", eval.Failed, "failed: is not two"},
		{"a right one", broken, "    return 2\n", eval.Passed, ""},
		{"without a solution", none, "    return x\n", eval.Failed, ""},
		{"one that is fine", double, "    return 0\n", eval.Failed, ""},
		{"MBPP", ownMBPP(t, "m", "def f(): return 1", "assert f() == 2, 'no'"), "", eval.Failed, "failed: no"},
		{"EvalPlus", plus("e1", "    return 1 // 0\n"), "    return 0\n", eval.Failed, "failed: ZeroDivisionError: "},
		{"EvalPlus, random", plus("e2", "    import os\n    return os.urandom(9)\n"), "    return 0\n", eval.Failed, "failed: wrong result"},
		{"EvalPlus, fine", plus("e3", "    return x\n"), "    return 0\n", eval.Failed, ""},
	} {
		o, err := x.Execute(t.Context(), tt.p, tt.p.Prompt+tt.completion)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if o.Kind != tt.kind || o.InProcess || !strings.HasPrefix(o.OwnSolution, tt.own) || tt.own == "" && o.OwnSolution != "" {
			t.Errorf("%s: %s, in process: %v, own solution: %q; want %s, %q", tt.name, o.Result(), o.InProcess, o.OwnSolution, tt.kind, tt.own)
		}
	}
}
