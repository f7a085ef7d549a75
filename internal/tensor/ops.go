package tensor

import (
	"fmt"
	"math"

	"nfcot/internal/tensor/kernel"
)

// Linear returns y = x wᵀ + b; b may be nil.
// x [R, I], w [O, I], b [O] → y [R, O]
func (t *Tape) Linear(x, w, b *Tensor) *Tensor {
	R, O := x.Rows(), w.Rows()
	if b != nil && len(b.Data) != O {
		panic(fmt.Sprintf("tensor: Linear: bias %v against weight %v", b.Shape, w.Shape))
	}
	o := t.op(R, O, x, w, b)
	o.x, o.w, o.b = x, w, b
	o.project()
	if b != nil {
		o.rows(R, O, (*op).addBias)
	}
	return o.done(func(o *op) {
		o.projectBackward()
		o.biasBackward()
	})
}

// addBias adds the bias, if there is one, to rows lo to hi of the result.
func (o *op) addBias(lo, hi int) {
	if o.b == nil {
		return
	}
	for r := lo; r < hi; r++ {
		kernel.Add(o.y.Row(r), o.y.Row(r), o.b.Data)
	}
}

// biasBackward pushes y's gradient to the bias, if there is one that wants it.
func (o *op) biasBackward() {
	if o.b != nil && o.b.Grad != nil {
		o.addOverRows(o.b.grad(), o.y.Rows(), addRows)
	}
}

// addRows sums the gradients of the result's rows.
func addRows(o *op, partial []float32, lo, hi int) {
	for r := lo; r < hi; r++ {
		kernel.Axpy(1, o.y.gradRow(r), partial)
	}
}

// AddLinear returns y = a + x wᵀ + b: what a branch adds to a residual stream; b
// may be nil.   a [R, O], x [R, I], w [O, I], b [O] → y [R, O]
func (t *Tape) AddLinear(a, x, w, b *Tensor) *Tensor {
	if a.Rows() != x.Rows() || a.Cols() != w.Rows() || b != nil && len(b.Data) != w.Rows() {
		panic(fmt.Sprintf("tensor: AddLinear: shape %v against %v by %v", a.Shape, x.Shape, w.Shape))
	}
	o := t.op(a.Rows(), a.Cols(), a, x, w, b)
	o.k.Tensor, o.x, o.w, o.b = a, x, w, b
	o.project()
	o.rows(a.Rows(), a.Cols(), func(o *op, lo, hi int) {
		o.addBias(lo, hi)
		C := o.y.Cols()
		y := o.y.Data[lo*C : hi*C]
		kernel.Add(y, y, o.k.Data[lo*C:hi*C])
	})
	return o.done(func(o *op) {
		o.projectBackward()
		o.biasBackward()
		o.passOn(o.k.Tensor, 1)
	})
}

// project computes y = x wᵀ. What is added to it comes after the sums: had they begun there, each of their terms would have been
// rounded to the digits of what may be much larger, a residual stream.
func (o *op) project() {
	if o.w.Cols() != o.x.Cols() {
		panic(fmt.Sprintf("tensor: Linear: input %v against weight %v", o.x.Shape, o.w.Shape))
	}
	o.weigh(o.y.Data, o.x.Data, o.x.Rows())
}

// weigh computes y = x wᵀ for rows rows.
func (o *op) weigh(y, x []float32, rows int) {
	O, I := o.w.Rows(), o.w.Cols()
	if o.w.packed != nil {
		o.w.packed.Mul(y, O, x, I, rows, false)
		return
	}
	a, b := kernel.Mat{Data: x, Stride: I}, kernel.Mat{Data: o.w.Data, Stride: I, Trans: true}
	o.gemm("product", y, O, a, o.x.rounded, b, rows, O, I, false)
}

// gemm is kernel.Gemm in the precision of the tape, of an A that may be rounded to it. In a profile it is a pass of its own.
func (o *op) gemm(pass string, c []float32, ldc int, a kernel.Mat, rounded bool, b kernel.Mat, m, n, k int, accumulate bool) {
	o.lap(o.pass(), 0)
	switch {
	case o.t == nil || !o.t.BF16:
		kernel.Gemm(c, ldc, a, b, m, n, k, accumulate)
	case rounded:
		kernel.GemmRounded(c, ldc, a, b, m, n, k, accumulate)
	default:
		kernel.GemmBF16(c, ldc, a, b, m, n, k, accumulate)
	}
	o.lap(pass, 2*float64(m)*float64(n)*float64(k))
}

