package cpython

// This file has one program run and judged, and the clock that limits it.

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"nfcot/internal/eval"
	"nfcot/internal/eval/sandbox"
)

// An order is what the tester's process gets to know.
type order struct {
	Grader   string `json:"grader"`   // the module with the functions grade, grade_together and prepare
	Problem  string `json:"problem"`  // the problem's line: JSON as CPython reads it, with numbers that Go does not know
	Program  string `json:"program"`  // empty to prepare the problem
	Together bool   `json:"together"` // whether the program and its test are to share the candidate's process
	Own      bool   `json:"own"`      // whether the program is the problem's own solution
}

// A message comes from the tester's process: a limit on its way, a verdict or
// what has been prepared at its end.
type message struct {
	Limit   *float64 `json:"limit"` // seconds for the candidate from now on; null: what is left of the program's own
	Verdict *struct {
		Kind   string // an eval.Kind, or "lost" if the candidate's process broke off
		Detail string
	} `json:"verdict"`
	Again      bool    `json:"again"` // whether the process waits for another order
	CPUSeconds float64 `json:"cpu_seconds"`

	// What is prepared: the messages are followed by data of the given size.
	Part    string  `json:"part"`
	Size    int64   `json:"size"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error"` // why nothing could be prepared

	Text *string `json:"text"` // what the sanitiser has found
}

// A result is what became of a run.
type result struct {
	message              // zero without a verdict
	timedOut bool        // by the clock
	heldUp   bool        // and perhaps for another reason than its own: see clock.heldUp
	broken   bool        // the tester's process has ended, and has judged others before
	end      sandbox.End // of the candidate's process
	seconds  float64     // wall clock
}

// run has a new process run a program and the tester judge it.
func (x *Executor) run(ctx context.Context, o order, prepared *os.File, limit time.Duration) (result, error) {
	for attempt := 1; ; attempt++ {
		t, err := x.takeTester()
		if err != nil {
			return result{}, err
		}
		r, err := x.runOnce(ctx, t, o, prepared, limit)
		if attempt == attempts || ctx.Err() != nil || r.timedOut || r.Verdict != nil {
			return r, err
		}
		if r.broken { // this program need not be the reason, nor in what follows
			continue
		}
		select {
		case <-t.gone:
		case <-time.After(lastBreath):
			return r, err
		}
	}
}

// attempts is how many times a program is run if the tester ends meanwhile.
const attempts = 3

// runOnce gives its turn away before the program's process is buried.
func (x *Executor) runOnce(ctx context.Context, t *tester, o order, prepared *os.File, limit time.Duration) (result, error) {
	if err := x.begin(ctx); err != nil {
		return result{}, err
	}
	c, err := x.takeCandidate()
	if err != nil {
		x.end()
		return result{}, err
	}
	began := time.Now()
	r, err := t.judge(ctx, o, c, prepared, limit)
	r.seconds = time.Since(began).Seconds()
	x.end()
	if r.Verdict != nil && r.Verdict.Kind == "lost" {
		// How it ended by itself is part of the result.
		time.AfterFunc(lastBreath, c.Kill)
		_, _ = c.Wait()
	}
	end, waitErr := c.finish()
	r.end = end
	return r, errors.Join(err, waitErr)
}

// lastBreath is how long a process that has broken off may take to end.
const lastBreath = 50 * time.Millisecond

// judge has the tester judge the program of a candidate, within limit of the
// candidate's clock.
func (t *tester) judge(ctx context.Context, o order, c *candidate, prepared *os.File, limit time.Duration) (r result, err error) {
	j, err := t.takeJob(ctx)
	if err != nil {
		return result{}, err
	}
	defer func() {
		if r.Again {
			t.put(j)
		} else {
			err = errors.Join(err, j.end())
		}
	}()
	files := []*os.File{c.channel}
	if prepared != nil {
		files = append(files, prepared)
	}
	k := newClock(c.Process, j.pid)
	if err := j.order(o, files...); err != nil {
		return result{}, err
	}
	until, since := limit, k // since when what ends at until has run
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return result{}, context.Cause(ctx)
		case <-timer.C:
			if left := until - k.now(); left > 0 {
				timer.Reset(max(left, tick))
				continue
			}
			return result{timedOut: true, heldUp: since.heldUp()}, nil
		case m, ok := <-j.messages:
			if !ok || m.Verdict != nil {
				return result{message: m, broken: !ok && j.used}, nil
			}
			now := k.now()
			until, since = limit, k
			if m.Limit != nil {
				if soon := now + time.Duration(*m.Limit*float64(time.Second)); soon < limit {
					until, since = soon, newClock(c.Process, j.pid)
				}
			}
			timer.Reset(max(until-now, 0))
		}
	}
}

