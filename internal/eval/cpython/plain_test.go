package cpython

import (
	"testing"

	"nfcot/internal/eval"
)

// TestTestsLeaveNothing: a process of the tester's judges several programs only where no test can leave anything behind.
func TestTestsLeaveNothing(t *testing.T) {
	x := open(t, Options{Workers: 1})
	run := func(id, test string) eval.Outcome {
		p := ownProblem(id, "def f(x):\n", "    return x\n", "def check(f):\n    "+test+"\n")
		o, err := x.Execute(t.Context(), p, p.Prompt+p.CanonicalSolution)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	processes := func() uint64 { return x.tester.jobs.Load() }

	plain := "assert f(1) == 1 and abs(f(-2)) == 2 and [f(i) for i in range(3)] == list((0, 1, 2))"
	run("plain/0", plain)
	begun := processes()
	for range 3 {
		if o := run("plain/1", plain); o.Kind != eval.Passed {
			t.Error(o.Result())
		}
	}
	if n := processes(); n != begun {
		t.Errorf("plain tests have had %d more processes", n-begun)
	}

	for id, test := range map[string]string{
		"module":    "import math; math.pi = 3; assert f(1) == 1",
		"builtin":   "import builtins; builtins.sum = len; assert f(1) == 1",
		"attribute": "().__class__.__base__.__subclasses__(); assert f(1) == 1",
		"unlisted":  "getattr(check, '__globals__')['__builtins__']['sum'] = len; assert f(1) == 1",
		"global":    "global left\n    left = 1\n    assert f(1) == 1",
		"fails":     "import math; math.pi = 3; assert f(1) == 2",
	} {
		run(id, test)
		before := processes()
		if o := run("after/"+id, "import math; assert 3 < math.pi and sum([f(1), f(2)]) == 3"); o.Kind != eval.Passed {
			t.Errorf("after %s: %s", id, o.Result())
		}
		if processes() == before {
			t.Errorf("%s: its process has judged another program", id)
		}
	}

	draw := "import random; assert False, [random.random(), f(1)]"
	if first, second := run("draw/0", draw), run("draw/1", draw); first.Detail != second.Detail || first.Detail == "" {
		t.Errorf("two tests have drawn %s and %s", first.Detail, second.Detail)
	}
}
