package cpython

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"nfcot/internal/eval"
)

// liveCodeBench returns the problems of LiveCodeBench, by their ids.
func liveCodeBench(t testing.TB) map[string]eval.Problem {
	problems := map[string]eval.Problem{}
	for _, name := range []string{"lcb_synthetic", "lcb_v1_subset"} {
		for _, line := range lines(t, "livecodebench/"+name+".jsonl") {
			id := decode[struct {
				QuestionID string `json:"question_id"`
			}](t, line).QuestionID
			problems[id] = eval.Problem{TaskID: id, Format: eval.LiveCodeBench, Raw: line}
		}
	}
	return problems
}

func TestLiveCodeBenchAgrees(t *testing.T) {
	type sample struct {
		QuestionID  string `json:"question_id"`
		Tag, Code   string
		Passed      bool
		AnchorError string `json:"anchor_error"`
	}
	var samples []sample
	for _, line := range lines(t, "agreement/livecodebench_samples.jsonl") {
		samples = append(samples, decode[sample](t, line))
	}
	problems := liveCodeBench(t)
	x := open(t, Options{Workers: 2})
	// Before 3.11 a call of a Python function takes the processor's stack, and 20,000 of them more than there is.
	deep := x.python.Version[1] >= 11
	each(len(samples), func(i int) {
		s := samples[i]
		if s.Tag == "recursion_20000" && !deep {
			return
		}
		o, err := x.Execute(t.Context(), problems[s.QuestionID], s.Code)
		if err != nil {
			t.Error(err)
			return
		}
		timedOut := strings.HasPrefix(s.AnchorError, "Time Limit")
		if (o.Kind == eval.Passed) != s.Passed || (o.Kind == eval.TimedOut) != timedOut {
			t.Errorf("%s, %s: %s; the reference: %t, %s", s.QuestionID, s.Tag, o.Result(), s.Passed, s.AnchorError)
		}
	})
}

// addition is a problem whose hidden tests are as given.
func addition(t testing.TB, hidden string) eval.Problem {
	t.Helper()
	line, err := json.Marshal(map[string]string{
		"public_test_cases":  `[{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]`,
		"private_test_cases": hidden,
		"metadata":           "{}",
	})
	if err != nil {
		t.Fatal(err)
	}
	return eval.Problem{TaskID: hidden, Format: eval.LiveCodeBench, Raw: line}
}

// deflated is a pickle as LiveCodeBench packs it.
func deflated(t testing.TB, pickle string) string {
	t.Helper()
	var buf bytes.Buffer
	z := zlib.NewWriter(&buf)
	if _, err := z.Write([]byte(pickle)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(buf.Bytes())
}

func TestHiddenTestsAreNotUnpickled(t *testing.T) {
	const add = "print(sum(map(int, input().split())))"
	const three = `[{"input": "1 2", "output": "3"}]`
	size := string([]byte{byte(len(three))})
	x := open(t, Options{})
	for _, c := range []struct {
		hidden string
		passes bool
	}{
		{"[]", true},
		{three, true},
		{`[{"input": "1 2", "output": "4"}]`, false},
		{deflated(t, "\x80\x04\x8c"+size+three+"\x94."), true},
		{deflated(t, "\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00X"+size+"\x00\x00\x00"+three+"q\x00."), true},
		{deflated(t, "\x80\x04\x8d"+size+"\x00\x00\x00\x00\x00\x00\x00"+three+"\x94."), true},
		{deflated(t, "cbuiltins\neval\n(\x8c"+size+three+"tR."), false},
		{deflated(t, "\x8c"+size+three+"\x8c"+size+three+"."), false},
		{deflated(t, "\x8c"+size+three), false},
		{deflated(t, "\x8c"+size+three+".."), false},
		{deflated(t, "\x8c\xff"+three+"."), false},
		{deflated(t, "."), false},
		{deflated(t, "\x8c"+size+three+"\x94.")[:20], false},
		{"no tests", false},
	} {
		o, err := x.Execute(t.Context(), addition(t, c.hidden), add)
		if err != nil {
			t.Fatal(err)
		}
		if (o.Kind == eval.Passed) != c.passes {
			t.Errorf("%q: %s", c.hidden, o.Result())
		}
	}
}

// TestLiveCodeBenchForgery runs programs that the reference harness passes
// though they give no right result.
func TestLiveCodeBenchForgery(t *testing.T) {
	problems := liveCodeBench(t)
	x := open(t, Options{})
	if o, err := x.Execute(t.Context(), problems["nfx-is-even"], "isEven = lambda n: n % 2 == 0"); err != nil || o.Kind != eval.Passed {
		t.Fatal(o.Result(), err)
	}
	for _, c := range []struct{ id, code string }{
		{"nfx_sum", `
import sys
class Text(str):
    def strip(self): return self
    def split(self, *a): return Same()
class Same(list):
    def __len__(self): return 1
class Out:
    def write(self, s): pass
    def getvalue(self): return Text("x")
sys.stdout.getvalue = lambda: Text("x")
sys.stdout = Out()`},
		{"nfx_sum", "import os, sys\nos._exit(0)"},
		{"nfx-is-even", `
class Always(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
class Solution:
    def isEven(self, n): return Always(5)`},
		{"nfx-is-even", `
class Always:
    def __eq__(self, other): return True
class Solution:
    def isEven(self, n): return Always()`},
		{"nfx-split", `
class Always(list):
    def __eq__(self, other): return True
class Solution:
    def runs(self, a): return Always()`},
		{"nfx-is-even", `
import os
class Solution:
    def isEven(self, n):
        for d in range(3, 20):
            try: os.write(d, b'{"verdict": {"kind": "passed", "detail": ""}}\n')
            except OSError: pass
        return None`},
	} {
		o, err := x.Execute(t.Context(), problems[c.id], c.code)
		if err != nil {
			t.Fatal(err)
		}
		if o.Kind == eval.Passed {
			t.Errorf("%s: passed:\n%s", c.id, c.code)
		}
	}
}
