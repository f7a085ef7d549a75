package minicode

import (
	"fmt"
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

// A neighbour is an example of its own that differs in one numbered line of the prompt, which stands
// where it says in each of its chains.
func TestNeighbours(t *testing.T) {
	for _, name := range Families() {
		for _, level := range levels {
			examples, err := Spec{Families: []string{name}, Level: level}.Examples("test", 5, 30)
			if err != nil {
				t.Fatal(err)
			}
			for _, ex := range examples {
				n, ok := NeighbourOf(ex.TaskID, ex.Prompt, 7)
				if name == "rule" {
					if ok {
						t.Errorf("%s has the neighbour\n%s", ex.TaskID, n.Prompt)
					}
					continue
				}
				if again, _ := NeighbourOf(ex.TaskID, ex.Prompt, 7); !ok || again.Example != n.Example {
					t.Fatalf("%s: neighbours %v and %v", ex.TaskID, n, again)
				}
				var changed []string
				lines := strings.Split(n.Prompt, "\n")
				for i, line := range strings.Split(ex.Prompt, "\n") {
					if lines[i] != line {
						text := strings.TrimSpace(lines[i])
						if name == "story" {
							text = fmt.Sprintf("%d) ", i-1) // told in other words
						}
						changed = append(changed, text)
					}
				}
				chains := Chains(n.TaskID, n.Prompt)
				if len(changed) != 1 || n.Answer == ex.Answer || n.Test == ex.Test || len(chains) != len(n.Lines) || n.CoT != chains[0] {
					t.Fatalf("%s: changed %q, chains %q at %v\n%s", ex.TaskID, changed, chains, n.Lines, n.Answer)
				}
				for i, chain := range chains {
					if line := strings.Split(chain, "\n")[n.Lines[i]]; !strings.HasPrefix(line, changed[0]) {
						t.Errorf("%s: chain %d says %q where the step is %q", ex.TaskID, i, line, changed[0])
					}
				}
			}
		}
	}
	if n, ok := NeighbourOf("HumanEval/0", "def f(x):\n", 1); ok {
		t.Errorf("a problem of others has the neighbour %v", n)
	}
}
