package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/train"
)

func (e *env) methods() *cli.Command {
	return e.command(&cli.Command{
		Name:  "methods",
		Usage: "the methods that train knows, one line each",
		Action: func(*cli.Context) error {
			if e.json {
				return e.printJSON(train.Methods)
			}
			var rows [][]string
			for _, m := range train.Methods {
				rows = append(rows, []string{m.Name, m.What})
			}
			e.printTable([]string{"method", "what it does"}, rows)
			return nil
		},
	})
}
