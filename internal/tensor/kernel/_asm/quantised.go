package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels of quantised weights: whole numbers of few bits times whole numbers of 8 bits, summed as such over a block of 32
// inputs, or half a block, and then scaled. quantised.go of package kernel says what lies where.

// Of rounded inputs, in bytes of a block.
const (
	roundedBytes  = 52
	roundedScale  = 32
	roundedSums   = 36 // negative: of the first 16 and of the last 16
	roundedSum    = 44 // negative: of all
	roundedScaled = 48 // the sum times the scale
)

// Of decoded weights, in bytes of a block of a panel: two rows of scales, one of offsets, eight of words.
const (
	rowBytes      = 4 * panelOutputs // a row of 32 bits for each output
	decodedOffset = 2 * rowBytes
	decodedWords  = 3 * rowBytes
	decodedBytes  = decodedWords + blockWords*rowBytes
)

const (
	panelOutputs = 32
	halfPanels   = panelOutputs / lanes
	blockWords   = blockRows / 4 // words of four inputs in a block
)

// A form says how sums become numbers.
type form int

const (
	plain  form = iota // (sum - bias) * scale
	offset             // sum * scale - offset
	halves             // as plain, 16 inputs a scale
	int8s              // as plain, 8 bits, and read from the panel as they are
)

var formNames = [...]string{plain: "Plain", offset: "Offset", halves: "Halves", int8s: "Int8"}

// A quantised is a type of blocks.
type quantised struct {
	name   string
	form   form
	bytes  int // of a block of the file
	blocks int // of 32 inputs in it
	most   int // the largest number, before its bias is taken away
	bias   int // a power of two, as that; 0: none

	// words sets v to the numbers of word w of block b, of each output in a word.
	words func(p *place, b, w int, v Op)
	// scale sets v to the scales of block b, or of one half of it.
	scale func(p *place, b, half int, v Op)
	// offset sets v to the offsets of block b.
	offset func(p *place, b int, v Op)
	// sixBits is where 12 bytes hold 8 scales and 8 offsets, 0 if none do.
	sixBits int
}

var quantisedTypes = []*quantised{
	{name: "Int8", form: int8s, bytes: 36, blocks: 1, most: 255, bias: 7,
		words: func(p *place, b, w int, v Op) { VMOVUPS(p.word(4+4*w), v) },
		scale: func(p *place, b, half int, v Op) { VMOVUPS(p.word(0), v) },
	},
	{name: "Q4_0", form: plain, bytes: 18, blocks: 1, most: 15, bias: 3,
		words: func(p *place, b, w int, v Op) { p.nibbles(2+4*(w%4), w/4, v) },
		scale: func(p *place, b, half int, v Op) { p.float16(0, v) },
	},
	{name: "Q4_1", form: offset, bytes: 20, blocks: 1, most: 15,
		words:  func(p *place, b, w int, v Op) { p.nibbles(4+4*(w%4), w/4, v) },
		scale:  func(p *place, b, half int, v Op) { p.float16(0, v) },
		offset: func(p *place, b int, v Op) { p.float16(2, v); p.negate(v) },
	},
	{name: "Q5_0", form: plain, bytes: 22, blocks: 1, most: 31, bias: 4,
		words: func(p *place, b, w int, v Op) { p.nibbles(6+4*(w%4), w/4, v); p.fifthBits(2, w, v) },
		scale: func(p *place, b, half int, v Op) { p.float16(0, v) },
	},
	{name: "Q5_1", form: offset, bytes: 24, blocks: 1, most: 31,
		words:  func(p *place, b, w int, v Op) { p.nibbles(8+4*(w%4), w/4, v); p.fifthBits(4, w, v) },
		scale:  func(p *place, b, half int, v Op) { p.float16(0, v) },
		offset: func(p *place, b int, v Op) { p.float16(2, v); p.negate(v) },
	},
	{name: "Q4_K", form: offset, bytes: 144, blocks: 8, most: 15, sixBits: 4,
		words:  func(p *place, b, w int, v Op) { p.nibbles(16+32*(b/2)+4*w, b%2, v) },
		scale:  func(p *place, b, half int, v Op) { p.sixBitsTimes(b, 0, v) },
		offset: func(p *place, b int, v Op) { p.sixBitsTimes(8+b, 2, v) },
	},
	{name: "Q5_K", form: offset, bytes: 176, blocks: 8, most: 31, sixBits: 4,
		words:  func(p *place, b, w int, v Op) { p.nibbles(48+32*(b/2)+4*w, b%2, v); p.bits(16+4*w, 4-b, "bytes16", v) },
		scale:  func(p *place, b, half int, v Op) { p.sixBitsTimes(b, 0, v) },
		offset: func(p *place, b int, v Op) { p.sixBitsTimes(8+b, 2, v) },
	},
	{name: "Q6_K", form: halves, bytes: 210, blocks: 8, most: 63, bias: 5,
		words: func(p *place, b, w int, v Op) {
			part, quarter := b/4, b%4
			p.nibbles(64*part+32*(quarter%2)+4*w, quarter/2, v)
			p.bits(128+32*part+4*w, 4-2*quarter, "bytes48", v)
		},
		scale: func(p *place, b, half int, v Op) {
			VPMOVSXBD(p.byte(192+2*b+half), v)
			VCVTDQ2PS(v, v)
			p.float16(208, p.t)
			VMULPS(p.t, v, v)
		},
	},
}

