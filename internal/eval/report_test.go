package eval

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
)

// tasks makes problems named "0", "1" ...
func tasks(n int) []Problem {
	problems := make([]Problem, n)
	for i := range problems {
		problems[i].TaskID = fmt.Sprint(i)
	}
	return problems
}

// verdictsOf makes verdicts out of one string a problem, with a character a
// sample: '1' passed.
func verdictsOf(runs ...string) []Verdict {
	var verdicts []Verdict
	for i, run := range runs {
		for _, c := range run {
			o := Outcome{Kind: Failed, Detail: "x"}
			if c == '1' {
				o = Outcome{Kind: Passed}
			}
			verdicts = append(verdicts, NewVerdict(Sample{TaskID: fmt.Sprint(i)}, o))
		}
	}
	return verdicts
}

func TestSummarize(t *testing.T) {
	var verdicts []Verdict
	for _, line := range []string{
		`{"task_id":"0","completion":"","passed":true,"result":"passed","finished":true,"answer_tokens":10,"think_seconds":0.5,"reasoning_positions":4}`,
		`{"task_id":"0","completion":"","passed":false,"result":"failed: a: b","finished":false,"answer_tokens":20,"think_seconds":1.5,"reasoning_positions":0}`,
		`{"task_id":"1","completion":"","passed":false,"result":"timed out","finished":true,"answer_tokens":30,"think_flops":8,"reasoning_positions":2}`,
		`{"task_id":"1","completion":"","passed":false,"result":"out of memory","finished":true,"answer_tokens":40,"answer_flops":6}`,
		`{"task_id":"1","completion":"","passed":false,"result":"crashed: x","answer_tokens":0}`,
	} {
		var v Verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		verdicts = append(verdicts, v)
	}
	got, err := Summarize(tasks(2), verdicts, []int{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	got.Tasks = nil // TestByTask
	float := func(x float64) *float64 { return &x }
	want := Report{
		Problems: 2, Samples: 5, MinSamples: 2, MaxSamples: 3,
		PassAtK: []PassEstimate{
			{1, Estimate{0.25, 0, 0.5, "bootstrap"}}, // values 1/2 and 0
			{2, Estimate{0.5, 0, 1, "bootstrap"}},    // values 1 and 0; problem 0 has no third sample
		},
		Results:            map[Kind]int{Passed: 1, Failed: 1, TimedOut: 1, OutOfMemory: 1, Crashed: 1},
		Finished:           float(0.75),
		ReasoningPositions: float(2),
		AnswerTokens:       float(20),
		ThinkSeconds:       float(1),
		ThinkFLOPs:         float(8),
		AnswerFLOPs:        float(6),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %s\nwant %s", encode(t, got), encode(t, want))
	}
}

func TestByTask(t *testing.T) {
	verdict := func(task string, o Outcome) Verdict { return NewVerdict(Sample{TaskID: task}, o) }
	verdicts := []Verdict{
		verdict("1", Outcome{Kind: Passed, Base: "passed"}),
		verdict("0", Outcome{Kind: Failed, Detail: "passed", Base: "failed: x", MissingPackage: "p"}),
		verdict("1", Outcome{Kind: TimedOut, Base: "passed", InProcess: true}),
		verdict("0", Outcome{Kind: Failed, Detail: "y", Base: "passed", OwnSolution: "timed out"}),
	}
	r, err := Summarize(tasks(3)[:2], verdicts, []int{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	want := []TaskReport{
		{TaskID: "0", Samples: 2, Base: 1, Results: map[Kind]int{Failed: 2}, OwnSolution: "timed out"},
		{TaskID: "1", Samples: 2, Passed: 1, Base: 2, Results: map[Kind]int{Passed: 1, TimedOut: 1}, InProcess: true},
	}
	if !reflect.DeepEqual(r.Tasks, want) {
		t.Errorf("\n got %+v\nwant %+v", r.Tasks, want)
	}
	if !reflect.DeepEqual(r.FailingSolutions, map[string]string{"0": "timed out"}) {
		t.Errorf("own solutions that fail: %v", r.FailingSolutions)
	}
	if !reflect.DeepEqual(r.MissingPackages, map[string]int{"p": 1}) {
		t.Errorf("packages that are not there: %v", r.MissingPackages)
	}
	if r.InProcess != 1 {
		t.Errorf("%d problems in process, want 1", r.InProcess)
	}
	for i, want := range []struct{ base, plus float64 }{{0.75, 0.25}, {1, 0.5}} {
		if base, plus := r.BasePassAtK[i].Value, r.PassAtK[i].Value; base != want.base || plus != want.plus || r.BasePassAtK[i].K != i+1 {
			t.Errorf("pass@%d: base %g, plus %g; want %g and %g", i+1, base, plus, want.base, want.plus)
		}
	}
	if len(r.BasePassAtK) != 2 {
		t.Errorf("%d base estimates, want 2", len(r.BasePassAtK))
	}
}

func TestSummarizeEdges(t *testing.T) {
	// One sample a problem: Wilson. A k that is asked for twice is there once.
	r, err := Summarize(tasks(3), verdictsOf("1", "0", "1"), []int{1, 10, 1})
	if err != nil {
		t.Fatal(err)
	}
	if want := []PassEstimate{{1, wilson(2, 3)}}; !reflect.DeepEqual(r.PassAtK, want) {
		t.Errorf("got %+v, want %+v", r.PassAtK, want)
	}
	// A problem without samples forbids pass@k and is named.
	r, err = Summarize(tasks(3), verdictsOf("1", "", "1"), []int{1})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.PassAtK) != 0 || r.MinSamples != 0 || !reflect.DeepEqual(r.Unattempted, []string{"1"}) {
		t.Errorf("got %+v, want no pass@k and problem 1 unattempted", r)
	}
	// Nothing at all is no crash and can be written.
	r, err = Summarize(nil, nil, []int{1})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := encode(t, r.PassAtK), "[]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, tt := range []struct {
		verdicts []Verdict
		k        int
		want     string
	}{
		{verdictsOf("1"), 0, "pass@k: k is 0, expected 1 or more"},
		{verdictsOf("1", "1"), 1, `verdict 2: task_id "1" is not among the 1 problems`},
	} {
		if _, err := Summarize(tasks(1), tt.verdicts, []int{tt.k}); err == nil || err.Error() != tt.want {
			t.Errorf("got error %v, want %s", err, tt.want)
		}
	}
}

func TestCompare(t *testing.T) {
	problems := tasks(4)
	runs := []string{"11", "10", "00", "01"}
	// Pairing: a run against itself differs by nothing, without doubt.
	got, err := Compare(problems, verdictsOf(runs...), verdictsOf(runs...), TaskReport.PassAtK, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Estimate{0, 0, 0, "bootstrap"}); got != want {
		t.Errorf("a run against itself: %+v, want %+v", got, want)
	}
	// Differences 0, 0, 0, 1 (compare TestBootstrapByHand), whatever the problems' levels.
	a, b := verdictsOf("11", "10", "00", "11"), verdictsOf("11", "01", "000", "00")
	if got, err = Compare(problems, a, b, TaskReport.PassAtK, 1); err != nil {
		t.Fatal(err)
	}
	if want := (Estimate{0.25, 0, 0.75, "bootstrap"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, err = Compare(problems, b, a, TaskReport.PassAtK, 1); err != nil {
		t.Fatal(err)
	}
	if want := (Estimate{-0.25, -0.75, 0, "bootstrap"}); got != want {
		t.Errorf("the other way round: got %+v, want %+v", got, want)
	}
	for _, tt := range []struct {
		k    int
		want string
	}{
		{0, "k is 0, expected 1 or more"},
		{3, `task "0": found 2 and 2 samples, k = 3 needs as many of both runs`},
	} {
		if _, err := Compare(problems, a, b, TaskReport.PassAtK, tt.k); err == nil || err.Error() != tt.want {
			t.Errorf("got error %v, want %s", err, tt.want)
		}
	}
}

func TestPlottedKs(t *testing.T) {
	for _, tt := range []struct {
		n    int
		want []int
	}{
		{0, nil}, {1, []int{1}}, {2, []int{1, 2}}, {4, []int{1, 2, 3, 4}}, {10, []int{1, 2, 3, 5, 7, 10}},
		{200, []int{1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 200}},
	} {
		if got := PlottedKs(tt.n); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("PlottedKs(%d) = %v, want %v", tt.n, got, tt.want)
		}
	}
}

func TestAddStructures(t *testing.T) {
	half, whole := 0.5, 1.0
	r := Report{}
	r.AddStructures([]Structure{{"0", &half, 1}, {"1", nil, 2}, {"2", &whole, 0}})
	if r.StructuralSimilarity == nil || *r.StructuralSimilarity != 0.75 || r.Unparsed != 3 {
		t.Errorf("similarity %v, %d left out; want 0.75 and 3", r.StructuralSimilarity, r.Unparsed)
	}
	if r.AddStructures([]Structure{{"1", nil, 2}}); r.StructuralSimilarity != nil || r.Unparsed != 2 {
		t.Errorf("similarity %v, %d left out; want none and 2", r.StructuralSimilarity, r.Unparsed)
	}
}
