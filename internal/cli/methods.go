package cli

import (
	"fmt"
	"nfcot/internal/cot/experiment"

	"github.com/urfave/cli/v2"
)

// A methodInfo is a line of methods.
type methodInfo struct {
	Name       string `json:"method"`
	What       string `json:"what"`
	Samples    bool   `json:"samples"`
	Scores     bool   `json:"scores"`     // knows exact log-likelihoods
	Reinforces bool   `json:"reinforces"` // can be trained by nfcot rl
}

func (e *env) methods() *cli.Command {
	return e.command(&cli.Command{
		Name:   "methods",
		Usage:  "the methods that there are, and what each can do",
		Action: func(*cli.Context) error { return e.printMethods() },
	})
}

func (e *env) printMethods() error {
	var rows [][]string
	var cannot []error
	for _, m := range experiment.Methods {
		// What samples with an exact likelihood can be reinforced.
		line := methodInfo{Name: m.Name, What: m.What, Samples: true, Scores: m.Scores, Reinforces: m.Scores}
		if e.json {
			if err := e.printJSON(line); err != nil {
				return err
			}
		}
		rows = append(rows, []string{line.Name, line.What, yesNo(line.Samples), yesNo(line.Scores), yesNo(line.Reinforces)})
		if err := m.CheckScores("reinforced"); err != nil {
			cannot = append(cannot, err)
		}
	}
	if e.json {
		return nil
	}
	e.printTable([]string{"method", "what it does", "samples", "scores", "reinforces"}, rows)
	for _, why := range cannot {
		fmt.Fprintln(e.stdout, why)
	}
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
