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
	slack     float64 // a further difference allowed where terms cancel, as a multiple of eps
}{
	{"Axpy", func(n, _ int) []int { return []int{n, n} },
		func(a [][]float32, _, _ int) float64 { Axpy(0.7, a[0], a[1]); return 0 },
		func(int, int) float64 { return 2 }, 0},
	{"Dots", func(n, rows int) []int { return []int{rows, n, span(n, rows)} },
		func(a [][]float32, n, _ int) float64 { Dots(a[0], a[1], a[2], n+3); return 0 },
		func(n, _ int) float64 { return float64(n/16 + 6) }, 0},
	{"Axpys", func(n, rows int) []int { return []int{n, rows, span(n, rows)} },
		func(a [][]float32, n, _ int) float64 { Axpys(a[0], a[1], a[2], n+3); return 0 },
		func(_, rows int) float64 { return float64(rows + 1) }, 0},
	{"Transpose", func(n, rows int) []int { return []int{span(rows, n), span(n, rows)} },
		func(a [][]float32, n, rows int) float64 { Transpose(a[0], rows+3, a[1], n+3, rows, n); return 0 },
		func(int, int) float64 { return 0 }, 0},
	{"Exp", func(n, _ int) []int { return []int{n, n} },
		func(a [][]float32, _, _ int) float64 { Exp(a[0], a[1]); return 0 },
		func(int, int) float64 { return 16 }, 0},
	{"Softmax", func(n, _ int) []int { return []int{n} },
		func(a [][]float32, _, _ int) float64 { return float64(Softmax(a[0])) },
		func(int, int) float64 { return 32 }, 0},
	{"SwiGLU", func(n, _ int) []int { return []int{n, n, n} },
		func(a [][]float32, _, _ int) float64 { SwiGLU(a[0], a[1], a[2]); return 0 },
		func(int, int) float64 { return 16 }, 0},
	{"SwiGLUBackward", func(n, _ int) []int { return []int{n, n, n, n, n} },
		func(a [][]float32, _, _ int) float64 { SwiGLUBackward(a[0], a[1], a[2], a[3], a[4], true); return 0 },
		func(int, int) float64 { return 32 }, 0},
	{"SwiGLUBackward, first", func(n, _ int) []int { return []int{n, n, n, n, n} },
		func(a [][]float32, _, _ int) float64 { SwiGLUBackward(a[0], a[1], a[2], a[3], a[4], false); return 0 },
		func(int, int) float64 { return 32 }, 0},
	{"AdamW", func(n, _ int) []int { return []int{n, n, n, n} },
		func(a [][]float32, _, _ int) float64 {
			for i, v := range a[3] { // second moments are not negative
				a[3][i] = v * v
			}
			AdamW(a[0], a[1], a[2], a[3], 0.5, 1e-3, 0.1, 0.9, 0.99, 1e-8, 0.3, 0.02)
			return 0
		},
		func(int, int) float64 { return 0 }, 0},
	{"SumSquares", func(n, _ int) []int { return []int{n} },
		func(a [][]float32, _, _ int) float64 { return SumSquares(a[0]) },
		func(int, int) float64 { return 0 }, 0},
	{"Add", func(n, _ int) []int { return []int{n, n, n} },
		func(a [][]float32, _, _ int) float64 { Add(a[0], a[1], a[2]); return 0 },
		func(int, int) float64 { return 0 }, 0},
	{"Mul", func(n, _ int) []int { return []int{n, n, n} },
		func(a [][]float32, _, _ int) float64 { Mul(a[0], a[1], a[2]); return 0 },
		func(int, int) float64 { return 0 }, 0},
	{"MulAdd", func(n, _ int) []int { return []int{n, n, n} },
		func(a [][]float32, _, _ int) float64 { MulAdd(a[0], a[1], a[2]); return 0 },
		func(int, int) float64 { return 2 }, 0},
	{"Scale", func(n, _ int) []int { return []int{n, n} },
		func(a [][]float32, _, _ int) float64 { Scale(a[0], 0.7, a[1]); return 0 },
		func(int, int) float64 { return 0 }, 0},
	{"Tanh", func(n, _ int) []int { return []int{n, n, n} },
		func(a [][]float32, _, _ int) float64 { Tanh(a[0], a[1], a[2]); return 0 },
		func(int, int) float64 { return 16 }, 0},
	{"Tanh, no slope", func(n, _ int) []int { return []int{n, n} },
		func(a [][]float32, _, _ int) float64 { Tanh(a[0], nil, a[1]); return 0 },
		func(int, int) float64 { return 16 }, 0},
	{"GELU", func(n, _ int) []int { return []int{n, n, n} },
		func(a [][]float32, _, _ int) float64 { GELU(a[0], a[1], a[2]); return 0 },
		func(int, int) float64 { return 16 }, 0},
	{"GELU, no slope", func(n, _ int) []int { return []int{n, n} },
		func(a [][]float32, _, _ int) float64 { GELU(a[0], nil, a[1]); return 0 },
		func(int, int) float64 { return 16 }, 0},
	{"SoftmaxScaled", func(n, _ int) []int { return []int{n} },
		func(a [][]float32, _, _ int) float64 { SoftmaxScaled(a[0], 0.3); return 0 },
		func(int, int) float64 { return 32 }, 0},
	{"softmaxAgain", func(n, _ int) []int { return []int{n, n} },
		func(a [][]float32, _, _ int) float64 { use().softmaxAgain(a[0], a[1], 2, 0.3, -0.2, 0.7); return 0 },
		func(int, int) float64 { return 32 }, 0},
	{"RMSNorm", func(n, rows int) []int { return []int{n * rows, n * rows, n, rows} },
		func(a [][]float32, _, _ int) float64 { RMSNorm(a[0], a[1], a[2], a[3], 0.1); return 0 },
		func(n, _ int) float64 { return float64(n/16 + 12) }, 0},
	{"RMSNormBackward", func(n, rows int) []int { return []int{n * rows, n, n * rows, n * rows, n, rows} },
		func(a [][]float32, _, _ int) float64 { RMSNormBackward(a[0], a[1], a[2], a[3], a[4], a[5]); return 0 },
		func(_, rows int) float64 { return float64(rows + 8) }, 300},
	{"RMSNormBackward, no dx", func(n, rows int) []int { return []int{n, n * rows, n * rows, n, rows} },
		func(a [][]float32, _, _ int) float64 { RMSNormBackward(nil, a[0], a[1], a[2], a[3], a[4]); return 0 },
		func(_, rows int) float64 { return float64(rows + 8) }, 0},
	{"LayerNorm", func(n, rows int) []int { return []int{n * rows, n * rows, n, n, rows, rows} },
		func(a [][]float32, _, _ int) float64 { LayerNorm(a[0], a[1], a[2], a[3], a[4], a[5], 0.1); return 0 },
		func(n, _ int) float64 { return float64(n/16 + 12) }, 100},
	{"LayerNormBackward", func(n, rows int) []int { return []int{n * rows, n, n, n * rows, n * rows, n, rows, rows} },
		func(a [][]float32, _, _ int) float64 {
			LayerNormBackward(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7])
			return 0
		},
		func(_, rows int) float64 { return float64(rows + 8) }, 600},
	{"LayerNormBackward, no dx", func(n, rows int) []int { return []int{n, n, n * rows, n * rows, n, rows, rows} },
		func(a [][]float32, _, _ int) float64 {
			LayerNormBackward(nil, a[0], a[1], a[2], a[3], a[4], a[5], a[6])
			return 0
		},
		func(_, rows int) float64 { return float64(rows + 8) }, 100},
	{"Rope", func(n, rows int) []int { return []int{2 * n * rows, n, n} },
		func(a [][]float32, _, _ int) float64 { Rope(a[0], a[1], a[2], -1); return 0 },
		func(int, int) float64 { return 4 }, 16},
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
						near(t, where, number, wantNumber, tolerance*scaleNumber+eps*op.slack)
						for i := range got {
							if !intact[i]() {
								t.Fatalf("%s: array %d: written outside", where, i)
							}
							for j, v := range got[i] {
								near(t, where, float64(v), float64(want[i][j]), tolerance*math.Abs(float64(scale[i][j]))+eps*op.slack)
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
				if !(math.Abs(got-want) <= 1e-7*want+0x1p-149) {
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
		SwiGLUBackward(dgate, dup, dy, gate, up, true)
		for i := range n {
			g, u, d := float64(gate[i]), float64(up[i]), float64(dy[i])
			silu := func(g float64) float64 { return g / (1 + math.Exp(-g)) }
			slope := (silu(g+1e-5) - silu(g-1e-5)) / 2e-5
			near(t, fmt.Sprintf("silu(%v)*%v", g, u), float64(dst[i]), silu(g)*u, 3e-7*math.Abs(silu(g)*u)+1e-37)
			near(t, fmt.Sprintf("d/dgate at %v", g), float64(dgate[i]), 10+d*u*slope, 1e-5)
			near(t, fmt.Sprintf("d/dup at %v", g), float64(dup[i]), 20+d*silu(g), 1e-6*math.Abs(20+d*silu(g)))
		}
		first, firstUp := make([]float32, n), make([]float32, n)
		SwiGLUBackward(first, firstUp, dy, gate, up, true)
		for i := range n {
			dgate[i], dup[i] = float32(math.NaN()), float32(inf)
		}
		SwiGLUBackward(dgate, dup, dy, gate, up, false)
		if !slices.Equal(dgate, first) || !slices.Equal(dup, firstUp) {
			t.Errorf("what the gradients held before shows: %v and %v, want %v and %v", dgate, dup, first, firstUp)
		}
		SwiGLU(gate, gate, up)
		if !sameBits(gate, dst) {
			t.Error("in place differs")
		}
	})
}