// prepareTimeout bounds the time that a problem's reference solution takes.
const prepareTimeout = 10 * time.Minute

// A part is one of the runs that a program of EvalPlus is judged by.
type part struct {
	name     string
	prepared *os.File // inputs and expected results, for the tester's process
	limit    time.Duration
}

// A preparation is what EvalPlus's judging needs to know of a problem.
type preparation struct {
	parts  []part
	failed string // the result of the problem's own solution, where it has none to compare with
}

// prepare has the tester do what depends on the problem alone.
func (x *Executor) prepare(ctx context.Context, o order) (p preparation, err error) {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	if err := x.begin(ctx); err != nil {
		return p, err
	}
	defer x.end()
	j, err := x.beginJob(ctx, 'P', o)
	if err != nil {
		return p, err
	}
	stop := context.AfterFunc(ctx, func() { _ = j.channel.SetDeadline(time.Now()) })
	defer func() {
		if !stop() {
			err = context.Cause(ctx)
		}
		err = errors.Join(err, j.end())
		x.tasksMu.Lock()
		defer x.tasksMu.Unlock()
		for _, part := range p.parts {
			x.prepared = append(x.prepared, part.prepared)
		}
	}()
	in := bufio.NewReader(j.channel)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(p.parts) > 0 {
			return p, nil
		} else if err != nil {
			return p, fmt.Errorf("the problem's own solution ends its process: %w", err)
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			return p, err
		}
		if m.Error != "" {
			return preparation{failed: fmt.Sprintf("%s: %s", eval.Failed, eval.OneLine(m.Error))}, nil
		}
		prepared, err := unnamedFile(io.LimitReader(in, m.Size))
		if err != nil {
			return p, err
		}
		p.parts = append(p.parts, part{m.Part, prepared, time.Duration(m.Seconds * float64(time.Second))})
	}
}

// unnamedFile returns a file of what r has. It vanishes when the last process
// that has it open is gone.
func unnamedFile(r io.Reader) (*os.File, error) {
	f, err := os.CreateTemp("", "nfcot-")
	if err != nil {
		return nil, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		_, err = io.Copy(f, r)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// A job is a process of the tester's at work.
type job struct {
	tester   *tester
	number   uint64
	channel  *net.UnixConn
	pid      int            // 0 where it is not known
	used     bool           // it has judged programs
	messages <-chan message // of a process that judges, up to its end
	ended    chan struct{}  // closed when nobody takes messages any more
}

// beginTimeout bounds the time until a job has its process.
const beginTimeout = time.Minute

// begin has the zygote fork a process for a job. It then waits for an order.
func (t *tester) begin(ctx context.Context, what byte) (*job, error) {
	j := &job{tester: t, number: t.jobs.Add(1), ended: make(chan struct{})}
	var err error
	if j.channel, err = t.fork(what, j.number); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, beginTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = j.channel.SetDeadline(time.Now()) })
	j.pid, err = hello(j.channel)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the tester's process: %w", err), j.end())
	}
	if what != 'P' { // which sends other data, too
		j.listen()
	}
	return j, nil
}

// takeJob returns a process that judges: one that has done so before and waits for
// another order, if there is one.
func (t *tester) takeJob(ctx context.Context) (*job, error) {
	t.idleMu.Lock()
	if n := len(t.idle); n > 0 {
		j := t.idle[n-1]
		t.idle = t.idle[:n-1]
		t.idleMu.Unlock()
		return j, nil
	}
	t.idleMu.Unlock()
	return t.begin(ctx, 'J')
}

// put takes a process back that waits for another order.
func (t *tester) put(j *job) {
	t.idleMu.Lock()
	defer t.idleMu.Unlock()
	j.used = true
	t.idle = append(t.idle, j)
}

// order sends a job's process an order, with files.
func (j *job) order(o order, files ...*os.File) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	go func() {
		// If the process is gone, no message will come.
		if sendFiles(j.channel, binary.LittleEndian.AppendUint64(nil, uint64(len(text))), files) == nil {
			_, _ = j.channel.Write(text)
		}
	}()
	return nil
}

