package nfhead

import (
	"math"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

// shakenMixture is a mixture away from its start.
func shakenMixture(hidden, d, m int) (*Mixture, *tensor.Params) {
	p := tensor.NewParams(1)
	x := NewMixture(p, hidden, d, 5, m)
	rng := tensor.Rand(2, "shake")
	for q := range p.All() {
		for i := range q.Data {
			q.Data[i] += float32(0.3 * rng.NormFloat64())
		}
	}
	return x, p
}

// One component is the head alone, under the same names.
func TestOneComponentIsTheHead(t *testing.T) {
	x, p := shakenMixture(6, 3, 1)
	var names []string
	for q := range p.All() {
		names = append(names, q.Name)
	}
	if len(names) != 2 || names[0] != "weight" || names[1] != "bias" {
		t.Errorf("parameters %q, want weight and bias", names)
	}
	h, u := random(1, 4, 6), random(2, 4, 3)
	mu, logSigma := x.Components[0].Gaussian(nil, h)
	var none *tensor.Tape
	for _, noise := range []float64{0, 0.7} {
		got := x.Predict(nil, h).LogProb(nil, u, noise)
		tensortest.Likelihood.Check(t, "log density", got.Data, tensortest.Float64s(none.GaussianLogProb(u, mu, logSigma, noise).Data))
	}
	d := none.Sub(u, mu)
	tensortest.Likelihood.Check(t, "squared error", x.Predict(nil, h).SquaredError(nil, u, 0.3).Data, tensortest.Float64s(none.SumCols(none.Mul(d, d)).Data))
}

// By hand, in one dimension: density, and squared errors by responsibility.
func TestMixtureByHand(t *testing.T) {
	column := func(v float64) *tensor.Tensor { return tensor.From([]float32{float32(v)}, 1, 1) }
	p := Prediction{
		LogWeight: []*tensor.Tensor{column(math.Log(0.25)), column(math.Log(0.75))},
		Mu:        []*tensor.Tensor{column(-1), column(2)},
		LogSigma:  []*tensor.Tensor{column(math.Log(0.5)), column(math.Log(3))},
	}
	for _, u := range []float64{-3, -1, 0.4, 2, 7} {
		normal := func(mu, sigma float64) float64 {
			return math.Exp(-(u-mu)*(u-mu)/(2*sigma*sigma)) / (sigma * math.Sqrt(2*math.Pi))
		}
		a, b := 0.25*normal(-1, 0.5), 0.75*normal(2, 3)
		tensortest.Likelihood.CheckScalar(t, "log density", float64(p.LogProb(nil, column(u), 0).Data[0]), math.Log(a+b))
		want := (a*(u+1)*(u+1) + b*(u-2)*(u-2)) / (a + b)
		tensortest.Forward.CheckScalar(t, "squared error", float64(p.SquaredError(nil, column(u), 0).Data[0]), want)
	}
	tensortest.Forward.CheckScalar(t, "mean sigma", p.MeanSigma(0), 0.25*0.5+0.75*3)
}

// The weights of the components sum to one, and the density to one.
func TestMixtureIsNormalised(t *testing.T) {
	x, _ := shakenMixture(5, 1, 3)
	p := x.Predict(nil, random(3, 2, 5))
	for r := range 2 {
		var weights, mass float64
		for _, w := range p.LogWeight {
			weights += math.Exp(float64(w.Data[r]))
		}
		if math.Abs(weights-1) > 1e-6 {
			t.Errorf("row %d: weights sum to %v", r, weights)
		}
		const step = 0.01
		for u := -40.0; u < 40; u += step {
			two := tensor.From([]float32{float32(u), float32(u)}, 2, 1)
			mass += step * math.Exp(float64(p.LogProb(nil, two, 0).Data[r]))
		}
		if math.Abs(mass-1) > 1e-4 {
			t.Errorf("row %d: the density sums to %v", r, mass)
		}
	}
}

func TestMixtureGradient(t *testing.T) {
	x, p := shakenMixture(4, 3, 3)
	h, u := random(1, 3, 4), random(2, 3, 3)
	var params []*tensor.Tensor
	for q := range p.All() {
		params = append(params, q.Tensor)
	}
	for _, noise := range []float64{0, 0.7} {
		tensortest.GradCheck(t, func(t *tensor.Tape) *tensor.Tensor { return x.Predict(t, h).LogProb(t, u, noise) }, append(params, h, u)...)
	}
}

// Draws come from the density: the share of each component is its weight, the
// mean log density is minus the entropy found by summing; at temperature 0 the
// mean of the likeliest component comes.
func TestMixtureDraw(t *testing.T) {
	column := func(v float64) *tensor.Tensor { return tensor.From([]float32{float32(v)}, 1, 1) }
	p := Prediction{
		LogWeight: []*tensor.Tensor{column(math.Log(0.3)), column(math.Log(0.7))},
		Mu:        []*tensor.Tensor{column(-10), column(10)},
		LogSigma:  []*tensor.Tensor{column(0), column(math.Log(2))},
	}
	share := func(temp float64) float64 {
		const n = 20000
		left := 0
		u := make([]float32, 1)
		for i := range n {
			p.Draw(u, 0, temp, tensor.Rand(1, "draw", i))
			if u[0] < 0 {
				left++
			}
		}
		return float64(left) / n
	}
	if s := share(1); math.Abs(s-0.3) > 0.015 {
		t.Errorf("the first component came in %v of the draws, want 0.3", s)
	}
	sharp := 0.09 / (0.09 + 0.49) // weights to the power 1/0.5
	if s := share(0.5); math.Abs(s-sharp) > 0.015 {
		t.Errorf("at temperature 0.5 the first component came in %v of the draws, want %v", s, sharp)
	}
	u := make([]float32, 1)
	if p.Draw(u, 0, 0, tensor.Rand(1, "draw")); u[0] != 10 {
		t.Errorf("at temperature 0 the draw is %v, want the likelier mean, 10", u[0])
	}
}
