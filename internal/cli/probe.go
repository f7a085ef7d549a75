package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/train"
)

func (e *env) probe() *cli.Command {
	return &cli.Command{
		Name:            "probe",
		Usage:           "look into the thoughts of a model",
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Action:          func(*cli.Context) error { return inputf("probe: want perturb, read or oracle; see nfcot probe --help") },
		Subcommands:     []*cli.Command{e.probePerturb(), e.probeRead(), e.probeOracle()},
	}
}

// openThinker reads a model whose thoughts can be probed.
func (o *modelOption) openThinker() (*train.Run, error) {
	run, err := o.open()
	if err != nil {
		return nil, err
	}
	if run.Model.NF == nil {
		return nil, inputf("%s: method %s has no continuous thoughts to probe", o.model, run.Experiment.Method)
	}
	return run, nil
}
