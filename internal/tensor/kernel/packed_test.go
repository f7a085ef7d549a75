package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"nfcot/internal/ckpt/half"
)

var formats = []Format{F32, BF16, Int8}

// withPairs runs f as eachISA does, with the widest set without and with its instruction for pairs of bfloat16.
func withPairs(t *testing.T, f func(t *testing.T)) {
	pairs := tilesOf(isa).pairs
	if pairs == nil {
		eachISA(t, f)
		return
	}
	defer func(faster bool) { tilesOf(isa).pairs, pairsFaster = pairs, faster }(pairsFaster)
	tilesOf(isa).pairs = nil
	eachISA(t, f)
	tilesOf(isa).pairs = pairs
	for _, pairsFaster = range []bool{true, false} {
		if pairs.rowsOfA && !pairsFaster {
			break // a matrix unit has an order of its own, so nothing else may stand in for it
		}
		t.Run(fmt.Sprint(ISA(), " with pairs, faster: ", pairsFaster), f)
	}
}

// Rounding gives the nearest of the two neighbours, the even one on a tie, and keeps what is not a number.
func TestRoundBF16(t *testing.T) {
	rng := newRand()
	for range 100000 {
		bits := rng.Uint32()
		if rng.IntN(4) == 0 {
			bits = bits&^0xFFFF | 0x8000 // a tie
		}
		x := math.Float32frombits(bits)
		got := half.RoundBF16(x)
		switch {
		case x != x:
			if got == got {
				t.Fatalf("NaN %x becomes %v", bits, got)
			}
			continue
		case math.IsInf(float64(x), 0):
			if got != x {
				t.Fatalf("%v becomes %v", x, got)
			}
			continue
		}
		down := bits &^ 0xFFFF
		up := down + 0x10000
		value := func(bits uint32) float64 { // the value that an infinity stands for is one step beyond
			if f := float64(math.Float32frombits(bits)); !math.IsInf(f, 0) {
				return f
			}
			return math.Copysign(0x1p128, float64(x))
		}
		below, above := math.Abs(float64(x)-value(down)), math.Abs(value(up)-float64(x))
		want := down
		if above < below || above == below && up&0x10000 == 0 {
			want = up
		}
		if math.Float32bits(got) != want {
			t.Fatalf("%x becomes %x, want %x", bits, math.Float32bits(got), want)
		}
	}
}

// words returns n words of any bits.
func words(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = math.Float32frombits(rng.Uint32())
	}
	return x
}

// int8Rows is a number of rows in a block of Int8.
func int8Rows(n int) int { return n%int8Block + 1 }

// quantisable returns a number for output j of a block of Int8. Outputs have, by turns: ordinary numbers, many halves of the
// scale that 127 leads to, numbers whose scale is near the least or below it, and others.
func quantisable(rng *rand.Rand, j int, other float32) float32 {
	switch j % 4 {
	case 0:
		return float32(rng.NormFloat64())
	case 1:
		return float32(rng.IntN(2*254+1)-254) / 2
	case 2:
		return float32(rng.NormFloat64() * 0x1p-119)
	}
	return other
}

