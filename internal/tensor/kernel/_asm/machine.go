package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A machine is an instruction set as the kernels see it. Kernels work on groups of 16 floats, the lanes of the definition: one
// vector of AVX-512, two of AVX2. Only this file knows how a partial group is loaded and stored.
type machine struct {
	name     string
	width    int // floats in a vector
	tileRows int // rows of a GEMM tile: rows x 2 accumulators, 2 vectors of B and 2 broadcasts of A fill the registers
	v        []reg.VecPhysical
}

const lanes = 16

var (
	avx512 = &machine{"AVX512", 16, 12, []reg.VecPhysical{
		reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
		reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31}}
	avx2 = &machine{"AVX2", 8, 6, y}

	y = []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15}
	x = []reg.VecPhysical{reg.X0, reg.X1, reg.X2, reg.X3, reg.X4, reg.X5, reg.X6, reg.X7, reg.X8, reg.X9, reg.X10, reg.X11, reg.X12, reg.X13, reg.X14, reg.X15}

	// The masks of a partial group: vector i of AVX-512 has k[i], vector i of AVX2 ymask[i].
	k     = []reg.Register{reg.K1, reg.K2}
	ymask = []reg.VecPhysical{reg.Y14, reg.Y15}
)

// text begins a function. Its name gets the machine's as suffix.
func (m *machine) text(name, signature string) {
	TEXT(name+m.name, NOSPLIT, "func("+signature+")")
	Pragma("noescape")
}

// ret ends a function.
func ret() {
	VZEROUPPER()
	RET()
}

// group is the number of vectors in a group.
func (m *machine) group() int { return lanes / m.width }

// at is the memory of vector i behind base.
func (m *machine) at(base Mem, i int) Mem { return base.Offset(4 * m.width * i) }

func (m *machine) zero(v Op) {
	if m == avx512 {
		VPXORD(v, v, v)
	} else {
		VXORPS(v, v, v)
	}
}

// masks sets the masks so that the first n floats of count vectors are covered. n is clobbered.
func (m *machine) masks(n reg.Register, count int) {
	t := GP64()
	if m == avx512 {
		MOVQ(I64(-1), t)
		BZHIQ(n, t, t)
		for i := range count {
			KMOVW(t.As32(), k[i])
			if i+1 < count {
				SHRQ(Imm(16), t)
			}
		}
		return
	}
	LEAQ(NewDataAddr(Symbol{Name: "masks", Static: true}, 4*lanes), t)
	SHLQ(Imm(2), n)
	SUBQ(n, t)
	for i := range count {
		VMOVUPS(m.at(Mem{Base: t}, i), ymask[i])
	}
}

// load loads vector i of the group at p into v; the floats that the mask leaves out are 0.
func (m *machine) load(p Mem, i int, v Op, masked bool) {
	switch {
	case !masked:
		VMOVUPS(m.at(p, i), v)
	case m == avx512:
		VMOVUPS_Z(m.at(p, i), k[i], v)
	default:
		VMASKMOVPS(m.at(p, i), ymask[i], v)
	}
}

// store stores v as vector i of the group at p, except the floats that the mask leaves out.
func (m *machine) store(v Op, p Mem, i int, masked bool) {
	switch {
	case !masked:
		VMOVUPS(v, m.at(p, i))
	case m == avx512:
		VMOVUPS(v, k[i], m.at(p, i))
	default:
		VMASKMOVPS(v, ymask[i], m.at(p, i))
	}
}

// broadcast loads the function's parameter into all of v.
func broadcast(param string, v Op) {
	c, err := Param(param).Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(c.Addr, v)
}

