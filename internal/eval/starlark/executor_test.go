package starlark

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"nfcot/internal/eval"
)

// judgeOne runs one program for the identity problem.
func judgeOne(t *testing.T, s *Executor, completion string) eval.Outcome {
	t.Helper()
	o, err := s.Execute(context.Background(), identity, identity.Prompt+completion)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Every attack gets a verdict, and harms neither the next program nor the machine.
func TestAttacks(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector's memory does not fit within a worker's limits")
	}
	const mib = 1 << 20
	type attack struct {
		name, completion string
		memory           int64
		want             []eval.Kind
	}
	attacks := []attack{
		{"list over the interpreter's limit", "x = [0] * (1 << 30)\n", 64 * mib, []eval.Kind{eval.Failed}},
		{"list just over the memory", "x = [0] * (5 << 20)\nwhile True: pass\n", 64 * mib, []eval.Kind{eval.OutOfMemory}},
		{"string over the interpreter's limit", "x = 'a' * (1 << 40)\n", 64 * mib, []eval.Kind{eval.Failed}},
		{"doubling list", "x = [1]\nwhile True: x = x + x\n", 64 * mib, []eval.Kind{eval.OutOfMemory}},
		{"doubling string", "x = 'a'\nwhile True: x += x\n", 64 * mib, []eval.Kind{eval.OutOfMemory}},
		{"appending", "x = []\nwhile True: x.append([x])\n", 64 * mib, []eval.Kind{eval.OutOfMemory}},
		{"filling a dict", "x = {}\nwhile True: x[len(x)] = str(len(x)) * 9999\n", 64 * mib, []eval.Kind{eval.OutOfMemory}},
		{"impossible list", "x = list(range(1 << 62))\n", 64 * mib, []eval.Kind{eval.Crashed}},
		{"list of terabytes", "x = list(range(1 << 40))\n", 64 * mib, []eval.Kind{eval.OutOfMemory}},
		{"recursion", "def f(x): return f(x)\n", 0, []eval.Kind{eval.Failed}},
		{"recursion with little memory", "def f(x): return f(x)\n", 64 * mib, []eval.Kind{eval.OutOfMemory, eval.Crashed}},
		{"recursion through a builtin", "def f(x): return sorted([1, 2], key = f)\n", 64 * mib, []eval.Kind{eval.OutOfMemory, eval.Crashed}},
		{"huge shift", "x = 1 << (1 << 40)\n", 64 * mib, []eval.Kind{eval.Failed}},
		{"repeated squaring", "x = 3\nwhile True: x *= x\n", 64 * mib, []eval.Kind{eval.TimedOut}},
		{"one endless step", blocking, 64 * mib, []eval.Kind{eval.TimedOut}},
		{"printing megabytes", "for i in range(100): print('x' * (1 << 20))\ndef f(x): return x\n", 64 * mib, []eval.Kind{eval.Passed}},
		{"printing for ever", "while True: print('x' * (1 << 20))\n", 64 * mib, []eval.Kind{eval.TimedOut}},
		{"garbage", "for i in range(40): x = [0] * (1 << 20)\ndef f(x): return x\n", 64 * mib, []eval.Kind{eval.Passed}},
		{"nested brackets", "x = " + strings.Repeat("(", 1e5) + strings.Repeat(")", 1e5) + "\n", 64 * mib, []eval.Kind{eval.Failed}},
		{"nested expression", "x = 1" + strings.Repeat("+1", 2e5) + "\n", 64 * mib, []eval.Kind{eval.OutOfMemory, eval.Crashed}},
		{"nested value", "x = []\nfor i in range(50000): x = [x]\nstr(x)\n", 64 * mib, []eval.Kind{eval.TimedOut}},
		{"value in itself", "x = []\nx.append(x)\nstr(x)\nx == x\ndef f(y): return x\n", 64 * mib, []eval.Kind{eval.Failed}},
		{"not UTF-8", "def f(x): return x\n'\xff\xfe'\n", 64 * mib, []eval.Kind{eval.Failed}},
		{"NUL", "def f(x): return x\n\x00 nonsense", 64 * mib, []eval.Kind{eval.Failed}},
		{"long message", "fail('\\n\\x1b' * 1000000)\n", 64 * mib, []eval.Kind{eval.Failed}},
	}
	if runtime.GOOS == "linux" { // one gulp, too fast for the watcher
		attacks = append(attacks, []attack{
			{"list under it", "x = [0] * ((1 << 30) - 1)\n", 64 * mib, []eval.Kind{eval.OutOfMemory}},
			{"string under it", "x = 'a' * ((1 << 30) - 1)\n", 64 * mib, []eval.Kind{eval.OutOfMemory}},
		}...)
	}
	for _, tt := range attacks {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startExecutor(t, modeWorker)
			s.Memory, s.Timeout = tt.memory, 20*time.Second
			if tt.want[0] == eval.TimedOut {
				s.Timeout = 300 * time.Millisecond
			}
			o := judgeOne(t, s, tt.completion)
			if !slices.Contains(tt.want, o.Kind) {
				t.Errorf("got %q, want %q", o.Result(), tt.want)
			}
			if strings.ContainsAny(o.Detail, "\n\x1b") || len(o.Detail) > 10*eval.MaxDetail {
				t.Errorf("detail of %d bytes is not one short line: %q", len(o.Detail), o.Detail)
			}
			s.Timeout = 20 * time.Second
			if o := judgeOne(t, s, identity.CanonicalSolution); o.Kind != eval.Passed {
				t.Errorf("the next program: got %q, want passed", o.Result())
			}
		})
	}
}

