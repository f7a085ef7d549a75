package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"nfcot/internal/eval/harness"
)

func (e *env) sandbox() *cli.Command {
	return &cli.Command{
		Name:            "sandbox",
		Usage:           "the walls around programs that models write",
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Action:          func(*cli.Context) error { return inputf("sandbox: want check; see nfcot sandbox --help") },
		Subcommands: []*cli.Command{e.command(&cli.Command{
			Name:  "check",
			Usage: "try the walls that stand on this machine, and print what holds",
			Description: "A confined program attempts what programs must not do. The exit code is 0 if all walls hold, 1 if one does not,\n" +
				"and 2 where there are too few walls for programs to be run at all; the error then says what is missing.",
			Action: func(*cli.Context) error { return e.runSandboxCheck() },
		})},
	}
}

// A sandboxCheck is what sandbox check finds.
type sandboxCheck struct {
	Sandbox string         `json:"sandbox"`
	Probes  []sandboxProbe `json:"probes"`
}

type sandboxProbe struct {
	Name string `json:"name"`
	Held bool   `json:"held"`
	Seen string `json:"seen"`
}

func (e *env) runSandboxCheck() error {
	box, err := harness.OpenSandbox(e.ctx)
	if err != nil {
		return err
	}
	defer box.Close()
	found, err := box.Probes(e.ctx)
	if err != nil {
		return err
	}
	check := sandboxCheck{Sandbox: box.String()}
	fallen := 0
	for _, p := range found {
		check.Probes = append(check.Probes, sandboxProbe(p))
		if !p.Held {
			fallen++
		}
	}
	if err := e.printCheck(check); err != nil {
		return err
	}
	if fallen > 0 {
		return fmt.Errorf("sandbox: %d of %d probes got through the walls; do not run programs of models on this machine", fallen, len(found))
	}
	return nil
}

func (e *env) printCheck(check sandboxCheck) error {
	if e.json {
		return e.printJSON(check)
	}
	fmt.Fprintf(e.stdout, "sandbox: %s\n\n", check.Sandbox)
	var rows [][]string
	for _, p := range check.Probes {
		held := "holds"
		if !p.Held {
			held = "DOES NOT HOLD"
		}
		rows = append(rows, []string{p.Name, held, p.Seen})
	}
	e.printTable([]string{"probe", "walls", "seen"}, rows)
	return nil
}
