package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels of bfloat16 and of packed weights. A pair is a word of two bfloat16 numbers.

// dotPairs adds to the floats of acc the dot products of the pairs of b and a: VDPBF16PS, which the assembler does not know.
// All operands are registers of 64 bytes.
func dotPairs(b, a, acc Op) {
	number := func(o Op) uint32 { return uint32(o.(reg.Physical).PhysicalIndex()) }
	r, v, m := number(acc), number(b), number(a)
	inverted := func(n uint32, bit, to int) uint32 { return (^n >> bit & 1) << to }
	p0 := inverted(r, 3, 7) | inverted(m, 4, 6) | inverted(m, 3, 5) | inverted(r, 4, 4) | 2 // opcode map 0F38
	p1 := ^v&15<<3 | 1<<2 | 2                                                               // prefix F3
	p2 := 2<<5 | inverted(v, 4, 3)                                                          // 64 bytes
	code := func(opcode string, c Op) { Instruction(&ir.Instruction{Opcode: opcode, Operands: []Op{c}}) }
	code("LONG", U32(0x62|p0<<8|p1<<16|p2<<24))
	code("WORD", U16(0x52|(0xC0|r&7<<3|m&7)<<8))
}

// roundPairs writes roundPairs for a multiple of 32 floats.
func (m *machine) roundPairs() {
	m.text("roundPairs", "dst, src []float32")
	dst, src, n := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64()), Load(Param("src").Len(), GP64())
	m.roundingConstants()
	SHRQ(Imm(4), n)
	JZ(LabelRef("end"))
	Label("group")
	for i := range m.group() {
		m.load(Mem{Base: src}, i, m.v[i], false)
		m.roundBF16(m.v[i])
		VPSRLD(Imm(16), m.v[i], m.v[i])
	}
	if m == avx512 {
		VPMOVDW(reg.Z0, Mem{Base: dst})
	} else {
		VPACKUSDW(reg.Y1, reg.Y0, reg.Y0)
		VPERMQ(Imm(0b11011000), reg.Y0, reg.Y0)
		VMOVUPS(reg.Y0, Mem{Base: dst})
	}
	ADDQ(Imm(2*lanes), dst)
	ADDQ(Imm(4*lanes), src)
	DECQ(n)
	JNZ(LabelRef("group"))
	Label("end")
	ret()
}

// roundRows writes roundRows: two vectors at a time, of which one comparison says whether all are numbers. Rows are fetched four
// ahead: of rows that are short, or pages apart, the processor alone fetches too little.
func (m *machine) roundRows() {
	m.text("roundRows", "dst []float32, width int, src []float32, stride, cols, n int")
	dst, width := Load(Param("dst").Base(), GP64()), Load(Param("width"), GP64())
	src, stride := Load(Param("src").Base(), GP64()), Load(Param("stride"), GP64())
	cols, n := Load(Param("cols"), GP64()), Load(Param("n"), GP64())
	SHLQ(Imm(2), stride)
	SHLQ(Imm(2), width)
	m.roundingConstants()
	at, left, ahead := GP64(), GP64(), GP64()
	two := uint64(2 * m.width)
	store := func(masked bool, round func(v Op)) {
		for i, v := range m.v[:2] {
			round(v)
			m.and(m.v[highHalf], v, v)
			m.store(v, Mem{Base: dst, Index: at, Scale: 1}, i, masked)
		}
	}
	round := func(masked bool, label string) (nan func()) {
		for i, v := range m.v[:2] {
			m.load(Mem{Base: src, Index: at, Scale: 1}, i, v, masked)
		}
		m.anyNaN(m.v[0], m.v[1], label+"NaN")
		store(masked, m.roundNumber)
		Label(label + "Done")
		return func() {
			Label(label + "NaN")
			store(masked, m.roundBF16)
			JMP(LabelRef(label + "Done"))
		}
	}
	TESTQ(n, n)
	JZ(LabelRef("end"))
	MOVQ(cols, left)
	ANDQ(Imm(two-1), left)
	m.masks(left, 2)
	Label("row")
	LEAQ(Mem{Base: src, Index: stride, Scale: 4}, ahead)
	XORQ(at, at)
	MOVQ(cols, left)
	SUBQ(Imm(two), left)
	JLT(LabelRef("partial"))
	Label("full")
	for line := 0; line < 4*int(two); line += 64 {
		PREFETCHT0(Mem{Base: ahead, Index: at, Scale: 1}.Offset(line))
	}
	nanInFull := round(false, "full")
	ADDQ(U32(uint32(4*two)), at)
	SUBQ(Imm(two), left)
	JGE(LabelRef("full"))
	Label("partial")
	ADDQ(Imm(two), left)
	JZ(LabelRef("next"))
	nanInRest := round(true, "rest")
	Label("next")
	ADDQ(stride, src)
	ADDQ(width, dst)
	DECQ(n)
	JNZ(LabelRef("row"))
	Label("end")
	ret()
	nanInFull()
	nanInRest()
}

