package kernel

import (
	"fmt"
	"sync"
)

// Matrix products. This file knows how a product is cut into tiles, packed and shared out; it does not know how a tile is
// computed (tileGeneric and its assembly twins) nor who computes it (Parallel).

// Mat is a view of a matrix: element (i,j) is Data[i*Stride+j], or Data[j*Stride+i] when Trans. A weight stored [out,in] is
// thus the [in,out] matrix of y = x w^T with Trans set.
type Mat struct {
	Data   []float32
	Stride int
	Trans  bool
}

// Gemm sets C = A B, or adds A B to C when accumulate. C is m x n, row-major with row stride ldc; A is m x k, B k x n. C must
// not overlap A or B.
//
// Every element of C starts from 0 (or from itself) and takes its k products in ascending order, one fused multiply-add
// each, so a row of C has the same bits whatever m is, wherever the row lies and however many threads there are.
func Gemm(c []float32, ldc int, a, b Mat, m, n, k int, accumulate bool) {
	if p := begin(c, ldc, a, b, m, n, k, accumulate); p != nil {
		p.run()
		p.end()
	}
}

// begin checks the operands of a product and returns it, or nil when there is nothing left to do. Its tiles are those of
// float32.
func begin(c []float32, ldc int, a, b Mat, m, n, k int, accumulate bool) *product {
	if m < 0 || n < 0 || k < 0 || ldc < n {
		panic(fmt.Sprintf("kernel: Gemm: m %d, n %d, k %d, row stride of C %d", m, n, k, ldc))
	}
	if m == 0 || n == 0 {
		return nil
	}
	checkRows("Gemm: C", len(c), ldc, m, n)
	a.check("Gemm: A", m, k)
	b.check("Gemm: B", k, n)
	if k == 0 {
		if !accumulate {
			for i := range m {
				clear(c[i*ldc:][:n])
			}
		}
		return nil
	}
	p := products.Get().(*product)
	p.tiles = tilesOf(isa)
	p.c, p.ldc, p.a, p.b, p.m, p.n, p.k, p.accumulate = c, ldc, a, b, m, n, k, accumulate
	return p
}

// end gives the product back to be used again.
func (p *product) end() {
	p.c, p.a, p.b, p.weights = nil, Mat{}, Mat{}, nil
	p.inPlace, p.rounds, p.aRounded, p.bRounded, p.packed = false, false, false, false, false
	products.Put(p)
}

// check panics unless x can be a rows x cols matrix.
func (x Mat) check(name string, rows, cols int) {
	if x.Trans {
		rows, cols = cols, rows
	}
	if cols > 0 {
		checkRows(name, len(x.Data), x.Stride, rows, cols)
	}
}

// strides returns how far apart the rows of x lie, and its columns.
func (x Mat) strides() (rows, cols int) {
	if x.Trans {
		return 1, x.Stride
	}
	return x.Stride, 1
}

// from returns x from row i and column j on.
func (x Mat) from(i, j int) Mat {
	rows, cols := x.strides()
	x.Data = x.Data[i*rows+j*cols:]
	return x
}

// tiles is how an instruction set cuts C: into tiles of up to rows rows and wide.width columns, or narrow.width columns where
// that is enough for what remains.
type tiles struct {
	rows         int
	wide, narrow tileShape

	rounded *tiles                         // for factors rounded to bfloat16: see bf16.go
	pairs   *tiles                         // for pairs of bfloat16; nil where the processor does not multiply them
	rowsOfA bool                           // A's elements along k must lie side by side
	singles [len(formatNames)]*singleFuncs // for one row and packed weights, by format; nil: the tiles do it
}

// tileShape holds the kernels for panels of one width: the product of tiles below each other (tileGeneric), by their number of
// rows, and the packing (copyRowsGeneric).
type tileShape struct {
	width    int
	tile     []tileFunc
	copyRows copyFunc
}

type (
	tileFunc func(n, k int, a []float32, rs, cs int, b, c []float32, ldc, cols int, load bool)
	copyFunc func(dst, src []float32, stride, cols, n int)

	// singleFuncs are products of one row with one panel of packed weights and with two, which lie size words apart.
	singleFuncs [2]func(k int, a, b []float32, size int, c []float32, cols int, load bool)
)

var genericTiles = func() tiles {
	plain, rounded := genericShape(tileGeneric), genericShape(roundedGeneric)
	return tiles{rows: genericRows, wide: plain, narrow: plain, rounded: &tiles{rows: genericRows, wide: rounded, narrow: rounded}}
}()

// genericRows is the most rows of a tile in plain Go.
const genericRows = 4

