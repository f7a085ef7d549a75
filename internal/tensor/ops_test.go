package tensor_test

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

type (
	tape = tensor.Tape
	mat  = tensor.Tensor
)

// An opTest is an operation, the shapes of its inputs, and what it should give.
type opTest struct {
	op     string // the Tape's method
	what   string // about this case
	shapes [][]int
	f      func(t *tape, x []*mat) *mat
	want   func(x []rows) rows
}

func opTests() []opTest {
	one := func(f func(float64) float64) func(x []rows) rows {
		return func(x []rows) rows { return each(func(v ...float64) float64 { return f(v[0]) }, x[0]) }
	}
	two := func(f func(a, b float64) float64) func(x []rows) rows {
		return func(x []rows) rows {
			return each(func(v ...float64) float64 { return f(v[0], v[1]) }, x[0], x[1])
		}
	}
	spans := func(s ...int) (see []tensor.Span) {
		for i := 0; i < len(s); i += 2 {
			see = append(see, tensor.Span{From: s[i], To: s[i+1]})
		}
		return see
	}
	attentionOf := func(what string, nh, nkv, hd, keys int, see []tensor.Span) opTest {
		return opTest{"Attention", what, [][]int{{len(see), nh * hd}, {keys, nkv * hd}, {keys, nkv * hd}},
			func(t *tape, x []*mat) *mat { return t.Attention(x[0].All(), x[1].All(), x[2].All(), t.Mask(see), hd) },
			func(x []rows) rows { return attention(x[0], x[1], x[2], see, hd) }}
	}
	causal := func(n int) (see []tensor.Span) {
		for r := range n {
			see = append(see, tensor.Span{To: r + 1})
		}
		return see
	}
	targets := func(n, vocab int) (ids []int) {
		for r := range n {
			ids = append(ids, r*7%(vocab+1)-1)
		}
		return ids
	}
	sum := func(a, b rows) rows { return each(func(v ...float64) float64 { return v[0] + v[1] }, a, b) }
	pair := [][]int{{3, 4}, {3, 4}}
	mixed := [][]int{{4, 3}, {4, 6}, {4, 3}, {4, 2}}
	single := [][]int{{3, 4}}
	return []opTest{
		{"Linear", "without bias", [][]int{{3, 4}, {5, 4}}, func(t *tape, x []*mat) *mat { return t.Linear(x[0], x[1], nil) },
			func(x []rows) rows { return linear(x[0], x[1], nil) }},
		{"Linear", "with bias", [][]int{{3, 4}, {5, 4}, {5}}, func(t *tape, x []*mat) *mat { return t.Linear(x[0], x[1], x[2]) },
			func(x []rows) rows { return linear(x[0], x[1], x[2][0]) }},
		{"Linear", "more rows than are summed at a time", [][]int{{300, 2}, {3, 2}, {3}}, func(t *tape, x []*mat) *mat { return t.Linear(x[0], x[1], x[2]) },
			func(x []rows) rows { return linear(x[0], x[1], x[2][0]) }},
		{"AddProduct", "", [][]int{{3, 5}, {3, 2}, {5, 2}}, func(t *tape, x []*mat) *mat { return t.AddProduct(t.Scale(1, x[0]).All(), x[1].All(), x[2]) },
			func(x []rows) rows { return sum(x[0], linear(x[1], x[2], nil)) }},
		{"AddProduct", "some columns", [][]int{{3, 5}, {3, 4}, {2, 3}}, func(t *tape, x []*mat) *mat {
			return t.AddProduct(t.Scale(1, x[0]).Part(2, 2), x[1].Part(1, 3), x[2])
		}, func(x []rows) rows {
			more := linear(columns(x[1], 1, 4), x[2], nil)
			for r := range more {
				more[r] = append([]float64{0, 0}, append(more[r], 0)...)
			}
			return sum(x[0], more)
		}},
		{"Add", "", pair, func(t *tape, x []*mat) *mat { return t.Add(x[0], x[1]) }, two(func(a, b float64) float64 { return a + b })},
		{"Sub", "", pair, func(t *tape, x []*mat) *mat { return t.Sub(x[0], x[1]) }, two(func(a, b float64) float64 { return a - b })},
		{"Mul", "", pair, func(t *tape, x []*mat) *mat { return t.Mul(x[0], x[1]) }, two(func(a, b float64) float64 { return a * b })},
		{"Mul", "a square", single, func(t *tape, x []*mat) *mat { return t.Mul(x[0], x[0]) }, one(func(v float64) float64 { return v * v })},
		{"Scale", "", single, func(t *tape, x []*mat) *mat { return t.Scale(-1.5, x[0]) }, one(func(v float64) float64 { return -1.5 * v })},
		{"Exp", "", single, func(t *tape, x []*mat) *mat { return t.Exp(x[0]) }, one(math.Exp)},
		{"Tanh", "", single, func(t *tape, x []*mat) *mat { return t.Tanh(x[0]) }, one(math.Tanh)},
		{"LogSoftplus", "", single, func(t *tape, x []*mat) *mat { return t.LogSoftplus(x[0]) },
			one(func(v float64) float64 { return math.Log(math.Log1p((math.E - 1) * math.Exp(v))) })},
		{"GELU", "", single, func(t *tape, x []*mat) *mat { return t.GELU(x[0]) },
			one(func(v float64) float64 { return v * (1 + math.Erf(v/math.Sqrt2)) / 2 })},
		{"GELUTanh", "", single, func(t *tape, x []*mat) *mat { return t.GELUTanh(x[0]) },
			one(func(v float64) float64 { return v * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v))) / 2 })},
		{"SwiGLU", "", pair, func(t *tape, x []*mat) *mat { return t.SwiGLU(x[0].All(), x[1].All()) },
			two(func(gate, up float64) float64 { return gate / (1 + math.Exp(-gate)) * up })},
		{"Sum", "", single, func(t *tape, x []*mat) *mat { return t.Sum(x[0]) }, func(x []rows) rows { return sumAll(x[0]) }},
		{"SumCols", "", single, func(t *tape, x []*mat) *mat { return t.SumCols(x[0]) }, func(x []rows) rows { return sumCols(x[0]) }},
		{"Gather", "repeated, absent and unused rows", [][]int{{4, 3}}, func(t *tape, x []*mat) *mat { return t.Gather(x[0], []int{2, -1, 0, 2, 2}) },
			func(x []rows) rows { return gather(x[0], []int{2, -1, 0, 2, 2}) }},
		{"SumBy", "and an owner of nothing", [][]int{{4, 3}}, func(t *tape, x []*mat) *mat { return t.SumBy(x[0], []int{1, 0, 1, 3}, 4) },
			func(x []rows) rows { return sumBy(x[0], []int{1, 0, 1, 3}, 4) }},
		{"Stack", "", [][]int{{3, 4}, {2, 4}}, func(t *tape, x []*mat) *mat { return t.Stack(x[0], x[1]) },
			func(x []rows) rows { return slices.Concat(x[0], x[1]) }},
		{"Repeat", "", [][]int{{3, 2}}, func(t *tape, x []*mat) *mat { return t.Repeat(x[0], 3) },
			func(x []rows) rows { return beside(beside(x[0], x[0]), x[0]) }},
		{"Pick", "", [][]int{{3, 6}}, func(t *tape, x []*mat) *mat { return t.Pick(x[0], 3, []int{2, 0, 2}) },
			func(x []rows) rows { return rows{x[0][0][4:], x[0][1][:2], x[0][2][4:]} }},
		{"Detach", "a factor that does not move", [][]int{{3, 4}}, func(t *tape, x []*mat) *mat {
			return t.Mul(x[0], t.Detach(tensor.From(slices.Repeat([]float32{2}, 12), 3, 4)))
		},
			one(func(v float64) float64 { return 2 * v })},
		{"Columns", "", [][]int{{3, 6}}, func(t *tape, x []*mat) *mat { return t.Columns(x[0].All()) }, func(x []rows) rows { return x[0] }},
		{"Columns", "of three parts", [][]int{{3, 6}}, func(t *tape, x []*mat) *mat {
			a, b, c := t.Columns(x[0].Part(0, 2)), t.Columns(x[0].Part(2, 2)), t.Columns(x[0].Part(4, 2))
			return t.Stack(b, t.Mul(a, c))
		}, func(x []rows) rows {
			product := each(func(v ...float64) float64 { return v[0] * v[1] }, columns(x[0], 0, 2), columns(x[0], 4, 6))
			return slices.Concat(columns(x[0], 2, 4), product)
		}},
		{"AddLinear", "", [][]int{{3, 5}, {3, 4}, {5, 4}}, func(t *tape, x []*mat) *mat { return t.AddLinear(x[0], x[1], x[2], nil) },
			func(x []rows) rows { return sum(x[0], linear(x[1], x[2], nil)) }},
		{"AddLinear", "with bias", [][]int{{3, 5}, {3, 4}, {5, 4}, {5}}, func(t *tape, x []*mat) *mat { return t.AddLinear(x[0], x[1], x[2], x[3]) },
			func(x []rows) rows { return sum(x[0], linear(x[1], x[2], x[3][0])) }},
		{"AddLinear", "with bias, and more rows than are summed at a time", [][]int{{300, 3}, {300, 2}, {3, 2}, {3}},
			func(t *tape, x []*mat) *mat { return t.AddLinear(x[0], x[1], x[2], x[3]) },
			func(x []rows) rows { return sum(x[0], linear(x[1], x[2], x[3][0])) }},
		{"AddLinear", "a residual stream that is read again", [][]int{{3, 4}, {4, 4}}, func(t *tape, x []*mat) *mat {
			h := t.Scale(2, x[0])
			return t.Add(t.AddLinear(h, h, x[1], nil), h)
		}, func(x []rows) rows {
			h := sum(x[0], x[0])
			return sum(sum(h, h), linear(h, x[1], nil))
		}},
		{"RMSNorm", "a row", [][]int{{3, 5}, {5}}, func(t *tape, x []*mat) *mat { return t.RMSNorm(x[0], x[1], 1e-2) },
			func(x []rows) rows { return rmsNorm(x[0], x[1][0], 1e-2) }},
		{"RMSNorm", "a head", [][]int{{3, 8}, {4}}, func(t *tape, x []*mat) *mat { return t.RMSNorm(x[0], x[1], 1e-6) },
			func(x []rows) rows { return rmsNorm(x[0], x[1][0], 1e-6) }},
		{"RMSNorm", "more rows than are summed at a time", [][]int{{300, 3}, {3}}, func(t *tape, x []*mat) *mat { return t.RMSNorm(x[0], x[1], 1e-1) },
			func(x []rows) rows { return rmsNorm(x[0], x[1][0], 1e-1) }},
		{"LayerNorm", "", [][]int{{3, 5}, {5}, {5}}, func(t *tape, x []*mat) *mat { return t.LayerNorm(x[0], x[1], x[2], 1e-5) },
			func(x []rows) rows { return layerNorm(x[0], x[1][0], x[2][0], 1e-5) }},
		{"LayerNorm", "more rows than are summed at a time", [][]int{{300, 4}, {4}, {4}}, func(t *tape, x []*mat) *mat { return t.LayerNorm(x[0], x[1], x[2], 1e-1) },
			func(x []rows) rows { return layerNorm(x[0], x[1][0], x[2][0], 1e-1) }},
		{"Rope", "", [][]int{{3, 8}}, func(t *tape, x []*mat) *mat {
			return t.Rope(x[0].All(), []int{0, 7, 3}, tensor.NewRotary(tensor.Frequencies(4, 100), 1, 8))
		},
			func(x []rows) rows { return rope(x[0], []int{0, 7, 3}, 4, 100) }},
		{"Rope", "columns of one tensor, scaled", [][]int{{3, 11}}, func(t *tape, x []*mat) *mat {
			return t.Rope(x[0].Part(2, 8), []int{0, 7, 3}, tensor.NewRotary(tensor.Frequencies(4, 100), 1.5, 8))
		}, func(x []rows) rows {
			return each(func(v ...float64) float64 { return 1.5 * v[0] }, rope(columns(x[0], 2, 10), []int{0, 7, 3}, 4, 100))
		}},
		{"Rope", "positions far apart", [][]int{{3, 4}}, func(t *tape, x []*mat) *mat {
			return t.Rope(x[0].All(), []int{1000, 255, 256}, tensor.NewRotary(tensor.Frequencies(4, 100), 1, 1001))
		}, func(x []rows) rows { return rope(x[0], []int{1000, 255, 256}, 4, 100) }},
		{"SwiGLU", "of one tensor's columns", [][]int{{3, 7}}, func(t *tape, x []*mat) *mat { return t.SwiGLU(x[0].Part(4, 3), x[0].Part(1, 3)) },
			func(x []rows) rows {
				return each(func(v ...float64) float64 { return v[0] / (1 + math.Exp(-v[0])) * v[1] }, columns(x[0], 4, 7), columns(x[0], 1, 4))
			}},
		{"SwiGLU", "of one tensor's halves", [][]int{{3, 6}}, func(t *tape, x []*mat) *mat { return t.SwiGLU(x[0].Part(0, 3), x[0].Part(3, 3)) },
			func(x []rows) rows {
				return each(func(v ...float64) float64 { return v[0] / (1 + math.Exp(-v[0])) * v[1] }, columns(x[0], 0, 3), columns(x[0], 3, 6))
			}},
		{"NormRope", "two heads of queries, one of keys, beside other columns", [][]int{{3, 14}, {4}, {4}}, func(t *tape, x []*mat) *mat {
			return t.NormRope(x[0].Part(1, 12), 2, x[1], x[2], 1e-2, []int{0, 7, 3}, tensor.NewRotary(tensor.Frequencies(4, 100), 1, 8))
		}, func(x []rows) rows {
			q, k := rmsNorm(columns(x[0], 1, 9), x[1][0], 1e-2), rmsNorm(columns(x[0], 9, 13), x[2][0], 1e-2)
			return rope(beside(q, k), []int{0, 7, 3}, 4, 100)
		}},
		{"Attention", "columns of one tensor", [][]int{{5, 9}}, func(t *tape, x []*mat) *mat {
			return t.Attention(x[0].Part(3, 4), x[0].Part(1, 2), x[0].Part(7, 2), t.Mask(spans(0, 1, 0, 2, 0, 3, 3, 4, 3, 5)), 2)
		}, func(x []rows) rows {
			return attention(columns(x[0], 3, 7), columns(x[0], 1, 3), columns(x[0], 7, 9), spans(0, 1, 0, 2, 0, 3, 3, 4, 3, 5), 2)
		}},
		attentionOf("more queries than are taken at a time", 2, 1, 4, 60, causal(60)),
		attentionOf("causal", 2, 2, 3, 4, spans(0, 1, 0, 2, 0, 3, 0, 4)),
		attentionOf("grouped heads", 4, 2, 2, 4, spans(0, 1, 0, 2, 0, 3, 0, 4)),
		attentionOf("packed sequences", 2, 1, 4, 6, spans(0, 1, 0, 2, 2, 3, 2, 4, 2, 5, 5, 6)),
		attentionOf("a bidirectional block", 2, 1, 2, 6, spans(0, 1, 0, 2, 0, 5, 0, 5, 0, 5, 0, 6)),
		attentionOf("queries that do not come in the order of keys", 2, 1, 2, 5, spans(3, 5, 0, 2, 2, 4, 0, 1)),
		attentionOf("a query that sees nothing", 1, 1, 3, 4, spans(0, 2, 1, 1, 1, 4)),
		{"CategoricalLogProb", "", [][]int{{4, 3}, {5, 3}}, func(t *tape, x []*mat) *mat { return t.CategoricalLogProb(x[0], x[1], []int{4, -100, 0, -1}) },
			func(x []rows) rows { return categoricalLogProb(linear(x[0], x[1], nil), []int{4, -100, 0, -1}) }},
		{"CategoricalLogProb", "more rows than have logits at a time", [][]int{{300, 2}, {3, 2}}, func(t *tape, x []*mat) *mat { return t.CategoricalLogProb(x[0], x[1], targets(300, 3)) },
			func(x []rows) rows { return categoricalLogProb(linear(x[0], x[1], nil), targets(300, 3)) }},
		{"GaussianLogProb", "a density", [][]int{{3, 4}, {3, 4}, {3, 4}}, func(t *tape, x []*mat) *mat { return t.GaussianLogProb(x[0], x[1], x[2], 0) },
			func(x []rows) rows { return gaussianLogProb(x[0], x[1], x[2], 0) }},
		{"GaussianLogProb", "expected over noise", [][]int{{3, 4}, {3, 4}, {3, 4}}, func(t *tape, x []*mat) *mat { return t.GaussianLogProb(x[0], x[1], x[2], 0.7) },
			func(x []rows) rows { return gaussianLogProb(x[0], x[1], x[2], 0.7) }},
		{"GaussianMixtureLogProb", "a density", mixed, func(t *tape, x []*mat) *mat { return t.GaussianMixtureLogProb(x[0], x[1], x[2], x[3], 0) },
			func(x []rows) rows { return gaussianMixtureLogProb(x[0], x[1], x[2], x[3], 0) }},
		{"GaussianMixtureLogProb", "expected over noise", mixed, func(t *tape, x []*mat) *mat { return t.GaussianMixtureLogProb(x[0], x[1], x[2], x[3], 0.7) },
			func(x []rows) rows { return gaussianMixtureLogProb(x[0], x[1], x[2], x[3], 0.7) }},
		{"Cayley", "", [][]int{{3, 3}}, func(t *tape, x []*mat) *mat { return t.Cayley(x[0]) }, func(x []rows) rows { return cayley(x[0]) }},
		{"Curves", "two by two rows", [][]int{{4, 3}, {6, 2}}, func(t *tape, x []*mat) *mat { return t.Curves(x[0], x[1], bend{}) },
			func(x []rows) rows { return bends(x[0], x[1]) }},
		{"GaussianKL", "", pair, func(t *tape, x []*mat) *mat { return t.GaussianKL(x[0], x[1]) },
			func(x []rows) rows { return gaussianKL(x[0], x[1]) }},
	}
}

