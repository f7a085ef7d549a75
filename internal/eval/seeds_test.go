package eval

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Seeds without spread inside leave the spread of the seeds: two of them, 0 and 1,
// have means of 0, 1/2 and 1 with masses 1/4, 1/2 and 1/4.
func TestMeanOverSeedsByHand(t *testing.T) {
	for _, tt := range []struct {
		name             string
		values           [][]float64
		value, low, high float64
	}{
		{"two seeds", [][]float64{{0, 0, 0}, {1, 1}}, 0.5, 0, 1},
		{"every seed weighs the same", [][]float64{{0, 0, 0, 0, 0, 0}, {3}}, 1.5, 0, 3},
		{"three alike", [][]float64{{0.5, 0.5}, {0.5, 0.5}, {0.5}}, 0.5, 0.5, 0.5},
		{"three seeds", [][]float64{{0}, {0}, {3}}, 1, 0, 3},                    // P(no 3) = 8/27, P(three 3) = 1/27 = .037
		{"problems and seeds", [][]float64{{0, 4}, {0, 4}}, 2, 0, 4},            // P(all 0) = 1/16
		{"one seed of many", [][]float64{{1}, {0}, {0}, {0}, {0}}, 0.2, 0, 0.6}, // P(at most 2/5) = .942, P(at most 3/5) = .993
	} {
		want := Estimate{tt.value, tt.low, tt.high, "bootstrap"}
		if got := MeanOverSeeds(tt.values); math.Abs(got.Value-want.Value)+math.Abs(got.Low-want.Low)+math.Abs(got.High-want.High) > 1e-9 {
			t.Errorf("%s: %+v, want %+v", tt.name, got, want)
		}
	}
}

func TestRatioOverSeedsByHand(t *testing.T) {
	for _, tt := range []struct {
		name             string
		a, b             [][]float64
		value, low, high float64
	}{
		{"the same everywhere", [][]float64{{6, 12}, {3}}, [][]float64{{2, 4}, {1}}, 3, 3, 3},
		{"one seed, two problems", [][]float64{{2, 4}}, [][]float64{{1, 1}}, 3, 2, 4},
		{"two seeds", [][]float64{{2}, {6}}, [][]float64{{1}, {1}}, 4, 2, 6},
		{"means, not a mean of ratios", [][]float64{{1, 9}}, [][]float64{{1, 3}}, 2.5, 1, 3},
	} {
		want := Estimate{tt.value, tt.low, tt.high, "bootstrap"}
		if got := RatioOverSeeds(tt.a, tt.b); math.Abs(got.Value-want.Value)+math.Abs(got.Low-want.Low)+math.Abs(got.High-want.High) > 1e-9 {
			t.Errorf("%s: %+v, want %+v", tt.name, got, want)
		}
	}
}

// An interval holds the estimate and lies within the values; it moves and grows
// with them, and each of several quantities gets what it would get alone.
func TestIntervalsOverSeeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.SliceOfN(rapid.Float64Range(-1, 1), 1, 6), 1, 4).Draw(t, "values")
		least, most := math.Inf(1), math.Inf(-1)
		moved := make([][]float64, len(values))
		for s := range values {
			for _, v := range values[s] {
				least, most = min(least, v), max(most, v)
				moved[s] = append(moved[s], 2*v+1)
			}
		}
		const rounding = 1e-12
		got := MeanOverSeeds(values)
		if !(least-rounding <= got.Low && got.Low <= got.Value+rounding && got.Value <= got.High+rounding && got.High <= most+rounding) {
			t.Fatalf("%v: %+v", values, got)
		}
		both := MeansOverSeeds(values, moved)
		if both[0] != got {
			t.Fatalf("%v: %+v alone, %+v with another quantity", values, got, both[0])
		}
		for _, pair := range [][2]float64{{got.Value, both[1].Value}, {got.Low, both[1].Low}, {got.High, both[1].High}} {
			if math.Abs(2*pair[0]+1-pair[1]) > 1e-9 {
				t.Fatalf("%v: %+v became %+v", values, got, both[1])
			}
		}
	})
}