// What only moves and rounds bits gives the very bits of its definition at every length and place, and touches nothing else.
func TestConversions(t *testing.T) {
	for _, op := range []struct {
		name    string
		lengths func(width, n int) []int // of the result, then of the input
		run     func(a [][]float32, width, n int)
		want    func(a [][]float32, width, n int)
	}{
		{"roundPairs", func(_, n int) []int { return []int{n/2 + 3, n} },
			func(a [][]float32, _, _ int) { roundPairs(a[0], a[1]) },
			func(a [][]float32, _, _ int) { roundPairsGeneric(a[0], a[1]) }},
		{"roundRows", func(_, n int) []int { return []int{span(n, n%7), span(n, n%7)} },
			func(a [][]float32, _, n int) { use().roundRows(a[0], n+3, a[1], n+3, n, n%7) },
			func(a [][]float32, _, n int) { roundRowsGeneric(a[0], n+3, a[1], n+3, n, n%7) }},
		{"pairUp", func(_, n int) []int { return []int{max(0, n-1)*19 + lanes, span(n%17, 2*n)} },
			func(a [][]float32, _, n int) { use().pairUp(a[0], 19, a[1], n%17+3, n%17, n) },
			func(a [][]float32, _, n int) { pairUpGeneric(a[0], 19, a[1], n%17+3, n%17, n) }},
		{"widenPairs", func(width, n int) []int { return []int{2 * n * width, n * width} },
			func(a [][]float32, width, n int) { widenPairs(a[0], a[1], width, n) },
			func(a [][]float32, width, n int) { widenPairsGeneric(a[0], a[1], width, n) }},
		{"widenInt8", func(width, n int) []int { return []int{n * width, ceil(n, int8Block) * int8Words(width)} },
			func(a [][]float32, width, n int) { widenInt8(a[0], a[1], width, n) },
			func(a [][]float32, width, n int) { widenInt8Generic(a[0], a[1], width, n) }},
		{"roundInt8", func(width, n int) []int { return []int{width + int8Rows(n)*width/4, int8Rows(n) * width} },
			func(a [][]float32, width, n int) { roundInt8(a[0], a[1], width, int8Rows(n)) },
			func(a [][]float32, width, n int) { roundInt8Generic(a[0], a[1], width, int8Rows(n)) }},
	} {
		t.Run(op.name, func(t *testing.T) {
			eachISA(t, func(t *testing.T) {
				rng, width := newRand(), tilesOf(isa).wide.width
				for n := range 101 {
					lengths := op.lengths(width, n)
					src := words(rng, lengths[1])
					if op.name == "widenInt8" { // signalling NaNs among the scales would become quiet, or not
						for i := range src {
							src[i] = math.Float32frombits(math.Float32bits(src[i]) &^ (1 << 30))
						}
					}
					if op.name == "roundInt8" {
						for i := range src {
							src[i] = quantisable(rng, i%width, src[i])
						}
					}
					want := make([]float32, lengths[0])
					op.want([][]float32{want, src}, width, n)
					for p := range place(places) {
						if p == fence && n%5 != 0 {
							continue // mapping memory is slow
						}
						got, intact := p.put(make([]float32, lengths[0]))
						in, _ := p.put(src)
						op.run([][]float32{got, in}, width, n)
						if !intact() {
							t.Fatalf("length %d, place %d: written outside", n, p)
						}
						if !sameBits(got, want) {
							t.Fatalf("length %d, place %d: differs from the definition", n, p)
						}
					}
				}
			})
		})
	}
}

// packedShapes are out, in.
var packedShapes = [][2]int{{1, 1}, {3, 2}, {8, 31}, {16, 32}, {31, 33}, {32, 64}, {33, 65}, {40, 300}, {70, 1100}, {100, 40}}

// unpacked returns the rows of p.
func unpacked(p *Packed) []float32 {
	w := make([]float32, p.out*p.in)
	for i := range p.out {
		p.Row(w[i*p.in:(i+1)*p.in], i)
	}
	return w
}

// A format keeps what it can of every weight.
func TestPack(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := newRand()
		for _, shape := range packedShapes {
			out, in := shape[0], shape[1]
			w := normal(rng, out*in)
			w[rng.IntN(len(w))] = 0
			for _, f := range formats {
				for i, got := range unpacked(Pack(w, out, in, f)) {
					start := i/in*in + i%in/int8Block*int8Block
					block := absolute(w[start:min(start+int8Block, (i/in+1)*in)])
					tolerance := map[Format]float64{F32: 0, BF16: math.Abs(float64(w[i])) / 256, Int8: float64(slices.Max(block)) / 127 * 0.5001}[f]
					near(t, fmt.Sprintf("%v, %v: weight %d", f, shape, i), float64(got), float64(w[i]), tolerance)
				}
			}
		}
		zeros := Pack(make([]float32, 40), 1, 40, Int8)
		if w := unpacked(zeros); slices.ContainsFunc(w, func(v float32) bool { return v != 0 }) {
			t.Errorf("zeros become %v", w)
		}
	})
}