// functionArguments has values of every size, and the ends of float32.
func functionArguments() (x []float32) {
	for v := -20.0; v < 20; v += 0.00117 {
		x = append(x, float32(v))
	}
	for v := 1e-30; v < 1e30; v *= 1.7 {
		x = append(x, float32(v), float32(-v))
	}
	return append(x, 0, 0.5, -0.5, math.MaxFloat32, -math.MaxFloat32, float32(math.NaN()))
}

func TestTanh(t *testing.T) {
	x := append(functionArguments(), float32(inf), float32(-inf))
	eachISA(t, func(t *testing.T) {
		y, slope := make([]float32, len(x)), make([]float32, len(x))
		Tanh(y, slope, x)
		for i, v := range x {
			v := float64(v)
			if math.IsNaN(v) {
				if y[i] == y[i] || slope[i] == slope[i] {
					t.Errorf("tanh of NaN: %v, slope %v", y[i], slope[i])
				}
				continue
			}
			want, cosh := math.Tanh(v), math.Cosh(v)
			near(t, fmt.Sprintf("tanh(%v)", v), float64(y[i]), want, 2e-7*math.Abs(want))
			near(t, fmt.Sprintf("slope of tanh at %v", v), float64(slope[i]), 1/cosh/cosh, 4e-7/cosh/cosh+1e-37)
		}
		alone := slices.Clone(x)
		Tanh(alone, nil, alone)
		if !sameBits(alone, y) {
			t.Error("in place, without a slope, differs")
		}
	})
}

