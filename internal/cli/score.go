package cli

import (
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot"
	"nfcot/internal/cot/train"
)

type scoreOptions struct {
	modelOption
	samples string
}

// A score is the exact log-likelihood of one sample, in nats.
type score struct {
	TaskID   string   `json:"task_id"`
	Thoughts *float64 `json:"logp_thoughts"` // null where the method has none
	Text     float64  `json:"logp_text"`
	Total    float64  `json:"logp_total"`
}

func (e *env) score() *cli.Command {
	var o scoreOptions
	return e.command(&cli.Command{
		Name:  "score",
		Usage: "exact log-likelihoods, in nats, of given samples: of their thoughts and of their text",
		Flags: append(o.flags(),
			&cli.StringFlag{Name: "samples", Usage: "samples `FILE` written by nfcot sample or eval; -: stdin", Destination: &o.samples}),
		Action: func(*cli.Context) error { return e.runScore(o) },
	})
}

func (e *env) runScore(o scoreOptions) error {
	if err := errors.Join(need("model", o.model), need("samples", o.samples)); err != nil {
		return err
	}
	run, err := o.open()
	if err != nil {
		return err
	}
	scorer, err := run.Model.Scorer()
	if err != nil {
		return inputf("%s: %w", o.model, err)
	}
	lines, err := readSamples(o.samples)
	if err != nil {
		return err
	}
	samples := make([]cot.Sample, len(lines))
	for i, line := range lines {
		if samples[i], err = sampleOf(run, line); err != nil {
			return inputf("%s: sample %d (%s): %w", o.samples, i+1, line.TaskID, err)
		}
	}
	var scores []score
	bar := e.progress("score", "samples", 0, len(samples))
	for batch := range slices.Chunk(samples, 64) {
		if e.ctx.Err() != nil {
			return train.ErrInterrupted
		}
		thoughts, text := scorer.LogProb(nil, batch, cot.Temperatures{Thought: 1, Text: 1})
		for i := range batch {
			s := score{TaskID: lines[len(scores)].TaskID, Text: float64(text.Data[i]), Total: float64(thoughts.Data[i]) + float64(text.Data[i])}
			if batch[i].Thoughts != nil {
				v := float64(thoughts.Data[i])
				s.Thoughts = &v
			}
			scores = append(scores, s)
		}
		bar.set(len(scores), "")
	}
	bar.end("")
	return e.printScores(scores)
}

func (e *env) printScores(scores []score) error {
	var rows [][]string
	var sumThoughts, sumText float64
	for _, s := range scores {
		if e.json {
			if err := e.printJSON(s); err != nil {
				return err
			}
			continue
		}
		thoughts := "-"
		if s.Thoughts != nil {
			thoughts = fmt.Sprintf("%.4f", *s.Thoughts)
			sumThoughts += *s.Thoughts
		}
		sumText += s.Text
		rows = append(rows, []string{s.TaskID, thoughts, fmt.Sprintf("%.4f", s.Text), fmt.Sprintf("%.4f", s.Total)})
	}
	if e.json {
		return nil
	}
	n := float64(len(scores))
	meanThoughts := "-"
	if scores[0].Thoughts != nil {
		meanThoughts = fmt.Sprintf("%.4f", sumThoughts/n)
	}
	rows = append(rows, []string{"mean", meanThoughts, fmt.Sprintf("%.4f", sumText/n), fmt.Sprintf("%.4f", (sumThoughts+sumText)/n)})
	e.printTable([]string{"task", "log p(thoughts)", "log p(text)", "total (nats)"}, rows)
	return nil
}
