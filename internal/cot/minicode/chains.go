package minicode

import "strings"

// Chains returns all chains of thought that an example may have, one for each order in
// which it may be thought about. Its task_id says of which family and level it is, its
// prompt what the problem is. There are none for what is not an example of this
// benchmark.
func Chains(taskID, prompt string) []string {
	parts := strings.Split(taskID, "/")
	if len(parts) != 5 || (Spec{Families: parts[1:2], Level: parts[2]}).validate() != nil {
		return nil
	}
	lines := strings.Split(prompt, "\n")
	if len(lines) < 5 { // def, sentence, a step, the docstring's end, and nothing
		return nil
	}
	f, s := lookup(parts[1], parts[2])
	sentence := strings.TrimPrefix(strings.TrimSpace(lines[1]), `"""`)
	steps := lines[2 : len(lines)-2]
	for i := range steps {
		steps[i] = strings.TrimSpace(steps[i])
	}
	p := f.parse(sentence, steps, s)
	if p == nil || p.prompt() != prompt {
		return nil
	}
	var chains []string
	for _, o := range s.orders {
		chains = append(chains, thought(p, o))
	}
	return chains
}
