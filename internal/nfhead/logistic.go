package nfhead

import "math"

// A logistic curve is the distribution function of a mixture of logistic distributions,
// through the inverse of one (Flow++, Ho et al., 2019, arXiv 1902.00275):
//
//	y = logit( Σ_m w_m sigmoid((x - mean_m) e^(-scale_m)) ),   w = softmax(logits)
//
// What is learned of it are logits, means and scales of its components.
type logistic struct{ components int }

func (c logistic) Numbers() int { return 3 * c.components }

// Settled counts log w, means and scales.
func (c logistic) Settled() int { return 3 * c.components }

func (c logistic) Settle(settled, raw []float32) {
	var w [mostParts]float64
	softmax(&w, raw[:c.components])
	copy(settled, raw)
	for m := range c.components {
		settled[m] = float32(math.Log(w[m]))
	}
}

func (c logistic) SettleGradient(dRaw, dSettled, _, raw []float32) {
	M := c.components
	var w [mostParts]float64
	softmax(&w, raw[:M])
	sum := 0.0
	for _, g := range dSettled[:M] {
		sum += float64(g)
	}
	for i, g := range dSettled {
		if i < M {
			g -= float32(w[i] * sum)
		}
		dRaw[i] += g
	}
}

// terms are logarithms of what each component adds: to the distribution function, to its
// complement, and to the density.
type terms struct{ below, above, density [mostParts]float64 }

// terms returns also the logarithms of the sums.
func (c logistic) terms(v *terms, settled []float32, x float64) (below, above, density float64) {
	M := c.components
	for m := range M {
		scale := float64(settled[2*M+m])
		z := (x - float64(settled[M+m])) * math.Exp(-scale)
		left, right := -softplus(-z), -softplus(z) // log sigmoid(z), log sigmoid(-z)
		w := float64(settled[m])
		v.below[m], v.above[m], v.density[m] = w+left, w+right, w+left+right-scale
	}
	return logSumExp(v.below[:M]), logSumExp(v.above[:M]), logSumExp(v.density[:M])
}

func (c logistic) At(settled []float32, x float64) (y, logSlope float64) {
	var v terms
	below, above, density := c.terms(&v, settled, x)
	return below - above, density - below - above
}

// Gradient is that of a sum of three logarithms of sums, each of which passes it on by the
// shares of the components.
func (c logistic) Gradient(dSettled, settled []float32, x, dy, dSlope float64) (dx float64) {
	M := c.components
	var v terms
	below, above, density := c.terms(&v, settled, x)
	for m := range M {
		rate := math.Exp(-float64(settled[2*M+m]))
		z := (x - float64(settled[M+m])) * rate
		dBelow := (dy - dSlope) * math.Exp(v.below[m]-below)
		dAbove := (-dy - dSlope) * math.Exp(v.above[m]-above)
		dDensity := dSlope * math.Exp(v.density[m]-density)
		dz := dBelow*sigmoid(-z) - dAbove*sigmoid(z) + dDensity*(1-2*sigmoid(z))
		dx += dz * rate
		dSettled[m] += float32(dBelow + dAbove + dDensity)
		dSettled[M+m] -= float32(dz * rate)
		dSettled[2*M+m] -= float32(dz*z + dDensity)
	}
	return dx
}

func logSumExp(x []float64) float64 {
	most, sum := math.Inf(-1), 0.0
	for _, v := range x {
		most = max(most, v)
	}
	for _, v := range x {
		sum += math.Exp(v - most)
	}
	return most + math.Log(sum)
}
