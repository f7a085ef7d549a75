package minicode

import (
	"slices"
	"strings"

	"nfcot/internal/cot"
)

// Chains returns all chains of thought that an example may have, one for each order in
// which it may be thought about. Its task_id says of which family, level and variant it is,
// its prompt what the problem is. There are none for what is not an example of this
// benchmark.
func Chains(taskID, prompt string) []cot.Chain {
	p, ok := parse(taskID, prompt)
	if !ok {
		return nil
	}
	var chains []cot.Chain
	for _, o := range p.variant.orders(p.scale) {
		chains = append(chains, cot.Chain{Order: string(o), Text: thought(p, o, p.variant)})
	}
	return chains
}

// A parsed problem is one that was read out of the text of an example.
type parsed struct {
	problem
	family   family
	scale    scale
	variant  Variant
	sentence string   // of the docstring
	lines    []string // that follow it
}

// parse reads the problem of an example. ok is false for what is not one of this benchmark.
func parse(taskID, prompt string) (p parsed, ok bool) {
	parts := strings.Split(taskID, "/")
	if len(parts) == 6 && parts[3] != "" {
		p.variant = Variant(parts[3])
		parts = slices.Delete(parts, 3, 4)
	}
	if len(parts) != 5 || (Spec{Families: parts[1:2], Level: parts[2], Variant: p.variant}).validate() != nil {
		return p, false
	}
	lines := strings.Split(prompt, "\n")
	if len(lines) < 5 { // def, sentence, a step, the docstring's end, and nothing
		return p, false
	}
	p.family, p.scale = lookup(parts[1], parts[2])
	p.sentence = strings.TrimPrefix(strings.TrimSpace(lines[1]), `"""`)
	for _, line := range lines[2 : len(lines)-2] {
		p.lines = append(p.lines, strings.TrimSpace(line))
	}
	p.problem = p.family.parse(p.sentence, p.lines, p.scale)
	return p, p.problem != nil && p.prompt() == prompt
}
