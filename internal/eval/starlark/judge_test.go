package starlark

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"nfcot/internal/eval"
)

// collect judges and gives the verdicts in the samples' order, without times.
func collect(t testing.TB, exec eval.Executor, problems []eval.Problem, samples []eval.Sample, workers int) []eval.Verdict {
	t.Helper()
	verdicts := make([]eval.Verdict, len(samples))
	seen := make([]int, len(samples))
	err := eval.Judge(context.Background(), exec, eval.Concatenate, problems, eval.Enumerate(samples), workers, func(i int, v eval.Verdict) error {
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

func TestVerdictsDoNotDependOnWorkers(t *testing.T) {
	endings := []string{
		identity.CanonicalSolution,
		"def f(x):\n    return 1\n",
		"def f(x):\n    while True: pass\n",
		"x = list(range(1 << 62))\n", // kills its worker
		"\xff",
		identity.CanonicalSolution,
	}
	var samples []eval.Sample
	for i := range 35 {
		samples = append(samples, eval.Sample{TaskID: identity.TaskID, Seed: int64(i), Completion: endings[i%len(endings)]})
	}
	var first []eval.Verdict
	for _, workers := range []int{1, 4} {
		s := startExecutor(t, modeWorker)
		s.Steps = 100_000
		verdicts := collect(t, s, []eval.Problem{identity}, samples, workers)
		if first == nil {
			first = verdicts
		}
		if !reflect.DeepEqual(first, verdicts) {
			t.Errorf("%d workers give other verdicts than 1", workers)
		}
	}
	want := []string{
		"passed", "failed: test:3:11: assertion failed", "timed out",
		"crashed: panic: runtime error: makeslice: cap out of range", "failed: solution: the source is not text in UTF-8", "passed",
	}
	for i, v := range first {
		if v.Result != want[i%len(want)] || v.Passed != (v.Result == "passed") || v.Seed != int64(i) {
			t.Errorf("sample %d: got %q (passed %v, seed %d), want %q", i, v.Result, v.Passed, v.Seed, want[i%len(want)])
		}
	}
}

func TestWorkersThatDoNotStart(t *testing.T) {
	for _, tt := range []struct {
		exec *Executor
		want string
	}{
		{startExecutor(t, modeBroken),
			fmt.Sprintf(`starlark worker: %q ended before it was ready (exit status 3): this is\nno worker\n`, newExecutor(modeBroken).Command)},
		{&Executor{}, "starlark executor: no command to start a worker with"},
	} {
		if _, err := tt.exec.Execute(t.Context(), identity, identity.CanonicalSolution); err == nil || err.Error() != tt.want {
			t.Errorf("got error %v\nwant %s", err, tt.want)
		}
	}
}

func TestJudgeIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := startExecutor(t, modeWorker)
	s.Timeout = time.Hour
	samples := []eval.Sample{
		{TaskID: identity.TaskID, Completion: identity.CanonicalSolution},
		{TaskID: identity.TaskID, Completion: blocking},
	}
	err := eval.Judge(ctx, s, eval.Concatenate, []eval.Problem{identity}, eval.Enumerate(samples), 1, func(i int, v eval.Verdict) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

// BenchmarkJudge judges 1,600 short programs with two workers.
func BenchmarkJudge(b *testing.B) {
	s := startExecutor(b, modeWorker)
	samples := slices.Repeat([]eval.Sample{{TaskID: identity.TaskID, Completion: identity.CanonicalSolution}}, 1600)
	for b.Loop() {
		collect(b, s, []eval.Problem{identity}, samples, 2)
	}
}