// A place is where in a panel instructions are: a vector of outputs of a group of blocks. t is a register for them to use.
type place struct {
	*machine
	panel  reg.Register
	stack  Mem // of scales and offsets of 6 bits, as bytes
	output int // the first one
	t      Op
	masks  map[string]Op // AVX-512: constants in registers
}

// newPlace returns the place of a function that has a panel.
func (m *machine) newPlace(q *quantised) *place {
	p := &place{machine: m, panel: Load(Param("panel").Base(), GP64()), t: m.v[3], masks: map[string]Op{}}
	if q.sixBits > 0 {
		p.stack = AllocLocal(16 * panelOutputs)
	}
	if m == avx512 {
		for i, name := range []string{"bytes15", "bytes16", "bytes48"} {
			p.masks[name] = m.v[29+i]
			VMOVUPS(constant(name), p.masks[name])
		}
	}
	return p
}

// mask is a constant, in a register if there is one for it.
func (p *place) mask(name string) Op {
	if v, ok := p.masks[name]; ok {
		return v
	}
	return constant(name)
}

// The fields of the outputs of a panel lie side by side: those that begin at byte at of their blocks, of 4 bytes, 2 or 1.
func (p *place) word(at int) Mem { return Mem{Base: p.panel, Disp: panelOutputs*at + 4*p.output} }
func (p *place) half(at int) Mem { return Mem{Base: p.panel, Disp: panelOutputs*at + 2*p.output} }
func (p *place) byte(at int) Mem { return Mem{Base: p.panel, Disp: panelOutputs*at + p.output} }

func (p *place) float16(at int, v Op) { VCVTPH2PS(p.half(at), v) }

func (p *place) negate(v Op) { p.xor(constant("sign"), v) }

// nibbles sets v to the low halves (0) or the high halves (1) of bytes.
func (p *place) nibbles(at, high int, v Op) {
	if high == 0 {
		p.and(p.word(at), p.mask("bytes15"), v)
		return
	}
	p.shifted(p.word(at), -4, v)
	p.and(p.mask("bytes15"), v, v)
}

// bits adds to the numbers in v those bits of bytes that are where mask has ones after a shift to the left.
func (p *place) bits(at, left int, mask string, v Op) {
	p.shifted(p.word(at), left, p.t)
	p.and(p.mask(mask), p.t, p.t)
	p.or(p.t, v)
}

