package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// e^x = 2^n e^r with n = x/ln 2 rounded to an integer and |r| <= ln(2)/2. There e^r is 1 + r + r^2 P(r), where P is the minimax
// fit of degree 4, with a relative error of at most 4e-9 (Taylor's polynomial of that degree would have 1e-7): what is left is the
// rounding of its steps.
const (
	expMost  = 89          // e^89 overflows to +Inf
	expLeast = -87.5       // e^-87.5 < 1e-38: 0 from here on
	ln2hi    = 0.693359375 // ln 2 = ln2hi + ln2lo; n*ln2hi is exact
	ln2lo    = -2.12194440054690583e-4
	round    = 3 << 22 // adding 1.5*2^23 rounds to an integer, which is then in the low bits
)

var expCoefficients = []float32{1, 1, 0.49999994, 0.166665211, 0.041668389, 0.00836874545, 0.00138145406}

// notLess is the comparison that also holds for NaN.
const notLess = 5

// exp leaves e^in in out. It clobbers in and the three registers t.
func (m *machine) exp(in, out Op, t []reg.VecPhysical) {
	z, n, bits := t[0], t[1], t[2]
	VMOVUPS(constant("expMost"), z)
	VMINPS(in, z, z) // a NaN stays: of two operands that do not compare, the instruction takes the first here
	if m == avx512 {
		VCMPPS(Imm(notLess), constant("expLeast"), in, reg.K3)
	} else {
		VCMPPS(Imm(notLess), constant("expLeast"), in, in)
	}
	VMOVUPS(constant("round"), bits)
	VFMADD231PS(constant("log2e"), z, bits)
	VSUBPS(constant("round"), bits, n)
	VFNMADD231PS(constant("ln2hi"), n, z)
	VFNMADD231PS(constant("ln2lo"), n, z)
	polynomial("exp", len(expCoefficients), z, out)
	if m == avx512 {
		VSCALEFPS_Z(n, out, reg.K3, out)
		return
	}
	// 2^n may not be a float32 where 2^n e^r is: multiply by 2^(n/2) and 2^(n-n/2).
	VPSUBD(constant("round"), bits, bits)
	VPSRAD(Imm(1), bits, n)
	VPSUBD(n, bits, bits)
	for _, half := range []Op{n, bits} {
		VPSLLD(Imm(23), half, half)
		VPADDD(constant("one"), half, half)
		VMULPS(half, out, out)
	}
	VANDPS(in, out, out)
}

// max writes the maximum of x.
func (m *machine) max() {
	m.text("maximum", "x []float32) (most float32")
	p, n := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	for i := range m.group() {
		VMOVUPS(constant("negInf"), m.v[i])
	}
	m.loop(n, []reg.Register{p}, func(masked bool) {
		for i := range m.group() {
			v, acc := m.v[2], m.v[i]
			m.load(Mem{Base: p}, i, v, masked)
			switch {
			case !masked:
				VMAXPS(acc, v, acc) // NaNs are passed over
			case m == avx512:
				VMAXPS(acc, v, k[i], acc)
			default:
				VMAXPS(acc, v, v)
				VBLENDVPS(ymask[i], v, acc, acc)
			}
		}
	})
	m.reduce(VMAXPS)
	Store(reg.X0, Return("most"))
	ret()
}

// expSum writes the exponentials of Exp and Softmax.
func (m *machine) expSum() {
	m.text("expSum", "dst, x []float32, shift, alpha float32) (sum float32")
	dst := Load(Param("dst").Base(), GP64())
	p, n := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	shift, alpha := m.v[2], m.v[9]
	broadcast("shift", shift)
	broadcast("alpha", alpha)
	for i := range m.group() {
		m.zero(m.v[i])
	}
	m.loop(n, []reg.Register{p, dst}, func(masked bool) {
		for i := range m.group() {
			in, out := m.v[3], m.v[4]
			m.load(Mem{Base: p}, i, in, masked)
			VSUBPS(shift, in, in)
			VMULPS(alpha, in, in)
			m.exp(in, out, m.v[5:8])
			m.store(out, Mem{Base: dst}, i, masked)
			switch {
			case !masked:
				VADDPS(out, m.v[i], m.v[i])
			case m == avx512:
				VADDPS(out, m.v[i], k[i], m.v[i])
			default:
				VANDPS(ymask[i], out, out)
				VADDPS(out, m.v[i], m.v[i])
			}
		}
	})
	m.reduce(VADDPS)
	Store(reg.X0, Return("sum"))
	ret()
}

