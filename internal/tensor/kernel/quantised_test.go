package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nfcot/internal/ckpt/half"
)

// blockNames are the types of blocks in files.
var blockNames = []string{"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"}

// blockShape is the number of inputs of a block, and its bytes in a file.
func blockShape(name string) (inputs, bytes int) {
	t, _ := blocksOf(name)
	if name == q8_0 {
		return layouts[t].inputs, bytesQ8_0
	}
	return layouts[t].inputs, layouts[t].bytes
}

// halvesAt is where the numbers of 16 bits are in a block of a file.
func halvesAt(name string) []int {
	switch name {
	case "Q8_0", "Q4_0", "Q5_0":
		return []int{0}
	case "Q6_K":
		return []int{208}
	}
	return []int{0, 2}
}

// randomBlocks are rows of random blocks, whose scales are of any sign and size: some 0, some subnormal.
func randomBlocks(rng *rand.Rand, name string, out, in int) BlockRows {
	inputs, bytes := blockShape(name)
	rows := make([][]byte, out)
	for i := range rows {
		row := make([]byte, in/inputs*bytes)
		for k := range row {
			row[k] = byte(rng.Uint32())
		}
		for b := 0; b < len(row); b += bytes {
			for _, at := range halvesAt(name) {
				size := math.Exp2(-float64(rng.IntN(20)))
				if rng.IntN(8) == 0 {
					size = 0
				}
				binary.LittleEndian.PutUint16(row[b+at:], half.ToF16(float32(rng.NormFloat64()*size)))
			}
		}
		rows[i] = row
	}
	return BlockRows{name, out, func(dst []byte, row int) error {
		checkEqual("row", len(dst), len(rows[row]))
		copy(dst, rows[row])
		return nil
	}}
}

