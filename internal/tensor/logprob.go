package tensor

import (
	"fmt"
	"math"

	"nfcot/internal/tensor/kernel"
)

const (
	vocabularyRows = 256     // rows of logits that are computed at a time
	keptLogits     = 1 << 24 // numbers, 64 MiB: probabilities that take no more are kept for the backward pass
)

// CategoricalLogProb returns log softmax(h[r] wᵀ)[target[r]] for every row, in
// nats; a row whose target is negative is ignored and gets 0. Of many rows or a
// large vocabulary the logits exist for some rows at a time, and are computed again in
// the backward pass: kept for all rows, they would be the largest array of a training
// step.
// h [R, H], w [V, H] → y [R, 1]
func (t *Tape) CategoricalLogProb(h, w *Tensor, target []int) *Tensor {
	R, V, H := h.Rows(), w.Rows(), h.Cols()
	if w.Cols() != H || len(target) != R {
		panic(fmt.Sprintf("tensor: CategoricalLogProb: %d targets, hidden %v against vocabulary %v", len(target), h.Shape, w.Shape))
	}
	o := t.op(R, 1, h, w)
	o.x, o.w, o.idx = h, w, target
	o.again = o.y.Grad == nil || R*V > keptLogits // computed again
	room := R
	if o.again {
		room = min(R, vocabularyRows)
	}
	o.kept = t.raw(room * V)
	for from := 0; from < R; from += vocabularyRows {
		n := o.logits(from)
		o.weigh(o.partials, o.x.Data[from*H:], n)
		o.rows(n, 4*V, func(o *op, lo, hi int) {
			V := o.w.Rows()
			for i := lo; i < hi; i++ {
				r := o.n + i
				if o.idx[r] < 0 {
					o.y.Data[r] = 0
					continue
				}
				logits := o.partials[i*V : (i+1)*V]
				at := logits[o.idx[r]]
				logSum := kernel.Softmax(logits)
				o.y.Data[r] = LogProb(logits[o.idx[r]], at, logSum)
			}
		})
	}
	return o.done(func(o *op) {
		V, H := o.w.Rows(), o.x.Cols()
		for from := 0; from < o.x.Rows(); from += vocabularyRows {
			n := o.logits(from)
			if o.again {
				o.weigh(o.partials, o.x.Data[from*H:], n)
			}
			o.rows(n, 4*V, func(o *op, lo, hi int) { // d loss / d logits, in their place
				V := o.w.Rows()
				for i := lo; i < hi; i++ {
					r := o.n + i
					d := o.partials[i*V : (i+1)*V]
					if o.idx[r] < 0 {
						clear(d)
						continue
					}
					if o.again {
						kernel.Softmax(d)
					}
					kernel.Scale(d, -o.y.Grad[r], d)
					d[o.idx[r]] += o.y.Grad[r]
				}
			})
			if o.x.Grad != nil {
				o.gemm("dX", o.x.Grad[from*H:], H, kernel.Mat{Data: o.partials, Stride: V}, false, kernel.Mat{Data: o.numbers(o.w), Stride: H}, n, H, V, !o.x.stale)
			}
			if o.w.Grad != nil {
				fixed := o.w.fixed
				o.weightGradient(o.w.Grad, o.partials[fixed:], V, o.x.Data[from*H:], n, V-fixed, H, !o.w.claim())
			}
		}
		if o.x.Grad != nil {
			o.x.claim()
		}
	})
}

// logits makes partials the place for the logits of the rows from from on, and returns how many rows these are.
func (o *op) logits(from int) int {
	V := o.w.Rows()
	n := min(vocabularyRows, o.x.Rows()-from)
	o.n, o.partials = from, o.kept[:n*V]
	if !o.again {
		o.partials = o.kept[from*V : (from+n)*V]
	}
	return n
}

// LogSoftmaxAt sets probs to softmax(logits) and returns log probs[id], in nats.
func LogSoftmaxAt(logits, probs []float32, id int) float32 {
	copy(probs, logits)
	logSum := kernel.Softmax(probs)
	return LogProb(probs[id], logits[id], logSum)
}

