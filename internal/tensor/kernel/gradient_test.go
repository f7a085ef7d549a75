package kernel

import (
	"fmt"
	"slices"
	"testing"
)

// A weight's gradient has the bits of the product that it is, however it is cut.
func TestWeightGradientIsGemm(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {0, 3, 2}, {3, 300, 2}, {700, 130, 97}, {513, 70, 200}, {300, 1100, 40}} {
		rows, outputs, inputs := s[0], s[1], s[2]
		for _, accumulate := range []bool{false, true} {
			t.Run(fmt.Sprint(s, accumulate), func(t *testing.T) {
				eachISA(t, func(t *testing.T) {
					const skip = 3 // columns of dy that are another's
					stride := outputs + skip
					rng := newRand()
					dy, x := normal(rng, rows*stride), normal(rng, rows*inputs)
					want := normal(rng, outputs*inputs)
					got := slices.Clone(want)
					if rows > 0 {
						dy = dy[skip:]
					}
					Gemm(want, inputs, Mat{Data: dy, Stride: stride, Trans: true}, Mat{Data: x, Stride: inputs}, outputs, inputs, rows, accumulate)
					WeightGradient(got, dy, stride, x, rows, outputs, inputs, accumulate)
					if !slices.Equal(got, want) {
						t.Error("other numbers than Gemm's")
					}
				})
			})
		}
	}
}

// The gradient from rounded factors has the bits of GemmBF16, whether x is rounded before or on the way, and however many threads
// cut it.
func TestWeightGradientBF16IsGemmBF16(t *testing.T) {
	defer SetThreads(Threads())
	for _, s := range [][3]int{{1, 1, 1}, {0, 3, 2}, {3, 300, 2}, {700, 130, 97}, {513, 70, 200}, {300, 1100, 40}, {130, 600, 530}} {
		rows, outputs, inputs := s[0], s[1], s[2]
		for variant := range 4 {
			accumulate, rounded := variant&1 > 0, variant&2 > 0
			t.Run(fmt.Sprint(s, accumulate, rounded), func(t *testing.T) {
				const skip = 3 // columns of dy that are another's
				stride := outputs + skip
				rng := newRand()
				dy, x, before := normal(rng, rows*stride), normal(rng, rows*inputs), normal(rng, outputs*inputs)
				if rows > 0 {
					dy = dy[skip:]
				}
				if rounded {
					RoundBF16(x)
				}
				want := slices.Clone(before)
				GemmBF16(want, inputs, Mat{Data: dy, Stride: stride, Trans: true}, Mat{Data: x, Stride: inputs}, outputs, inputs, rows, accumulate)
				withPairs(t, func(t *testing.T) {
					for _, threads := range []int{1, 2, 5} {
						SetThreads(threads)
						got := slices.Clone(before)
						WeightGradientBF16(got, dy, stride, x, rows, outputs, inputs, accumulate, rounded)
						if !sameBits(got, want) {
							t.Errorf("%d threads: other numbers than GemmBF16's", threads)
						}
					}
				})
			})
		}
	}
}