// unordered compares two floats of which one is not a number.
const unordered = 3

// anyNaN jumps to label if v or w holds what is not a number.
func (m *machine) anyNaN(v, w Op, label string) {
	if m == avx512 {
		VCMPPS(Imm(unordered), v, w, reg.K3)
		KORTESTW(reg.K3, reg.K3)
	} else {
		VCMPPS(Imm(unordered), v, w, m.v[scratch])
		VTESTPS(m.v[scratch], m.v[scratch])
	}
	JNE(LabelRef(label))
}

// The registers for rounding to bfloat16.
const (
	lowestBit  = iota + 7 // of a bfloat16: rounding to even, the bit that decides
	lowestUnit            // what is added if it is set
	almostHalf            // what is always added
	highHalf              // what remains
	quietNaN
	scratch
	isNaN
)

// roundingConstants loads the constants for roundBF16 and roundNumber, and highHalf.
func (m *machine) roundingConstants() {
	VMOVUPS(constant("lowestBit"), m.v[lowestBit])
	VMOVUPS(constant("lowest"), m.v[lowestUnit])
	VMOVUPS(constant("half"), m.v[almostHalf])
	VMOVUPS(constant("high"), m.v[highHalf])
	VMOVUPS(constant("quiet"), m.v[quietNaN])
}

// roundNumber rounds the floats of v, all of them numbers, to bfloat16; the low halves are left undefined.
func (m *machine) roundNumber(v Op) {
	if m == avx512 {
		VPTESTMD(m.v[lowestBit], v, reg.K4)
		VPADDD(m.v[almostHalf], v, v)
		VPADDD(m.v[lowestUnit], v, reg.K4, v)
		return
	}
	t := m.v[scratch]
	VPSRLD(Imm(16), v, t)
	VPAND(m.v[lowestUnit], t, t)
	VPADDD(m.v[almostHalf], v, v)
	VPADDD(t, v, v)
}

// roundBF16 is roundNumber for floats that need not be numbers.
func (m *machine) roundBF16(v Op) {
	if m == avx512 {
		VCMPPS(Imm(unordered), v, v, reg.K3)
		m.roundNumber(v)
		VMOVDQU32(m.v[quietNaN], reg.K3, v)
	} else {
		VCMPPS(Imm(unordered), v, v, m.v[isNaN])
		m.roundNumber(v)
		VBLENDVPS(m.v[isNaN], m.v[quietNaN], v, v)
	}
}