// fifthBits adds the fifth bits of word w's numbers, of which the word at has 32.
func (p *place) fifthBits(at, w int, v Op) {
	p.shifted(p.word(at), -4*w, p.t)
	p.and(constant("four"), p.t, p.t)
	VPMULLD(constant("spread"), p.t, p.t) // bit i goes to bit 8i+4, and to others
	p.and(p.mask("bytes16"), p.t, p.t)
	p.or(p.t, v)
}

// sixBitsTimes sets v to numbers i of those of 6 bits times the float16 at.
func (p *place) sixBitsTimes(i, at int, v Op) {
	VPMOVZXBD(p.stack.Offset(panelOutputs*i+p.output), v)
	VCVTDQ2PS(v, v)
	p.float16(at, p.t)
	VMULPS(p.t, v, v)
}

// unpackSixBits writes scales and offsets of 6 bits to the stack, a byte each. It uses registers 0 to 3.
func (p *place) unpackSixBits(at int) {
	const rows = 4 * panelOutputs // bytes 0 to 3 of the twelve
	for i := 0; i < rows; i += 4 * p.width {
		a, b, c, t := p.v[0], p.v[1], p.v[2], p.v[3]
		from := Mem{Base: p.panel, Disp: panelOutputs*at + i}
		VMOVUPS(from, a)
		VMOVUPS(from.Offset(rows), b)
		VMOVUPS(from.Offset(2*rows), c)
		for j, x := range []Op{a, b} {
			to := p.stack.Offset(2*rows*j + i)
			p.and(constant("bytes63"), x, t)
			VMOVUPS(t, to)
			VPSRLD(Imm(2), x, x)
			p.and(p.mask("bytes48"), x, x)
			p.and(p.mask("bytes15"), c, t)
			p.or(t, x)
			VMOVUPS(x, to.Offset(rows))
			VPSRLD(Imm(4), c, c)
		}
	}
}

// shifted sets v to words that are shifted to the left, or to the right.
func (m *machine) shifted(words Op, left int, v Op) {
	switch {
	case left == 0:
		VMOVUPS(words, v)
		return
	case m != avx512:
		VMOVUPS(words, v)
		words = v
	}
	if left > 0 {
		VPSLLD(Imm(uint64(left)), words, v)
	} else {
		VPSRLD(Imm(uint64(-left)), words, v)
	}
}

// and sets v to a and b; only one of them may be in memory.
func (m *machine) and(a, b, v Op) {
	if IsMem(a) && IsMem(b) {
		VMOVUPS(a, v)
		a, b = b, v
	}
	if m == avx512 {
		VPANDD(a, b, v)
	} else {
		VPAND(a, b, v)
	}
}

func (m *machine) or(a, v Op) {
	if m == avx512 {
		VPORD(a, v, v)
	} else {
		VPOR(a, v, v)
	}
}

func (m *machine) xor(a, v Op) {
	if m == avx512 {
		VPXORD(a, v, v)
	} else {
		VPXOR(a, v, v)
	}
}

// multiplySums adds to the words of acc the sums of four products of unsigned bytes, q, with signed ones, the same for all
// words: VPDPBUSD.
func multiplySums(inputs Mem, q, acc Op) {
	Instruction(&ir.Instruction{Opcode: "VPDPBUSD", Suffixes: []string{"BCST"}, Operands: []Op{inputs, q, acc}, Inputs: []Op{inputs, q, acc}, Outputs: []Op{acc}})
}

// times multiplies v with a float in memory.
func (m *machine) times(p Mem, v, t Op) {
	if m == avx512 {
		VMULPS_BCST(p, v, v)
		return
	}
	VBROADCASTSS(p, t)
	VMULPS(t, v, v)
}

