package cli

// What the program and its README say about the command line: every flag has a
// help line, and every command line that is shown is one that works.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

// parses says whether a command line, without the program's name, is one that
// the program understands. It does not run it.
func parses(words []string) error {
	e := &env{ctx: context.Background(), stdout: io.Discard, stderr: io.Discard}
	app := e.app()
	commands(app.Commands, "", func(_ string, c *cli.Command) {
		if c.Subcommands != nil {
			return // a bare "nfcot tokenize" is an error
		}
		c.Action = func(x *cli.Context) error {
			if x.Args().Present() && c.ArgsUsage == "" {
				return fmt.Errorf("unexpected argument %q", x.Args().First())
			}
			for _, arg := range x.Args().Slice() {
				if strings.HasPrefix(arg, "-") {
					return fmt.Errorf("flag %s comes after an argument", arg)
				}
			}
			return nil
		}
	})
	return app.Run(append([]string{"nfcot"}, words...))
}

func TestParses(t *testing.T) {
	for line, ok := range map[string]bool{
		"":                                  true,
		"data -n 3 --split test -o x.jsonl": true,
		"tokenize train --in a --in b -o c": true,
		"inspect RUN":                       true,
		"bogus":                             false,
		"tokenize":                          false,
		"data --bogus":                      false,
		"data -n three":                     false,
		"data extra":                        false,
		"inspect RUN --json":                false,
	} {
		if err := parses(strings.Fields(line)); (err == nil) != ok {
			t.Errorf("nfcot %s: %v", line, err)
		}
	}
}

// programLines returns the command lines of ours in a piece of shell, split into
// words, without the program's name.
func programLines(shell string) [][]string {
	var found [][]string
	for _, words := range shellCommands(shell) {
		for len(words) > 0 && (words[0] == "$" || words[0] == "time" || strings.Contains(words[0], "=")) {
			words = words[1:]
		}
		switch {
		case len(words) > 0 && path.Base(words[0]) == "nfcot":
			found = append(found, words[1:])
		case len(words) > 2 && slices.Equal(words[:3], []string{"go", "run", "."}):
			found = append(found, words[3:])
		}
	}
	return found
}

// shellCommands splits a piece of shell into commands and their words. It knows
// quotes, continued lines and comments; redirections end a command, too.
func shellCommands(shell string) [][]string {
	var all [][]string
	var command []string
	var word strings.Builder
	var quote rune
	comment, inWord := false, false
	endWord := func() {
		if inWord {
			command = append(command, word.String())
		}
		word.Reset()
		inWord = false
	}
	for _, r := range strings.ReplaceAll(shell, "\\\n", " ") + "\n" {
		switch {
		case comment && r != '\n':
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inWord = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			endWord()
		case quote == 0 && r == '#' && !inWord:
			comment = true
		case quote == 0 && strings.ContainsRune("\n;|&<>", r):
			endWord()
			all = append(all, command)
			command, comment = nil, false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	return all
}

func TestProgramLines(t *testing.T) {
	got := programLines(`nfcot data -n 3 | head -1 # nfcot bogus
$ FOO=1 go run . demo --out 'a dir' \
  --quick > table; ./nfcot sample --prompt "two
lines; '#1'"
echo nfcot
go run . && nfcotx
`)
	want := [][]string{{"data", "-n", "3"}, {"demo", "--out", "a dir", "--quick"}, {"sample", "--prompt", "two\nlines; '#1'"}, {}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), found (+):\n%s", diff)
	}
}

// TestExamplesInHelp goes through the command lines in help texts.
func TestExamplesInHelp(t *testing.T) {
	commands(new(env).app().Commands, "", func(name string, c *cli.Command) {
		for _, words := range programLines(c.Description) {
			if err := parses(words); err != nil {
				t.Errorf("help of %s: nfcot %s: %v", name, strings.Join(words, " "), err)
			}
		}
	})
}

// TestExamplesInREADME goes through the command lines in README's code blocks.
func TestExamplesInREADME(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("there is no README.md")
	}
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, block := range strings.Split(string(text), "```") {
		if i%2 == 0 {
			continue // between code blocks
		}
		for _, words := range programLines(block) {
			n++
			if err := parses(words); err != nil {
				t.Errorf("README.md: nfcot %s: %v", strings.Join(words, " "), err)
			}
		}
	}
	if n == 0 {
		t.Error("README.md shows no command line of nfcot")
	}
}
