package nfhead

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tensor/tensortest"
)

var small = Config{Blocks: 3, Width: 8, Layers: 1, HeadDim: 4, Expansion: 2, Permute: "alternate"}

// shaken makes a flow away from its identity start, but not far: scales are
// exponentials of what grows with the codes, and five wild blocks leave float32.
func shaken(c Config, k, d int, seed uint64) (*Flow, *tensor.Params) {
	p := tensor.NewParams(seed)
	f := NewFlow(p, c, k, d)
	rng := tensor.Rand(seed, "shake")
	for q := range p.All() {
		std := 0.1
		if strings.Contains(q.Name, "proj_out") {
			std = 0.03
		}
		if strings.Contains(q.Name, "curves") || strings.Contains(q.Name, "skew") {
			std = 0.3
		}
		for i := range q.Data {
			q.Data[i] += float32(std * rng.NormFloat64())
		}
	}
	return f, p
}

func random(seed uint64, rows, cols int) *tensor.Tensor {
	x, rng := tensor.New(rows, cols), tensor.Rand(seed, "random")
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	return x
}

// conditions makes a vector for each of n thoughts and every block.
func conditions(c Config, n int, seed uint64) (cond []*tensor.Tensor) {
	for i := range c.Names() {
		cond = append(cond, random(seed+uint64(i), n, c.Width))
	}
	return cond
}

func TestConfigCheck(t *testing.T) {
	for _, tt := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) {}, ""},
		{func(c *Config) { c.Blocks = 0 }, ""},
		{func(c *Config) { c.Permute = "identity" }, ""},
		{func(c *Config) { c.Stack = "linear,spline,logistic,metablock" }, ""},
		{func(c *Config) { c.Stack = "linear,,spline" }, `flow stack "linear,,spline" has a layer ""; want some of linear, spline, logistic, metablock, separated by commas`},
		{func(c *Config) { c.Parts = 65 }, "flow has 65 parts and bound 0; want 2 to 64, and a positive number, or 0 for the default"},
		{func(c *Config) { c.Bound = -1 }, "flow has 0 parts and bound -1; want 2 to 64, and a positive number, or 0 for the default"},
		{func(c *Config) { c.Scale = "softplus" }, ""},
		{func(c *Config) { c.Scale = "log" }, `flow scale is "log"; want "exp" or "softplus"`},
		{func(c *Config) { c.Scale, c.ShiftsOnly = "softplus", true }, `flow scale is softplus, but it has no metablocks that scale (shifts_only true, stack "", 3 blocks)`},
		{func(c *Config) { c.Scale, c.Stack = "softplus", "linear,spline" }, `flow scale is softplus, but it has no metablocks that scale (shifts_only false, stack "linear,spline", 3 blocks)`},
		{func(c *Config) { c.HeadDim = 3 }, "flow width is 8, not a multiple of its head_dim (3)"},
		{func(c *Config) { c.Permute = "flip" }, `flow permutation is "flip"; want "alternate" or "identity"`},
		{func(c *Config) { c.Layers = 0 }, "flow of 3 blocks, width 8, 0 layers, head_dim 4, expansion 2; all but blocks must be at least 1"},
		{func(c *Config) { c.Blocks = -1 }, "flow of -1 blocks, width 8, 1 layers, head_dim 4, expansion 2; all but blocks must be at least 1"},
	} {
		c := small
		tt.change(&c)
		got := ""
		if err := c.Check(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%+v: error %q, want %q", c, got, tt.want)
		}
	}
}

