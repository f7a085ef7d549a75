package cli

// What the program says about the command line: every flag has a help line, and
// every command line that is shown is found by the test that runs it.

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"nfcot/internal/manual"
)

// commands yields all commands with their full names.
func commands(list []*cli.Command, prefix string, yield func(name string, c *cli.Command)) {
	for _, c := range list {
		name := strings.TrimSpace(prefix + " " + c.Name)
		yield(name, c)
		commands(c.Subcommands, name, yield)
	}
}

func TestEveryFlagIsExplained(t *testing.T) {
	n := 0
	commands(new(env).app().Commands, "", func(name string, c *cli.Command) {
		if c.Usage == "" {
			t.Errorf("%s has no usage text", name)
		}
		for _, f := range c.Flags {
			n++
			doc, ok := f.(cli.DocGenerationFlag)
			if !ok || doc.GetUsage() == "" {
				t.Errorf("%s: %s has no usage text", name, manual.Dashed(f.Names()[0]))
			}
		}
	})
	if n == 0 {
		t.Error("there are no flags at all")
	}
}

// TestExamplesReachTheManual holds descriptions to what the manual is made from: command lines are indented,
// and prose has no line that looks like one. TestExamples runs those of the manual.
func TestExamplesReachTheManual(t *testing.T) {
	n := 0
	commands(new(env).app().Commands, "", func(name string, c *cli.Command) {
		for line := range strings.Lines(c.Description) {
			if strings.HasPrefix(line, manual.Indent+"nfcot ") && c.Subcommands == nil {
				n++
			} else if strings.HasPrefix(strings.TrimSpace(line), "nfcot ") {
				t.Errorf("help of %s: %q would be taken for prose or for a command line", name, strings.TrimSpace(line))
			}
		}
	})
	if n == 0 {
		t.Error("there are no command lines at all")
	}
}