// scale writes Scale.
func (m *machine) scale() {
	m.text("scale", "dst []float32, alpha float32, x []float32")
	dst, p, n := Load(Param("dst").Base(), GP64()), Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	broadcast("alpha", m.v[0])
	m.loop(n, []reg.Register{p, dst}, func(masked bool) {
		for i := range m.group() {
			m.load(Mem{Base: p}, i, m.v[1], masked)
			VMULPS(m.v[0], m.v[1], m.v[1])
			m.store(m.v[1], Mem{Base: dst}, i, masked)
		}
	})
	ret()
}

// axpy writes Axpy.
func (m *machine) axpy() {
	m.text("axpy", "alpha float32, x, y []float32")
	x, y, n := Load(Param("x").Base(), GP64()), Load(Param("y").Base(), GP64()), Load(Param("x").Len(), GP64())
	broadcast("alpha", m.v[0])
	m.loop(n, []reg.Register{x, y}, func(masked bool) {
		for i := range m.group() {
			m.load(Mem{Base: x}, i, m.v[1], masked)
			m.load(Mem{Base: y}, i, m.v[2], masked)
			VFMADD231PS(m.v[1], m.v[0], m.v[2])
			m.store(m.v[2], Mem{Base: y}, i, masked)
		}
	})
	ret()
}

// binary writes dst = a op b.
func (m *machine) binary(name string, op func(...Op)) {
	m.text(name, "dst, a, b []float32")
	dst, n := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	a, b := Load(Param("a").Base(), GP64()), Load(Param("b").Base(), GP64())
	m.loop(n, []reg.Register{dst, a, b}, func(masked bool) {
		for i := range m.group() {
			m.load(Mem{Base: a}, i, m.v[0], masked)
			m.load(Mem{Base: b}, i, m.v[1], masked)
			op(m.v[1], m.v[0], m.v[0])
			m.store(m.v[0], Mem{Base: dst}, i, masked)
		}
	})
	ret()
}

// mulAdd writes MulAdd.
func (m *machine) mulAdd() {
	m.text("mulAdd", "dst, a, b []float32")
	dst, n := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	a, b := Load(Param("a").Base(), GP64()), Load(Param("b").Base(), GP64())
	m.loop(n, []reg.Register{dst, a, b}, func(masked bool) {
		for i := range m.group() {
			m.load(Mem{Base: a}, i, m.v[0], masked)
			m.load(Mem{Base: b}, i, m.v[1], masked)
			m.load(Mem{Base: dst}, i, m.v[2], masked)
			VFMADD231PS(m.v[1], m.v[0], m.v[2])
			m.store(m.v[2], Mem{Base: dst}, i, masked)
		}
	})
	ret()
}

// softmaxAgain writes the weights of attention and their gradients in the backward pass.
func (m *machine) softmaxAgain() {
	m.text("softmaxAgain", "x, ds []float32, shift, inv, mean, alpha float32")
	p, ds, n := Load(Param("x").Base(), GP64()), Load(Param("ds").Base(), GP64()), Load(Param("x").Len(), GP64())
	shift, inv, mean, alpha := m.v[8], m.v[9], m.v[10], m.v[11]
	broadcast("shift", shift)
	broadcast("inv", inv)
	broadcast("mean", mean)
	broadcast("alpha", alpha)
	m.loop(n, []reg.Register{p, ds}, func(masked bool) {
		for i := range m.group() {
			in, out, d := m.v[0], m.v[1], m.v[2]
			m.load(Mem{Base: p}, i, in, masked)
			VSUBPS(shift, in, in)
			VMULPS(alpha, in, in)
			m.exp(in, out, m.v[3:6])
			VMULPS(inv, out, out)
			m.store(out, Mem{Base: p}, i, masked)
			m.load(Mem{Base: ds}, i, d, masked)
			VSUBPS(mean, d, d)
			VMULPS(alpha, out, out)
			VMULPS(out, d, d)
			m.store(d, Mem{Base: ds}, i, masked)
		}
	})
	ret()
}