// A new flow is the identity, exactly, with any conditioning.
func TestNewFlowIsIdentity(t *testing.T) {
	for _, own := range []Config{{}, {ShiftsOnly: true}, {Scale: "softplus"}} {
		c := small
		c.ShiftsOnly, c.Scale = own.ShiftsOnly, own.Scale
		f := NewFlow(tensor.NewParams(1), c, 5, 3)
		e := random(1, 10, 3)
		u, logDet := f.Forward(nil, e, conditions(c, 2, 7))
		if !slices.Equal(u.Data, e.Data) {
			t.Errorf("u is %v, want %v", u.Data, e.Data)
		}
		if !slices.Equal(logDet.Data, []float32{0, 0}) {
			t.Errorf("log-determinants are %v, want zeros", logDet.Data)
		}
		if back := f.Inverse(u, nil); !slices.Equal(back.Data, e.Data) {
			t.Errorf("the inverse is %v, want %v", back.Data, e.Data)
		}
	}
}

// One block, two rows of one number, and a network that says a = 0.7, b = 0.5
// whatever it sees: the first row of the block's order stays, the other is moved
// and shrunk, and the log-determinant is -0.7.
func TestSignsByHand(t *testing.T) {
	const a, b = 0.7, 0.5
	shrunk := func(w float64) float64 { return (w - b) * math.Exp(-a) }
	for _, tt := range []struct {
		flip bool
		want []float64
	}{
		{false, []float64{1, shrunk(2)}},
		{true, []float64{shrunk(1), 2}},
	} {
		c := small
		c.Blocks = 1
		f := NewFlow(tensor.NewParams(1), c, 2, 1)
		f.layers[0].(*metaBlock).flip = tt.flip
		copy(f.layers[0].(*metaBlock).outBias.Data, []float32{a, b})
		u, logDet := f.Forward(nil, tensor.From([]float32{1, 2}, 2, 1), nil)
		exact := tensortest.Tolerance{Abs: 1e-6}
		exact.Check(t, "u", u.Data, tt.want)
		exact.Check(t, "logDet", logDet.Data, []float64{-a})
		exact.Check(t, "inverse", f.Inverse(u, nil).Data, []float64{1, 2})
	}
}

// The same of softplus scales, at what a block says from far below to far above: up to where float32 ends the scale is
// softplus(a + log(e-1)), its logarithm limited to ±5, and the inverse has it too.
func TestSoftplusScalesByHand(t *testing.T) {
	for _, a := range []float64{-1e4, -40, -2, -0.3, 0, 0.7, 3, 50, 1e4} {
		c := small
		c.Blocks, c.Scale = 1, "softplus"
		f := NewFlow(tensor.NewParams(1), c, 2, 1)
		f.layers[0].(*metaBlock).outBias.Data[0] = float32(a)
		u, logDet := f.Forward(nil, tensor.From([]float32{1, 2}, 2, 1), nil)
		softplus := math.Log1p((math.E - 1) * math.Exp(a))
		if a < -30 {
			softplus = (math.E - 1) * math.Exp(a)
		} else if a > 30 {
			softplus = a + math.Log(math.E-1)
		}
		want := 5 * math.Tanh(math.Log(softplus)/5)
		near := tensortest.Tolerance{Rel: 2e-6, Abs: 1e-6}
		near.Check(t, fmt.Sprintf("u at %g", a), u.Data, []float64{1, 2 * math.Exp(-want)})
		near.Check(t, fmt.Sprintf("logDet at %g", a), logDet.Data, []float64{-want})
		near.Check(t, fmt.Sprintf("inverse at %g", a), f.Inverse(u, nil).Data, []float64{1, 2})
	}
}

func TestPermutations(t *testing.T) {
	for permute, want := range map[string][]bool{"alternate": {false, true, false, true, false}, "identity": {false, false, false, false, false}} {
		c := small
		c.Blocks, c.Permute = 5, permute
		for i, l := range NewFlow(tensor.NewParams(1), c, 3, 2).layers {
			if b := l.(*metaBlock); b.flip != want[i] {
				t.Errorf("%s: block %d flips: %v", permute, i, b.flip)
			}
		}
	}
}

