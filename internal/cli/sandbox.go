package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"nfcot/internal/eval/harness"
	"nfcot/internal/eval/sandbox"
)

func (e *env) sandbox() *cli.Command {
	return &cli.Command{
		Name:            "sandbox",
		Usage:           "the layers of protection around programs that models write",
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Action:          func(*cli.Context) error { return inputf("sandbox: want check; see nfcot sandbox --help") },
		Subcommands: []*cli.Command{e.command(&cli.Command{
			Name:  "check",
			Usage: "try the layers that stand on this machine, and print what holds",
			Description: "A confined program attempts what programs must not do. The exit code is 0 if all layers hold, 1 if one does not,\n" +
				"and 2 where there are too few layers for programs to be run at all; the error then says what is missing.",
			Action: func(*cli.Context) error { return e.runSandboxCheck() },
		})},
	}
}

// A sandboxReport is what sandbox check finds.
type sandboxReport struct {
	Sandbox string          `json:"sandbox"`
	Checks  []sandbox.Check `json:"checks"`
}

func (e *env) runSandboxCheck() error {
	box, err := harness.OpenSandbox(e.ctx)
	if err != nil {
		return err
	}
	defer box.Close()
	r := sandboxReport{Sandbox: box.String()}
	if r.Checks, err = box.Checks(e.ctx); err != nil {
		return err
	}
	fallen := 0
	for _, c := range r.Checks {
		if !c.Held {
			fallen++
		}
	}
	if err := e.printSandbox(r); err != nil {
		return err
	}
	if fallen > 0 {
		return fmt.Errorf("sandbox: %d of %d checks got through the layers; do not run programs of models on this machine", fallen, len(r.Checks))
	}
	return nil
}

func (e *env) printSandbox(r sandboxReport) error {
	if e.json {
		return e.printJSON(r)
	}
	fmt.Fprintf(e.stdout, "sandbox: %s\n\n", r.Sandbox)
	var rows [][]string
	for _, c := range r.Checks {
		held := "holds"
		if !c.Held {
			held = "DOES NOT HOLD"
		}
		rows = append(rows, []string{c.Name, held, c.Seen})
	}
	e.printTable([]string{"check", "layers", "seen"}, rows)
	return nil
}
