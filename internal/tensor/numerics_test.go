package tensor_test

import (
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tensor/tensortest"
)

// Edge cases of the golden files: numbers that are huge, tiny, equal, infinite
// or absent.

func edge(t *testing.T) *tensortest.Golden {
	return tensortest.Open(t, "numerics", "edge.safetensors")
}

// contract runs backward from Σ y ⊙ c.
func contract(tp *tape, y, c *mat) { tp.Backward(tp.Sum(tp.Mul(y, c))) }

func TestSoftmax(t *testing.T) {
	g := edge(t)
	x := g.Param("softmax.x")
	V := x.Cols()
	p := slices.Clone(x.Data)
	logSumExp := make([]float32, x.Rows())
	for r := range logSumExp {
		logSumExp[r] = kernel.Softmax(p[r*V : (r+1)*V])
	}
	tensortest.Forward.Check(t, "p", p, g.Floats("softmax.p"))
	tensortest.Likelihood.Check(t, "logsumexp", logSumExp, g.Floats("softmax.logsumexp"))

	absent := make([]bool, len(x.Data))
	for i, v := range x.Data {
		if absent[i] = math.IsInf(float64(v), -1); absent[i] {
			x.Data[i] = -1e30 // what a product can give; its probability is the same 0
		}
	}
	// each column in turn is the target of all rows
	logp := make([]float32, len(x.Data))
	tp := new(tape)
	for target := range V {
		clear(x.Grad)
		y := tp.CategoricalLogProb(x, identity(V), slices.Repeat([]int{target}, x.Rows()))
		tp.Backward(tp.Sum(y))
		for r := range y.Data {
			logp[r*V+target] = y.Data[r]
			if absent[r*V+target] {
				logp[r*V+target] = float32(math.Inf(-1))
			}
			x.Grad[r*V+target]-- // d log p[target] / dx = 1[target] - p
		}
		for i := range x.Grad {
			x.Grad[i] *= -1
		}
		tensortest.Gradient.Check(t, "gradient", x.Grad, g.Floats("softmax.p"))
	}
	tensortest.Likelihood.Check(t, "log_p", logp, g.Floats("softmax.log_p"))
}

func TestNorms(t *testing.T) {
	g := edge(t)
	for _, tt := range []struct {
		prefix string
		params []string
		f      func(tp *tape, x *mat, p []*mat, eps float64) *mat
	}{
		{"rmsnorm.", []string{"weight"}, func(tp *tape, x *mat, p []*mat, eps float64) *mat { return tp.RMSNorm(x, p[0], eps) }},
		{"layernorm.", []string{"weight", "bias"}, func(tp *tape, x *mat, p []*mat, eps float64) *mat { return tp.LayerNorm(x, p[0], p[1], eps) }},
	} {
		x := g.Param(tt.prefix + "x")
		var params []*mat
		for _, name := range tt.params {
			params = append(params, g.Param(tt.prefix+name))
		}
		tp := new(tape)
		y := tt.f(tp, x, params, g.Scalar(tt.prefix+"eps"))
		tensortest.Forward.Check(t, tt.prefix+"y", y.Data, g.Floats(tt.prefix+"y"))
		contract(tp, y, g.Tensor(tt.prefix+"c"))
		tensortest.Gradient.Check(t, tt.prefix+"grad.x", x.Grad, g.Floats(tt.prefix+"grad.x"))
		for i, name := range tt.params {
			tensortest.Gradient.Check(t, tt.prefix+"grad."+name, params[i].Grad, g.Floats(tt.prefix+"grad."+name))
		}
	}
}