// tanhSmall is where the quotient of exponentials would begin to lose digits to its difference. Below it, tanh x is x times a
// polynomial in x^2: the Chebyshev fit of degree 4 on [0, 0.3], with a relative error of at most 4e-8.
const tanhSmall = 0.5

var tanhCoefficients = []float32{0.9999999686, -0.3333280796, 0.1331914454, -0.05260633461, 0.01634832659}

// tanh writes Tanh: with e = e^(-2|x|) and r = 1/(1+e), tanh |x| = (1-e) r has the derivative e (2r)^2.
func (m *machine) tanh() {
	m.unary("tanh", func(in, y, slope Op, t []reg.VecPhysical) {
		size, e, r := t[0], t[1], t[2]
		VANDPS(constant("magnitude"), in, size)
		VMULPS(constant("minusTwo"), size, slope)
		m.exp(slope, e, t[3:6])
		VMOVUPS(constant("one"), y)
		VADDPS(y, e, slope)
		VDIVPS(slope, y, r)
		VSUBPS(e, y, y)
		VMULPS(r, y, y)
		VADDPS(r, r, r)
		VMULPS(r, e, slope)
		VMULPS(r, slope, slope)
		VANDPS(constant("sign"), in, t[3])
		VORPS(t[3], y, y)

		square, small := t[3], t[4]
		VMULPS(in, in, square)
		polynomial("tanh", len(tanhCoefficients), square, small)
		VMULPS(in, small, small)
		VMOVUPS(constant("tanhSmall"), r)
		const greater = 14 // false for NaN
		if m == avx512 {
			VCMPPS(Imm(greater), size, r, reg.K3)
			VBLENDMPS(small, y, reg.K3, y)
		} else {
			VCMPPS(Imm(greater), size, r, r)
			VBLENDVPS(r, small, y, y)
		}
	})
}

// For z = |x|, Φ(-z) = e^(-z^2/2) t P(t) with t = 1/(1 + geluScale z). P is the Chebyshev fit of degree 8 for z up to 14, with a
// relative error of at most 4e-8.
const (
	geluScale = 0.35
	geluMost  = 20 // Φ(-20) is 0 in float32
)

var geluCoefficients = []float32{
	0.1396187126, 0.1399122981, 0.1194449168, 0.1071145876, -0.02704660827, 0.1650509959, -0.2609612283, 0.1465458303, -0.029679522,
}

// gelu writes GELU.
func (m *machine) gelu() {
	m.unary("gelu", func(in, y, slope Op, t []reg.VecPhysical) {
		z, e, low, inv, cdf := t[0], t[1], t[2], t[3], t[4]
		VANDPS(constant("magnitude"), in, z)
		VMOVUPS(constant("geluMost"), e)
		VMINPS(z, e, z) // a NaN stays
		// The rounding error of z^2, low, would be a large relative error of e^(-z^2/2).
		VMULPS(z, z, slope)
		VMOVAPS(slope, low)
		VFMSUB231PS(z, z, low)
		VMULPS(constant("minusHalf"), slope, slope)
		m.exp(slope, e, []reg.VecPhysical{t[3], t[4], t[5]})
		VMULPS(constant("minusHalf"), low, low)
		VFMADD231PS(low, e, e)

		VMOVUPS(constant("one"), y)
		VMOVUPS(constant("geluScale"), inv)
		VFMADD213PS(y, z, inv)
		VDIVPS(inv, y, inv)
		polynomial("gelu", len(geluCoefficients), inv, cdf)
		VMULPS(inv, cdf, cdf)
		VMULPS(e, cdf, cdf)
		VSUBPS(cdf, y, y)
		if m == avx512 {
			VPMOVD2M(in, reg.K3)
			VBLENDMPS(cdf, y, reg.K3, cdf)
		} else {
			VBLENDVPS(in, cdf, y, cdf)
		}
		VMULPS(constant("density0"), e, slope)
		VFMADD213PS(cdf, in, slope) // Φ(x) + x φ(x)
		VMULPS(cdf, in, y)
	})
}

