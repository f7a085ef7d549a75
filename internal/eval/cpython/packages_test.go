package cpython

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/eval"
)

// environment makes a virtual environment as module venv does, with files in its folder of packages. It returns the
// environment's interpreter and that folder.
func environment(t *testing.T, files map[string]string) (python, packages string) {
	t.Helper()
	base, err := find(t.Context(), os.Getenv("NFCOT_PYTHON"))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	packages = filepath.Join(dir, "lib", fmt.Sprintf("python3.%d", base.Version[1]), "site-packages")
	python = filepath.Join(dir, "bin", "python")
	files[filepath.Join("..", "..", "..", "pyvenv.cfg")] = "home = " + filepath.Dir(base.Executable) + "\ninclude-system-site-packages = false\n"
	for name, text := range files {
		path := filepath.Join(packages, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(python), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(base.Executable, python); err != nil {
		t.Fatal(err)
	}
	return python, packages
}

// openWith is open with another interpreter.
func openWith(t *testing.T, python string) *Executor {
	t.Helper()
	o := testOptions(Options{Workers: 2})
	o.Python = python
	x, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// one is a problem whose function returns 1.
func one() eval.Problem {
	return ownProblem("one", "def f():\n", "    return 1\n", "def check(f):\n    assert f() == 1, f()\n")
}

// TestPackages: with an environment's interpreter, programs and tests import its packages.
func TestPackages(t *testing.T) {
	python, packages := environment(t, map[string]string{
		"tally/__init__.py":                  "from . import parts\ndef one(): return parts.ONE\n",
		"tally/parts.py":                     "ONE = 1\n",
		"tally-1.2.dist-info/METADATA":       "Name: tally\n",
		"single.py":                          "import os\nvalue = 1\nhere = os.getcwd\n",
		"more.pth":                           "further\n/nowhere/at/all\n",
		"further/beyond.py":                  "value = 1\n",
		"../../../outside.txt":               "no package\n",
		"numpyish-0.1.dist-info/RECORD":      "",
		"numpyish-0.1.dist-info/sub/ignored": "",
	})
	x := openWith(t, python)
	if got := x.Packages(); !slices.Equal(got, []string{"numpyish 0.1", "tally 1.2"}) {
		t.Errorf("packages %q", got)
	}
	for _, tt := range []struct{ code, failed string }{
		{"import tally\nreturn tally.one()", ""},
		{"from tally.parts import ONE\nreturn ONE", ""},
		{"import single\nreturn single.value", ""},
		{"import beyond\nreturn beyond.value", ""},
		// As in the reference, what is installed and not imported before finds os without what is taken away.
		{"import single\nreturn single.here()", "'NoneType' object is not callable"},
		{"import no_such_package\nreturn 1", "No module named 'no_such_package'"},
		{"import tally.no_such_part\nreturn 1", "No module named 'tally.no_such_part'"},
		{"import threading, tally\nfound = []\nt = threading.Thread(target=lambda: found.append(tally.one()))\nt.start()\nt.join()\nreturn found[0]", ""},
		// It is there to be read alone, and nothing beside it.
		{"import tally\nopen(tally.__file__, 'a')\nreturn 1", "*"},
		{"import tally, posix\nposix.unlink(tally.__file__)\nreturn 1", "*"},
		{"open(" + fmt.Sprintf("%q", filepath.Join(packages, "../../../outside.txt")) + ")\nreturn 1", "*"},
	} {
		o, err := x.Execute(t.Context(), one(), "def f():\n    "+strings.ReplaceAll(tt.code, "\n", "\n    ")+"\n")
		if err != nil {
			t.Fatal(err)
		}
		if tt.failed == "*" {
			if o.Kind != eval.Failed || !strings.HasPrefix(o.Detail, "[Errno ") {
				t.Errorf("%s: %s", tt.code, o.Result())
			}
		} else if o.Kind == eval.Passed != (tt.failed == "") || o.Detail != tt.failed {
			t.Errorf("%s: %s; want %q", tt.code, o.Result(), tt.failed)
		}
	}
	if text, err := os.ReadFile(filepath.Join(packages, "tally/__init__.py")); err != nil || strings.Count(string(text), "\n") != 2 {
		t.Errorf("%q, %v", text, err)
	}
	if o, err := x.Execute(t.Context(), ownProblem("test", "", "", "import tally\ndef check(f):\n    assert f() == tally.one()\n"), "def f(): return 1"); err != nil || o.Kind != eval.Passed {
		t.Errorf("a test that imports a package: %s, %v", o.Result(), err)
	}
}

// TestPackagesRunWithinTheWallsOnly: a line of a .pth file that begins with import is code. It runs where programs run, and
// nothing that is installed runs where the interpreter describes itself.
func TestPackagesRunWithinTheWallsOnly(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	leave := fmt.Sprintf("open(%q, 'a').write('x')", trace)
	python, _ := environment(t, map[string]string{
		"a.pth":             "import sys; sys.pth = 1\n",
		"b.pth":             "import os; " + leave + "\n",
		"c.pth":             "import b_module\n",
		"b_module.py":       leave + "\n",
		"sitecustomize.py":  leave + "\n",
		"usercustomize.py":  leave + "\n",
		"json.py":           leave + "\n",
		"site.py":           leave + "\n",
		"d.pth":             "/\n" + filepath.Dir(trace) + "\n", // no reason to let anybody read there
		"d-1.dist-info/x":   "",
		"importlib/site.py": leave + "\n",
	})
	x := openWith(t, python)
	for code, want := range map[string]eval.Kind{
		"import sys\nreturn sys.pth": eval.Passed,
		"import os\nreturn int(not os.path.exists(" + fmt.Sprintf("%q", filepath.Dir(trace)) + "))": eval.Passed,
	} {
		if o, err := x.Execute(t.Context(), one(), "def f():\n    "+strings.ReplaceAll(code, "\n", "\n    ")+"\n"); err != nil || o.Kind != want {
			t.Errorf("%s: %s, %v; want %s", code, o.Result(), err, want)
		}
	}
	if text, err := os.ReadFile(trace); err == nil {
		t.Errorf("something of the environment ran outside: %q", text)
	}
}

// TestWithoutPackages: an interpreter that nobody named brings none, and a program that misses one is told apart.
func TestWithoutPackages(t *testing.T) {
	x := openWith(t, "")
	if got := x.Packages(); len(got) != 0 {
		t.Errorf("packages %q", got)
	}
	plus := one()
	plus.TaskID, plus.Format, plus.Raw = "plus", eval.EvalPlus, json.RawMessage(`{"task_id":"plus","prompt":"def f():\n","entry_point":"f","canonical_solution":"    return 1\n","base_input":[[]],"plus_input":[],"atol":0}`)
	for _, tt := range []struct {
		p             eval.Problem
		program, want string
	}{
		{one(), "import no_such.part\ndef f(): return 1", "no_such"},
		{one(), "def f():\n    import no_such\n    return 1", "no_such"},
		{plus, "import no_such\ndef f(): return 1", "no_such"},
		{ownMBPP(t, "1", "def f(): return 1", "assert f() == 1"), "from no_such import x", "no_such"},
		{addition(t, "[]"), "import no_such\nprint(1)", "no_such"},
		{one(), "try:\n    import no_such\nexcept ImportError:\n    pass\ndef f(): return 1", ""},
		{one(), "def f(): raise ValueError('about \\'No module named x\\'')", ""},
		{one(), "import resource", ""},
	} {
		o, err := x.Execute(t.Context(), tt.p, tt.program)
		if err != nil {
			t.Fatal(err)
		}
		if o.MissingPackage != tt.want || tt.want != "" && !strings.HasPrefix(o.Detail, "No module named 'no_such") {
			t.Errorf("%s: %s, misses %q, want %q", tt.program, o.Result(), o.MissingPackage, tt.want)
		}
	}
}

// TestNumpy runs programs with numpy in the environment of $NFCOT_NUMPY, the path of an interpreter. Verdicts are those of
// the reference harnesses, which have numpy themselves.
func TestNumpy(t *testing.T) {
	python := os.Getenv("NFCOT_NUMPY")
	if python == "" {
		t.Skip("NFCOT_NUMPY names no interpreter with numpy")
	}
	x := openWith(t, python)
	judge := func(p eval.Problem, program string) eval.Outcome {
		t.Helper()
		o, err := x.Execute(t.Context(), p, program)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	// Values that are right, and what they are compared with.
	for _, tt := range []struct {
		value, test string
		passes      bool
	}{
		{"np.int64(7)", "f() == 7", true},
		{"np.int64(8)", "f() == 7", false},
		{"np.float32(0.5)", "f() == 0.5 and f().dtype.name == 'float32'", true},
		{"np.float64(0.1) + 0.2", "abs(f() - 0.3) < 1e-9", true},
		{"np.bool_(True)", "f() == True", true},
		{"np.array([1, 2]) > 1", "f().tolist() == [False, True]", true},
		{"np.complex64(1j)", "f() == 1j", true},
		{"[np.int8(1), (np.uint64(2),)]", "f() == [1, (2,)]", true},
		{"{np.int64(1): np.int32(2)}", "f() == {1: 2}", true},
		{"np.arange(6).reshape(2, 3)", "f().shape == (2, 3) and f().sum() == 15 and f().T.tolist() == [[0, 3], [1, 4], [2, 5]]", true},
		{"np.array([1])", "f() == 1", true},
		{"np.array([1, 2])", "f() == [1, 2]", false}, // ambiguous, there too
		{"np.array([1, 2])", "(f() == np.array([1, 2])).all()", true},
		{"np.array([1.5, 2])", "np.allclose(f(), [1.5, 2])", true},
		{"np.array(['a', 'bc'])", "list(f()) == ['a', 'bc']", true},
		{"np.array([1, 'a', None], dtype=object)", "list(f()) == [1, 'a', None]", true},
		{"np.zeros((0, 3))", "f().shape == (0, 3)", true},
		{"np.array(3)", "f() == 3 and f().shape == ()", true},
	} {
		p := ownProblem(tt.value+tt.test, "", "", "import numpy as np\ndef check(f):\n    assert "+tt.test+"\n")
		if o := judge(p, "import numpy as np\ndef f(): return "+tt.value); o.Kind == eval.Passed != tt.passes || o.InProcess {
			t.Errorf("%s for %s: %s", tt.value, tt.test, o.Result())
		}
	}
	argument := ownProblem("argument", "", "", "import numpy as np\ndef check(f):\n    assert f(np.ones((3, 4))) == 12\n")
	if o := judge(argument, "def f(a): return a.sum()"); o.Kind != eval.Passed || o.InProcess {
		t.Errorf("an array as argument: %s", o.Result())
	}
	threads := "import numpy as np\nfrom concurrent.futures import ThreadPoolExecutor\ndef f():\n    a = np.ones((200, 200))\n    with ThreadPoolExecutor(4) as e:\n        return int(sum(e.map(lambda i: (a @ a)[0, 0], range(8)))) // 1600\n"
	if o := judge(one(), threads); o.Kind != eval.Passed {
		t.Errorf("threads: %s", o.Result())
	}
	if o := judge(addition(t, "[]"), "import numpy as np\nprint(np.sum(np.array(input().split(), dtype=int)))"); o.Kind != eval.Passed {
		t.Errorf("LiveCodeBench: %s", o.Result())
	}
	line := `{"task_id":"plus","prompt":"def f(x):\n","entry_point":"f","canonical_solution":"    return [v / 3 for v in x]\n","base_input":[[[1, 2]]],"plus_input":[[[5]]],"atol":1e-6}`
	plus := eval.Problem{TaskID: "plus", Prompt: "def f(x):\n", EntryPoint: "f", CanonicalSolution: "    return [v / 3 for v in x]\n", Format: eval.EvalPlus, Raw: json.RawMessage(line)}
	for result, passes := range map[string]bool{"list(np.array(x) / 3)": true, "list(np.float32(x) / 3)": true, "list(np.array(x) / 2)": false, "np.array(x) / 3": false} {
		if o := judge(plus, "import numpy as np\ndef f(x): return "+result); o.Kind == eval.Passed != passes {
			t.Errorf("EvalPlus, %s: %s", result, o.Result())
		}
	}
	// Nothing that numpy lets cross stands for everything.
	for name, completion := range forgeries {
		if o := judge(double, double.Prompt+completion); o.Kind == eval.Passed {
			t.Errorf("%s passed", name)
		}
	}
	for _, value := range []string{"np.array([])", "np.array([np.nan])", "np.ma.masked", "np.array([True])", "np.array([6, 'abab'], dtype=object)",
		"np.ones(4).view(type('A', (np.ndarray,), {'__eq__': lambda *a: True, '__bool__': lambda s: True}))", "np.array(x, dtype='O')", "np.array([x])[:0]"} {
		if o := judge(double, double.Prompt+"    import numpy as np\n    return "+value+"\n"); o.Kind == eval.Passed {
			t.Errorf("%s passed", value)
		}
	}
}
