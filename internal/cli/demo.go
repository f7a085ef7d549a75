package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/study"
	"nfcot/internal/progress"
)

func (e *env) demo() *cli.Command {
	d := study.Demo{Seed: 1, Dir: "nfcot-demo"}
	return e.command(&cli.Command{
		Name:  "demo",
		Usage: "the whole pipeline on the embedded benchmark, from nothing to a table",
		Description: "Makes problems, trains a tokenizer, a VAE and three models, judges their programs and compares them.\n" +
			"Every stage can be run by itself with the command that the demo names.",
		Flags: []cli.Flag{
			&cli.Uint64Flag{Name: "seed", Usage: "random `seed`; one seed gives one table", Value: d.Seed, Destination: &d.Seed},
			&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "`DIR` that keeps every stage's files; an earlier demo there is replaced", Value: d.Dir, Destination: &d.Dir},
			&cli.BoolFlag{Name: "quick", Usage: "a twentieth of the training, to see the stages go by; the models stay ignorant", Destination: &d.Quick},
		},
		Action: func(*cli.Context) error { return e.runDemo(d) },
	})
}

func (e *env) runDemo(d study.Demo) error {
	start := time.Now()
	// Replaces an earlier demo, refuses to replace anything else.
	if err := ckpt.WriteDir(d.Dir, func(string) error { return nil }); err != nil {
		return input(err)
	}
	var common []string
	if e.quiet {
		common = append(common, "--quiet")
	}
	if e.threads > 0 {
		common = append(common, "--threads", fmt.Sprint(e.threads))
	}
	for i, stage := range d.Stages(common) {
		e.say("\n%d. %s\n   %s", i+1, stage.Title, stage.Shell())
		for _, args := range stage.Commands {
			// The stages' own results are not the demo's.
			own := &env{ctx: e.ctx, stdin: e.stdin, stdout: io.Discard, stderr: e.stderr, guard: e.guard}
			if err := own.app().RunContext(e.ctx, args); err != nil {
				return err
			}
		}
	}
	r, err := d.Result()
	if err != nil {
		return err
	}
	if e.json {
		err = printLines(e, r.Rows)
	} else {
		err = r.WriteText(e.stdout)
	}
	if err != nil {
		return err
	}
	e.say("\nAll files are in %s; it took %s.", d.Dir, progress.Round(time.Since(start)))
	return nil
}
