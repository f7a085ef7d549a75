package nfhead

import (
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

func TestHeadGradient(t *testing.T) {
	for _, limit := range []float64{0, 1.5} {
		p := tensor.NewParams(1)
		head := NewHead(p, 6, 5, 3, 1, limit, 1)
		for i := range head.weight.Data {
			head.weight.Data[i] *= 30 // far into the limit
		}
		h := random(1, 4, 6)
		tensortest.GradCheck(t, func(t *tensor.Tape) *tensor.Tensor {
			next := head.Predict(t, h)
			mu, logSigma := next.Mu, next.LogSigma
			return t.Stack(mu, logSigma)
		}, h, head.weight, head.bias, head.mlp.up, head.mlp.upBias, head.mlp.down)
	}
}

// log sigma is limited softly: raw near 0, ±limit far away, nothing in between
// lost. mu is free.
func TestLimit(t *testing.T) {
	const limit = 4
	head := NewHead(tensor.NewParams(1), 1, 0, 1, 1, limit, 1)
	copy(head.weight.Data, []float32{10, 1})
	for _, raw := range []float64{-1000, -6, -0.01, 0, 0.01, 3, 1000} {
		next := head.Predict(nil, tensor.From([]float32{float32(raw)}, 1, 1))
		mu, logSigma := next.Mu, next.LogSigma
		tensortest.Forward.Check(t, "mu", mu.Data, []float64{10 * raw})
		tensortest.Forward.Check(t, "log sigma", logSigma.Data, []float64{limit * math.Tanh(raw/limit)})
	}
}

// Temperature scales the noise and not the mean, and the stream of random
// numbers goes on as if it did not matter.
func TestDraw(t *testing.T) {
	mu, logSigma := []float32{3, -2, 0.5}, []float32{-1, 0.3, 2}
	draw := func(temp float64) (u []float32, next uint64) {
		rng := tensor.Rand(1, "draw")
		u = make([]float32, len(mu))
		one(mu, logSigma).Draw(u, 0, temp, Noise{}, rng)
		return u, rng.Uint64()
	}
	cold, next := draw(0)
	if !slices.Equal(cold, mu) {
		t.Errorf("at temperature 0 the draw is %v, want the mean %v", cold, mu)
	}
	z := tensor.Rand(1, "draw")
	var noise []float64
	for range mu {
		noise = append(noise, z.NormFloat64())
	}
	for _, temp := range []float64{0.5, 0.9, 1, 2} {
		u, n := draw(temp)
		if n != next {
			t.Errorf("temperature %g leaves the stream elsewhere", temp)
		}
		var want []float64
		for i := range mu {
			want = append(want, float64(mu[i])+math.Exp(float64(logSigma[i]))*(temp*noise[i]))
		}
		tensortest.Tolerance{Rel: 1e-6, Abs: 1e-6}.Check(t, "draw", u, want)
	}
}

// What is drawn has the density that GaussianLogProb gives it: mean and
// variance of many draws, and the expectation of the log-density, which is
// minus the entropy.
func TestDrawHasItsDensity(t *testing.T) {
	const n = 40000
	mu, logSigma := []float32{3}, []float32{-0.7}
	rng := tensor.Rand(2, "draw")
	us := tensor.New(n, 1)
	for r := range n {
		one(mu, logSigma).Draw(us.Row(r), 0, 1, Noise{}, rng)
	}
	m, s := tensor.New(n, 1), tensor.New(n, 1)
	for r := range n {
		m.Data[r], s.Data[r] = mu[0], logSigma[0]
	}
	var mean, variance float64
	for _, u := range us.Data {
		mean += float64(u) / n
		variance += (float64(u) - 3) * (float64(u) - 3) / n
	}
	var tape *tensor.Tape
	logp := float64(tape.Sum(tape.GaussianLogProb(us, m, s, 0)).Data[0]) / n
	sigma := math.Exp(-0.7)
	five := 5 / math.Sqrt(n) // standard errors of the mean of a unit normal
	if math.Abs(mean-3) > five*sigma || math.Abs(variance/(sigma*sigma)-1) > five*math.Sqrt2 {
		t.Errorf("mean %g and variance %g, want 3 and %g", mean, variance, sigma*sigma)
	}
	if want := -(0.5 + 0.5*math.Log(2*math.Pi) - 0.7); math.Abs(logp-want) > five/math.Sqrt2 {
		t.Errorf("mean log-density %g, want %g", logp, want)
	}
}

// Without the noise that thoughts were trained with, what is left of sigma² is drawn, and
// nothing where sigma is no larger than the noise.
func TestDrawWithoutNoise(t *testing.T) {
	mu, logSigma := []float32{3, -2, 0.5}, []float32{float32(math.Log(0.5)), float32(math.Log(0.3)), -3}
	u, z := make([]float32, 3), tensor.Rand(1, "draw")
	one(mu, logSigma).Draw(u, 0, 0.9, Noise{Std: 0.3}, tensor.Rand(1, "draw"))
	tensortest.Forward.Check(t, "u", u, []float64{3 + 0.9*0.4*z.NormFloat64(), -2, 0.5})
}

// one is the prediction of a single Gaussian for one row.
func one(mu, logSigma []float32) Prediction {
	return Prediction{Mu: tensor.From(mu, 1, len(mu)), LogSigma: tensor.From(logSigma, 1, len(logSigma))}
}
