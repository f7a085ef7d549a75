package minicode

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// A fold applies times, plus and minus to x one after the other, modulo m. The
// thought after each step is the closed form of the steps so far.
type fold struct {
	steps []step[affine]
	m     int
}

func drawFold(r *rand.Rand, s scale) problem {
	steps := make([]step[affine], s.numSteps(r))
	for i := range steps {
		steps[i] = drawFoldStep(r, s.size)
	}
	return fold{steps, s.size}
}

func drawFoldStep(r *rand.Rand, m int) step[affine] {
	c := 1 + r.IntN(m-1)
	word := foldWords[r.IntN(3)]
	if word == "times" {
		c = 2 + r.IntN(m-2) // times 1 would do nothing
	}
	return foldStep(word, c, m)
}

var foldWords = []string{"times", "plus", "minus"}

// foldStep is the step that a word and a number tell.
func foldStep(word string, c, m int) step[affine] {
	effect := affine{1, c, m}
	switch word {
	case "times":
		effect = affine{c, 0, m}
	case "minus":
		effect = affine{1, m - c, m}
	}
	return step[affine]{fmt.Sprintf("%s %d", word, c), effect}
}

func parseFold(_ string, lines []string, s scale) problem {
	p := fold{m: s.size}
	for _, line := range lines {
		var i, c int
		var word string
		fmt.Sscanf(line, "%d) %s %d", &i, &word, &c)
		if !slices.Contains(foldWords, word) {
			return nil
		}
		p.steps = append(p.steps, foldStep(word, c, s.size))
	}
	return p
}

func (p fold) prompt() string {
	return promptText("x", fmt.Sprintf("Fold x modulo %d", p.m), numbered(p.steps))
}

func (p fold) chain(o order) []string {
	_, lines := compose(p.steps, o)
	return lines
}

func (p fold) result() affine {
	f, _ := compose(p.steps, firstToLast)
	return f
}

func (p fold) answer() string { return p.result().answer() }

func (p fold) test() string { return p.result().test() }
