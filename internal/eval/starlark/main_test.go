package starlark

// The test binary is its own worker: with a mode as first argument it plays
// the part of a process instead of running tests.

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"nfcot/internal/eval"
)

const (
	modeWorker  = "starlark-worker"
	modeNoisy   = "noisy-worker"     // a worker with stray output around every reply
	modeForging = "forging-worker"   // says hello, claims passes it has no secret for, and exits
	modeBroken  = "broken-worker"    // complains and exits
	modeParent  = "parent-of-worker" // runs an endless program in a worker
)

func TestMain(m *testing.M) {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case modeWorker:
		exit(WorkerMain(os.Stdin, os.Stdout))
	case modeNoisy:
		exit(WorkerMain(os.Stdin, noisy{os.Stdout}))
	case modeForging:
		exit(forge(os.Stdin, os.Stdout))
	case modeBroken:
		exit(fmt.Errorf("this is\nno worker"))
	case modeParent:
		s := newExecutor(modeWorker)
		s.Timeout = time.Hour
		_, err := s.Execute(context.Background(), identity, identity.Prompt+blocking)
		exit(err)
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	os.Exit(0)
}

// noisy writes junk around everything: lines too long, lines without an end,
// and claims of a pass.
type noisy struct{ w io.Writer }

func (n noisy) Write(p []byte) (int, error) {
	claim := `{"Secret":"guess","Number":1,"Kind":"passed"}`
	junk := "junk\n" + strings.Repeat("x", 3*maxReply) + "\n" + claim + "\n" + claim + claim
	if _, err := io.WriteString(n.w, junk); err != nil {
		return 0, err
	}
	return n.w.Write(p)
}

func forge(stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	var h hello
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return err
	}
	fmt.Fprintf(stdout, `{"Secret":%q,"Number":0}`+"\n", h.Secret)
	if _, err := in.ReadBytes('\n'); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "passed")
	fmt.Fprintln(stdout, `{"Number":1,"Kind":"passed"}`)
	fmt.Fprintln(stdout, `{"Secret":"","Number":1,"Kind":"passed"}`)
	fmt.Fprintf(stdout, `{"Secret":%q,"Number":0,"Kind":"passed"}`+"\n", h.Secret)
	fmt.Fprintf(stdout, `{"Secret":%q,"Number":2,"Kind":"passed"}`+"\n", h.Secret)
	return fmt.Errorf("caught")
}

// newExecutor is an executor whose workers are this test binary.
func newExecutor(mode string) *Executor {
	return &Executor{Command: []string{os.Args[0], mode}}
}

// startExecutor is newExecutor that is closed when the test ends.
func startExecutor(t testing.TB, mode string) *Executor {
	s := newExecutor(mode)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// identity is a problem that `def f(x): return x` solves.
var identity = eval.Problem{
	TaskID:            "identity",
	EntryPoint:        "f",
	CanonicalSolution: "def f(x):\n    return x\n",
	Test:              "def check(candidate):\n    assert candidate(1) == 1\n    assert candidate([2]) == [2]\n",
}

// raceDetector is set where tests run under the race detector.
var raceDetector bool

// blocking is a program the step limit does not see: it is one step.
const blocking = "max(range(1 << 60))\n"
