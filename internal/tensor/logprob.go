package tensor

import (
	"math"

	"nfcot/internal/tensor/kernel"
)

// CategoricalLogProb returns log softmax(logits[r])[target[r]] for every row,
// in nats; a row whose target is negative is ignored and gets 0.
// logits [R, V] → y [R, 1]
func (t *Tape) CategoricalLogProb(logits *Tensor, target []int) *Tensor {
	V := logits.Cols()
	y := t.outZero(logits.Rows(), 1, logits)
	probs := t.raw(len(logits.Data))
	forRows(len(target), 4*V, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			if target[r] < 0 {
				continue
			}
			y.Data[r] = LogSoftmaxAt(logits.Row(r), probs[r*V:(r+1)*V], target[r])
		}
	})
	t.record(y, func() {
		forRows(len(target), V, func(lo, hi int) {
			for r := lo; r < hi; r++ {
				if target[r] < 0 {
					continue
				}
				g := logits.gradRow(r)
				kernel.Axpy(-y.Grad[r], probs[r*V:(r+1)*V], g)
				g[target[r]] += y.Grad[r]
			}
		})
	})
	return y
}

// LogSoftmaxAt sets probs to softmax(logits) and returns log probs[id], in nats.
func LogSoftmaxAt(logits, probs []float32, id int) float32 {
	copy(probs, logits)
	logSum := kernel.Softmax(probs)
	if p := probs[id]; p > 1e-30 {
		return float32(math.Log(float64(p))) // keeps the digits that the difference of large logits loses
	}
	return logits[id] - logSum
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
	y := t.out(x.Rows(), 1, x, mu, logSigma)
	D := x.Cols()
	precision := t.raw(len(x.Data)) // 1/sigma²
	variance := float32(noise * noise)
	forRows(x.Rows(), 4*D, func(lo, hi int) {
		for i := lo * D; i < hi*D; i++ {
			precision[i] = -2 * logSigma.Data[i]
		}
		kernel.Exp(precision[lo*D:hi*D], precision[lo*D:hi*D])
		for r := lo; r < hi; r++ {
			var s float64
			for i := r * D; i < (r+1)*D; i++ {
				d := x.Data[i] - mu.Data[i]
				s -= float64((d*d+variance)*precision[i])/2 + float64(logSigma.Data[i]) + halfLog2Pi
			}
			y.Data[r] = float32(s)
		}
	})
	t.record(y, func() {
		for i, w := range precision {
			dy, d := y.Grad[i/D], x.Data[i]-mu.Data[i]
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
	return y
}

// GaussianKL returns KL( N(mu, diag e^logVar) || N(0, I) ) of every row, in
// nats, summed over the columns: ½ Σ (mu² + e^logVar - 1 - logVar).
// mu, logVar [R, D] → y [R, 1]
func (t *Tape) GaussianKL(mu, logVar *Tensor) *Tensor {
	mustMatch("GaussianKL", mu, logVar)
	y := t.outZero(mu.Rows(), 1, mu, logVar)
	D := mu.Cols()
	for i, m := range mu.Data {
		v := float64(logVar.Data[i])
		y.Data[i/D] += float32((float64(m)*float64(m) + math.Expm1(v) - v) / 2)
	}
	t.record(y, func() {
		for i, m := range mu.Data {
			dy := y.Grad[i/D]
			if mu.Grad != nil {
				mu.Grad[i] += dy * m
			}
			if logVar.Grad != nil {
				logVar.Grad[i] += dy * float32(math.Expm1(float64(logVar.Data[i]))/2)
			}
		}
	})
	return y
}