// genericShape returns the tiles of up to genericRows rows that f multiplies.
func genericShape(f oneTile) tileShape {
	shape := tileShape{width: genericCols, tile: make([]tileFunc, genericRows+1), copyRows: copyRowsGeneric}
	for r := 1; r <= genericRows; r++ {
		shape.tile[r] = f.tiles(r)
	}
	return shape
}

// oneTile computes one tile of some rows: see tileGeneric.
type oneTile func(rows, k int, a []float32, rs, cs int, b, c []float32, ldc, cols int, load bool)

// tiles returns the function that computes n tiles of rows rows below each other.
func (f oneTile) tiles(rows int) tileFunc {
	return func(n, k int, a []float32, rs, cs int, b, c []float32, ldc, cols int, load bool) {
		for i := range n {
			f(rows, k, a[i*rows*rs:], rs, cs, b, c[i*rows*ldc:], ldc, cols, load)
		}
	}
}

const (
	roundedPanels = 16      // panels that make it worth rounding A once more
	kBlock        = 512     // products taken at a time: a panel of B then comes from the second-level cache, and C is seldom read again
	smallA        = 1 << 16 // elements of A that stay in the second-level cache
	widenBlock    = 128     // likewise when the panel is widened first: it then stays in the first-level cache
	partSize      = 1 << 17 // elements of A taken at a time: they then stay in the second-level cache
	roundedPart   = 1 << 15 // likewise for rounding, with what is rounded beside them; B is then packed only once
	smallB        = 1 << 19 // elements of B that stay in a cache near by
	leastRows     = 96      // rows of A that make it worth packing a panel of B once more
	shareWork     = 1 << 17 // multiply-adds that are worth a thread
)

// product is a matrix product under way. Its tasks are the panels of C, each once for every part of the rows; a task packs the
// panel of B that it needs, unless B is packed. Products are reused, so that no call allocates.
type product struct {
	*tiles
	c          []float32
	ldc        int
	a, b       Mat
	m, n, k    int
	accumulate bool
	weights    *Packed // in place of b
	inPlace    bool    // the tiles read the panels of weights as they are
	rounds     bool    // A and B are rounded to bfloat16 on the way,
	aRounded   bool    // unless A is already, with zeros up to a whole number of pairBlocks,
	bRounded   bool    // or B is
	packed     bool    // panels of B lie rounded in roundedB, as the tiles read them

	rowTiles, panels, parts int
	block                   int              // numbers along k taken at a time
	tasks, packTasks        func(lo, hi int) // multiplyTasks and packPanels, bound

	rounder            rounder
	roundedA, roundedB []float32 // room for rounded operands
}

var (
	products = sync.Pool{New: func() any {
		p := new(product)
		p.tasks, p.packTasks = p.multiplyTasks, p.packPanels
		return p
	}}
	rooms = sync.Pool{New: func() any { return new(room) }}
)

// room is where a worker puts what it packs.
type room struct {
	panel [32 * kBlock]float32
	a     []float32 // a part of A, rounded
}

func (p *product) run() {
	p.rowTiles = ceil(p.m, p.rows)
	p.panels = ceil(p.n, p.wide.width)
	switch {
	case p.inPlace && p.rowTiles == 1:
		p.block = p.k // the panel is read once, from beginning to end
	case p.weights != nil && !p.inPlace:
		p.block = widenBlock
	default:
		p.block = kBlock
	}
	workers := Threads()
	wanted := max(workers, ceil(chunksPerWorker*workers, p.panels))
	size := partSize
	if p.packsB() && !p.aRounded {
		size = roundedPart
	}
	p.parts = max(ceil(p.m*min(p.k, p.block), size), min(wanted, p.m/leastRows), 1)
	if p.parts > workers {
		p.parts = ceil(p.parts, workers) * workers // a worker's share of the tasks is then its share of the rows
	}
	tasks := p.parts * p.panels
	grain := 1 + shareWork*tasks/(p.m*p.k*p.n)
	if p.rounds {
		grain = max(grain, min(p.panels, roundedPanels))
		p.packB()
	}
	Parallel(tasks, grain, p.tasks)
}

// runAlone computes a small product in this goroutine, every panel of B packed once.
func (p *product) runAlone() {
	p.rowTiles, p.panels, p.parts, p.block = ceil(p.m, p.rows), ceil(p.n, p.wide.width), 1, p.k
	p.multiplyTasks(0, p.panels)
}

func ceil(a, b int) int { return (a + b - 1) / b }

