package minicode

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot"
)

// Every example's own chain is among those of its prompt, as many as there are orders.
func TestChainsOfPrompts(t *testing.T) {
	for _, spec := range everyVariant() {
		_, s := lookup(spec.Families[0], spec.Level)
		want := len(s.orders)
		if spec.Variant == onlyOneOrder {
			want = 1
		}
		for _, ex := range examples(t, spec, "test", 3, 30) {
			chains := Chains(ex.TaskID, ex.Prompt)
			if len(chains) != want || !slices.ContainsFunc(chains, func(c cot.Chain) bool { return c.Text == ex.CoT }) {
				t.Fatalf("%s: chains %q, want %d with\n%s", ex.TaskID, chains, want, ex.CoT)
			}
			for _, c := range chains {
				if plan, _, _ := strings.Cut(c.Text, "\n"); spec.Variant != withoutPlan && plan != "plan "+c.Order {
					t.Errorf("%s: the chain in order %q begins with %q", ex.TaskID, c.Order, plan)
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
		for _, id := range []string{"", "HumanEval/0", "minicode/knit/easy/test/0", "minicode/fold/simple/test/0", "minicode/fold/easy//test/0", "minicode/fold/easy/two-orders/test/0", "minicode/fold/easy/no-plan/no-plan/test/0"} {
			if chains := Chains(id, ex.Prompt); chains != nil {
				t.Errorf("%q has the chains %q", id, chains)
			}
		}
	}
}

// A neighbour is an example of its own that differs in one numbered line of the prompt, which stands
// where it says in each of its chains.
func TestNeighbours(t *testing.T) {
	for _, spec := range everyVariant() {
		name := spec.Families[0]
		for _, ex := range examples(t, spec, "test", 5, 30) {
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
			if len(changed) != 1 || n.Answer == ex.Answer || n.Test == ex.Test || len(chains) != len(n.Lines) || n.CoT != chains[0].Text {
				t.Fatalf("%s: changed %q, chains %q at %v\n%s", ex.TaskID, changed, chains, n.Lines, n.Answer)
			}
			for i, chain := range chains {
				if line := strings.Split(chain.Text, "\n")[n.Lines[i]]; !strings.HasPrefix(line, changed[0]) {
					t.Errorf("%s: chain %d says %q where the step is %q", ex.TaskID, i, line, changed[0])
				}
			}
		}
	}
	if n, ok := NeighbourOf("HumanEval/0", "def f(x):\n", 1); ok {
		t.Errorf("a problem of others has the neighbour %v", n)
	}
}
