//go:build !purego

package kernel

import (
	"os"

	"golang.org/x/sys/cpu"
)

// Products of bfloat16 matrices on the tile registers of AMX.

// amx says whether amxTile can be used. It is found out once at start (and changed by tests).
var amx = hasAMX()

// hasAMX says whether the processor has AMX with bfloat16 and the operating system lets this process use it. Any choice of an
// instruction set by NFCOT_ISA leaves it out.
func hasAMX() bool {
	const tileState = 1<<17 | 1<<18 // in XCR0: the configuration of the tiles and their contents
	x := &cpu.X86
	return os.Getenv("NFCOT_ISA") == "" && x.HasAMXTile && x.HasAMXBF16 && x.HasOSXSAVE &&
		xgetbv()&tileState == tileState && permitAMX()
}

// amxTiles returns the tiles for pairs of bfloat16, one row included: no other instruction gives a row the same bits.
func amxTiles() *tiles {
	const rows = 32
	shape := tileShape{width: 32, tile: make([]tileFunc, rows+1), copyRows: copyRows32AVX512}
	for r := 1; r <= rows; r++ {
		shape.tile[r] = amxTile(r)
	}
	return &tiles{rows: rows, wide: shape, narrow: shape, rowsOfA: true}
}

// amxTile returns the kernel for tiles of rows rows, at most 32, and up to 32 columns. It reads a and b as pairs of bfloat16,
// the element of the lower index in the low half of the bits of a float32: row i of A is the k pairs at a[i*rs], so cs is 1; b
// is a panel of k rows of 32 pairs. k is a multiple of 16.
//
// TDPBF16PS takes 16 pairs at a time: it sums the products of the low halves from 0 in ascending order, likewise those of the
// high halves, adds the two sums and then adds the result to C. Rounding is to nearest even. Denormals, of bfloat16 and of
// float32, are taken as 0 and come out as 0. So a row of C has the same bits whatever the rows around it, but not those that
// other instructions give it.
func amxTile(rows int) tileFunc {
	var configs [33][64]byte // by number of columns
	for cols := 1; cols < len(configs); cols++ {
		configs[cols] = tileConfig(rows, cols)
	}
	narrow, wide := tile16x16AMX, tile16x32AMX
	if rows > 16 {
		narrow, wide = tile32x16AMX, tile32x32AMX
	}
	return oneTile(func(_, k int, a []float32, rs, _ int, b, c []float32, ldc, cols int, load bool) {
		tile := wide
		if cols <= 16 {
			tile = narrow
		}
		tile(&configs[cols], k, a, rs, b, c, ldc, load)
	}).tiles(rows)
}

// tileConfig returns the operand of LDTILECFG for rows x cols elements of C: tile 2i+j holds the 16 rows from 16i on of the 16
// columns from 16j on, tile 4+i those rows of 16 pairs of A, tile 6+j those columns of 16 rows of the panel. Tiles have only
// the rows and columns that there are; a tile without any is left out.
func tileConfig(rows, cols int) (config [64]byte) {
	config[0] = 1 // palette 1: eight tiles of up to 16 rows of 64 bytes
	set := func(tile, rows, cols int) {
		if rows > 0 && cols > 0 {
			config[16+2*tile], config[48+tile] = byte(4*cols), byte(rows)
		}
	}
	part := func(n, i int) int { return min(max(n-16*i, 0), 16) }
	for i := range 2 {
		for j := range 2 {
			set(2*i+j, part(rows, i), part(cols, j))
		}
		set(4+i, part(rows, i), 16)
		set(6+i, 16, part(cols, i))
	}
	return config
}
