package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A rows walks over arrays of rows of the same length: many short rows, so what depends on the length alone is done once.
type rows struct {
	m                 *machine
	bytes             reg.Register // of a row
	whole, rest       reg.Register // the bytes of its full groups, and of its partial group
	left              reg.Register // rows
	length            reg.VecPhysical
	perRow, perNumber []reg.Register // pointers into arrays that have a row, or one number, for each row
}

// eachRow calls body for every row of the arrays perRow, and moves the pointers on. count has a number for each row and w is as
// long as a row; length is set to that length as a float.
func (m *machine) eachRow(count, w string, length reg.VecPhysical, perRow, perNumber []reg.Register, body func(r *rows)) {
	r := &rows{m, GP64(), GP64(), GP64(), Load(Param(count).Len(), GP64()), length, perRow, perNumber}
	Load(Param(w).Len(), r.bytes)
	VCVTSI2SSQ(r.bytes, length, length)
	MOVQ(r.bytes, r.rest)
	ANDQ(Imm(lanes-1), r.rest)
	m.masks(r.rest, m.group())
	SHLQ(Imm(2), r.bytes)
	MOVQ(r.bytes, r.rest)
	ANDQ(Imm(4*lanes-1), r.rest)
	MOVQ(r.bytes, r.whole)
	SUBQ(r.rest, r.whole)
	TESTQ(r.left, r.left)
	JZ(LabelRef("end"))
	Label("row")
	body(r)
	for _, p := range perRow {
		ADDQ(r.bytes, p)
	}
	for _, p := range perNumber {
		ADDQ(Imm(4), p)
	}
	DECQ(r.left)
	JNZ(LabelRef("row"))
	Label("end")
	ret()
}

// pass calls body for each vector of the row; at gives the group of a row that begins at base, i is the vector in the group.
func (r *rows) pass(label string, body func(at func(base reg.Register) Mem, i int, masked bool)) {
	offset := GP64()
	at := func(base reg.Register) Mem { return Mem{Base: base, Index: offset, Scale: 1} }
	group := func(masked bool) {
		for i := range r.m.group() {
			body(at, i, masked)
		}
	}
	XORQ(offset, offset)
	TESTQ(r.whole, r.whole)
	JZ(LabelRef(label + "Partial"))
	Label(label)
	group(false)
	ADDQ(Imm(4*lanes), offset)
	CMPQ(offset, r.whole)
	JLT(LabelRef(label))
	Label(label + "Partial")
	TESTQ(r.rest, r.rest)
	JZ(LabelRef(label + "End"))
	group(true)
	Label(label + "End")
}

// mean leaves in all of out the mean over the row of the terms that are summed in the group of registers from from on. It uses
// registers 0 to 2.
func (r *rows) mean(from int, out reg.VecPhysical) {
	if from != 0 {
		for i := range r.m.group() {
			VMOVAPS(r.m.v[from+i], r.m.v[i])
		}
	}
	r.m.reduce(VADDPS)
	VDIVSS(r.length, reg.X0, reg.X0)
	VBROADCASTSS(reg.X0, out)
}

// inverseRoot leaves 1/sqrt(v+eps) of the float v in register 0, and stores it.
func inverseRoot(eps, t reg.VecPhysical, dst reg.Register) {
	VADDSS(eps, reg.X0, reg.X0)
	VSQRTSS(reg.X0, reg.X0, reg.X0)
	VMOVSS(constant("one"), t)
	VDIVSS(reg.X0, t, reg.X0)
	VMOVSS(reg.X0, Mem{Base: dst})
}

func (m *machine) zeroGroup(from int) {
	for i := range m.group() {
		m.zero(m.v[from+i])
	}
}

// rmsNorm writes RMSNorm.
func (m *machine) rmsNorm() {
	m.text("rmsNorm", "y, x, w, inv []float32, eps float32")
	yp, xp := Load(Param("y").Base(), GP64()), Load(Param("x").Base(), GP64())
	wp, inv := Load(Param("w").Base(), GP64()), Load(Param("inv").Base(), GP64())
	broadcast("eps", m.v[4])
	scale, v, w := m.v[5], m.v[6], m.v[7]
	m.eachRow("inv", "w", x[3], []reg.Register{yp, xp}, []reg.Register{inv}, func(r *rows) {
		m.zeroGroup(0)
		r.pass("squares", func(at func(reg.Register) Mem, i int, masked bool) {
			m.load(at(xp), i, v, masked)
			VFMADD231PS(v, v, m.v[i])
		})
		r.mean(0, scale)
		inverseRoot(x[4], x[6], inv)
		VBROADCASTSS(reg.X0, scale)
		r.pass("scale", func(at func(reg.Register) Mem, i int, masked bool) {
			m.load(at(xp), i, v, masked)
			m.load(at(wp), i, w, masked)
			VMULPS(scale, v, v)
			VMULPS(w, v, v)
			m.store(v, at(yp), i, masked)
		})
	})
}

