package minicode

import (
	"fmt"
	"math/rand/v2"
)

// A rule asks for the affine function behind three of its values. The thoughts
// are a search: each line takes a factor, with the constant that makes the first
// value right, and says what it predicts for the second and whether that is so.
type rule struct {
	affine
	xs         [3]int // where the values are given, no two the same modulo m
	candidates int    // the factor is one of 1 to candidates
}

func drawRule(r *rand.Rand, s scale) problem {
	p := rule{
		affine:     affine{a: s.numSteps(r), b: r.IntN(s.size), m: s.size},
		candidates: s.maxSteps,
	}
	copy(p.xs[:], r.Perm(s.size))
	return p
}

// parseRule tries all functions: no two of them agree in all three values.
func parseRule(_ string, lines []string, s scale) problem {
	p := rule{candidates: s.maxSteps}
	var ys [3]int
	for i := range min(len(lines), len(p.xs)) {
		fmt.Sscanf(lines[i], "f %d = %d", &p.xs[i], &ys[i])
	}
	for a := 1; a <= s.maxSteps; a++ {
		for b := range s.size {
			if p.affine = (affine{a, b, s.size}); p.at(p.xs[0]) == ys[0] && p.at(p.xs[1]) == ys[1] && p.at(p.xs[2]) == ys[2] {
				return p
			}
		}
	}
	return nil
}

func (p rule) prompt() string {
	var lines []string
	for _, x := range p.xs {
		lines = append(lines, fmt.Sprintf("f %d = %d", x, p.at(x)))
	}
	return promptText("x", fmt.Sprintf("Find x * a + b modulo %d", p.m), lines)
}

func (p rule) chain(o order) []string {
	var lines []string
	for i := range o.indices(p.candidates) {
		f := p.through(1 + i)
		predicted, verdict := f.at(p.xs[1]), "no"
		if f == p.affine {
			verdict = "yes"
		}
		lines = append(lines, fmt.Sprintf("%s -> %d %s", f, predicted, verdict))
		if f == p.affine {
			break
		}
	}
	return lines
}

// through returns the function with the factor a that is right at the first x.
func (p rule) through(a int) affine {
	f := affine{a: a, m: p.m}
	f.b = affine{1, p.at(p.xs[0]), p.m}.at(-f.at(p.xs[0]))
	return f
}
