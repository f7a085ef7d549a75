// Package kernel holds the inner loops: functions of float32 slices that know nothing of tensors, tapes or models.
//
// Every function has a plain Go version with the suffix Generic, which is its definition, and on amd64 an AVX2 and an
// AVX-512 version, chosen once at start by what the processor has (see ISA). Sums run in the same order in all of them, so
// the two assembly versions agree bit for bit; the Go version differs from them only where they fuse a multiplication with
// an addition. Results never depend on the number of threads.
//
// Wrong lengths are programming errors: the functions panic with the lengths they got. An output may be the same slice as an
// input of the same shape where the formula is elementwise; any other overlap is not allowed.
package kernel

import (
	"fmt"
	"math"
)

// Dot returns sum_i x[i]*y[i], summed as Dots sums.
func Dot(x, y []float32) float32 {
	var s [1]float32
	checkEqual("Dot", len(x), len(y))
	Dots(s[:], x, y, len(y))
	return s[0]
}

// Axpy adds alpha*x to y.
func Axpy(alpha float32, x, y []float32) {
	checkEqual("Axpy", len(x), len(y))
	w := [1]float32{alpha}
	Axpys(y, w[:], x, len(x))
}

// Dots sets dst[j] = sum_i q[i]*k[j*stride+i]: the scores of one query against the len(dst) keys that lie stride apart in k.
//
// Sixteen partial sums take the terms i = l, l+16, l+32, ... and are then added pairwise: l and l+8, l and l+4, l and l+2, l
// and l+1. So a score depends on its key alone, not on how many keys there are.
func Dots(dst, q, k []float32, stride int) {
	checkRows("Dots", len(k), stride, len(dst), len(q))
	dots(dst, q, k, stride)
}

// Axpys adds to y the len(w) rows of x that lie stride apart, weighted by w: y[i] += w[j]*x[j*stride+i], one fused
// multiply-add for each j in ascending order.
func Axpys(y, w, x []float32, stride int) {
	checkRows("Axpys", len(x), stride, len(w), len(y))
	axpys(y, w, x, stride)
}

// Outers adds the outer product of w and y to the len(w) rows of x that lie stride apart: x[j*stride+i] += w[j]*y[i].
func Outers(x []float32, stride int, w, y []float32) {
	checkRows("Outers", len(x), stride, len(w), len(y))
	outers(x, stride, w, y)
}

// Exp sets dst[i] = e^x[i], with a relative error of at most 1e-6 for every argument. e^-Inf is 0, e^+Inf is +Inf, e^NaN is
// NaN; results below 1e-38 may be 0. dst may be x.
func Exp(dst, x []float32) {
	checkEqual("Exp", len(dst), len(x))
	expSum(dst, x, 0)
}

// Softmax replaces x by e^x[i] / sum_j e^x[j] and returns log sum_j e^x[j] of the input. The greatest element is taken off
// first, so nothing overflows. Elements that are -Inf get probability 0; when all are (or x is empty), the result is 0
// everywhere and the sum's logarithm is -Inf. Elements that are -Inf at the end of x change no bit of the others.
func Softmax(x []float32) float32 {
	shift := maximum(x)
	if math.IsInf(float64(shift), -1) {
		shift = 0
	}
	sum := expSum(x, x, shift)
	if sum != 0 {
		scale(1/sum, x)
	}
	return shift + float32(math.Log(float64(sum)))
}

// SwiGLU sets dst[i] = silu(gate[i])*up[i], where silu(g) = g/(1+e^-g). dst may be gate or up.
func SwiGLU(dst, gate, up []float32) {
	checkEqual("SwiGLU", len(dst), len(gate))
	checkEqual("SwiGLU", len(dst), len(up))
	swiglu(dst, gate, up)
}

// SwiGLUBackward adds to dgate and dup the gradients of SwiGLU's inputs, given the gradient dy of its output.
func SwiGLUBackward(dgate, dup, dy, gate, up []float32) {
	checkEqual("SwiGLUBackward", len(dy), len(dgate))
	checkEqual("SwiGLUBackward", len(dy), len(dup))
	checkEqual("SwiGLUBackward", len(dy), len(gate))
	checkEqual("SwiGLUBackward", len(dy), len(up))
	swigluBackward(dgate, dup, dy, gate, up)
}

// AdamW makes one optimizer step on the parameters p with gradients g and the moments m and v (Loshchilov and Hutter,
// Decoupled Weight Decay Regularization, 2019). With g' = gscale*g:
//
//	p -= lr*wd*p
//	m  = b1*m + (1-b1)*g'
//	v  = b2*v + (1-b2)*g'^2
//	p -= lr*(m/c1) / (sqrt(v/c2) + eps)
//
// c1 = 1-b1^t and c2 = 1-b2^t are the bias corrections of step t. All arithmetic is float32, nothing fused: every
// instruction set gives the same bits.
func AdamW(p, g, m, v []float32, gscale, lr, wd, b1, b2, eps, c1, c2 float32) {
	checkEqual("AdamW", len(p), len(g))
	checkEqual("AdamW", len(p), len(m))
	checkEqual("AdamW", len(p), len(v))
	adamw(p, g, m, v, gscale, lr*wd, b1, 1-b1, b2, 1-b2, lr/c1, 1/c2, eps)
}

// SumSquares returns the sum of the squares of x in float64: the sixteen partial sums of Dots, each square exact.
func SumSquares(x []float32) float64 {
	return sumSquares(x)
}

func checkEqual(name string, a, b int) {
	if a != b {
		panic(fmt.Sprintf("kernel: %s: lengths %d and %d differ", name, a, b))
	}
}

// checkRows panics unless rows rows of cols elements, stride apart, fit into have elements.
func checkRows(name string, have, stride, rows, cols int) {
	if rows > 0 && (stride < 0 || (rows-1)*stride+cols > have) {
		panic(fmt.Sprintf("kernel: %s: %d rows of %d elements, %d apart, do not fit into %d elements", name, rows, cols, stride, have))
	}
}
