package tensor_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
)

func names(p *tensor.Params) (s []string) {
	for q := range p.All() {
		s = append(s, q.Name)
	}
	return s
}

func TestParamsNamesAndOrder(t *testing.T) {
	p := tensor.NewParams(1)
	p.Const("z", 1, 2)
	inner := p.Sub("a").Sub("b")
	inner.Normal("y", 1, 3, 4)
	p.Const("a", 0, 1)
	if got, want := names(p), []string{"z", "a.b.y", "a"}; !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	if got, want := names(p.Sub("a")), []string{"a.b.y"}; !slices.Equal(got, want) {
		t.Errorf("names under a: %q, want %q", got, want)
	}
	if p.Count() != 15 || inner.Count() != 12 {
		t.Errorf("%d and %d numbers, want 15 and 12", p.Count(), inner.Count())
	}
}

// Initial values depend on the seed and the name, not on what else there is.
func TestParamsInitialValues(t *testing.T) {
	draw := func(seed uint64, before int, name string) []float32 {
		p := tensor.NewParams(seed)
		for i := range before {
			p.Normal(fmt.Sprint(i), 1, 5)
		}
		return p.Sub("m").Normal(name, 0.5, 100, 100).Data
	}
	x := draw(1, 0, "w")
	if !slices.Equal(x, draw(1, 3, "w")) {
		t.Error("values depend on the parameters made before")
	}
	if slices.Equal(x, draw(2, 0, "w")) || slices.Equal(x, draw(1, 0, "v")) {
		t.Error("values do not depend on the seed or the name")
	}
	p := tensor.NewParams(1)
	if slices.Equal(p.Sub("a").Normal("w", 1, 5).Data, p.Sub("b").Normal("w", 1, 5).Data) {
		t.Error("a.w and b.w start equal")
	}
	var mean, variance float64
	for _, v := range x {
		mean += float64(v) / 1e4
		variance += float64(v) * float64(v) / 1e4
	}
	if math.Abs(mean) > 0.02 || math.Abs(variance-0.25) > 0.02 { // four standard errors: 0.02 and 0.014
		t.Errorf("mean %g and variance %g, want 0 and 0.25", mean, variance)
	}
}

func TestSetTrainableFreezesAndThaws(t *testing.T) {
	p := tensor.NewParams(1)
	x, w := p.Normal("x", 1, 2, 3), p.Sub("sub").Normal("w", 1, 4, 3)
	loss := func() {
		tp := new(tape)
		y := tp.Linear(x, w, nil)
		tp.Backward(tp.Sum(tp.Mul(y, y)))
	}
	loss()
	gradient := slices.Clone(w.Grad)

	p.SetTrainable(func(name string) bool { return name == "sub.w" })
	if x.Grad != nil || len(w.Grad) != 12 || slices.ContainsFunc(w.Grad, func(g float32) bool { return g != 0 }) {
		t.Fatalf("gradients %v and %v, want none, and zeros", x.Grad, w.Grad)
	}
	loss()
	if x.Grad != nil || !slices.Equal(w.Grad, gradient) {
		t.Error("freezing x makes a difference to w, or x is not frozen")
	}
	p.Sub("sub").SetTrainable(func(string) bool { return false })
	p.SetTrainable(func(name string) bool { return name == "x" })
	loss()
	if len(x.Grad) != 6 || x.Grad[0] == 0 || w.Grad != nil {
		t.Error("x is not trainable again")
	}
}