// Stray output neither makes a verdict nor breaks one.
func TestStrayOutput(t *testing.T) {
	noisy := startExecutor(t, modeNoisy)
	for range 3 {
		if o := judgeOne(t, noisy, identity.CanonicalSolution); o.Kind != eval.Passed {
			t.Errorf("a right program: got %q, want passed", o.Result())
		}
		if o := judgeOne(t, noisy, "def f(x): return 0\n"); o.Kind != eval.Failed {
			t.Errorf("a wrong program: got %q, want failed", o.Result())
		}
	}
	forging := startExecutor(t, modeForging)
	if got, want := judgeOne(t, forging, identity.CanonicalSolution).Result(), "crashed: exit status 3"; got != want {
		t.Errorf("forged verdicts: got %q, want %q", got, want)
	}
}

// A worker that died between two programs costs nobody a verdict.
func TestDeadWorkerIsReplaced(t *testing.T) {
	s := startExecutor(t, modeWorker)
	judgeOne(t, s, identity.CanonicalSolution)
	if err := s.idle[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if o := judgeOne(t, s, identity.CanonicalSolution); o.Kind != eval.Passed {
		t.Errorf("got %q, want passed", o.Result())
	}
}

// One worker runs many programs; a program that kills it is given a second,
// fresh one before that is held against it.
func TestWorkersAreReused(t *testing.T) {
	s := startExecutor(t, modeWorker)
	judgeOne(t, s, identity.CanonicalSolution)
	first := s.idle[0]
	for range 10 {
		judgeOne(t, s, identity.CanonicalSolution)
		judgeOne(t, s, "def f(x): return 0\n")
	}
	if len(s.idle) != 1 || s.idle[0] != first || first.sent != 21 {
		t.Errorf("%d idle workers, the first with %d jobs; want 1 with 21", len(s.idle), first.sent)
	}
	if o := judgeOne(t, s, "list(range(1 << 62))\n"); o.Kind != eval.Crashed || len(s.idle) != 0 {
		t.Errorf("got %q and %d idle workers, want crashed and 0", o.Result(), len(s.idle))
	}
}

// A worker ends with its input, even in the middle of a program.
func TestWorkerEndsWithItsInput(t *testing.T) {
	cmd := exec.Command(os.Args[0], modeWorker)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hard := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
	defer hard.Stop()
	for _, message := range []any{
		hello{Secret: "s", Memory: DefaultMemory, Steps: DefaultSteps},
		job{Number: 1, Source: blocking, EntryPoint: "f", Test: identity.Test},
	} {
		if err := json.NewEncoder(stdin).Encode(message); err != nil {
			t.Fatal(err)
		}
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v, want an end without error", err)
	}
}
