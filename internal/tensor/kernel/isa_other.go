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
func expSum(dst, x []float32, shift, alpha float32) float32 {
	return expSumGeneric(dst, x, shift, alpha)
}
func scale(dst []float32, alpha float32, x []float32) { scaleGeneric(dst, alpha, x) }
func swiglu(dst, gate, up []float32)                  { swigluGeneric(dst, gate, up) }
func swigluBackward(dgate, dup, dy, gate, up []float32, accumulate bool) {
	swigluBackwardGeneric(dgate, dup, dy, gate, up, accumulate)
}
func sumSquares(x []float32) float64 { return sumSquaresGeneric(x) }
func adamw(p, g, m, v []float32, gscale, decay, b1, a1, b2, a2, step, rc2, eps float32) {
	adamwGeneric(p, g, m, v, gscale, decay, b1, a1, b2, a2, step, rc2, eps)
}
func fmas(n int)                 { fmasGeneric(n) }
func add(dst, a, b []float32)    { addGeneric(dst, a, b) }
func mul(dst, a, b []float32)    { mulGeneric(dst, a, b) }
func mulAdd(dst, a, b []float32) { mulAddGeneric(dst, a, b) }
func tanh(y, slope, x []float32) { tanhGeneric(y, slope, x) }
func gelu(y, slope, x []float32) { geluGeneric(y, slope, x) }
func softmaxBackward(ds, p []float32, mean, alpha float32) {
	softmaxBackwardGeneric(ds, p, mean, alpha)
}
func rmsNorm(y, x, w, inv []float32, eps float32) { rmsNormGeneric(y, x, w, inv, eps) }
func rmsNormBackward(dx, dw, dy, x, w, inv []float32) {
	rmsNormBackwardGeneric(dx, dw, dy, x, w, inv)
}
func layerNorm(y, x, w, b, means, inv []float32, eps float32) {
	layerNormGeneric(y, x, w, b, means, inv, eps)
}
func layerNormBackward(dx, dw, db, dy, x, w, means, inv []float32) {
	layerNormBackwardGeneric(dx, dw, db, dy, x, w, means, inv)
}
func rope(x, cos, sin []float32, sign float32) { ropeGeneric(x, cos, sin, sign) }
func roundWords(dst, src []float32)            { roundPairsGeneric(dst, src) }
func pairUp(dst []float32, width int, src []float32, stride, cols, n int) {
	pairUpGeneric(dst, width, src, stride, cols, n)
}
func widenPairs(dst, src []float32, width, n int) { widenPairsGeneric(dst, src, width, n) }
func widenInt8(dst, src []float32, width, n int)  { widenInt8Generic(dst, src, width, n) }
func roundInt8(dst, src []float32, width, n int)  { roundInt8Generic(dst, src, width, n) }
