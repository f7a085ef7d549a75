package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

const eps = 1.0 / (1 << 24) // the rounding error of one float32 operation, relative

var inf = math.Inf(1)

// eachISA runs f with every instruction set that this machine has.
func eachISA(t *testing.T, f func(t *testing.T)) {
	best := isa
	defer func() { isa = best }()
	for l := generic; l <= best; l++ {
		isa = l
		t.Run(ISA(), f)
	}
}

// with runs f with instruction set l.
func with(l level, f func()) {
	defer func(old level) { isa = old }(isa)
	isa = l
	f()
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func normal(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// A place is where a test puts an array: so many floats behind an aligned address, with canaries on both sides, or at the end
// of mapped memory.
type place int

const (
	places       = 5
	fence  place = places - 1
	margin       = 32
	canary       = 1234.5
)

// put copies x to the place, and returns the copy and a function that says whether what surrounds it is untouched.
func (p place) put(x []float32) (y []float32, intact func() bool) {
	if p == fence {
		y = fenced(len(x))
		copy(y, x)
		return y, func() bool { return true }
	}
	buf := make([]float32, len(x)+2*margin)
	for i := range buf {
		buf[i] = canary
	}
	lo, hi := margin+int(p), margin+int(p)+len(x)
	y = buf[lo:hi:hi]
	copy(y, x)
	return y, func() bool {
		outside := func(v float32) bool { return v != canary }
		return !slices.ContainsFunc(buf[:lo], outside) && !slices.ContainsFunc(buf[hi:], outside)
	}
}

// operations has a row for every kernel but Gemm: the lengths of its arrays for a problem of rows rows of n, the call (which
// may return a number), and how far the instruction sets may differ from the definition, as a multiple of eps and of what the
// definition gives for the absolute values of the arrays.
var operations = []struct {
	name      string
	lengths   func(n, rows int) []int
	run       func(a [][]float32, n, rows int) float64
	tolerance func(n, rows int) float64
}{
	{"Dot", func(n, _ int) []int { return []int{n, n} },
		func(a [][]float32, _, _ int) float64 { return float64(Dot(a[0], a[1])) },
		func(n, _ int) float64 { return float64(n/16 + 6) }},
	{"Axpy", func(n, _ int) []int { return []int{n, n} },
		func(a [][]float32, _, _ int) float64 { Axpy(0.7, a[0], a[1]); return 0 },
		func(int, int) float64 { return 2 }},
	{"Dots", func(n, rows int) []int { return []int{rows, n, span(n, rows)} },
		func(a [][]float32, n, _ int) float64 { Dots(a[0], a[1], a[2], n+3); return 0 },
		func(n, _ int) float64 { return float64(n/16 + 6) }},
	{"Axpys", func(n, rows int) []int { return []int{n, rows, span(n, rows)} },
		func(a [][]float32, n, _ int) float64 { Axpys(a[0], a[1], a[2], n+3); return 0 },
		func(_, rows int) float64 { return float64(rows + 1) }},
	{"Outers", func(n, rows int) []int { return []int{n, rows, span(n, rows)} },
		func(a [][]float32, n, _ int) float64 { Outers(a[2], n+3, a[1], a[0]); return 0 },
		func(int, int) float64 { return 2 }},
	{"Exp", func(n, _ int) []int { return []int{n, n} },
		func(a [][]float32, _, _ int) float64 { Exp(a[0], a[1]); return 0 },
		func(int, int) float64 { return 16 }},
	{"Softmax", func(n, _ int) []int { return []int{n} },
		func(a [][]float32, _, _ int) float64 { return float64(Softmax(a[0])) },
		func(int, int) float64 { return 32 }},
	{"SwiGLU", func(n, _ int) []int { return []int{n, n, n} },
		func(a [][]float32, _, _ int) float64 { SwiGLU(a[0], a[1], a[2]); return 0 },
		func(int, int) float64 { return 16 }},
	{"SwiGLUBackward", func(n, _ int) []int { return []int{n, n, n, n, n} },
		func(a [][]float32, _, _ int) float64 { SwiGLUBackward(a[0], a[1], a[2], a[3], a[4]); return 0 },
		func(int, int) float64 { return 32 }},
	{"AdamW", func(n, _ int) []int { return []int{n, n, n, n} },
		func(a [][]float32, _, _ int) float64 {
			for i, v := range a[3] { // second moments are not negative
				a[3][i] = v * v
			}
			AdamW(a[0], a[1], a[2], a[3], 0.5, 1e-3, 0.1, 0.9, 0.99, 1e-8, 0.3, 0.02)
			return 0
		},
		func(int, int) float64 { return 0 }},
	{"SumSquares", func(n, _ int) []int { return []int{n} },
		func(a [][]float32, _, _ int) float64 { return SumSquares(a[0]) },
		func(int, int) float64 { return 0 }},
}

// span is the length of rows rows of n, n+3 apart.
func span(n, rows int) int { return max(0, (rows-1)*(n+3)+n) }

// At every length and place, the assembly agrees with the definition, the two assembly versions agree bit for bit, and nothing
// outside the arrays is written (or, at the fence, read).
func TestAssemblyAgreesWithDefinition(t *testing.T) {
	best := isa
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			rng := newRand()
			for n := range 131 {
				rows := n % 11
				var inputs, absolutes [][]float32
				for _, length := range op.lengths(n, rows) {
					x := normal(rng, length)
					inputs = append(inputs, x)
					absolutes = append(absolutes, absolute(x))
				}
				want, scale := clone(inputs), absolutes
				var wantNumber, scaleNumber float64
				with(generic, func() {
					wantNumber = op.run(want, n, rows)
					scaleNumber = op.run(scale, n, rows)
				})
				for p := range place(places) {
					if p == fence && n%5 != 0 {
						continue // mapping memory is slow
					}
					var before [][]float32
					for l := avx2; l <= best; l++ {
						got := make([][]float32, len(inputs))
						intact := make([]func() bool, len(inputs))
						for i, x := range inputs {
							got[i], intact[i] = p.put(x)
						}
						var number float64
						with(l, func() { number = op.run(got, n, rows) })
						where := fmt.Sprintf("%s, length %d, %d rows, place %d", levelNames[l], n, rows, p)
						tolerance := eps * op.tolerance(n, rows)
						near(t, where, number, wantNumber, tolerance*scaleNumber)
						for i := range got {
							if !intact[i]() {
								t.Fatalf("%s: array %d: written outside", where, i)
							}
							for j, v := range got[i] {
								near(t, where, float64(v), float64(want[i][j]), tolerance*math.Abs(float64(scale[i][j])))
							}
						}
						got = append(got, []float32{float32(number)})
						for i := range before {
							if !sameBits(before[i], got[i]) {
								t.Fatalf("%s: array %d differs from avx2", where, i)
							}
						}
						before = got
					}
				}
			}
		})
	}
}