func TestGELUTanh(t *testing.T) {
	x := functionArguments()
	eachISA(t, func(t *testing.T) {
		y, slope := make([]float32, len(x)), make([]float32, len(x))
		GELUTanh(y, slope, x)
		for i, v := range x {
			v := float64(v)
			if math.IsNaN(v) {
				if y[i] == y[i] || slope[i] == slope[i] {
					t.Errorf("GELUTanh of NaN: %v, slope %v", y[i], slope[i])
				}
				continue
			}
			root := math.Sqrt(2 / math.Pi)
			th, cosh := math.Tanh(root*(v+0.044715*v*v*v)), math.Cosh(min(math.Abs(root*(v+0.044715*v*v*v)), 300))
			near(t, fmt.Sprintf("GELUTanh(%v)", v), float64(y[i]), v*(1+th)/2, 2e-7*math.Abs(v))
			inner := v * root * (1 + 3*0.044715*v*v) / cosh / cosh
			near(t, fmt.Sprintf("slope of GELUTanh at %v", v), float64(slope[i]), (1+th+inner)/2, 1e-6)
		}
		alone := make([]float32, len(x))
		GELUTanh(alone, nil, x)
		if !sameBits(alone, y) {
			t.Error("without a slope, differs")
		}
	})
}

func TestGELU(t *testing.T) {
	x := functionArguments()
	eachISA(t, func(t *testing.T) {
		y, slope := make([]float32, len(x)), make([]float32, len(x))
		GELU(y, slope, x)
		for i, v := range x {
			v := float64(v)
			if math.IsNaN(v) {
				if y[i] == y[i] || slope[i] == slope[i] {
					t.Errorf("GELU of NaN: %v, slope %v", y[i], slope[i])
				}
				continue
			}
			cdf := math.Erfc(-v/math.Sqrt2) / 2
			density := math.Exp(-v*v/2) / math.Sqrt(2*math.Pi)
			near(t, fmt.Sprintf("GELU(%v)", v), float64(y[i]), v*cdf, 5e-7*math.Abs(v*cdf)+1e-36)
			near(t, fmt.Sprintf("slope of GELU at %v", v), float64(slope[i]), cdf+v*density, 2e-7)
		}
		alone := slices.Clone(x)
		GELU(alone, nil, alone)
		if !sameBits(alone, y) {
			t.Error("in place, without a slope, differs")
		}
	})
}

