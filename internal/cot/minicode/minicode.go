// Package minicode is the embedded benchmark: procedurally generated code
// problems in HumanEval's format, each with an explicit chain of thought.
//
// A problem is a Python function to complete; prompt + answer is a program both
// in Python 3 and in Starlark, and the test defines check(candidate) with plain
// asserts. The text of one problem, whatever its family:
//
//   - prompt: `def f(x):`, then a docstring of one sentence that names the task
//     and of one step a line; it ends with `    """` and a newline.
//   - chain of thought: the line `plan first to last` or `plan last to first`,
//     then one line a step. Lines are joined by "\n", with none after the last. A Variant
//     has other chains for the same problems.
//   - answer: one `    return ...` line, newline included.
//
// The text is made for a byte-level BPE behind GPT-2's pre-tokenisation: an
// operand or result is one pretoken with a leading space wherever it stands
// (hence `s[ 3]`), and the tokens of a chain line sit at the same positions in
// the line whatever the values, which is what a linear encoder of lines needs.
//
// The package knows neither tokenizers nor models nor how programs are run; what it
// makes to be judged are the problems of package eval.
package minicode

import (
	"fmt"
	"slices"
	"strings"
)

// benchmark is the name every Spec's name starts with.
const benchmark = "minicode"

// levels lists the levels, easiest first. A family's scales follow this order.
var levels = []string{"easy", "medium", "hard"}

// A scale says how large the problems of one family at one level are, and in
// which orders their chains of thought may go through the steps.
type scale struct {
	minSteps, maxSteps int     // numbered steps (rule: the candidates that may be the right one)
	size               int     // the modulus (shuffle: the number of positions)
	orders             []order // each chain takes one of them at random
}

// A family is a kind of problem.
type family struct {
	name   string
	draw   drawFunc
	parse  parseFunc
	scales [3]scale // one per level

	search bool // the lines of the docstring are no steps: the chain searches
	apart  bool // not one of "all", which is what it was before there was this one
}

var (
	oneOrder   = []order{firstToLast}
	bothOrders = []order{firstToLast, lastToFirst}
)

// families is the whole benchmark. Changing a number here changes the problems.
var families = []family{
	{name: "fold", draw: drawFold, parse: parseFold, scales: [3]scale{{2, 4, 7, oneOrder}, {3, 6, 7, bothOrders}, {5, 8, 7, bothOrders}}},
	{name: "shuffle", draw: drawShuffle, parse: parseShuffle, scales: [3]scale{{2, 4, 5, oneOrder}, {3, 6, 5, bothOrders}, {5, 8, 6, bothOrders}}},
	// The state of a trace is only known going forward: one order at every level.
	{name: "trace", draw: drawTrace, parse: parseTrace, scales: [3]scale{{2, 4, 7, oneOrder}, {3, 6, 7, oneOrder}, {5, 8, 7, oneOrder}}},
	{name: "rule", draw: drawRule, parse: parseRule, scales: [3]scale{{1, 4, 7, oneOrder}, {1, 6, 7, bothOrders}, {1, 8, 11, bothOrders}}, search: true},
	{name: "story", draw: drawStory, parse: parseStory, scales: [3]scale{{2, 4, 7, oneOrder}, {3, 6, 7, bothOrders}, {5, 8, 7, bothOrders}}, apart: true},
}

// Families returns the names of the families, in the order of the benchmark.
func Families() []string {
	var names []string
	for _, f := range families {
		names = append(names, f.name)
	}
	return names
}

// A Variant says which chains of thought there are for the problems of a family at a level. The
// problems are the same in all variants, for the same seed and split; the zero value is the
// benchmark as it is.
type Variant string

const (
	onlyOneOrder Variant = "one-order" // all chains go from first to last
	withoutPlan  Variant = "no-plan"   // chains have no plan line
)

var variants = []string{string(onlyOneOrder), string(withoutPlan)}

