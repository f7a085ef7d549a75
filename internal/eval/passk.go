package eval

// This file holds the statistics: the estimator of pass@k for one problem, and
// intervals for its mean over problems.

import (
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

const (
	resamples     = 10_000
	bootstrapSeed = 20210707
	normal975     = 1.959963984540054 // 97.5 % quantile of the standard normal distribution
)

// bootstrap estimates the mean of values (at least one), with a percentile
// bootstrap interval. It is deterministic.
func bootstrap(values []float64) Estimate {
	rng := rand.New(rand.NewPCG(bootstrapSeed, 0))
	means := make([]float64, resamples)
	for r := range means {
		sum := 0.0
		for range values {
			sum += values[rng.IntN(len(values))]
		}
		means[r] = sum / float64(len(values))
	}
	slices.Sort(means)
	return Estimate{
		Value:  stat.Mean(values, nil),
		Low:    stat.Quantile(0.025, stat.Empirical, means, nil),
		High:   stat.Quantile(0.975, stat.Empirical, means, nil),
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