// A block changes a row by what lies before it, in the block's order, and the
// first row not at all.
func TestBlocksAreCausal(t *testing.T) {
	const K, D = 5, 2
	for _, flip := range []bool{false, true} {
		c := small
		c.Blocks = 1
		f, _ := shaken(c, K, D, 3)
		f.layers[0].(*metaBlock).flip = flip
		e := random(1, K, D)
		before, _ := f.Forward(nil, e, nil)
		for changed := range K {
			x := tensor.From(slices.Clone(e.Data), K, D)
			x.Row(changed)[1]++
			after, _ := f.Forward(nil, x, nil)
			for r := range K {
				depends := r >= changed
				if flip {
					depends = r <= changed
				}
				if slices.Equal(after.Row(r), before.Row(r)) == depends {
					t.Errorf("flip %v: that row %d depends on row %d is not %v", flip, r, changed, depends)
				}
			}
		}
		first := 0
		if flip {
			first = K - 1
		}
		if !slices.Equal(before.Row(first), e.Row(first)) {
			t.Errorf("flip %v: row %d changes", flip, first)
		}
	}
}

// flowCase draws a flow, codes for it, and conditioning vectors or none.
func flowCase(t *rapid.T, maxK, maxD int) (f *Flow, e *tensor.Tensor, cond []*tensor.Tensor) {
	c := Config{
		Blocks:     rapid.IntRange(0, 5).Draw(t, "blocks"),
		Width:      8,
		Layers:     rapid.IntRange(1, 2).Draw(t, "layers"),
		HeadDim:    rapid.SampledFrom([]int{2, 4, 8}).Draw(t, "head_dim"),
		Expansion:  rapid.IntRange(1, 3).Draw(t, "expansion"),
		Permute:    rapid.SampledFrom([]string{"alternate", "identity"}).Draw(t, "permutation"),
		ShiftsOnly: rapid.Bool().Draw(t, "shifts only"),
		Stack:      rapid.SampledFrom([]string{"", "linear", "spline", "logistic", "linear,spline", "spline,metablock,linear,logistic,metablock"}).Draw(t, "stack"),
		Parts:      rapid.IntRange(2, 5).Draw(t, "parts"),
		Bound:      3,
		Thoughts:   rapid.IntRange(0, 2).Draw(t, "mapped thoughts"),
		Scale:      rapid.SampledFrom([]string{"", "exp", "softplus"}).Draw(t, "scale"),
	}
	k, d := rapid.IntRange(1, maxK).Draw(t, "K"), rapid.IntRange(1, maxD).Draw(t, "D")
	n := rapid.IntRange(1, 3).Draw(t, "thoughts")
	seed := rapid.Uint64().Draw(t, "seed")
	f, _ = shaken(c, k, d, seed)
	if rapid.Bool().Draw(t, "conditioned") {
		cond = conditions(c, n, seed)
	}
	return f, random(seed, n*k, d), cond
}

func TestInverseUndoesForward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, e, cond := flowCase(t, 7, 4)
		u, logDet := f.Forward(nil, e, cond)
		if logDet.Rows() != e.Rows()/f.K {
			t.Fatalf("%d log-determinants of %d thoughts", logDet.Rows(), e.Rows()/f.K)
		}
		back := f.Inverse(u, cond)
		for i, want := range e.Data {
			if tensortest.Inverse.Excess(float64(back.Data[i]), float64(want)) > 1 {
				t.Fatalf("F⁻¹(F(e))[%d] = %g, want %g", i, back.Data[i], want)
			}
		}
	})
}

