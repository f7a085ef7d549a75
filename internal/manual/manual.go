// Package manual tells people of a command line: it makes the texts from which the library
// makes a man page and Markdown, has scripts with which shells complete commands and
// flags, and says what is wrong with flags, and which version this is. It knows no command.
package manual

import (
	"embed"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

//go:embed completion
var completions embed.FS

// Shells are those for which there is a script.
var Shells = []string{"bash", "zsh", "fish", "powershell"}

// Indent is what command lines in descriptions begin with, and nothing else there does
// that begins with the program's name.
const Indent = "    "

// Completion is the script that lets a shell, one of Shells, complete the commands and
// flags of app; its first line says where to put it.
func Completion(app *cli.App, shell string) (string, error) {
	if shell == "fish" {
		script, err := app.ToFishCompletion()
		return "# Completion of nfcot in fish: nfcot completion fish > ~/.config/fish/completions/nfcot.fish\n" + script, err
	}
	script, err := completions.ReadFile("completion/nfcot." + strings.Replace(shell, "powershell", "ps1", 1))
	return string(script), err
}

// Document changes app so that what its commands' descriptions say stands where the
// library's makers of documents look for it: prose in Usage, and in UsageText command
// lines, which are indented and begin with the program's name. The flags that all
// commands have, common, are said once.
func Document(app *cli.App, common []cli.Flag) {
	app.Description += "\n\nEvery command also takes these flags, which come before arguments:\n"
	for _, f := range common {
		name := f.Names()[0]
		app.Description += fmt.Sprintf("\n**%s**: %s\n", Dashed(name), f.(cli.DocGenerationFlag).GetUsage())
	}
	document(app.Name, app.Commands, common)
}

func document(above string, commands []*cli.Command, common []cli.Flag) {
	for _, c := range commands {
		name := above + " " + c.Name
		c.Flags = slices.DeleteFunc(c.Flags, func(f cli.Flag) bool {
			return slices.ContainsFunc(common, func(g cli.Flag) bool { return g.Names()[0] == f.Names()[0] })
		})
		var prose, lines []string
		for line := range strings.Lines(c.Description) {
			if example, ok := strings.CutPrefix(line, Indent+"nfcot "); ok {
				lines = append(lines, "nfcot "+strings.TrimSpace(example))
			} else {
				prose = append(prose, strings.TrimSpace(line))
			}
		}
		about := strings.TrimSuffix(strings.Join(prose, "\n"), "For example:") // the command itself is the first line below
		c.Usage = strings.ToUpper(c.Usage[:1]) + c.Usage[1:] + ".\n\n" + strings.TrimSpace(about)
		if c.Subcommands == nil || len(c.Flags) > 0 { // it is not only there for others
			c.UsageText = strings.Join(append([]string{fmt.Sprintf("%s [FLAGS] %s", name, c.ArgsUsage)}, lines...), "\n") + "\n"
		}
		document(name, c.Subcommands, common)
	}
}

// Dashed is a flag as it is usually written.
func Dashed(flag string) string {
	if len(flag) == 1 {
		return "-" + flag
	}
	return "--" + flag
}

// Version is what the build knows of the program's source: the commit it was built from, or
// the module's version.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
}
