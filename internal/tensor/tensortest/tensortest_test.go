package tensortest_test

import (
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"testing"

	"nfcot/internal/ckpt"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

// recorder notes failures instead of failing.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Logf(string, ...any)       {}
func (r *recorder) Fatal(a ...any)            { r.Errorf("%s", fmt.Sprint(a...)); runtime.Goexit() }
func (r *recorder) Fatalf(f string, a ...any) { r.Errorf(f, a...); runtime.Goexit() }
func (r *recorder) Errorf(f string, a ...any) { r.failures = append(r.failures, fmt.Sprintf(f, a...)) }

func random(seed uint64, shape ...int) *tensor.Tensor {
	x, rng := tensor.New(shape...), tensor.Rand(seed, "random")
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	return x
}

// Each function computes x ⊙ w by going forward and something else by going
// back: the recording pass multiplies, the passes without a tape are right.
func TestGradCheckSeesWrongGradients(t *testing.T) {
	x, w := random(1, 3, 4), random(2, 3, 4)
	wrong := func(factor float32) func(*tensor.Tape) *tensor.Tensor {
		return func(t *tensor.Tape) *tensor.Tensor {
			y := t.Mul(x, w)
			if t == nil {
				return y
			}
			frozen := tensor.From(x.Data, x.Shape...)
			return t.Add(t.Scale(factor, y), t.Scale(1-factor, t.Mul(frozen, w)))
		}
	}
	for _, tt := range []struct {
		name string
		f    func(*tensor.Tape) *tensor.Tensor
		good bool
	}{
		{"right", wrong(1), true},
		{"wrong sign", wrong(-1), false},
		{"missing factor 1/2", wrong(2), false},
		{"2 % too small", wrong(0.98), false},
	} {
		r := &recorder{TB: t}
		tensortest.GradCheck(r, tt.f, x)
		if good := len(r.failures) == 0; good != tt.good {
			t.Errorf("%s: failures %q", tt.name, r.failures)
		}
	}
}

func TestTolerance(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	tol := tensortest.Tolerance{Rel: 0.1, Abs: 1}
	for _, tt := range []struct {
		got, want float64
		good      bool
	}{
		{12, 10, true}, {12.01, 10, false}, {8, 10, true}, {7.99, 10, false}, {-1, 0, true},
		{-inf, -inf, true}, {inf, -inf, false}, {nan, 0, false}, {0, nan, false}, {-inf, -1e300, true}, {0, inf, false},
	} {
		r := &recorder{TB: t}
		tol.Check(r, "x", []float32{1, float32(tt.got)}, []float64{1, tt.want})
		if good := len(r.failures) == 0; good != tt.good {
			t.Errorf("%g for %g: failures %q", tt.got, tt.want, r.failures)
		}
	}
	r := &recorder{TB: t}
	tol.Check(r, "x", []float32{1}, []float64{1, 2})
	tol.Check(r, "x", nil, nil)
	if len(r.failures) != 2 {
		t.Errorf("comparing unequal lengths, and nothing: failures %q", r.failures)
	}
}

// golden writes a file with the tensors, each of two numbers, 1 and 2.
func golden(t testing.TB, names ...string) *tensortest.Golden {
	dir := t.TempDir()
	t.Setenv("NFCOT_FIXTURES", dir)
	var tensors []ckpt.Tensor
	for _, name := range names {
		tensors = append(tensors, ckpt.Tensor{Name: name, Shape: []int{2}, Data: []float32{1, 2}})
	}
	if err := ckpt.Write(filepath.Join(dir, "x.safetensors"), tensors, map[string]string{"n": "7"}); err != nil {
		t.Fatal(err)
	}
	return tensortest.Open(t, "x.safetensors")
}

func TestLoad(t *testing.T) {
	for _, tt := range []struct {
		tensors []string
		except  []string
		shape   int
		good    bool
	}{
		{[]string{"param.a", "param.b", "grad.a"}, nil, 2, true},
		{[]string{"param.a", "grad.b"}, nil, 2, false},                       // b is missing
		{[]string{"param.a", "param.b", "param.c"}, nil, 2, false},           // c is not used
		{[]string{"param.a", "param.b", "param.c"}, []string{".c"}, 2, true}, // and need not be
		{[]string{"param.a", "param.b"}, nil, 3, false},                      // another shape
	} {
		r := &recorder{TB: t}
		p := tensor.NewParams(1)
		a := p.Const("a", 0, 2)
		p.Const("b", 0, tt.shape)
		done := make(chan bool)
		go func() { // Fatal ends the goroutine
			defer close(done)
			golden(r, tt.tensors...).Load(p, "param.", tt.except...)
		}()
		<-done
		if good := len(r.failures) == 0; good != tt.good {
			t.Errorf("%+v: failures %q", tt, r.failures)
		}
		if tt.good && (a.Data[0] != 1 || a.Data[1] != 2) {
			t.Errorf("a is %v", a.Data)
		}
	}
}

func TestGolden(t *testing.T) {
	r := &recorder{TB: t}
	g := golden(r, "a", "b")
	p := tensor.NewParams(1)
	p.Const("a", 0, 2).Grad = []float32{1, 2.5}
	g.CheckGrads(p, "", tensortest.Tolerance{Abs: 0.4})
	if len(r.failures) != 1 {
		t.Errorf("a gradient that is off by 0.5: failures %q", r.failures)
	}
	if !g.Has("b") || g.Has("c") || g.MetaInt("n") != 7 || g.Param("b").Grad == nil || g.Tensor("b").Grad != nil {
		t.Error("b is there and c is not, n is 7, parameters have gradients and tensors have none")
	}
}
