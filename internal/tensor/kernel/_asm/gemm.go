package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tile writes a GEMM micro-kernel, <name><rows>x<columns>: it adds to each of n tiles of C below each other (or to 0, unless load)
// the product of rows rows of A and a packed panel of B that is some vectors wide. A's element (i,k) lies at a[i*rs+k*cs], C's
// rows ldc apart, and only the first cols columns of C are read and written. Every element of C is one chain of multiply-adds, k ascending.
//
// Each step asks for what the tile below needs of A: of a transposed A, a row in each step, that is all, and the processor alone would
// not know; the gradients of weights were 0.65 times as fast as products whose A lies in the second-level cache.
func (m *machine) tile(name string, rows, vectors int, multiplyAdd func(b, a, acc Op)) {
	m.text(fmt.Sprintf("%s%dx%d", name, rows, vectors*m.width), tileSignature)
	m.tileBody(rows, vectors, func(k, rs, cs, b reg.Register, bases []reg.Register, step func(u int)) {
		below := GP64() // the last row of the tile below
		IMUL3Q(U32(uint32(2*rows-1)), rs, below)
		ADDQ(bases[0], below)
		pointers := append([]reg.Register{below}, bases...)
		unrolled(k, "", func(u int) {
			PREFETCHT1(Mem{Base: below})
			step(u)
			for _, p := range pointers {
				ADDQ(cs, p)
			}
		}, func(steps int) { ADDQ(U32(uint32(4*m.width*vectors*steps)), b) })
	}, multiplyAdd)
	ret()
}

// tileRounded writes rounded<rows>x<columns>, a tile for factors that are rounded to bfloat16: steps 2p and 2p+1 along k are a
// pair, of which the second is taken first, and subnormal numbers are taken for 0 and come out as 0. k is a multiple of 4.
func (m *machine) tileRounded(rows, vectors int) {
	m.text(fmt.Sprintf("rounded%dx%d", rows, vectors*m.width), tileSignature)
	end := flushSubnormals()
	m.tileBody(rows, vectors, func(k, _, cs, b reg.Register, bases []reg.Register, step func(u int)) {
		cs3 := GP64()
		LEAQ(Mem{Base: cs, Index: cs, Scale: 2}, cs3)
		for _, p := range bases {
			ADDQ(cs, p)
		}
		Label("pairs")
		for pair := range 2 {
			step(2*pair + 1)
			for _, p := range bases {
				SUBQ(cs, p)
			}
			step(2 * pair)
			for _, p := range bases {
				ADDQ(cs3, p)
			}
		}
		ADDQ(U32(uint32(4*4*m.width*vectors)), b)
		SUBQ(Imm(4), k)
		JNZ(LabelRef("pairs"))
	}, floats)
	end()
	ret()
}

// flushSubnormals has the function take subnormal numbers for 0 until the code that end writes.
func flushSubnormals() (end func()) {
	const daz, ftz = 1 << 6, 1 << 15
	old := AllocLocal(8)
	flush, bits := old.Offset(4), GP32()
	STMXCSR(old)
	MOVL(old, bits)
	ORL(U32(daz|ftz), bits)
	MOVL(bits, flush)
	LDMXCSR(flush)
	return func() { LDMXCSR(old) }
}

// tileBody writes what tiles have in common: product does the steps, of which step(u) adds row u behind b of the panel times the
// column of A at bases to the sums.
func (m *machine) tileBody(rows, vectors int, product func(k, rs, cs, b reg.Register, bases []reg.Register, step func(u int)),
	multiplyAdd func(b, a, acc Op)) {
	left, nextA, nextC := AllocLocal(8), AllocLocal(8), AllocLocal(8)
	MOVQ(Load(Param("n"), GP64()), left)
	MOVQ(Load(Param("a").Base(), GP64()), nextA)
	MOVQ(Load(Param("c").Base(), GP64()), nextC)
	Label("tile")
	m.oneTile(rows, vectors, nextA, nextC, product, multiplyAdd)
	below := func(stride string, next Mem) {
		bytes := Load(Param(stride), GP64())
		IMUL3Q(U32(uint32(4*rows)), bytes, bytes)
		ADDQ(bytes, next)
	}
	below("rs", nextA)
	below("ldc", nextC)
	DECQ(left)
	JNZ(LabelRef("tile"))
}

