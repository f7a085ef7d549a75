package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/study"
	"nfcot/internal/cot/train"
)

// studyOptions are the flags of the commands of a study.
type studyOptions struct {
	out     string
	only    cli.StringSlice
	jobs    int
	records string
}

func (o *studyOptions) outFlag() cli.Flag {
	return &cli.StringFlag{Name: "o", Usage: "`DIR` of the study", Value: "study", Destination: &o.out}
}

func (o *studyOptions) onlyFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "only", Usage: "this `ENTRY` alone, under all of its seeds, and what it needs; may be given several times", Destination: &o.only}
}

// do is what a command does with the plan that it is given.
func (o *studyOptions) do(do func(*study.Plan, *studyOptions) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.Args().Len() != 1 {
			return inputf("%sname one plan, a YAML file; see nfcot study --help", where(c.Command))
		}
		p, err := study.ReadPlan(c.Args().First())
		if err != nil {
			return input(err)
		}
		if err := p.Only(o.only.Value()); err != nil {
			return input(err)
		}
		return do(p, o)
	}
}

func (e *env) study() *cli.Command {
	var o studyOptions
	return &cli.Command{
		Name:  "study",
		Usage: "run many experiments as a plan says, and make one report of them",
		Description: "A plan is a YAML file of entries (data, thoughts, trainings, evaluations ...), each of which stands for one command of this program\n" +
			"under each of its seeds, and of the report's sections and claims; docs/study.md says how to write one.",
		HideHelpCommand: true,
		Subcommands: []*cli.Command{
			e.command(&cli.Command{
				Name:      "run",
				Usage:     "do what is not done, go on with what was interrupted, then report",
				ArgsUsage: "PLAN.yaml",
				Flags: []cli.Flag{o.outFlag(), o.onlyFlag(),
					&cli.IntFlag{Name: "jobs", Usage: "`entries` at a time, as processes; results do not depend on it", Value: 1, Destination: &o.jobs}},
				Action: o.do(e.runStudy),
			}),
			e.command(&cli.Command{
				Name:        "report",
				Usage:       "make DIR/report (index.html, results.md, figures) of what is done",
				Description: "What is not there is left out, with a line that says so. Verdicts on claims are computed: a claim holds if the whole interval is on its side.",
				ArgsUsage:   "PLAN.yaml",
				Flags:       []cli.Flag{o.outFlag()},
				Action:      o.do(e.reportStudy),
			}),
			e.command(&cli.Command{
				Name:  "plan",
				Usage: "print the command of each entry, one a line, after those that it needs",
				Description: "For shells, GNU parallel, make and batch systems: whoever runs these lines leaves what nfcot study run leaves.\n" +
					"With --json each is an object with its id, the ids of what it needs, and the file or folder that is there when it is done.",
				ArgsUsage: "PLAN.yaml",
				Flags:     []cli.Flag{o.outFlag(), o.onlyFlag()},
				Action:    o.do(e.planStudy),
			}),
			e.command(&cli.Command{
				Name:        "records",
				Usage:       "copy what reports are made of, without data and weights, to a FOLDER",
				Description: "Of evaluations, trainings and probes. A report of the copy is the same but for numbers of parameters, and nfcot study run goes on from it.",
				ArgsUsage:   "PLAN.yaml",
				Flags: []cli.Flag{o.outFlag(), o.onlyFlag(),
					&cli.StringFlag{Name: "to", Usage: "`FOLDER` for the records", Value: "records", Destination: &o.records}},
				Action: o.do(e.recordStudy),
			}),
			e.stepsOfBudget(),
		},
	}
}

func (e *env) runStudy(p *study.Plan, o *studyOptions) error {
	if o.jobs < 1 {
		return inputf("--jobs is %d; want at least 1", o.jobs)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	e.guard.Saves() // the entries do
	if err := study.Run(e.ctx, []string{self}, p, o.out, o.jobs, e.say); err != nil {
		switch {
		case errors.As(err, new(study.Stale)):
			return input(err)
		case errors.Is(err, context.Canceled):
			return fmt.Errorf("%s: %w; continue with the same command", o.out, train.ErrInterrupted)
		}
		return err
	}
	return e.reportStudy(p, o)
}

func (e *env) reportStudy(p *study.Plan, o *studyOptions) error {
	r, err := study.NewReport(p, o.out)
	if err != nil {
		return input(err)
	}
	if err := r.Write(filepath.Join(o.out, "report")); err != nil {
		return err
	}
	return e.print(r)
}

func (e *env) recordStudy(p *study.Plan, o *studyOptions) error {
	n, err := study.Records(p, o.out, o.records)
	if err != nil {
		return input(err)
	}
	e.say("%s: records of %d entries", o.records, n)
	return nil
}

func (e *env) planStudy(p *study.Plan, o *studyOptions) error {
	lines := p.Lines(o.out)
	if e.json {
		return printLines(e, lines)
	}
	for _, l := range lines {
		fmt.Fprintln(e.stdout, l.Command)
	}
	return nil
}

// stepsOfBudget is what the lines of nfcot study plan call for steps that are known once a run has measured them.
func (e *env) stepsOfBudget() *cli.Command {
	var budget float64
	return e.command(&cli.Command{
		Name:  "steps",
		Usage: "print how many steps a budget is enough for, or a SHARE of them like 4/5, from what the steps of RUN took",
		Description: "The budget is in FLOPs of the backbone, as metrics.jsonl has them. The number is a multiple of 10, at least 20; each fraction of a\n" +
			"SHARE like '3/4 - 1/30' is rounded down.",
		ArgsUsage: "RUN [SHARE]",
		Flags:     []cli.Flag{&cli.Float64Flag{Name: "budget", Usage: "`FLOPs`", Destination: &budget}},
		Action: func(c *cli.Context) error {
			if n := c.Args().Len(); n < 1 || n > 2 {
				return inputf("study steps: name the run, and a share of the steps if need be; see nfcot study steps --help")
			}
			if !(budget > 0) {
				return inputf("--budget is %g; want a positive number", budget)
			}
			share, err := study.ParseShare(cmp.Or(c.Args().Get(1), "1"))
			if err != nil {
				return input(err)
			}
			n, err := study.Affordable(c.Args().First(), budget)
			if err != nil {
				return input(err)
			}
			fmt.Fprintln(e.stdout, share.Of(n))
			return nil
		},
	})
}
