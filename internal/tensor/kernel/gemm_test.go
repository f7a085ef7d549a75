package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// matrix returns a rows x cols matrix with random elements, stored with some room between the rows, and its elements.
func matrix(rng *rand.Rand, rows, cols int, trans bool, element func() float32) (Mat, func(i, j int) float64) {
	x := Mat{Trans: trans}
	stored, width := rows, cols
	if trans {
		stored, width = cols, rows
	}
	x.Stride = width + rng.IntN(4)
	x.Data = fenced(max(0, (stored-1)*x.Stride+width))
	for i := range x.Data {
		x.Data[i] = element()
	}
	return x, func(i, j int) float64 {
		if trans {
			i, j = j, i
		}
		return float64(x.Data[i*x.Stride+j])
	}
}

// gemmShapes are m, n, k: the corners, then every number of rows of a tile with wide, narrow and partly filled panels.
var gemmShapes = append([][3]int{
	{0, 3, 3}, {3, 0, 3}, {3, 4, 0}, {1, 1, 1}, {1, 5, 7}, {2, 24, 8}, {3, 17, 33}, {5, 1, 64}, {7, 33, 9}, {11, 31, 40}, {12, 32, 64},
	{13, 48, 5}, {14, 16, 31}, {23, 96, 24}, {25, 15, 70}, {40, 49, 300}, {48, 64, 64}, {49, 65, 257}, {61, 7, 513}, {100, 40, 12},
	{130, 130, 30}, {200, 5, 24}, {257, 70, 64},
}, tileShapes()...)

func tileShapes() (shapes [][3]int) {
	for m := 1; m <= 12; m++ {
		for _, n := range []int{8, 12, 16, 30, 37} {
			shapes = append(shapes, [3]int{m, n, m + n%8})
		}
	}
	return shapes
}

// Small integers make every sum exact, so every instruction set must give the very numbers of the definition
// C(i,j) = sum_k A(i,k) B(k,j), in all layouts, and touch nothing else.
func TestGemmExact(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := newRand()
		integer := func() float32 { return float32(rng.IntN(17) - 8) }
		for _, shape := range gemmShapes {
			m, n, k := shape[0], shape[1], shape[2]
			for variant := range 8 {
				a, ae := matrix(rng, m, k, variant&1 > 0, integer)
				b, be := matrix(rng, k, n, variant&2 > 0, integer)
				accumulate := variant&4 > 0
				ldc := n + rng.IntN(3)
				c := make([]float32, m*ldc+10)
				for i := range c {
					c[i] = 3
				}
				Gemm(c, ldc, a, b, m, n, k, accumulate)
				for at, got := range c {
					want := 3.0
					if i, j := at/max(ldc, 1), at%max(ldc, 1); i < m && j < n {
						if !accumulate {
							want = 0
						}
						for p := range k {
							want += ae(i, p) * be(p, j)
						}
					}
					if float64(got) != want {
						t.Fatalf("%v, variant %d: element %d of C (row stride %d): %v, want %v", shape, variant, at, ldc, got, want)
					}
				}
			}
		}
	})
}

// The assembly's error is that of one chain of multiply-adds, and AVX2 and AVX-512 make the same one.
func TestGemmRounding(t *testing.T) {
	best := isa
	rng := newRand()
	gauss := func() float32 { return float32(rng.NormFloat64()) }
	for _, shape := range gemmShapes {
		m, n, k := shape[0], shape[1], shape[2]
		a, ae := matrix(rng, m, k, false, gauss)
		b, be := matrix(rng, k, n, true, gauss)
		var before []float32
		for l := generic; l <= best; l++ {
			c := make([]float32, m*n)
			with(l, func() { Gemm(c, n, a, b, m, n, k, false) })
			for at, got := range c {
				sum, scale := 0.0, 0.0
				for p := range k {
					v := ae(at/n, p) * be(p, at%n)
					sum, scale = sum+v, scale+math.Abs(v)
				}
				near(t, fmt.Sprint(levelNames[l], " ", shape), float64(got), sum, eps*float64(k+1)*scale)
			}
			if l > avx2 && !sameBits(c, before) {
				t.Fatalf("%v: %s differs from the level below", shape, levelNames[l])
			}
			before = c
		}
	}
}

// A row of C has the same bits alone, among others, and wherever it lies; and whatever the number of threads.
func TestGemmBatchInvariance(t *testing.T) {
	defer SetThreads(Threads())
	eachISA(t, func(t *testing.T) {
		rng := newRand()
		gauss := func() float32 { return float32(rng.NormFloat64()) }
		for _, trans := range []bool{false, true} {
			for _, shape := range [][3]int{{157, 72, 530}, {301, 5, 64}, {70, 130, 257}, {1100, 33, 40}} {
				m, n, k := shape[0], shape[1], shape[2]
				a, _ := matrix(rng, m, k, false, gauss)
				b, _ := matrix(rng, k, n, trans, gauss)
				SetThreads(1)
				all := make([]float32, m*n)
				Gemm(all, n, a, b, m, n, k, false)
				for _, threads := range []int{1, 2, 5} {
					SetThreads(threads)
					for _, r := range [][2]int{{0, 1}, {m - 1, m}, {m / 3, m/3 + 2}, {7, 20}, {1, 55}, {3, m}, {0, m}} {
						some := make([]float32, (r[1]-r[0])*n)
						Gemm(some, n, Mat{Data: a.Data[r[0]*a.Stride:], Stride: a.Stride}, b, r[1]-r[0], n, k, false)
						if !sameBits(some, all[r[0]*n:r[1]*n]) {
							t.Fatalf("%v, B trans %v, %d threads: rows %v differ from the same rows of the whole", shape, trans, threads, r)
						}
					}
				}
			}
		}
	})
}

