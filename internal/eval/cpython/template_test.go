package cpython

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"nfcot/internal/eval"
)

// needTemplate skips a test where candidates cannot be copies.
func needTemplate(t *testing.T, x *Executor) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("no templates on this system")
	}
	if _, err := x.takeTemplate(); err != nil {
		t.Fatal(err)
	}
}

// without has candidates be interpreters of their own.
func (x *Executor) without() {
	x.template.mu.Lock()
	defer x.template.mu.Unlock()
	if x.template.process != nil {
		x.template.process.Kill()
		x.template.process = nil
	}
	x.template.failures = mostFailures
}

// says runs a program that raises what a test wants to know of it.
func says(t *testing.T, x *Executor, code string) string {
	t.Helper()
	p := ownProblem("says", "def f():\n", "    return 1\n", "def check(f):\n    assert f() == 1\n")
	program := "def f():\n    " + strings.ReplaceAll(code, "\n", "\n    ") + "\n"
	o, err := x.Execute(t.Context(), p, program)
	if err != nil {
		t.Fatal(err)
	}
	if o.Kind != eval.Failed {
		t.Fatalf("%s: %s", code, o.Result())
	}
	return o.Detail
}

// TestCopiesAreLikeInterpreters compares what programs see of a copy with what they see of an interpreter of their own.
func TestCopiesAreLikeInterpreters(t *testing.T) {
	copies, own := open(t, Options{Workers: 1}), open(t, Options{Workers: 1})
	needTemplate(t, copies)
	own.without()
	_, _ = own.takeCandidate() // what was started ahead
	// A digest of a text, as verdicts have room for little.
	const end = "\nimport sys\nh = 0\nfor c in s: h = (h * 1000003 + ord(c)) % (1 << 61)\nraise Exception('%d %s' % (h, s[-200:]))"
	codes := map[string]string{
		"modules":     "import sys\ns = ' '.join(sorted(sys.modules))" + end,
		"environment": "import os\ns = repr(sorted(os.environ.items()))" + end,
		"descriptors": "import posix\ns = ''\nfor d in range(1024):\n    try:\n        posix.fstat(d)\n        s += ' %d' % d\n    except OSError: pass" + end,
		"numbers":     "import posix\ns = '%d %d %s' % (posix.getpid(), posix.getppid(), posix.getcwd())" + end,
		"limits":      "import sys\nsys.modules.pop('resource')\nimport resource as r\ns = ' '.join('%s %s' % (n, r.getrlimit(getattr(r, n))) for n in dir(r) if n.startswith('RLIMIT'))" + end,
		"signals":     "import signal\ns = ' '.join(str(signal.getsignal(n)).split(' at ')[0] for n in range(1, 65))" + end,
		"threads":     "import threading\ns = '%s' % [t.name for t in threading.enumerate()]" + end,
		"recursion":   "global g\ndef g(n):\n    try: return g(n + 1)\n    except RecursionError: return n\ns = str(g(0))" + end,
		"hashes":      "s = repr(hash('abc')) + repr({'a', 'b', 'c', 'd'})" + end,
		"submodule":   "import collections\ns = str(hasattr(collections, 'abc'))" + end,
		"scratch":     "import posix\ns = repr(posix.listdir('.'))" + end,
		"finders":     "import sys\ns = repr([str(f).split(' at ')[0] for f in sys.meta_path]) + repr(sys.path)" + end,
	}
	for _, name := range []string{"typing", "math", "re", "string", "collections", "itertools", "functools", "copy", "heapq", "bisect", "operator",
		"datetime", "json", "random", "statistics", "ast", "ctypes", "struct", "socket", "collections.abc", "json.decoder", "enum", "os"} {
		codes["import "+name] = "import sys, " + name + "\ns = ' '.join(sorted(sys.modules))\n" +
			"m = sys.modules['" + name + "']\ns += repr(sorted(vars(m)))\ns += str([getattr(m, n, None) for n in ('__name__', '__spec__', '__file__', '__path__', '__package__')]).split(' at ')[0]" + end
	}
	for name, code := range codes {
		if got, want := says(t, copies, code), says(t, own, code); got != want {
			t.Errorf("%s: %s\nan interpreter of its own: %s", name, got, want)
		}
	}
	if copies.template.failures != 0 {
		t.Errorf("%d failures", copies.template.failures)
	}
}

// TestCopiesDrawTheirOwn checks that copies do not share the state of a generator.
func TestCopiesDrawTheirOwn(t *testing.T) {
	x := open(t, Options{Workers: 1})
	needTemplate(t, x)
	const code = "import random\nraise Exception(random.random())"
	if a, b := says(t, x, code), says(t, x, code); a == b {
		t.Errorf("two programs have drawn %s", a)
	}
}

// TestTemplateIsStartedAgain kills the template while programs are judged.
func TestTemplateIsStartedAgain(t *testing.T) {
	x := open(t, Options{Workers: 2})
	needTemplate(t, x)
	slow := double.Prompt + "    import time\n    time.sleep(0.02)\n" + double.CanonicalSolution
	first := x.template.process
	for _, after := range []time.Duration{0, 100 * time.Millisecond} {
		kill := time.AfterFunc(after, first.Kill)
		each(6, func(i int) {
			o, err := x.Execute(t.Context(), double, slow)
			if err != nil {
				t.Error(err)
			} else if o.Kind != eval.Passed {
				t.Error(o.Result())
			}
		})
		kill.Stop()
	}
	if next, err := x.takeTemplate(); err != nil || next == first {
		t.Errorf("another template: %v, %v", next != first, err)
	}
}