// What Add, Mul, MulAdd and Scale compute, by hand; they may write over their inputs.
func TestElementwise(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		x, y := []float32{1, 2, 3}, []float32{5, -7, 2}
		for _, tt := range []struct {
			name string
			f    func(x, y []float32)
			want []float32
		}{
			{"Add", func(x, y []float32) { Add(x, x, y) }, []float32{6, -5, 5}},
			{"Add, second", func(x, y []float32) { Add(x, y, x) }, []float32{6, -5, 5}},
			{"Mul", func(x, y []float32) { Mul(x, x, y) }, []float32{5, -14, 6}},
			{"MulAdd", func(x, y []float32) { MulAdd(x, x, y) }, []float32{6, -12, 9}},
			{"Scale", func(x, y []float32) { Scale(x, -2, x) }, []float32{-2, -4, -6}},
		} {
			got := slices.Clone(x)
			tt.f(got, y)
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
			}
		}
	})
}

func TestSoftmaxScaled(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for n := range 70 {
			x := normal(newRand(), n)
			want := make([]float32, n)
			for i, v := range x {
				want[i] = v / 8
			}
			Softmax(want)
			SoftmaxScaled(x, 1./8) // a power of two rounds nothing
			if !sameBits(x, want) {
				t.Fatalf("length %d: %v, want %v", n, x, want)
			}
		}
	})
}

// The norms against their formulas in float64; their backward passes against differences of the way there.
func TestNorms(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := newRand()
		for _, n := range []int{1, 2, 7, 16, 31, 33, 64, 130} {
			const rows, eps = 3, 0.01
			x, w, b, dy := normal(rng, rows*n), normal(rng, n), normal(rng, n), normal(rng, rows*n)
			for _, centred := range []bool{false, true} {
				// The loss is the sum of y*dy.
				norm := func(x, w, b []float64) (y []float64, loss float64) {
					for r := range rows {
						var mean, square float64
						for _, v := range x[r*n : (r+1)*n] {
							mean += v / float64(n)
						}
						if !centred {
							mean = 0
						}
						for _, v := range x[r*n : (r+1)*n] {
							square += (v - mean) * (v - mean) / float64(n)
						}
						for i, v := range x[r*n : (r+1)*n] {
							out := (v-mean)/math.Sqrt(square+eps)*w[i] + b[i]
							y = append(y, out)
							loss += out * float64(dy[r*n+i])
						}
					}
					return y, loss
				}
				y, dx, dw, db := make([]float32, rows*n), make([]float32, rows*n), make([]float32, n), make([]float32, n)
				means, inv, bias := make([]float32, rows), make([]float32, rows), b
				if centred {
					LayerNorm(y, x, w, b, means, inv, eps)
					LayerNormBackward(dx, dw, db, dy, x, w, means, inv)
				} else {
					bias = make([]float32, n)
					RMSNorm(y, x, w, inv, eps)
					RMSNormBackward(dx, dw, dy, x, w, inv)
				}
				in := [][]float64{float64s(x), float64s(w), float64s(bias)}
				want, _ := norm(in[0], in[1], in[2])
				for i := range y {
					near(t, fmt.Sprintf("centred %v, length %d: y", centred, n), float64(y[i]), want[i], 2e-6*(1+math.Abs(want[i])))
				}
				for k, grad := range [][]float32{dx, dw, db} {
					if k == 2 && !centred {
						continue
					}
					for i := range grad {
						const step = 1e-5
						old := in[k][i]
						in[k][i] = old + step
						_, more := norm(in[0], in[1], in[2])
						in[k][i] = old - step
						_, less := norm(in[0], in[1], in[2])
						in[k][i] = old
						slope := (more - less) / (2 * step)
						near(t, fmt.Sprintf("centred %v, length %d: gradient %d", centred, n, k), float64(grad[i]), slope, 1e-5*(1+math.Abs(slope)))
					}
				}
			}
		}
	})
}

