package starlark

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nfcot/internal/eval"
)

// childrenOf lists the processes of a parent, dead ones nobody waited for included.
func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var children []int
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // the process is gone
		}
		// "pid (name) state parent ...", and a name may hold anything.
		_, fields, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
		if f := strings.Fields(fields); len(f) > 1 && f[1] == strconv.Itoa(parent) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, pid)
		}
	}
	return children
}

// dead reports whether a process has ended; one that nobody waited for has, too.
func dead(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func TestNoProcessIsLeft(t *testing.T) {
	if left := childrenOf(t, os.Getpid()); len(left) > 0 {
		t.Fatalf("processes %v are left from other tests", left)
	}
	s := newExecutor(modeWorker)
	s.Timeout, s.Memory = 200*time.Millisecond, 64<<20
	var samples []eval.Sample
	for _, completion := range []string{identity.CanonicalSolution, blocking, "x = [0] * (1 << 29)\n", "list(range(1 << 62))\n"} {
		samples = append(samples, eval.Sample{TaskID: identity.TaskID, Completion: completion})
	}
	collect(t, s, []eval.Problem{identity}, samples, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left := childrenOf(t, os.Getpid()); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

func TestWorkerLimits(t *testing.T) {
	s := startExecutor(t, modeWorker)
	judgeOne(t, s, identity.CanonicalSolution)
	proc := fmt.Sprintf("/proc/%d/", s.idle[0].cmd.Process.Pid)

	environ, err := os.ReadFile(proc + "environ")
	if err != nil {
		t.Fatal(err)
	}
	if len(environ) > 0 {
		t.Errorf("the environment is %q, want none", environ)
	}
	limits, err := os.ReadFile(proc + "limits")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		switch {
		case strings.HasPrefix(line, "Max address space") && strings.Contains(line, "unlimited"),
			strings.HasPrefix(line, "Max core file size") && strings.Fields(line)[4] != "0":
			t.Errorf("found %q, want a limit", line)
		}
	}
}

// A worker dies with a parent that is killed, whatever it is doing.
func TestWorkerDiesWithItsParent(t *testing.T) {
	parent := exec.Command(os.Args[0], modeParent)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var workers []int
	eventually(t, "the parent starts a worker", func() bool {
		workers = childrenOf(t, parent.Process.Pid)
		return len(workers) > 0
	})
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed, as it should be
	eventually(t, "the worker dies", func() bool { return dead(workers[0]) })
}
