package cli

import (
	"fmt"

	"nfcot/internal/eval/harness"
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

// A judging shows how far an evaluation is: its sampling, as long as that lasts,
// with what is judged meanwhile, then the rest of the judging.
type judging struct {
	e        *env
	label    string        // of the sampling
	sampling *progress.Bar // nil before
	judged   *progress.Bar
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
	if drawn := p.Samples - p.Missing + p.Drawn; j.sampling != nil && j.sampling.Done() < p.Samples {
		j.sampling.Set(drawn, fmt.Sprintf("%s, %d judged, %s", finished, p.Judged, passed))
		if drawn == p.Samples {
			j.sampling.End(finished)
		}
	} else {
		j.judged.Set(p.Judged, passed)
	}
	j.judged.Count(p.Judged)
	if p.Judged == p.Samples {
		j.judged.End(passed)
	}
}