// Rows that come one panel after the other, in room that is used again, are packed as the matrix that they make.
func TestPackRows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := newRand()
		for _, shape := range packedShapes {
			out, in := shape[0], shape[1]
			w := normal(rng, out*in)
			for _, f := range formats {
				got, err := PackRows(out, in, f, func(from, n int, room []float32) ([]float32, error) {
					if copy(room, w[from*in:(from+n)*in]) != len(room) {
						return nil, fmt.Errorf("room for %d numbers", len(room))
					}
					return room, nil
				})
				if want := Pack(w, out, in, f); err != nil || !sameBits(got.words, want.words) {
					t.Errorf("%v, %v: differs, %v", f, shape, err)
				}
			}
		}
		// Of several failures the first one counts.
		_, err := PackRows(200, 3, BF16, func(from, n int, room []float32) ([]float32, error) {
			if from+n > 100 {
				return nil, fmt.Errorf("row %d", max(from, 100))
			}
			return room, nil
		})
		if err == nil || err.Error() != "row 100" {
			t.Errorf("error %v, want that of row 100", err)
		}
	})
}

// A block of Int8 has the same bits on every instruction set, and they are those of its definition: halves go to the even
// neighbour, numbers too small for a scale to 0.
func TestRoundInt8(t *testing.T) {
	const rows, in = 5, 2*int8Block + 1
	rng := newRand()
	w := normal(rng, rows*in)
	want := make([]float32, len(w)) // in the first block and in the third row
	w[0], want[0] = -127, -127
	for i := 1; i < int8Block; i++ {
		n := float32(rng.IntN(253) - 126)
		w[i] = n + 0.5
		want[i] = n + float32(int(n)&1)
	}
	tiny, small := w[2*in:][:int8Block], w[2*in+int8Block:][:int8Block]
	for i := range tiny {
		tiny[i] = float32(i) * 0x1p-130
		small[i], want[2*in+int8Block+i] = float32(i+96)*0x1p-126, float32(i+96)*0x1p-126
	}
	var before []float32
	eachISA(t, func(t *testing.T) {
		got := unpacked(Pack(w, rows, in, Int8))
		if before != nil && !sameBits(got, before) {
			t.Error("differs from another instruction set")
		}
		before = got
		for _, at := range []int{0, 2 * in, 2*in + int8Block} {
			if got, want := got[at:][:int8Block], want[at:][:int8Block]; !slices.Equal(got, want) {
				t.Errorf("block at %d: %v, want %v", at, got, want)
			}
		}
	})
}

// Bytes is what the formats promise, a little more where shapes do not fill the panels.
func TestPackedBytes(t *testing.T) {
	w := make([]float32, 64*128)
	for f, perWeight := range map[Format]float64{F32: 4, BF16: 2, Int8: 1 + 4./32} {
		if got, want := Pack(w, 64, 128, f).Bytes(), int(64*128*perWeight); got != want {
			t.Errorf("%v: %d bytes, want %d", f, got, want)
		}
	}
}

// A product with packed weights is that of the numbers they stand for: bit for bit that of Gemm, or of GemmBF16 for bfloat16.
func TestPackedMulIsGemm(t *testing.T) {
	withPairs(t, func(t *testing.T) {
		rng := newRand()
		for _, shape := range packedShapes {
			out, in := shape[0], shape[1]
			w := normal(rng, out*in)
			for _, f := range formats {
				p := Pack(w, out, in, f)
				rows := Mat{Data: unpacked(p), Stride: in, Trans: true}
				for _, m := range []int{1, 2, 5, 12, 13, 30} {
					for _, accumulate := range []bool{false, true} {
						a, _ := matrix(rng, m, in, false, func() float32 { return float32(rng.NormFloat64()) })
						ldc := out + rng.IntN(3)
						want := normal(rng, (m-1)*ldc+out)
						got, intact := place(rng.IntN(places)).put(want)
						p.Mul(got, ldc, a.Data, a.Stride, m, accumulate)
						if f == BF16 {
							GemmBF16(want, ldc, a, rows, m, out, in, accumulate)
						} else {
							Gemm(want, ldc, a, rows, m, out, in, accumulate)
						}
						if !sameBits(got, want) || !intact() {
							t.Fatalf("%v, %v, %d rows, accumulate %v: differs from the product of the unpacked weights", f, shape, m, accumulate)
						}
					}
				}
			}
		}
	})
}