// pairUp writes pairUp.
func (m *machine) pairUp() {
	m.text("pairUp", "dst []float32, width int, src []float32, stride, cols, n int")
	dst, width := Load(Param("dst").Base(), GP64()), Load(Param("width"), GP64())
	src, stride := Load(Param("src").Base(), GP64()), Load(Param("stride"), GP64())
	cols, n := Load(Param("cols"), GP64()), Load(Param("n"), GP64())
	SHLQ(Imm(2), stride)
	SHLQ(Imm(2), width)
	m.masks(cols, m.group())
	m.roundingConstants()
	TESTQ(n, n)
	JZ(LabelRef("end"))
	Label("pair")
	for i := range m.group() {
		low, high := m.v[0], m.v[1]
		m.load(Mem{Base: src}, i, low, true)
		m.load(Mem{Base: src, Index: stride, Scale: 1}, i, high, true)
		m.roundBF16(low)
		m.roundBF16(high)
		VPSRLD(Imm(16), low, low)
		m.and(m.v[highHalf], high, high)
		VORPS(low, high, low)
		m.store(low, Mem{Base: dst}, i, false)
	}
	LEAQ(Mem{Base: src, Index: stride, Scale: 2}, src)
	ADDQ(width, dst)
	DECQ(n)
	JNZ(LabelRef("pair"))
	Label("end")
	ret()
}

// widePanel is the number of vectors in a row of a panel of packed weights.
const widePanel = 2

// widenPairs writes widenPairs for the machine's panels.
func (m *machine) widenPairs() {
	m.text(fmt.Sprintf("widenPairs%d", widePanel*m.width), "dst, src []float32, n int")
	dst, src, n := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64()), Load(Param("n"), GP64())
	TESTQ(n, n)
	JZ(LabelRef("end"))
	Label("pair")
	for j := range widePanel {
		m.load(Mem{Base: src}, j, m.v[0], false)
		m.and(constant("high"), m.v[0], m.v[1])
		VPSLLD(Imm(16), m.v[0], m.v[0])
		m.store(m.v[0], Mem{Base: dst}, j, false)
		m.store(m.v[1], Mem{Base: dst}, widePanel+j, false)
	}
	ADDQ(U32(uint32(4*m.width*widePanel)), src)
	ADDQ(U32(uint32(8*m.width*widePanel)), dst)
	DECQ(n)
	JNZ(LabelRef("pair"))
	Label("end")
	ret()
}

// widenInt8 writes widenInt8 for the machine's panels.
func (m *machine) widenInt8() {
	m.text(fmt.Sprintf("widenInt8%d", widePanel*m.width), "dst, src []float32, n int")
	dst, src, n := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64()), Load(Param("n"), GP64())
	m.int8Blocks(n, []reg.Register{src}, m.v[:widePanel], func(rows reg.Register, scales []reg.VecPhysical) {
		Label("row")
		for j := range widePanel {
			m.widenBytes(Mem{Base: src}, j, scales[j], m.v[widePanel+j])
			m.store(m.v[widePanel+j], Mem{Base: dst}, j, false)
		}
		ADDQ(Imm(uint64(widePanel*m.width)), src)
		ADDQ(U32(uint32(4*m.width*widePanel)), dst)
		DECQ(rows)
		JNZ(LabelRef("row"))
	})
	ret()
}