// The claimed log-determinant is that of the Jacobian, here by finite
// differences at two steps, extrapolated to step 0. Near rows of equal numbers
// layer norms bend so sharply that the two steps differ: that much is doubt.
func TestLogDetIsThatOfTheJacobian(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, e, cond := flowCase(t, 4, 3)
		_, logDet := f.Forward(nil, e, cond)
		coarse, fine := jacobianLogDets(f, e, cond, 0x1p-9), jacobianLogDets(f, e, cond, 0x1p-10)
		for j, got := range logDet.Data {
			want, doubt := (4*fine[j]-coarse[j])/3, math.Abs(fine[j]-coarse[j])
			if !(math.Abs(float64(got)-want) <= 2e-3+doubt) {
				t.Fatalf("log-determinant of thought %d is %g; the Jacobian's is %g ± %.1g", j, got, want, doubt)
			}
		}
	})
}

// jacobianLogDets returns log det du/de of each thought, by central differences
// of the given step; NaN for a determinant that is not positive.
func jacobianLogDets(f *Flow, e *tensor.Tensor, cond []*tensor.Tensor, step float32) (logDets []float64) {
	size := f.K * f.D
	jacobians := make([]*mat.Dense, e.Rows()/f.K)
	for j := range jacobians {
		jacobians[j] = mat.NewDense(size, size, nil)
	}
	for in := range size {
		moved := func(h float32) (u, x []float32) {
			x = slices.Clone(e.Data)
			for i := in; i < len(x); i += size {
				x[i] += h
			}
			y, _ := f.Forward(nil, tensor.From(x, e.Shape...), cond)
			return y.Data, x
		}
		up, above := moved(step)
		down, below := moved(-step)
		for i := range up {
			j, at := i/size, i-i%size+in
			jacobians[j].Set(i%size, in, (float64(up[i])-float64(down[i]))/(float64(above[at])-float64(below[at])))
		}
	}
	for _, jacobian := range jacobians {
		logAbs, sign := mat.LogDet(jacobian)
		if sign <= 0 {
			logAbs = math.NaN()
		}
		logDets = append(logDets, logAbs)
	}
	return logDets
}

func TestFlowGradient(t *testing.T) {
	for _, c := range []Config{small, {ShiftsOnly: true}, {Stack: "linear"}, {Stack: "spline"}, {Stack: "logistic"}, {Stack: "linear,spline,metablock,logistic,linear"}, {Stack: "metablock", Scale: "softplus"}} {
		shape := small
		shape.ShiftsOnly, shape.Stack, shape.Parts, shape.Bound, shape.Scale = c.ShiftsOnly, c.Stack, 4, 3, c.Scale
		c = shape
		f, p := shaken(c, 4, 3, 5)
		e, cond := random(1, 8, 3), conditions(c, 2, 9)
		params := append([]*tensor.Tensor{e}, cond...)
		for q := range p.All() {
			params = append(params, q.Tensor)
		}
		tensortest.GradCheck(t, func(t *tensor.Tape) *tensor.Tensor {
			u, logDet := f.Forward(t, e, cond)
			return t.Stack(t.SumCols(t.Mul(u, u)), logDet)
		}, params...)
	}
}

// The trace of codes is their image, with the log-determinant row by row, and the variance of
// noise that is small: that of many draws.
func TestTrace(t *testing.T) {
	const noise, draws = 1e-3, 4000
	for _, stack := range []string{"", "linear", "linear,spline", "logistic", "spline,metablock"} {
		c := small
		c.Stack, c.Parts, c.Bound = stack, 4, 3
		f, _ := shaken(c, 3, 2, 5)
		e := random(2, 6, 2)
		x := f.Trace(nil, e)
		u, logDet := f.Forward(nil, e, nil)
		if !slices.Equal(x.U.Data, u.Data) {
			t.Errorf("%s: the image of codes is %v, want %v", stack, x.U.Data, u.Data)
		}
		for j, want := range logDet.Data {
			sum := float64(x.LogDet.Data[3*j]) + float64(x.LogDet.Data[3*j+1]) + float64(x.LogDet.Data[3*j+2])
			tensortest.Tolerance{Rel: 1e-5, Abs: 1e-5}.CheckScalar(t, stack+": sum of the rows' log-determinants", sum, float64(want))
		}
		if stack == "" || stack == "spline,metablock" {
			continue // their rows depend on one another, which the variances leave out
		}
		rng, seen := tensor.Rand(1, "noise"), make([]float64, len(u.Data))
		for range draws {
			noisy := tensor.From(slices.Clone(e.Data), e.Shape...)
			for i := range noisy.Data {
				noisy.Data[i] += float32(noise * rng.NormFloat64())
			}
			y, _ := f.Forward(nil, noisy, nil)
			for i, v := range y.Data {
				seen[i] += math.Pow(float64(v-u.Data[i]), 2) / (draws * noise * noise)
			}
		}
		tensortest.Tolerance{Rel: 0.12}.Check(t, stack+": variance", x.Variance.Data, seen)
	}
}

