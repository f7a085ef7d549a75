package tensor_test

import (
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
)

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s is %.9g, want %.9g", what, got, want)
	}
}

// With bias correction the first step of a number with gradient g is -lr·sign(g)
// whatever g is, and the second is worked out below.
func TestAdamWByHand(t *testing.T) {
	p := tensor.NewParams(1)
	matrix, vector := p.Const("matrix", 2, 1, 1), p.Const("vector", 2, 1)
	o := tensor.NewAdamW(p)
	o.Decay = 0.1
	const lr = 0.01

	matrix.Grad[0], vector.Grad[0] = 3, -0.004
	near(t, "norm", o.Step(lr, 0), math.Sqrt(9+16e-6), 1e-12)
	near(t, "matrix after step 1", float64(matrix.Data[0]), 2-lr*0.1*2-lr, 1e-6)
	near(t, "vector after step 1", float64(vector.Data[0]), 2+lr, 1e-6) // does not decay
	near(t, "m", float64(o.Moments[0].M[0]), 0.1*3, 1e-6)
	near(t, "v", float64(o.Moments[0].V[0]), 0.05*9, 1e-6)
	if matrix.Grad[0] != 0 || vector.Grad[0] != 0 {
		t.Error("Step leaves gradients behind")
	}

	// m = 0.9·0.3 + 0.1·(-6) = -0.33,   m/c1 = -0.33/(1-0.81)     = -1.7368421
	// v = 0.95·0.45 + 0.05·36 = 2.2275, v/c2 = 2.2275/(1-0.9025) = 22.846154, root 4.7797650
	matrix.Grad[0] = -6
	o.Step(lr, 0)
	near(t, "matrix after step 2", float64(matrix.Data[0]), 1.988*(1-lr*0.1)+lr*1.7368421/4.7797650, 1e-6)
	if o.Steps != 2 {
		t.Errorf("%d steps, want 2", o.Steps)
	}
}

// After a restart the first step is again -lr·sign(g), whatever came before.
func TestAdamWRestarts(t *testing.T) {
	p := tensor.NewParams(1)
	x := p.Const("x", 2, 1, 1)
	o := tensor.NewAdamW(p)
	for range 3 {
		x.Grad[0] = 5
		o.Step(0.01, 0)
	}
	before := float64(x.Data[0])
	o.Restart()
	x.Grad[0] = -0.7
	o.Step(0.01, 0)
	near(t, "x", float64(x.Data[0]), before+0.01, 1e-6)
	if o.Steps != 1 {
		t.Errorf("%d steps, want 1", o.Steps)
	}
}

func TestAdamWClipsToTheNorm(t *testing.T) {
	p := tensor.NewParams(1)
	x, y := p.Const("x", 0, 1, 1), p.Const("y", 0, 1, 1)
	o := tensor.NewAdamW(p)
	x.Grad[0], y.Grad[0] = 30, -40
	near(t, "norm before clipping", o.Step(1, 5), 50, 1e-6)
	near(t, "m of x", float64(o.Moments[0].M[0]), 0.1*3, 1e-6) // 30 · 5/50
	near(t, "m of y", float64(o.Moments[1].M[0]), 0.1*-4, 1e-6)
	x.Grad[0] = 3
	o.Step(1, 5) // short enough
	near(t, "m of x", float64(o.Moments[0].M[0]), 0.9*0.3+0.1*3, 1e-6)
}

func TestAdamWScalesTheRateByName(t *testing.T) {
	p := tensor.NewParams(1)
	slow, fast := p.Const("slow", 1, 1, 1), p.Const("fast", 1, 1, 1)
	o := tensor.NewAdamW(p)
	o.Decay = 0.5
	o.Scale = func(name string) float64 { return map[string]float64{"slow": 0.1, "fast": 1}[name] }
	slow.Grad[0], fast.Grad[0] = 1, 1
	o.Step(0.01, 0)
	near(t, "slow", float64(slow.Data[0]), 1-0.001*0.5-0.001, 1e-6)
	near(t, "fast", float64(fast.Data[0]), 1-0.01*0.5-0.01, 1e-6)
}

func TestAdamWRefusesWhatIsNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(-1)} {
		p := tensor.NewParams(1)
		x := p.Const("x", 1, 2, 1)
		o := tensor.NewAdamW(p)
		o.Decay = 0.1
		x.Grad[0], x.Grad[1] = 1, float32(bad)
		if norm := o.Step(0.1, 1); !math.IsNaN(norm) && !math.IsInf(norm, 0) {
			t.Errorf("norm of a gradient with %g is %g", bad, norm)
		}
		if !slices.Equal(x.Data, []float32{1, 1}) || o.Steps != 0 || o.Moments[0].M[0] != 0 {
			t.Errorf("a gradient with %g moves something: %v, step %d", bad, x.Data, o.Steps)
		}
	}
}

func TestAdamWSkipsFrozenParameters(t *testing.T) {
	p := tensor.NewParams(1)
	p.Const("frozen", 1, 1, 1)
	moving := p.Const("moving", 1, 1, 1)
	p.SetTrainable(func(name string) bool { return name == "moving" })
	o := tensor.NewAdamW(p)
	if len(o.Moments) != 1 || o.Moments[0].Tensor != moving {
		t.Errorf("%d moments, want those of the one trainable parameter", len(o.Moments))
	}
}
