package harness

import (
	"fmt"

	"nfcot/internal/progress"
)

// A Display shows how far an evaluation is: its sampling, as long as that lasts, with what is
// judged meanwhile, then the rest of the judging.
type Display struct {
	Label string                                                  // of the sampling
	Begin func(label, unit string, done, total int) *progress.Bar // begins to show some work

	sampling, judged *progress.Bar // nil before
}

// Watch shows the progress of an evaluation.
func (d *Display) Watch(p Progress) {
	passed := fmt.Sprintf("%.1f %% passed", 100*float64(p.Passed)/float64(max(1, p.Judged)))
	finished := fmt.Sprintf("%.1f %% finished", 100*float64(p.Finished)/float64(max(1, p.Drawn)))
	if d.judged == nil {
		d.judged = d.Begin("judge", p.Unit, p.Judged, p.Samples)
	}
	if d.sampling == nil && p.Missing > 0 {
		d.sampling = d.Begin(d.Label, "samples", p.Samples-p.Missing, p.Samples)
	}
	if drawn := p.Samples - p.Missing + p.Drawn; d.sampling != nil && d.sampling.Done() < p.Samples {
		d.sampling.Set(drawn, fmt.Sprintf("%d tokens, %s, %d judged, %s", p.Tokens, finished, p.Judged, passed))
		if drawn == p.Samples {
			d.sampling.End(finished)
		}
	} else {
		d.judged.Set(p.Judged, passed)
	}
	d.judged.Count(p.Judged)
	if p.Judged == p.Samples {
		d.judged.End(passed)
	}
}
