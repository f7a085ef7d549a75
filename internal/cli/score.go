package cli

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/generate"
)

type scoreOptions struct {
	modelOption
	samples string
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
	if err := run.Model.Method.CheckScores("scored"); err != nil {
		return inputf("%s: %w", o.model, err)
	}
	lines, err := readSamples(o.samples)
	if err != nil {
		return err
	}
	bar := e.progress("score", "samples", 0, len(lines))
	scores, err := generate.Score(e.ctx, run, lines, func(done int) { bar.Set(done, "") })
	if err != nil {
		return input(fmt.Errorf("%s: %w", o.samples, err))
	}
	bar.End("")
	if e.json {
		return printLines(e, scores)
	}
	return generate.ScoreTable(scores).WriteText(e.stdout)
}
