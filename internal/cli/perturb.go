package cli

import (
	"math"
	"strconv"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/probe"
)

type perturbOptions struct {
	probeOptions
	scales string
}

func (e *env) probePerturb() *cli.Command {
	o := perturbOptions{probeOptions: defaultProbe(), scales: "0,0.5,1,1.5,2,2.5,3"}
	return e.command(&cli.Command{
		Name:  "perturb",
		Usage: "add noise to the thoughts of samples and see what their answers become",
		Description: "Thoughts u are drawn once, and answered from u + s*eps for each scale s. eps is N(0, I), the same at all scales, in the space of u:\n" +
			"there a unit is the standard deviation of the VAE's codes over the training set, as far as the flow leaves it (thought_rms says how large\n" +
			"the thoughts are). Words are drawn with the same random numbers at all scales, so that s = 0 is the samples themselves.",
		Flags: append(o.flags(),
			&cli.StringFlag{Name: "scale", Usage: "`SCALES` of the noise, comma separated", Value: o.scales, Destination: &o.scales}),
		Action: func(*cli.Context) error { return e.runPerturb(o) },
	})
}

func (e *env) runPerturb(o perturbOptions) error {
	scales, err := parseList("--scale", o.scales, "a number of at least 0", func(s string) (float64, bool) {
		scale, err := strconv.ParseFloat(s, 64)
		return scale, err == nil && scale >= 0 && !math.IsInf(scale, 0)
	})
	if err != nil {
		return err
	}
	return e.runProbe(o.probeOptions, probe.Check, func(p *probe.Probe) (result, error) { return p.Perturb(e.ctx, scales) })
}
