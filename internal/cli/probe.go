package cli

// Probes look into the thoughts of a model. This file has what their commands share.

import (
	"errors"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/probe"
	"nfcot/internal/eval/harness"
)

func (e *env) probe() *cli.Command {
	return group("probe", "look into the thoughts of a model", "perturb, read or oracle", e.probePerturb(), e.probeRead(), e.probeOracle())
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

// openProbe reads the model and the benchmark, and opens what runs programs, which has to
// be closed.
func (e *env) openProbe(o probeOptions) (*probe.Probe, *harness.Executor, error) {
	if err := errors.Join(need("model", o.model), o.check(), o.settle()); err != nil {
		return nil, nil, err
	}
	b, err := o.judged(o.Seed)
	if err != nil {
		return nil, nil, err
	}
	run, err := o.open()
	if err != nil {
		return nil, nil, err
	}
	if err := probe.Check(run); err != nil {
		return nil, nil, input(err)
	}
	exec, err := harness.OpenExecutor(e.ctx, o.ExecutorOptions, b.Problems)
	if err != nil {
		return nil, nil, err
	}
	g, err := o.generator(run, b, exec.Sanitize)
	if err != nil {
		exec.Close()
		return nil, nil, err
	}
	return &probe.Probe{Generator: g, Bench: b, Exec: exec, Workers: o.Workers, Watch: probe.Show(e.progress)}, exec, nil
}

// printProbe writes what a probe found to a file, if one is named, and to stdout.
func (e *env) printProbe(out string, found result) error {
	if out != "" {
		if err := ckpt.WriteJSON(out, found); err != nil {
			return err
		}
	}
	return e.print(found)
}