// polynomial leaves in out the polynomial in x whose count coefficients are the constants name0, name1, ...
func polynomial(name string, count int, x, out Op) {
	coefficient := func(i int) Mem { return constant(fmt.Sprint(name, i)) }
	VMOVUPS(coefficient(count-1), out)
	for i := count - 2; i >= 0; i-- {
		VFMADD213PS(coefficient(i), x, out)
	}
}

// unary writes an elementwise function that has also a slope, stored first.
func (m *machine) unary(name string, f func(in, y, slope Op, t []reg.VecPhysical)) {
	m.text(name, "y, slope, x []float32")
	yp, n := Load(Param("y").Base(), GP64()), Load(Param("y").Len(), GP64())
	slopep, xp := Load(Param("slope").Base(), GP64()), Load(Param("x").Base(), GP64())
	m.loop(n, []reg.Register{yp, slopep, xp}, func(masked bool) {
		for i := range m.group() {
			m.load(Mem{Base: xp}, i, m.v[0], masked)
			f(m.v[0], m.v[1], m.v[2], m.v[3:])
			m.store(m.v[2], Mem{Base: slopep}, i, masked)
			m.store(m.v[1], Mem{Base: yp}, i, masked)
		}
	})
	ret()
}

// onePlusExpNeg leaves 1 + e^-g in out.
func (m *machine) onePlusExpNeg(g, out Op, t []reg.VecPhysical) {
	if m == avx512 {
		VPXORD(constant("sign"), g, t[3])
	} else {
		VXORPS(constant("sign"), g, t[3])
	}
	m.exp(t[3], out, t)
	VADDPS(constant("one"), out, out)
}

// swiglu writes SwiGLU.
func (m *machine) swiglu() {
	m.text("swiglu", "dst, gate, up []float32")
	dst, n := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	gate, up := Load(Param("gate").Base(), GP64()), Load(Param("up").Base(), GP64())
	m.loop(n, []reg.Register{dst, gate, up}, func(masked bool) {
		for i := range m.group() {
			g, u, d := m.v[0], m.v[1], m.v[2]
			m.load(Mem{Base: gate}, i, g, masked)
			m.load(Mem{Base: up}, i, u, masked)
			m.onePlusExpNeg(g, d, m.v[3:7])
			VDIVPS(d, g, g)
			VMULPS(u, g, g)
			m.store(g, Mem{Base: dst}, i, masked)
		}
	})
	ret()
}

// swigluBackward writes SwiGLUBackward.
func (m *machine) swigluBackward() {
	m.text("swigluBackward", "dgate, dup, dy, gate, up []float32, accumulate bool")
	dgate, dup := Load(Param("dgate").Base(), GP64()), Load(Param("dup").Base(), GP64())
	dy, n := Load(Param("dy").Base(), GP64()), Load(Param("dy").Len(), GP64())
	gate, up := Load(Param("gate").Base(), GP64()), Load(Param("up").Base(), GP64())
	flag, keep := Load(Param("accumulate"), GP8()), m.v[12] // all bits set to keep the old gradients, or none
	wide := GP32()
	MOVBLZX(flag, wide)
	NEGL(wide)
	VMOVD(wide, x[12])
	VPBROADCASTD(x[12], keep)
	m.loop(n, []reg.Register{dgate, dup, dy, gate, up}, func(masked bool) {
		for i := range m.group() {
			g, s, d, u := m.v[0], m.v[1], m.v[7], m.v[8]
			silu, slope, old := m.v[9], m.v[10], m.v[11]
			m.load(Mem{Base: gate}, i, g, masked)
			m.load(Mem{Base: up}, i, u, masked)
			m.load(Mem{Base: dy}, i, d, masked)
			m.onePlusExpNeg(g, s, m.v[3:7])
			VMOVUPS(constant("one"), slope)
			VDIVPS(s, slope, s) // sigmoid
			VMULPS(s, g, silu)
			VSUBPS(s, slope, slope)
			VFMADD213PS(s, silu, slope) // s + silu (1-s)
			VMULPS(d, u, u)
			m.load(Mem{Base: dgate}, i, old, masked)
			VANDPS(keep, old, old)
			VFMADD231PS(slope, u, old)
			m.store(old, Mem{Base: dgate}, i, masked)
			m.load(Mem{Base: dup}, i, old, masked)
			VANDPS(keep, old, old)
			VFMADD231PS(silu, d, old)
			m.store(old, Mem{Base: dup}, i, masked)
		}
	})
	ret()
}

