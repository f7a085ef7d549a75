package cli

// Probes look into the thoughts of a model. This file has what their commands share.

import (
	"errors"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/probe"
	"nfcot/internal/eval/harness"
)

func (e *env) probe() *cli.Command {
	return group("probe", "look into the thoughts of a model", "perturb, read, oracle, intervene or likelihood", e.probePerturb(), e.probeRead(), e.probeOracle(), e.probeIntervene(), e.probeLikelihood())
}

// probeOptions are those of probes that run programs.
type probeOptions struct {
	samplingOptions
	executorOptions
	out string
}

func defaultProbe() probeOptions {
	return probeOptions{samplingOptions: defaultSampling(), executorOptions: defaultExecutor()}
}

func (o *probeOptions) flags() []cli.Flag {
	return append(append(o.samplingOptions.flags(), o.executorOptions.flags()...),
		&cli.StringFlag{Name: "o", Usage: "`FILE` for the numbers, as JSON", Destination: &o.out})
}

// runProbe looks into the thoughts of a model, which must pass check, and prints what look finds.
func (e *env) runProbe(o probeOptions, check func(*experiment.Run) error, look func(*probe.Probe) (result, error)) error {
	if err := errors.Join(need("model", o.model), o.check(), o.settle(), outFile(o.out)); err != nil {
		return err
	}
	o.Request.Seed = o.Seed
	b, err := o.Judged()
	if err != nil {
		return input(err)
	}
	run, err := o.open()
	if err != nil {
		return err
	}
	if err := check(run); err != nil {
		return input(err)
	}
	exec, err := harness.OpenExecutor(e.ctx, o.ExecutorOptions, b)
	if err != nil {
		return err
	}
	defer exec.Close()
	g, err := o.generator(run, b, exec.Sanitize)
	if err != nil {
		return err
	}
	found, err := look(&probe.Probe{Generator: g, Bench: b, Exec: exec, Workers: o.Workers, Watch: probe.Show(e.progress)})
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := ckpt.WriteJSON(o.out, found); err != nil {
			return err
		}
	}
	return e.print(found)
}
