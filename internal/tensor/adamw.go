package tensor

import (
	"math"

	"nfcot/internal/tensor/kernel"
)

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
// Matrices decay, vectors (norms, biases) do not.
type AdamW struct {
	Beta1, Beta2, Eps, Decay float64
	Scale                    func(name string) float64 // of the learning rate of a parameter; nil is 1

	Moments []Moments // of the parameters being trained, in their order
	Steps   int       // taken so far

	pieces []piece
	pass   pass
}

// Moments are the running means that AdamW keeps for one parameter.
type Moments struct {
	Param
	M, V []float32 // of the gradient, and of its square
}

// NewAdamW returns an optimizer of the parameters in p that have a gradient,
// with the usual constants of language models: β = (0.9, 0.95), ε = 1e-8.
func NewAdamW(p *Params) *AdamW {
	o := &AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8}
	for q := range p.Trainable() {
		o.Moments = append(o.Moments, Moments{q, kernel.Floats(len(q.Data)), kernel.Floats(len(q.Data))})
	}
	return o
}

// Restart forgets all steps: the next one is as if it were the first.
func (o *AdamW) Restart() {
	for _, m := range o.Moments {
		clear(m.M)
		clear(m.V)
	}
	o.Steps = 0
}

// Step clips the gradients to the Euclidean norm clip (0: no limit), moves the
// parameters, clears the gradients, and returns the norm before clipping. A
// norm that is not finite moves nothing: the caller sees it and decides.
func (o *AdamW) Step(lr, clip float64) (norm float64) {
	o.cut()
	o.pass = pass{o: o, measures: true}
	kernel.Run(len(o.pieces), 1, &o.pass)
	for _, p := range o.pieces {
		norm += p.squares
	}
	norm = math.Sqrt(norm)
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return norm
	}
	gradScale := 1.0
	if clip > 0 {
		gradScale = min(1, clip/(norm+1e-6))
	}
	o.Steps++
	o.pass = pass{o: o, gradScale: gradScale, lr: lr,
		correct1: 1 - math.Pow(o.Beta1, float64(o.Steps)), correct2: 1 - math.Pow(o.Beta2, float64(o.Steps))}
	kernel.Run(len(o.pieces), 1, &o.pass)
	return norm
}

// A piece is a part of a parameter that one worker takes at a time.
type piece struct {
	*Moments
	from, to int
	squares  float64 // the sum of the squares of its gradient
}

// cut divides the parameters into pieces, once.
func (o *AdamW) cut() {
	const size = 1 << 14
	if o.pieces != nil {
		return
	}
	for i := range o.Moments {
		p := &o.Moments[i]
		for from := 0; from < len(p.Data); from += size {
			o.pieces = append(o.pieces, piece{Moments: p, from: from, to: min(from+size, len(p.Data))})
		}
	}
}

// A pass over all pieces measures the gradient, or moves the parameters.
type pass struct {
	o                                 *AdamW
	measures                          bool
	gradScale, lr, correct1, correct2 float64
}

func (s *pass) Do(lo, hi int) {
	o := s.o
	for i := lo; i < hi; i++ {
		p := &o.pieces[i]
		if s.measures {
			p.squares = kernel.SumSquares(p.Grad[p.from:p.to])
			continue
		}
		rate, decay := s.lr, 0.0
		if o.Scale != nil {
			rate *= o.Scale(p.Name)
		}
		if len(p.Shape) > 1 {
			decay = o.Decay
		}
		kernel.AdamW(p.Data[p.from:p.to], p.Grad[p.from:p.to], p.M[p.from:p.to], p.V[p.from:p.to],
			float32(s.gradScale), float32(rate), float32(decay),
			float32(o.Beta1), float32(o.Beta2), float32(o.Eps), float32(s.correct1), float32(s.correct2))
		clear(p.Grad[p.from:p.to])
	}
}