// multiplyTasks does the tasks lo to hi: panel task%panels for part task/panels of the rows.
func (p *product) multiplyTasks(lo, hi int) {
	room := rooms.Get().(*room)
	defer rooms.Put(room)
	depth := p.block
	if p.m*p.k <= smallA { // all of A stays in a cache: what counts is that a panel is read from beginning to end
		depth = p.k
	}
	for lo < hi {
		part := lo / p.panels
		t0, t1 := p.rowTiles*part/p.parts, p.rowTiles*(part+1)/p.parts
		end := min(hi, (part+1)*p.panels)
		for k0 := 0; k0 < p.k; k0 += depth {
			kc := min(depth, p.k-k0)
			a := p.partOfA(room, t0, t1, k0, kc)
			for j := lo - part*p.panels; j < end-part*p.panels; j++ {
				p.multiplyPanel(a, room.panel[:], t0, t1, j, k0, kc)
			}
		}
		lo = end
	}
}

// partOfA returns kc columns, from k0 on, of the rows of A that the tiles t0 to t1 of C need. A is read where it is, whichever
// way it lies: packing it costs more than its strides do. Only to be rounded it is copied, into room.
func (p *product) partOfA(room *room, t0, t1, k0, kc int) Mat {
	lo, _ := p.tileBounds(t0)
	a := p.a.from(lo, k0)
	if p.rounds && !p.aRounded {
		_, hi := p.tileBounds(t1 - 1)
		return roundA(&room.a, a, hi-lo, kc)
	}
	return a
}

// multiplyPanel adds the products of a, the part of A with kc columns from k0 on, and panel j of B to the tiles t0 to t1 of C.
func (p *product) multiplyPanel(a Mat, buffer []float32, t0, t1, j, k0, kc int) {
	for k := k0; k < k0+kc; k += p.block {
		n := min(p.block, k0+kc-k)
		p.multiply(a.from(0, k-k0), t0, t1, j, p.panel(buffer, j, k, n), k, p.steps(n))
	}
}

// panel returns rows k0 to k0+kc of panel j of B as the tiles read it, in buffer unless it is there already.
func (p *product) panel(buffer []float32, j, k0, kc int) []float32 {
	switch {
	case p.inPlace:
		return p.weights.words[j*p.weights.panel+k0*p.wide.width:]
	case p.packed:
		_, shape := p.panelShape(j)
		return p.roundedB[j*p.wide.width*p.steps(p.k)+k0*shape.width:]
	case p.weights != nil:
		p.weights.widen(buffer, j, k0, p.steps(kc))
	default:
		p.packPanel(buffer, j, k0, kc)
	}
	return buffer
}

// packPanel writes rows k0 to k0+kc of the columns of panel j side by side, filled up with zeros to the width of the panel.
func (p *product) packPanel(dst []float32, j, k0, kc int) {
	j0 := j * p.wide.width
	cols, shape := p.panelShape(j)
	width := shape.width
	dst = dst[:p.steps(kc)*width]
	if cols < width && (p.b.Trans || p.rounds) {
		clear(dst)
	}
	src := p.b.from(k0, j0).Data
	switch {
	case p.b.Trans:
		transpose(dst, width, src, p.b.Stride, cols, kc)
		if p.rounds && !p.bRounded {
			use().roundRows(dst, width, dst, width, kc*width, 1)
		}
	case p.rounds && !p.bRounded:
		use().roundRows(dst, width, src, p.b.Stride, cols, kc)
	default:
		shape.copyRows(dst, src, p.b.Stride, cols, kc)
	}
	clear(dst[kc*width:])
}

// panelShape returns how many columns of C panel j covers and the kernels for it.
func (p *product) panelShape(j int) (cols int, shape *tileShape) {
	cols = min(p.wide.width, p.n-j*p.wide.width)
	if cols <= p.narrow.width && p.weights == nil { // packed weights are as wide everywhere
		return cols, &p.narrow
	}
	return cols, &p.wide
}

// tileBounds returns the rows of C that tile t covers. Tiles differ by at most one row, and the larger ones come first.
func (p *product) tileBounds(t int) (lo, hi int) {
	rows, larger := p.m/p.rowTiles, p.m%p.rowTiles
	return t*rows + min(t, larger), (t+1)*rows + min(t+1, larger)
}

// multiply adds the products of the first kc columns of a, which begins with the rows of tile t0, and a panel of B to the tiles
// t0 to t1 of panel j of C, or sets them when k0 is 0 and C does not count.
func (p *product) multiply(a Mat, t0, t1, j int, panel []float32, k0, kc int) {
	cols, shape := p.panelShape(j)
	load := p.accumulate || k0 > 0
	rs, cs := a.strides()
	first, _ := p.tileBounds(t0)
	for n := 0; t0 < t1; t0 += n {
		lo, hi := p.tileBounds(t0)
		n = t1 - t0
		if larger := p.m % p.rowTiles; t0 < larger {
			n = min(n, larger-t0) // the next tiles have a row less
		}
		shape.tile[hi-lo](n, kc, a.Data[(lo-first)*rs:], rs, cs, panel, p.c[lo*p.ldc+j*p.wide.width:], p.ldc, cols, load)
	}
}
