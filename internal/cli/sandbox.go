package cli

import (
	"github.com/urfave/cli/v2"

	"nfcot/internal/eval/harness"
)

func (e *env) sandbox() *cli.Command {
	return group("sandbox", "the layers of protection around programs that models write", "check", e.command(&cli.Command{
		Name:  "check",
		Usage: "try the layers that stand on this machine, and print what holds",
		Description: "A confined program attempts what programs must not do. The exit code is 0 if all layers hold, 1 if one does not,\n" +
			"and 2 where there are too few layers for programs to be run at all; the error then says what is missing.",
		Action: func(*cli.Context) error { return e.checkSandbox() },
	}))
}

func (e *env) checkSandbox() error {
	r, err := harness.CheckSandbox(e.ctx)
	if err != nil {
		return err
	}
	if err := e.print(r); err != nil {
		return err
	}
	return r.Fallen()
}
