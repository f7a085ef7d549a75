package kernel

import (
	"fmt"
	"math"
	"testing"
)

// attend is attention by its formula, and its gradients, in float64.
func attend(see []Span, dim int, alpha float64, q, k, v, dy []float32) (y, dq, dk, dv []float64) {
	y, dq, dk, dv = make([]float64, len(q)), make([]float64, len(q)), make([]float64, len(k)), make([]float64, len(k))
	dot := func(a, b []float32) (s float64) {
		for i := range a {
			s += float64(a[i]) * float64(b[i])
		}
		return s
	}
	row := func(x []float32, i int) []float32 { return x[i*dim:][:dim] }
	for i, s := range see {
		var sum, mean float64
		for j := s.From; j < s.To; j++ {
			sum += math.Exp(alpha * dot(row(q, i), row(k, j)))
		}
		p := func(j int) float64 { return math.Exp(alpha*dot(row(q, i), row(k, j))) / sum }
		for j := s.From; j < s.To; j++ {
			mean += p(j) * dot(row(dy, i), row(v, j))
		}
		for j := s.From; j < s.To; j++ {
			w := p(j)
			ds := alpha * w * (dot(row(dy, i), row(v, j)) - mean)
			for d := range dim {
				y[i*dim+d] += w * float64(v[j*dim+d])
				dv[j*dim+d] += w * float64(dy[i*dim+d])
				dq[i*dim+d] += ds * float64(k[j*dim+d])
				dk[j*dim+d] += ds * float64(q[i*dim+d])
			}
		}
	}
	return y, dq, dk, dv
}

// Heads computes attention and its gradients, whatever the queries see: all before them, windows, both directions, nothing.
func TestHeads(t *testing.T) {
	masks := map[string]func(n, i int) Span{
		"causal":  func(_, i int) Span { return Span{0, i + 1} },
		"later":   func(_, i int) Span { return Span{5, 9 + i} }, // keys that no query sees, and those of a past
		"window":  func(_, i int) Span { return Span{max(0, i-20), i + 1} },
		"all":     func(n, _ int) Span { return Span{0, n} },
		"some":    func(n, i int) Span { return Span{i % 3, (i * 7) % n} },
		"nothing": func(int, int) Span { return Span{} },
	}
	var h Heads // its memory has numbers of others
	eachISA(t, func(t *testing.T) {
		for name, mask := range masks {
			for _, n := range []int{1, 7, 61, 140} {
				for _, dim := range []int{2, 16, 40} {
					var see []Span
					for i := range n {
						see = append(see, mask(n, i))
					}
					testHeads(t, fmt.Sprintf("%s, %d queries of %d", name, n, dim), &h, see, dim)
				}
			}
		}
	})
}

func testHeads(t *testing.T, where string, h *Heads, see []Span, dim int) {
	rng := newRand()
	n, keys := len(see), Visible(see)
	q, k, v, dy := normal(rng, n*dim), normal(rng, keys.To*dim), normal(rng, keys.To*dim), normal(rng, n*dim)
	y, dq, dk, dv := make([]float32, n*dim), make([]float32, n*dim), make([]float32, keys.To*dim), make([]float32, keys.To*dim)
	for i := range y {
		y[i] = float32(math.NaN()) // all is written
	}
	of := func(x []float32, from int) Mat { return Mat{Data: x[from*dim:], Stride: dim} }
	kept := make([]float32, 2*n)
	for _, backward := range []bool{false, true} {
		h.Set(of(k, keys.From), of(v, keys.From), dim, see, 0.3, backward)
		if backward {
			h.Backward(of(dq, 0), of(dk, keys.From), of(dv, keys.From), of(dy, 0), of(y, 0), of(q, 0), kept)
		} else {
			h.Forward(of(y, 0), of(q, 0), kept)
		}
	}
	wantY, wantDQ, wantDK, wantDV := attend(see, dim, 0.3, q, k, v, dy)
	for name, x := range map[string]struct {
		got  []float32
		want []float64
	}{"y": {y, wantY}, "dq": {dq, wantDQ}, "dk": {dk, wantDK}, "dv": {dv, wantDV}} {
		for i := range x.got {
			if d := math.Abs(float64(x.got[i]) - x.want[i]); !(d <= 2e-5*(1+math.Abs(x.want[i]))) {
				t.Fatalf("%s, %s: %s[%d] is %v, want %v", levelNames[isa], where, name, i, x.got[i], x.want[i])
			}
		}
	}
}
