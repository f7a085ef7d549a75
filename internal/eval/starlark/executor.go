// Package starlark judges programs in an interpreter of Starlark that is part of
// this program. It knows the language, the processes that programs run in with
// their limits of steps, time and memory, and how alike two syntax trees are. It
// knows nothing of where programs and verdicts come from or go.
package starlark

// This file is the parent's side of the worker processes: the executor that
// hands jobs to them, and the handle of one process. What happens inside a
// worker is in worker.go.

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"nfcot/internal/eval"
)

// Executor is the eval.Executor for programs in Starlark, a small language that
// looks like Python and reaches nothing outside itself. Programs run in worker
// processes, each of which handles one program at a time and many in turn. As
// many workers are started as there are concurrent calls of Execute.
//
// The zero value of a limit means its default.
type Executor struct {
	Command []string      // starts a worker: a program that calls WorkerMain, and its arguments
	Timeout time.Duration // wall-clock limit of a program with its test
	Steps   uint64        // limit of interpreter steps of a program with its test
	Memory  int64         // bytes of heap and stack a worker may use

	mu   sync.Mutex
	idle []*worker
}

// Limits of the executor unless others are given. The steps take about
// half a second, so that an endless loop meets this limit, which is the same on
// every machine, before it meets the wall clock.
const (
	DefaultTimeout = 3 * time.Second
	DefaultSteps   = 50_000_000
	DefaultMemory  = 512 << 20
)

// startTimeout bounds the time a new worker takes to say hello.
const startTimeout = 30 * time.Second

// errWallClock is the cause of a context that ended with the wall-clock limit.
var errWallClock = errors.New("wall-clock limit")

// Execute runs a program in a worker. A worker that dies is believed only if
// the program is the first it ran: otherwise the program gets another chance in
// a new one, so that no outcome depends on what ran before.
func (s *Executor) Execute(ctx context.Context, p eval.Problem, program string) (eval.Outcome, error) {
	// The interpreter would take a NUL for the end of the source.
	if !utf8.ValidString(program) || strings.Contains(program, "\x00") {
		return eval.Outcome{Kind: eval.Failed, Detail: candidateFile + ": the source is not text in UTF-8"}, nil
	}
	j := job{Source: program, EntryPoint: p.EntryPoint, Test: p.Test}
	if w := s.takeIdle(); w != nil {
		o, err := s.runIn(ctx, w, j)
		if err != nil || o.Kind != eval.OutOfMemory && o.Kind != eval.Crashed {
			return o, err
		}
	}
	w, err := s.start(ctx)
	if err != nil {
		return eval.Outcome{}, err
	}
	return s.runIn(ctx, w, j)
}

// runIn runs a program in the given worker and takes the worker back, if it lives.
func (s *Executor) runIn(ctx context.Context, w *worker, j job) (eval.Outcome, error) {
	start := time.Now()
	o, err := w.run(ctx, j, cmp.Or(s.Timeout, DefaultTimeout))
	o.Seconds = time.Since(start).Seconds()
	if !w.dead {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.idle = append(s.idle, w)
	}
	return o, err
}

// takeIdle gives out an idle worker, nil if there is none.
func (s *Executor) takeIdle() *worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		return nil
	}
	last := len(s.idle) - 1
	w := s.idle[last]
	s.idle = s.idle[:last]
	return w
}

func (s *Executor) start(ctx context.Context) (*worker, error) {
	return startWorker(ctx, s.Command, hello{
		Memory: cmp.Or(s.Memory, DefaultMemory),
		Steps:  cmp.Or(s.Steps, DefaultSteps),
	})
}

// Close ends the idle workers. No call of Execute may be running.
func (s *Executor) Close() error {
	for _, w := range s.idle {
		w.end()
	}
	s.idle = nil
	return nil
}

// A worker is a running worker process.
type worker struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *head
	secret string
	sent   int  // number of jobs so far
	dead   bool // the process has ended and was waited for
}