func near(t *testing.T, where string, got, want, tolerance float64) {
	t.Helper()
	if got != want && !(math.Abs(got-want) <= tolerance) {
		t.Fatalf("%s: got %v, want %v +- %g", where, got, want, tolerance)
	}
}

func clone(a [][]float32) (b [][]float32) {
	for _, x := range a {
		b = append(b, slices.Clone(x))
	}
	return b
}

func absolute(x []float32) []float32 {
	y := slices.Clone(x)
	for i, v := range y {
		y[i] = float32(math.Abs(float64(v)))
	}
	return y
}

// Small integers make every product and sum exact, so the formulas can be checked to the bit.
func TestRowsExact(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		q, k := []float32{1, 2, 3}, []float32{1, 0, 0, 9, 0, 1, 0, 9, 1, 1, 1}
		scores := make([]float32, 3)
		Dots(scores, q, k, 4)
		if !slices.Equal(scores, []float32{1, 2, 6}) {
			t.Error("Dots:", scores)
		}
		y := []float32{1, 1, 1}
		Axpys(y, []float32{2, 3, 4}, k, 4)
		if !slices.Equal(y, []float32{7, 8, 5}) {
			t.Error("Axpys:", y)
		}
		Outers(k, 4, []float32{1, 0, 2}, q)
		if !slices.Equal(k, []float32{2, 2, 3, 9, 0, 1, 0, 9, 3, 5, 7}) {
			t.Error("Outers:", k)
		}
		if s := Dot(q, q); s != 14 {
			t.Error("Dot:", s)
		}
		Axpy(-2, q, q[:3:3])
		if !slices.Equal(q, []float32{-1, -2, -3}) {
			t.Error("Axpy:", q)
		}
	})
}

// A score depends on its own key only.
func TestDotsIndependentOfNumberOfKeys(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := newRand()
		const keys, d = 13, 37
		q, k := normal(rng, d), normal(rng, keys*d)
		all := make([]float32, keys)
		Dots(all, q, k, d)
		for lo := range keys {
			for hi := lo; hi <= keys; hi++ {
				some := make([]float32, hi-lo)
				Dots(some, q, k[lo*d:], d)
				if !sameBits(some, all[lo:hi]) {
					t.Fatalf("keys %d to %d: %v, want %v", lo, hi, some, all[lo:hi])
				}
			}
		}
	})
}

