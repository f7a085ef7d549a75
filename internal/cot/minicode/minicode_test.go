package minicode

import (
	"slices"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	for name, want := range map[string]string{
		"minicode":                        "minicode:fold:easy",
		"minicode:fold":                   "minicode:fold:easy",
		"minicode:trace:hard":             "minicode:trace:hard",
		"minicode:shuffle,fold:hard":      "minicode:fold,shuffle:hard",
		"minicode:all":                    "minicode:fold,shuffle,trace,rule:easy",
		"minicode:all:medium":             "minicode:fold,shuffle,trace,rule:medium",
		"minicode:rule,trace,fold:hard":   "minicode:fold,trace,rule:hard",
		"minicode:rule,shuffle,fold:easy": "minicode:fold,shuffle,rule:easy",
		"minicode:fold:hard:one-order":    "minicode:fold:hard:one-order",
		"minicode:all:medium:no-plan":     "minicode:fold,shuffle,trace,rule:medium:no-plan",
	} {
		s, err := ParseName(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if s.String() != want {
			t.Errorf("%q is %s, want %s", name, s, want)
		}
		again, err := ParseName(s.String())
		if err != nil || again.String() != want {
			t.Errorf("%q read back: %s, %v", s, again, err)
		}
	}
}

func TestBadNames(t *testing.T) {
	for name, found := range map[string]string{
		"":                      "not a name",
		"humaneval":             "not a name",
		"minicode2":             "not a name",
		"minicode:fold:easy:x":  `unknown variant "x"`,
		"minicode:fold:easy:":   `unknown variant ""`,
		"minicode:fold:no-plan": `unknown level "no-plan"`,

		"minicode:fold:easy:no-plan:x": "not a name",
		"minicode:":                    `unknown family ""`,
		"minicode:hard":                `unknown family "hard"`,
		"minicode:fold,sort":           `unknown family "sort"`,
		"minicode:all,fold":            `unknown family "all"`,
		"minicode:fold,fold":           `"fold" named twice`,
		"minicode:fold:":               `unknown level ""`,
		"minicode:fold:shocking":       `unknown level "shocking"`,
	} {
		_, err := ParseName(name)
		if err == nil {
			t.Errorf("%q is accepted", name)
			continue
		}
		text := err.Error()
		for _, part := range append(slices.Concat(Families(), levels, variants), found) {
			if !strings.Contains(text, part) {
				t.Errorf("%q: error %q lacks %q", name, text, part)
			}
		}
		if strings.Contains(text, "\n") {
			t.Errorf("%q: error of several lines: %q", name, text)
		}
	}
}

func TestExamplesRefusesBadArguments(t *testing.T) {
	fold := Spec{Families: []string{"fold"}, Level: "easy"}
	for what, err := range map[string]error{
		"unknown split": second(fold.Examples("validation", 0, 1)),
		"0 or more":     second(fold.Examples("test", 0, -1)),
		"no family":     second(Spec{}.Examples("test", 0, 1)),
		"unknown level": second(Spec{Families: []string{"fold"}, Level: "tough"}.Examples("test", 0, 1)),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("error %v, want one with %q", err, what)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// everySpec returns a Spec for every family at every level.
func everySpec() []Spec {
	var specs []Spec
	for _, name := range Families() {
		for _, level := range levels {
			specs = append(specs, Spec{Families: []string{name}, Level: level})
		}
	}
	return specs
}