// startWorker starts a process and waits until it is ready for jobs.
func startWorker(ctx context.Context, command []string, h hello) (*worker, error) {
	if len(command) == 0 {
		return nil, errors.New("starlark executor: no command to start a worker with")
	}
	cmd := exec.Command(command[0], command[1:]...)
	w := &worker{cmd: cmd, stderr: &head{}, secret: rand.Text()}
	cmd.Env = []string{}
	cmd.Stderr = w.stderr
	cmd.SysProcAttr = workerAttributes()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starlark worker: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starlark worker: %w", err)
	}
	w.stdin, w.stdout = stdin, bufio.NewReaderSize(stdout, maxReply)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starlark worker: %w", err)
	}

	h.Secret = w.secret
	_, err = w.ask(ctx, h, 0, startTimeout)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, errWallClock):
		return nil, fmt.Errorf("starlark worker: %q does not answer within %v", command, startTimeout)
	case err != nil:
		return nil, fmt.Errorf("starlark worker: %q ended before it was ready (%s): %s",
			command, w.cmd.ProcessState, eval.OneLine(w.stderr.String()))
	}
	return w, nil
}

// run has the worker run one program. The error is the context's.
func (w *worker) run(ctx context.Context, j job, timeout time.Duration) (eval.Outcome, error) {
	w.sent++
	j.Number = w.sent
	r, err := w.ask(ctx, j, j.Number, timeout)
	switch {
	case err == nil:
		return eval.Outcome{Kind: r.Kind, Detail: r.Detail}, nil
	case ctx.Err() != nil:
		return eval.Outcome{}, context.Cause(ctx)
	case errors.Is(err, errWallClock):
		return eval.Outcome{Kind: eval.TimedOut, WallClock: true}, nil
	}
	return w.causeOfDeath(), nil
}

// ask sends a message and waits for the reply of the given number. If there is
// none in time, or the worker breaks off, the worker is dead on return. The
// error is then errWallClock, the context's, or that of the pipe.
func (w *worker) ask(ctx context.Context, message any, number int, timeout time.Duration) (reply, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errWallClock)
	defer cancel()
	// Killing the process unblocks both the write and the read.
	stop := context.AfterFunc(ctx, func() { _ = w.cmd.Process.Kill() })
	r, err := w.exchange(message, number)
	if stop() && err == nil {
		return r, nil
	}
	if killed := context.Cause(ctx); killed != nil && err != nil {
		err = killed
	}
	w.end()
	return r, err
}

func (w *worker) exchange(message any, number int) (reply, error) {
	line, err := json.Marshal(message)
	if err != nil {
		return reply{}, err
	}
	if _, err := w.stdin.Write(append(line, '\n')); err != nil {
		return reply{}, err
	}
	for {
		line, err := w.readLine()
		if err != nil {
			return reply{}, err
		}
		var r reply
		if json.Unmarshal(line, &r) == nil && r.Secret == w.secret && r.Number == number {
			return r, nil
		}
		// Anything else is stray output.
	}
}

// maxReply bounds a line of the worker's output, in bytes: enough for a detail
// with every character escaped, twice over.
const maxReply = 64 << 10

// readLine reads a line of output. Of a line that is too long to be a reply it
// gives an empty one.
func (w *worker) readLine() ([]byte, error) {
	line, err := w.stdout.ReadSlice('\n')
	for tooLong := err == bufio.ErrBufferFull; tooLong; tooLong = err == bufio.ErrBufferFull {
		line = nil
		_, err = w.stdout.ReadSlice('\n')
	}
	return line, err
}

// end kills the process, unless it has ended by itself, and waits for it.
func (w *worker) end() {
	if w.dead {
		return
	}
	w.dead = true
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait() // its result is in w.cmd.ProcessState
}

// causeOfDeath says why a worker died that nobody killed. The Go runtime, when
// it gives up, says why on stderr.
func (w *worker) causeOfDeath() eval.Outcome {
	if w.cmd.ProcessState.ExitCode() == exitOutOfMemory {
		return eval.Outcome{Kind: eval.OutOfMemory}
	}
	for line := range strings.Lines(w.stderr.String()) {
		if !strings.HasPrefix(line, "fatal error: ") && !strings.HasPrefix(line, "panic: ") {
			continue
		}
		if strings.Contains(line, "out of memory") || strings.Contains(line, "cannot allocate memory") {
			return eval.Outcome{Kind: eval.OutOfMemory}
		}
		return eval.Outcome{Kind: eval.Crashed, Detail: eval.OneLine(strings.TrimSpace(line))}
	}
	return eval.Outcome{Kind: eval.Crashed, Detail: w.cmd.ProcessState.String()}
}

// A head is a writer that keeps the first 4 KiB.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	room := max(0, 4<<10-h.Len())
	h.Buffer.Write(p[:min(room, len(p))])
	return len(p), nil
}