func TestExp(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		var x []float32
		for v := -110.0; v < 100; v += 0.00317 {
			x = append(x, float32(v))
		}
		for _, v := range []float64{0, math.Copysign(0, -1), 1e-30, -1e-30, 88.7228317, 88.7228394, 89, 1e30, math.MaxFloat32, inf,
			-87.336, -87.337, -87.4982, -87.499, -87.5, -104, -1e30, -math.MaxFloat32, -inf, math.NaN()} {
			x = append(x, float32(v))
		}
		y := make([]float32, len(x))
		Exp(y, x)
		for i, v := range x {
			want := math.Exp(float64(v))
			got := float64(y[i])
			switch {
			case math.IsNaN(want):
				if !math.IsNaN(got) {
					t.Errorf("Exp(%v) = %v", v, got)
				}
			case float32(want) > math.MaxFloat32 || want == 1:
				if float32(got) != float32(want) {
					t.Errorf("Exp(%v) = %v, want %v", v, got, float32(want))
				}
			case want < 1e-38:
				if got < 0 || got > 1e-38 {
					t.Errorf("Exp(%v) = %v, want %v or 0", v, got, want)
				}
			default:
				if !(math.Abs(got-want) <= 1e-6*want) {
					t.Errorf("Exp(%v) = %v, want %v", v, got, want)
				}
			}
		}
	})
}

func TestSoftmax(t *testing.T) {
	minusInf := float32(-inf)
	eachISA(t, func(t *testing.T) {
		rng := newRand()
		for n := 1; n < 70; n++ {
			x := normal(rng, n)
			for i := range x {
				x[i] = 30*x[i] + 500 // e^500 is no float32
			}
			x[n/2] = 500
			if n > 1 {
				x[rng.IntN(n)] = minusInf
			}
			most := slices.Max(x)
			sum := 0.0
			for _, v := range x {
				sum += math.Exp(float64(v) - float64(most))
			}
			y := slices.Clone(x)
			near(t, "log sum exp", float64(Softmax(y)), float64(most)+math.Log(sum), 2*eps*1000)
			for i, v := range x {
				near(t, "probability", float64(y[i]), math.Exp(float64(v)-float64(most))/sum, 1e-5)
				if v == minusInf && y[i] != 0 {
					t.Fatalf("probability of -Inf: %v", y[i])
				}
			}
			padded := append(slices.Clone(x), minusInf, minusInf, minusInf, minusInf, minusInf)
			Softmax(padded)
			if !sameBits(padded[:n], y) {
				t.Fatalf("length %d: elements -Inf at the end change the others", n)
			}
		}
		x := []float32{minusInf, minusInf}
		if l := Softmax(x); l != minusInf || x[0] != 0 || x[1] != 0 {
			t.Errorf("all -Inf: %v, %v", l, x)
		}
		if l := Softmax(nil); l != minusInf {
			t.Errorf("empty: %v", l)
		}
		for _, bad := range [][]float32{{1, float32(math.NaN()), 2}, {float32(math.NaN())}, {1, float32(inf)}} {
			if l := Softmax(bad); l == l || bad[0] == bad[0] {
				t.Errorf("NaN or +Inf goes unnoticed: %v, %v", l, bad)
			}
		}
	})
}

func TestSwiGLU(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		gate := []float32{0, 1, -1, 5, -5, 30, -30, 87, -87, 100, -100, 1000, -1000, 1e-20, -3, 2, 0.5}
		n := len(gate)
		up, dy := normal(newRand(), n), normal(newRand(), n)
		dst, dgate, dup := make([]float32, n), make([]float32, n), make([]float32, n)
		for i := range n {
			dgate[i], dup[i] = 10, 20
		}
		SwiGLU(dst, gate, up)
		SwiGLUBackward(dgate, dup, dy, gate, up)
		for i := range n {
			g, u, d := float64(gate[i]), float64(up[i]), float64(dy[i])
			silu := func(g float64) float64 { return g / (1 + math.Exp(-g)) }
			slope := (silu(g+1e-5) - silu(g-1e-5)) / 2e-5
			near(t, fmt.Sprintf("silu(%v)*%v", g, u), float64(dst[i]), silu(g)*u, 1e-6*math.Abs(silu(g)*u)+1e-37)
			near(t, fmt.Sprintf("d/dgate at %v", g), float64(dgate[i]), 10+d*u*slope, 1e-5)
			near(t, fmt.Sprintf("d/dup at %v", g), float64(dup[i]), 20+d*silu(g), 1e-6*math.Abs(20+d*silu(g)))
		}
		SwiGLU(gate, gate, up)
		if !sameBits(gate, dst) {
			t.Error("in place differs")
		}
	})
}

