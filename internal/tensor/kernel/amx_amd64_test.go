//go:build !purego

package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func needAMX(t testing.TB) {
	if !amx {
		t.Skip("no AMX with bfloat16 here, or not permitted, or NFCOT_ISA is set")
	}
}

// pairs fills x with pairs of bfloat16 elements: the low half of a float32 has the lower index.
func pairs(x []float32, element func() float32) []float32 {
	half := func() uint32 { return math.Float32bits(element()) >> 16 }
	for i := range x {
		low := half()
		x[i] = math.Float32frombits(half()<<16 | low)
	}
	return x
}

func unpair(x float32) (low, high float64) {
	bits := math.Float32bits(x)
	return float64(math.Float32frombits(bits << 16)), float64(math.Float32frombits(bits &^ 0xFFFF))
}

// tileProblem is a call of a kernel of amxTile, and what surrounds the tile of C.
type tileProblem struct {
	rows, cols, k, rs, ldc int
	load                   bool
	a, b, c                []float32
	intact                 func() bool
}

// newTileProblem returns a problem whose A and B end where memory does; C does so or has canaries around it.
func newTileProblem(rng *rand.Rand, rows, cols, k int, load bool, element func() float32) *tileProblem {
	p := &tileProblem{rows: rows, cols: cols, k: k, load: load}
	p.rs, p.ldc = k+rng.IntN(3), cols+rng.IntN(3)
	p.a = pairs(fenced((rows-1)*p.rs+k), element)
	p.b = pairs(fenced(k*32), element)
	c := make([]float32, (rows-1)*p.ldc+cols)
	for i := range c {
		c[i] = canary
		if i%p.ldc < cols {
			c[i] = element()
		}
	}
	p.c, p.intact = place(rng.IntN(places)).put(c)
	return p
}

func (p *tileProblem) run(tile tileFunc) { tile(1, p.k, p.a, p.rs, 1, p.b, p.c, p.ldc, p.cols, p.load) }

// element returns C(i,j) as it must become, and the sum of the magnitudes of its terms.
func (p *tileProblem) element(i, j int) (sum, scale float64) {
	add := func(v float64) { sum, scale = sum+v, scale+math.Abs(v) }
	if p.load {
		add(float64(p.c[i*p.ldc+j]))
	}
	for q := range p.k {
		aLow, aHigh := unpair(p.a[i*p.rs+q])
		bLow, bHigh := unpair(p.b[q*32+j])
		add(aLow * bLow)
		add(aHigh * bHigh)
	}
	return sum, scale
}

// check runs the kernel and compares with float64, to within the rounding of steps additions.
func (p *tileProblem) check(t *testing.T, tile tileFunc, steps int) {
	t.Helper()
	type bound struct{ want, tolerance float64 }
	bounds := make([]bound, len(p.c))
	for at := range p.c {
		if i, j := at/p.ldc, at%p.ldc; j < p.cols {
			sum, scale := p.element(i, j)
			bounds[at] = bound{sum, eps * float64(steps) * scale}
		} else {
			bounds[at].want = canary
		}
	}
	p.run(tile)
	name := fmt.Sprintf("%dx%d, %d pairs, load %v", p.rows, p.cols, p.k, p.load)
	for at, got := range p.c {
		near(t, fmt.Sprint(name, ": element ", at), float64(got), bounds[at].want, bounds[at].tolerance)
	}
	if !p.intact() {
		t.Fatalf("%s: wrote outside C", name)
	}
}

func TestAMX(t *testing.T) {
	needAMX(t)
	t.Run("tile", testAMXTile)
	t.Run("invariance", testAMXTileInvariance)
	t.Run("environment", func(t *testing.T) {
		t.Setenv("NFCOT_ISA", "avx512")
		if hasAMX() {
			t.Error("NFCOT_ISA=avx512 leaves AMX on")
		}
	})
}

// Small integers make every sum exact, whatever its order; other numbers show the rounding.
func testAMXTile(t *testing.T) {
	rng := newRand()
	integer := func() float32 { return float32(rng.IntN(17) - 8) }
	gauss := func() float32 { return float32(rng.NormFloat64()) }
	for rows := 1; rows <= 32; rows++ {
		tile := amxTile(rows)
		for cols := 1; cols <= 32; cols++ {
			for _, k := range []int{16, 48} {
				for _, load := range []bool{false, true} {
					newTileProblem(rng, rows, cols, k, load, integer).check(t, tile, 0)
				}
			}
			newTileProblem(rng, rows, cols, 32, true, gauss).check(t, tile, 2*32+1)
		}
	}
	newTileProblem(rng, 32, 32, 512, false, gauss).check(t, amxTile(32), 2*512)
}

// A row of C has the same bits alone and among others, and a column in a tile that is narrower.
func testAMXTileInvariance(t *testing.T) {
	rng := newRand()
	all := newTileProblem(rng, 32, 32, 64, false, func() float32 { return float32(rng.NormFloat64()) })
	all.run(amxTile(32))
	for rows := 1; rows <= 32; rows++ {
		for _, cols := range []int{1, 15, 16, 17, 32} {
			first := 32 - rows
			some := *all
			some.rows, some.cols, some.ldc = rows, cols, cols
			some.a, some.c = all.a[first*all.rs:], make([]float32, rows*cols)
			some.run(amxTile(rows))
			for i := range rows {
				if !sameBits(some.c[i*cols:][:cols], all.c[(first+i)*all.ldc:][:cols]) {
					t.Fatalf("%dx%d: row %d differs from the same row of the whole", rows, cols, i)
				}
			}
		}
	}
}

// BenchmarkAMXTile times whole tiles whose operands are in the cache.
func BenchmarkAMXTile(b *testing.B) {
	needAMX(b)
	rng := newRand()
	for _, rows := range []int{1, 16, 32} {
		for _, k := range []int{64, 256} {
			b.Run(fmt.Sprintf("%dx32x%d", rows, 2*k), func(b *testing.B) {
				p := newTileProblem(rng, rows, 32, k, true, func() float32 { return float32(rng.NormFloat64()) })
				tile := amxTile(rows)
				start := time.Now()
				for b.Loop() {
					p.run(tile)
				}
				flops := 2 * float64(rows*32*2*k)
				b.ReportMetric(flops*float64(b.N)/time.Since(start).Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