// A summer is the sums of a vector's words over a block, or half of one.
type summer struct {
	*machine
	form     form
	headroom int // products that 16 bits hold the sum of: AVX2 multiplies to 16 bits first
	sum      Op
	short    Op // AVX2: sums of 16 bits
}

// newHeadroom is the number of pairs of products whose sum 16 bits hold.
func newHeadroom(most int) int { return min(math.MaxInt16/(2*127*most), blockWords) }

// begin starts with minus the bias of all inputs, whose negative sum is in memory.
func (s *summer) begin(sum Mem, shift func(v Op)) {
	if shift == nil || s.form == int8s && s.machine != avx512 {
		s.zero(s.sum)
		return
	}
	VPBROADCASTD(sum, s.sum)
	shift(s.sum)
}

// add adds word w of n. inputs is the word of inputs in memory, of which x is a broadcast on AVX2. q are the weights; of
// int8s on AVX2 their magnitudes, and signed they themselves. t is free.
func (s *summer) add(w, n int, inputs Mem, x, q, signed, t Op) {
	switch {
	case s.machine == avx512:
		multiplySums(inputs, q, s.sum)
	case s.form == int8s:
		VPSIGNB(signed, x, t)
		VPMADDUBSW(t, q, t)
		VPMADDWD(constant("ones16"), t, t)
		VPADDD(t, s.sum, s.sum)
	default:
		if w%s.headroom == 0 {
			VPMADDUBSW(x, q, s.short)
		} else {
			VPMADDUBSW(x, q, t)
			VPADDW(t, s.short, s.short)
		}
		if w%s.headroom == s.headroom-1 || w == n-1 {
			VPMADDWD(constant("ones16"), s.short, s.short)
			VPADDD(s.short, s.sum, s.sum)
		}
	}
}

// signs makes of bytes less 128 in q, on AVX2, signed bytes and their magnitudes.
func signs(q, signed Op) {
	VPXOR(constant("bytes128"), q, signed)
	VPABSB(signed, q)
}

// singleQuantised writes the product of one row with a panel.
func (m *machine) singleQuantised(q *quantised) {
	m.text("single"+q.name, "blocks int, a, panel []byte, c []float32, load bool")
	p := m.newPlace(q)
	blocks, a, c := Load(Param("blocks"), GP64()), Load(Param("a").Base(), GP64()), Load(Param("c").Base(), GP64())
	vectors := m.group()
	sums, free := m.v[4:4+halfPanels*vectors], m.v[4+halfPanels*vectors:]
	load := Load(Param("load"), GP8())
	for _, v := range sums {
		m.zero(v)
	}
	TESTB(load, load)
	JZ(LabelRef("block"))
	for i, v := range sums {
		m.load(Mem{Base: c}, i, v, false)
	}
	Label("block")
	if q.sixBits > 0 {
		p.unpackSixBits(q.sixBits)
	}
	for b := range q.blocks {
		q.fetch(p.panel, b)
		for half := range halfPanels {
			m.singleBlock(q, p, Mem{Base: a, Disp: roundedBytes * b}, b, half, sums[half*vectors:][:vectors], free)
		}
	}
	ADDQ(U32(uint32(panelOutputs*q.bytes)), p.panel)
	ADDQ(U32(uint32(roundedBytes*q.blocks)), a)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	for i, v := range sums {
		m.store(v, Mem{Base: c}, i, false)
	}
	ret()
}

// fetch asks the second-level cache for the weights that come some time after block b: 2 KiB beyond the blocks of the file that
// come next, whose parts are not read one after the other. (The first-level cache waits for too few lines at a time. Measured on
// Zen 4, from 1 to 32 KiB: Q4_K came at 28 GB/s in place of 24, Q6_K at 22 in place of 10.)
func (q *quantised) fetch(panel reg.Register, b int) {
	size := panelOutputs * q.bytes
	for line := size * b / q.blocks / 64; line < size*(b+1)/q.blocks/64; line++ {
		PREFETCHT1(Mem{Base: panel, Disp: 2<<10 + size + 64*line})
	}
}

