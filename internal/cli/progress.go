package cli

import (
	"fmt"

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

// reading makes the bar of a command that reads examples (data.Source).
func (e *env) reading(command string) func(done, total int) *progress.Bar {
	return func(done, total int) *progress.Bar { return e.progress(command+": read", "MB", done, total) }
}
