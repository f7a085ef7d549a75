package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/train"
)

// A methodInfo is a line of methods.
type methodInfo struct {
	Name string `json:"method"`
	What string `json:"what"`
}

func (e *env) methods() *cli.Command {
	return e.command(&cli.Command{
		Name:  "methods",
		Usage: "the methods that train knows, one line each",
		Action: func(*cli.Context) error {
			var rows [][]string
			for _, m := range train.Methods {
				if e.json {
					if err := e.printJSON(methodInfo(m)); err != nil {
						return err
					}
				}
				rows = append(rows, []string{m.Name, m.What})
			}
			if e.json {
				return nil
			}
			e.printTable([]string{"method", "what it does"}, rows)
			return nil
		},
	})
}
