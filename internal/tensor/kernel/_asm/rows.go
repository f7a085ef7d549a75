package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dots writes Dots: four keys at a time, then one at a time, in the same order.
func (m *machine) dots() {
	m.text("dots", "dst, q, k []float32, stride int")
	dst, keys := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	key, stride := Load(Param("k").Base(), GP64()), Load(Param("stride"), GP64())
	SHLQ(Imm(2), stride)
	stride3 := GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	rest := Load(Param("q").Len(), GP64())
	ANDQ(Imm(lanes-1), rest)
	m.masks(rest, m.group())

	SUBQ(Imm(4), keys)
	JLT(LabelRef("few"))
	Label("four")
	m.dotsOf("four", key, []Mem{{}, {Index: stride, Scale: 1}, {Index: stride, Scale: 2}, {Index: stride3, Scale: 1}})
	m.reduce4()
	VMOVUPS(reg.X0, Mem{Base: dst})
	ADDQ(Imm(16), dst)
	LEAQ(Mem{Base: key, Index: stride, Scale: 4}, key)
	SUBQ(Imm(4), keys)
	JGE(LabelRef("four"))
	Label("few")
	ADDQ(Imm(4), keys)
	JZ(LabelRef("end"))
	Label("one")
	m.dotsOf("one", key, []Mem{{}})
	m.reduce(VADDPS)
	VMOVSS(reg.X0, Mem{Base: dst})
	ADDQ(Imm(4), dst)
	ADDQ(stride, key)
	DECQ(keys)
	JNZ(LabelRef("one"))
	Label("end")
	ret()
}

// dotsOf leaves the 16 partial sums of the rows that lie at offsets from key in registers 0.., a group for each.
func (m *machine) dotsOf(label string, key reg.Register, rows []Mem) {
	g := m.group()
	for i := range g * len(rows) {
		m.zero(m.v[i])
	}
	q, n, p := Load(Param("q").Base(), GP64()), Load(Param("q").Len(), GP64()), GP64()
	MOVQ(key, p)
	qv, kv := m.v[12], m.v[13]
	body := func(masked bool) {
		for i := range g {
			m.load(Mem{Base: q}, i, qv, masked)
			for j, row := range rows {
				row.Base = p
				m.load(row, i, kv, masked)
				VFMADD231PS(kv, qv, m.v[g*j+i])
			}
		}
	}
	SUBQ(Imm(lanes), n)
	JLT(LabelRef(label + "Partial"))
	Label(label + "Full")
	body(false)
	ADDQ(Imm(4*lanes), q)
	ADDQ(Imm(4*lanes), p)
	SUBQ(Imm(lanes), n)
	JGE(LabelRef(label + "Full"))
	Label(label + "Partial")
	ADDQ(Imm(lanes), n)
	JZ(LabelRef(label + "Sums"))
	body(true)
	Label(label + "Sums")
}

// reduce4 is reduce for four groups at once: the sums are left in floats 0-3 of register 0. Additions commute, so it does not
// matter which half of a sum comes first.
func (m *machine) reduce4() {
	if m == avx512 {
		for j := range 4 {
			VEXTRACTF64X4(Imm(1), m.v[j], y[8+j])
			VADDPS(y[8+j], y[j], y[j])
		}
	} else {
		for j := range 4 {
			VADDPS(y[2*j+1], y[2*j], y[j])
		}
	}
	for j := 0; j < 4; j += 2 { // lanes l and l+4: key j in the low half, key j+1 in the high half
		VBLENDPS(Imm(0xF0), y[j+1], y[j], y[8])
		VPERM2F128(Imm(0x21), y[j+1], y[j], y[9])
		VADDPS(y[9], y[8], y[j/2])
	}
	VSHUFPS(Imm(0x44), y[1], y[0], y[8]) // l and l+2: keys 0, 0, 2, 2 below, 1, 1, 3, 3 above
	VSHUFPS(Imm(0xEE), y[1], y[0], y[9])
	VADDPS(y[9], y[8], y[0])
	VPERMILPS(Imm(0xB1), y[0], y[8]) // l and l+1
	VADDPS(y[8], y[0], y[0])
	VEXTRACTF128(Imm(1), y[0], x[8])
	VBLENDPS(Imm(0b1010), x[8], x[0], x[0])
}

// columnBlocks walks over n columns in blocks of 4, 2 and 1 groups and a partial group. For each it calls block, which may use
// label, and then advances the pointers.
func (m *machine) columnBlocks(n reg.Register, pointers []reg.Register, block func(label string, groups int, masked bool)) {
	for _, b := range []struct {
		label  string
		groups int
	}{{"four", 4}, {"two", 2}, {"one", 1}} {
		Label(b.label)
		CMPQ(n, Imm(uint64(lanes*b.groups)))
		JLT(LabelRef(b.label + "End"))
		block(b.label, b.groups, false)
		for _, p := range pointers {
			ADDQ(U32(uint32(4*lanes*b.groups)), p)
		}
		SUBQ(Imm(uint64(lanes*b.groups)), n)
		JMP(LabelRef(b.label))
		Label(b.label + "End")
	}
	TESTQ(n, n)
	JZ(LabelRef("end"))
	m.masks(n, m.group())
	block("partial", 1, true)
	Label("end")
}

// axpys writes Axpys: a block of columns of y stays in registers while all the rows pass.
func (m *machine) axpys() {
	m.text("axpys", "y, w, x []float32, stride int")
	y, n := Load(Param("y").Base(), GP64()), Load(Param("y").Len(), GP64())
	first, stride := Load(Param("x").Base(), GP64()), Load(Param("stride"), GP64())
	SHLQ(Imm(2), stride)
	m.columnBlocks(n, []reg.Register{y, first}, func(label string, groups int, masked bool) {
		vectors := groups * m.group()
		for i := range vectors {
			m.load(Mem{Base: y}, i, m.v[i], masked)
		}
		w, count, p := Load(Param("w").Base(), GP64()), Load(Param("w").Len(), GP64()), GP64()
		MOVQ(first, p)
		TESTQ(count, count)
		JZ(LabelRef(label + "Done"))
		Label(label + "Row")
		VBROADCASTSS(Mem{Base: w}, m.v[8])
		for i := range vectors {
			if masked {
				m.load(Mem{Base: p}, i, m.v[9], masked)
				VFMADD231PS(m.v[9], m.v[8], m.v[i])
			} else {
				VFMADD231PS(m.at(Mem{Base: p}, i), m.v[8], m.v[i])
			}
		}
		ADDQ(Imm(4), w)
		ADDQ(stride, p)
		DECQ(count)
		JNZ(LabelRef(label + "Row"))
		Label(label + "Done")
		for i := range vectors {
			m.store(m.v[i], Mem{Base: y}, i, masked)
		}
	})
	ret()
}
