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

// Axpy adds alpha*x to y, one fused multiply-add for each element.
func Axpy(alpha float32, x, y []float32) {
	checkEqual("Axpy", len(x), len(y))
	use().axpy(alpha, x, y)
}

// Dots sets dst[j] = sum_i q[i]*k[j*stride+i]: the scores of one query against the len(dst) keys that lie stride apart in k.
//
// Sixteen partial sums take the terms i = l, l+16, l+32, ... and are then added pairwise: l and l+8, l and l+4, l and l+2, l
// and l+1. So a score depends on its key alone, not on how many keys there are.
func Dots(dst, q, k []float32, stride int) {
	checkRows("Dots", len(k), stride, len(dst), len(q))
	use().dots(dst, q, k, stride)
}

// Axpys adds to y the len(w) rows of x that lie stride apart, weighted by w: y[i] += w[j]*x[j*stride+i], one fused
// multiply-add for each j in ascending order.
func Axpys(y, w, x []float32, stride int) {
	checkRows("Axpys", len(x), stride, len(w), len(y))
	use().axpys(y, w, x, stride)
}

// Transpose sets dst[j*width+i] = x[i*stride+j] for rows rows of x and cols columns.
func Transpose(dst []float32, width int, x []float32, stride, rows, cols int) {
	checkRows("Transpose", len(x), stride, rows, cols)
	checkRows("Transpose", len(dst), width, cols, rows)
	transpose(dst, width, x, stride, rows, cols)
}

// Add sets dst[i] = a[i] + b[i]. dst may be a or b.
func Add(dst, a, b []float32) {
	checkEqual("Add", len(dst), len(a))
	checkEqual("Add", len(dst), len(b))
	use().add(dst, a, b)
}

// Mul sets dst[i] = a[i] * b[i]. dst may be a or b.
func Mul(dst, a, b []float32) {
	checkEqual("Mul", len(dst), len(a))
	checkEqual("Mul", len(dst), len(b))
	use().mul(dst, a, b)
}

// MulAdd adds a[i]*b[i] to dst[i]. dst may be a or b.
func MulAdd(dst, a, b []float32) {
	checkEqual("MulAdd", len(dst), len(a))
	checkEqual("MulAdd", len(dst), len(b))
	use().mulAdd(dst, a, b)
}

// Scale sets dst[i] = alpha*x[i]. dst may be x.
func Scale(dst []float32, alpha float32, x []float32) {
	checkEqual("Scale", len(dst), len(x))
	use().scale(dst, alpha, x)
}

// Exp sets dst[i] = e^x[i], with a relative error of at most 1e-7 for every argument. e^-Inf is 0, e^+Inf is +Inf, e^NaN is
// NaN; results below 1e-38 may be 0. dst may be x.
func Exp(dst, x []float32) {
	checkEqual("Exp", len(dst), len(x))
	use().expSum(dst, x, 0, 1)
}

// Tanh sets y[i] = tanh x[i] and, unless slope is nil, slope[i] to the derivative there, with relative errors of at most 2e-7 and
// 4e-7 (results below 1e-37 may be 0). y may be x.
func Tanh(y, slope, x []float32) {
	checkEqual("Tanh", len(y), len(x))
	use().tanh(y, slopeOr("Tanh", slope, y), x)
}

// GELU sets y[i] = x[i] Φ(x[i]), Φ being the normal distribution function (Hendrycks and Gimpel, Gaussian Error Linear Units,
// 2016, the exact form), with a relative error of at most 5e-7, and, unless slope is nil, slope[i] to the derivative there,
// with an error of at most 2e-7. Results below 1e-36 may be 0. y may be x.
func GELU(y, slope, x []float32) {
	checkEqual("GELU", len(y), len(x))
	use().gelu(y, slopeOr("GELU", slope, y), x)
}