// Small integers are exact in bfloat16: then GemmBF16 is Gemm in all layouts.
func TestGemmBF16Exact(t *testing.T) {
	withPairs(t, func(t *testing.T) {
		rng := newRand()
		integer := func() float32 { return float32(rng.IntN(17) - 8) }
		for _, shape := range gemmShapes {
			m, n, k := shape[0], shape[1], shape[2]
			for variant := range 8 {
				a, _ := matrix(rng, m, k, variant&1 > 0, integer)
				b, _ := matrix(rng, k, n, variant&2 > 0, integer)
				ldc := n + rng.IntN(3)
				want := make([]float32, m*ldc+10)
				for i := range want {
					want[i] = 3
				}
				got := slices.Clone(want)
				GemmBF16(got, ldc, a, b, m, n, k, variant&4 > 0)
				Gemm(want, ldc, a, b, m, n, k, variant&4 > 0)
				if !sameBits(got, want) {
					t.Fatalf("%v, variant %d: differs", shape, variant)
				}
			}
		}
	})
}

// The error of GemmBF16 is that of rounded operands in one chain of multiply-adds.
func TestGemmBF16Rounding(t *testing.T) {
	rng := newRand()
	gauss := func() float32 { return float32(rng.NormFloat64()) }
	for _, shape := range gemmShapes {
		m, n, k := shape[0], shape[1], shape[2]
		for variant := range 4 {
			a, ae := matrix(rng, m, k, variant&1 > 0, gauss)
			b, be := matrix(rng, k, n, variant&2 > 0, gauss)
			withPairs(t, func(t *testing.T) {
				c := make([]float32, m*n)
				GemmBF16(c, n, a, b, m, n, k, false)
				for at, got := range c {
					sum, scale := 0.0, 0.0
					for p := range k {
						v := float64(half.RoundBF16(float32(ae(at/n, p)))) * float64(half.RoundBF16(float32(be(p, at%n))))
						sum, scale = sum+v, scale+math.Abs(v)
					}
					near(t, fmt.Sprint(shape), float64(got), sum, eps*float64(k+1)*scale)
				}
			})
		}
	}
}

// extremes returns numbers of every kind: of any bits, ordinary ones, some whose products are at the ends of what float32 holds,
// and now and then zeros, infinities and what is not a number.
func extremes(rng *rand.Rand) func() float32 {
	return func() float32 {
		v := rng.NormFloat64()
		switch rng.IntN(64) {
		case 0:
			return math.Float32frombits(rng.Uint32())
		case 1:
			return float32(math.Copysign(0, v))
		case 2:
			return float32(math.Ldexp(v, -126-rng.IntN(20)))
		case 3:
			return float32(math.Ldexp(v, 60+rng.IntN(10)))
		case 4:
			if rng.IntN(50) == 0 {
				return float32(math.Inf(int(math.Copysign(1, v))))
			}
		}
		return float32(math.Ldexp(v, -70+rng.IntN(16)))
	}
}

// sameNumbers compares bits, but for those of what is not a number.
func sameNumbers(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) || x != x && y != y })
}

