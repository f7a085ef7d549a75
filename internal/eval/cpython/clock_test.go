package cpython

import (
	"context"
	"testing"
	"time"

	"nfcot/internal/eval"
)

// A recorder keeps the outcomes of all runs.
type recorder struct {
	*Executor
	outcomes []eval.Outcome
}

func (r *recorder) Execute(ctx context.Context, p eval.Problem, program string) (eval.Outcome, error) {
	o, err := r.Executor.Execute(ctx, p, program)
	r.outcomes = append(r.outcomes, o)
	return o, err
}

// TestWhoseVerdictIsFinal: a program that the clock stops is run again, unless it has used its time on a processor. How
// long that takes is for the machine to say, so what a program has used decides what is expected of it.
func TestWhoseVerdictIsFinal(t *testing.T) {
	if cpu, _ := processorTimes(1); cpu == 0 {
		t.Skip("this kernel does not count")
	}
	for name, tt := range map[string]struct {
		problem eval.Problem
		program string
		limit   time.Duration // of the program or, where it has tests with limits of their own, of a test
		idle    time.Duration // before that
		spins   bool
	}{
		"spins": {double, "    while True: pass\n", 2 * time.Second, 0, true},
		"spins in threads": {double, `    import threading
    def spin():
        while True: pass
    for _ in range(8): threading.Thread(target=spin).start()
    spin()
`, 2 * time.Second, 0, true},
		"sleeps":         {double, "    import time\n    time.sleep(60)\n", time.Second, 0, false},
		"spins at times": {double, "    import time\n    while True:\n        sum(range(10**5))\n        time.sleep(.01)\n", time.Second, 0, false},
		// Nobody knows how long they have waited.
		"spins in threads that end": {double, `    import threading
    while True:
        t = threading.Thread(target=lambda: sum(range(10**6)))
        t.start()
        t.join()
`, time.Second, 0, false},
		"sleeps in one test, spins in the next": {addition(t, `[{"input": "3 4\n", "output": "7\n"}]`), `
import time
a, b = map(int, input().split())
if a == 3:
    while True: pass
time.sleep(2)
print(a + b)
`, 6 * time.Second, 2 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{Timeout: tt.limit}
			if tt.problem.Format == eval.LiveCodeBench {
				o.Timeout = 0
			}
			x := &recorder{Executor: open(t, o)}
			program := tt.problem.Prompt + tt.program
			verdicts, err := eval.JudgeAll(t.Context(), x, eval.Concatenate, []eval.Problem{tt.problem},
				[]eval.Sample{{TaskID: tt.problem.TaskID, Solution: &program}}, 1)
			if err != nil {
				t.Fatal(err)
			}
			if verdicts[0].Result != string(eval.TimedOut) {
				t.Errorf("%s", verdicts[0].Result)
			}
			first := x.outcomes[0]
			runs := 1
			if first.WallClock {
				runs = 2
			}
			if len(x.outcomes) != runs {
				t.Errorf("%d runs, want %d", len(x.outcomes), runs)
			}
			// What starting and ending takes is in an outcome's times, too.
			const ends = 0.06
			used, final := first.CPUSeconds, !first.WallClock
			busy := used > 0.95*(first.Seconds-tt.idle.Seconds())+ends
			if final && (!tt.spins || used < 0.95*tt.limit.Seconds()) || !final && tt.spins && busy {
				t.Errorf("final: %v, after %.2f s of processor time in %.2f s", final, used, first.Seconds)
			}
		})
	}
}