// projectBackward pushes y's gradient to x and w.
func (o *op) projectBackward() {
	x, w := o.x, o.w
	R, O, I := x.Rows(), w.Rows(), x.Cols()
	if x.Grad != nil { // dx += dy w
		o.gemm("dX", x.Grad, I, kernel.Mat{Data: o.y.Grad, Stride: O}, o.y.gradRounded, kernel.Mat{Data: o.numbers(w), Stride: I}, R, I, O, !x.claim())
	}
	if w.Grad != nil { // dw += dyᵀ x
		o.weightGradient(w.Grad, o.y.Grad[w.fixed:], O, x.Data, R, O-w.fixed, I, !w.claim())
	}
}

// weightGradient is kernel.WeightGradient in the precision of the tape.
func (o *op) weightGradient(dw, dy []float32, stride int, x []float32, rows, outputs, inputs int, accumulate bool) {
	o.lap("backward", 0)
	if o.t.BF16 {
		kernel.WeightGradientBF16(dw, dy, stride, x, rows, outputs, inputs, accumulate, o.x.rounded)
	} else {
		kernel.WeightGradient(dw, dy, stride, x, rows, outputs, inputs, accumulate)
	}
	o.lap("dW", 2*float64(rows)*float64(outputs)*float64(inputs))
}

// numbers is w's Data, or what is packed in its place, for as long as the operation takes.
func (o *op) numbers(w *Tensor) []float32 {
	if w.packed == nil {
		return w.Data
	}
	n := w.Rows() * w.Cols()
	if len(o.t.wide) < n {
		o.t.wide = o.t.floats()(n)
	}
	w.packed.Unpack(o.t.wide[:n])
	return o.t.wide[:n]
}

// AddProduct adds h bᵀ to columns of y: a matrix of low rank, say, to one that
// is frozen. The result takes y's memory: y must not be used any more.
// y [R, O of them], h [R, I of them], b [O, I] → y
func (t *Tape) AddProduct(y, h Cols, b *Tensor) *Tensor {
	if y.Rows() != h.Rows() || y.N != b.Rows() || h.N != b.Cols() {
		panic(fmt.Sprintf("tensor: AddProduct: %d columns of shape %v against %d of %v by %v", y.N, y.Shape, h.N, h.Shape, b.Shape))
	}
	o := t.op(0, y.Cols(), y.Tensor, h.Tensor, b)
	o.y.Data, o.y.dims[0] = y.Data, y.Rows()
	o.x, o.k, o.w, o.n = y.Tensor, h, b, y.From
	o.gemm("product", y.Data[y.From:], y.Cols(), h.mat(h.Data), false, kernel.Mat{Data: b.Data, Stride: h.N, Trans: true}, y.Rows(), y.N, h.N, true)
	return o.done(func(o *op) {
		h, b := o.k, o.w
		dy := kernel.Mat{Data: o.y.Grad[o.n:], Stride: o.y.Cols()}
		if h.Grad != nil { // dh += dy b
			o.gemm("dX", h.grad()[h.From:], h.Cols(), dy, false, kernel.Mat{Data: b.Data, Stride: h.N}, h.Rows(), h.N, b.Rows(), true)
		}
		if b.Grad != nil { // db += dyᵀ h
			dy.Trans = true
			o.gemm("dW", b.Grad, h.N, dy, false, h.mat(h.Data), b.Rows(), h.N, h.Rows(), !b.claim())
		}
		o.passOn(o.x, 1)
	})
}

// passOn adds c times y's gradient to x's, if x has one. It is the last use of
// y's gradient that an operation makes when c is 1: a gradient of x that holds
// nothing yet then takes its memory.
func (o *op) passOn(x *Tensor, c float32) {
	switch {
	case x.Grad == nil:
	case x.stale && c == 1:
		x.Grad, o.y.Grad, x.stale = o.y.Grad, x.Grad, false
	default:
		o.addTo(x.grad(), o.y.Grad, c)
	}
}

// addTo adds c·g to dst.
func (o *op) addTo(dst, g []float32, c float32) {
	o.kept, o.partials, o.c = dst, g, float64(c)
	o.elements(len(g), func(o *op, lo, hi int) { kernel.Axpy(float32(o.c), o.partials[lo:hi], o.kept[lo:hi]) })
}

