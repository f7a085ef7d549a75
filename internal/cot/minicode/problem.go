package minicode

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
)

// This file holds what the families share: the shape of a problem and of its
// text, and the composition of steps that fold and shuffle are made of.

// A problem is one task, before it is decided in which order to think.
type problem interface {
	prompt() string
	chain(order) []string // the lines of thought after the plan
	answer() string
	test() string
}

// drawFunc draws a problem of a given scale.
type drawFunc func(*rand.Rand, scale) problem

// parseFunc reads a problem of a given scale out of the sentence and the lines of its
// docstring. Of other text it makes any problem at all: who asks compares prompts.
type parseFunc func(sentence string, lines []string, s scale) problem

// numSteps draws a number of steps.
func (s scale) numSteps(r *rand.Rand) int {
	return s.minSteps + r.IntN(s.maxSteps-s.minSteps+1)
}

// An order is a way to go through the steps; it is what the plan line says.
type order string

const (
	firstToLast order = "first to last"
	lastToFirst order = "last to first"
)

// indices yields 0 to n-1 in the order's direction.
func (o order) indices(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if o == lastToFirst {
				i = n - 1 - i
			}
			if !yield(i) {
				return
			}
		}
	}
}

// promptText writes the header and docstring of f with one parameter.
func promptText(parameter, sentence string, lines []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "def f(%s):\n    \"\"\"%s:\n", parameter, sentence)
	for _, line := range lines {
		b.WriteString("    " + line + "\n")
	}
	b.WriteString("    \"\"\"\n")
	return b.String()
}

// answerText writes the body that returns an expression.
func answerText(expression string) string { return "    return " + expression + "\n" }

// testText writes check(candidate) with one assert per condition.
func testText(conditions []string) string {
	return "def check(candidate):\n    assert " + strings.Join(conditions, "\n    assert ") + "\n"
}

// A mapping is a function that can be composed with others of its kind; its
// text is how a chain of thought writes it.
type mapping[F any] interface {
	then(next F) F // first this one, then next
	String() string
}

// A step is one instruction of a problem and what it does.
type step[F mapping[F]] struct {
	text   string
	effect F
}

// numbered writes the steps as a docstring lists them.
func numbered[F mapping[F]](steps []step[F]) []string {
	var lines []string
	for i, s := range steps {
		lines = append(lines, fmt.Sprintf("%d) %s", i+1, s.text))
	}
	return lines
}

// compose returns the function all steps together are, and the chain of thought
// that finds it in the given order: each line is a step and the composition of
// all the steps visited so far.
func compose[F mapping[F]](steps []step[F], o order) (F, []string) {
	var sofar F
	var lines []string
	for i := range o.indices(len(steps)) {
		effect := steps[i].effect
		switch {
		case lines == nil:
			sofar = effect
		case o == firstToLast:
			sofar = sofar.then(effect)
		default:
			sofar = effect.then(sofar)
		}
		lines = append(lines, fmt.Sprintf("%d) %s -> %s", i+1, steps[i].text, sofar))
	}
	return sofar, lines
}