// LogProb is the logarithm, in nats, of a probability of a softmax, given also its
// logit and the logarithm of the softmax's sum.
func LogProb(p, logit, logSum float32) float32 {
	if p > 1e-30 {
		return float32(math.Log(float64(p))) // keeps the digits that the difference of large logits loses
	}
	return logit - logSum
}

const halfLog2Pi = 0.91893853320467274178

// GaussianLogProb returns the expectation of log N(x + n; mu, diag e^(2 logSigma))
// over noise n ~ N(0, noise² I), in nats, summed over the columns:
//
//	-Σ_d [ ((x-mu)² + noise²) / (2 sigma²) + logSigma + ½ log 2π ]
//
// With noise 0 it is the log-density of x.   x, mu, logSigma [R, D] → y [R, 1]
func (t *Tape) GaussianLogProb(x, mu, logSigma *Tensor, noise float64) *Tensor {
	mustMatch("GaussianLogProb", x, mu)
	mustMatch("GaussianLogProb", x, logSigma)
	o := t.op(x.Rows(), 1, x, mu, logSigma)
	o.x, o.w, o.b, o.c = x, mu, logSigma, noise
	o.kept = t.raw(len(x.Data)) // 1/sigma²
	o.rows(x.Rows(), 8*x.Cols(), func(o *op, lo, hi int) {
		D, variance := o.x.Cols(), float32(o.c*o.c)
		precision := o.kept
		kernel.Scale(precision[lo*D:hi*D], -2, o.b.Data[lo*D:hi*D])
		kernel.Exp(precision[lo*D:hi*D], precision[lo*D:hi*D])
		for r := lo; r < hi; r++ {
			var s float64
			for i := r * D; i < (r+1)*D; i++ {
				d := o.x.Data[i] - o.w.Data[i]
				s -= float64((d*d+variance)*precision[i])/2 + float64(o.b.Data[i]) + halfLog2Pi
			}
			o.y.Data[r] = float32(s)
		}
	})
	return o.done(func(o *op) {
		x, mu, logSigma := o.x, o.w, o.b
		for _, in := range [...]*Tensor{x, mu, logSigma} {
			if in.Grad != nil {
				in.grad()
			}
		}
		D, variance := x.Cols(), float32(o.c*o.c)
		for i, w := range o.kept {
			dy, d := o.y.Grad[i/D], x.Data[i]-mu.Data[i]
			if x.Grad != nil {
				x.Grad[i] -= dy * d * w
			}
			if mu.Grad != nil {
				mu.Grad[i] += dy * d * w
			}
			if logSigma.Grad != nil {
				logSigma.Grad[i] += dy * ((d*d+variance)*w - 1)
			}
		}
	})
}

