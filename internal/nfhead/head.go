package nfhead

import (
	"math"
	"math/rand/v2"

	"nfcot/internal/tensor"
)

// A Head predicts the next thought from a hidden state: a diagonal Gaussian
// (docs/method.md eq. 1), or a mixture of M Gaussians that share their standard
// deviations. One Gaussian can only lie between two lines that a chain might go on
// with; a mixture decides, and its density is as exact.
type Head struct {
	limit      float64
	components int
	d          int
	weight     *tensor.Tensor // [2·D, H], and for M > 1 M·(D+1) rows more, of Delta and Logits
	bias       *tensor.Tensor
	mlp        *MLP // of the means
}

// NewHead makes a head of components Gaussians (0 and 1: one) for thoughts of d numbers,
// linear but for an MLP of a width (0: none) that adds to the means. It begins for states
// with a root mean square of states. log sigma is kept within ±limit by
// limit·tanh(x/limit); limit 0 leaves it free.
func NewHead(p *tensor.Params, hidden, width, d, components int, limit, states float64) *Head {
	components = max(1, components)
	rows := 2 * d
	if components > 1 {
		rows += components * (d + 1)
	}
	return &Head{limit, components, d, p.Normal("weight", 0.02/states, rows, hidden), p.Const("bias", 0, rows), NewMLP(p.Sub("mlp"), hidden, width, d, Scale{In: states, Out: 1})}
}

// Predict says what follows each row.   h [R, H]
func (n *Head) Predict(t *tensor.Tape, h *tensor.Tensor) Prediction {
	M, d := n.components, n.d
	out := t.Linear(h, n.weight, n.bias)
	p := Prediction{Mu: t.Columns(out.Part(0, d)), LogSigma: t.Columns(out.Part(d, d))}
	p.Mu = n.mlp.Add(t, p.Mu, h)
	if n.limit > 0 {
		p.LogSigma = limited(t, p.LogSigma, n.limit)
	}
	if M > 1 {
		p.Delta = t.Columns(out.Part(2*d, M*d))
		p.Logits = t.Columns(out.Part((2+M)*d, M))
	}
	return p
}

// limited keeps logarithms of scales within ±limit, softly: limit·tanh(x/limit).
func limited(t *tensor.Tape, x *tensor.Tensor, limit float64) *tensor.Tensor {
	c := float32(limit)
	return t.Scale(c, t.Tanh(t.Scale(1/c, x)))
}

// FLOPs is what Predict takes for a row.
func (n *Head) FLOPs() float64 { return float64(2*len(n.weight.Data)) + n.mlp.FLOPs() }

// A Prediction is the density of the thoughts that follow R rows.
type Prediction struct {
	Mu       *tensor.Tensor // of one component the mean, of several what their means have in common: [R, D]
	LogSigma *tensor.Tensor // [R, D]
	Delta    *tensor.Tensor // what each of M components adds to Mu: [R, M·D]; nil for one component
	Logits   *tensor.Tensor // of the components' weights: [R, M]; nil for one component
}

// LogProb is the log-density of thoughts, in nats. With noise it is that of codes, in
// expectation over noise N(0, noise² I) on them (for several components, a lower bound
// of it).   u [R, D] → [R, 1]
func (p Prediction) LogProb(t *tensor.Tape, u *tensor.Tensor, noise float64) *tensor.Tensor {
	if p.Logits == nil {
		return t.GaussianLogProb(u, p.Mu, p.LogSigma, noise)
	}
	means := t.Add(t.Repeat(p.Mu, p.Logits.Cols()), p.Delta)
	return t.GaussianMixtureLogProb(u, means, p.LogSigma, p.Logits, noise)
}

// At is the density at a temperature: standard deviations times temp, weights to the
// power 1/temp. It is what Draw draws from without noise to take away.
func (p Prediction) At(t *tensor.Tape, temp float64) Prediction {
	if temp == 1 {
		return p
	}
	shift := t.New(p.LogSigma.Rows(), p.LogSigma.Cols())
	for i := range shift.Data {
		shift.Data[i] = float32(math.Log(temp))
	}
	p.LogSigma = t.Add(p.LogSigma, shift)
	if p.Logits != nil {
		p.Logits = t.Scale(float32(1/temp), p.Logits)
	}
	return p
}

// Noise is what thoughts were trained with and are drawn without: N(0, Std²) on every number of their codes, which are
// numbers of thoughts with Variance times that (nil: 1 everywhere). The zero Noise is none.
type Noise struct {
	Std      float64
	Variance *tensor.Tensor // [R, D]
}

// Draw writes a sample for row r to u, of N(mu, temp²·(sigma² - noise²)), where mu is the
// mean of a component that is drawn with its weight to the power 1/temp: at temperature 0
// of the likeliest. Thoughts that were trained with Gaussian noise on them are drawn without it,
// as far as sigma says that there is anything else; without noise it draws from the density
// itself.   u has D numbers
func (p Prediction) Draw(u []float32, r int, temp float64, noise Noise, rng *rand.Rand) {
	copy(u, p.Mu.Row(r))
	if p.Logits != nil {
		m := pick(p.Logits.Row(r), temp, rng)
		for i, delta := range p.Delta.Row(r)[m*len(u) : (m+1)*len(u)] {
			u[i] += delta
		}
	}
	logSigma := p.LogSigma.Row(r)
	for i := range u {
		z := rng.NormFloat64() // drawn at temperature 0 too: the stream stays in step
		std := math.Exp(float64(logSigma[i]))
		if noise.Std > 0 {
			variance := noise.Std * noise.Std
			if noise.Variance != nil {
				variance *= float64(noise.Variance.Row(r)[i])
			}
			std = math.Sqrt(max(0, std*std-variance))
		}
		u[i] += float32(temp * std * z)
	}
}

// pick draws from softmax(logits/temp), by adding Gumbel noise.
func pick(logits []float32, temp float64, rng *rand.Rand) int {
	best, at := math.Inf(-1), 0
	for m, l := range logits {
		gumbel := -math.Log(rng.ExpFloat64()) // drawn at temperature 0 too
		if v := float64(l) + temp*gumbel; v > best {
			best, at = v, m
		}
	}
	return at
}

// Nearest is, for each row, the component whose mean is nearest to a code.
// e [R, D] → [R]
func (p Prediction) Nearest(t *tensor.Tape, e *tensor.Tensor) []int {
	best := t.Ints(e.Rows())
	for r := range e.Rows() {
		code, mu, delta := e.Row(r), p.Mu.Row(r), p.Delta.Row(r)
		least, at := math.Inf(1), 0
		for m := 0; m*len(code) < len(delta); m++ {
			miss := 0.0
			for d, x := range code {
				away := float64(x - mu[d] - delta[m*len(code)+d])
				miss += away * away
			}
			if miss < least {
				least, at = miss, m
			}
		}
		best = append(best, at)
	}
	return best
}
