package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/probe"
)

func (e *env) probeIntervene() *cli.Command {
	o := defaultProbe()
	return e.command(&cli.Command{
		Name:  "intervene",
		Usage: "put other thoughts in the place of a model's own and see which problem its answers are for",
		Description: "Thoughts are drawn once. Problems are answered from their own, from those of another problem of their family (other), from zeros (zero),\n" +
			"the mean of all (mean), random directions of the same length (noise), their own in another order (shuffled), and their own with the\n" +
			"thought of one step from a problem that differs in this step alone (one; minicode). Of each kind: pass@1 on the problem's own tests (or\n" +
			"right answer) and on those of the donor (the other problem, of one the one that differs), and the log-likelihoods of both solutions. If thoughts\n" +
			"matter, answers follow the donor.",
		Flags: o.flags(),
		Action: func(*cli.Context) error {
			return e.runProbe(o, probe.CheckThoughts, func(p *probe.Probe) (result, error) { return p.Intervene(e.ctx) })
		},
	})
}
