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

	Moments []Moments // of the parameters being learnt, in their order
	Steps   int       // taken so far
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
	for q := range p.All() {
		if q.Grad != nil {
			o.Moments = append(o.Moments, Moments{q, make([]float32, len(q.Data)), make([]float32, len(q.Data))})
		}
	}
	return o
}

// Step clips the gradients to the Euclidean norm clip (0: no limit), moves the
// parameters, clears the gradients, and returns the norm before clipping. A
// norm that is not finite moves nothing: the caller sees it and decides.
func (o *AdamW) Step(lr, clip float64) (norm float64) {
	for _, p := range o.Moments {
		norm += kernel.SumSquares(p.Grad)
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
	correct1 := 1 - math.Pow(o.Beta1, float64(o.Steps))
	correct2 := 1 - math.Pow(o.Beta2, float64(o.Steps))
	for _, p := range o.Moments {
		rate, decay := lr, 0.0
		if o.Scale != nil {
			rate *= o.Scale(p.Name)
		}
		if len(p.Shape) > 1 {
			decay = o.Decay
		}
		forElements(len(p.Data), func(lo, hi int) {
			kernel.AdamW(p.Data[lo:hi], p.Grad[lo:hi], p.M[lo:hi], p.V[lo:hi],
				float32(gradScale), float32(rate), float32(decay),
				float32(o.Beta1), float32(o.Beta2), float32(o.Eps), float32(correct1), float32(correct2))
			clear(p.Grad[lo:hi])
		})
	}
	return norm
}
