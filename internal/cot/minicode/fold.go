package minicode

import (
	"fmt"
	"math/rand/v2"
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
	var word string
	var effect affine
	c := 1 + r.IntN(m-1)
	switch r.IntN(3) {
	case 0:
		c = 2 + r.IntN(m-2) // times 1 would do nothing
		word, effect = "times", affine{c, 0, m}
	case 1:
		word, effect = "plus", affine{1, c, m}
	case 2:
		word, effect = "minus", affine{1, m - c, m}
	}
	return step[affine]{fmt.Sprintf("%s %d", word, c), effect}
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