// A bend is the curve c x + tanh(x - b), of which b and log c are learned.
type bend struct{}

func (bend) Numbers() int { return 2 }
func (bend) Settled() int { return 2 }
func (bend) Settle(settled, raw []float32) {
	settled[0], settled[1] = raw[0], float32(math.Exp(float64(raw[1])))
}
func (bend) SettleGradient(dRaw, dSettled, settled, _ []float32) {
	dRaw[0] += dSettled[0]
	dRaw[1] += dSettled[1] * settled[1]
}
func (bend) At(settled []float32, x float64) (y, logSlope float64) {
	t := math.Tanh(x - float64(settled[0]))
	return float64(settled[1])*x + t, math.Log(float64(settled[1]) + 1 - t*t)
}
func (bend) Gradient(dSettled, settled []float32, x, dy, dSlope float64) (dx float64) {
	t := math.Tanh(x - float64(settled[0]))
	slope := float64(settled[1]) + 1 - t*t
	bent := (1 - t*t) * (dy - 2*t/slope*dSlope) // through tanh
	dSettled[0] -= float32(bent)
	dSettled[1] += float32(dy*x + dSlope/slope)
	return bent + dy*float64(settled[1])
}

func inputs(tt opTest) []*mat {
	var x []*mat
	for i, shape := range tt.shapes {
		x = append(x, random(uint64(i), shape...))
	}
	return x
}