// Of a metablock the variance is what a number's own noise becomes: the square of the slope by itself, for both scales
// and in both directions.
func TestTraceOfMetablocks(t *testing.T) {
	const K, D, step = 4, 2, 1e-2
	for _, scale := range []string{"exp", "softplus"} {
		for _, flip := range []bool{false, true} {
			c := small
			c.Blocks, c.Scale = 1, scale
			f, p := shaken(c, K, D, 5)
			for q := range p.All() {
				if strings.Contains(q.Name, "proj_out") { // scales away from 1
					for i := range q.Data {
						q.Data[i] *= 10
					}
				}
			}
			f.layers[0].(*metaBlock).flip = flip
			e := random(2, 2*K, D)
			x := f.Trace(nil, e)
			want, least, most := make([]float64, len(e.Data)), math.Inf(1), 0.0
			for i := range e.Data {
				moved := func(h float32) float64 {
					y := tensor.From(slices.Clone(e.Data), e.Shape...)
					y.Data[i] += h
					u, _ := f.Forward(nil, y, nil)
					return float64(u.Data[i])
				}
				want[i] = math.Pow((moved(step)-moved(-step))/(2*step), 2) // a number is mapped by a line
				least, most = min(least, want[i]), max(most, want[i])
			}
			if most < 2*least {
				t.Errorf("%s, flip %v: variances are %g to %g: the test sees nothing", scale, flip, least, most)
			}
			tensortest.Tolerance{Rel: 1e-4, Abs: 1e-5}.Check(t, fmt.Sprintf("%s, flip %v: variance", scale, flip), x.Variance.Data, want)
		}
	}
}

// What noise becomes at a thought is found from the thought alone.
func TestSpread(t *testing.T) {
	c := small
	c.Stack, c.Parts, c.Bound = "linear,spline,logistic", 4, 3
	f, _ := shaken(c, 3, 2, 5)
	whole := f.Trace(nil, random(2, 6, 2))
	for r, want := range whole.Variance.Data {
		at := r / 2
		got := f.Spread(tensor.From(whole.U.Row(at), 1, 2), at%3).Data[r%2]
		tensortest.Tolerance{Rel: 1e-4}.CheckScalar(t, fmt.Sprintf("variance of number %d of row %d", r%2, at), float64(got), float64(want))
	}
	if c.Stack = ""; !f.Apart() || NewFlow(tensor.NewParams(1), c, 3, 2).Apart() {
		t.Error("metablocks, and no other layers, look at several thoughts")
	}
}

// Layers know that they are new, but for logistic curves, which begin otherwise.
func TestIdentity(t *testing.T) {
	for stack, want := range map[string]bool{"": true, "linear,spline": true, "logistic": false} {
		c := small
		c.Stack = stack
		f := NewFlow(tensor.NewParams(1), c, 3, 2)
		if got := f.Identity(); got != want {
			t.Errorf("%s: a new flow is the identity: %v", stack, got)
		}
		e := random(1, 6, 2)
		if u, logDet := f.Forward(nil, e, nil); want && (!slices.Equal(u.Data, e.Data) || !slices.Equal(logDet.Data, []float32{0, 0})) {
			t.Errorf("%s: u is %v, log-determinants %v of %v", stack, u.Data, logDet.Data, e.Data)
		}
		if f, _ := shaken(c, 3, 2, 1); f.Identity() {
			t.Errorf("%s: a flow that has moved is the identity", stack)
		}
	}
}

