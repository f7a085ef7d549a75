//go:build !amd64 || purego

package kernel

// Without assembly the definitions are the kernels.

func bestISA() level { return generic }

func tilesOf(level) *tiles { return &genericTiles }

func transpose(dst []float32, width int, src []float32, stride, rows, n int) {
	transposeGeneric(dst, width, src, stride, rows, n)
}
func dots(dst, q, k []float32, stride int)           { dotsGeneric(dst, q, k, stride) }
func axpys(y, w, x []float32, stride int)            { axpysGeneric(y, w, x, stride) }
func outers(x []float32, stride int, w, y []float32) { outersGeneric(x, stride, w, y) }
func maximum(x []float32) float32                    { return maximumGeneric(x) }
func expSum(dst, x []float32, shift float32) float32 { return expSumGeneric(dst, x, shift) }
func scale(alpha float32, x []float32)               { scaleGeneric(alpha, x) }
func swiglu(dst, gate, up []float32)                 { swigluGeneric(dst, gate, up) }
func swigluBackward(dgate, dup, dy, gate, up []float32) {
	swigluBackwardGeneric(dgate, dup, dy, gate, up)
}
func sumSquares(x []float32) float64 { return sumSquaresGeneric(x) }
func adamw(p, g, m, v []float32, gscale, decay, b1, a1, b2, a2, step, rc2, eps float32) {
	adamwGeneric(p, g, m, v, gscale, decay, b1, a1, b2, a2, step, rc2, eps)
}
func fmas(n int) { fmasGeneric(n) }
