package cot

import (
	"fmt"
	"math"
)

// A NonFinite is the error of a model that computes what nothing can be drawn from.
type NonFinite struct {
	What  string // in the plural: what it computed
	Found string // the numbers
}

// Error says so (error).
func (e NonFinite) Error() string {
	return fmt.Sprintf("the model's %s are %s; expected finite numbers: its weights are damaged, or too large for float32", e.What, e.Found)
}

// noDistribution is what logits have that make no distribution; "" for those that make one:
// some of them may be -Inf.
func noDistribution(logits []float32) string {
	possible := false
	for _, l := range logits {
		if !(l <= math.MaxFloat32) {
			if l != l {
				return "NaN"
			}
			return "+Inf"
		}
		possible = possible || l >= -math.MaxFloat32
	}
	if !possible {
		return "-Inf for all tokens"
	}
	return ""
}

// Finite refuses a number that a model computed, if it is NaN or infinite.
func Finite(what string, x float64) error {
	if !isFinite(x) {
		return NonFinite{what, fmt.Sprint(x)}
	}
	return nil
}

func isFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