// rmsNormBackward writes RMSNormBackward.
func (m *machine) rmsNormBackward() {
	m.text("rmsNormBackward", "dx, dw, dy, x, w, inv []float32")
	dxp, dwp := Load(Param("dx").Base(), GP64()), Load(Param("dw").Base(), GP64())
	dyp, xp := Load(Param("dy").Base(), GP64()), Load(Param("x").Base(), GP64())
	wp, inv := Load(Param("w").Base(), GP64()), Load(Param("inv").Base(), GP64())
	scale, norm, dy, w, sum, along := m.v[4], m.v[5], m.v[6], m.v[7], m.v[8], m.v[9]
	m.eachRow("inv", "w", x[3], []reg.Register{dyp, xp}, []reg.Register{inv}, func(r *rows) {
		load := func(at func(reg.Register) Mem, i int, masked bool) {
			m.load(at(xp), i, norm, masked)
			m.load(at(dyp), i, dy, masked)
			m.load(at(wp), i, w, masked)
			VMULPS(scale, norm, norm)
			VMULPS(dy, w, w)
		}
		VBROADCASTSS(Mem{Base: inv}, scale)
		m.zeroGroup(0)
		r.pass("weight", func(at func(reg.Register) Mem, i int, masked bool) {
			load(at, i, masked)
			VFMADD231PS(w, norm, m.v[i])
			m.load(at(dwp), i, sum, masked)
			VFMADD231PS(dy, norm, sum)
			m.store(sum, at(dwp), i, masked)
		})
		TESTQ(dxp, dxp)
		JZ(LabelRef("next"))
		r.mean(0, along)
		r.pass("input", func(at func(reg.Register) Mem, i int, masked bool) {
			load(at, i, masked)
			VFNMADD231PS(along, norm, w)
			m.load(at(dxp), i, sum, masked)
			VFMADD231PS(scale, w, sum)
			m.store(sum, at(dxp), i, masked)
		})
		ADDQ(r.bytes, dxp)
		Label("next")
	})
}

// layerNorm writes LayerNorm.
func (m *machine) layerNorm() {
	m.text("layerNorm", "y, x, w, b, means, inv []float32, eps float32")
	yp, xp := Load(Param("y").Base(), GP64()), Load(Param("x").Base(), GP64())
	wp, bp := Load(Param("w").Base(), GP64()), Load(Param("b").Base(), GP64())
	means, inv := Load(Param("means").Base(), GP64()), Load(Param("inv").Base(), GP64())
	broadcast("eps", m.v[4])
	mean, scale, v, w, b := m.v[5], m.v[6], m.v[7], m.v[8], m.v[9]
	const rests = 10 // and 11: the sum of what differs from the mean
	m.eachRow("inv", "w", x[3], []reg.Register{yp, xp}, []reg.Register{means, inv}, func(r *rows) {
		m.zeroGroup(0)
		r.pass("sum", func(at func(reg.Register) Mem, i int, masked bool) {
			m.load(at(xp), i, v, masked)
			VADDPS(v, m.v[i], m.v[i])
		})
		r.mean(0, mean)
		m.zeroGroup(0)
		m.zeroGroup(rests)
		r.pass("squares", func(at func(reg.Register) Mem, i int, masked bool) {
			m.load(at(xp), i, v, masked)
			switch {
			case !masked:
				VSUBPS(mean, v, v)
			case m == avx512:
				VSUBPS_Z(mean, v, k[i], v)
			default:
				VSUBPS(mean, v, v)
				VANDPS(ymask[i], v, v)
			}
			VADDPS(v, m.v[rests+i], m.v[rests+i])
			VFMADD231PS(v, v, m.v[i])
		})
		r.mean(0, scale) // of the squares
		r.mean(rests, v)
		VADDSS(x[7], x[5], x[5])
		VMOVSS(x[5], Mem{Base: means})
		VMULSS(x[7], x[7], x[7])
		VSUBSS(x[7], x[6], x[6])
		VXORPS(reg.X0, reg.X0, reg.X0)
		VMAXSS(x[6], reg.X0, reg.X0) // a NaN stays
		inverseRoot(x[4], x[7], inv)
		VBROADCASTSS(x[5], mean)
		VBROADCASTSS(reg.X0, scale)
		r.pass("scale", func(at func(reg.Register) Mem, i int, masked bool) {
			m.load(at(xp), i, v, masked)
			m.load(at(wp), i, w, masked)
			m.load(at(bp), i, b, masked)
			VSUBPS(mean, v, v)
			VMULPS(scale, v, v)
			VFMADD213PS(b, w, v)
			m.store(v, at(yp), i, masked)
		})
	})
}