func float64s(x []float32) (y []float64) {
	for _, v := range x {
		y = append(y, float64(v))
	}
	return y
}

// Far from 0 the mean must be right to the last bit, or the normalised row is off.
func TestLayerNormFarFromZero(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		const n = 100
		x, y, w, b := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		for i := range x {
			x[i], w[i] = 100000+float32(i%2)/8, 1
		}
		means, inv := make([]float32, 1), make([]float32, 1)
		LayerNorm(y, x, w, b, means, inv, 0)
		near(t, "mean", float64(means[0]), 100000.0625, 0)
		near(t, "1/deviation", float64(inv[0]), 16, 1e-4)
		near(t, "y", float64(y[0]), -1, 1e-5)
		near(t, "y", float64(y[1]), 1, 1e-5)
	})
}

// A quarter turn takes (a, b) to (-b, a), and turning back restores the heads.
func TestRope(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for half := range 40 {
			x := normal(newRand(), 3*2*half)
			cos, sin, want := make([]float32, half), make([]float32, half), slices.Clone(x)
			for h := range 3 {
				for j := range half {
					sin[j] = 1
					a, b := 2*half*h+j, 2*half*h+half+j
					want[a], want[b] = -x[b], x[a]
				}
			}
			old := slices.Clone(x)
			Rope(x, cos, sin, 1)
			if !slices.Equal(x, want) {
				t.Fatalf("half head %d: %v, want %v", half, x, want)
			}
			Rope(x, cos, sin, -1)
			if !slices.Equal(x, old) {
				t.Fatalf("half head %d: turned back: %v, want %v", half, x, old)
			}
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
		"Axpy":              func() { Axpy(1, x[:9], x) },
		"Dots":              func() { Dots(x[:3], x[:4], x, 4) },
		"Dots, stride":      func() { Dots(x[:3], x[:1], x, -1) },
		"Axpys":             func() { Axpys(x[:4], x[:3], x, 4) },
		"Exp":               func() { Exp(x, x[:9]) },
		"SwiGLU":            func() { SwiGLU(x, x, x[:9]) },
		"SwiGLUBackward":    func() { SwiGLUBackward(x, x, x[:9], x, x, true) },
		"Add":               func() { Add(x, x, x[:9]) },
		"Mul":               func() { Mul(x, x[:9], x) },
		"MulAdd":            func() { MulAdd(x[:9], x, x) },
		"Scale":             func() { Scale(x, 1, x[:9]) },
		"Tanh":              func() { Tanh(x, x[:9], x) },
		"GELU":              func() { GELU(x, nil, x[:9]) },
		"RMSNorm":           func() { RMSNorm(x, x, x[:3], x[:3], 1) },
		"RMSNormBackward":   func() { RMSNormBackward(x[:9], x[:5], x, x, x[:5], x[:2]) },
		"LayerNorm":         func() { LayerNorm(x, x, x[:5], x[:4], x[:2], x[:2], 1) },
		"LayerNormBackward": func() { LayerNormBackward(nil, x[:5], x[:5], x, x, x[:5], x[:1], x[:2]) },
		"Rope":              func() { Rope(x, x[:3], x[:3], 1) },
		"Rope, sin":         func() { Rope(x[:8], x[:2], x[:3], 1) },
		"AdamW":             func() { AdamW(x, x, x, x[:9], 1, 1, 1, 1, 1, 1, 1, 1) },
		"Gemm, A":           func() { Gemm(x, 2, Mat{x, 5, false}, Mat{x, 2, false}, 3, 2, 3, false) },
		"Gemm, A trans":     func() { Gemm(x, 2, Mat{x, 4, true}, Mat{x, 2, false}, 3, 2, 3, false) },
		"Gemm, B":           func() { Gemm(x, 2, Mat{x, 3, false}, Mat{x, 5, false}, 3, 2, 3, false) },
		"Gemm, C":           func() { Gemm(x, 5, Mat{x, 3, false}, Mat{x, 2, false}, 3, 2, 3, false) },
		"Gemm, ldc":         func() { Gemm(x, 1, Mat{x, 3, false}, Mat{x, 2, false}, 3, 2, 3, false) },
		"SetThreads":        func() { SetThreads(0) },
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
	inv, cos, sin := make([]float32, n), make([]float32, d/2), make([]float32, d/2)
	for i := range cos {
		cos[i], sin[i] = 0.6, 0.8
	}
	for _, c := range []struct {
		name  string
		bytes int
		run   func()
	}{
		{"Exp", 8 * n, func() { Exp(z, x) }},
		{"Softmax", 8 * n, func() { copy(z, x); Softmax(z) }},
		{"Add", 12 * n, func() { Add(z, x, y) }},
		{"MulAdd", 16 * n, func() { MulAdd(z, x, y) }},
		{"Scale", 8 * n, func() { Scale(z, 0.5, x) }},
		{"Tanh", 12 * n, func() { Tanh(z, v, x) }},
		{"GELU", 12 * n, func() { GELU(z, v, x) }},
		{"SoftmaxScaled/64", 8 * n, func() {
			copy(z, x)
			for i := 0; i < n; i += 64 {
				SoftmaxScaled(z[i:i+64], 0.2)
			}
		}},
		{"softmaxAgain", 16 * n, func() { use().softmaxAgain(x, z, 4, 0.1, 0, 1) }},
		{"RMSNorm/32", 8 * n, func() { RMSNorm(z, x, y[:32], inv[:n/32], 1e-5) }},
		{"RMSNorm/512", 8 * n, func() { RMSNorm(z, x, y[:512], inv[:n/512], 1e-5) }},
		{"RMSNormBackward/32", 16 * n, func() { RMSNormBackward(z, v[:32], u, x, y[:32], inv[:n/32]) }},
		{"RMSNormBackward/512", 16 * n, func() { RMSNormBackward(z, v[:512], u, x, y[:512], inv[:n/512]) }},
		{"LayerNorm/128", 8 * n, func() { LayerNorm(z, x, y[:128], u[:128], v[:n/128], inv[:n/128], 1e-5) }},
		{"LayerNormBackward/128", 16 * n, func() {
			LayerNormBackward(z, v[:128], v[128:256], u, x, y[:128], inv[:n/128], inv[:n/128])
		}},
		{"Rope/32", 8 * n, func() { Rope(z, cos, sin, 1) }},
		{"SwiGLU", 12 * n, func() { SwiGLU(z, x, y) }},
		{"SwiGLUBackward", 28 * n, func() { SwiGLUBackward(z, v, u, x, y, true) }},
		{"AdamW", 28 * n, func() { AdamW(z, x, v, u, 1, 1e-9, 0, 0.9, 0.99, 1, 1, 1) }},
		{"SumSquares", 4 * n, func() { SumSquares(x) }},
		{"Dots/32x40", 4 * keys * d, func() { Dots(s, q, k, d) }},
		{"Axpys/32x40", 4 * keys * d, func() { Axpys(q, s, k, d) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(c.bytes))
			for b.Loop() {
				c.run()
			}
		})
	}
}
