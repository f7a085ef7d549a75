//go:build !purego

package kernel

import (
	"os"

	"golang.org/x/sys/cpu"
)

// The choice between the assembly in kernels_amd64.s (written by _asm) and the definitions in generic.go.

func bestISA() level {
	best := generic
	x := &cpu.X86
	if x.HasAVX2 && x.HasFMA && x.HasBMI2 {
		best = avx2
		if x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512BW {
			best = avx512
		}
	}
	for l, name := range levelNames {
		if name == os.Getenv("NFCOT_ISA") {
			best = min(best, level(l))
		}
	}
	return best
}

var avx512Tiles = tiles{
	rows: 12,
	wide: tileShape{32, []tileFunc{nil,
		tile1x32AVX512, tile2x32AVX512, tile3x32AVX512, tile4x32AVX512, tile5x32AVX512, tile6x32AVX512,
		tile7x32AVX512, tile8x32AVX512, tile9x32AVX512, tile10x32AVX512, tile11x32AVX512, tile12x32AVX512,
	}, copyRows32AVX512},
	narrow: tileShape{16, []tileFunc{nil,
		tile1x16AVX512, tile2x16AVX512, tile3x16AVX512, tile4x16AVX512, tile5x16AVX512, tile6x16AVX512,
		tile7x16AVX512, tile8x16AVX512, tile9x16AVX512, tile10x16AVX512, tile11x16AVX512, tile12x16AVX512,
	}, copyRows16AVX512},
	pairs:   pairTiles(),
	singles: [...]*singleFuncs{{singleF321AVX512, singleF322AVX512}, {singleBF161AVX512, singleBF162AVX512}, {singleInt81AVX512, singleInt82AVX512}},
}

// pairTiles returns the tiles for pairs of bfloat16, nil if the processor does not multiply them.
func pairTiles() *tiles {
	if amx {
		return amxTiles()
	}
	if !cpu.X86.HasAVX512BF16 {
		return nil
	}
	shape := tileShape{32, []tileFunc{nil,
		pairs1x32AVX512, pairs2x32AVX512, pairs3x32AVX512, pairs4x32AVX512, pairs5x32AVX512, pairs6x32AVX512,
		pairs7x32AVX512, pairs8x32AVX512, pairs9x32AVX512, pairs10x32AVX512, pairs11x32AVX512, pairs12x32AVX512,
	}, copyRows32AVX512}
	return &tiles{rows: 12, wide: shape, narrow: shape, singles: [...]*singleFuncs{BF16: {singlePairs1AVX512, singlePairs2AVX512}, Int8: nil}}
}

var avx2Tiles = tiles{
	rows: 6,
	wide: tileShape{16, []tileFunc{nil,
		tile1x16AVX2, tile2x16AVX2, tile3x16AVX2, tile4x16AVX2, tile5x16AVX2, tile6x16AVX2,
	}, copyRows16AVX2},
	narrow: tileShape{8, []tileFunc{nil,
		tile1x8AVX2, tile2x8AVX2, tile3x8AVX2, tile4x8AVX2, tile5x8AVX2, tile6x8AVX2,
	}, copyRows8AVX2},
	singles: [...]*singleFuncs{{singleF321AVX2, singleF322AVX2}, {singleBF161AVX2, singleBF162AVX2}, {singleInt81AVX2, singleInt82AVX2}},
}

func tilesOf(l level) *tiles {
	switch l {
	case avx512:
		return &avx512Tiles
	case avx2:
		return &avx2Tiles
	}
	return &genericTiles
}

// transpose is transposeGeneric; the assembly does whole blocks of 8 x 8.
func transpose(dst []float32, width int, src []float32, stride, rows, n int) {
	if isa == generic {
		transposeGeneric(dst, width, src, stride, rows, n)
		return
	}
	rows8, n8 := rows&^7, n&^7
	for i := 0; i < rows8 && n8 > 0; i += 8 {
		transpose8(dst[i:], width, src[i*stride:], stride, n8)
	}
	if rows8 > 0 && n8 < n {
		transposeGeneric(dst[n8*width:], width, src[n8:], stride, rows8, n-n8)
	}
	if rows8 < rows {
		transposeGeneric(dst[rows8:], width, src[rows8*stride:], stride, rows-rows8, n)
	}
}