// Two steps from p = 1, computed by hand: after bias correction the first step moves by lr times the gradient's sign.
func TestAdamW(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for n := range 40 {
			p, g, m, v := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			for i := range n {
				p[i], g[i] = 1, 4
			}
			AdamW(p, g, m, v, 0.5, 0.1, 0.5, 0.9, 0.99, 0, 1-0.9, 1-0.99)
			for i := range n { // decay: 1 -> 0.95; m = 0.2, v = 0.04; step 0.1 * 2/2
				near(t, "p", float64(p[i]), 0.85, 1e-6)
				near(t, "m", float64(m[i]), 0.2, 1e-6)
				near(t, "v", float64(v[i]), 0.04, 1e-6)
				g[i] = -2
			}
			AdamW(p, g, m, v, 1, 0.1, 0, 0.9, 0.99, 0.5, 0.19, 0.0199)
			for i := range n { // m = 0.18-0.2 = -0.02, v = 0.0396+0.04 = 0.0796; step 0.1 * (-0.02/0.19) / (2+0.5)
				near(t, "p", float64(p[i]), 0.85+0.1*(0.02/0.19)/2.5, 1e-6)
			}
		}
	})
}

func TestSumSquares(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		x := []float32{3e-20, 1e20, -2, 4e-20}
		if s := SumSquares(x[:1]); math.Abs(s-9e-40) > 1e-46 {
			t.Error("small:", s)
		}
		if s := SumSquares(x); math.Abs(s-1e40) > 1e34 {
			t.Error("large:", s)
		}
		ones := make([]float32, 1001)
		for i := range ones {
			ones[i] = 1
		}
		if s := SumSquares(ones); s != 1001 {
			t.Error("ones:", s)
		}
	})
}

func TestWrongLengthsPanic(t *testing.T) {
	x := make([]float32, 10)
	for name, f := range map[string]func(){
		"Dot":            func() { Dot(x, x[:9]) },
		"Axpy":           func() { Axpy(1, x[:9], x) },
		"Dots":           func() { Dots(x[:3], x[:4], x, 4) },
		"Dots, stride":   func() { Dots(x[:3], x[:1], x, -1) },
		"Axpys":          func() { Axpys(x[:4], x[:3], x, 4) },
		"Outers":         func() { Outers(x, 4, x[:3], x[:4]) },
		"Exp":            func() { Exp(x, x[:9]) },
		"SwiGLU":         func() { SwiGLU(x, x, x[:9]) },
		"SwiGLUBackward": func() { SwiGLUBackward(x, x, x[:9], x, x) },
		"AdamW":          func() { AdamW(x, x, x, x[:9], 1, 1, 1, 1, 1, 1, 1, 1) },
		"Gemm, A":        func() { Gemm(x, 2, Mat{x, 5, false}, Mat{x, 2, false}, 3, 2, 3, false) },
		"Gemm, A trans":  func() { Gemm(x, 2, Mat{x, 4, true}, Mat{x, 2, false}, 3, 2, 3, false) },
		"Gemm, B":        func() { Gemm(x, 2, Mat{x, 3, false}, Mat{x, 5, false}, 3, 2, 3, false) },
		"Gemm, C":        func() { Gemm(x, 5, Mat{x, 3, false}, Mat{x, 2, false}, 3, 2, 3, false) },
		"Gemm, ldc":      func() { Gemm(x, 1, Mat{x, 3, false}, Mat{x, 2, false}, 3, 2, 3, false) },
		"SetThreads":     func() { SetThreads(0) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func BenchmarkVector(b *testing.B) {
	rng := newRand()
	const n, keys, d = 4096, 40, 32
	x, y, z, u, v := normal(rng, n), normal(rng, n), make([]float32, n), normal(rng, n), make([]float32, n)
	q, k, s := normal(rng, d), normal(rng, keys*d), make([]float32, keys)
	for _, c := range []struct {
		name  string
		bytes int
		run   func()
	}{
		{"Exp", 8 * n, func() { Exp(z, x) }},
		{"Softmax", 8 * n, func() { copy(z, x); Softmax(z) }},
		{"SwiGLU", 12 * n, func() { SwiGLU(z, x, y) }},
		{"SwiGLUBackward", 28 * n, func() { SwiGLUBackward(z, v, u, x, y) }},
		{"AdamW", 28 * n, func() { AdamW(z, x, v, u, 1, 1e-9, 0, 0.9, 0.99, 1, 1, 1) }},
		{"SumSquares", 4 * n, func() { SumSquares(x) }},
		{"Dot", 8 * n, func() { Dot(x, y) }},
		{"Dots/32x40", 4 * keys * d, func() { Dots(s, q, k, d) }},
		{"Axpys/32x40", 4 * keys * d, func() { Axpys(q, s, k, d) }},
		{"Outers/32x40", 8 * keys * d, func() { clear(s); Outers(k, d, s, q) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(c.bytes))
			for b.Loop() {
				c.run()
			}
		})
	}
}