func TestCrossEntropy(t *testing.T) {
	g := edge(t)
	logits := g.Param("ce.logits")
	labels := g.Ints("ce.labels")
	tp := new(tape)
	logp := tp.CategoricalLogProb(logits, identity(logits.Cols()), labels)
	n := g.Ints("ce.count")[0]
	sum := tp.Scale(-1, tp.Sum(logp))
	mean := tp.Scale(1/float32(n), sum)
	tp.Backward(mean)
	tensortest.Likelihood.Check(t, "nll", negated(logp.Data), g.Floats("ce.nll"))
	tensortest.Likelihood.Check(t, "loss_sum", sum.Data, g.Floats("ce.loss_sum"))
	tensortest.Likelihood.Check(t, "loss_mean", mean.Data, g.Floats("ce.loss_mean"))
	tensortest.Gradient.Check(t, "grad", logits.Grad, g.Floats("ce.grad"))

	clear(logits.Grad)
	sum = tp.Sum(tp.CategoricalLogProb(logits, identity(logits.Cols()), g.Ints("ce_all_ignored.labels")))
	tp.Backward(sum)
	if want := g.Scalar("ce_all_ignored.loss_sum"); float64(sum.Data[0]) != want {
		t.Errorf("with all targets ignored the sum is %g, want %g", sum.Data[0], want)
	}
	if !slices.Equal(logits.Grad, g.Tensor("ce_all_ignored.grad").Data) {
		t.Errorf("with all targets ignored the gradient is %v", logits.Grad)
	}
}

// identity is the vocabulary whose logits are the hidden states themselves.
func identity(n int) *mat {
	w := tensor.New(n, n)
	for i := range n {
		w.Row(i)[i] = 1
	}
	return w
}

func negated(x []float32) []float32 {
	y := slices.Clone(x)
	for i := range y {
		y[i] *= -1
	}
	return y
}

func TestFunctions(t *testing.T) {
	g := edge(t)
	ones := tensor.New(1, len(g.Floats("fn.x")))
	for i := range ones.Data {
		ones.Data[i] = 1
	}
	for _, tt := range []struct {
		name  string
		f     func(tp *tape, x *mat) *mat
		slope string
	}{
		{"fn.exp", func(tp *tape, x *mat) *mat { return tp.Exp(x) }, "fn.exp"},
		{"fn.tanh", func(tp *tape, x *mat) *mat { return tp.Tanh(x) }, ""},
		{"fn.gelu_exact", func(tp *tape, x *mat) *mat { return tp.GELU(x) }, "fn.gelu_exact_grad"},
		{"fn.silu", func(tp *tape, x *mat) *mat { return tp.SwiGLU(x.All(), ones.All()) }, "fn.silu_grad"},
	} {
		x := g.Param("fn.x")
		tp := new(tape)
		y := tt.f(tp, x)
		tensortest.Function.Check(t, tt.name, y.Data, g.Floats(tt.name))
		tp.Backward(tp.Sum(y))
		if tt.slope != "" {
			tensortest.Function.Check(t, tt.slope+" as a gradient", x.Grad, g.Floats(tt.slope))
		}
	}
}

// Values and slopes of LogSoftplus, where it is computed in three ways, and beyond what eˣ can be.
func TestLogSoftplus(t *testing.T) {
	at := []float32{-1e30, -200, -30.01, -29.99, -1, -1e-6, 0, 1e-6, 1, 29.99, 30.01, 200, 1e30}
	var values, slopes []float64
	for _, v := range at {
		x := float64(v) + math.Log(math.E-1)
		scale := max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
		value, slope := math.Log(scale), 1/(1+math.Exp(-x))/scale
		if x < -100 {
			value, slope = x, 1
		}
		values, slopes = append(values, value), append(slopes, slope)
	}
	x := tensor.From(at, 1, len(at))
	x.Grad = make([]float32, len(at))
	tp := new(tape)
	y := tp.LogSoftplus(x)
	tp.Backward(tp.Sum(y))
	tensortest.Function.Check(t, "values", y.Data, values)
	tensortest.Function.Check(t, "slopes", x.Grad, slopes)
	if y.Data[6] != 0 {
		t.Errorf("at 0 it is %g", y.Data[6])
	}
}