// GaussianMixtureLogProb is GaussianLogProb of a mixture of M Gaussians that share their
// standard deviations, with weights w = softmax(logits): in nats,
//
//	log Σ_m w_m exp( GaussianLogProb(x, mu_m, logSigma, noise) )
//
// With noise 0 it is the log-density of x; otherwise a lower bound of its expectation over
// the noise.   x, logSigma [R, D], mu [R, M·D], logits [R, M] → y [R, 1]
func (t *Tape) GaussianMixtureLogProb(x, mu, logSigma, logits *Tensor, noise float64) *Tensor {
	mustMatch("GaussianMixtureLogProb", x, logSigma)
	R, D, M := x.Rows(), x.Cols(), logits.Cols()
	if logits.Rows() != R || mu.Rows() != R || mu.Cols() != M*D {
		panic(fmt.Sprintf("tensor: GaussianMixtureLogProb: shape %v against %v and logits %v", x.Shape, mu.Shape, logits.Shape))
	}
	o := t.op(R, 1, x, mu, logSigma, logits)
	o.x, o.w, o.b, o.k, o.c, o.n = x, mu, logSigma, logits.All(), noise, M
	o.kept = t.raw(R * (D + 2*M)) // 1/sigma²; weights; their shares in the density, which sum to 1
	o.rows(R, 8*M*D, func(o *op, lo, hi int) {
		D, M := o.x.Cols(), o.n
		precision, weights, shares := o.mixture()
		kernel.Scale(precision[lo*D:hi*D], -2, o.b.Data[lo*D:hi*D])
		kernel.Exp(precision[lo*D:hi*D], precision[lo*D:hi*D])
		variance := float32(o.c * o.c)
		for r := lo; r < hi; r++ {
			w, share := weights[r*M:(r+1)*M], shares[r*M:(r+1)*M]
			copy(w, o.k.Row(r))
			logSum := kernel.Softmax(w)
			for m := range M {
				mu := o.w.Row(r)[m*D:]
				var s float64
				for d, x := range o.x.Row(r) {
					miss := x - mu[d]
					s -= float64((miss*miss+variance)*precision[r*D+d])/2 + float64(o.b.Data[r*D+d]) + halfLog2Pi
				}
				share[m] = float32(s + float64(LogProb(w[m], o.k.Row(r)[m], logSum)))
			}
			o.y.Data[r] = kernel.Softmax(share)
		}
	})
	return o.done(func(o *op) {
		for _, in := range [...]*Tensor{o.x, o.w, o.b, o.k.Tensor} {
			if in.Grad != nil {
				in.grad()
			}
		}
		D, M := o.x.Cols(), o.n
		precision, weights, shares := o.mixture()
		variance := float32(o.c * o.c)
		for r, dy := range o.y.Grad {
			for m := range M {
				i := r*M + m
				share := dy * shares[i]
				if o.k.Grad != nil {
					o.k.Grad[i] += share - dy*weights[i]
				}
				for d := range D {
					at, mean := r*D+d, i*D+d
					p := precision[at]
					miss := o.x.Data[at] - o.w.Data[mean]
					if o.x.Grad != nil {
						o.x.Grad[at] -= share * miss * p
					}
					if o.w.Grad != nil {
						o.w.Grad[mean] += share * miss * p
					}
					if o.b.Grad != nil {
						o.b.Grad[at] += share * ((miss*miss+variance)*p - 1)
					}
				}
			}
		}
	})
}

// mixture is what GaussianMixtureLogProb has kept: 1/sigma² [R, D], weights and shares [R, M].
func (o *op) mixture() (precision, weights, shares []float32) {
	R := o.x.Rows()
	a, b := R*o.x.Cols(), R*o.n
	return o.kept[:a], o.kept[a : a+b], o.kept[a+b:]
}

// GaussianKL returns KL( N(mu, diag e^logVar) || N(0, I) ) of every row, in
// nats, summed over the columns: ½ Σ (mu² + e^logVar - 1 - logVar).
// mu, logVar [R, D] → y [R, 1]
func (t *Tape) GaussianKL(mu, logVar *Tensor) *Tensor {
	mustMatch("GaussianKL", mu, logVar)
	o := t.op(mu.Rows(), 1, mu, logVar)
	o.x, o.w = mu, logVar
	clear(o.y.Data)
	D := mu.Cols()
	for i, m := range mu.Data {
		v := float64(logVar.Data[i])
		o.y.Data[i/D] += float32((float64(m)*float64(m) + math.Expm1(v) - v) / 2)
	}
	return o.done(func(o *op) {
		mu, logVar := o.x, o.w
		for _, in := range [...]*Tensor{mu, logVar} {
			if in.Grad != nil {
				in.grad()
			}
		}
		D := mu.Cols()
		for i, m := range mu.Data {
			dy := o.y.Grad[i/D]
			if mu.Grad != nil {
				mu.Grad[i] += dy * m
			}
			if logVar.Grad != nil {
				logVar.Grad[i] += dy * float32(math.Expm1(float64(logVar.Data[i]))/2)
			}
		}
	})
}