func random(seed uint64, shape ...int) *mat {
	x, rng := tensor.New(shape...), tensor.Rand(seed, "random")
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	return x
}

func forEachOp(t *testing.T, f func(t *testing.T, tt opTest, x []*mat)) {
	for _, tt := range opTests() {
		t.Run(tt.op+" "+tt.what, func(t *testing.T) { f(t, tt, inputs(tt)) })
	}
}

// Every operation has a row in the table.
func TestEveryOperationIsTested(t *testing.T) {
	tested := map[string]bool{"Attend": true, "Checkpoint": true} // in past_test.go, checkpoint_test.go
	for _, name := range []string{"Reset", "Backward", "Bytes", "Limit", "New", "Ints", "Spans", "KVCaches", "Rand", "Mask"} {
		tested[name] = true // the tape itself
	}
	for _, tt := range opTests() {
		tested[tt.op] = true
	}
	for method := range reflect.TypeFor[*tape]().Methods() {
		if !tested[method.Name] {
			t.Errorf("Tape.%s has no row in opTests", method.Name)
		}
	}
}

// The values are those of the definition, with a tape and without.
func TestValues(t *testing.T) {
	forEachOp(t, func(t *testing.T, tt opTest, x []*mat) {
		var args []rows
		for _, v := range x {
			args = append(args, wide(v))
		}
		want := tt.want(args)
		got := tt.f(nil, x)
		if got.Rows() != len(want) || got.Cols() != len(want[0]) || got.Grad != nil {
			t.Fatalf("shape %v, gradient %v, want %d × %d without one", got.Shape, got.Grad, len(want), len(want[0]))
		}
		tensortest.Tolerance{Rel: 2e-6, Abs: 2e-6}.Check(t, "value", got.Data, slices.Concat(want...))

		for i := range x {
			x[i].Grad = make([]float32, len(x[i].Data))
		}
		if taped := tt.f(new(tape), x); !slices.Equal(taped.Data, got.Data) || taped.Grad == nil {
			t.Error("a tape changes the values, or gives no gradient")
		}
	})
}

