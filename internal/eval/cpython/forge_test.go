package cpython

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nfcot/internal/eval"
)

// double is a problem with a test of several forms of comparison.
var double = eval.Problem{
	TaskID:     "test/double",
	Prompt:     "def scale(x):\n    return 2 * x\n\ndef double(x):\n    \"\"\"Twice x.\"\"\"\n",
	EntryPoint: "double",
	Test: `
def check(candidate):
    assert candidate(3) == 6
    assert candidate("ab") == "abab"
    assert candidate([1]) == [1, 1]
    assert abs(candidate(0.5) - 1.0) < 1e-6
    assert not candidate(5) != scale(5)
    assert len(candidate([1, 2])) == 4
    l = [1, 2]
    candidate(l)
    assert l == [1, 2]
`,
	CanonicalSolution: "    return x * 2\n",
}

// forgeries are completions that double must not pass with. Each is wrong, and
// tries to look right to a tester that would share anything with it.
var forgeries = map[string]string{
	"object equal to all":    "    class A:\n        __eq__ = __ne__ = __lt__ = __bool__ = lambda *a: True\n        __len__ = lambda s: 4\n        __sub__ = __abs__ = lambda *a: 0.0\n    return A()",
	"int equal to all":       "    return type('I', (int,), {'__eq__': lambda *a: True, '__ne__': lambda *a: False})(7)",
	"str equal to all":       "    return type('S', (str,), {'__eq__': lambda *a: True, '__hash__': None})('z') if x == 'ab' else x * 2",
	"list equal to all":      "    return type('L', (list,), {'__eq__': lambda *a: True, '__len__': lambda s: 4})() if type(x) is list else x * 2",
	"float near all":         "    return type('F', (float,), {'__sub__': lambda *a: 0.0, '__abs__': lambda *a: 0.0})(9) if type(x) is float else x * 2",
	"class with metaclass":   "    class M(type):\n        __eq__ = lambda *a: True\n        __hash__ = None\n    class A(metaclass=M): pass\n    return A",
	"helper replaced":        "    return 0 if x == 5 else x * 2\n\ndef scale(x):\n    return 0",
	"exit":                   "    import sys\n    sys.exit(0)",
	"exit at once":           "    pass\nraise SystemExit(0)",
	"process exit":           "    import os\n    os._exit(0)",
	"process exit at once":   "    pass\nimport posix\nposix._exit(0)",
	"verdict on descriptors": "    pass\nimport posix\nfor d in range(64):\n    for _ in range(9):\n        try: posix.write(d, b'{\"verdict\": {\"kind\": \"passed\"}}\\n')\n        except OSError: pass",
	"answers in advance":     "    return 0\nimport posix\nfor v in 6, 10, 4:\n    posix.write(3, b'\\x20\\0\\0\\0t\\2\\0\\0\\0s\\x08\\0\\0\\0returnedt\\2\\0\\0\\0i\\6\\0\\0\\0\\0\\0\\0\\0N')",
	"thread that answers":    "    return 0\nimport posix, threading, time\ndef f():\n    while True:\n        try: posix.write(3, b'\\x20\\0\\0\\0t\\2\\0\\0\\0s\\x08\\0\\0\\0returnedt\\2\\0\\0\\0i\\6\\0\\0\\0\\0\\0\\0\\0N')\n        except OSError: pass\nthreading.Thread(target=f, daemon=True).start()",
	"patched builtins":       "    return 0\nimport builtins\nbuiltins.abs = lambda *a: 0\nbuiltins.len = lambda *a: 4\nbuiltins.AssertionError = builtins.isinstance = builtins.type = None",
	"patched tester":         "    return 0\nimport sys\nfor f in [sys._getframe(i) for i in range(3)]:\n    f.f_globals['answer'] = f.f_globals['call'] = lambda *a: b'N'\n    f.f_globals['REQUESTS'] = {}",
	"settrace":               "    return 0\nimport sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)",
	"garbage collector":      "    return 0\nimport gc\nfor o in gc.get_objects():\n    try:\n        if type(o) is dict: o['check'] = lambda c: None\n    except Exception: pass",
	"ctypes":                 "    return 0\nimport ctypes\nctypes.memset(id(6), 0, 4)",
	"small integers":         "    return 7\nimport ctypes\nctypes.c_long.from_address(id(6) + 24).value = 7",
	"check redefined":        "    return 0\ndef check(candidate):\n    pass\nassert_ = check",
	"main redefined":         "    return 0\nimport __main__, sys\n__main__.main = lambda: None\nsys.modules['tester'] = sys.modules['wire'] = __main__",
	"atexit":                 "    import os\n    os._exit(0)\nimport atexit, posix\natexit.register(lambda: posix.write(3, b'N'))",
	"generator":              "    yield x * 2",
	"deep":                   "    r = []\n    for _ in range(100000): r = [r]\n    return r",
	"cyclic":                 "    r = []\n    r.append(r)\n    return r",
	"wide":                   "    r = [0]\n    for _ in range(60): r = [r, r]\n    return r",
	"huge integer":           "    return 1 << (1 << 30)",
	"channel closed":         "    import posix\n    posix.closerange(0, 64)\n    return x * 2",
	"channel replaced":       "    import posix\n    a, b = posix.pipe()\n    posix.dup2(a, 3)\n    return x * 2",
	"exception class":        "    class E(AssertionError):\n        __eq__ = lambda *a: True\n    raise E('passed')",
	"generator exit":         "    raise GeneratorExit",
	"argument changed":       "    r = x * 2\n    if type(x) is list: x.append(9)\n    return r",
	"warning":                "    raise Warning('passed')",
	"recursion":              "    return double(x)",
	"stack":                  "    return 0\nimport sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
	"no function":            "    pass\ndel double",
	"frame of zero":          "    import posix\n    posix.write(3, b'\\0\\0\\0\\0')\n    return x * 2",
	"frame too long":         "    import posix\n    posix.write(3, b'\\xff\\xff\\xff\\xff')\n    return x * 2",
	"random bytes":           "    import posix\n    posix.write(3, posix.urandom(1 << 20))\n    return x * 2",
}