// Add returns a + b.
func (t *Tape) Add(a, b *Tensor) *Tensor {
	mustMatch("Add", a, b)
	o := t.op(a.Rows(), a.Cols(), a, b)
	o.x, o.w = a, b
	o.elements(len(o.y.Data), func(o *op, lo, hi int) { kernel.Add(o.y.Data[lo:hi], o.x.Data[lo:hi], o.w.Data[lo:hi]) })
	return o.done(func(o *op) {
		if o.w.Grad != nil {
			o.addTo(o.w.grad(), o.y.Grad, 1)
		}
		o.passOn(o.x, 1)
	})
}

// Sub returns a - b.
func (t *Tape) Sub(a, b *Tensor) *Tensor {
	mustMatch("Sub", a, b)
	o := t.op(a.Rows(), a.Cols(), a, b)
	o.x, o.w = a, b
	o.elements(len(o.y.Data), func(o *op, lo, hi int) {
		copy(o.y.Data[lo:hi], o.x.Data[lo:hi])
		kernel.Axpy(-1, o.w.Data[lo:hi], o.y.Data[lo:hi])
	})
	return o.done(func(o *op) {
		o.passOn(o.w, -1)
		o.passOn(o.x, 1)
	})
}

// Mul returns a ⊙ b.
func (t *Tape) Mul(a, b *Tensor) *Tensor {
	mustMatch("Mul", a, b)
	o := t.op(a.Rows(), a.Cols(), a, b)
	o.x, o.w = a, b
	o.elements(len(o.y.Data), func(o *op, lo, hi int) { kernel.Mul(o.y.Data[lo:hi], o.x.Data[lo:hi], o.w.Data[lo:hi]) })
	return o.done(func(o *op) {
		o.mulInto(o.x, o.w.Data)
		o.mulInto(o.w, o.x.Data)
	})
}

// mulInto adds y's gradient times slope to x's gradient, if x has one.
func (o *op) mulInto(x *Tensor, slope []float32) {
	if x.Grad == nil {
		return
	}
	o.partials, o.kept = x.grad(), slope
	o.elements(len(slope), func(o *op, lo, hi int) {
		kernel.MulAdd(o.partials[lo:hi], o.y.Grad[lo:hi], o.kept[lo:hi])
	})
}

// Scale returns c·x.
func (t *Tape) Scale(c float32, x *Tensor) *Tensor {
	o := t.op(x.Rows(), x.Cols(), x)
	o.x, o.n, o.c = x, 0, float64(c)
	o.elements(len(o.y.Data), func(o *op, lo, hi int) { kernel.Scale(o.y.Data[lo:hi], float32(o.c), o.x.Data[lo:hi]) })
	return o.done(func(o *op) { o.passOn(o.x, float32(o.c)) })
}

// Exp returns eˣ.
func (t *Tape) Exp(x *Tensor) *Tensor {
	o := t.op(x.Rows(), x.Cols(), x)
	o.x = x
	o.elements(len(o.y.Data), func(o *op, lo, hi int) { kernel.Exp(o.y.Data[lo:hi], o.x.Data[lo:hi]) })
	return o.done(func(o *op) { o.mulInto(o.x, o.y.Data) })
}

// Tanh returns tanh x.
func (t *Tape) Tanh(x *Tensor) *Tensor { return t.elementwise(x, kernel.Tanh, nil) }

// LogSoftplus returns log softplus(x + log(e - 1)), which is 0 at 0: logarithms of scales that grow like x and fall like
// eˣ.
func (t *Tape) LogSoftplus(x *Tensor) *Tensor { return t.elementwise(x, logSoftplus, nil) }

// logSoftplus computes in float64: the softplus is log(1 + (e-1) eˣ), and far out x + log(e-1) itself, or its exponential.
func logSoftplus(y, slope, x []float32) {
	const far = 30 // from where on the other term is below what float32 keeps
	shift := math.Log(math.E - 1)
	for i, v := range x {
		x := float64(v)
		shifted := x + shift
		value, rise := shifted, 1.0
		switch {
		case x > far:
			value, rise = math.Log(shifted), 1/shifted
		case !(x < -far):
			exp := (math.E - 1) * math.Exp(x)
			scale := math.Log1p(exp)
			value, rise = math.Log(scale), exp/(1+exp)/scale
		}
		y[i] = float32(value)
		if slope != nil {
			slope[i] = float32(rise)
		}
	}
}

// GELU returns x Φ(x), Φ being the normal distribution function (the exact
// form).
func (t *Tape) GELU(x *Tensor, uses ...Use) *Tensor { return t.elementwise(x, kernel.GELU, uses) }

// GELUTanh returns GELU's approximation by tanh, GPT-2's: x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.
func (t *Tape) GELUTanh(x *Tensor, uses ...Use) *Tensor {
	return t.elementwise(x, kernel.GELUTanh, uses)
}

