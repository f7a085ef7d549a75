package train

import (
	"runtime/debug"
	"testing"

	"nfcot/internal/cot/experiment"
)

// raceDetector is set when the tests run with it; sync.Pool then forgets at random.
var raceDetector bool

// A step of the loop allocates nothing in any stage of any method. A new epoch
// would: it draws an order.
func TestStepAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection would empty the pools of scratch memory
	const steps = 30
	data := examples(6 * (steps + 1))
	for _, method := range []string{"direct", "cot", "nfcot"} {
		c := tiny(method)
		c.Accumulate = 2
		c.Recompute = method == "nfcot"
		c.NF.Components, c.NF.MeanWeight = 2, 1
		for stage := range c.Stages.All() {
			if (stage == experiment.ReadStage || stage == experiment.HeadsStage) && !codes(c) { // nothing to learn
				continue
			}
			l, _ := trainer(c, data)
			s, at, m := l.newStageRun(stage), position{Stage: stage}, Metrics{}
			n := testing.AllocsPerRun(steps, func() {
				s.backward(t.Context(), s.take(at), &m)
				move(s.optimizer, 1e-3, c.Clip, 1, m.Loss)
				at.Done++
				at.Total++
			})
			if n != 0 {
				t.Errorf("%s, stage %d: %g allocations a step", method, stage, n)
			}
		}
	}
}