func dots(dst, q, k []float32, stride int) {
	switch isa {
	case avx512:
		dotsAVX512(dst, q, k, stride)
	case avx2:
		dotsAVX2(dst, q, k, stride)
	default:
		dotsGeneric(dst, q, k, stride)
	}
}

func axpys(y, w, x []float32, stride int) {
	switch isa {
	case avx512:
		axpysAVX512(y, w, x, stride)
	case avx2:
		axpysAVX2(y, w, x, stride)
	default:
		axpysGeneric(y, w, x, stride)
	}
}

func outers(x []float32, stride int, w, y []float32) {
	switch isa {
	case avx512:
		outersAVX512(x, stride, w, y)
	case avx2:
		outersAVX2(x, stride, w, y)
	default:
		outersGeneric(x, stride, w, y)
	}
}

func maximum(x []float32) float32 {
	switch isa {
	case avx512:
		return maximumAVX512(x)
	case avx2:
		return maximumAVX2(x)
	default:
		return maximumGeneric(x)
	}
}

func expSum(dst, x []float32, shift, alpha float32) float32 {
	switch isa {
	case avx512:
		return expSumAVX512(dst, x, shift, alpha)
	case avx2:
		return expSumAVX2(dst, x, shift, alpha)
	default:
		return expSumGeneric(dst, x, shift, alpha)
	}
}

func scale(dst []float32, alpha float32, x []float32) {
	switch isa {
	case avx512:
		scaleAVX512(dst, alpha, x)
	case avx2:
		scaleAVX2(dst, alpha, x)
	default:
		scaleGeneric(dst, alpha, x)
	}
}

func swiglu(dst, gate, up []float32) {
	switch isa {
	case avx512:
		swigluAVX512(dst, gate, up)
	case avx2:
		swigluAVX2(dst, gate, up)
	default:
		swigluGeneric(dst, gate, up)
	}
}

func swigluBackward(dgate, dup, dy, gate, up []float32, accumulate bool) {
	switch isa {
	case avx512:
		swigluBackwardAVX512(dgate, dup, dy, gate, up, accumulate)
	case avx2:
		swigluBackwardAVX2(dgate, dup, dy, gate, up, accumulate)
	default:
		swigluBackwardGeneric(dgate, dup, dy, gate, up, accumulate)
	}
}

func sumSquares(x []float32) float64 {
	switch isa {
	case avx512:
		return sumSquaresAVX512(x)
	case avx2:
		return sumSquaresAVX2(x)
	default:
		return sumSquaresGeneric(x)
	}
}

func adamw(p, g, m, v []float32, gscale, decay, b1, a1, b2, a2, step, rc2, eps float32) {
	switch isa {
	case avx512:
		adamwAVX512(p, g, m, v, gscale, decay, b1, a1, b2, a2, step, rc2, eps)
	case avx2:
		adamwAVX2(p, g, m, v, gscale, decay, b1, a1, b2, a2, step, rc2, eps)
	default:
		adamwGeneric(p, g, m, v, gscale, decay, b1, a1, b2, a2, step, rc2, eps)
	}
}

func fmas(n int) {
	switch isa {
	case avx512:
		fmasAVX512(n)
	case avx2:
		fmasAVX2(n)
	default:
		fmasGeneric(n)
	}
}

func add(dst, a, b []float32) {
	switch isa {
	case avx512:
		addAVX512(dst, a, b)
	case avx2:
		addAVX2(dst, a, b)
	default:
		addGeneric(dst, a, b)
	}
}

func mul(dst, a, b []float32) {
	switch isa {
	case avx512:
		mulAVX512(dst, a, b)
	case avx2:
		mulAVX2(dst, a, b)
	default:
		mulGeneric(dst, a, b)
	}
}

func mulAdd(dst, a, b []float32) {
	switch isa {
	case avx512:
		mulAddAVX512(dst, a, b)
	case avx2:
		mulAddAVX2(dst, a, b)
	default:
		mulAddGeneric(dst, a, b)
	}
}