// oneTile writes the code for the tile of C whose address is in nextC and whose rows of A begin at the address in nextA.
func (m *machine) oneTile(rows, vectors int, nextA, nextC Mem,
	product func(k, rs, cs, b reg.Register, bases []reg.Register, step func(u int)), multiplyAdd func(b, a, acc Op)) {
	acc := func(i, j int) Op { return m.v[i*vectors+j] }
	free := m.v[rows*vectors:]
	bv, av := free[:vectors], free[vectors:vectors+2]

	c := GP64()
	MOVQ(nextC, c)
	ldc, cols := Load(Param("ldc"), GP64()), Load(Param("cols"), GP64())
	SHLQ(Imm(2), ldc)
	m.prefetchBelow(rows, vectors, c, ldc)
	load := Load(Param("load"), GP8())
	TESTB(load, load)
	JNZ(LabelRef("old"))
	for i := range rows * vectors {
		m.zero(m.v[i])
	}
	JMP(LabelRef("product"))
	Label("old")
	m.tileC(rows, vectors, c, ldc, cols, "old", func(p Mem, i, j int, masked bool) { m.load(p, j, acc(i, j), masked) })

	Label("product")
	a := GP64()
	MOVQ(nextA, a)
	k, b := Load(Param("k"), GP64()), Load(Param("b").Base(), GP64())
	rs, cs := Load(Param("rs"), GP64()), Load(Param("cs"), GP64())
	SHLQ(Imm(2), rs)
	SHLQ(Imm(2), cs)
	bases, row := rowAddresses(a, rs, rows)
	product(k, rs, cs, b, bases, func(u int) {
		for j := range vectors {
			VMOVUPS(m.at(Mem{Base: b}, vectors*u+j), bv[j])
		}
		for i := range rows {
			VBROADCASTSS(row(i), av[i%2])
			for j := range vectors {
				multiplyAdd(bv[j], av[i%2], acc(i, j))
			}
		}
	})

	Label("store")
	m.tileC(rows, vectors, c, ldc, cols, "store", func(p Mem, i, j int, masked bool) { m.store(acc(i, j), p, j, masked) })
}

const tileSignature = "n, k int, a []float32, rs, cs int, b, c []float32, ldc, cols int, load bool"

// floats is the multiply-add of tiles of float32.
func floats(b, a, acc Op) { VFMADD231PS(b, a, acc) }

// tileC calls f for every vector of the tile of C: on AVX-512 always masked, which costs nothing there, on AVX2 only when the
// tile is not full (its masked stores are slow, and the masks live in registers that are free only outside the product).
func (m *machine) tileC(rows, vectors int, c, ldc, cols reg.Register, label string, f func(p Mem, i, j int, masked bool)) {
	pass := func(masked bool) {
		p := GP64()
		MOVQ(c, p)
		for i := range rows {
			for j := range vectors {
				f(Mem{Base: p}, i, j, masked)
			}
			if i+1 < rows {
				ADDQ(ldc, p)
			}
		}
	}
	n := GP64()
	if m == avx512 {
		MOVQ(cols, n)
		m.masks(n, vectors)
		pass(true)
		return
	}
	CMPQ(cols, Imm(uint64(m.width*vectors)))
	JEQ(LabelRef(label + "Full"))
	MOVQ(cols, n)
	m.masks(n, vectors)
	pass(true)
	JMP(LabelRef(label + "End"))
	Label(label + "Full")
	pass(false)
	Label(label + "End")
}

// prefetchBelow fetches the tile of C below this one, which comes next: its rows may lie pages apart, and the product could not
// start before they are there. Where there is no such tile, this does nothing.
func (m *machine) prefetchBelow(rows, vectors int, c, ldc reg.Register) {
	p := GP64()
	IMUL3Q(U32(uint32(rows)), ldc, p)
	ADDQ(c, p)
	for i := range rows {
		for line := 0; line < 4*m.width*vectors; line += 64 {
			PREFETCHT0(Mem{Base: p}.Offset(line))
		}
		if i+1 < rows {
			ADDQ(ldc, p)
		}
	}
}

