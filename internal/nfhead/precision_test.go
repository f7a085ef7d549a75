package nfhead

import (
	"math"
	"slices"
	"strconv"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

// A reference computes a flow in float64, from its definition (docs/method.md eq. 3) and without any cleverness. It knows nothing
// of gradients, of tapes or of kernels.
type reference struct {
	Config
	k, d   int
	flips  []bool
	params map[string][][]float64
}

func newReference(f *Flow, p *tensor.Params) *reference {
	m := &reference{Config: f.layers[0].(*metaBlock).Config, k: f.K, d: f.D, params: map[string][][]float64{}}
	for _, b := range f.layers {
		m.flips = append(m.flips, b.(*metaBlock).flip)
	}
	for q := range p.All() {
		m.params[q.Name] = wide(q.Tensor)
	}
	return m
}

// wide are the rows of x; a vector is a row.
func wide(x *tensor.Tensor) (rows [][]float64) {
	for r := range x.Rows() {
		rows = append(rows, tensortest.Float64s(x.Row(r)))
	}
	return rows
}

// linear is w x + b with the parameters called name.
func (m *reference) linear(name string, x []float64) []float64 {
	y := slices.Clone(m.params[name+".bias"][0])
	for o, w := range m.params[name+".weight"] {
		for i, v := range x {
			y[o] += w[i] * v
		}
	}
	return y
}

func (m *reference) norm(name string, x []float64) []float64 {
	n, mean, variance := float64(len(x)), 0.0, 0.0
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / n
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = (v-mean)/math.Sqrt(variance+1e-5)*m.params[name+".weight"][0][i] + m.params[name+".bias"][0][i]
	}
	return y
}

// attend adds to y what the last of the rows qkv takes from all of them.
func (m *reference) attend(y []float64, qkv [][]float64) {
	C, last := m.Width, qkv[len(qkv)-1]
	for h := 0; h < C; h += m.HeadDim {
		weights, sum := make([]float64, len(qkv)), 0.0
		for j, row := range qkv {
			dot := 0.0
			for i := h; i < h+m.HeadDim; i++ {
				dot += last[i] * row[C+i]
			}
			weights[j] = math.Exp(dot / math.Sqrt(float64(m.HeadDim)))
			sum += weights[j]
		}
		for j, row := range qkv {
			for i := h; i < h+m.HeadDim; i++ {
				y[i] += weights[j] / sum * row[2*C+i]
			}
		}
	}
}

func add(x, y []float64) {
	for i, v := range y {
		x[i] += v
	}
}

// transform is the transformer of a block over the rows w of a thought, in the block's order: for each row, log-scales and shifts.
func (m *reference) transform(block string, flip bool, w [][]float64) (out [][]float64) {
	var h [][]float64
	for r, x := range w {
		at := r
		if flip {
			at = len(w) - 1 - r
		}
		h = append(h, m.linear(block+"proj_in", x))
		add(h[r], m.params[block+"pos_embed"][at])
	}
	for layer := range m.Layers {
		name := block + "attn_blocks." + strconv.Itoa(layer) + "."
		var qkv [][]float64
		for r := range h {
			qkv = append(qkv, m.linear(name+"attention.qkv", m.norm(name+"attention.norm", h[r])))
		}
		for r := range h {
			mixed := make([]float64, m.Width)
			m.attend(mixed, qkv[:r+1])
			add(h[r], m.linear(name+"attention.proj", mixed))
			up := m.linear(name+"mlp.main.0", m.norm(name+"mlp.norm", h[r]))
			for i, v := range up {
				up[i] = v * math.Erfc(-v/math.Sqrt2) / 2
			}
			add(h[r], m.linear(name+"mlp.main.2", up))
		}
	}
	for _, x := range h {
		out = append(out, m.linear(block+"proj_out", x))
	}
	return out
}

// forward maps the rows of a thought, and returns the log-determinant.
func (m *reference) forward(e [][]float64) (u [][]float64, logDet float64) {
	for _, row := range e {
		u = append(u, slices.Clone(row))
	}
	for i, flip := range m.flips {
		if flip {
			slices.Reverse(u)
		}
		out := m.transform("blocks."+strconv.Itoa(i)+".", flip, u)
		for r := 1; r < len(u); r++ {
			for d := range u[r] {
				scale, shift := out[r-1][d], out[r-1][m.d+d]
				if m.Scale == "softplus" {
					scale = 5 * math.Tanh(math.Log(math.Log1p(math.Exp(scale+math.Log(math.E-1))))/5)
				}
				u[r][d] = (u[r][d] - shift) * math.Exp(-scale)
				logDet -= scale
			}
		}
		if flip {
			slices.Reverse(u)
		}
	}
	return u, logDet
}

// loss is -(log N(u; 0, I) + log |det du/de|) of a thought, but for a constant.
func (m *reference) loss(e [][]float64) float64 {
	u, logDet := m.forward(e)
	for _, row := range u {
		for _, v := range row {
			logDet -= v * v / 2
		}
	}
	return -logDet
}

// gradient is that of the loss by the codes, by central differences.
func (m *reference) gradient(e [][]float64) (g []float64) {
	const step = 1e-5
	for _, row := range e {
		for d, v := range row {
			row[d] = v + step
			up := m.loss(e)
			row[d] = v - step
			g = append(g, (up-m.loss(e))/(2*step))
			row[d] = v
		}
	}
	return g
}

// Flows of many shapes agree with float64 to within half of what the golden files allow, whatever the instruction set.
func TestFlowsAgainstFloat64(t *testing.T) {
	half := func(tol tensortest.Tolerance) tensortest.Tolerance {
		return tensortest.Tolerance{Rel: tol.Rel / 2, Abs: tol.Abs / 2}
	}
	rng := tensor.Rand(1, "shapes")
	of := func(sizes ...int) int { return sizes[rng.IntN(len(sizes))] }
	for i := range 12 {
		hd := of(4, 8, 16)
		c := Config{Blocks: of(1, 3, 5), Width: hd * of(1, 2, 3), Layers: of(1, 2), HeadDim: hd, Expansion: of(2, 4), Permute: "alternate", Scale: [...]string{"exp", "softplus"}[i%2]}
		f, p := shaken(c, of(3, 6, 8), of(2, 4, 6), rng.Uint64())
		e := random(rng.Uint64(), f.K, f.D)
		e.Grad = make([]float32, len(e.Data))
		tape := new(tensor.Tape)
		u, logDet := f.Forward(tape, e, nil)
		tape.Backward(tape.Sub(tape.Scale(0.5, tape.Sum(tape.Mul(u, u))), tape.Sum(logDet)))

		m, codes := newReference(f, p), wide(e)
		wantU, wantLogDet := m.forward(codes)
		t.Logf("%d rows of %d, %+v", f.K, f.D, c)
		half(tensortest.Forward).Check(t, "u", u.Data, slices.Concat(wantU...))
		half(tensortest.Likelihood).Check(t, "log-determinant", logDet.Data, []float64{wantLogDet})
		half(tensortest.FlowGradient).Check(t, "gradient of the codes", e.Grad, m.gradient(codes))
	}
}