// roundInt8 writes roundInt8 for the machine's panels: a loop over the rows for the scales, and one for the bytes.
func (m *machine) roundInt8() {
	m.text(fmt.Sprintf("roundInt8%d", widePanel*m.width), "dst, src []float32, n int")
	dst, src, n := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64()), Load(Param("n"), GP64())
	v, scales, doubles := m.v[0], m.v[1:1+widePanel], m.v[1+widePanel:1+3*widePanel]
	for _, scale := range scales {
		m.zero(scale)
	}
	row, rows := GP64(), GP64()
	MOVQ(src, row)
	MOVQ(n, rows)
	Label("most")
	for j, most := range scales {
		m.load(Mem{Base: row}, j, v, false)
		VANDPS(constant("magnitude"), v, v)
		VPMAXSD(v, most, most)
	}
	ADDQ(U32(uint32(4*m.width*widePanel)), row)
	DECQ(rows)
	JNZ(LabelRef("most"))
	half := func(p Mem, i int) Mem { return p.Offset(2 * m.width * i) } // as many floats as a vector has float64
	for j, scale := range scales {
		VDIVPS(constant("int8Most"), scale, scale)
		if m == avx512 {
			VCMPPS(Imm(notLess), constant("leastScale"), scale, reg.K3)
			VMOVAPS_Z(scale, reg.K3, scale)
		} else {
			VCMPPS(Imm(notLess), constant("leastScale"), scale, v)
			VANDPS(v, scale, scale)
		}
		m.store(scale, Mem{Base: dst}, j, false)
	}
	for i, scale := range doubles {
		VCVTPS2PD(half(Mem{Base: dst}, i), scale)
	}
	ADDQ(U32(uint32(4*m.width*widePanel)), dst)
	Label("row")
	for i, scale := range doubles {
		VCVTPS2PD(half(Mem{Base: src}, i), v)
		VDIVPD(scale, v, v)
		to := Mem{Base: dst, Disp: m.width / 2 * i}
		if m == avx512 { // 1<<31 for what is not finite: its lowest byte is 0
			VCVTPD2DQ(v, v.AsY())
			VPMOVDB(v.AsY(), to)
		} else {
			VCVTPD2DQY(v, v.AsX())
			VPSHUFB(constant("lowestBytes"), v.AsX(), v.AsX())
			VMOVD(v.AsX(), to)
		}
	}
	ADDQ(U32(uint32(4*m.width*widePanel)), src)
	ADDQ(Imm(uint64(widePanel*m.width)), dst)
	DECQ(n)
	JNZ(LabelRef("row"))
	ret()
}

// blockRows is the number of rows that share scales.
const blockRows = 32

// int8Blocks walks over the k rows of the blocks of the panels: for each block it loads the scales, leaves the panels at the
// rows, and lets body move them over all of those. k is clobbered.
func (m *machine) int8Blocks(k reg.Register, panels []reg.Register, scales []reg.VecPhysical, body func(rows reg.Register, scales []reg.VecPhysical)) {
	rows, most := GP64(), GP64()
	MOVQ(U32(blockRows), most)
	TESTQ(k, k)
	JZ(LabelRef("end"))
	Label("block")
	MOVQ(k, rows)
	CMPQ(rows, most)
	CMOVQGT(most, rows)
	SUBQ(rows, k)
	for i, v := range scales {
		m.load(Mem{Base: panels[i/widePanel]}, i%widePanel, v, false)
	}
	for _, p := range panels {
		ADDQ(U32(uint32(4*m.width*widePanel)), p)
	}
	body(rows, scales)
	TESTQ(k, k)
	JNZ(LabelRef("block"))
	Label("end")
}

// widenBytes sets v to the weights of vector j of the row of bytes at q.
func (m *machine) widenBytes(q Mem, j int, scale, v Op) {
	VPMOVSXBD(q.Offset(m.width*j), v)
	VCVTDQ2PS(v, v)
	VMULPS(scale, v, v)
}

// single writes a kernel for one row of A, which reads some panels of packed weights, size words apart, as they are: it adds to
// cols floats of c (or to 0, unless load) the product of a and the panels. sums adds the k products at a and b to the sums, which
// are vectors of the first panel, then of the second.
func (m *machine) single(name string, panels int, sums func(k, a reg.Register, b []reg.Register, f *fetcher, acc []Op)) {
	m.text(fmt.Sprintf("single%s%d", name, panels), "k int, a, b []float32, size int, c []float32, cols int, load bool")
	c, cols := Load(Param("c").Base(), GP64()), Load(Param("cols"), GP64())
	if panels == 2 { // the first is full
		SUBQ(Imm(uint64(widePanel*m.width)), cols)
	}
	acc := m.v[:panels*widePanel]
	var sum []Op
	for _, v := range acc {
		m.zero(v)
		sum = append(sum, v)
	}
	load := Load(Param("load"), GP8())
	TESTB(load, load)
	JZ(LabelRef("product"))
	n := GP64()
	MOVQ(cols, n)
	m.masks(n, widePanel)
	for i, v := range sum {
		m.loadPart(Mem{Base: c}, i, v, i >= (panels-1)*widePanel)
	}
	Label("product")
	b, size := []reg.Register{Load(Param("b").Base(), GP64())}, Load(Param("size"), GP64())
	if panels == 2 {
		second := GP64()
		LEAQ(Mem{Base: b[0], Index: size, Scale: 4}, second)
		b = append(b, second)
	}
	sums(Load(Param("k"), GP64()), Load(Param("a").Base(), GP64()), b, newFetcher(b, size), sum)
	MOVQ(cols, n)
	m.masks(n, widePanel)
	for i, v := range sum {
		m.storePart(v, Mem{Base: c}, i, i >= (panels-1)*widePanel)
	}
	ret()
}

