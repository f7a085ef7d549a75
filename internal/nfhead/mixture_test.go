package nfhead

import (
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

// shakenHead is a head away from its start.
func shakenHead(hidden, d, components int) (*Head, *tensor.Params) {
	p := tensor.NewParams(1)
	head := NewHead(p, hidden, 5, d, components, 1.5, 1)
	rng := tensor.Rand(2, "shake")
	for q := range p.All() {
		for i := range q.Data {
			q.Data[i] += float32(0.3 * rng.NormFloat64())
		}
	}
	return head, p
}

func TestMixtureGradient(t *testing.T) {
	head, p := shakenHead(4, 3, 3)
	h, u := random(1, 3, 4), random(2, 3, 3)
	inputs := []*tensor.Tensor{h, u}
	for q := range p.All() {
		inputs = append(inputs, q.Tensor)
	}
	for _, temp := range []float64{1, 0.8} {
		tensortest.GradCheck(t, func(t *tensor.Tape) *tensor.Tensor { return head.Predict(t, h).At(t, temp).LogProb(t, u, 0) }, inputs...)
	}
}

// The density of a mixture sums to one, at every temperature.
func TestMixtureIsNormalised(t *testing.T) {
	head, _ := shakenHead(5, 1, 3)
	h := random(3, 2, 5)
	for _, temp := range []float64{1, 0.4, 2} {
		p := head.Predict(nil, h).At(nil, temp)
		for r := range 2 {
			var mass float64
			const step = 0.01
			for u := -40.0; u < 40; u += step {
				two := tensor.From([]float32{float32(u), float32(u)}, 2, 1)
				mass += step * math.Exp(float64(p.LogProb(nil, two, 0).Data[r]))
			}
			if math.Abs(mass-1) > 1e-4 {
				t.Errorf("temperature %g, row %d: the density sums to %v", temp, r, mass)
			}
		}
	}
}

// Draws at a temperature have the density that At gives them: the share of each
// component, and the mean of the log-density, which is minus the entropy that summing
// finds. At temperature 0 the mean of the likeliest component comes.
func TestMixtureDrawHasItsDensity(t *testing.T) {
	const n = 20000
	p := Prediction{
		Mu:       tensor.From([]float32{1}, 1, 1),
		Delta:    tensor.From([]float32{-6, 3}, 1, 2),
		LogSigma: tensor.From([]float32{0.3}, 1, 1),
		Logits:   tensor.From([]float32{0.5, -0.35}, 1, 2),
	}
	for _, temp := range []float64{1, 0.5, 1.4} {
		at := p.At(nil, temp)
		logp := func(u float64) float64 {
			return float64(at.LogProb(nil, tensor.From([]float32{float32(u)}, 1, 1), 0).Data[0])
		}
		var entropy, left float64
		const step = 0.005
		for u := -20.0; u < 20; u += step {
			mass := step * math.Exp(logp(u))
			entropy -= mass * logp(u)
			if u < -0.5 {
				left += mass
			}
		}
		var mean, share float64
		u := make([]float32, 1)
		for i := range n {
			p.Draw(u, 0, temp, Noise{}, tensor.Rand(1, "draw", i))
			mean += logp(float64(u[0])) / n
			if u[0] < -0.5 {
				share += 1.0 / n
			}
		}
		if five := 5 / math.Sqrt(n); math.Abs(mean+entropy) > five || math.Abs(share-left) > five {
			t.Errorf("temperature %g: mean log-density %g and share %g of the left, want %g and %g", temp, mean, share, -entropy, left)
		}
	}
	u := make([]float32, 1)
	if p.Draw(u, 0, 0, Noise{}, tensor.Rand(1, "draw")); u[0] != -5 {
		t.Errorf("at temperature 0 the draw is %v, want the likelier mean, -5", u[0])
	}
}

func TestNearest(t *testing.T) {
	p := Prediction{
		Mu: tensor.From([]float32{1, 0, 1, 0, 1, 0}, 3, 2),
		Delta: tensor.From([]float32{
			-1, 0, 3, 4, -4, 0,
			-1, 0, 3, 4, -4, 0,
			6, 0, 3, 4, -4, 0,
		}, 3, 6),
	}
	got := p.Nearest(nil, tensor.From([]float32{1, 1, 3, 2, -2, 2}, 3, 2))
	if want := []int{0, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("nearest components %v, want %v", got, want)
	}
}
