//go:build !purego

package kernel

import (
	"os"
	"time"

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
	rounded: &tiles{
		rows: 12,
		wide: tileShape{32, []tileFunc{nil,
			rounded1x32AVX512, rounded2x32AVX512, rounded3x32AVX512, rounded4x32AVX512, rounded5x32AVX512, rounded6x32AVX512,
			rounded7x32AVX512, rounded8x32AVX512, rounded9x32AVX512, rounded10x32AVX512, rounded11x32AVX512, rounded12x32AVX512,
		}, copyRows32AVX512},
		narrow: tileShape{16, []tileFunc{nil,
			rounded1x16AVX512, rounded2x16AVX512, rounded3x16AVX512, rounded4x16AVX512, rounded5x16AVX512, rounded6x16AVX512,
			rounded7x16AVX512, rounded8x16AVX512, rounded9x16AVX512, rounded10x16AVX512, rounded11x16AVX512, rounded12x16AVX512,
		}, copyRows16AVX512},
	},
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

// pairsFaster says whether the tiles of pairs are faster than the rounded ones. It is found out once at start (and changed by
// tests); a matrix unit always is.
var pairsFaster = amx || comparePairs()

// comparePairs tries both on some numbers, in a few ten microseconds: VDPBF16PS does twice the work of a multiply-add, but takes
// from as long (Zen 5) to four times as long (Emerald Rapids).
func comparePairs() bool {
	if isa != avx512 || avx512Tiles.pairs == nil {
		return false
	}
	const rounds, pairs, rows, cols = 10, 64, 12, 32
	a, b, c := make([]float32, rows*2*pairs), make([]float32, cols*2*pairs), make([]float32, rows*cols)
	least := [2]time.Duration{time.Hour, time.Hour}
	for range rounds {
		for i, tiles := range []*tiles{avx512Tiles.pairs, avx512Tiles.rounded} {
			start, steps := time.Now(), (i+1)*pairs
			tiles.wide.tile[rows](1, steps, a, steps, 1, b, c, cols, cols, false)
			least[i] = min(least[i], time.Since(start))
		}
	}
	return least[0] < least[1]
}

var avx2Tiles = tiles{
	rows: 6,
	wide: tileShape{16, []tileFunc{nil,
		tile1x16AVX2, tile2x16AVX2, tile3x16AVX2, tile4x16AVX2, tile5x16AVX2, tile6x16AVX2,
	}, copyRows16AVX2},
	narrow: tileShape{8, []tileFunc{nil,
		tile1x8AVX2, tile2x8AVX2, tile3x8AVX2, tile4x8AVX2, tile5x8AVX2, tile6x8AVX2,
	}, copyRows8AVX2},
	rounded: &tiles{
		rows: 6,
		wide: tileShape{16, []tileFunc{nil,
			rounded1x16AVX2, rounded2x16AVX2, rounded3x16AVX2, rounded4x16AVX2, rounded5x16AVX2, rounded6x16AVX2,
		}, copyRows16AVX2},
		narrow: tileShape{8, []tileFunc{nil,
			rounded1x8AVX2, rounded2x8AVX2, rounded3x8AVX2, rounded4x8AVX2, rounded5x8AVX2, rounded6x8AVX2,
		}, copyRows8AVX2},
	},
	singles: [...]*singleFuncs{{singleF321AVX2, singleF322AVX2}, {singleBF161AVX2, singleBF162AVX2}, {singleInt81AVX2, singleInt82AVX2}},
}

// sets are the kernels by level.
var sets = [...]kernels{
	generic: definitions,
	avx2: {
		tiles:             &avx2Tiles,
		dots:              dotsAVX2,
		axpy:              axpyAVX2,
		axpys:             axpysAVX2,
		maximum:           maximumAVX2,
		expSum:            expSumAVX2,
		scale:             scaleAVX2,
		swiglu:            swigluAVX2,
		swigluBackward:    swigluBackwardAVX2,
		sumSquares:        sumSquaresAVX2,
		adamw:             adamwAVX2,
		fmas:              fmasAVX2,
		add:               addAVX2,
		mul:               mulAVX2,
		mulAdd:            mulAddAVX2,
		tanh:              tanhAVX2,
		gelu:              geluAVX2,
		softmaxAgain:      softmaxAgainAVX2,
		rmsNorm:           rmsNormAVX2,
		rmsNormBackward:   rmsNormBackwardAVX2,
		layerNorm:         layerNormAVX2,
		layerNormBackward: layerNormBackwardAVX2,
		rope:              ropeAVX2,
		roundWords:        roundPairsAVX2,
		roundRows:         roundRowsAVX2,
		pairUp:            pairUpAVX2,
	},
	avx512: {
		tiles:             &avx512Tiles,
		dots:              dotsAVX512,
		axpy:              axpyAVX512,
		axpys:             axpysAVX512,
		maximum:           maximumAVX512,
		expSum:            expSumAVX512,
		scale:             scaleAVX512,
		swiglu:            swigluAVX512,
		swigluBackward:    swigluBackwardAVX512,
		sumSquares:        sumSquaresAVX512,
		adamw:             adamwAVX512,
		fmas:              fmasAVX512,
		add:               addAVX512,
		mul:               mulAVX512,
		mulAdd:            mulAddAVX512,
		tanh:              tanhAVX512,
		gelu:              geluAVX512,
		softmaxAgain:      softmaxAgainAVX512,
		rmsNorm:           rmsNormAVX512,
		rmsNormBackward:   rmsNormBackwardAVX512,
		layerNorm:         layerNormAVX512,
		layerNormBackward: layerNormBackwardAVX512,
		rope:              ropeAVX512,
		roundWords:        roundPairsAVX512,
		roundRows:         roundRowsAVX512,
		pairUp:            pairUpAVX512,
	},
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
