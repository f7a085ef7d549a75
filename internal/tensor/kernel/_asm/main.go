// Command asm writes the assembly kernels of package kernel. Run it in this folder:
//
//	go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg kernel
//	go run . -quantised -out ../quantised_amd64.s -stubs ../quantised_amd64.go -pkg kernel
//
// Every kernel is written once, in terms of a machine (machine.go), and generated for AVX-512 and for AVX2. The order of
// every sum is that of the Generic versions in package kernel. Only the products on AMX (amx.go) are apart from this.
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	quantised := flag.Bool("quantised", false, "write the kernels of quantised weights, in place of all others")
	flag.Parse()
	ConstraintExpr("!purego")
	if *quantised {
		quantisedKernels()
	} else {
		kernels()
	}
	Generate()
}

// kernels writes all that quantisedKernels does not.
func kernels() {
	constants()
	for _, m := range []*machine{avx512, avx2} {
		for vectors := 1; vectors <= 2; vectors++ {
			for rows := 1; rows <= m.tileRows; rows++ {
				m.tile("tile", rows, vectors, floats)
				m.tileRounded(rows, vectors)
			}
			m.copyRows(vectors)
		}
		m.dots()
		m.axpy()
		m.axpys()
		m.max()
		m.expSum()
		m.scale()
		m.binary("add", VADDPS)
		m.binary("mul", VMULPS)
		m.mulAdd()
		m.tanh()
		m.gelu()
		m.softmaxAgain()
		m.rmsNorm()
		m.rmsNormBackward()
		m.layerNorm()
		m.layerNormBackward()
		m.rope()
		m.swiglu()
		m.swigluBackward()
		m.adamw()
		m.sumSquares()
		m.fmas()
	}
	transpose8()
	for rows := 1; rows <= avx512.tileRows; rows++ {
		avx512.tile("pairs", rows, 2, dotPairs)
	}
	for panels := 1; panels <= 2; panels++ {
		avx512.singleWords("Pairs", panels, dotPairs)
	}
	for _, m := range []*machine{avx512, avx2} {
		m.roundPairs()
		m.pairUp()
		m.roundRows()
		m.widenPairs()
		m.widenInt8()
		m.roundInt8()
		for panels := 1; panels <= 2; panels++ {
			m.singleWords("F32", panels, floats)
			m.singleBF16(panels)
			m.singleInt8(panels)
		}
	}
	for rowTiles := 1; rowTiles <= 2; rowTiles++ {
		for colTiles := 1; colTiles <= 2; colTiles++ {
			amxTile(rowTiles, colTiles)
		}
	}
	xgetbv()
}