func TestGradients(t *testing.T) {
	forEachOp(t, func(t *testing.T, tt opTest, x []*mat) {
		tensortest.GradCheck(t, func(t *tape) *mat { return tt.f(t, x) }, x...)
		for i := range x {
			if !slices.ContainsFunc(x[i].Grad, func(g float32) bool { return math.Abs(float64(g)) > 0.1 }) {
				t.Errorf("the gradient of input %d is too small to have been checked: %v", i, x[i].Grad)
			}
		}
	})
}

// An input without a gradient is left alone and changes nothing for the others.
func TestFrozenInputs(t *testing.T) {
	forEachOp(t, func(t *testing.T, tt opTest, x []*mat) {
		// gradients of the inputs that are trainable, contracted with numbers that differ
		gradients := func(trainable func(i int) bool) (grads [][]float32) {
			for i := range x {
				x[i].Grad = nil
				if trainable(i) {
					x[i].Grad = make([]float32, len(x[i].Data))
				}
			}
			tp := new(tape)
			y := tt.f(tp, x)
			if y.Grad != nil {
				tp.Backward(tp.Sum(tp.Mul(y, random(99, y.Shape...))))
			}
			for i := range x {
				grads = append(grads, x[i].Grad)
			}
			return grads
		}
		all := gradients(func(int) bool { return true })
		for frozen := range x {
			got := gradients(func(i int) bool { return i != frozen })
			for i := range x {
				switch {
				case i == frozen && got[i] != nil:
					t.Errorf("input %d was frozen and has a gradient", i)
				case i != frozen && !slices.Equal(got[i], all[i]):
					t.Errorf("with input %d frozen, the gradient of input %d is %v, want %v", frozen, i, got[i], all[i])
				}
			}
			got = gradients(func(i int) bool { return i == frozen })
			if !slices.Equal(got[frozen], all[frozen]) {
				t.Errorf("with all but input %d frozen, its gradient is %v, want %v", frozen, got[frozen], all[frozen])
			}
		}
		gradients(func(int) bool { return false })
		if y := tt.f(new(tape), x); y.Grad != nil {
			t.Error("a result has a gradient though no input has one")
		}
	})
}

