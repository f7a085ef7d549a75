package minicode

import (
	"slices"
	"strings"
	"testing"
)

// Every example's own chain is among those of its prompt, as many as there are orders.
func TestChainsOfPrompts(t *testing.T) {
	for _, name := range Families() {
		for _, level := range levels {
			spec := Spec{Families: []string{name}, Level: level}
			examples, err := spec.Examples("test", 3, 30)
			if err != nil {
				t.Fatal(err)
			}
			_, s := lookup(name, level)
			for _, ex := range examples {
				chains := Chains(ex.TaskID, ex.Prompt)
				if len(chains) != len(s.orders) || !slices.Contains(chains, ex.CoT) {
					t.Fatalf("%s: chains %q, want %d with\n%s", ex.TaskID, chains, len(s.orders), ex.CoT)
				}
			}
		}
	}
}

func TestChainsOfOthers(t *testing.T) {
	examples, err := Spec{Families: Families(), Level: "easy"}.Examples("test", 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, ex := range examples {
		others := []string{"", "def f(x):\n", ex.Prompt + "\n", strings.Replace(ex.Prompt, "modulo 7", "modulo 9", 1) + " ", strings.Replace(ex.Prompt, ":\n    ", ":\n    1) twice 3\n    ", 2)}
		for _, prompt := range others {
			if chains := Chains(ex.TaskID, prompt); chains != nil {
				t.Errorf("%q has the chains %q", prompt, chains)
			}
		}
		for _, id := range []string{"", "HumanEval/0", "minicode/knit/easy/test/0", "minicode/fold/simple/test/0"} {
			if chains := Chains(id, ex.Prompt); chains != nil {
				t.Errorf("%q has the chains %q", id, chains)
			}
		}
	}
}