// elementwise applies f, which also gives the derivative.
func (t *Tape) elementwise(x *Tensor, f func(y, slope, x []float32), uses []Use) *Tensor {
	o := t.op(x.Rows(), x.Cols(), x)
	o.x, o.f = x, f
	if o.y.Grad != nil {
		o.kept = t.raw(len(x.Data))
	}
	o.roundFor(uses, 1)
	o.rows(len(x.Data), 8, func(o *op, lo, hi int) {
		var slope []float32
		if o.kept != nil {
			slope = o.kept[lo:hi]
		}
		o.f(o.y.Data[lo:hi], slope, o.x.Data[lo:hi])
	})
	return o.done(func(o *op) { o.mulInto(o.x, o.kept) })
}

// SwiGLU returns silu(gate) ⊙ up, where silu(x) = x σ(x).
// gate, up [R, C] → [R, C]
func (t *Tape) SwiGLU(gate, up Cols, uses ...Use) *Tensor {
	if gate.Rows() != up.Rows() || gate.N != up.N {
		panic(fmt.Sprintf("tensor: SwiGLU: %d columns of shape %v against %d of %v", gate.N, gate.Shape, up.N, up.Shape))
	}
	o := t.op(gate.Rows(), gate.N, gate.Tensor, up.Tensor)
	o.k, o.v = gate, up
	o.roundFor(uses, gate.N)
	o.roundGrad = o.rounds(uses, FromProduct)
	o.rows(o.y.Rows(), 4*gate.N, func(o *op, lo, hi int) {
		for r := lo; r < hi; r++ {
			kernel.SwiGLU(o.y.Row(r), o.k.row(r), o.v.row(r))
		}
	})
	return o.done(func(o *op) {
		// Of the usual input, the halves of one projection, all is written: nothing needs clearing first.
		halves := o.k.Tensor == o.v.Tensor && o.k.Tensor.Cols() == 2*o.k.N && o.k.From == 0 && o.v.From == o.k.N
		if o.fresh = halves && o.k.claim(); !o.fresh {
			o.writing(&o.k)
			o.writing(&o.v)
		}
		o.k.gradRounded = o.fresh && o.roundGrad
		o.rows(o.y.Rows(), 8*o.k.N, func(o *op, lo, hi int) {
			for r := lo; r < hi; r++ {
				kernel.SwiGLUBackward(o.k.gradRow(r), o.v.gradRow(r), o.y.gradRow(r), o.k.row(r), o.v.row(r), !o.fresh)
				if o.k.gradRounded {
					kernel.RoundBF16(o.k.Grad[2*r*o.k.N : 2*(r+1)*o.k.N])
				}
			}
		})
	})
}

// writing makes sure that x has a gradient to add to: one that is thrown away
// where none is wanted.
func (o *op) writing(x *Cols) {
	if x.Grad == nil {
		frozen := *x.Tensor // the input itself must not get one
		frozen.Grad, frozen.stale = o.t.raw(len(x.Data)), true
		x.Tensor = o.t.alias(frozen)
	}
	if x.claim() {
		o.partials = x.Grad
		o.elements(len(x.Grad), func(o *op, lo, hi int) { clear(o.partials[lo:hi]) })
	}
}

// Sum returns the sum of all elements of x.   x [R, C] → y [1, 1]
func (t *Tape) Sum(x *Tensor) *Tensor {
	o := t.op(1, 1, x)
	o.x = x
	var s float64 // losses are sums of thousands of terms: float32 would lose digits
	for _, v := range x.Data {
		s += float64(v)
	}
	o.y.Data[0] = float32(s)
	return o.done(func(o *op) {
		g := o.x.grad()
		for i := range g {
			g[i] += o.y.Grad[0]
		}
	})
}

// SumCols returns the sum of each row.   x [R, C] → y [R, 1]
func (t *Tape) SumCols(x *Tensor) *Tensor {
	o := t.op(x.Rows(), 1, x)
	o.x = x
	for r := range o.y.Data {
		var s float64
		for _, v := range x.Row(r) {
			s += float64(v)
		}
		o.y.Data[r] = float32(s)
	}
	return o.done(func(o *op) {
		o.x.grad()
		for r, dy := range o.y.Grad {
			g := o.x.gradRow(r)
			for i := range g {
				g[i] += dy
			}
		}
	})
}