// loadPart and storePart are load and store of vector i of the row of C at p, of which the last widePanel are masked.
func (m *machine) loadPart(p Mem, i int, v Op, last bool) {
	m.load(p.Offset(4*m.width*(i-i%widePanel)), i%widePanel, v, last)
}

func (m *machine) storePart(v Op, p Mem, i int, last bool) {
	m.store(v, p.Offset(4*m.width*(i-i%widePanel)), i%widePanel, last)
}

// unrolled calls body for n steps, some at a time: body does step u of those and advance moves on by a number of steps.
func unrolled(n reg.Register, label string, body func(u int), advance func(steps int)) {
	const unroll = 4
	SUBQ(Imm(unroll), n)
	JLT(LabelRef(label + "Rest"))
	Label(label + "Many")
	for u := range unroll {
		body(u)
	}
	advance(unroll)
	SUBQ(Imm(unroll), n)
	JGE(LabelRef(label + "Many"))
	Label(label + "Rest")
	ADDQ(Imm(unroll), n)
	JZ(LabelRef(label + "End"))
	Label(label + "One")
	body(0)
	advance(1)
	DECQ(n)
	JNZ(LabelRef(label + "One"))
	Label(label + "End")
}

// A fetcher asks for the weights of a single row before they are needed: the processor alone does not look far enough, and
// does not know that the next panels follow the present ones. It walks ahead of the panels, and from their ends to the
// beginnings of the next.
type fetcher struct{ panels, next []reg.Register }

// ahead is how far, in bytes of a panel.
const ahead = 4096

// newFetcher returns the fetcher of the panels at b, size floats apart.
func newFetcher(b []reg.Register, size reg.Register) *fetcher {
	f := new(fetcher)
	for _, p := range b {
		x, next := GP64(), GP64()
		LEAQ(Mem{Base: p, Disp: ahead}, x)
		LEAQ(Mem{Base: p, Index: size, Scale: uint8(4 * len(b))}, next)
		f.panels, f.next = append(f.panels, x), append(f.next, next)
	}
	return f
}

// fetch asks for step u of the panels, bytes a step.
func (f *fetcher) fetch(bytes, u int) {
	for line := 0; line < bytes; line += 64 {
		if (bytes*u+line)%64 == 0 {
			for _, p := range f.panels {
				PREFETCHT0(Mem{Base: p, Disp: bytes*u + line})
			}
		}
	}
}

// advance moves on by some bytes.
func (f *fetcher) advance(bytes int) {
	for _, p := range f.panels {
		ADDQ(U32(uint32(bytes)), p)
	}
}

// jump goes to the beginnings of the next panels.
func (f *fetcher) jump() {
	for i, p := range f.panels {
		MOVQ(f.next[i], p)
	}
}

