package probe

import (
	"math"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
	"nfcot/internal/transformer"
)

// The answer's tokens and its end count, the chain's do not; without an end there is no answer.
func TestAnswerLog(t *testing.T) {
	s := cot.Sample{Chain: []int{5, 6}, Answer: []int{7, 8}, Finished: true}
	for _, l := range []float64{-100, -200, -300, -1, -2, -4} { // chain and its end, answer and its end
		s.TokenLogProbs = append(s.TokenLogProbs, cot.DrawnToken{TokenLogProb: cot.TokenLogProb{LogProb: l}})
	}
	if got := answerLog(s, []int{7, 8}); got != -7 {
		t.Errorf("log p(answer) is %g, want -7", got)
	}
	s.Finished = false
	if got := answerLog(s, []int{7, 8}); !math.IsInf(got, -1) {
		t.Errorf("without an end log p(answer) is %g", got)
	}
	s = cot.Sample{Chain: []int{5, 6}, Finished: true, TokenLogProbs: s.TokenLogProbs[:3]}
	if got := answerLog(s, []int{7, 8}); !math.IsInf(got, -1) {
		t.Errorf("where the model ended instead of answering log p(answer) is %g", got)
	}
}

// Of two problems with two samples each: the mean likelihood where one chain does not end, and
// that of all tokens alike where none does.
func TestLikelihoodByHand(t *testing.T) {
	p := &Probe{Generator: &generate.Generator{N: 2, Run: &experiment.Run{Model: &experiment.Model{LM: &transformer.LM{Trunk: &transformer.Trunk{Config: transformer.Config{Vocab: 10}}}}}},
		Bench: &bench.Benchmark{Problems: []eval.Problem{{TaskID: "a"}, {TaskID: "b"}}}}
	none := math.Inf(-1)
	x := new(Likelihood)
	x.sum(p, [][]int{{1, 2}, {3}}, []float64{math.Log(0.5), none, none, none})
	want := []float64{math.Log(0.25), -2 * math.Log(10)}
	for i, w := range want {
		if got := x.Problems[i].LogProb; math.Abs(got-w) > 1e-12 {
			t.Errorf("problem %d: %g, want %g", i, got, w)
		}
	}
	if got, w := x.LogProb.Value, (want[0]+want[1])/2; math.Abs(got-w) > 1e-12 {
		t.Errorf("mean %g, want %g", got, w)
	}
	if got, w := x.PerToken, -(want[0]+want[1])/5; math.Abs(got-w) > 1e-12 || x.Closed != 0.25 {
		t.Errorf("%g nats a token, want %g; %g closed, want 0.25", got, w, x.Closed)
	}
}
