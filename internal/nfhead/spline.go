package nfhead

import "math"

// A spline is a rational-quadratic spline of some bins (Durkan et al., 2019, arXiv
// 1906.04032) over [-bound, bound], with the identity outside of it. What is learned of it
// are widths and heights of the bins before their softmax, and slopes at the knots between
// them before their softplus; zeros are the identity.
type spline struct {
	bins  int
	bound float64
}

// What no bin is smaller than, as a share of all, and no slope at a knot.
const (
	leastBin   = 1e-3
	leastSlope = 1e-3
)

// unitSlope is what softplus makes 1 - leastSlope of.
var unitSlope = math.Log(math.Expm1(1 - leastSlope))

func (s spline) Numbers() int { return 3*s.bins - 1 }

// Settled counts where knots lie, what their values are, and the slopes there.
func (s spline) Settled() int { return 3 * (s.bins + 1) }

func (s spline) Settle(settled, raw []float32) {
	n := s.bins
	s.knots(settled[:n+1], raw[:n])
	s.knots(settled[n+1:2*n+2], raw[n:2*n])
	slopes := settled[2*n+2:]
	slopes[0], slopes[n] = 1, 1
	for i, r := range raw[2*n:] {
		slopes[i+1] = float32(leastSlope + softplus(float64(r)+unitSlope))
	}
}

// knots puts bins, whose sizes are softmax(raw) but for leastBin, one after the other.
func (s spline) knots(at, raw []float32) {
	var share [mostParts]float64
	softmax(&share, raw)
	at[0], at[s.bins] = float32(-s.bound), float32(s.bound)
	x := -s.bound
	for i := range s.bins - 1 {
		x += 2 * s.bound * (leastBin + (1-leastBin*float64(s.bins))*share[i])
		at[i+1] = float32(x)
	}
}

func (s spline) SettleGradient(dRaw, dSettled, settled, raw []float32) {
	n := s.bins
	s.knotsGradient(dRaw[:n], dSettled[:n+1], raw[:n])
	s.knotsGradient(dRaw[n:2*n], dSettled[n+1:2*n+2], raw[n:2*n])
	for i, r := range raw[2*n:] {
		dRaw[2*n+i] += float32(float64(dSettled[2*n+2+i+1]) * sigmoid(float64(r)+unitSlope))
	}
}

func (s spline) knotsGradient(dRaw, dAt, raw []float32) {
	var share, dSize [mostParts]float64
	softmax(&share, raw)
	moved, mean := 0.0, 0.0
	for i := s.bins - 1; i >= 0; i-- {
		dSize[i] = moved // the size of a bin moves the knots behind it, but for the last one
		mean += share[i] * moved
		if i > 0 {
			moved += float64(dAt[i])
		}
	}
	for i := range dRaw {
		dRaw[i] += float32(2 * s.bound * (1 - leastBin*float64(s.bins)) * share[i] * (dSize[i] - mean))
	}
}

// A piece is the spline between two knots.
type piece struct {
	x0, w, h, y0, d0, d1       float64 // where it begins, its width and height; its slopes at both ends
	s, t, q, num, den, slopeUp float64 // of the formulas of its value and slope
}

// piece is the one at x, whose number is i.
func (s spline) piece(settled []float32, i int, x float64) (p piece) {
	n := s.bins
	p.x0, p.w = float64(settled[i]), float64(settled[i+1])-float64(settled[i])
	p.y0, p.h = float64(settled[n+1+i]), float64(settled[n+2+i])-float64(settled[n+1+i])
	p.d0, p.d1 = float64(settled[2*n+2+i]), float64(settled[2*n+3+i])
	p.s, p.t = p.h/p.w, (x-p.x0)/p.w
	p.q = p.t * (1 - p.t)
	p.num = p.h * (p.s*p.t*p.t + p.d0*p.q)
	p.den = p.s + (p.d1+p.d0-2*p.s)*p.q
	p.slopeUp = p.d1*p.t*p.t + 2*p.s*p.q + p.d0*(1-p.t)*(1-p.t)
	return p
}

// bin is the number of the bin that x is in, negative outside of all.
func (s spline) bin(settled []float32, x float64) int {
	if !(x > float64(settled[0]) && x < float64(settled[s.bins])) {
		return -1
	}
	i := 0
	for x >= float64(settled[i+1]) {
		i++
	}
	return i
}

func (s spline) At(settled []float32, x float64) (y, logSlope float64) {
	i := s.bin(settled, x)
	if i < 0 {
		return x, 0
	}
	p := s.piece(settled, i, x)
	return p.y0 + p.num/p.den, 2*math.Log(p.s/p.den) + math.Log(p.slopeUp)
}

// Gradient goes through the formulas of At backwards: dX is the gradient by X.
func (s spline) Gradient(dSettled, settled []float32, x, dy, dSlope float64) (dx float64) {
	i := s.bin(settled, x)
	if i < 0 {
		return dy
	}
	p := s.piece(settled, i, x)
	dDen := -dy*p.num/(p.den*p.den) - 2*dSlope/p.den
	dNum, dUp := dy/p.den, dSlope/p.slopeUp
	ds := 2*dSlope/p.s + dDen*(1-2*p.q) + dNum*p.h*p.t*p.t + dUp*2*p.q
	dh := dNum*(p.s*p.t*p.t+p.d0*p.q) + ds/p.w
	d0 := dDen*p.q + dNum*p.h*p.q + dUp*(1-p.t)*(1-p.t)
	d1 := dDen*p.q + dUp*p.t*p.t
	dq := dDen*(p.d1+p.d0-2*p.s) + dNum*p.h*p.d0 + dUp*2*p.s
	dt := dNum*p.h*2*p.s*p.t + dUp*2*(p.d1*p.t-p.d0*(1-p.t)) + dq*(1-2*p.t)
	dx = dt / p.w
	dw := -ds*p.s/p.w - dt*p.t/p.w
	n := s.bins
	for at, g := range [...]float64{-dx - dw, dw, dy - dh, dh, d0, d1} {
		dSettled[at/2*(n+1)+i+at%2] += float32(g)
	}
	return dx
}

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// mostParts are the most bins of a spline, or components of a logistic curve.
const mostParts = 64

// softmax sets shares to softmax(raw).
func softmax(shares *[mostParts]float64, raw []float32) {
	most, sum := math.Inf(-1), 0.0
	for _, r := range raw {
		most = max(most, float64(r))
	}
	for i, r := range raw {
		shares[i] = math.Exp(float64(r) - most)
		sum += shares[i]
	}
	for i := range raw {
		shares[i] /= sum
	}
}