// What a tape was used for before does not show: here its memory is full of NaN. The inputs are results themselves, whose
// gradients begin as such memory.
func TestUsedMemory(t *testing.T) {
	forEachOp(t, func(t *testing.T, tt opTest, x []*mat) {
		nan := tensor.New(1, 1<<17)
		for i := range nan.Data {
			nan.Data[i] = float32(math.NaN())
		}
		run := func(tp *tape) (results [][]float32) {
			var in []*mat
			for i := range x {
				x[i].Grad = make([]float32, len(x[i].Data))
				in = append(in, tp.Scale(0.5, x[i]))
			}
			y := tt.f(tp, in)
			tp.Backward(tp.Sum(tp.Mul(y, random(99, y.Shape...))))
			results = append(results, y.Data)
			for i := range x {
				results = append(results, x[i].Grad)
			}
			return results
		}
		want := run(new(tape))
		used := new(tape)
		used.Add(nan, nan)
		used.Reset()
		for i, got := range run(used) {
			if !slices.Equal(got, want[i]) {
				t.Errorf("result %d is %v on a used tape, %v on a new one", i, got, want[i])
			}
		}
	})
}

// Gradients add up: over uses of an input, and over passes.
func TestGradientsAddUp(t *testing.T) {
	x := random(1, 2, 3)
	x.Grad = make([]float32, 6)
	tp := new(tape)
	for range 2 {
		tp.Backward(tp.Sum(tp.Add(tp.Scale(3, x), x)))
		tp.Reset()
	}
	for i, g := range x.Grad {
		if g != 8 {
			t.Errorf("gradient %d is %g, want 2 · (3 + 1)", i, g)
		}
	}
}

