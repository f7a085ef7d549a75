package tensor

import "fmt"

// Cayley makes a rotation of any square matrix P, whose skew part is A = P - Pᵀ:
//
//	W = (I - A) (I + A)⁻¹ = 2 (I + A)⁻¹ - I
//
// W Wᵀ = I and det W = 1; P = 0 gives the identity.   p [D, D] → [D, D]
func (t *Tape) Cayley(p *Tensor) *Tensor {
	D := p.Cols()
	if p.Rows() != D {
		panic(fmt.Sprintf("tensor: Cayley: shape %v is not square", p.Shape))
	}
	o := t.op(D, D, p)
	o.x = p
	inverse := make([]float64, D*D) // of I + A: float32 would leave W too far from a rotation
	for i := range D {
		for j := range D {
			inverse[i*D+j] = float64(p.Data[i*D+j]) - float64(p.Data[j*D+i])
		}
		inverse[i*D+i] = 1
	}
	invert(inverse, D)
	for i := range D {
		for j := range D {
			o.y.Data[i*D+j] = float32(2 * inverse[i*D+j])
		}
		o.y.Data[i*D+i] = float32(2*inverse[i*D+i] - 1)
	}
	return o.done(func(o *op) { // dW = -2 (I+A)⁻¹ dA (I+A)⁻¹ = -(W+I) dA (W+I) / 2
		D := o.y.Cols()
		half := make([]float64, D*D) // (W+I)ᵀ dL/dW
		slope := make([]float64, D*D)
		plus := func(i, j int) float64 {
			w := float64(o.y.Data[i*D+j])
			if i == j {
				w++
			}
			return w
		}
		for k := range D {
			for i := range D {
				w := plus(k, i)
				for j, g := range o.y.gradRow(k) {
					half[i*D+j] += w * float64(g)
				}
			}
		}
		for i := range D {
			for j := range D {
				for k := range D {
					slope[i*D+j] -= half[i*D+k] * plus(j, k) / 2
				}
			}
		}
		g := o.x.grad()
		for i := range D {
			for j := range D {
				g[i*D+j] += float32(slope[i*D+j] - slope[j*D+i])
			}
		}
	})
}

// invert inverts a matrix [n, n] in its place by elimination. It takes the diagonal as it
// comes, which is stable where the symmetric part is positive definite.
func invert(a []float64, n int) {
	for p := range n {
		row := a[p*n : (p+1)*n]
		pivot := 1 / row[p]
		row[p] = 1
		for j := range row {
			row[j] *= pivot
		}
		for i := range n {
			if i == p {
				continue
			}
			other := a[i*n : (i+1)*n]
			c := other[p]
			other[p] = 0
			for j, v := range row {
				other[j] -= c * v
			}
		}
	}
}
