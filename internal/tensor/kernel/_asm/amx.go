package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// amxTile writes a GEMM micro-kernel on the tile registers of AMX, tile<rows>x<columns>: it adds to a tile of C (or to 0,
// unless load) the product of rows of A, rs apart, and a packed panel of B that is 32 wide. The elements of A and B are pairs
// of bfloat16; k counts them and is a multiple of 16. How many of the rows and columns there are says config, which tileConfig
// of package kernel makes: nothing else is read or written.
func amxTile(rowTiles, colTiles int) {
	TEXT(fmt.Sprintf("tile%dx%dAMX", 16*rowTiles, 16*colTiles), NOSPLIT,
		"func(config *[64]byte, k int, a []float32, rs int, b, c []float32, ldc int, load bool)")
	Pragma("noescape")
	// The registers are chosen here, because avo does not see what the instructions of AMX read.
	config, k, load, strideB := reg.RAX, reg.RDI, reg.AL, reg.R11
	a := []reg.GPPhysical{reg.RSI, reg.R10} // the rows from 0 and from 16 on
	c := []reg.GPPhysical{reg.R8, reg.RBX}
	rs, b, ldc := reg.RDX, reg.RCX, reg.R9
	const tileBytes, panelBytes = 64, 128 // of a row of a tile and of a row of the panel

	Load(Param("config"), config)
	ldtilecfg(config)
	Load(Param("c").Base(), c[0])
	Load(Param("ldc"), ldc)
	SHLQ(Imm(2), ldc)
	Load(Param("a").Base(), a[0])
	Load(Param("rs"), rs)
	SHLQ(Imm(2), rs)
	if rowTiles > 1 {
		for _, x := range []struct {
			base   []reg.GPPhysical
			stride reg.GPPhysical
		}{{c, ldc}, {a, rs}} {
			MOVQ(x.stride, x.base[1])
			SHLQ(Imm(4), x.base[1])
			ADDQ(x.base[0], x.base[1])
		}
	}
	Load(Param("b").Base(), b)
	MOVQ(U32(panelBytes), strideB)

	tilesOfC := func(f func(i, j int)) {
		for i := range rowTiles {
			for j := range colTiles {
				f(i, j)
			}
		}
	}
	Load(Param("load"), load)
	TESTB(load, load)
	JNZ(LabelRef("old"))
	tilesOfC(func(i, j int) { tilezero(tmmC(i, j)) })
	JMP(LabelRef("product"))
	Label("old")
	tilesOfC(func(i, j int) { tileloadd(c[i], ldc, tileBytes*j, tmmC(i, j)) })

	Label("product")
	Load(Param("k"), k)
	SHRQ(Imm(4), k)
	JZ(LabelRef("store"))
	Label("step")
	for j := range colTiles {
		tileloadd(b, strideB, tileBytes*j, tmmB(j))
	}
	for i := range rowTiles {
		tileloadd(a[i], rs, 0, tmmA(i))
		for j := range colTiles {
			tdpbf16ps(tmmB(j), tmmA(i), tmmC(i, j))
		}
	}
	for i := range rowTiles {
		ADDQ(Imm(tileBytes), a[i])
	}
	ADDQ(U32(16*panelBytes), b)
	DECQ(k)
	JNZ(LabelRef("step"))

	Label("store")
	tilesOfC(func(i, j int) { tilestored(tmmC(i, j), c[i], ldc, tileBytes*j) })
	tilerelease()
	RET()
}

// xgetbv writes the function that returns the low half of XCR0: which registers the operating system saves.
func xgetbv() {
	TEXT("xgetbv", NOSPLIT, "func() (xcr0 uint32)")
	XORL(reg.ECX, reg.ECX)
	XGETBV()
	Store(reg.EAX, ReturnIndex(0))
	RET()
}

// The parts of the tile registers in amxTile, as tileConfig has them too: four tiles of C, two of A, two of B.
func tmmC(i, j int) int { return 2*i + j }
func tmmA(i int) int    { return 4 + i }
func tmmB(j int) int    { return 6 + j }

// The instructions of AMX, which avo and Go's assembler do not know, are written as bytes. Sources come before destinations;
// the formats are those of volume 2 of Intel's Software Developer's Manual. All have the prefix VEX.128 with opcode map 0F38
// and W = 0; they differ in the prefix pp that it implies.
const (
	ppNone = 0
	ppF3   = 2
	ppF2   = 3
)

func ldtilecfg(base reg.GPPhysical) {
	amx(fmt.Sprintf("LDTILECFG (%s)", base.Asm()), vex(ppNone, 0, 0, base.PhysicalIndex()), 0x49, modRM(0, 0, int(base.PhysicalIndex()&7)))
}

func tilerelease() { amx("TILERELEASE", vex(ppNone, 0, 0, 0), 0x49, modRM(3, 0, 0)) }

func tilezero(t int) { amx(fmt.Sprintf("TILEZERO T%d", t), vex(ppF2, 0, 0, 0), 0x49, modRM(3, t, 0)) }

func tileloadd(base, stride reg.GPPhysical, offset, t int) {
	tileMemory(fmt.Sprintf("TILELOADD %s, T%d", address(base, stride, offset), t), ppF2, base, stride, offset, t)
}

func tilestored(t int, base, stride reg.GPPhysical, offset int) {
	tileMemory(fmt.Sprintf("TILESTORED T%d, %s", t, address(base, stride, offset)), ppF3, base, stride, offset, t)
}

// tdpbf16ps adds to tile c the product of tiles a and b.
func tdpbf16ps(b, a, c int) {
	amx(fmt.Sprintf("TDPBF16PS T%d, T%d, T%d", b, a, c), vex(ppF3, b, 0, 0), 0x5C, modRM(3, c, a))
}

func address(base, stride reg.GPPhysical, offset int) string {
	return fmt.Sprintf("%d(%s)(%s*1)", offset, base.Asm(), stride.Asm())
}

// tileMemory writes an instruction that moves tile t, whose rows lie stride apart from base+offset on.
func tileMemory(text string, pp int, base, stride reg.GPPhysical, offset, t int) {
	b, s := base.PhysicalIndex(), stride.PhysicalIndex()
	sib := byte(s&7<<3 | b&7)
	amx(text, vex(pp, 0, s, b), 0x4B, modRM(1, t, 4), sib, byte(offset))
}

// vex returns the VEX prefix for a third register operand and for the registers of an address (0 where there is none). It has
// all of them inverted.
func vex(pp, third int, index, base reg.Index) [3]byte {
	return [3]byte{0xC4, 0xE2 ^ byte(index>>3<<6|base>>3<<5), byte((15-third)<<3 | pp)}
}

func modRM(mod, r, rm int) byte { return byte(mod<<6 | r<<3 | rm) }

func amx(text string, vex [3]byte, code ...byte) {
	Comment(text)
	for _, b := range append(vex[:], code...) {
		Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []Op{U8(b)}})
	}
}
