// Package progress shows how long work goes: a bar on a terminal, plain log lines
// elsewhere. It writes where it is told to, and knows nothing of the work.
package progress

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A Bar shows how much of some work is done.
type Bar struct {
	out    io.Writer // nil: show nothing
	label  string
	unit   string
	total  int
	start  time.Time
	first  int // done when it began, if work is resumed
	done   int
	logged time.Time
	bar    *progressbar.ProgressBar // nil where there is no terminal
}

// logEvery is the time between log lines where there is no terminal.
const logEvery = 10 * time.Second

// New begins to show work of total units, done of which were done before. A nil writer
// shows nothing.
func New(w io.Writer, label, unit string, done, total int) *Bar {
	b := &Bar{out: w, label: label, unit: unit, total: total, start: time.Now(), first: done, done: done, logged: time.Now()}
	if IsTerminal(w) {
		b.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(label), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString(unit), progressbar.OptionShowCount(), progressbar.OptionSetWidth(20),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
	}
	return b
}

// IsTerminal says whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Done is how many units are done.
func (b *Bar) Done() int { return b.done }

// Count says how much is done, without showing it.
func (b *Bar) Count(done int) { b.done = done }

// Set says how much is done, and something about it.
func (b *Bar) Set(done int, info string) {
	b.done = done
	switch {
	case b.out == nil:
	case b.bar != nil:
		b.bar.Describe(b.label + " " + info)
		b.bar.Set(done)
	case time.Since(b.logged) >= logEvery:
		b.logged = time.Now()
		if info != "" {
			info = ", " + info
		}
		fmt.Fprintf(b.out, "%s: %d/%d %s%s, ETA %s\n", b.label, done, b.total, b.rate(), info, b.eta())
	}
}

// End closes the display with a line that says what was reached.
func (b *Bar) End(info string) {
	if b.out == nil {
		return
	}
	if b.bar != nil {
		b.bar.Finish()
	}
	if info != "" {
		info = ", " + info
	}
	fmt.Fprintf(b.out, "%s: %d %s in %s%s\n", b.label, b.done, b.unit, Round(time.Since(b.start)), info)
}

func (b *Bar) rate() string {
	return fmt.Sprintf("%.3g %s/s", float64(b.done-b.first)/time.Since(b.start).Seconds(), b.unit)
}

func (b *Bar) eta() time.Duration {
	if b.done == b.first {
		return 0
	}
	each := time.Since(b.start) / time.Duration(b.done-b.first)
	return Round(each * time.Duration(b.total-b.done))
}

// Round leaves of a duration what a person wants to know.
func Round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}