// Whatever computes it, GemmBF16 has the same bits: instruction sets, pairs or rounded tiles, the definition. So has Mul with
// weights of bfloat16. (Except on a matrix unit.)
func TestGemmBF16SameBits(t *testing.T) {
	if amx := tilesOf(isa).pairs != nil && tilesOf(isa).pairs.rowsOfA; amx {
		t.Skip("a matrix unit has an order of its own")
	}
	rng := newRand()
	number := extremes(rng)
	for _, shape := range append([][3]int{{40, 70, 1100}, {1, 100, 700}, {2, 33, 64}}, gemmShapes...) {
		m, n, k := shape[0], shape[1], shape[2]
		for variant := range 8 {
			a, _ := matrix(rng, m, k, variant&1 > 0, number)
			b, _ := matrix(rng, k, n, variant&2 > 0, number)
			before := make([]float32, m*n)
			for i := range before {
				before[i] = number()
			}
			var want []float32
			withPairs(t, func(t *testing.T) {
				got := slices.Clone(before)
				GemmBF16(got, n, a, b, m, n, k, variant&4 > 0)
				if want == nil {
					want = got
				}
				if !sameNumbers(got, want) {
					t.Fatalf("%v, variant %d: differs", shape, variant)
				}
				rounded := Mat{Data: slices.Clone(a.Data), Stride: a.Stride, Trans: a.Trans}
				RoundBF16(rounded.Data)
				got = slices.Clone(before)
				GemmRounded(got, n, rounded, b, m, n, k, variant&4 > 0)
				if !sameNumbers(got, want) {
					t.Fatalf("%v, variant %d: of a rounded A differs", shape, variant)
				}
				if variant&3 == 2 && k > 0 {
					weights := make([]float32, n*k) // rows that lie side by side
					for i := range n {
						copy(weights[i*k:], b.Data[i*b.Stride:][:k])
					}
					got := slices.Clone(before)
					Pack(weights, n, k, BF16).Mul(got, n, a.Data, a.Stride, m, variant&4 > 0)
					if !sameNumbers(got, want) {
						t.Fatalf("%v, variant %d: packed weights differ", shape, variant)
					}
				}
			})
		}
	}
}

// A row has the same bits alone and among others, in every format, whatever the number of threads.
func TestPackedBatchInvariance(t *testing.T) {
	defer SetThreads(Threads())
	withPairs(t, func(t *testing.T) {
		rng := newRand()
		for _, shape := range [][2]int{{72, 530}, {5, 64}, {130, 1100}} {
			out, in := shape[0], shape[1]
			const m = 64
			a, w := normal(rng, m*in), normal(rng, out*in)
			for _, f := range formats {
				p := Pack(w, out, in, f)
				SetThreads(1)
				all := make([]float32, m*out)
				p.Mul(all, out, a, in, m, false)
				for _, threads := range []int{1, 2, 5} {
					SetThreads(threads)
					for _, r := range [][2]int{{0, 1}, {m - 1, m}, {m / 3, m/3 + 2}, {7, 20}, {0, m}} {
						some := make([]float32, (r[1]-r[0])*out)
						p.Mul(some, out, a[r[0]*in:], in, r[1]-r[0], false)
						if !sameBits(some, all[r[0]*out:r[1]*out]) {
							t.Fatalf("%v, %v, %d threads: rows %v differ from the same rows of the whole", f, shape, threads, r)
						}
					}
				}
			}
		}
	})
}

func TestPackedAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	rng := newRand()
	const out, in = 300, 64
	w := normal(rng, out*in)
	for _, f := range formats {
		p := Pack(w, out, in, f)
		for _, m := range []int{1, 40} {
			a, c := normal(rng, m*in), make([]float32, m*out)
			if allocs := testing.AllocsPerRun(100, func() { p.Mul(c, out, a, in, m, false) }); allocs >= 1 {
				t.Errorf("%v, %d rows: %v allocations per call", f, m, allocs)
			}
		}
	}
	x := normal(rng, out*in)
	c := make([]float32, in*in)
	if allocs := testing.AllocsPerRun(100, func() { GemmBF16(c, in, Mat{x, in, true}, Mat{w, in, false}, in, in, out, true) }); allocs >= 1 {
		t.Errorf("GemmBF16: %v allocations per call", allocs)
	}
}