// singleBlock adds the product of block b with half a panel to vectors of sums.
func (m *machine) singleBlock(q *quantised, p *place, a Mem, b, half int, sums []reg.VecPhysical, free []reg.VecPhysical) {
	x, v, signed := m.v[0], m.v[1], m.v[2]
	s := make([]*summer, len(sums))
	for i := range s {
		s[i] = &summer{m, q.form, newHeadroom(q.most), free[2*i], free[2*i+1]}
	}
	var shift func(v Op)
	if q.bias > 0 {
		shift = func(v Op) { VPSLLD(Imm(uint64(q.bias)), v, v) }
	}
	words := q.form.sumWords()
	for w := range blockWords {
		part := w / words
		if w%words == 0 {
			for _, s := range s {
				s.begin(a.Offset(sumOf(q.form, part)), shift)
			}
		}
		inputs := a.Offset(4 * w)
		if m != avx512 {
			VPBROADCASTD(inputs, x)
		}
		for i, s := range s {
			p.output = half*lanes + i*m.width
			q.words(p, b, w, v)
			if q.form == int8s && m != avx512 {
				signs(v, signed)
			}
			s.add(w%words, words, inputs, x, v, signed, p.t)
		}
		if w%words < words-1 {
			continue
		}
		for i, s := range s {
			p.output = half*lanes + i*m.width
			q.scale(p, b, part, v)
			VCVTDQ2PS(s.sum, s.sum)
			VMULPS(v, s.sum, s.sum)
			m.times(a.Offset(roundedScale), s.sum, p.t)
			VADDPS(s.sum, sums[i], sums[i])
			if q.form == offset {
				q.offset(p, b, v)
				m.times(a.Offset(roundedScaled), v, p.t)
				VSUBPS(v, sums[i], sums[i])
			}
		}
	}
}

// sumWords is the number of words of inputs that share a scale.
func (f form) sumWords() int {
	if f == halves {
		return blockWords / 2
	}
	return blockWords
}

// sumOf is where the negative sum of rounded inputs is that a form needs.
func sumOf(f form, half int) int {
	if f == halves {
		return roundedSums + 4*half
	}
	return roundedSum
}

// decodeQuantised writes decode for a type.
func (m *machine) decodeQuantised(q *quantised) {
	m.text("decode"+q.name, "blocks int, dst, panel []byte")
	p := m.newPlace(q)
	blocks, dst := Load(Param("blocks"), GP64()), Load(Param("dst").Base(), GP64())
	v := m.v[0]
	Label("block")
	if q.sixBits > 0 {
		p.unpackSixBits(q.sixBits)
	}
	for b := range q.blocks {
		q.fetch(p.panel, b)
		for i := range panelOutputs / m.width {
			p.output = i * m.width
			to := func(at int) Mem { return Mem{Base: dst, Disp: decodedBytes*b + at + 4*p.output} }
			q.scale(p, b, 0, v)
			VMOVUPS(v, to(0))
			if q.form == halves {
				q.scale(p, b, 1, v)
				VMOVUPS(v, to(rowBytes))
			}
			if q.form == offset {
				q.offset(p, b, v)
				VMOVUPS(v, to(decodedOffset))
			}
			for w := range blockWords {
				q.words(p, b, w, v)
				VMOVUPS(v, to(decodedWords+rowBytes*w))
			}
		}
	}
	ADDQ(U32(uint32(panelOutputs*q.bytes)), p.panel)
	ADDQ(U32(uint32(decodedBytes*q.blocks)), dst)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	ret()
}

// quantisedRows is the number of rows of a tile.
func (m *machine) quantisedRows() int {
	if m == avx512 {
		return 8 // more have room, and would bring little
	}
	return 3 // whose sums of a block, of 32 bits and of 16, leave 4
}

