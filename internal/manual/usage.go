package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Wrong says in our words what package flag found wrong with the flags of a command line.
func Wrong(flags []cli.Flag, err error) string {
	what := err.Error()
	if unknown, ok := strings.CutPrefix(what, "flag provided but not defined: -"); ok {
		return "there is no flag " + Dashed(unknown)
	}
	if bare, ok := strings.CutPrefix(what, "flag needs an argument: -"); ok {
		return Dashed(bare) + " needs a value"
	}
	for _, form := range []string{"invalid value %q for flag -%s", "invalid boolean value %q for -%s"} {
		var value, name string
		if n, _ := fmt.Sscanf(what, form, &value, &name); n == 2 {
			name = strings.TrimSuffix(name, ":")
			return fmt.Sprintf("%s is %q; want %s", Dashed(name), value, wanted(flags, name))
		}
	}
	return what
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
		case *cli.GenericFlag: // of which --columns is the only one
			return "names of columns, like prompt=question,answer=final"
		case *cli.DurationFlag:
			return "a time with its unit, like 3s"
		}
	}
	return "true or false"
}
