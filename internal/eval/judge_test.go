package eval

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// collect judges and gives the verdicts in the samples' order, without times.
func collect(t testing.TB, exec Executor, problems []Problem, samples []Sample, workers int) []Verdict {
	t.Helper()
	verdicts := make([]Verdict, len(samples))
	seen := make([]int, len(samples))
	err := Judge(context.Background(), exec, Concatenate, problems, Enumerate(samples), workers, func(i int, v Verdict) error {
		v.Seconds = 0
		verdicts[i] = v
		seen[i]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range seen {
		if n != 1 {
			t.Fatalf("sample %d has %d verdicts, want 1", i, n)
		}
	}
	return verdicts
}

// executorFunc is an Executor made of a function.
type executorFunc func(ctx context.Context, p Problem, program string) (Outcome, error)

func (e executorFunc) Execute(ctx context.Context, p Problem, program string) (Outcome, error) {
	return e(ctx, p, program)
}

// TestSolutionsAreNotAssembled judges a whole program as it is.
func TestSolutionsAreNotAssembled(t *testing.T) {
	const whole = "def f(x):\n    return x\n"
	exec := executorFunc(func(_ context.Context, _ Problem, program string) (Outcome, error) {
		if program != whole {
			return Outcome{Kind: Failed, Detail: program}, nil
		}
		return Outcome{Kind: Passed}, nil
	})
	verdicts := collect(t, exec, []Problem{identity},
		[]Sample{{TaskID: identity.TaskID, Completion: "not Python", Solution: new(whole)}, {TaskID: identity.TaskID, Completion: "not Python"}}, 1)
	if got, want := []string{verdicts[0].Result, verdicts[1].Result}, []string{"passed", "failed: not Python"}; !slices.Equal(got, want) {
		t.Errorf("with a solution and without: %q, want %q", got, want)
	}
}

// TestSurrogates: Python does not compile half of a surrogate pair, and says where it is.
func TestSurrogates(t *testing.T) {
	passes := executorFunc(func(context.Context, Problem, string) (Outcome, error) { return Outcome{Kind: Passed}, nil })
	plus := Problem{TaskID: "plus", Format: EvalPlus, Prompt: "é"}
	var samples []Sample
	var want []string
	for _, tt := range []struct{ line, want string }{
		{`{"task_id":"plus","completion":"😀\ud83d"}`, `failed: 'utf-8' codec can't encode character '\ud83d' in position 2: surrogates not allowed`},
		{`{"task_id":"plus","solution":"ab\ud83d\ud800\ud800\udc00c\udfff"}`, "failed: 'utf-8' codec can't encode characters in position 2-3: surrogates not allowed"},
		{`{"task_id":"plus","completion":"\ud83d\ude00"}`, "passed"},
	} {
		var s Sample
		if err := s.UnmarshalJSON([]byte(tt.line)); err != nil {
			t.Fatal(err)
		}
		samples, want = append(samples, s), append(want, tt.want)
	}
	for i, v := range collect(t, passes, []Problem{plus}, samples, 2) {
		if v.Result != want[i] || v.Passed != (want[i] == "passed") {
			t.Errorf("%q: %s, want %s", samples[i].Completion, v.Result, want[i])
		}
		if !v.Passed && (v.Base != v.Result || v.Plus != v.Result) {
			t.Errorf("base %s and plus %s, want both as the result", v.Base, v.Plus)
		}
	}
}

// A wall-clock timeout counts only if it happens again, after the others and alone.
func TestWallClockTimeoutsAreConfirmed(t *testing.T) {
	var running, started atomic.Int32
	exec := executorFunc(func(_ context.Context, p Problem, program string) (Outcome, error) {
		completion := strings.TrimPrefix(program, p.Prompt)
		nth := started.Add(1)
		others := running.Add(1) - 1
		defer running.Add(-1)
		time.Sleep(time.Millisecond)
		if nth > 20 && others > 0 {
			t.Errorf("run %d is not alone", nth)
		}
		switch {
		case completion == "quick", completion == "slow" && nth > 20:
			return Outcome{Kind: Passed}, nil
		case completion == "steps":
			return Outcome{Kind: TimedOut}, nil
		}
		return Outcome{Kind: TimedOut, WallClock: true}, nil
	})
	want := map[string]string{"quick": "passed", "slow": "passed", "steps": "timed out", "stuck": "timed out"}
	var samples []Sample
	for range 5 {
		for _, completion := range []string{"quick", "slow", "steps", "stuck"} {
			samples = append(samples, Sample{TaskID: identity.TaskID, Completion: completion})
		}
	}
	for i, v := range collect(t, exec, []Problem{identity}, samples, 3) {
		if v.Result != want[v.Completion] {
			t.Errorf("sample %d (%s): got %q, want %q", i, v.Completion, v.Result, want[v.Completion])
		}
	}
	if got := started.Load(); got != 30 {
		t.Errorf("%d runs, want 20 and 10 confirmations", got)
	}
}

func TestJudgeErrors(t *testing.T) {
	pass := executorFunc(func(context.Context, Problem, string) (Outcome, error) { return Outcome{Kind: Passed}, nil })
	never := executorFunc(func(context.Context, Problem, string) (Outcome, error) {
		t.Error("a program was run")
		return Outcome{}, nil
	})
	broken := errors.New("broken")
	fails := executorFunc(func(context.Context, Problem, string) (Outcome, error) { return Outcome{}, broken })
	good := []Sample{{TaskID: identity.TaskID}}
	for _, tt := range []struct {
		exec     Executor
		problems []Problem
		samples  []Sample
		yield    error
		want     string
	}{
		{pass, []Problem{identity}, []Sample{good[0], {TaskID: "x"}}, nil, `sample 2: task_id "x" is not among the 1 problems`},
		{never, []Problem{identity, identity}, good, nil, `problem 2: task_id "identity" occurs a second time`},
		{never, []Problem{{TaskID: "identity"}}, good, nil, `problem 1 ("identity"): entry_point or test is empty`},
		{fails, []Problem{identity}, good, nil, "broken"},
		{pass, []Problem{identity}, slices.Repeat(good, 50), errors.New("disk full"), "disk full"},
	} {
		err := Judge(context.Background(), tt.exec, Concatenate, tt.problems, Enumerate(tt.samples), 2, func(int, Verdict) error { return tt.yield })
		if err == nil || err.Error() != tt.want {
			t.Errorf("got error %v\nwant %s", err, tt.want)
		}
	}
}

// Samples are judged while others are still being drawn, and an error of drawing
// ends the judging.
func TestJudgeWhileSampling(t *testing.T) {
	pass := executorFunc(func(context.Context, Problem, string) (Outcome, error) { return Outcome{Kind: Passed}, nil })
	verdicts := make(chan int)
	broken := errors.New("no more samples")
	drawn := func(yield func(Indexed, error) bool) {
		for i := range 3 {
			yield(Indexed{i, Sample{TaskID: identity.TaskID}}, nil)
			if got := <-verdicts; got != i {
				t.Errorf("verdict of sample %d, want that of %d", got, i)
			}
		}
		yield(Indexed{}, broken)
	}
	err := Judge(context.Background(), pass, Concatenate, []Problem{identity}, drawn, 2, func(i int, _ Verdict) error {
		verdicts <- i
		return nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
}

func TestCheckSamples(t *testing.T) {
	for _, tt := range []struct {
		problems []Problem
		samples  []Sample
		want     string
	}{
		{[]Problem{identity}, []Sample{{TaskID: identity.TaskID}}, "<nil>"},
		{[]Problem{identity}, []Sample{{TaskID: identity.TaskID}, {TaskID: "x"}}, `sample 2: task_id "x" is not among the 1 problems`},
		{[]Problem{identity, identity}, nil, `problem 2: task_id "identity" occurs a second time`},
	} {
		if got := fmt.Sprint(CheckSamples(tt.problems, tt.samples)); got != tt.want {
			t.Errorf("got error %s, want %s", got, tt.want)
		}
	}
}

// TestFirstSamplesDoNotHoldUpOthers: while a problem's first sample is judged, samples of other problems go before its second.
func TestFirstSamplesDoNotHoldUpOthers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	others, first := make(chan struct{}), make(chan struct{})
	wait := func(c chan struct{}) (Outcome, error) {
		select {
		case <-c:
			return Outcome{Kind: Passed}, nil
		case <-ctx.Done():
			return Outcome{}, ctx.Err()
		}
	}
	exec := executorFunc(func(_ context.Context, p Problem, program string) (Outcome, error) {
		switch program {
		case "first":
			defer close(first)
			return wait(others)
		case "second":
			return wait(first)
		}
		close(others)
		return Outcome{Kind: Passed}, nil
	})
	samples := []Sample{{TaskID: "a", Completion: "first"}, {TaskID: "a", Completion: "second"}, {TaskID: "b", Completion: "other"}}
	for _, v := range collect(t, exec, []Problem{{TaskID: "a", EntryPoint: "f", Test: "t"}, {TaskID: "b", EntryPoint: "f", Test: "t"}}, samples, 2) {
		if v.Result != "passed" {
			t.Errorf("%s: %s", v.Completion, v.Result)
		}
	}
}
