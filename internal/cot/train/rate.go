package train

import (
	"math"

	"nfcot/internal/cot/experiment"
)

// rate is the learning rate of step s (from 0) of a stage: linear warm-up to LR,
// then a cosine to the share least of it.
func rate(s experiment.Stage, least float64, step int) float64 {
	t := float64(step + 1)
	warm, total := float64(s.Warmup), float64(s.Steps)
	if t <= warm {
		return s.LR * t / warm
	}
	low := s.LR * least
	return low + (s.LR-low)/2*(1+math.Cos(math.Pi*(t-warm)/(total-warm)))
}