// GELUTanh sets y[i] = x[i] (1 + tanh u) / 2, u = √(2/π) (x[i] + 0.044715 x[i]³), the approximation of GELU by the same paper,
// with an error of at most 2e-7 |x[i]|, and, unless slope is nil, slope[i] to the derivative there, with an error of at most
// 1e-6. y must not be x.
func GELUTanh(y, slope, x []float32) {
	checkEqual("GELUTanh", len(y), len(x))
	const (
		c     = 0.7978845608028654 // √(2/π)
		cubic = 0.044715
	)
	most := func(v float32) float32 { return min(max(v, -30), 30) } // where tanh is ±1, and nothing overflows
	for i, v := range x {
		v = most(v)
		y[i] = c * v * (1 + cubic*v*v)
	}
	Tanh(y, slope, y)
	for i, v := range x {
		if slope != nil {
			w := most(v)
			slope[i] = (1 + y[i] + w*slope[i]*c*(1+3*cubic*w*w)) / 2
		}
		y[i] = v * ((1 + y[i]) / 2)
	}
}

// slopeOr returns slope, or y when no slope is wanted: the kernels write an element of the slope before that of y.
func slopeOr(name string, slope, y []float32) []float32 {
	if slope == nil {
		return y
	}
	checkEqual(name, len(y), len(slope))
	return slope
}

// Max returns the greatest element of x, NaNs passed over; -Inf when there is none.
func Max(x []float32) float32 { return use().maximum(x) }

// Softmax replaces x by e^x[i] / sum_j e^x[j] and returns log sum_j e^x[j] of the input. The greatest element is taken off
// first, so nothing overflows. Elements that are -Inf get probability 0; when all are (or x is empty), the result is 0
// everywhere and the sum's logarithm is -Inf. Elements that are -Inf at the end of x change no bit of the others.
func Softmax(x []float32) float32 {
	shift, sum := softmax(x, 1)
	return shift + float32(math.Log(float64(sum)))
}

// SoftmaxScaled replaces x by the Softmax of alpha*x, alpha > 0.
func SoftmaxScaled(x []float32, alpha float32) {
	softmax(x, alpha)
}

// softmax replaces x by e^(alpha*(x[i]-shift)) / sum, and returns the greatest element, shift, and the sum of the exponentials.
func softmax(x []float32, alpha float32) (shift, sum float32) {
	shift = Max(x)
	if math.IsInf(float64(shift), -1) {
		shift = 0
	}
	sum = use().expSum(x, x, shift, alpha)
	if sum != 0 {
		use().scale(x, 1/sum, x)
	}
	return shift, sum
}

// RMSNorm scales each of the len(inv) rows of len(w) elements of x to unit root mean square, then by w (Zhang and Sennrich,
// Root Mean Square Layer Normalization, 2019): y = x*inv*w, where inv = 1/sqrt(mean(x^2) + eps) is kept for the backward pass.
// Squares are summed as Dots sums. y may be x.
func RMSNorm(y, x, w, inv []float32, eps float32) {
	checkEqual("RMSNorm", len(y), len(x))
	checkEqual("RMSNorm", len(x), len(inv)*len(w))
	use().rmsNorm(y, x, w, inv, eps)
}

// RMSNormBackward adds to dx, unless it is nil, and to dw the gradients of RMSNorm's input and weight, given the gradient dy of
// its output and what it kept. With n = x*inv, row by row:
//
//	dw += n*dy
//	dx += inv * (w*dy - n*mean(n*w*dy))
func RMSNormBackward(dx, dw, dy, x, w, inv []float32) {
	checkEqual("RMSNormBackward", len(dw), len(w))
	checkEqual("RMSNormBackward", len(dy), len(x))
	checkEqual("RMSNormBackward", len(x), len(inv)*len(w))
	if dx != nil {
		checkEqual("RMSNormBackward", len(dx), len(x))
	}
	use().rmsNormBackward(dx, dw, dy, x, w, inv)
}