// A quantisedTile is the registers of tileQuantised.
type quantisedTile struct {
	*machine
	form   form
	w      reg.Register      // the block of weights
	c, ldc reg.Register      // half of the panel of C
	row    func(i int) Mem   // inputs
	sums   [][]*summer       // over a block, by row and vector
	total  []reg.VecPhysical // AVX-512: of all blocks. On AVX2 they are in C
	free   []reg.VecPhysical
}

// tileQuantised writes the product of some rows, stride bytes apart, with decoded blocks of a panel, or blocks of int8s as they
// are, half the panel after the other.
func (m *machine) tileQuantised(f form, rows int) {
	m.text(fmt.Sprintf("tile%s%d", formNames[f], rows), "blocks int, a []byte, stride int, w []byte, bias int, c []float32, ldc int, load bool")
	first, stride, begin := Load(Param("a").Base(), GP64()), Load(Param("stride"), GP64()), Load(Param("w").Base(), GP64())
	t := m.newQuantisedTile(f, rows)
	t.c, t.ldc = Load(Param("c").Base(), GP64()), Load(Param("ldc"), GP64())
	SHLQ(Imm(2), t.ldc)
	passes := GP64()
	MOVQ(U32(halfPanels), passes)
	Label("pass")
	a, blocks := GP64(), Load(Param("blocks"), GP64())
	MOVQ(first, a)
	MOVQ(begin, t.w)
	var bases []reg.Register
	bases, t.row = rowAddresses(a, stride, rows)
	t.start(Load(Param("load"), GP8()))
	Label("block")
	t.block()
	for _, p := range bases {
		ADDQ(Imm(roundedBytes), p)
	}
	ADDQ(U32(uint32(t.blockBytes())), t.w)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	if m == avx512 {
		t.rowsOfC(func(i, j int, p Mem) { VMOVUPS(t.total[i], p) })
	}
	ADDQ(Imm(4*lanes), t.c)
	ADDQ(Imm(4*lanes), begin)
	DECQ(passes)
	JNZ(LabelRef("pass"))
	ret()
}

func (m *machine) newQuantisedTile(f form, rows int) *quantisedTile {
	t := &quantisedTile{machine: m, form: f, w: GP64(), free: m.v}
	most := map[form]int{plain: 31, offset: 31, halves: 63, int8s: 255}[f]
	for range rows {
		var sums []*summer
		for range m.group() {
			s := &summer{machine: m, form: f, headroom: newHeadroom(most), sum: t.take()}
			if m != avx512 && f != int8s {
				s.short = t.take()
			}
			sums = append(sums, s)
		}
		t.sums = append(t.sums, sums)
		if m == avx512 {
			t.total = append(t.total, t.take())
		}
	}
	return t
}

func (t *quantisedTile) take() reg.VecPhysical {
	v := t.free[0]
	t.free = t.free[1:]
	return v
}

// blockBytes is the size of a block of weights, of which the last rows are words.
func (t *quantisedTile) blockBytes() int {
	if t.form == int8s {
		return (1 + blockWords) * rowBytes
	}
	return decodedBytes
}

// rowsOfC calls body for vector j of row i.
func (t *quantisedTile) rowsOfC(body func(i, j int, p Mem)) {
	at := GP64()
	MOVQ(t.c, at)
	for i := range t.sums {
		for j := range t.group() {
			body(i, j, t.at(Mem{Base: at}, j))
		}
		if i+1 < len(t.sums) {
			ADDQ(t.ldc, at)
		}
	}
}

// start begins with C if load, or with 0.
func (t *quantisedTile) start(load reg.Register) {
	TESTB(load, load)
	if t.machine != avx512 {
		JNZ(LabelRef("started"))
		t.zero(t.free[0])
		t.rowsOfC(func(i, j int, p Mem) { VMOVUPS(t.free[0], p) })
	} else {
		for _, v := range t.total {
			t.zero(v)
		}
		JZ(LabelRef("started"))
		t.rowsOfC(func(i, j int, p Mem) { VMOVUPS(p, t.total[i]) })
	}
	Label("started")
}

