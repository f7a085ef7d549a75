package eval

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// What Python 3.11 prints for json.dumps(json.loads(line)).
func TestPythonJSON(t *testing.T) {
	for _, tt := range []struct{ compact, want string }{
		{`{}`, `{}`},
		{`{"a":[1,2.5,null],"b":{"c":"d,e:f"}}`, `{"a": [1, 2.5, null], "b": {"c": "d,e:f"}}`},
		{`["\"","\\",":\\\\","\n\t","é","日","😀","` + "\x7f" + `"]`, `["\"", "\\", ":\\\\", "\n\t", "\u00e9", "\u65e5", "\ud83d\ude00", "` + "\x7f" + `"]`},
	} {
		if got := string(pythonJSON([]byte(tt.compact))); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.compact, got, tt.want)
		}
	}
}

func TestWriteHumanEval(t *testing.T) {
	var verdicts []Verdict
	for i, o := range []Outcome{{Kind: Passed, Seconds: 1, CPUSeconds: 2}, {Kind: Failed, Detail: "name 'x' is not defined"}, {Kind: TimedOut}, {Kind: OutOfMemory}, {Kind: Crashed, Detail: "signal: 9"}} {
		var s Sample
		line := `{"task_id":"HumanEval/0","completion":"    return '<é>'\n","n":1.50}`
		if i == 0 { // a file that was judged before
			line = `{"passed":false,"task_id":"HumanEval/0","completion":"","result":"failed: "}`
		}
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		verdicts = append(verdicts, NewVerdict(s, o))
	}
	var out bytes.Buffer
	if err := WriteHumanEval(&out, verdicts); err != nil {
		t.Fatal(err)
	}
	begin := `{"task_id": "HumanEval/0", "completion": "    return '<\u00e9>'\n", "n": 1.50, "result": `
	want := `{"task_id": "HumanEval/0", "completion": "", "result": "passed", "passed": true}` + "\n" +
		begin + `"failed: name 'x' is not defined", "passed": false}` + "\n" + begin + `"timed out", "passed": false}` + "\n" +
		begin + `"failed: out of memory", "passed": false}` + "\n" + begin + `"failed: crashed: signal: 9", "passed": false}` + "\n"
	if got := out.String(); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestWriteEvalPlus(t *testing.T) {
	verdict := func(task, completion string, o Outcome) Verdict {
		return NewVerdict(Sample{TaskID: task, Completion: completion}, o)
	}
	verdicts := []Verdict{
		verdict("1", "a", Outcome{Kind: Passed, Base: "passed", Plus: "passed"}),
		verdict("0", "b\n", Outcome{Kind: TimedOut, Base: "passed", Plus: "timed out"}),
		verdict("0", "c", Outcome{Kind: Failed, Base: "failed: x", Plus: "passed"}),
	}
	r, err := Summarize(tasks(3)[:2], verdicts, []int{1, 10})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteEvalPlus(&out, r, verdicts); err != nil {
		t.Fatal(err)
	}
	entry := func(task, solution, base, plus string) string {
		return `{"task_id": "` + task + `", "solution": "` + solution + `", "base_status": "` + base + `", "plus_status": "` + plus +
			`", "base_fail_tests": [], "plus_fail_tests": []}`
	}
	want := `{"eval": {"0": [` + entry("0", `b\n`, "pass", "timeout") + ", " + entry("0", "c", "fail", "pass") + `], "1": [` + entry("1", "a", "pass", "pass") +
		`]}, "pass_at_k": {"base": {"pass@1": 0.75}, "plus": {"pass@1": 0.5}}}`
	if got := out.String(); strings.TrimSpace(got) != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}
