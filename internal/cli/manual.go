package cli

// What the program says about itself: docs/cli.md is made by a test.

import (
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"nfcot/internal/manual"
)

// completion prints a script for a shell.
func (e *env) completion() *cli.Command {
	return e.command(&cli.Command{
		Name:        "completion",
		Usage:       "a script that lets a shell complete commands and flags: bash, zsh, fish or powershell",
		ArgsUsage:   "SHELL",
		Description: "The script goes to stdout; its first line says where to put it. For example:\n    nfcot completion bash",
		Action: func(c *cli.Context) error {
			shell := c.Args().First()
			if c.Args().Len() > 1 {
				return inputf("completion: want one SHELL, and there are %d", c.Args().Len())
			}
			if !slices.Contains(manual.Shells, shell) {
				return inputf("completion: the shell is %q; want bash, zsh, fish or powershell", shell)
			}
			script, err := manual.Completion(e.app(), shell)
			if err != nil {
				return err
			}
			_, err = io.WriteString(e.stdout, script)
			return err
		},
	})
}

// man prints the man page.
func (e *env) man() *cli.Command {
	return e.command(&cli.Command{
		Name:        "man",
		Usage:       "the manual page, for man -l",
		Description: "For example:\n    nfcot man",
		Action: func(*cli.Context) error {
			page, err := e.documented().ToManWithSection(1)
			if err != nil {
				return err
			}
			_, err = io.WriteString(e.stdout, page)
			return err
		},
	})
}

// documented is the app as the makers of documents want it.
func (e *env) documented() *cli.App {
	app := e.app()
	manual.Document(app, e.commonFlags())
	return app
}
