package train

import (
	"math"

	"nfcot/internal/cot/experiment"
)

// objective works the loss of reinforcement learning out (docs/method.md section 10), in
// float64: ratios are exponentials of differences of long sums.
type objective experiment.GRPO

const (
	// ratioLimit is the largest logarithm of a ratio that is told from larger ones.
	ratioLimit = 20
	// advantageEps keeps groups whose rewards hardly differ from counting like others.
	advantageEps = 1e-6
)

// advantages standardises the rewards of a group: (R - mean)/(std + eps), where std
// is that of the group itself. A group without differences has none.
func advantages(rewards []float64, eps float64) []float64 {
	mean, std := moments(rewards)
	adv := make([]float64, len(rewards))
	for i, r := range rewards {
		adv[i] = (r - mean) / (std + eps)
	}
	return adv
}

// moments are the mean and the standard deviation of x, exact if all are equal.
func moments(x []float64) (mean, std float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += (v - x[0]) / n
	}
	mean += x[0]
	for _, v := range x {
		std += (v - mean) * (v - mean) / n
	}
	return mean, math.Sqrt(std)
}

// LogProbs are those of a rollout's thoughts and of its text, in nats.
type LogProbs struct{ Thoughts, Text float64 }

// A term is a part of a rollout's loss.
type term struct {
	loss    float64
	slope   float64 // d loss / d log-probability
	clipped bool    // the ratio has left 1±c the way that the advantage pulls: it pulls no more
}

// term is the loss of a log-probability under the model that learns (now), the one
// that drew the rollout (old), and the reference: -S + beta·k3,
//
//	S = min(r A, clip(r, 1-c, 1+c) A),  r = exp(now - old)
//	k3 = exp(d) - d - 1,  d = ref - now
//
// with both differences within ±20; beyond that nothing has a slope.
func (g objective) term(advantage, now, old, ref float64) term {
	difference, counts := within(now - old)
	r := math.Exp(difference)
	free := r * advantage
	clipped := min(max(r, 1-g.ClipEpsilon), 1+g.ClipEpsilon) * advantage
	x := term{loss: -min(free, clipped), clipped: clipped < free}
	if counts && !x.clipped {
		x.slope = -free
	}
	k3, slope := divergence(now, ref)
	x.loss += g.KL * k3
	x.slope += g.KL * slope
	return x
}

// divergence is k3, an estimate of KL(now || ref) from one rollout drawn from now,
// and its slope in now (Schulman, 2020).
func divergence(now, ref float64) (k3, slope float64) {
	d, free := within(ref - now)
	e := math.Expm1(d)
	if free {
		slope = -e
	}
	return e - d, slope
}

// within limits the logarithm of a ratio, and says whether it was within limits.
func within(logRatio float64) (float64, bool) {
	return min(max(logRatio, -ratioLimit), ratioLimit), math.Abs(logRatio) <= ratioLimit
}

// rollout returns the terms of a rollout, of its thoughts and of its text; its loss is
// their sum. With Joint they are one term, whose loss is counted with the text.
func (g objective) rollout(advantage float64, now, old, ref LogProbs) (thoughts, text term) {
	if g.Joint {
		text = g.term(advantage, now.Thoughts+now.Text, old.Thoughts+old.Text, ref.Thoughts+ref.Text)
		return term{slope: text.slope, clipped: text.clipped}, text
	}
	return g.term(advantage, now.Thoughts, old.Thoughts, ref.Thoughts).times(g.Thought), g.term(advantage, now.Text, old.Text, ref.Text).times(g.Text)
}

func (x term) times(weight float64) term {
	x.loss *= weight
	x.slope *= weight
	return x
}
