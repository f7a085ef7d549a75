package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"nfcot/internal/eval/harness"
)

// A progress shows how long work goes: a bar on a terminal, plain log lines
// elsewhere, nothing when quiet.
type progress struct {
	out    io.Writer
	label  string
	unit   string
	total  int
	start  time.Time
	first  int // done when it began, if work is resumed
	done   int
	logged time.Time
	bar    *progressbar.ProgressBar
}

// logEvery is the time between log lines where there is no terminal.
const logEvery = 10 * time.Second

// progress begins to show work of total units, done of which were done before.
func (e *env) progress(label, unit string, done, total int) *progress {
	p := &progress{out: e.stderr, label: label, unit: unit, total: total, start: time.Now(), first: done, done: done, logged: time.Now()}
	if e.quiet {
		p.out = nil
		return p
	}
	if isTerminal(e.stderr) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(e.stderr), progressbar.OptionSetDescription(label), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString(unit), progressbar.OptionShowCount(), progressbar.OptionSetWidth(20),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
	}
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// set says how much is done, and something about it.
func (p *progress) set(done int, info string) {
	p.done = done
	switch {
	case p.out == nil:
	case p.bar != nil:
		p.bar.Describe(p.label + " " + info)
		p.bar.Set(done)
	case time.Since(p.logged) >= logEvery:
		p.logged = time.Now()
		fmt.Fprintf(p.out, "%s: %d/%d %s, %s, ETA %s\n", p.label, done, p.total, p.rate(), info, p.eta())
	}
}

// end closes the display with a line that says what was reached.
func (p *progress) end(info string) {
	if p.out == nil {
		return
	}
	if p.bar != nil {
		p.bar.Finish()
	}
	if info != "" {
		info = ", " + info
	}
	fmt.Fprintf(p.out, "%s: %d %s in %s%s\n", p.label, p.done, p.unit, round(time.Since(p.start)), info)
}

func (p *progress) rate() string {
	return fmt.Sprintf("%.3g %s/s", float64(p.done-p.first)/time.Since(p.start).Seconds(), p.unit)
}

func (p *progress) eta() time.Duration {
	if p.done == p.first {
		return 0
	}
	each := time.Since(p.start) / time.Duration(p.done-p.first)
	return round(each * time.Duration(p.total-p.done))
}

// round leaves of a duration what a person wants to know.
func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// mebibytes is an amount of memory for people.
func mebibytes(bytes int) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// say writes a line about what happens, unless quiet.
func (e *env) say(format string, args ...any) {
	if !e.quiet {
		fmt.Fprintf(e.stderr, format+"\n", args...)
	}
}

// A judging shows how far an evaluation is: its sampling, as long as that lasts,
// with what is judged meanwhile, then the rest of the judging.
type judging struct {
	e        *env
	label    string    // of the sampling
	sampling *progress // nil before
	judged   *progress
}

// watch shows the progress of an evaluation.
func (j *judging) watch(p harness.Progress) {
	passed := fmt.Sprintf("%.1f %% passed", 100*float64(p.Passed)/float64(max(1, p.Judged)))
	finished := fmt.Sprintf("%.1f %% finished", 100*float64(p.Finished)/float64(max(1, p.Drawn)))
	if j.judged == nil {
		j.judged = j.e.progress("judge", "programs", p.Judged, p.Samples)
	}
	if j.sampling == nil && p.Missing > 0 {
		j.sampling = j.e.progress(j.label, "samples", p.Samples-p.Missing, p.Samples)
	}
	if drawn := p.Samples - p.Missing + p.Drawn; j.sampling != nil && j.sampling.done < p.Samples {
		j.sampling.set(drawn, fmt.Sprintf("%s, %d judged, %s", finished, p.Judged, passed))
		if drawn == p.Samples {
			j.sampling.end(finished)
		}
	} else {
		j.judged.set(p.Judged, passed)
	}
	j.judged.done = p.Judged
	if p.Judged == p.Samples {
		j.judged.end(passed)
	}
}