// A mismatch of shapes is a bug of the caller and panics, with the shapes.
func TestShapesMustMatch(t *testing.T) {
	var tp *tape
	a, b := tensor.New(2, 3), tensor.New(2, 4)
	rot := tensor.NewRotary(tensor.Frequencies(4, 1e4), 1, 2)
	for name, f := range map[string]func(){
		"From":      func() { tensor.From(make([]float32, 5), 2, 3) },
		"Linear":    func() { tp.Linear(a, b, nil) },
		"bias":      func() { tp.Linear(a, a, tensor.New(3)) },
		"AddLinear": func() { tp.AddLinear(a, a, tensor.New(3, 3), tensor.New(2)) },
		"Add":       func() { tp.Add(a, b) },
		"Sub":       func() { tp.Sub(a, b) },
		"Mul":       func() { tp.Mul(a, b) },
		"SwiGLU":    func() { tp.SwiGLU(a.All(), b.All()) },
		"Stack":     func() { tp.Stack(a, b) },
		"Product":   func() { tp.AddProduct(a.All(), b.All(), b) },
		"Part":      func() { a.Part(2, 2) },
		"RMSNorm":   func() { tp.RMSNorm(a, tensor.New(2), 0) },
		"LayerNorm": func() { tp.LayerNorm(a, tensor.New(3), tensor.New(2), 0) },
		"Gaussian":  func() { tp.GaussianLogProb(a, a, b, 0) },
		"Mixture":   func() { tp.GaussianMixtureLogProb(a, a, a, tensor.New(2, 2), 0) },
		"KL":        func() { tp.GaussianKL(a, b) },
		"Rope":      func() { tp.Rope(b.All(), []int{0, 2}, rot) },
		"Backward":  func() { new(tape).Backward(tensor.New(1, 1)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			f()
		}()
	}
}

// What is added to a product comes after its sums: terms too small for a digit of it count by their sum.
func TestAddLinearKeepsDigits(t *testing.T) {
	const terms = 64
	fill := func(v float32, rows, cols int) *mat {
		x := tensor.New(rows, cols)
		for i := range x.Data {
			x.Data[i] = v
		}
		return x
	}
	x, w := fill(0x1p-9, 3, terms), fill(1, 5, terms) // 2^-9 is an eighth of what float32 tells apart at 2^17
	base, bias, none := fill(0x1p17, 3, 5), fill(0x1p17, 1, 5), (*mat)(nil)
	var tp *tape
	for name, y := range map[string]*mat{
		"AddLinear": tp.AddLinear(base, x, w, none),
		"with bias": tp.AddLinear(fill(0, 3, 5), x, w, bias),
		"Linear":    tp.Linear(x, w, bias),
	} {
		for _, got := range y.Data {
			if want := float32(0x1p17 + terms*0x1p-9); got != want {
				t.Fatalf("%s: %v, want %v", name, got, want)
			}
		}
	}
}
