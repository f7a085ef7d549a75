package train

// What a step is made of, whatever is trained: which examples, at which rate, and the move.

import (
	"fmt"
	"math"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/tensor"
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

// move lets an optimizer step at a learning rate, the gradient's norm at most clip, and
// returns the norm from before. A gradient that is not finite is an error, of the step
// whose number, from 1, and loss are given.
func move(o *tensor.AdamW, lr, clip float64, step int, loss float64) (norm float64, err error) {
	norm = o.Step(lr, clip)
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return norm, fmt.Errorf("step %d: the gradient is not finite (loss %g); lower the learning rate", step, loss)
	}
	return norm, nil
}

// An order is an endless sequence of examples: every epoch is a permutation of
// its own.
type order struct {
	seed  uint64
	stage int
	n     int
	epoch int // of perm
	perm  []int
}

func newOrder(seed uint64, stage, n int) *order {
	return &order{seed: seed, stage: stage, n: n, epoch: -1}
}

// at returns example number i of the sequence.
func (o *order) at(i int) int {
	if epoch := i / o.n; epoch != o.epoch {
		rng := tensor.Rand(o.seed, "order", o.stage, epoch)
		o.epoch, o.perm = epoch, rng.Perm(o.n)
	}
	return o.perm[i%o.n]
}
