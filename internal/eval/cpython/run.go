package cpython

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"nfcot/internal/eval"
)

// An order is what the tester's process gets to know.
type order struct {
	Grader  string `json:"grader"` // a Python module with a function grade
	Problem any    `json:"problem"`
	Program string `json:"program"`
}

// A message is a line from the tester's process: a limit on its way, and the
// verdict at its end.
type message struct {
	Limit   *float64 `json:"limit"` // seconds for the candidate from now on; null: what is left of the program's own
	Verdict *struct {
		Kind   string // an eval.Kind, or "lost" if the candidate's process broke off
		Detail string
		Base   string
	} `json:"verdict"`
	Objects    bool    `json:"objects"` // more than plain data would have had to cross
	CPUSeconds float64 `json:"cpu_seconds"`
}

// A grading is how programs of a format are judged.
type grading struct {
	grader string
	limit  time.Duration
}

var gradings = map[eval.Format]grading{
	eval.HumanEval: {"humaneval", 3 * time.Second},
}

// Execute runs a program against its problem's test.
func (x *Executor) Execute(ctx context.Context, p eval.Problem, program string) (eval.Outcome, error) {
	g, ok := gradings[p.Format]
	if !ok {
		return eval.Outcome{}, fmt.Errorf("%s: CPython judges no problems of format %q", p.TaskID, p.Format)
	}
	o := order{Grader: g.grader, Problem: p, Program: program}
	if p.Format != eval.HumanEval {
		o.Problem = p.Raw
	}
	r, err := x.run(ctx, o, cmp.Or(x.options.Timeout, g.limit))
	if err != nil {
		return eval.Outcome{}, fmt.Errorf("%s: %w", p.TaskID, err)
	}
	return r.outcome(), nil
}

// A result is what became of a run.
type result struct {
	message          // zero without a verdict
	timedOut bool    // by the clock
	end      end     // of the candidate's process
	alive    bool    // that process had not ended by itself
	seconds  float64 // wall clock
}

// run has a new process run a program and the tester judge it.
func (x *Executor) run(ctx context.Context, o order, limit time.Duration) (result, error) {
	c, err := x.takeCandidate()
	if err != nil {
		return result{}, err
	}
	job := x.jobs.Add(1)
	began := time.Now()
	verdicts, err := x.tester.begin(job, c)
	if err != nil {
		_, _ = c.finish()
		return result{}, err
	}
	defer verdicts.Close()
	r, err := x.watch(ctx, verdicts, o, c, limit)
	r.seconds = time.Since(began).Seconds()
	if r.Verdict == nil {
		if err := x.tester.end(job); err != nil {
			return r, err
		}
	}
	end, waitErr := c.finish()
	r.end = end
	return r, cmp.Or(err, waitErr)
}

// watch sends the order and reads messages until the verdict, the end of the
// tester's process, or the limit.
func (x *Executor) watch(ctx context.Context, verdicts *net.UnixConn, o order, c *candidate, limit time.Duration) (result, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return result{}, err
	}
	go func() {
		// If the tester's process is gone, there will be no verdict.
		_, _ = verdicts.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...))
	}()
	messages := make(chan message)
	done := make(chan struct{})
	defer close(done)
	go func() {
		defer close(messages)
		lines := bufio.NewScanner(verdicts)
		for lines.Scan() {
			var m message
			if json.Unmarshal(lines.Bytes(), &m) != nil {
				return
			}
			select {
			case messages <- m:
			case <-done:
				return
			}
		}
	}()
	k := newClock(c.process)
	whole := limit
	until := whole // of the clock
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return result{}, context.Cause(ctx)
		case <-timer.C:
			now := k.now()
			if now >= until {
				return result{timedOut: true}, nil
			}
			timer.Reset(max(until-now, 5*time.Millisecond))
		case m, ok := <-messages:
			switch {
			case !ok:
				return result{}, nil
			case m.Verdict != nil:
				return result{message: m}, nil
			}
			until = whole
			if m.Limit != nil {
				until = min(whole, k.now()+time.Duration(*m.Limit*float64(time.Second)))
			}
			timer.Reset(max(until-k.now(), 0))
		}
	}
}

// A clock shows the time that a process has had since the clock was made: wall
// time without that in which the process could have run but had no processor.
type clock struct {
	process *process
	began   time.Time
	waited  time.Duration
}

func newClock(p *process) clock {
	_, waited := p.Times()
	return clock{p, time.Now(), waited}
}

func (k clock) now() time.Duration {
	_, waited := k.process.Times()
	return time.Since(k.began) - (waited - k.waited)
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
	case r.Verdict == nil:
		o.Kind, o.Detail = eval.Failed, "the test ended without a verdict"
	case r.Verdict.Kind == "lost":
		o.Kind, o.Detail = eval.Crashed, r.Verdict.Detail
	default:
		o.Kind, o.Detail = eval.Kind(r.Verdict.Kind), r.Verdict.Detail
	}
	return o
}