// beginJob has the tester begin a job that has no candidate.
func (x *Executor) beginJob(ctx context.Context, what byte, o order) (*job, error) {
	t, err := x.takeTester()
	if err != nil {
		return nil, err
	}
	j, err := t.begin(ctx, what)
	if err != nil {
		return nil, err
	}
	if err := j.order(o); err != nil {
		return nil, errors.Join(err, j.end())
	}
	return j, nil
}

// listen begins to read messages.
func (j *job) listen() {
	c := make(chan message)
	j.messages = c
	go func() {
		defer close(c)
		for in := json.NewDecoder(j.channel); ; {
			var m message
			if in.Decode(&m) != nil {
				return
			}
			select {
			case c <- m:
			case <-j.ended:
				return
			}
		}
	}()
}

// end ends the job's process, if it still runs.
func (j *job) end() error {
	close(j.ended)
	return errors.Join(j.channel.Close(), j.tester.kill(j.number))
}

// A clock shows the time that the candidate's and the tester's process of a run
// have had since the clock was made. It does not depend on what else the machine
// does: time in which one could have run but had no processor does not count.
type clock struct {
	candidate *sandbox.Process
	tester    int // its process number
	began     time.Time
	before    times
}

// Times are what the kernel has counted for the two processes of a run, 0 where it does not count.
type times struct {
	candidate, tester time.Duration // on a processor
	waited            time.Duration // of both, for one
}

// A candidate whose threads keep each other waiting makes its clock slow, but
// not slower than this many times, nor slower than its processor time.
const slowest = 10

// tick is the least time between two looks at a clock.
const tick = 5 * time.Millisecond

func newClock(candidate *sandbox.Process, tester int) clock {
	k := clock{candidate: candidate, tester: tester, began: time.Now()}
	k.before = k.passed()
	return k
}

// passed is what has been counted since the clock was made.
func (k clock) passed() times {
	cpu, waited := k.candidate.Times()
	testerCPU, testerWaited := processorTimes(k.tester)
	return times{cpu - k.before.candidate, testerCPU - k.before.tester, waited + testerWaited - k.before.waited}
}

func (k clock) now() time.Duration {
	now, _ := k.read()
	return now
}

func (k clock) read() (now time.Duration, passed times) {
	passed = k.passed()
	wall := time.Since(k.began)
	return max(wall-passed.waited, passed.candidate, wall/slowest), passed
}

// heldUp reports whether the clock might have shown less on a machine that does nothing else. It would not where a
// process was on a processor for nearly all that the clock shows, since it would be so again. Of a program that
// sleeps that is not known: its threads that ended took with them how long they waited for a processor. What a
// program does to its times decides no more than whether it is run again.
func (k clock) heldUp() bool {
	const nearly = 0.95
	now, passed := k.read()
	return float64(max(passed.candidate, passed.tester)) < nearly*float64(now)
}

// outcome is a result in eval's words.
func (r result) outcome() eval.Outcome {
	o := eval.Outcome{
		Seconds:    r.seconds,
		CPUSeconds: r.end.CPU.Seconds() + r.CPUSeconds,
		PeakMemory: r.end.PeakMemory,
	}
	switch {
	case r.timedOut:
		o.Kind, o.WallClock = eval.TimedOut, r.heldUp
	case r.end.OutOfMemory:
		o.Kind = eval.OutOfMemory
	case r.Verdict == nil:
		o.Kind, o.Detail = eval.Failed, "the test ended without a verdict"
	case r.Verdict.Kind == "lost":
		o.Kind, o.Detail = r.lost()
	default:
		o.Kind, o.Detail = eval.Kind(r.Verdict.Kind), eval.OneLine(r.Verdict.Detail)
	}
	return o
}

// lost says what became of a candidate's process that broke off.
func (r result) lost() (kind eval.Kind, detail string) {
	switch {
	case r.end.OutOfDisk:
		return eval.Crashed, "out of disk"
	case r.end.Signal == int(syscall.SIGKILL): // at the end of lastBreath
		return eval.Crashed, eval.OneLine(r.Verdict.Detail)
	case r.end.Signal != 0:
		return eval.Crashed, syscall.Signal(r.end.Signal).String()
	}
	return eval.Crashed, fmt.Sprintf("exit status %d", r.end.ExitCode)
}
