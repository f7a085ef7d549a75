package nfhead

import (
	"math"
	"math/rand/v2"

	"nfcot/internal/tensor"
)

// A Head predicts the next thought from a hidden state: a diagonal Gaussian
// (docs/method.md eq. 1).
type Head struct {
	limit  float64
	weight *tensor.Tensor // [2D, H]
	bias   *tensor.Tensor // [2D]
	mlp    *MLP           // of the mean
}

// NewHead makes a head for thoughts of d numbers, linear but for an MLP of a width
// (0: none) that adds to the mean. log sigma is kept within
// ±limit by limit·tanh(x/limit); limit 0 leaves it free.
func NewHead(p *tensor.Params, hidden, width, d int, limit float64) *Head {
	return &Head{limit, p.Normal("weight", 0.02, 2*d, hidden), p.Const("bias", 0, 2*d), NewMLP(p.Sub("mlp"), hidden, width, d)}
}

// Gaussian returns the mean and the log standard deviation of the thought that
// follows each row.   h [R, H] → mu, logSigma [R, D]
func (n *Head) Gaussian(t *tensor.Tape, h *tensor.Tensor) (mu, logSigma *tensor.Tensor) {
	d := n.weight.Rows() / 2
	both := t.Linear(h, n.weight, n.bias)
	mu, logSigma = t.Columns(both.Part(0, d)), t.Columns(both.Part(d, d))
	mu = n.mlp.Add(t, mu, h)
	if n.limit > 0 {
		c := float32(n.limit)
		logSigma = t.Scale(c, t.Tanh(t.Scale(1/c, logSigma)))
	}
	return mu, logSigma
}

// FLOPs is what Gaussian takes for a row.
func (n *Head) FLOPs() float64 { return float64(2*len(n.weight.Data)) + n.mlp.FLOPs() }

// Draw writes a sample of N(mu, temp²·(sigma² - noise²)) to u. Thoughts that were learnt
// with Gaussian noise on them are drawn without it, as far as sigma says that there is
// anything else; noise 0 draws from the density itself.
// u, mu, logSigma have D numbers each.
func Draw(u, mu, logSigma []float32, temp, noise float64, rng *rand.Rand) {
	for i := range u {
		z := rng.NormFloat64() // drawn at temperature 0 too: the stream stays in step
		std := math.Exp(float64(logSigma[i]))
		if noise > 0 {
			std = math.Sqrt(max(0, std*std-noise*noise))
		}
		u[i] = mu[i] + float32(temp*std*z)
	}
}
