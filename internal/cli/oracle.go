package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/probe"
)

func (e *env) probeOracle() *cli.Command {
	o := defaultProbe()
	return e.command(&cli.Command{
		Name:  "oracle",
		Usage: "tell whether thoughts or answers go wrong: sampled thoughts against the true ones",
		Description: "The problems of minicode and multiply are answered from sampled thoughts, and from the codes of their true chains of thought (sample i from\n" +
			"chain i, where a problem has several). If the true ones give right answers and the sampled ones do not, it is the prior p(u|q) that\n" +
			"does not know what to think; otherwise the codes or the answers are at fault. The first thought that is not read back as the chain\n" +
			"has it says where thinking goes wrong. Where problems have chains in several orders, it says how many samples set out in each.",
		Flags: o.flags(),
		Action: func(*cli.Context) error {
			return e.runProbe(o, probe.CheckOracle, func(p *probe.Probe) (result, error) { return p.Oracle(e.ctx) })
		},
	})
}