// rowAddresses returns the addresses of rows that lie rs bytes apart from a on, as seven to a base register, and the bases.
func rowAddresses(a, rs reg.Register, rows int) (bases []reg.Register, row func(i int) Mem) {
	const perBase = 7
	rs3, rs5 := GP64(), GP64()
	if rows > 3 {
		LEAQ(Mem{Base: rs, Index: rs, Scale: 2}, rs3)
	}
	if rows > 5 {
		LEAQ(Mem{Base: rs, Index: rs, Scale: 4}, rs5)
	}
	bases = []reg.Register{a}
	if rows > perBase {
		second := GP64()
		LEAQ(Mem{Base: a, Index: rs5, Scale: 1}, second)
		LEAQ(Mem{Base: second, Index: rs, Scale: 2}, second)
		bases = append(bases, second)
	}
	return bases, func(i int) Mem {
		p := Mem{Base: bases[i/perBase]}
		switch i % perBase {
		case 1, 2, 4:
			p.Index, p.Scale = rs, uint8(i%perBase)
		case 3:
			p.Index, p.Scale = rs3, 1
		case 6:
			p.Index, p.Scale = rs3, 2
		case 5:
			p.Index, p.Scale = rs5, 1
		}
		return p
	}
}

// copyRows writes the packing kernel for a B that is not transposed: it copies the first cols floats of n rows, stride apart in
// src, into rows of some vectors that follow each other in dst, filled up with zeros.
func (m *machine) copyRows(vectors int) {
	m.text(fmt.Sprintf("copyRows%d", vectors*m.width), "dst, src []float32, stride, cols, n int")
	dst, src := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64())
	stride, cols, n := Load(Param("stride"), GP64()), Load(Param("cols"), GP64()), Load(Param("n"), GP64())
	SHLQ(Imm(2), stride)
	m.masks(cols, vectors)
	TESTQ(n, n)
	JZ(LabelRef("end"))
	Label("row")
	for j := range vectors {
		m.load(Mem{Base: src}, j, m.v[j], true)
		m.store(m.v[j], Mem{Base: dst}, j, false)
	}
	ADDQ(stride, src)
	ADDQ(U32(uint32(4*m.width*vectors)), dst)
	DECQ(n)
	JNZ(LabelRef("row"))
	Label("end")
	ret()
}

// transpose8 writes the packing kernel of both machines: it transposes 8 rows of n floats, a multiple of 8, stride apart in
// src, into n rows of 8, width apart in dst. Rows are loaded as halves, so that half the shuffles are done by the loads.
func transpose8() {
	TEXT("transpose8", NOSPLIT, "func(dst []float32, width int, src []float32, stride, n int)")
	Pragma("noescape")
	dst, width := Load(Param("dst").Base(), GP64()), Load(Param("width"), GP64())
	src, stride, n := Load(Param("src").Base(), GP64()), Load(Param("stride"), GP64()), Load(Param("n"), GP64())
	SHLQ(Imm(2), width)
	SHLQ(Imm(2), stride)
	src4 := GP64()
	LEAQ(Mem{Base: src, Index: stride, Scale: 4}, src4)
	stride3, width3, dst4 := GP64(), GP64(), GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	LEAQ(Mem{Base: width, Index: width, Scale: 2}, width3)
	row := func(base, by, by3 reg.Register, i int) Mem {
		switch i {
		case 0:
			return Mem{Base: base}
		case 3:
			return Mem{Base: base, Index: by3, Scale: 1}
		}
		return Mem{Base: base, Index: by, Scale: uint8(i)}
	}
	SHRQ(Imm(3), n)
	JZ(LabelRef("end"))
	Label("block")
	// Register i: columns 0-3 of row i and of row i+4; register 4+i: their columns 4-7.
	for i := range 4 {
		for h := range 2 {
			VMOVUPS(row(src, stride, stride3, i).Offset(16*h), x[4*h+i])
			VINSERTF128(Imm(1), row(src4, stride, stride3, i).Offset(16*h), y[4*h+i], y[4*h+i])
		}
	}
	LEAQ(Mem{Base: dst, Index: width, Scale: 4}, dst4)
	for h, base := range []reg.Register{dst, dst4} {
		r := y[4*h:]
		VUNPCKLPS(r[1], r[0], y[8])
		VUNPCKHPS(r[1], r[0], y[9])
		VUNPCKLPS(r[3], r[2], y[10])
		VUNPCKHPS(r[3], r[2], y[11])
		for c := range 4 {
			lo, hi := y[8+c/2], y[10+c/2]
			VSHUFPS(Imm([]uint64{0x44, 0xEE}[c%2]), hi, lo, y[12+c%2])
			VMOVUPS(y[12+c%2], row(base, width, width3, c))
		}
	}
	ADDQ(Imm(32), src)
	ADDQ(Imm(32), src4)
	LEAQ(Mem{Base: dst, Index: width, Scale: 8}, dst)
	DECQ(n)
	JNZ(LabelRef("block"))
	Label("end")
	ret()
}
