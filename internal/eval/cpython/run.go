package cpython

// This file has one program run and judged, and the clock that limits it.

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"nfcot/internal/eval"
	"nfcot/internal/eval/sandbox"
)

// An order is what the tester's process gets to know.
type order struct {
	Grader   string `json:"grader"`   // the module with the functions grade, grade_together and prepare
	Problem  any    `json:"problem"`  // the problem's line
	Program  string `json:"program"`  // empty to prepare the problem
	Together bool   `json:"together"` // whether the program and its test are to share the candidate's process
	Part     string `json:"part"`     // EvalPlus: base or plus
	Prepared string `json:"prepared"` // what prepare has answered
}

// A message comes from the tester's process: a limit on its way, a verdict or
// what has been prepared at its end.
type message struct {
	Limit   *float64 `json:"limit"` // seconds for the candidate from now on; null: what is left of the program's own
	Verdict *struct {
		Kind   string // an eval.Kind, or "lost" if the candidate's process broke off
		Detail string
	} `json:"verdict"`
	Objects    bool    `json:"objects"` // more than plain data would have had to cross
	CPUSeconds float64 `json:"cpu_seconds"`

	Prepared string             `json:"prepared"`
	Seconds  map[string]float64 `json:"seconds"` // limits of EvalPlus's parts
	Error    string             `json:"error"`   // why nothing could be prepared
}

// A result is what became of a run.
type result struct {
	message              // zero without a verdict
	timedOut bool        // by the clock
	end      sandbox.End // of the candidate's process
	seconds  float64     // wall clock
}

// run has a new process run a program and the tester judge it.
func (x *Executor) run(ctx context.Context, o order, limit time.Duration) (result, error) {
	c, err := x.takeCandidate()
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	r, err := x.judge(ctx, o, c, limit)
	r.seconds = time.Since(began).Seconds()
	if r.Verdict != nil && r.Verdict.Kind == "lost" {
		// How it ended by itself is part of the result.
		time.AfterFunc(lastBreath, c.Kill)
		_, _ = c.Wait()
	}
	end, waitErr := c.finish()
	r.end = end
	return r, errors.Join(err, waitErr)
}

// lastBreath is how long a candidate's process that has broken off may take to end.
const lastBreath = 50 * time.Millisecond

// judge has the tester judge the program of a candidate, within limit of the
// candidate's clock.
func (x *Executor) judge(ctx context.Context, o order, c *candidate, limit time.Duration) (result, error) {
	j, err := x.tester.begin(o, c)
	if err != nil {
		return result{}, err
	}
	k := newClock(c.Process)
	until := limit
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return result{}, errors.Join(context.Cause(ctx), j.end())
		case <-timer.C:
			if left := until - k.now(); left > 0 {
				timer.Reset(max(left, tick))
				continue
			}
			return result{timedOut: true}, j.end()
		case m, ok := <-j.messages:
			if !ok || m.Verdict != nil {
				return result{message: m}, j.end()
			}
			until = limit
			if m.Limit != nil {
				until = min(limit, k.now()+time.Duration(*m.Limit*float64(time.Second)))
			}
			timer.Reset(max(until-k.now(), 0))
		}
	}
}

// prepareTimeout bounds the time that a problem's reference solution takes.
const prepareTimeout = 10 * time.Minute

// prepare has the tester do what depends on the problem alone.
func (x *Executor) prepare(ctx context.Context, o order) (message, error) {
	j, err := x.tester.begin(o, nil)
	if err != nil {
		return message{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	select {
	case <-ctx.Done():
		return message{}, errors.Join(context.Cause(ctx), j.end())
	case m := <-j.messages:
		switch {
		case m.Error != "":
			err = fmt.Errorf("the problem's own solution fails: %s", eval.OneLine(m.Error))
		case m.Prepared == "":
			err = errors.New("the problem's own solution ends the process")
		}
		return m, errors.Join(err, j.end())
	}
}

// A job is a process of the tester's at work.
type job struct {
	tester   *tester
	number   uint64
	channel  *net.UnixConn
	messages <-chan message // closed when the process says no more
	done     chan struct{}
}

// begin has the zygote fork a process for an order: it judges the program of a
// candidate or, without one, prepares a problem.
func (t *tester) begin(o order, c *candidate) (*job, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	number := t.jobs.Add(1)
	channel, err := t.fork(number, c)
	if err != nil {
		return nil, err
	}
	messages, done := make(chan message), make(chan struct{})
	go func() {
		// If the process is gone, no message will come.
		_, _ = channel.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...))
	}()
	go func() {
		defer close(messages)
		for in := json.NewDecoder(channel); ; {
			var m message
			if in.Decode(&m) != nil {
				return
			}
			select {
			case messages <- m:
			case <-done:
				return
			}
		}
	}()
	return &job{t, number, channel, messages, done}, nil
}

// end ends the job's process, if it still runs.
func (j *job) end() error {
	close(j.done)
	return errors.Join(j.channel.Close(), j.tester.kill(j.number))
}

// A clock shows the time that a process has had since the clock was made. It
// does not depend on what else the machine does: time in which the process
// could have run but had no processor does not count.
type clock struct {
	process *sandbox.Process
	began   time.Time
	cpu     time.Duration
	waited  time.Duration
}

// A process whose threads wait for each other's processors can make its clock
// slow, but not slower than this many times, nor slower than its processor time.
const slowest = 10

// tick is the least time between two looks at a clock.
const tick = 5 * time.Millisecond

func newClock(p *sandbox.Process) clock {
	cpu, waited := p.Times()
	return clock{p, time.Now(), cpu, waited}
}

func (k clock) now() time.Duration {
	cpu, waited := k.process.Times()
	wall := time.Since(k.began)
	return max(wall-(waited-k.waited), cpu-k.cpu, wall/slowest)
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
		o.Kind, o.WallClock = eval.TimedOut, true
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