func TestForgeries(t *testing.T) {
	x := open(t, Options{Workers: 2})
	execute := func(completion string) eval.Outcome {
		o, err := x.Execute(t.Context(), double, double.Prompt+completion)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if o := execute(double.CanonicalSolution); o.Kind != eval.Passed {
		t.Fatalf("own solution: %s", o.Result())
	}
	for name, completion := range forgeries {
		t.Run(name, func(t *testing.T) {
			o := execute(completion)
			t.Log(o.Result())
			if o.Kind == eval.Passed {
				t.Error("passed")
			}
			if o.InProcess {
				t.Error("ran together with its test")
			}
		})
	}
	if o := execute(double.CanonicalSolution); o.Kind != eval.Passed {
		t.Errorf("own solution, after all others: %s", o.Result())
	}
}

// TestKinds has programs end in each way.
func TestKinds(t *testing.T) {
	x := open(t, Options{Workers: 2, Memory: 512 << 20, Timeout: time.Second})
	tests := []struct {
		name, completion, want string
	}{
		{"value", "    raise ValueError('why')", "failed: why"},
		{"key", "    return {}['k']", "failed: 'k'"},
		{"wrong", "    return 0", "failed: "},
		{"exit", "    import os\n    os._exit(3)", "crashed: exit status 3"},
		{"exit at once", "    pass\nimport os\nos._exit(0)", "crashed: exit status 0"},
		{"segmentation fault", "    import ctypes\n    ctypes.string_at(0)", "crashed: segmentation fault"},
		{"loop", "    while True: pass", "timed out"},
		{"sleep", "    import time\n    time.sleep(9)", "timed out"},
		{"loop in C", "    return sum(range(10**12))", "timed out"},
		{"output without end", "    while True: print('x' * 1000)", "timed out"},
		{"threads", "    import threading\n    for _ in range(20):\n        threading.Thread(target=lambda: sum(range(10**12))).start()\n    while True: pass", "timed out"},
		{"memory", "    return [bytes(64 << 20) for _ in range(10**6)]", "out of memory"},
		{"text", "    raise ValueError('a\\n\\x1b[31m' + 'b' * 10**6)", "failed: a\\n\\x1b[31m" + strings.Repeat("b", 293) + "..."},
		{"syntax", "    return (", "failed: "},
		{"null byte", "    return '\x00'", "failed: "},
		{"surrogate", "    raise ValueError('\\ud800')", "failed: \ufffd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := x.Execute(t.Context(), double, double.Prompt+tt.completion)
			if err != nil {
				t.Fatal(err)
			}
			if got := o.Result(); got != tt.want && !(tt.want == "failed: " && strings.HasPrefix(got, tt.want)) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if o.WallClock && o.Kind != eval.TimedOut || o.Seconds <= 0 || o.Seconds > 20 || o.PeakMemory <= 0 {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestTestsSeeWhatFunctionsDo checks that calls from a test behave as in one process.
func TestTestsSeeWhatFunctionsDo(t *testing.T) {
	p := eval.Problem{TaskID: "test/calls", Prompt: "import math, collections\nfrom fractions import Fraction\n", EntryPoint: "f", Test: `
def check(f):
    assert f(1, b=[2], c={}) == (1, [2], {})
    a = [3, [4], {"k": {5}}]
    inner, s = a[1], a[2]["k"]
    assert change(a) is None
    assert a == [3, [4, 40], {"k": {5, 50}, "new": 1}, "end"]
    assert inner == [4, 40] and inner is a[1] and s == {5, 50} and s is a[2]["k"]
    for e in ValueError, KeyError, ZeroDivisionError, UnicodeDecodeError, StopIteration, OSError:
        try:
            fail(e.__name__)
            assert False
        except e if e is not UnicodeDecodeError else ValueError:
            pass
    try:
        fail("Own")
    except LookupError as e:
        assert str(e) == "own"
    assert list(numbers(3)) == [0, 1, 2] and next(numbers(1)) == 0
    assert numbers(1) != [0]
    assert half() == 0.5 and type(half()).__name__ == "Fraction" and tail().maxlen == 2
    assert math.sqrt(4) == 2 and LIMIT == [1, 2]
    try:
        unknown
        assert False
    except NameError:
        pass
    assert f(int, (), frozenset([1])) == (int, (), frozenset([1]))
`}
	program := p.Prompt + `
LIMIT = [1, 2]
class Own(IndexError): pass
def f(a, b=0, c=1): return a, b, c
def change(a):
    a[1].append(40)
    a[2]["k"].add(50)
    a[2]["new"] = 1
    a.append("end")
def fail(name):
    if name == "Own": raise Own("own")
    if name == "UnicodeDecodeError": b"\xff".decode()
    raise getattr(__import__("builtins"), name)("x")
def numbers(n):
    for i in range(n): yield i
def half(): return Fraction(1, 2)
def tail(): return collections.deque([1], 2)
`
	x := open(t, Options{Workers: 1})
	o, err := x.Execute(t.Context(), p, program)
	if err != nil {
		t.Fatal(err)
	}
	if o.Kind != eval.Passed || o.InProcess {
		t.Errorf("%+v", o)
	}
}

// TestNothingIsLeft checks that no process outlives its Executor.
func TestNothingIsLeft(t *testing.T) {
	before := children(t)
	x, err := Open(t.Context(), testOptions(Options{Workers: 2}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Execute(t.Context(), double, double.Prompt+double.CanonicalSolution); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if after := children(t); after != before {
		t.Errorf("children of this process: %q, before: %q", after, before)
	}
}

// TestTesterIsStartedAgain kills the tester while programs are judged.
func TestTesterIsStartedAgain(t *testing.T) {
	x := open(t, Options{Workers: 2})
	slow := double.Prompt + "    import time\n    time.sleep(0.05)\n" + double.CanonicalSolution
	kill := time.AfterFunc(300*time.Millisecond, x.tester.Kill)
	defer kill.Stop()
	each(6, func(int) {
		o, err := x.Execute(t.Context(), double, slow)
		if err != nil {
			t.Error(err)
		} else if o.Kind != eval.Passed {
			t.Error(o.Result())
		}
	})
}

// children are the numbers of this process' children.
func children(t *testing.T) string {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", os.Getpid()))
	if err != nil || len(files) == 0 {
		t.Skip("this system does not list children")
	}
	var all strings.Builder
	for _, f := range files {
		text, _ := os.ReadFile(f)
		all.Write(text)
	}
	return all.String()
}

func TestNoInterpreter(t *testing.T) {
	_, err := Open(t.Context(), Options{Python: "/nowhere/python3"})
	if _, ok := err.(*NotFound); !ok || !strings.Contains(err.Error(), "/nowhere/python3: not found") {
		t.Errorf("%v", err)
	}
	t.Setenv("PATH", t.TempDir())
	_, err = Open(t.Context(), Options{})
	if _, ok := err.(*NotFound); !ok || !strings.Contains(err.Error(), "python3.8: not found") {
		t.Errorf("%v", err)
	}
}
