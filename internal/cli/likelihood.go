package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/probe"
)

func (e *env) probeLikelihood() *cli.Command {
	o := defaultProbe()
	return e.command(&cli.Command{
		Name:  "likelihood",
		Usage: "tell how likely the right answers are after what a model thinks itself",
		Description: "Of every method. log p(answer | prompt) of the canonical solution, of GSM8K the number behind ####, in nats: the log of the mean of its\n" +
			"likelihood after each of n samples of thoughts, or of chains in words. It tells models apart that solve no problem yet.",
		Flags: o.flags(),
		Action: func(*cli.Context) error {
			known := func(*experiment.Run) error { return nil }
			return e.runProbe(o, known, func(p *probe.Probe) (result, error) { return p.Likelihood(e.ctx) })
		},
	})
}
