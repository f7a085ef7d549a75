package eval

// This file holds the statistics: the estimator of pass@k for one problem, and
// intervals for its mean over problems.

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// PassAtK is the unbiased estimate of the chance that at least one of k
// samples passes, from c passes in n samples: 1 - C(n-c,k)/C(n,k) (Chen et
// al. 2021, equation 1). It is NaN where there is no such estimate: n < k, and
// counts that make no sense (k or n below 1, c outside 0..n).
func PassAtK(n, c, k int) float64 {
	if k < 1 || n < k || c < 0 || c > n {
		return math.NaN()
	}
	if n-c < k {
		return 1
	}
	// C(n-c,k)/C(n,k) = (n-c)! (n-k)! / (n! (n-c-k)!) is symmetric in c and k:
	// the product over the smaller of the two rounds least.
	few, many := min(c, k), max(c, k)
	allFail := 1.0
	for i := n - few + 1; i <= n; i++ {
		allFail *= 1 - float64(many)/float64(i)
	}
	return 1 - allFail
}

// An Estimate is a mean over problems and its 95 % interval.
type Estimate struct {
	Value  float64 `json:"value"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Method string  `json:"method"` // how the interval was made: "bootstrap" or "wilson"
}

// Percent writes a fraction in percent, with its interval.
func (e Estimate) Percent() string {
	return fmt.Sprintf("%.1f %% [%.1f, %.1f]", 100*e.Value, 100*e.Low, 100*e.High)
}

// Points writes a difference of two fractions in percentage points, with its interval.
func (e Estimate) Points() string {
	return fmt.Sprintf("%+.1f [%+.1f, %+.1f]", 100*e.Value, 100*e.Low, 100*e.High)
}

const (
	resamples     = 10_000
	bootstrapSeed = 20210707
	normal975     = 1.959963984540054 // 97.5 % quantile of the standard normal distribution
)

// MeanOverSeeds estimates the mean of a quantity that was measured for the
// problems of several runs, values[s][i] for problem i of the run with the s-th
// seed, every seed with the same weight. The interval is a percentile bootstrap
// in two steps, which makes it one over seeds and over problems: a resample draws
// as many seeds as there are with replacement, and within each of them as many of
// its problems. Both ways in which another study would come out differently count,
// but three seeds say little about the spread of seeds: the interval is then too
// narrow rather than too wide. With a single seed it is the usual bootstrap over
// problems. It is deterministic.
//
// For a paired comparison the values are differences of two methods on the same
// problem of the same seed.
func MeanOverSeeds(values [][]float64) Estimate { return MeansOverSeeds(values)[0] }

// MeansOverSeeds is MeanOverSeeds of several quantities of the same seeds and
// problems, from the same resamples.
func MeansOverSeeds(quantities ...[][]float64) []Estimate {
	estimates := make([]Estimate, len(quantities))
	for q, means := range resample(quantities...) {
		estimates[q] = percentiles(overSeeds(quantities[q]), means)
	}
	return estimates
}

// RatioOverSeeds estimates the mean of a over the mean of b, both as in
// MeanOverSeeds of the same seeds and problems: a resample draws both together.
func RatioOverSeeds(a, b [][]float64) Estimate {
	means := resample(a, b)
	ratios := make([]float64, resamples)
	for r := range ratios {
		ratios[r] = means[0][r] / means[1][r]
	}
	return percentiles(overSeeds(a)/overSeeds(b), ratios)
}

// overSeeds is the mean over seeds of the means over their problems.
func overSeeds(values [][]float64) float64 {
	means := make([]float64, len(values))
	for s := range values {
		means[s] = stat.Mean(values[s], nil)
	}
	return stat.Mean(means, nil)
}

// resample draws seeds, and problems within them, and returns the mean of every
// quantity over what was drawn, for each resample. All quantities have values for
// the same seeds (at least one) and problems (at least one a seed).
func resample(quantities ...[][]float64) [][]float64 {
	rng := rand.New(rand.NewPCG(bootstrapSeed, 0))
	seeds := len(quantities[0])
	means := make([][]float64, len(quantities))
	for q := range means {
		means[q] = make([]float64, resamples)
	}
	sums := make([]float64, len(quantities))
	for r := range resamples {
		for range seeds {
			s := 0
			if seeds > 1 {
				s = rng.IntN(seeds)
			}
			n := len(quantities[0][s])
			clear(sums)
			for range n {
				i := rng.IntN(n)
				for q := range quantities {
					sums[q] += quantities[q][s][i]
				}
			}
			for q := range means {
				means[q][r] += sums[q] / float64(n) / float64(seeds)
			}
		}
	}
	return means
}

// percentiles is an estimate with the 95 % interval that resamples of it have.
func percentiles(value float64, resampled []float64) Estimate {
	slices.Sort(resampled)
	return Estimate{
		Value:  value,
		Low:    stat.Quantile(0.025, stat.Empirical, resampled, nil),
		High:   stat.Quantile(0.975, stat.Empirical, resampled, nil),
		Method: "bootstrap",
	}
}

// wilson estimates a proportion from c successes in n independent trials, with
// Wilson's score interval. The bootstrap would give an interval of width zero
// where all trials agree.
func wilson(c, n int) Estimate {
	p, trials := float64(c)/float64(n), float64(n)
	z2 := normal975 * normal975
	center := (p + z2/(2*trials)) / (1 + z2/trials)
	half := normal975 / (1 + z2/trials) * math.Sqrt(p*(1-p)/trials+z2/(4*trials*trials))
	return Estimate{Value: p, Low: max(0, center-half), High: min(1, center+half), Method: "wilson"}
}