// adamw writes AdamW. No product is fused into a sum, so it gives the same bits as the Go version.
func (m *machine) adamw() {
	m.text("adamw", "p, g, m, v []float32, gscale, decay, b1, a1, b2, a2, step, rc2, eps float32")
	pp, n := Load(Param("p").Base(), GP64()), Load(Param("p").Len(), GP64())
	gp, mp, vp := Load(Param("g").Base(), GP64()), Load(Param("m").Base(), GP64()), Load(Param("v").Base(), GP64())
	h := make(map[string]Op)
	for i, name := range []string{"gscale", "decay", "b1", "a1", "b2", "a2", "step", "rc2", "eps"} {
		h[name] = m.v[i]
		broadcast(name, m.v[i])
	}
	p, g, mo, v, t := m.v[9], m.v[10], m.v[11], m.v[12], m.v[13]
	m.loop(n, []reg.Register{pp, gp, mp, vp}, func(masked bool) {
		for i := range m.group() {
			m.load(Mem{Base: gp}, i, g, masked)
			m.load(Mem{Base: mp}, i, mo, masked)
			m.load(Mem{Base: vp}, i, v, masked)
			m.load(Mem{Base: pp}, i, p, masked)
			VMULPS(h["gscale"], g, g)
			VMULPS(h["b1"], mo, mo)
			VMULPS(h["a1"], g, t)
			VADDPS(t, mo, mo)
			VMULPS(h["b2"], v, v)
			VMULPS(g, g, g)
			VMULPS(h["a2"], g, g)
			VADDPS(g, v, v)
			m.store(mo, Mem{Base: mp}, i, masked)
			m.store(v, Mem{Base: vp}, i, masked)
			VMULPS(h["rc2"], v, v)
			VSQRTPS(v, v)
			VADDPS(h["eps"], v, v)
			VMULPS(h["decay"], p, t)
			VSUBPS(t, p, p)
			VMULPS(h["step"], mo, mo)
			VDIVPS(v, mo, mo)
			VSUBPS(mo, p, p)
			m.store(p, Mem{Base: pp}, i, masked)
		}
	})
	ret()
}

// sumSquares writes SumSquares: the 16 partial sums are vectors of float64, half as many floats in each.
func (m *machine) sumSquares() {
	m.text("sumSquares", "x []float32) (sum float64")
	p, n := Load(Param("x").Base(), GP64()), Load(Param("x").Len(), GP64())
	sums := 2 * m.group()
	for i := range sums {
		m.zero(m.v[i])
	}
	m.loop(n, []reg.Register{p}, func(masked bool) {
		for i := range m.group() {
			m.load(Mem{Base: p}, i, m.v[4], masked)
			for h := range 2 {
				if m == avx512 {
					half := y[5]
					VEXTRACTF64X4(Imm(uint64(h)), m.v[4], half)
					VCVTPS2PD(half, m.v[6])
				} else {
					half := x[5]
					VEXTRACTF128(Imm(uint64(h)), m.v[4], half)
					VCVTPS2PD(half, m.v[6])
				}
				VFMADD231PD(m.v[6], m.v[6], m.v[2*i+h])
			}
		}
	})
	for h := sums / 2; h > 0; h /= 2 { // lanes l and l+8, on AVX2 then l and l+4
		for i := range h {
			VADDPD(m.v[i+h], m.v[i], m.v[i])
		}
	}
	if m == avx512 {
		VEXTRACTF64X4(Imm(1), reg.Z0, reg.Y1)
		VADDPD(reg.Y1, reg.Y0, reg.Y0)
	}
	VEXTRACTF128(Imm(1), reg.Y0, reg.X1)
	VADDPD(reg.X1, reg.X0, reg.X0)
	VPERMILPD(Imm(1), reg.X0, reg.X1)
	VADDPD(reg.X1, reg.X0, reg.X0)
	Store(reg.X0, Return("sum"))
	ret()
}