// orders are those that chains may go through the steps of problems of a scale in.
func (v Variant) orders(s scale) []order {
	if v == onlyOneOrder {
		return s.orders[:1]
	}
	return s.orders
}

// plan are the lines of a chain before its first step.
func (v Variant) plan(o order) []string {
	if v == withoutPlan {
		return nil
	}
	return []string{"plan " + string(o)}
}

// A Spec selects a part of the benchmark.
type Spec struct {
	Families []string // some of Families(), each once
	Level    string   // "easy", "medium" or "hard"
	Variant  Variant
}

// ParseName reads the name of a part of the benchmark:
// minicode[:FAMILY[,FAMILY...][:LEVEL[:VARIANT]]], where the one family "all" stands for
// all of them but story. Without families it is fold, without a level easy. The families
// of the Spec are in the order of Families, whatever their order in the name.
func ParseName(name string) (Spec, error) {
	parts := strings.Split(name, ":")
	if parts[0] != benchmark || len(parts) > 4 {
		return Spec{}, nameError(name, "not a name of the embedded benchmark")
	}
	s := Spec{Families: []string{families[0].name}, Level: levels[0]}
	if len(parts) > 1 {
		s.Families = strings.Split(parts[1], ",")
	}
	if len(parts) > 2 {
		s.Level = parts[2]
	}
	if len(parts) > 3 {
		if s.Variant = Variant(parts[3]); s.Variant == "" {
			return Spec{}, nameError(name, `unknown variant ""`)
		}
	}
	if slices.Equal(s.Families, []string{"all"}) {
		s.Families = nil
		for _, f := range families {
			if !f.apart {
				s.Families = append(s.Families, f.name)
			}
		}
	}
	if err := s.validate(); err != nil {
		return Spec{}, nameError(name, err.Error())
	}
	slices.SortFunc(s.Families, func(a, b string) int { return familyIndex(a) - familyIndex(b) })
	return s, nil
}

// String returns the Spec's name in full, families, level and variant; ParseName reads
// it back.
func (s Spec) String() string {
	return strings.TrimSuffix(fmt.Sprintf("%s:%s:%s:%s", benchmark, strings.Join(s.Families, ","), s.Level, s.Variant), ":")
}

// folder is the part of the task_ids of a family that is the same for all.
func (s Spec) folder(family, split string) string {
	parts := []string{benchmark, family, s.Level, split}
	if s.Variant != "" {
		parts = slices.Insert(parts, 3, string(s.Variant))
	}
	return strings.Join(parts, "/")
}

// validate reports the first thing in s that is not part of the benchmark.
func (s Spec) validate() error {
	if len(s.Families) == 0 {
		return fmt.Errorf("no family")
	}
	for i, name := range s.Families {
		if familyIndex(name) < 0 {
			return fmt.Errorf("unknown family %q", name)
		}
		if slices.Contains(s.Families[:i], name) {
			return fmt.Errorf("family %q named twice", name)
		}
	}
	if !slices.Contains(levels, s.Level) {
		return fmt.Errorf("unknown level %q", s.Level)
	}
	if s.Variant != "" && !slices.Contains(variants, string(s.Variant)) {
		return fmt.Errorf("unknown variant %q", s.Variant)
	}
	return nil
}

func nameError(name, what string) error {
	return fmt.Errorf("benchmark %q: %s; want %s[:FAMILY[,FAMILY...][:LEVEL[:VARIANT]]] with the families %s (or all, which leaves out story), the levels %s and the variants %s",
		name, what, benchmark, strings.Join(Families(), ", "), strings.Join(levels, ", "), strings.Join(variants, ", "))
}

// lookup returns a family and its scale at a level, both known to exist.
func lookup(name, level string) (family, scale) {
	f := families[familyIndex(name)]
	return f, f.scales[slices.Index(levels, level)]
}

func familyIndex(name string) int {
	return slices.IndexFunc(families, func(f family) bool { return f.name == name })
}