func packBlocks(t testing.TB, in int, parts ...BlockRows) *Quantised {
	q, err := PackBlocks(in, parts)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// Every instruction set gives the bits of the definition: for all types of blocks, one under the other too, numbers of rows, and
// outputs that do not fill their last panel, and nothing else is written.
func TestQuantisedAgrees(t *testing.T) {
	rng := newRand()
	for _, names := range append([][]string{{"Q4_K", "Q6_K", "Q8_0"}, {"Q4_0", "Q5_1"}}, slices.Collect(slices.Chunk(blockNames, 1))...) {
		for _, shape := range [][3]int{{1, 1, 256}, {2, 32, 768}, {1, 70, 512}, {3, 33, 256}, {5, 64, 512}, {8, 31, 256}, {11, 96, 1024}, {40, 40, 256}} {
			m, out, in := shape[0], shape[1], shape[2]
			if n, _ := blockShape(names[0]); n == 32 && len(names) == 1 {
				in -= 32 * (m % 7)
			}
			var parts []BlockRows
			for _, name := range names {
				rows := randomBlocks(rng, name, out, in)
				parts = append(parts, rows)
			}
			out *= len(parts)
			ldc, lda := out+m%3, in+m%2
			a, c := normal(rng, (m-1)*lda+in), normal(rng, (m-1)*ldc+out)
			for _, accumulate := range []bool{false, true} {
				want := slices.Clone(c)
				with(generic, func() { packBlocks(t, in, parts...).Mul(want, ldc, a, lda, m, accumulate) })
				eachISA(t, func(t *testing.T) {
					got, intact := place(m % places).put(c)
					packBlocks(t, in, parts...).Mul(got, ldc, a, lda, m, accumulate)
					if !sameBits(got, want) || !intact() {
						t.Errorf("%v, %d rows of %d, %d outputs, accumulate %v: differs from the definition", names, m, in, out, accumulate)
					}
				})
			}
		}
	}
}

// A product is that of the weights and of the inputs as they are rounded.
func TestQuantisedMul(t *testing.T) {
	rng := newRand()
	const m, out, in = 3, 37, 512
	for _, name := range blockNames {
		rows := randomBlocks(rng, name, out, in)
		eachISA(t, func(t *testing.T) {
			q, a, c := packBlocks(t, in, rows), normal(rng, m*in), make([]float32, m*out)
			q.Mul(c, out, a, in, m, false)
			w := make([]float32, out*in)
			q.Unpack(w)
			rounded := make([]byte, in/int8Block*roundedBytes)
			for i := range m {
				roundInputs(rounded, a[i*in:][:in])
				for j := range out {
					var want, size float64
					for k, w := range w[j*in:][:in] {
						x := rounded[k/int8Block*roundedBytes:]
						v := float64(int8(x[k%int8Block])) * float64(float32At(x, roundedScale))
						if d := math.Abs(v - float64(a[i*in+k])); d > 0.51*float64(float32At(x, roundedScale)) {
							t.Fatalf("input %g is rounded to %g", a[i*in+k], v)
						}
						want += v * float64(w)
						size += math.Abs(v)*math.Abs(float64(w)) + math.Abs(v)
					}
					near(t, fmt.Sprintf("%s: row %d, output %d", name, i, j), float64(c[i*out+j]), want, 100*eps*size)
				}
			}
		})
	}
}

// Blocks in a file of type Q8_0 are what Quantise makes of their numbers.
func TestQuantise(t *testing.T) {
	rng := newRand()
	const out, in, m = 40, 320, 9
	w := normal(rng, out*in)
	for i := range w {
		w[i] = float32(rng.IntN(255)-127) / 64
		if i%32 == 0 {
			w[i] = 127. / 64
		}
	}
	stored := BlockRows{q8_0, out, func(dst []byte, row int) error {
		for b := range in / 32 {
			binary.LittleEndian.PutUint16(dst[34*b:], half.ToF16(1./64))
			for k := range 32 {
				dst[34*b+2+k] = byte(int8(64 * w[row*in+32*b+k]))
			}
		}
		return nil
	}}
	eachISA(t, func(t *testing.T) {
		q, err := Quantise(out, in, func(from, n int, _ []float32) ([]float32, error) { return w[from*in : (from+n)*in], nil })
		if err != nil {
			t.Fatal(err)
		}
		s := packBlocks(t, in, stored)
		if !slices.Equal(q.parts[0].words, s.parts[0].words) {
			t.Error("the blocks differ")
		}
		got := make([]float32, out*in)
		q.Unpack(got)
		if !sameBits(got, w) {
			t.Error("the numbers have changed")
		}
		if q.Bytes() != 64*in/32*36 {
			t.Errorf("%d bytes", q.Bytes())
		}
	})
}

// A number of inputs that is no multiple of 32 is filled up with zeros.
func TestQuantisePads(t *testing.T) {
	rng := newRand()
	for in := 1; in < 70; in += 17 {
		w, a := normal(rng, 5*in), normal(rng, 2*in)
		padded := (in + 31) &^ 31
		wide := func(x []float32) (y []float32) {
			for row := range slices.Chunk(x, in) {
				y = append(append(y, row...), make([]float32, padded-in)...)
			}
			return y
		}
		product := func(w, a []float32, in int) (c [10]float32) {
			q, err := Quantise(5, in, func(from, n int, _ []float32) ([]float32, error) { return w[from*in : (from+n)*in], nil })
			if err != nil {
				t.Fatal(err)
			}
			q.Mul(c[:], 5, a, in, 2, false)
			return c
		}
		if got, want := product(w, a, in), product(wide(w), wide(a), padded); got != want {
			t.Errorf("%d inputs: %v, want %v", in, got, want)
		}
	}
}

// Rounding gives the very bits of its definition, of whatever numbers, and sums that are right.
func TestRoundInputs(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := newRand()
		for n := range 200 {
			src := words(rng, n)
			for i := range src {
				if n%3 > 0 {
					src[i] = quantisable(rng, i/int8Block+n, src[i])
				}
			}
			want := make([]byte, ceil(n, int8Block)*roundedBytes)
			padded := append(slices.Clone(src), make([]float32, ceil(n, int8Block)*int8Block-n)...)
			roundInputsGeneric(want, padded)
			got := make([]byte, len(want))
			in, _ := place(n % places).put(src)
			roundInputs(got, in)
			same := func(a, b []byte) bool { // any NaN is as good as another
				x, y := float32At(a, 0), float32At(b, 0)
				return slices.Equal(a, b) || x != x && y != y
			}
			for i := 0; i < len(got); i += 4 {
				if !same(got[i:i+4], want[i:i+4]) {
					t.Fatalf("%d numbers: byte %d is %x, want %x", n, i, got[i:i+4], want[i:i+4])
				}
			}
			for ; len(got) > 0; got = got[roundedBytes:] {
				var sums [2]int32
				for i, v := range got[:int8Block] {
					sums[i/16] -= int32(int8(v))
				}
				if sums != [2]int32{int32At(got, roundedSums), int32At(got, roundedSums+4)} || sums[0]+sums[1] != int32At(got, roundedSum) {
					t.Fatalf("sums of %v are %x", got[:int8Block], got[int8Block:])
				}
			}
		}
	})
}