func TestGaussianTable(t *testing.T) {
	g := edge(t)
	sigmas, xs := g.Tensor("gauss.log_sigma"), g.Tensor("gauss.x")
	n := len(sigmas.Data) * len(xs.Data)
	x, mu, logSigma := tensor.New(n, 1), tensor.New(n, 1), tensor.New(n, 1)
	for i := range n {
		x.Data[i], logSigma.Data[i] = xs.Data[i%len(xs.Data)], sigmas.Data[i/len(xs.Data)]
	}
	var tp *tape
	tensortest.Likelihood.Check(t, "logp", tp.GaussianLogProb(x, mu, logSigma, 0).Data, g.Floats("gauss.logp"))
}

func TestRotaryAngles(t *testing.T) {
	g := edge(t)
	pos := g.Ints("rope.positions")
	half := g.Shape("rope.cos")[1]
	rot := tensor.NewRotary(tensor.Frequencies(2*half, g.Scalar("rope.theta")), 1, slices.Max(pos)+1)
	unit := tensor.New(len(pos), 2*half) // turns to (cos, sin)
	for r := range pos {
		for j := range half {
			unit.Row(r)[j] = 1
		}
	}
	var tp *tape
	turned := tp.Rope(unit.All(), pos, rot)
	parts := []*mat{tp.Columns(turned.Part(0, half)), tp.Columns(turned.Part(half, half))}
	for i, name := range []string{"rope.cos", "rope.sin"} {
		tensortest.Tolerance{Abs: 0x1p-24}.Check(t, name, parts[i].Data, g.Floats(name))
		tensortest.Tolerance{Abs: 5e-4}.Check(t, name+"_f32_recipe", parts[i].Data, g.Floats(name+"_f32_recipe"))
	}
}

func TestVAENumbers(t *testing.T) {
	g := edge(t)
	mu, logVar, eps := g.Param("vae.mu"), g.Param("vae.logvar"), g.Tensor("vae.eps")
	tp := new(tape)
	kl := tp.GaussianKL(mu, logVar)
	tensortest.Likelihood.Check(t, "kl_sample", kl.Data, g.Floats("vae.kl_sample"))
	loss := tp.Scale(1/float32(mu.Rows()), tp.Sum(kl))
	tensortest.Likelihood.Check(t, "loss", loss.Data, g.Floats("vae.loss"))
	tp.Backward(loss)
	tensortest.Gradient.Check(t, "grad.mu", mu.Grad, g.Floats("vae.grad.mu"))
	tensortest.Gradient.Check(t, "grad.logvar", logVar.Grad, g.Floats("vae.grad.logvar"))

	column := func(x *mat) *mat { return tensor.From(x.Data, len(x.Data), 1) }
	tensortest.Likelihood.Check(t, "kl", tp.GaussianKL(column(mu), column(logVar)).Data, g.Floats("vae.kl"))
	z := tp.Add(mu, tp.Mul(tp.Exp(tp.Scale(0.5, logVar)), eps))
	tensortest.Forward.Check(t, "z", z.Data, g.Floats("vae.z"))
}

func TestSumKeepsDigits(t *testing.T) {
	g := edge(t)
	x := g.Tensor("sum.x")
	var tp *tape
	want := g.Scalar("sum.exact")
	if got := float64(tp.Sum(x).Data[0]); got != want {
		t.Errorf("Sum is %g, want %g", got, want)
	}
	if got := float64(tp.SumCols(tensor.From(x.Data, 1, len(x.Data))).Data[0]); got != want {
		t.Errorf("SumCols is %g, want %g", got, want)
	}
}

// A density stays finite where float32 arithmetic is near its ends.
func TestGaussianLogProbIsFinite(t *testing.T) {
	x, mu, logSigma := tensor.New(1, 2), tensor.New(1, 2), tensor.From([]float32{-40, 40}, 1, 2)
	x.Data[0], mu.Data[0] = 1, 1
	var tp *tape
	if got := tp.GaussianLogProb(x, mu, logSigma, 0).Data[0]; math.Abs(float64(got)+math.Log(2*math.Pi)) > 1e-5 {
		t.Errorf("log-density is %g, want %g", got, -math.Log(2*math.Pi))
	}
}
