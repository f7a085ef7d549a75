package cli

// Errors of usage in our words.

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/manual"
)

// usageError says in our words what package flag found wrong.
func usageError(c *cli.Context, err error, _ bool) error {
	what := err.Error()
	if unknown, ok := strings.CutPrefix(what, "flag provided but not defined: -"); ok {
		what = "there is no flag " + manual.Dashed(unknown)
	} else if bare, ok := strings.CutPrefix(what, "flag needs an argument: -"); ok {
		what = manual.Dashed(bare) + " needs a value"
	} else if bad := badValue.FindStringSubmatch(what); bad != nil {
		what = fmt.Sprintf("%s is %s; want %s", manual.Dashed(bad[2]), bad[1], wanted(c.Command.Flags, bad[2]))
	}
	return inputf("%s%s; see %s --help", where(c.Command), what, c.Command.HelpName)
}

// badValue is package flag's error of a value; it quotes the value.
var badValue = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-([^\s:]+): `)

// where begins an error of usage with the command it is about.
func where(c *cli.Command) string {
	if name, ok := strings.CutPrefix(c.HelpName, "nfcot "); ok {
		return name + ": "
	}
	return ""
}

// wanted says which values a flag takes.
func wanted(flags []cli.Flag, name string) string {
	i := slices.IndexFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	if i >= 0 {
		switch flags[i].(type) {
		case *cli.IntFlag:
			return "a whole number"
		case *cli.Uint64Flag:
			return "a whole number that is not negative"
		case *cli.Float64Flag:
			return "a number"
		case *cli.DurationFlag:
			return "a time with its unit, like 3s"
		}
	}
	return "true or false"
}