func tanh(y, slope, x []float32) {
	switch isa {
	case avx512:
		tanhAVX512(y, slope, x)
	case avx2:
		tanhAVX2(y, slope, x)
	default:
		tanhGeneric(y, slope, x)
	}
}

func gelu(y, slope, x []float32) {
	switch isa {
	case avx512:
		geluAVX512(y, slope, x)
	case avx2:
		geluAVX2(y, slope, x)
	default:
		geluGeneric(y, slope, x)
	}
}

func softmaxBackward(ds, p []float32, mean, alpha float32) {
	switch isa {
	case avx512:
		softmaxBackwardAVX512(ds, p, mean, alpha)
	case avx2:
		softmaxBackwardAVX2(ds, p, mean, alpha)
	default:
		softmaxBackwardGeneric(ds, p, mean, alpha)
	}
}

func rmsNorm(y, x, w, inv []float32, eps float32) {
	switch isa {
	case avx512:
		rmsNormAVX512(y, x, w, inv, eps)
	case avx2:
		rmsNormAVX2(y, x, w, inv, eps)
	default:
		rmsNormGeneric(y, x, w, inv, eps)
	}
}

func rmsNormBackward(dx, dw, dy, x, w, inv []float32) {
	switch isa {
	case avx512:
		rmsNormBackwardAVX512(dx, dw, dy, x, w, inv)
	case avx2:
		rmsNormBackwardAVX2(dx, dw, dy, x, w, inv)
	default:
		rmsNormBackwardGeneric(dx, dw, dy, x, w, inv)
	}
}

func layerNorm(y, x, w, b, means, inv []float32, eps float32) {
	switch isa {
	case avx512:
		layerNormAVX512(y, x, w, b, means, inv, eps)
	case avx2:
		layerNormAVX2(y, x, w, b, means, inv, eps)
	default:
		layerNormGeneric(y, x, w, b, means, inv, eps)
	}
}

func layerNormBackward(dx, dw, db, dy, x, w, means, inv []float32) {
	switch isa {
	case avx512:
		layerNormBackwardAVX512(dx, dw, db, dy, x, w, means, inv)
	case avx2:
		layerNormBackwardAVX2(dx, dw, db, dy, x, w, means, inv)
	default:
		layerNormBackwardGeneric(dx, dw, db, dy, x, w, means, inv)
	}
}

func rope(x, cos, sin []float32, sign float32) {
	switch isa {
	case avx512:
		ropeAVX512(x, cos, sin, sign)
	case avx2:
		ropeAVX2(x, cos, sin, sign)
	default:
		ropeGeneric(x, cos, sin, sign)
	}
}

func roundWords(dst, src []float32) {
	switch isa {
	case avx512:
		roundPairsAVX512(dst, src)
	case avx2:
		roundPairsAVX2(dst, src)
	default:
		roundPairsGeneric(dst, src)
	}
}

func pairUp(dst []float32, width int, src []float32, stride, cols, n int) {
	switch isa {
	case avx512:
		pairUpAVX512(dst, width, src, stride, cols, n)
	case avx2:
		pairUpAVX2(dst, width, src, stride, cols, n)
	default:
		pairUpGeneric(dst, width, src, stride, cols, n)
	}
}

func widenPairs(dst, src []float32, width, n int) {
	switch width {
	case 32:
		widenPairs32AVX512(dst, src, n)
	case 16:
		widenPairs16AVX2(dst, src, n)
	default:
		widenPairsGeneric(dst, src, width, n)
	}
}

func widenInt8(dst, src []float32, width, n int) {
	switch width {
	case 32:
		widenInt832AVX512(dst, src, n)
	case 16:
		widenInt816AVX2(dst, src, n)
	default:
		widenInt8Generic(dst, src, width, n)
	}
}

func roundInt8(dst, src []float32, width, n int) {
	switch width {
	case 32:
		roundInt832AVX512(dst, src, n)
	case 16:
		roundInt816AVX2(dst, src, n)
	default:
		roundInt8Generic(dst, src, width, n)
	}
}