// A frozen flow still passes the gradient on to the codes.
func TestFrozenFlow(t *testing.T) {
	f, p := shaken(small, 3, 2, 5)
	gradient := func() []float32 {
		e := random(1, 6, 2)
		e.Grad = make([]float32, len(e.Data))
		tape := new(tensor.Tape)
		u, logDet := f.Forward(tape, e, nil)
		tape.Backward(tape.Sum(tape.Stack(tape.SumCols(u), logDet)))
		return e.Grad
	}
	want := gradient()
	p.SetTrainable(func(string) bool { return false })
	if got := gradient(); !slices.Equal(got, want) {
		t.Errorf("gradient of the codes is %v, want %v", got, want)
	}
	if u, logDet := f.Forward(new(tensor.Tape), random(1, 6, 2), nil); u.Grad != nil || logDet.Grad != nil {
		t.Error("nothing is trainable, and there is a gradient")
	}
}

// A thought is mapped alone as in a batch, and with any number of threads, bit
// for bit.
func TestThoughtsDoNotTouch(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	const n, K, D = 4, 6, 3
	f, _ := shaken(small, K, D, 5)
	e, cond := random(1, n*K, D), conditions(small, n, 9)
	for _, threads := range []int{1, 4} {
		kernel.SetThreads(threads)
		u, logDet := f.Forward(nil, e, cond)
		back := f.Inverse(u, cond)
		for j := range n {
			own := func(x *tensor.Tensor, rows int) *tensor.Tensor {
				c := x.Cols()
				return tensor.From(x.Data[j*rows*c:(j+1)*rows*c], rows, c)
			}
			var ownCond []*tensor.Tensor
			for _, c := range cond {
				ownCond = append(ownCond, own(c, 1))
			}
			u1, logDet1 := f.Forward(nil, own(e, K), ownCond)
			back1 := f.Inverse(u1, ownCond)
			for what, pair := range map[string][2][]float32{
				"u":       {u1.Data, own(u, K).Data},
				"logDet":  {logDet1.Data, logDet.Data[j : j+1]},
				"inverse": {back1.Data, own(back, K).Data},
			} {
				if !slices.Equal(pair[0], pair[1]) {
					t.Errorf("%s of thought %d is %v alone and %v in a batch", what, j, pair[0], pair[1])
				}
			}
		}
	}
}

// The parameters carry the names of the reference implementation.
func TestParameterNames(t *testing.T) {
	c := small
	c.Blocks = 1
	p := tensor.NewParams(1)
	NewFlow(p, c, 3, 2)
	got := map[string]string{}
	for q := range p.All() {
		got[q.Name] = fmt.Sprint(q.Shape)
	}
	for name, shape := range map[string]string{
		"blocks.0.proj_in.weight":                      "[8 2]",
		"blocks.0.pos_embed":                           "[3 8]",
		"blocks.0.attn_blocks.0.attention.norm.weight": "[8]",
		"blocks.0.attn_blocks.0.attention.qkv.weight":  "[24 8]",
		"blocks.0.attn_blocks.0.attention.proj.bias":   "[8]",
		"blocks.0.attn_blocks.0.mlp.main.0.weight":     "[16 8]",
		"blocks.0.attn_blocks.0.mlp.main.2.weight":     "[8 16]",
		"blocks.0.proj_out.weight":                     "[4 8]",
	} {
		if got[name] != shape {
			t.Errorf("%s has shape %q, want %s", name, got[name], shape)
		}
	}
	if len(got) != 17 {
		t.Errorf("%d parameters, want 17: %v", len(got), got)
	}
}
