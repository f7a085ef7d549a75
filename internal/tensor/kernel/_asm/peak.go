package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// fmas writes the loop of PeakFLOPs: n rounds of 192 multiply-adds in chains that are independent of each other.
func (m *machine) fmas() {
	m.text("fmas", "n int")
	const chains = 12
	for i := range chains + 2 {
		m.zero(m.v[i])
	}
	n := Load(Param("n"), GP64())
	TESTQ(n, n)
	JZ(LabelRef("end"))
	Label("round")
	for range 192 / (chains * m.width) {
		for i := range chains {
			VFMADD231PS(m.v[12], m.v[13], m.v[i])
		}
	}
	DECQ(n)
	JNZ(LabelRef("round"))
	Label("end")
	ret()
}
