package minicode

import (
	"fmt"
	"slices"
	"strings"

	"nfcot/internal/cot"
)

// A Neighbour is an example that differs from another one in a single step.
type Neighbour struct {
	cot.Example
	Lines []int // where that step stands in each of Chains, from 0
}

// NeighbourOf returns an example of the same family, level and variant that differs from one, whose
// task_id and prompt are given, in one step, which the seed chooses, and in its answer.
// ok is false for what is no example of this benchmark, and in families whose lines are
// no steps.
func NeighbourOf(taskID, prompt string, seed uint64) (n Neighbour, ok bool) {
	p, ok := parse(taskID, prompt)
	if !ok || p.family.search {
		return n, false
	}
	r := generator(seed, "neighbour", prompt)
	step := r.IntN(len(p.lines))
	for range exhausted {
		drawn, _ := parse(taskID, p.family.draw(r, p.scale).prompt())
		lines := slices.Clone(p.lines)
		lines[step] = drawn.lines[r.IntN(len(drawn.lines))]
		if _, text, numbered := strings.Cut(lines[step], ") "); numbered {
			lines[step] = fmt.Sprintf("%d) %s", step+1, text)
		}
		other := p.family.parse(p.sentence, lines, p.scale)
		if other == nil || other.answer() == p.answer() {
			continue
		}
		orders := p.variant.orders(p.scale)
		for _, o := range orders {
			n.Lines = append(n.Lines, len(p.variant.plan(o))+slices.Collect(o.indices(len(lines)))[step]) // an order is its own inverse
		}
		n.Example = exampleOf(other, taskID, orders[0], p.variant)
		return n, true
	}
	return n, false
}