// LayerNorm centres each of the len(inv) rows of len(w) elements of x, scales it to unit variance, then applies w and b (Ba,
// Kiros and Hinton, Layer Normalization, 2016): y = (x-means)*inv*w + b, where inv = 1/sqrt(variance + eps). The means and inv
// are kept for the backward pass. Sums run as in Dots; a second pass corrects the mean by what rounding left of it, so that rows far
// from 0 lose no more digits than they must (Chan, Golub and LeVeque, Algorithms for Computing the Sample Variance, 1983).
// y may be x.
func LayerNorm(y, x, w, b, means, inv []float32, eps float32) {
	checkEqual("LayerNorm", len(y), len(x))
	checkEqual("LayerNorm", len(w), len(b))
	checkEqual("LayerNorm", len(inv), len(means))
	checkEqual("LayerNorm", len(x), len(inv)*len(w))
	use().layerNorm(y, x, w, b, means, inv, eps)
}

// LayerNormBackward adds to dx, unless it is nil, dw and db the gradients of LayerNorm's input, weight and bias, given the
// gradient dy of its output and what it kept. With n = (x-means)*inv, row by row:
//
//	dw += n*dy
//	db += dy
//	dx += inv * (w*dy - mean(w*dy) - n*mean(n*w*dy))
func LayerNormBackward(dx, dw, db, dy, x, w, means, inv []float32) {
	checkEqual("LayerNormBackward", len(dw), len(w))
	checkEqual("LayerNormBackward", len(db), len(w))
	checkEqual("LayerNormBackward", len(dy), len(x))
	checkEqual("LayerNormBackward", len(inv), len(means))
	checkEqual("LayerNormBackward", len(x), len(inv)*len(w))
	if dx != nil {
		checkEqual("LayerNormBackward", len(dx), len(x))
	}
	use().layerNormBackward(dx, dw, db, dy, x, w, means, inv)
}

// Rope turns the heads that follow each other in x, each of 2*len(cos) elements, by rotary position embedding (Su et al.,
// RoFormer, 2021): elements j and len(cos)+j of a head are a point in the plane, which turns by the angle that has cosine cos[j]
// and sine sign*sin[j]. sign is 1, or -1 to turn back.
func Rope(x, cos, sin []float32, sign float32) {
	checkEqual("Rope", len(cos), len(sin))
	if head := 2 * len(cos); len(x) > 0 && (head == 0 || len(x)%head != 0) {
		panic(fmt.Sprintf("kernel: Rope: %d elements are no heads of %d", len(x), head))
	}
	use().rope(x, cos, sin, sign)
}

// SwiGLU sets dst[i] = silu(gate[i])*up[i], where silu(g) = g/(1+e^-g). dst may be gate or up.
func SwiGLU(dst, gate, up []float32) {
	checkEqual("SwiGLU", len(dst), len(gate))
	checkEqual("SwiGLU", len(dst), len(up))
	use().swiglu(dst, gate, up)
}

// SwiGLUBackward sets dgate and dup to the gradients of SwiGLU's inputs, given the gradient dy of its output, or adds them if
// accumulate.
func SwiGLUBackward(dgate, dup, dy, gate, up []float32, accumulate bool) {
	checkEqual("SwiGLUBackward", len(dy), len(dgate))
	checkEqual("SwiGLUBackward", len(dy), len(dup))
	checkEqual("SwiGLUBackward", len(dy), len(gate))
	checkEqual("SwiGLUBackward", len(dy), len(up))
	use().swigluBackward(dgate, dup, dy, gate, up, accumulate)
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
	use().adamw(p, g, m, v, gscale, lr*wd, b1, 1-b1, b2, 1-b2, lr/c1, 1/c2, eps)
}

// SumSquares returns the sum of the squares of x in float64: the sixteen partial sums of Dots, each square exact.
func SumSquares(x []float32) float64 {
	return use().sumSquares(x)
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
