package tensor_test

import (
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
)

// Rows of a table that are trained get the gradient that they get when all of it
// is trained, and the others do not move.
func TestSetTrainableRows(t *testing.T) {
	const from = 5
	build := func() (*tensor.Params, *mat, func(tp *tape) *mat) {
		p := tensor.NewParams(1)
		table, w := p.Normal("table", 1, 8, 3), p.Normal("w", 1, 3, 3)
		return p, table, func(tp *tape) *mat {
			h := tp.Linear(tp.Gather(table, []int{6, 1, -1, 7, 6}), w, nil)
			logp := tp.CategoricalLogProb(h, table, []int{0, 7, 5, -1, 2})
			return tp.Sum(tp.Add(logp, tp.SumCols(tp.Linear(h, table, nil))))
		}
	}
	_, all, loss := build()
	tp := new(tape)
	tp.Backward(loss(tp))
	p, table, loss := build()
	before := slices.Clone(table.Data)
	p.SetTrainable(func(name string) bool { return name == "w" })
	p.SetTrainableRows("table", from)
	o := tensor.NewAdamW(p)
	tp = new(tape)
	tp.Backward(loss(tp))
	if !slices.Equal(table.Grad, all.Grad[from*3:]) {
		t.Errorf("gradient %v, want %v", table.Grad, all.Grad[from*3:])
	}
	o.Step(0.1, 0)
	if !slices.Equal(table.Data[:from*3], before[:from*3]) {
		t.Error("rows that are not trained have moved")
	}
	for i := from * 3; i < len(before); i++ {
		if table.Data[i] == before[i] {
			t.Errorf("number %d of the trained rows has not moved", i)
		}
	}
	if len(o.Moments) != 2 || len(o.Moments[0].M) != 3*3 {
		t.Errorf("%d moments, of the table %d; want 2 and 9", len(o.Moments), len(o.Moments[0].M))
	}
	p.SetTrainable(func(name string) bool { return true })
	if len(table.Grad) != len(table.Data) {
		t.Errorf("trainable again, the table has %d gradients", len(table.Grad))
	}
}

// A frozen matrix may be packed: in the precision of bfloat16 values
// and gradients keep their bits, since products round their factors anyway.
func TestPackedMatricesPassGradientsOn(t *testing.T) {
	run := func(pack bool) (y, dx []float32) {
		p := tensor.NewParams(1)
		w, table := p.Normal("w", 1, 70, 33), p.Normal("table", 1, 40, 70)
		x := random(2, 9, 33)
		x.Grad = make([]float32, len(x.Data))
		p.SetTrainable(func(string) bool { return false })
		if pack {
			p.Pack(kernel.BF16, w, table)
		}
		tp := &tape{BF16: true}
		h := tp.Linear(x, w, nil)
		out := tp.CategoricalLogProb(h, table, []int{1, 2, 3, 4, 5, -1, 7, 8, 39})
		tp.Backward(tp.Sum(out))
		return out.Data, x.Grad
	}
	y, dx := run(false)
	packedY, packedDX := run(true)
	if !slices.Equal(y, packedY) {
		t.Error("values differ")
	}
	if !slices.Equal(dx, packedDX) {
		t.Error("gradients differ")
	}
}

// An outline counts as the set with numbers does.
func TestOutline(t *testing.T) {
	fill := func(p *tensor.Params) *tensor.Params {
		p.Sub("a").Stack(p.Sub("a").Normal("q", 1, 3, 4), p.Sub("a").Const("k", 1, 2, 4))
		p.Const("b", 0, 7)
		return p
	}
	shapes, numbers := fill(tensor.NewOutline()), fill(tensor.NewParams(1))
	if !slices.Equal(names(shapes), names(numbers)) || shapes.Count() != 27 || numbers.Count() != 27 {
		t.Errorf("%q with %d numbers, want %q with %d", names(shapes), shapes.Count(), names(numbers), numbers.Count())
	}
	if shapes.Bytes() != 0 || numbers.Bytes() != 4*27 {
		t.Errorf("%d and %d bytes", shapes.Bytes(), numbers.Bytes())
	}
}

// Values that a checkpoint has are taken as parameters are made.
func TestInitial(t *testing.T) {
	p := tensor.NewParams(1)
	p.Initial = func(name string, x *mat) bool {
		if name != "m.w" {
			return false
		}
		copy(x.Data, []float32{1, 2, 3, 4})
		return true
	}
	w, other := p.Sub("m").Normal("w", 1, 2, 2), p.Sub("m").Normal("v", 1, 2, 2)
	if !slices.Equal(w.Data, []float32{1, 2, 3, 4}) {
		t.Errorf("values %v", w.Data)
	}
	if !slices.Equal(other.Data, tensor.NewParams(1).Normal("m.v", 1, 2, 2).Data) {
		t.Errorf("other values %v are not the usual ones", other.Data)
	}
}