// block adds the products of a block.
func (t *quantisedTile) block() {
	words := t.form.sumWords()
	n := t.group()
	q, x, tmp := t.free[:n], t.free[n], t.free[n+1]
	signed := q
	if t.form == int8s && t.machine != avx512 {
		signed = t.free[n+2 : 2*n+2]
	}
	for w := range blockWords {
		if w%words == 0 {
			t.begin(w/words, tmp)
		}
		for j, v := range q {
			VMOVUPS(t.at(Mem{Base: t.w, Disp: t.blockBytes() + rowBytes*(w-blockWords)}, j), v)
			if t.form == int8s && t.machine != avx512 {
				signs(v, signed[j])
			}
		}
		for i, sums := range t.sums {
			inputs := t.row(i).Offset(4 * w)
			if t.machine != avx512 {
				VPBROADCASTD(inputs, x)
			}
			for j, s := range sums {
				s.add(w%words, words, inputs, x, q[j], signed[j], tmp)
			}
		}
		if w%words == words-1 {
			t.flush(w / words)
		}
	}
}

// begin begins the sums over a part of a block.
func (t *quantisedTile) begin(part int, tmp reg.VecPhysical) {
	var shift func(v Op)
	if t.form != offset {
		bias, err := Param("bias").Resolve()
		if err != nil {
			panic(err)
		}
		VMOVQ(bias.Addr, tmp.AsX())
		shift = func(v Op) { VPSLLD(tmp.AsX(), v, v) }
	}
	for i, sums := range t.sums {
		for _, s := range sums {
			s.begin(t.row(i).Offset(sumOf(t.form, part)), shift)
		}
	}
}

// flush adds the sums over a part of a block to those of all, or to C.
func (t *quantisedTile) flush(part int) {
	v, tmp := t.free[0], t.free[1]
	row := func(at, j int) Mem { return t.at(Mem{Base: t.w, Disp: at}, j) }
	add := func(i, j int, s, total, to Op) {
		VCVTDQ2PS(s, s)
		VMULPS(row(rowBytes*part, j), s, s)
		t.times(t.row(i).Offset(roundedScale), s, tmp)
		VADDPS(total, s, to)
		if t.form == offset {
			VMOVUPS(row(decodedOffset, j), v)
			t.times(t.row(i).Offset(roundedScaled), v, tmp)
			VSUBPS(v, to, to)
		}
	}
	if t.machine == avx512 {
		for i, sums := range t.sums {
			add(i, 0, sums[0].sum, t.total[i], t.total[i])
		}
		return
	}
	t.rowsOfC(func(i, j int, p Mem) {
		s := t.sums[i][j].sum
		add(i, j, s, p, s)
		VMOVUPS(s, p)
	})
}

