package cli

import (
	"fmt"

	"nfcot/internal/cot/data"
	"nfcot/internal/progress"
)

// progress begins to show work of total units, done of which were done before: nothing
// when quiet.
func (e *env) progress(label, unit string, done, total int) *progress.Bar {
	if e.quiet {
		return progress.New(nil, label, unit, done, total)
	}
	return progress.New(e.stderr, label, unit, done, total)
}

// say writes a line about what happens, unless quiet.
func (e *env) say(format string, args ...any) {
	if !e.quiet {
		fmt.Fprintf(e.stderr, format+"\n", args...)
	}
}

// warn writes a line that even quiet commands have.
func (e *env) warn(format string, args ...any) {
	fmt.Fprintf(e.stderr, format+"\n", args...)
}

// reader reads examples and shows how far it is.
func (e *env) reader(label string, s data.Source) *data.Reader {
	r := data.NewReader(s)
	r.Begin = func(done, total int) *progress.Bar { return e.progress(label+": read", "MB", done, total) }
	return r
}
