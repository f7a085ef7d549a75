package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
)

// drawnPlan is a plan of 3 problems with 4 samples each. Drawing fails with broken
// after most samples.
func drawnPlan(dir string, most int, broken error) (p *Plan, asked *[][]int) {
	var problems []eval.Problem
	for i := range 3 {
		problems = append(problems, eval.Problem{TaskID: fmt.Sprint("t/", i), Prompt: "p", EntryPoint: "f", Test: "t"})
	}
	asked = new([][]int)
	return &Plan{Bench: "b", Problems: problems, Recipe: &bench.Recipe{Name: "r", Assemble: eval.Concatenate}, Executor: &Executor{Executor: hashed{}}, Warnf: func(string, ...any) {},
		K: []int{1, 4}, Workers: 2, Shard: Whole, Out: dir, Logf: func(string, ...any) {},
		N: 4, Method: "m", Sampling: json.RawMessage(`{"z":"<","a":1}`), PeakMemory: func() int64 { return 7 },
		Draw: func(_ context.Context, missing []int) iter.Seq2[eval.Indexed, error] {
			*asked = append(*asked, missing)
			return func(yield func(eval.Indexed, error) bool) {
				for at, i := range missing {
					if at == most {
						yield(eval.Indexed{}, broken)
						return
					}
					if !yield(eval.Indexed{Index: i, Sample: eval.Sample{TaskID: problems[i/4].TaskID, Completion: fmt.Sprint(i), Finished: i%2 == 0}}, nil) {
						return
					}
				}
			}
		}}, asked
}

// What was drawn before an error is not drawn again, and nothing shows that there
// was one.
func TestDrawingGoesOn(t *testing.T) {
	whole, _ := drawnPlan(filepath.Join(t.TempDir(), "whole"), -1, nil)
	want, err := Run(t.Context(), *whole)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	dir := filepath.Join(t.TempDir(), "in pieces")
	p, asked := drawnPlan(dir, 5, broken)
	for range 2 {
		if _, err := Run(t.Context(), *p); !errors.Is(err, broken) {
			t.Fatalf("the error is %v, want %v", err, broken)
		}
	}
	var last Progress
	p.Watch = func(now Progress) {
		if now.Drawn < last.Drawn || now.Judged < last.Judged || now.Judged > now.Samples-now.Missing+now.Drawn && now.Missing > 0 {
			t.Errorf("%+v comes after %+v", now, last)
		}
		last = now
	}
	got, err := Run(t.Context(), *p)
	if err != nil {
		t.Fatal(err)
	}
	every := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	if len(*asked) != 3 || !slices.Equal((*asked)[0], every) || !slices.Equal((*asked)[1], every[5:]) || !slices.Equal((*asked)[2], every[10:]) {
		t.Errorf("asked for %v", *asked)
	}
	if last.Samples != 12 || last.Missing != 2 || last.Drawn != 2 || last.Finished != 1 || last.Judged != 12 {
		t.Errorf("the progress ends with %+v", last)
	}
	for _, file := range []string{samplesFile, reportFile, problemsFile, plotFile} {
		a, errA := os.ReadFile(filepath.Join(whole.Out, file))
		b, errB := os.ReadFile(filepath.Join(dir, file))
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("%s differs from that of an undisturbed evaluation: %v, %v", file, errA, errB)
		}
	}
	if got.PeakMemory != 7 || len(got.Verdicts) != len(want.Verdicts) {
		t.Errorf("%d bytes of memory and %d verdicts", got.PeakMemory, len(got.Verdicts))
	}
	report, err := os.ReadFile(filepath.Join(dir, reportFile))
	if err != nil || !strings.Contains(string(report), "\"sampling\": {\n    \"z\": \"\\u003c\",\n    \"a\": 1\n  }") {
		t.Errorf("the report does not have the sampling as it was given: %v\n%s", err, report)
	}
}

// A function that draws too little is found out.
func TestDrawingTooLittle(t *testing.T) {
	p, _ := drawnPlan(t.TempDir(), -1, nil)
	p.Draw = func(context.Context, []int) iter.Seq2[eval.Indexed, error] {
		return func(func(eval.Indexed, error) bool) {}
	}
	if _, err := Run(t.Context(), *p); err == nil || !strings.Contains(err.Error(), "sample 1 of 12 was not drawn") {
		t.Errorf("the error is %v", err)
	}
}