// layerNormBackward writes LayerNormBackward.
func (m *machine) layerNormBackward() {
	m.text("layerNormBackward", "dx, dw, db, dy, x, w, means, inv []float32")
	dxp, dwp, dbp := Load(Param("dx").Base(), GP64()), Load(Param("dw").Base(), GP64()), Load(Param("db").Base(), GP64())
	dyp, xp, wp := Load(Param("dy").Base(), GP64()), Load(Param("x").Base(), GP64()), Load(Param("w").Base(), GP64())
	means, inv := Load(Param("means").Base(), GP64()), Load(Param("inv").Base(), GP64())
	centre, scale, norm, dy, w, sum := m.v[4], m.v[5], m.v[6], m.v[7], m.v[8], m.v[9]
	const alongs = 10 // and 11: the sum of norm*w*dy
	mean, along := m.v[12], m.v[13]
	m.eachRow("inv", "w", x[3], []reg.Register{dyp, xp}, []reg.Register{means, inv}, func(r *rows) {
		load := func(at func(reg.Register) Mem, i int, masked bool) {
			m.load(at(xp), i, norm, masked)
			m.load(at(dyp), i, dy, masked)
			m.load(at(wp), i, w, masked)
			VSUBPS(centre, norm, norm)
			VMULPS(scale, norm, norm)
			VMULPS(dy, w, w)
		}
		VBROADCASTSS(Mem{Base: means}, centre)
		VBROADCASTSS(Mem{Base: inv}, scale)
		m.zeroGroup(0)
		m.zeroGroup(alongs)
		r.pass("weight", func(at func(reg.Register) Mem, i int, masked bool) {
			load(at, i, masked)
			VADDPS(w, m.v[i], m.v[i])
			VFMADD231PS(w, norm, m.v[alongs+i])
			m.load(at(dwp), i, sum, masked)
			VFMADD231PS(dy, norm, sum)
			m.store(sum, at(dwp), i, masked)
			m.load(at(dbp), i, sum, masked)
			VADDPS(dy, sum, sum)
			m.store(sum, at(dbp), i, masked)
		})
		TESTQ(dxp, dxp)
		JZ(LabelRef("next"))
		r.mean(0, mean)
		r.mean(alongs, along)
		r.pass("input", func(at func(reg.Register) Mem, i int, masked bool) {
			load(at, i, masked)
			VSUBPS(mean, w, w)
			VFNMADD231PS(along, norm, w)
			m.load(at(dxp), i, sum, masked)
			VFMADD231PS(scale, w, sum)
			m.store(sum, at(dxp), i, masked)
		})
		ADDQ(r.bytes, dxp)
		Label("next")
	})
}

// rope writes Rope: the angles stay in registers while all the heads pass.
func (m *machine) rope() {
	m.text("rope", "x, cos, sin []float32, sign float32")
	xp, end := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	cosp, sinp := Load(Param("cos").Base(), GP64()), Load(Param("sin").Base(), GP64())
	n, half, p := Load(Param("cos").Len(), GP64()), GP64(), GP64()
	broadcast("sign", m.v[0])
	cos, sin := m.v[1:3], m.v[3:5]
	a, b, turnedA, turnedB := m.v[5], m.v[6], m.v[7], m.v[8]
	TESTQ(end, end)
	JZ(LabelRef("end"))
	LEAQ(Mem{Base: xp, Index: end, Scale: 4}, end)
	MOVQ(n, half)
	SHLQ(Imm(2), half)
	m.loop(n, []reg.Register{xp, cosp, sinp}, func(masked bool) {
		for i := range m.group() {
			m.load(Mem{Base: cosp}, i, cos[i], masked)
			m.load(Mem{Base: sinp}, i, sin[i], masked)
			VMULPS(m.v[0], sin[i], sin[i])
		}
		label := "head"
		if masked {
			label = "partialHead"
		}
		MOVQ(xp, p)
		Label(label)
		for i := range m.group() {
			first, second := Mem{Base: p}, Mem{Base: p, Index: half, Scale: 1}
			m.load(first, i, a, masked)
			m.load(second, i, b, masked)
			VMULPS(sin[i], b, turnedA)
			VFMSUB231PS(cos[i], a, turnedA) // a cos - b sin
			VMULPS(sin[i], a, turnedB)
			VFMADD231PS(cos[i], b, turnedB) // b cos + a sin
			m.store(turnedA, first, i, masked)
			m.store(turnedB, second, i, masked)
		}
		LEAQ(Mem{Base: p, Index: half, Scale: 2}, p)
		CMPQ(p, end)
		JLT(LabelRef(label))
	})
	ret()
}