// Gather returns the rows of x named by idx, in that order; -1 gives a row of
// zeros.   x [R, C] → y [len(idx), C]
func (t *Tape) Gather(x *Tensor, idx []int) *Tensor {
	o := t.op(len(idx), x.Cols(), x)
	o.x, o.idx = x, idx
	o.rows(len(idx), x.Cols(), func(o *op, lo, hi int) {
		for i := lo; i < hi; i++ {
			switch r := o.idx[i]; {
			case r < 0:
				clear(o.y.Row(i))
			case o.x.packed != nil:
				o.x.packed.Row(o.y.Row(i), r)
			default:
				copy(o.y.Row(i), o.x.Row(r))
			}
		}
	})
	return o.done(func(o *op) {
		o.x.grad()
		for i, r := range o.idx {
			if r >= o.x.fixed {
				kernel.Axpy(1, o.y.gradRow(i), o.x.gradRow(r))
			}
		}
	})
}

// SumBy adds row r of x to row owner[r] of the result.   x [R, C] → y [n, C]
func (t *Tape) SumBy(x *Tensor, owner []int, n int) *Tensor {
	o := t.op(n, x.Cols(), x)
	o.x, o.idx = x, owner
	clear(o.y.Data)
	for r, to := range owner {
		kernel.Axpy(1, x.Row(r), o.y.Row(to))
	}
	return o.done(func(o *op) {
		o.x.grad()
		for r, to := range o.idx {
			kernel.Axpy(1, o.y.gradRow(to), o.x.gradRow(r))
		}
	})
}

// Stack puts the rows of b under those of a.   [R, C], [S, C] → [R+S, C]
func (t *Tape) Stack(a, b *Tensor) *Tensor {
	if a.Cols() != b.Cols() {
		panic(fmt.Sprintf("tensor: Stack: shape %v on %v", a.Shape, b.Shape))
	}
	o := t.op(a.Rows()+b.Rows(), a.Cols(), a, b)
	o.x, o.w = a, b
	n := copy(o.y.Data, a.Data)
	copy(o.y.Data[n:], b.Data)
	return o.done(func(o *op) {
		n := len(o.x.Data)
		if o.x.Grad != nil {
			o.addTo(o.x.grad(), o.y.Grad[:n], 1)
		}
		if o.w.Grad != nil {
			o.addTo(o.w.grad(), o.y.Grad[n:], 1)
		}
	})
}

// Pick copies part[r] of row r, where rows are n parts side by side.   x [R, n·C] → [R, C]
func (t *Tape) Pick(x *Tensor, n int, part []int) *Tensor {
	o := t.op(x.Rows(), x.Cols()/n, x)
	o.x, o.idx = x, part
	for r, i := range part {
		C := o.y.Cols()
		copy(o.y.Row(r), x.Row(r)[i*C:])
	}
	return o.done(func(o *op) {
		o.x.grad()
		for r, i := range o.idx {
			C := o.y.Cols()
			kernel.Axpy(1, o.y.gradRow(r), o.x.gradRow(r)[i*C:(i+1)*C])
		}
	})
}

// Repeat puts n copies of x side by side.   x [R, C] → [R, n·C]
func (t *Tape) Repeat(x *Tensor, n int) *Tensor {
	o := t.op(x.Rows(), n*x.Cols(), x)
	o.x = x
	for r := range x.Rows() {
		for i, C := 0, x.Cols(); i < n; i++ {
			copy(o.y.Row(r)[i*C:], x.Row(r))
		}
	}
	return o.done(func(o *op) {
		o.x.grad()
		for r := range o.x.Rows() {
			for g, C := o.y.gradRow(r), o.x.Cols(); len(g) > 0; g = g[C:] {
				kernel.Axpy(1, g[:C], o.x.gradRow(r))
			}
		}
	})
}

// Detach returns x, whose numbers it shares, as something that was not computed: no
// gradient flows back through it.
func (t *Tape) Detach(x *Tensor) *Tensor {
	y := t.tensor(0, x.Cols())
	y.Data, y.dims[0] = x.Data, x.Rows()
	return y
}

// Columns copies columns.   x [R, N of them] → [R, N]
func (t *Tape) Columns(x Cols) *Tensor {
	o := t.op(x.Rows(), x.N, x.Tensor)
	o.k = x
	for r := range x.Rows() {
		copy(o.y.Row(r), x.row(r))
	}
	return o.done(func(o *op) {
		o.k.grad()
		for r := range o.y.Rows() {
			kernel.Axpy(1, o.y.gradRow(r), o.k.gradRow(r))
		}
	})
}