func TestPackedWrongLengthsPanic(t *testing.T) {
	w := make([]float32, 12)
	p := Pack(w, 3, 4, F32)
	for name, f := range map[string]func(){
		"too few weights": func() { Pack(w, 4, 4, BF16) },
		"C too short":     func() { p.Mul(w[:5], 3, w, 4, 2, false) },
		"A too short":     func() { p.Mul(w, 3, w[:7], 4, 2, false) },
		"stride of C":     func() { p.Mul(w, 2, w, 4, 1, false) },
		"row":             func() { p.Row(w[:3], 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// BenchmarkPackedMul times products of few rows with weights that no cache holds: in GB/s of weights.
func BenchmarkPackedMul(b *testing.B) {
	defer SetThreads(Threads())
	const out, in, matrices = 4096, 1024, 24
	rng := newRand()
	w := normal(rng, out*in)
	for _, f := range formats {
		var ps []*Packed
		for range matrices {
			ps = append(ps, Pack(w, out, in, f))
		}
		for _, m := range []int{1, 2, 16} {
			a, c := normal(rng, m*in), make([]float32, m*out)
			for threads := 1; threads <= 2; threads++ {
				b.Run(fmt.Sprintf("%v/rows=%d/threads=%d", f, m, threads), func(b *testing.B) {
					SetThreads(threads)
					b.SetBytes(int64(matrices * ps[0].Bytes()))
					for b.Loop() {
						for _, p := range ps {
							p.Mul(c, out, a, in, m, false)
						}
					}
				})
			}
		}
	}
}

// BenchmarkGemmBF16 times the three products of a training step in bfloat16 beside those in float32, in turns: the metrics are the
// median speed and how many times that of float32 it is. x is rounded already, as it mostly is.
func BenchmarkGemmBF16(b *testing.B) {
	defer SetThreads(Threads())
	rng := newRand()
	for _, shape := range [][3]int{
		{4096, 128, 128}, {4096, 384, 128}, {4096, 128, 384}, {4096, 256, 256}, {4096, 768, 256}, {4096, 256, 768},
		{4096, 512, 512}, {4096, 1536, 512}, {4096, 512, 1536}, {512, 3072, 1024},
	} {
		rows, out, in := shape[0], shape[1], shape[2]
		x, y, w := normal(rng, rows*in), normal(rng, rows*out), normal(rng, out*in)
		RoundBF16(x)
		c := make([]float32, max(rows*in, rows*out, out*in))
		type gemm func(c []float32, ldc int, a, b Mat, m, n, k int, accumulate bool)
		forward := func(multiply gemm) { multiply(c, out, Mat{x, in, false}, Mat{w, in, true}, rows, out, in, false) }
		backward := func(multiply gemm) { multiply(c, in, Mat{y, out, false}, Mat{w, in, false}, rows, in, out, false) }
		for _, layout := range []struct {
			name      string
			f32, bf16 func()
		}{
			{"y", func() { forward(Gemm) }, func() { forward(GemmRounded) }},
			{"dx", func() { backward(Gemm) }, func() { backward(GemmBF16) }},
			{"dw", func() { WeightGradient(c, y, out, x, rows, out, in, false) },
				func() { WeightGradientBF16(c, y, out, x, rows, out, in, false, true) }},
		} {
			for threads := 1; threads <= 2; threads++ {
				b.Run(fmt.Sprintf("%dx%dx%d/%s/threads=%d", rows, out, in, layout.name, threads), func(b *testing.B) {
					SetThreads(threads)
					var times [2][]float64
					for b.Loop() {
						for i, product := range []func(){layout.f32, layout.bf16} {
							start := time.Now()
							product()
							times[i] = append(times[i], time.Since(start).Seconds())
						}
					}
					slices.Sort(times[0])
					slices.Sort(times[1])
					f32, bf16 := times[0][b.N/2], times[1][b.N/2]
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(2*float64(rows*out*in)/bf16/1e9, "GFLOP/s")
					b.ReportMetric(f32/bf16, "xGemm")
				})
			}
		}
	}
}
