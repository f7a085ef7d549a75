//go:build !purego

package kernel

import "golang.org/x/sys/cpu"

// The choice between the assembly in quantised_amd64.s (written by _asm) and the definitions in quantised_generic.go.

// quantisedSets are the kernels of quantised weights by level.
var quantisedSets = func() (sets [len(levelNames)]*quantisedKernels) {
	sets = [...]*quantisedKernels{generic: genericQuantised, avx2: genericQuantised, avx512: genericQuantised}
	if cpu.X86.HasF16C {
		sets[avx2], sets[avx512] = &avx2Quantised, &avx2Quantised
		if cpu.X86.HasAVX512VNNI {
			sets[avx512] = &avx512Quantised
		}
	}
	return sets
}()

var avx512Quantised = quantisedKernels{
	roundInputs: roundInputsAVX2,
	types: [...]blockKernels{
		int8s: {singleInt8AVX512, nil, avx512Int8Tiles},
		q4_0:  {singleQ4_0AVX512, decodeQ4_0AVX512, avx512PlainTiles},
		q4_1:  {singleQ4_1AVX512, decodeQ4_1AVX512, avx512OffsetTiles},
		q5_0:  {singleQ5_0AVX512, decodeQ5_0AVX512, avx512PlainTiles},
		q5_1:  {singleQ5_1AVX512, decodeQ5_1AVX512, avx512OffsetTiles},
		q4_K:  {singleQ4_KAVX512, decodeQ4_KAVX512, avx512OffsetTiles},
		q5_K:  {singleQ5_KAVX512, decodeQ5_KAVX512, avx512OffsetTiles},
		q6_K:  {singleQ6_KAVX512, decodeQ6_KAVX512, avx512HalvesTiles},
	},
}

var avx2Quantised = quantisedKernels{
	roundInputs: roundInputsAVX2,
	types: [...]blockKernels{
		int8s: {singleInt8AVX2, nil, avx2Int8Tiles},
		q4_0:  {singleQ4_0AVX2, decodeQ4_0AVX2, avx2PlainTiles},
		q4_1:  {singleQ4_1AVX2, decodeQ4_1AVX2, avx2OffsetTiles},
		q5_0:  {singleQ5_0AVX2, decodeQ5_0AVX2, avx2PlainTiles},
		q5_1:  {singleQ5_1AVX2, decodeQ5_1AVX2, avx2OffsetTiles},
		q4_K:  {singleQ4_KAVX2, decodeQ4_KAVX2, avx2OffsetTiles},
		q5_K:  {singleQ5_KAVX2, decodeQ5_KAVX2, avx2OffsetTiles},
		q6_K:  {singleQ6_KAVX2, decodeQ6_KAVX2, avx2HalvesTiles},
	},
}

// Tiles by the number of rows.
var (
	avx512PlainTiles = []quantisedTile{nil,
		tilePlain1AVX512, tilePlain2AVX512, tilePlain3AVX512, tilePlain4AVX512,
		tilePlain5AVX512, tilePlain6AVX512, tilePlain7AVX512, tilePlain8AVX512,
	}
	avx512OffsetTiles = []quantisedTile{nil,
		tileOffset1AVX512, tileOffset2AVX512, tileOffset3AVX512, tileOffset4AVX512,
		tileOffset5AVX512, tileOffset6AVX512, tileOffset7AVX512, tileOffset8AVX512,
	}
	avx512HalvesTiles = []quantisedTile{nil,
		tileHalves1AVX512, tileHalves2AVX512, tileHalves3AVX512, tileHalves4AVX512,
		tileHalves5AVX512, tileHalves6AVX512, tileHalves7AVX512, tileHalves8AVX512,
	}
	avx512Int8Tiles = []quantisedTile{nil,
		tileInt81AVX512, tileInt82AVX512, tileInt83AVX512, tileInt84AVX512,
		tileInt85AVX512, tileInt86AVX512, tileInt87AVX512, tileInt88AVX512,
	}
	avx2PlainTiles  = []quantisedTile{nil, tilePlain1AVX2, tilePlain2AVX2, tilePlain3AVX2}
	avx2OffsetTiles = []quantisedTile{nil, tileOffset1AVX2, tileOffset2AVX2, tileOffset3AVX2}
	avx2HalvesTiles = []quantisedTile{nil, tileHalves1AVX2, tileHalves2AVX2, tileHalves3AVX2}
	avx2Int8Tiles   = []quantisedTile{nil, tileInt81AVX2, tileInt82AVX2, tileInt83AVX2}
)
