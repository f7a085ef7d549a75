package cpython

import (
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
	each(len(samples), func(i int) {
		s := samples[i]
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