// roundInputs writes roundInputs: blocks of 32 floats become signed bytes, their scale, and sums of them.
func (m *machine) roundInputs() {
	m.text("roundInputs", "dst []byte, src []float32")
	dst, src, blocks := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64()), Load(Param("src").Len(), GP64())
	const vectors = 4
	v, most, t, inverse, scale := y[:vectors], y[4], y[5], y[6], y[7]
	SHRQ(Imm(5), blocks)
	Label("block")
	for i, v := range v { // magnitudes are in the order of their bits, NaNs above all
		VMOVUPS(m.at(Mem{Base: src}, i), v)
		VANDPS(constant("magnitude"), v, t)
		if i == 0 {
			VMOVUPS(t, most)
		} else {
			VPMAXSD(t, most, most)
		}
	}
	VEXTRACTI128(Imm(1), most, t.AsX())
	VPMAXSD(t.AsX(), most.AsX(), most.AsX())
	for _, order := range []uint64{0b1110, 1} {
		VPSHUFD(Imm(order), most.AsX(), t.AsX())
		VPMAXSD(t.AsX(), most.AsX(), most.AsX())
	}
	VPCMPGTD(constant("belowLeast"), most.AsX(), t.AsX()) // smaller ones are taken for 0
	VDIVSS(constant("most8"), most.AsX(), scale.AsX())
	VANDPS(t.AsX(), scale.AsX(), scale.AsX())
	VMOVSS(scale.AsX(), Mem{Base: dst, Disp: roundedScale})
	VMOVSS(constant("most8"), inverse.AsX())
	VDIVSS(most.AsX(), inverse.AsX(), inverse.AsX())
	VANDPS(t.AsX(), inverse.AsX(), inverse.AsX())
	VBROADCASTSS(inverse.AsX(), inverse)
	for _, v := range v {
		VMULPS(inverse, v, v)
		VCVTPS2DQ(v, v)
		VPCMPEQD(constant("sign"), v, t) // what is no number becomes 0
		VPANDN(v, t, v)
	}
	sum, both := y[4], y[5]
	VPADDD(v[1], v[0], sum)
	VPADDD(v[3], v[2], t)
	VPHADDD(t, sum, sum)
	VPHADDD(sum, sum, sum)
	VEXTRACTI128(Imm(1), sum, t.AsX())
	VPADDD(t.AsX(), sum.AsX(), sum.AsX()) // of the first 16, of the last
	VPXOR(t.AsX(), t.AsX(), t.AsX())
	VPSUBD(sum.AsX(), t.AsX(), t.AsX())
	VMOVQ(t.AsX(), Mem{Base: dst, Disp: roundedSums})
	VPHADDD(t.AsX(), t.AsX(), both.AsX())
	VMOVD(both.AsX(), Mem{Base: dst, Disp: roundedSum})
	VPHADDD(sum.AsX(), sum.AsX(), sum.AsX())
	VCVTDQ2PS(sum.AsX(), sum.AsX())
	VMULSS(scale.AsX(), sum.AsX(), sum.AsX())
	VMOVSS(sum.AsX(), Mem{Base: dst, Disp: roundedScaled})
	VPACKSSDW(v[1], v[0], v[0])
	VPACKSSDW(v[3], v[2], v[2])
	VPACKSSWB(v[2], v[0], v[0])
	VMOVDQU(constant("unpacked"), t)
	VPERMD(v[0], t, v[0])
	VMOVDQU(v[0], Mem{Base: dst})
	ADDQ(U32(4*blockRows), src)
	ADDQ(Imm(roundedBytes), dst)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	ret()
}

// quantisedKernels writes all of this file.
func quantisedKernels() {
	words := func(name string, values ...uint32) {
		GLOBL(name, RODATA|NOPTR)
		for i := range lanes {
			DATA(4*i, U32(values[i%len(values)]))
		}
	}
	words("bytes15", 0x0f0f0f0f)
	words("bytes16", 0x10101010)
	words("bytes48", 0x30303030)
	words("bytes63", 0x3f3f3f3f)
	words("bytes128", 0x80808080)
	words("four", 15)
	words("spread", 0x02040810)
	words("ones16", 0x00010001)
	words("sign", 1<<31)
	words("magnitude", 1<<31-1)
	words("most8", math.Float32bits(127))
	words("belowLeast", math.Float32bits(0x1p-100)-1)
	words("unpacked", 0, 4, 1, 5, 2, 6, 3, 7)
	for _, m := range []*machine{avx512, avx2} {
		for _, q := range quantisedTypes {
			m.singleQuantised(q)
			if q.form != int8s {
				m.decodeQuantised(q)
			}
		}
		for f := range formNames {
			for rows := 1; rows <= m.quantisedRows(); rows++ {
				m.tileQuantised(form(f), rows)
			}
		}
	}
	avx2.roundInputs()
}