// loop calls body for each group of n floats, the last one masked when it is not full, and moves the pointers on. n is
// clobbered. It may be used once in a function.
func (m *machine) loop(n reg.Register, pointers []reg.Register, body func(masked bool)) {
	CMPQ(n, Imm(lanes))
	JLT(LabelRef("partial"))
	Label("full")
	body(false)
	for _, p := range pointers {
		ADDQ(Imm(4*lanes), p)
	}
	SUBQ(Imm(lanes), n)
	CMPQ(n, Imm(lanes))
	JGE(LabelRef("full"))
	Label("partial")
	TESTQ(n, n)
	JZ(LabelRef("end"))
	m.masks(n, m.group())
	body(true)
	Label("end")
}

// reduce leaves in float 0 of register 0 the 16 lanes of the group in registers 0.., combined by op in the order of tree. It
// uses register 2.
func (m *machine) reduce(op func(...Op)) {
	if m == avx512 {
		VEXTRACTF64X4(Imm(1), reg.Z0, reg.Y2)
		op(reg.Y2, reg.Y0, reg.Y0)
	} else {
		op(reg.Y1, reg.Y0, reg.Y0)
	}
	VEXTRACTF128(Imm(1), reg.Y0, reg.X2)
	op(reg.X2, reg.X0, reg.X0)
	VPERMILPS(Imm(0b1110), reg.X0, reg.X2)
	op(reg.X2, reg.X0, reg.X0)
	VPERMILPS(Imm(1), reg.X0, reg.X2)
	op(reg.X2, reg.X0, reg.X0)
}

// constant returns the group of 16 equal words that constants put into memory.
func constant(name string) Mem { return NewDataAddr(Symbol{Name: name, Static: true}, 0) }

// constants writes the read-only data. Groups of 16 can be operands of both machines.
func constants() {
	GLOBL("masks", RODATA|NOPTR) // 16 times yes, 16 times no
	for i := range 2 * lanes {
		if i < lanes {
			DATA(4*i, U32(math.MaxUint32))
		} else {
			DATA(4*i, U32(0))
		}
	}
	type group struct {
		name  string
		value uint32
	}
	groups := []group{
		{"negInf", math.Float32bits(float32(math.Inf(-1)))},
		{"sign", 1 << 31},
		{"one", math.Float32bits(1)},
		{"expMost", math.Float32bits(expMost)},
		{"expLeast", math.Float32bits(expLeast)},
		{"log2e", math.Float32bits(math.Log2E)},
		{"ln2hi", math.Float32bits(ln2hi)},
		{"ln2lo", math.Float32bits(ln2lo)},
		{"round", math.Float32bits(round)},
		{"magnitude", 1<<31 - 1},
		{"minusTwo", math.Float32bits(-2)},
		{"minusHalf", math.Float32bits(-1. / 2)},
		{"tanhSmall", math.Float32bits(tanhSmall)},
		{"geluScale", math.Float32bits(geluScale)},
		{"geluMost", math.Float32bits(geluMost)},
		{"lowestBit", 1 << 16}, // of bfloat16: rounding to even, the bit that decides, what is added if it is set, and always
		{"lowest", 1},
		{"half", 1<<15 - 1},
		{"high", 0xFFFF << 16},
		{"quiet", 0x7FC00000},
		{"int8Most", math.Float32bits(127)},
		{"leastScale", math.Float32bits(0x1p-126)},
		{"lowestBytes", 12<<24 | 8<<16 | 4<<8},       // of four words
		{"density0", math.Float32bits(0.3989422804)}, // of the normal distribution, at 0
	}
	for i, c := range expCoefficients {
		groups = append(groups, group{fmt.Sprint("exp", i), math.Float32bits(c)})
	}
	for i, c := range tanhCoefficients {
		groups = append(groups, group{fmt.Sprint("tanh", i), math.Float32bits(c)})
	}
	for i, c := range geluCoefficients {
		groups = append(groups, group{fmt.Sprint("gelu", i), math.Float32bits(c)})
	}
	for _, c := range groups {
		GLOBL(c.name, RODATA|NOPTR)
		for i := range lanes {
			DATA(4*i, U32(c.value))
		}
	}
}
