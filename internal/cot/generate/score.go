package generate

import (
	"context"
	"fmt"
	"math"
	"slices"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/eval"
	"nfcot/internal/page"
)

// A LogLikelihood is the exact one of a sample, in nats.
type LogLikelihood struct {
	TaskID   string `json:"task_id"`
	Thoughts *nats  `json:"logp_thoughts"` // null where the method has none, too
	Text     nats   `json:"logp_text"`
	Total    nats   `json:"logp_total"`
}

// ScoreTable is the table of log-likelihoods, of one at least, with their means.
func ScoreTable(scores []LogLikelihood) page.Table {
	t := page.Table{Header: []string{"task", "log p(thoughts)", "log p(text)", "total (nats)"}}
	add := func(s LogLikelihood) {
		t.Rows = append(t.Rows, []string{s.TaskID, page.Number("%.4f", (*float64)(s.Thoughts)), fmt.Sprintf("%.4f", s.Text), fmt.Sprintf("%.4f", s.Total)})
	}
	var thoughts, text nats
	for _, s := range scores {
		add(s)
		if s.Thoughts != nil {
			thoughts += *s.Thoughts
		}
		text += s.Text
	}
	n := nats(len(scores))
	mean := LogLikelihood{TaskID: "mean", Text: text / n, Total: (thoughts + text) / n}
	if thoughts /= n; scores[0].Thoughts != nil {
		mean.Thoughts = &thoughts
	}
	add(mean)
	return t
}

// scoredTogether is the number of samples that go through the model together.
const scoredTogether = 64

// Score returns the log-likelihoods of samples under a run's model at temperature 1. It
// fails for lines that Parse does not read and for methods without a likelihood, and
// with ctx's error when that ends. watch, if not nil, is told how many are done.
func Score(ctx context.Context, run *experiment.Run, lines []eval.Sample, watch func(done int)) ([]LogLikelihood, error) {
	scorer, err := run.Model.Scorer()
	if err != nil {
		return nil, err
	}
	samples := make([]cot.Sample, len(lines))
	for i, line := range lines {
		if samples[i], err = Parse(run, line); err != nil {
			return nil, fmt.Errorf("sample %d (%s): %w", i+1, line.TaskID, err)
		}
	}
	var scores []LogLikelihood
	for batch := range slices.Chunk(samples, scoredTogether) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		thoughts, text := scorer.LogProb(nil, batch, cot.Temperatures{Thought: 1, Text: 1})
		for i := range batch {
			s := LogLikelihood{TaskID: lines[len(scores)].TaskID, Text: nats(text.Data[i]), Total: nats(thoughts.Data[i]) + nats(text.Data[i])}
			if batch[i].Thoughts != nil {
				s.Thoughts = new(nats(thoughts.Data[i]))
			}
			if total := float64(s.Total); !math.IsInf(total, -1) { // a sample may be impossible
				if err := cot.Finite("log-likelihoods", total); err != nil {
					return nil, fmt.Errorf("sample %d (%s): %w", len(scores)+1, s.TaskID, err)
				}
			}
			scores = append(scores, s)
		}
		if watch != nil {
			watch(len(scores))
		}
	}
	return scores, nil
}