// The layout of the gradient of a weight, C += A^T B with many rows, does not depend on threads either.
func TestGemmThreads(t *testing.T) {
	defer SetThreads(Threads())
	eachISA(t, func(t *testing.T) {
		rng := newRand()
		const m, n, k = 70, 100, 700
		a, b, c := Mat{normal(rng, k*m), m, true}, Mat{normal(rng, k*n), n, false}, normal(rng, m*n)
		var want []float32
		for threads := 1; threads <= 8; threads++ {
			SetThreads(threads)
			got := slices.Clone(c)
			Gemm(got, n, a, b, m, n, k, true)
			if want == nil {
				want = got
			} else if !sameBits(got, want) {
				t.Fatalf("%d threads differ from one", threads)
			}
		}
	})
}

// A B that is packed slab by slab, across and down, gives the bits of one whose panels are packed where they are needed: for few
// rows of A.
func TestGemmSlabs(t *testing.T) {
	const m, n, k, few = 200, 1100, 2100, 50
	if n*k <= slabSize || k <= slabDepth {
		t.Fatal("one slab is enough")
	}
	eachISA(t, func(t *testing.T) {
		rng := newRand()
		gauss := func() float32 { return float32(rng.NormFloat64()) }
		for variant, multiply := range []func([]float32, int, Mat, Mat, int, int, int, bool){Gemm, GemmBF16} {
			a, _ := matrix(rng, m, k, false, gauss)
			b, _ := matrix(rng, k, n, variant == 0, gauss)
			c := normal(rng, m*n)
			want := slices.Clone(c)
			multiply(c, n, a, b, m, n, k, true)
			for i := 0; i < m; i += few {
				multiply(want[i*n:], n, Mat{Data: a.Data[i*a.Stride:], Stride: a.Stride}, b, few, n, k, true)
			}
			if !sameBits(c, want) {
				t.Fatalf("variant %d: differs", variant)
			}
		}
	})
}

// raceDetector is set when the tests run with it; sync.Pool then forgets at random.
var raceDetector bool

func TestGemmAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	rng := newRand()
	const m, n, k = 300, 64, 64
	a, b, c := Mat{normal(rng, m*k), k, false}, Mat{normal(rng, n*k), k, true}, make([]float32, m*n)
	if allocs := testing.AllocsPerRun(100, func() { Gemm(c, n, a, b, m, n, k, false) }); allocs >= 1 {
		t.Errorf("%v allocations per call", allocs)
	}
}

var speedShapes = [][3]int{ // rows, out, in: the shapes of training, then small ones
	{512, 512, 512}, {2048, 2048, 2048}, {512, 128, 128}, {512, 256, 256}, {512, 1024, 1024}, {512, 3072, 1024}, {512, 1024, 3072},
	{2048, 512, 512}, {2048, 1024, 1024}, {4096, 128, 128}, {4096, 384, 128}, {4096, 768, 256}, {4096, 1536, 512}, {4096, 512, 1536},
	{1280, 64, 64}, {1280, 128, 64}, {1280, 64, 128}, {48, 32, 200}, {48, 32, 64}, {1, 64, 64}, {1, 512, 512}, {16, 256, 256}, {64, 256, 256},
}

// BenchmarkGemm times y = x w^T, dx = dy w and dw += dy^T x for x [rows,in] and w [out,in]. An iteration is as many products as
// make some 2e9 operations, and the metrics are the least, median and greatest speed of an iteration: with -benchtime 8x what
// benchmarks of BLAS libraries print.
func BenchmarkGemm(b *testing.B) {
	defer SetThreads(Threads())
	rng := newRand()
	for _, shape := range speedShapes {
		rows, out, in := shape[0], shape[1], shape[2]
		x, y, w := normal(rng, rows*in), normal(rng, rows*out), normal(rng, out*in)
		dx, dw := normal(rng, rows*in), normal(rng, out*in)
		dy := normal(rng, rows*out)
		for _, layout := range []struct {
			name string
			run  func()
		}{
			{"y", func() { Gemm(y, out, Mat{x, in, false}, Mat{w, in, true}, rows, out, in, false) }},
			{"dx", func() { Gemm(dx, in, Mat{dy, out, false}, Mat{w, in, false}, rows, in, out, false) }},
			{"dw", func() { Gemm(dw, in, Mat{dy, out, true}, Mat{x, in, false}, out, in, rows, true) }},
		} {
			for threads := 1; threads <= 2; threads++ {
				b.Run(fmt.Sprintf("%dx%dx%d/%s/threads=%d", rows, out, in, layout.name, threads), func(b *testing.B) {
					SetThreads(threads)
					flops := 2 * float64(rows*out*in)
					products := int(2e9/flops) + 1
					var speeds []float64
					for b.Loop() {
						start := time.Now()
						for range products {
							layout.run()
						}
						speeds = append(speeds, flops*float64(products)/time.Since(start).Seconds()/1e9)
					}
					slices.Sort(speeds)
					b.ReportMetric(speeds[0], "min-GFLOP/s")
					b.ReportMetric(speeds[len(speeds)/2], "GFLOP/s")
					b.ReportMetric(speeds[len(speeds)-1], "max-GFLOP/s")
				})
			}
		}
	}
}
