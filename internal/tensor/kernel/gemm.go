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
	p.inPlace, p.rounds, p.aRounded, p.bRounded, p.slab.packed = false, false, false, false, false
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
	roundedPanels = 16             // panels that make it worth rounding A once more
	kBlock        = 512            // about as many products are taken at a time: a panel of B then comes from the second-level cache, and C is seldom read again
	mostBlock     = 5 * kBlock / 4 // where the last one would be short
	smallA        = 1 << 16        // elements of A that stay in the second-level cache
	widenBlock    = 128            // likewise when the panel is widened first: it then stays in the first-level cache
	partSize      = 1 << 17        // elements of A taken at a time: they then stay in the second-level cache
	slabSize      = 1 << 21        // elements of B packed at a time: they stay in the last-level cache
	slabDepth     = 2048           // rows of B in a slab, before it gets narrower
	leastRows     = 96             // rows of A that make it worth reading a panel of B once more
	shareWork     = 1 << 17        // multiply-adds that are worth a thread
)

// product is a matrix product under way. Its tasks are the panels of C, each once for every part of the rows. Where there are
// several parts, B is packed in advance, slab by slab; else a task packs the panel that it needs. Products are reused, so that no
// call allocates.
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

	rowTiles, panels, parts int
	block                   int              // numbers along k taken at a time
	slab                    slab             // of B under way
	tasks, packTasks        func(lo, hi int) // multiplyTasks and packPanels, bound

	rounder            rounder
	roundedA, roundedB []float32 // room for rounded operands
}

// A slab is the part of B that is multiplied at a time: rows k0 to k1 of the panels j0 to j1.
type slab struct {
	j0, j1, k0, k1 int
	packed         bool      // the panels lie in words, as the tiles read them
	words          []float32 // room for them
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
	panel [32 * mostBlock]float32
	a     []float32 // a copy of a part of A
}

// run computes the product. Where several parts of A need all of B, it is packed in slabs that are deep, so that C is seldom read
// again, and no wider than a cache allows.
func (p *product) run() {
	p.cut()
	b := &p.slab
	if b.packed = p.weights == nil && p.parts > 1; !b.packed {
		p.multiplySlab()
		return
	}
	deep := min(p.k, max(slabSize/(p.panels*p.wide.width)/p.block*p.block, slabDepth/p.block*p.block))
	panels := max(slabSize/(deep*p.wide.width), 1)
	b.words = grow(b.words, min(panels, p.panels)*p.wide.width*p.steps(deep))
	for b.j0 = 0; b.j0 < p.panels; b.j0 = b.j1 {
		b.j1 = min(b.j0+panels, p.panels)
		for b.k0 = 0; b.k0 < p.k; b.k0 = b.k1 {
			b.k1 = min(b.k0+deep, p.k)
			Parallel(b.j1-b.j0, max(1, shareWork/4/((b.k1-b.k0)*p.wide.width)), p.packTasks)
			p.multiplySlab()
		}
	}
}

// cut chooses the numbers along k that are taken at a time, and the parts of the rows.
func (p *product) cut() {
	p.rowTiles, p.panels = ceil(p.m, p.rows), ceil(p.n, p.wide.width)
	switch {
	case p.inPlace && p.rowTiles == 1:
		p.block = p.k // the panel is read once, from beginning to end
	case p.weights != nil && !p.inPlace:
		p.block = widenBlock
	default:
		p.block = ceil(ceil(p.k, ceil(p.k, mostBlock)), 32) * 32
	}
	workers := Threads()
	wanted := max(workers, ceil(chunksPerWorker*workers, p.panels))
	p.parts = max(ceil(p.m*min(p.k, p.block), partSize), min(wanted, p.m/leastRows), 1)
	if p.parts > workers {
		p.parts = ceil(p.parts, workers) * workers // a worker's share of the tasks is then its share of the rows
	}
	p.slab.j0, p.slab.j1, p.slab.k0, p.slab.k1 = 0, p.panels, 0, p.k
}

// multiplySlab multiplies A with the slab of B under way.
func (p *product) multiplySlab() {
	b := &p.slab
	tasks := p.parts * (b.j1 - b.j0)
	grain := 1 + shareWork*(b.j1-b.j0)/(p.m/p.parts*(b.k1-b.k0)*p.n)
	if p.rounds && !p.aRounded {
		worth := roundedPanels
		if b.packed {
			worth = p.panels // parts are many
		}
		grain = max(grain, min(worth, b.j1-b.j0))
	}
	Parallel(tasks, grain, p.tasks)
}

// runAlone computes a small product in this goroutine, every panel of B packed once.
func (p *product) runAlone() {
	p.rowTiles, p.panels, p.parts, p.block = ceil(p.m, p.rows), ceil(p.n, p.wide.width), 1, p.k
	p.slab.j0, p.slab.j1, p.slab.k0, p.slab.k1 = 0, p.panels, 0, p.k
	p.multiplyTasks(0, p.panels)
}

// packPanels packs panels lo to hi of the slab.
func (p *product) packPanels(lo, hi int) {
	b := &p.slab
	for j := lo; j < hi; j++ {
		p.packPanel(b.words[j*p.wide.width*p.steps(b.k1-b.k0):], b.j0+j, b.k0, b.k1-b.k0)
	}
}

func ceil(a, b int) int { return (a + b - 1) / b }

// multiplyTasks does the tasks lo to hi: panel task%panels of the slab for part task/panels of the rows.
func (p *product) multiplyTasks(lo, hi int) {
	room := rooms.Get().(*room)
	defer rooms.Put(room)
	depth := p.block
	if p.m*p.k <= smallA { // all of A stays in a cache: what counts is that a panel is read from beginning to end
		depth = p.k
	}
	b := &p.slab
	panels := b.j1 - b.j0
	for lo < hi {
		part := lo / panels
		t0, t1 := p.rowTiles*part/p.parts, p.rowTiles*(part+1)/p.parts
		end := min(hi, (part+1)*panels)
		for k0 := b.k0; k0 < b.k1; k0 += depth {
			kc := min(depth, b.k1-k0)
			a := p.partOfA(room, t0, t1, k0, kc)
			for j := lo - part*panels; j < end-part*panels; j++ {
				p.multiplyPanel(a, room.panel[:], t0, t1, b.j0+j, k0, kc)
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
		return copyOfA(&room.a, a, hi-lo, kc, true)
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
	case p.slab.packed:
		_, shape := p.panelShape(j)
		b := &p.slab
		return b.words[(j-b.j0)*p.wide.width*p.steps(b.k1-b.k0)+(k0-b.k0)*shape.width:]
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
