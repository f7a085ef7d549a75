package cli

// What the program says about itself, made from its commands: a man page,
// docs/cli.md, and scripts with which shells complete its commands and flags.

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

//go:embed completion
var completions embed.FS

// completion prints a script for a shell.
func (e *env) completion() *cli.Command {
	return e.command(&cli.Command{
		Name:        "completion",
		Usage:       "a script that lets a shell complete commands and flags: bash, zsh, fish or powershell",
		ArgsUsage:   "SHELL",
		Description: "The script goes to stdout; its first line says where to put it. For example:\nnfcot completion bash",
		Action: func(c *cli.Context) error {
			script, err := e.completionFor(c.Args().First())
			if err != nil {
				return err
			}
			_, err = io.WriteString(e.stdout, script)
			return err
		},
	})
}

// completionFor is the script for a shell.
func (e *env) completionFor(shell string) (string, error) {
	switch shell {
	case "fish":
		script, err := e.app().ToFishCompletion()
		return "# Completion of nfcot in fish: nfcot completion fish > ~/.config/fish/completions/nfcot.fish\n" + script, err
	case "bash", "zsh", "powershell":
		file := "completion/nfcot." + strings.Replace(shell, "powershell", "ps1", 1)
		script, err := completions.ReadFile(file)
		return string(script), err
	}
	return "", inputf("completion: the shell is %q; want bash, zsh, fish or powershell", shell)
}

// man prints the man page.
func (e *env) man() *cli.Command {
	return e.command(&cli.Command{
		Name:        "man",
		Usage:       "the manual page, for man -l",
		Description: "For example:\nnfcot man",
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

// markdown is docs/cli.md, in lines of at most 120 columns.
func (e *env) markdown() (string, error) {
	text, err := e.documented().ToMarkdown()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	blank := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n ")
		if line != "" || !blank {
			wrapLine(&b, line, 120)
		}
		blank = line == ""
	}
	return b.String(), nil
}

// documented is the app with what its commands' descriptions say where the
// library's makers of documents look for it: prose in Usage, command lines, which
// begin with the program's name, in UsageText. Flags of all commands are said once.
func (e *env) documented() *cli.App {
	app := e.app()
	app.Description += "\n\nEvery command also takes these flags, which come before arguments:\n"
	for _, f := range e.commonFlags() {
		flag := f.(cli.DocGenerationFlag)
		app.Description += fmt.Sprintf("\n**%s**: %s\n", dashed(f.Names()[0]), flag.GetUsage())
	}
	var visit func(name string, list []*cli.Command)
	visit = func(name string, list []*cli.Command) {
		for _, c := range list {
			full := name + " " + c.Name
			c.Flags = slices.DeleteFunc(c.Flags, func(f cli.Flag) bool {
				return slices.ContainsFunc(e.commonFlags(), func(common cli.Flag) bool { return common.Names()[0] == f.Names()[0] })
			})
			var prose, lines []string
			for line := range strings.Lines(c.Description) {
				if line = strings.TrimSpace(line); strings.HasPrefix(line, "nfcot ") {
					lines = append(lines, line)
				} else {
					prose = append(prose, line)
				}
			}
			c.Usage = strings.ToUpper(c.Usage[:1]) + c.Usage[1:] + ".\n\n" + strings.Join(prose, "\n")
			if c.Subcommands == nil {
				c.UsageText = strings.Join(append([]string{fmt.Sprintf("%s [FLAGS] %s", full, c.ArgsUsage)}, lines...), "\n") + "\n"
			}
			visit(full, c.Subcommands)
		}
	}
	visit(app.Name, app.Commands)
	return app
}

// wrapLine writes a line as lines of at most so many columns.
func wrapLine(b *strings.Builder, line string, columns int) {
	for len([]rune(line)) > columns && !strings.HasPrefix(line, "    ") {
		cut := strings.LastIndexByte(string([]rune(line)[:columns+1]), ' ')
		if cut < 0 {
			break
		}
		b.WriteString(line[:cut] + "\n")
		line = line[cut+1:]
	}
	b.WriteString(line + "\n")
}
