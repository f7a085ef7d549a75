package eval

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"nfcot/internal/shared"
)

func TestPassAtKGolden(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(shared.Fixtures(t), "passk", "passk.json"))
	if err != nil {
		t.Fatal(err)
	}
	type input struct{ N, C, K int }
	var golden struct {
		Cases []struct {
			input
			Want float64 `json:"pass_at_k"`
		}
		Benchmark struct {
			N    int
			C    []int
			Mean map[string]float64 `json:"mean_pass_at_k"`
		}
		Invalid []input
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) == 0 || len(golden.Benchmark.Mean) == 0 || len(golden.Invalid) == 0 {
		t.Fatal("passk.json lacks cases, benchmark or invalid")
	}
	for _, c := range golden.Cases {
		if got := PassAtK(c.N, c.C, c.K); !(math.Abs(got-c.Want) <= 1e-12) {
			t.Errorf("PassAtK(%d, %d, %d) = %.17g, want %.17g", c.N, c.C, c.K, got, c.Want)
		}
	}
	for _, c := range golden.Invalid {
		if got := PassAtK(c.N, c.C, c.K); !math.IsNaN(got) {
			t.Errorf("PassAtK(%d, %d, %d) = %g, want NaN", c.N, c.C, c.K, got)
		}
	}
	var tasks []TaskReport
	for _, c := range golden.Benchmark.C {
		tasks = append(tasks, TaskReport{Samples: golden.Benchmark.N, Passed: c})
	}
	for key, want := range golden.Benchmark.Mean {
		k, err := strconv.Atoi(key)
		if err != nil {
			t.Fatal(err)
		}
		got := meanAtK(tasks, TaskReport.PassAtK, k)
		if !(math.Abs(got.Value-want) <= 1e-12) {
			t.Errorf("mean pass@%d = %.17g, want %.17g", k, got.Value, want)
		}
		if !(got.Low < got.Value && got.Value < got.High) {
			t.Errorf("pass@%d: interval [%g, %g] does not hold %g", k, got.Low, got.High, got.Value)
		}
	}
}

// Against the definition: the fraction of k-subsets with a pass in them.
func TestPassAtKByCounting(t *testing.T) {
	for n := 1; n <= 8; n++ {
		for c := range n + 1 {
			for k := 1; k <= n; k++ {
				hits, all := 0, 0
				for set := range 1 << n {
					size := 0
					for i := range n {
						size += set >> i & 1
					}
					if size != k {
						continue
					}
					all++
					if set&(1<<c-1) != 0 {
						hits++
					}
				}
				want := float64(hits) / float64(all)
				if got := PassAtK(n, c, k); math.Abs(got-want) > 1e-12 {
					t.Errorf("PassAtK(%d, %d, %d) = %g, want %g", n, c, k, got, want)
				}
			}
		}
	}
}

// With few values the distribution of resampled means is known: the number of
// ones in a resample of n values, of which m are ones, is Binomial(n, m/n).
func TestBootstrapByHand(t *testing.T) {
	for _, tt := range []struct {
		values           []float64
		value, low, high float64
	}{
		{[]float64{0.25}, 0.25, 0.25, 0.25},
		{[]float64{0, 1}, 0.5, 0, 1},           // both ends have mass 1/4
		{[]float64{0, 0, 0, 1}, 0.25, 0, 0.75}, // P(mean <= 1/2) = .949, P(mean <= 3/4) = .996
		{[]float64{-2, 2, 2, 2}, 1, -1, 2},     // P(mean <= -2) = .004, P(mean <= -1) = .051, P(mean = 2) = .316
	} {
		got := MeanOverSeeds([][]float64{tt.values})
		if want := (Estimate{tt.value, tt.low, tt.high, "bootstrap"}); got != want {
			t.Errorf("MeanOverSeeds(%v) = %+v, want %+v", tt.values, got, want)
		}
	}
}

func TestBootstrapAgainstBinomial(t *testing.T) {
	const n, ones = 400, 120
	values := make([]float64, n)
	for i := range ones {
		values[i] = 1
	}
	got := MeanOverSeeds([][]float64{values})
	exact := distuv.Binomial{N: n, P: float64(ones) / n}
	// The mass at or below the ends, within four standard errors of 10,000
	// resamples (0.0016) and the mass of the end itself (at most 0.007).
	for _, end := range []struct{ at, mass float64 }{{got.Low, 0.025}, {got.High, 0.975}} {
		count := math.Round(end.at * n)
		below, upTo := exact.CDF(count-1)-0.0063, exact.CDF(count)+0.0063
		if !(below <= end.mass && end.mass <= upTo) {
			t.Errorf("end %g: the exact mass is %g below and %g with it, want %g between", end.at, below, upTo, end.mass)
		}
	}
	if again := MeanOverSeeds([][]float64{values}); again != got {
		t.Errorf("second bootstrap differs: %+v, %+v", again, got)
	}
}

// Values from the literature: Wilson's interval for 0/10 ends at
// z^2/(n+z^2), for 8 of 10 it is [0.4902, 0.9433].
func TestWilson(t *testing.T) {
	z2 := distuv.UnitNormal.Quantile(0.975) * distuv.UnitNormal.Quantile(0.975)
	for _, tt := range []struct {
		c, n            int
		low, high, near float64
	}{
		{0, 10, 0, z2 / (10 + z2), 1e-12},
		{10, 10, 10 / (10 + z2), 1, 1e-12},
		{8, 10, 0.4902, 0.9433, 1e-4},
	} {
		got := wilson(tt.c, tt.n)
		if math.Abs(got.Low-tt.low) > tt.near || math.Abs(got.High-tt.high) > tt.near ||
			got.Value != float64(tt.c)/float64(tt.n) || got.Method != "wilson" {
			t.Errorf("wilson(%d, %d) = %+v, want [%g, %g]", tt.c, tt.n, got, tt.low, tt.high)
		}
	}
}