// rows calls body for k steps along the panels at b, of which a step takes a row of so many bytes, and along a: first for those
// that have others ahead of them in their panel, then, with the fetcher at the next panels, for the rest. k is clobbered.
func (f *fetcher) rows(k, a reg.Register, b []reg.Register, row, bytesOfA int, body func(u int)) {
	loop := func(label string, n reg.Register) {
		unrolled(n, label, func(u int) {
			f.fetch(row, u)
			body(u)
		}, func(steps int) {
			ADDQ(U32(uint32(bytesOfA*steps)), a)
			f.advance(row * steps)
			for _, p := range b {
				ADDQ(U32(uint32(row*steps)), p)
			}
		})
	}
	n, zero := GP64(), GP64()
	XORQ(zero, zero)
	MOVQ(k, n)
	SUBQ(U32(uint32(ahead/row)), n)
	CMOVQLT(zero, n)
	SUBQ(n, k)
	loop("first", n)
	f.jump()
	loop("last", k)
}

// singleWords writes single for panels of words, float32 or pairs, that multiplyAdd takes as they are.
func (m *machine) singleWords(name string, panels int, multiplyAdd func(b, a, acc Op)) {
	m.single(name, panels, func(k, a reg.Register, b []reg.Register, f *fetcher, acc []Op) {
		free := m.v[len(acc):]
		w, x := free[0], free[1]
		f.rows(k, a, b, 4*m.width*widePanel, 4, func(u int) {
			VBROADCASTSS(Mem{Base: a, Disp: 4 * u}, x)
			for i := range acc {
				m.load(Mem{Base: b[i/widePanel]}, widePanel*u+i%widePanel, w, false)
				multiplyAdd(w, x, acc[i])
			}
		})
	})
}

// singleBF16 writes single for pairs; k counts pairs, and a is float32. Subnormal numbers are taken for 0, as in tileRounded.
func (m *machine) singleBF16(panels int) {
	m.single("BF16", panels, func(k, a reg.Register, b []reg.Register, f *fetcher, acc []Op) {
		free := m.v[len(acc):]
		high, low, ah, al := free[0], free[1], free[2], free[3]
		end := flushSubnormals()
		f.rows(k, a, b, 4*m.width*widePanel, 8, func(u int) {
			VBROADCASTSS(Mem{Base: a, Disp: 8*u + 4}, ah)
			VBROADCASTSS(Mem{Base: a, Disp: 8 * u}, al)
			for i := range acc {
				m.load(Mem{Base: b[i/widePanel]}, widePanel*u+i%widePanel, low, false)
				m.and(constant("high"), low, high)
				VPSLLD(Imm(16), low, low)
				VFMADD231PS(high, ah, acc[i])
				VFMADD231PS(low, al, acc[i])
			}
		})
		end()
	})
}

// singleInt8 writes single for blocks of bytes.
func (m *machine) singleInt8(panels int) {
	m.single("Int8", panels, func(k, a reg.Register, b []reg.Register, f *fetcher, acc []Op) {
		free := m.v[2*len(acc):]
		w, x := free[0], free[1]
		m.int8Blocks(k, b, m.v[len(acc):2*len(acc)], func(rows reg.Register, scales []reg.VecPhysical) {
			// k is what is left after this block. Of the last blocks with others ahead of them, the first goes to the next panels.
			rest := GP64()
			LEAQ(Mem{Base: k, Disp: blockRows - 1 - ahead/(widePanel*m.width)}, rest)
			CMPQ(rest, Imm(blockRows))
			JCC(LabelRef("within"))
			f.jump()
			Label("within")
			f.fetch(4*m.width*widePanel, 0)
			f.advance(4 * m.width * widePanel)
			unrolled(rows, "row", func(u int) {
				VBROADCASTSS(Mem{Base: a, Disp: 4 * u}, x)
				f.fetch(widePanel*m.width, u)
				for i := range acc {
					m.widenBytes(Mem{Base: b[i/widePanel], Disp: widePanel * m.width * u}, i%widePanel, scales[i], w)
					VFMADD231PS(w, x, acc[i])
				}
			}, func(steps int) {
				ADDQ(U32(uint32(4*steps)), a)
				f.advance(widePanel * m.width * steps)
				for _, p := range b {
					ADDQ(U32(uint32(widePanel*m.width*steps)), p)
				}
			})
		})
	})
}
