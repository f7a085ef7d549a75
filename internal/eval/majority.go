package eval

// This file estimates how often a vote is right: maj@k.

import (
	"maps"
	"math"
	"slices"
)

// MajAtK is the unbiased estimate of the chance that the vote among k samples is right: the
// mean over all sets of k of the n samples, of which right give the right answer, wrong[i]
// give the same wrong one for each i, and none of the others give any. A sample without an
// answer has no vote. The answer with most votes is the vote's; where several have as many,
// each of them is with the same chance. A vote without votes is wrong. It is NaN where there
// is no such estimate: n < k, and counts that make no sense (k below 1, right or one of wrong
// below 0, more answers than samples).
//
// docs/method.md, section 8, has the formula.
func MajAtK(n, right int, wrong []int, k int) float64 {
	answers := right
	for _, w := range wrong {
		answers += w
	}
	if k < 1 || n < k || right < 0 || answers > n || slices.ContainsFunc(wrong, func(w int) bool { return w < 0 }) {
		return math.NaN()
	}
	if k == 1 || answers == right {
		return PassAtK(n, right, k)
	}
	// Every sample is taken independently with chance k/n, and only what happens when k are
	// taken counts: sets of k are then equally likely, and no binomial coefficient is large.
	chance := float64(k) / float64(n)
	won := 0.0
	for votes := 1; votes <= min(right, k); votes++ {
		rivals := slices.DeleteFunc(slices.Clone(wrong), func(w int) bool { return w < votes })
		rest := n - right // samples that cannot have as many votes, whatever is taken
		for _, w := range rivals {
			rest -= w
		}
		won += binomial(right, votes, chance) * outvoted(rivals, rest, votes, k-votes, chance)
	}
	return won / binomial(n, k, chance)
}

// outvoted is the chance that so many samples are taken of rivals and rest that no rival has
// more votes than the right answer, times the chance that the right answer wins of those with
// as many. Every sample is taken with the same chance.
func outvoted(rivals []int, rest, votes, taken int, chance float64) float64 {
	mostTied := min(len(rivals), taken/votes)
	// state[t][m]: m samples of the rivals up to now are taken, and t rivals have as many
	// votes as the right answer.
	state := make([][]float64, mostTied+1)
	for t := range state {
		state[t] = make([]float64, taken+1)
	}
	state[0][0] = 1
	for _, rival := range rivals {
		share := make([]float64, votes+1)
		for v := range share {
			share[v] = binomial(rival, v, chance)
		}
		for t := mostTied; t >= 0; t-- {
			for m := taken; m >= 0; m-- {
				sum := 0.0
				for v := range min(votes, m+1) {
					sum += state[t][m-v] * share[v]
				}
				if t > 0 && m >= votes {
					sum += state[t-1][m-votes] * share[votes]
				}
				state[t][m] = sum
			}
		}
	}
	won := 0.0
	for t, row := range state {
		for m, p := range row {
			won += p * binomial(rest, taken-m, chance) / float64(t+1)
		}
	}
	return won
}

// binomial is the chance that k of n are taken, each with the same chance.
func binomial(n, k int, chance float64) float64 {
	switch {
	case k < 0 || k > n:
		return 0
	case chance == 1 && k == n:
		return 1
	case chance == 1:
		return 0
	}
	logFactorial := func(x int) float64 {
		log, _ := math.Lgamma(float64(x) + 1)
		return log
	}
	return math.Exp(logFactorial(n) - logFactorial(k) - logFactorial(n-k) + float64(k)*math.Log(chance) + float64(n-k)*math.Log1p(-chance))
}

// MajAtK is that of a problem whose answers are compared.
func (t TaskReport) MajAtK(k int) float64 {
	wrong := slices.Sorted(maps.Values(t.Wrong)) // sums do not depend on the order of a map
	return MajAtK(t.Samples, t.Passed, wrong, k)
}
