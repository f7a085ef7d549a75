package minicode

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A shuffle moves the items of a list around by swaps, rotations and reversals.
// The thought after each step is the list of the positions the items come from.
type shuffle struct {
	steps []step[permutation]
	size  int
}

// A permutation p takes the list s to s[p[0]], s[p[1]], ...
type permutation []int

func (p permutation) then(q permutation) permutation {
	r := make(permutation, len(p))
	for i, k := range q {
		r[i] = p[k]
	}
	return r
}

func (p permutation) String() string { return p.join("%d", " ") }

// join formats each position and puts a separator between them.
func (p permutation) join(format, separator string) string {
	var items []string
	for _, k := range p {
		items = append(items, fmt.Sprintf(format, k))
	}
	return strings.Join(items, separator)
}

func drawShuffle(r *rand.Rand, s scale) problem {
	choices := shuffleSteps(s.size)
	steps := make([]step[permutation], s.numSteps(r))
	last := -1
	for i := range steps {
		k := r.IntN(len(choices))
		for k == last { // a swap or reversal done twice would do nothing
			k = r.IntN(len(choices))
		}
		steps[i], last = choices[k], k
	}
	return shuffle{steps, s.size}
}

func parseShuffle(_ string, lines []string, s scale) problem {
	p := shuffle{size: s.size}
	choices := shuffleSteps(s.size)
	for _, line := range lines {
		_, text, _ := strings.Cut(line, ") ")
		i := slices.IndexFunc(choices, func(c step[permutation]) bool { return c.text == text })
		if i < 0 {
			return nil
		}
		p.steps = append(p.steps, choices[i])
	}
	return p
}

// shuffleSteps lists the instructions there are for n positions. Each is three
// words, so that what follows stands at the same place in every line.
func shuffleSteps(n int) []step[permutation] {
	var steps []step[permutation]
	add := func(text string, change func(permutation)) {
		p := make(permutation, n)
		for i := range p {
			p[i] = i
		}
		change(p)
		steps = append(steps, step[permutation]{text, p})
	}
	for i := range n {
		for j := i + 1; j < n; j++ {
			add(fmt.Sprintf("swap %d %d", i, j), func(p permutation) { p[i], p[j] = p[j], p[i] })
		}
	}
	for k := 1; k <= 2; k++ {
		add(fmt.Sprintf("rotate left %d", k), func(p permutation) { copy(p, slices.Concat(p[k:], p[:k])) })
		add(fmt.Sprintf("rotate right %d", k), func(p permutation) { copy(p, slices.Concat(p[n-k:], p[:n-k])) })
	}
	add(fmt.Sprintf("reverse 0 %d", n-1), func(p permutation) { slices.Reverse(p) })
	return steps
}

func (p shuffle) prompt() string {
	return promptText("s", fmt.Sprintf("Shuffle s of length %d", p.size), numbered(p.steps))
}

func (p shuffle) chain(o order) []string {
	_, lines := compose(p.steps, o)
	return lines
}

func (p shuffle) result() permutation {
	f, _ := compose(p.steps, firstToLast)
	return f
}

func (p shuffle) answer() string {
	return answerText("[" + p.result().join("s[ %d]", ", ") + "]")
}

// test uses two lists without repeated items, so that every position counts.
func (p shuffle) test() string {
	var numbers, letters []string
	for i := range p.size {
		numbers = append(numbers, fmt.Sprint(10+i))
		letters = append(letters, fmt.Sprintf("\"%c\"", 'p'+i))
	}
	return testText([]string{p.condition(numbers), p.condition(letters)})
}

// condition says what becomes of a list of literals.
func (p shuffle) condition(items []string) string {
	var moved []string
	for _, k := range p.result() {
		moved = append(moved, items[k])
	}
	return fmt.Sprintf("candidate([%s]) == [%s]", strings.Join(items, ", "), strings.Join(moved, ", "))
}