// What is not a number, or infinite, comes out as no number.
func TestQuantisedNotFinite(t *testing.T) {
	rng := newRand()
	for _, name := range blockNames {
		rows := randomBlocks(rng, name, 32, 256)
		eachISA(t, func(t *testing.T) {
			q := packBlocks(t, 256, rows)
			for _, v := range []float64{inf, -inf, math.NaN()} {
				a, c := normal(rng, 2*256), make([]float32, 2*32)
				a[100] = float32(v)
				q.Mul(c, 32, a, 256, 2, false)
				for j, v := range c {
					if (v != v) != (j < 32) {
						t.Errorf("%s: output %d is %v", name, j, v)
					}
				}
			}
		})
	}
}

// A row has the same bits alone and among others, with one thread and with many.
func TestQuantisedRowsAreIndependent(t *testing.T) {
	defer SetThreads(Threads())
	rng := newRand()
	const m, out, in = 37, 300, 512
	for _, name := range blockNames {
		rows := randomBlocks(rng, name, out, in)
		eachISA(t, func(t *testing.T) {
			q := packBlocks(t, in, rows)
			a, all, alone := normal(rng, m*in), make([]float32, m*out), make([]float32, out)
			SetThreads(4)
			q.Mul(all, out, a, in, m, false)
			for threads := 1; threads < 4; threads++ {
				SetThreads(threads)
				for i := threads; i < m; i += 7 {
					q.Mul(alone, out, a[i*in:], in, 1, false)
					if !sameBits(alone, all[i*out:][:out]) {
						t.Fatalf("%s: row %d differs alone", name, i)
					}
				}
			}
		})
	}
}

func TestQuantisedAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	rng := newRand()
	const out, in = 70, 256
	for _, name := range blockNames {
		rows := randomBlocks(rng, name, out, in)
		q := packBlocks(t, in, rows)
		row := make([]float32, in)
		if allocs := testing.AllocsPerRun(100, func() { q.Row(row, 69) }); allocs >= 1 {
			t.Errorf("%s: %v allocations for a row", name, allocs)
		}
		for _, m := range []int{1, 40} {
			a, c := normal(rng, m*in), make([]float32, m*out)
			if allocs := testing.AllocsPerRun(100, func() { q.Mul(c, out, a, in, m, false) }); allocs >= 1 {
				t.Errorf("%s, %d rows: %v allocations per call", name, m, allocs)
			}
		}
	}
}

// BenchmarkQuantisedMul reads weights that no cache holds.
func BenchmarkQuantisedMul(b *testing.B) {
	defer SetThreads(Threads())
	const out, in, matrices = 4096, 1024, 24
	rng := newRand()
	for _, name := range blockNames {
		rows := randomBlocks(rng, name, out, in)
		var qs []*Quantised
		for range matrices {
			qs = append(qs, packBlocks(b, in, rows))
		}
		for _, m := range []int{1, 2, 16, 128} {
			a, c := normal(rng, m*in), make([]float32, m*out)
			for threads := 1; threads <= 2; threads++ {
				b.Run(fmt.Sprintf("%s/rows=%d/threads=%d", name, m, threads), func(b *testing.B) {
					SetThreads(threads)
					b.SetBytes(int64(matrices * qs[0].Bytes()))
					for b.Loop() {
						for _, q := range qs {
							q.Mul(c, out, a, in, m, false)
						}
					}
					b.ReportMetric(2*float64(matrices*m*out*in)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}
