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
	if m < 0 || n < 0 || k < 0 || ldc < n {
		panic(fmt.Sprintf("kernel: Gemm: m %d, n %d, k %d, row stride of C %d", m, n, k, ldc))
	}
	if m == 0 || n == 0 {
		return
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
		return
	}
	p := products.Get().(*product)
	p.tiles = tilesOf(isa)
	p.c, p.ldc, p.a, p.b, p.m, p.n, p.k, p.accumulate = c, ldc, a, b, m, n, k, accumulate
	p.run()
	p.c, p.a, p.b = nil, Mat{}, Mat{}
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

// tileFunc is tileGeneric for one number of rows.
type tileFunc func(k int, a []float32, rs, cs int, b, c []float32, ldc, cols int, load bool)

// tiles is an instruction set's tiles of C: up to rows rows, and cols columns or, for a remainder, narrow columns.
type tiles struct {
	rows, cols, narrow   int
	wideTile, narrowTile [13]tileFunc // by number of rows
}

var genericTiles = func() tiles {
	t := tiles{rows: 4, cols: genericCols, narrow: genericCols}
	for rows := 1; rows <= t.rows; rows++ {
		t.wideTile[rows] = func(k int, a []float32, rs, cs int, b, c []float32, ldc, cols int, load bool) {
			tileGeneric(rows, k, a, rs, cs, b, c, ldc, cols, load)
		}
	}
	t.narrowTile = t.wideTile
	return t
}()

const (
	kBlock    = 256     // products taken at a time: a panel of B stays in the first-level cache, a block of A in the second
	tileRows  = 8       // tiles of rows in a block of A at most
	fewTiles  = 4       // up to so many tiles of rows, B is packed panel by panel where it is used
	shareWork = 1 << 17 // multiply-adds, and
	sharePack = 1 << 14 // elements to pack that are worth a thread
)

// product is a matrix product under way. Products are reused, with their buffer and the two functions bound to them.
type product struct {
	*tiles
	c          []float32
	ldc        int
	a, b       Mat
	m, n, k    int
	accumulate bool

	rowTiles, panels  int
	blockTiles, split int       // a task is blockTiles tiles of rows times one of split parts of the panels
	packed            []float32 // B in panels, when rowTiles > fewTiles

	packTasks, blockTasks, panelTasks func(lo, hi int)
}

// scratch is a worker's buffer: a block of A packed, a panel of B packed.
type scratch struct {
	a [tileRows * 12 * kBlock]float32
	b [32 * kBlock]float32
}

var (
	products = sync.Pool{New: func() any {
		p := new(product)
		p.packTasks, p.blockTasks, p.panelTasks = p.packPanels, p.multiplyBlocks, p.multiplyPanels
		return p
	}}
	scratches = sync.Pool{New: func() any { return new(scratch) }}
)

func (p *product) run() {
	p.rowTiles = ceil(p.m, p.rows)
	p.panels = ceil(p.n, p.cols)
	if p.rowTiles <= fewTiles {
		Parallel(p.panels, 1+shareWork/(p.m*p.k*p.cols), p.panelTasks)
		return
	}
	if need := p.panels * p.cols * p.k; cap(p.packed) < need {
		p.packed = make([]float32, need)
	} else {
		p.packed = p.packed[:need]
	}
	Parallel(p.panels, 1+sharePack/(p.k*p.cols), p.packTasks)
	wanted := chunksPerWorker * Threads()
	p.blockTiles = min(max(p.rowTiles/wanted, 1), tileRows)
	blocks := ceil(p.rowTiles, p.blockTiles)
	p.split = min(ceil(wanted, blocks), p.panels)
	tasks := blocks * p.split
	Parallel(tasks, 1+shareWork/(1+p.m*p.k*p.n/tasks), p.blockTasks)
}

func ceil(a, b int) int { return (a + b - 1) / b }

// packPanels packs all of B's rows of the panels lo to hi.
func (p *product) packPanels(lo, hi int) {
	for k0 := 0; k0 < p.k; k0 += kBlock {
		kc := min(kBlock, p.k-k0)
		for j := lo; j < hi; j++ {
			p.packPanel(p.panel(j, k0, kc), j, k0, kc)
		}
	}
}

// panel is where panel j of the block of kc rows from k0 on lies in packed.
func (p *product) panel(j, k0, kc int) []float32 {
	return p.packed[(k0*p.panels+j*kc)*p.cols:][:kc*p.cols]
}

// packPanel writes rows k0 to k0+kc of the columns of panel j side by side, filled up with zeros to the width of the panel.
func (p *product) packPanel(dst []float32, j, k0, kc int) {
	j0 := j * p.cols
	cols, width, _ := p.panelShape(j)
	dst = dst[:kc*width]
	if cols < width {
		clear(dst)
	}
	if p.b.Trans {
		transpose(dst, width, p.b.Data[j0*p.b.Stride+k0:], p.b.Stride, cols, kc)
		return
	}
	for i := range kc {
		copy(dst[i*width:][:cols], p.b.Data[(k0+i)*p.b.Stride+j0:])
	}
}

// panelShape returns how many columns of C panel j covers, how wide it is packed, and the tiles for that width.
func (p *product) panelShape(j int) (cols, width int, tile *[13]tileFunc) {
	cols = min(p.cols, p.n-j*p.cols)
	if cols <= p.narrow {
		return cols, p.narrow, &p.narrowTile
	}
	return cols, p.cols, &p.wideTile
}

// multiplyBlocks does the tasks lo to hi with B packed.
func (p *product) multiplyBlocks(lo, hi int) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for task := lo; task < hi; task++ {
		block, part := task/p.split, task%p.split
		t0, t1 := block*p.blockTiles, min((block+1)*p.blockTiles, p.rowTiles)
		j0, j1 := p.panels*part/p.split, p.panels*(part+1)/p.split
		for k0 := 0; k0 < p.k; k0 += kBlock {
			kc := min(kBlock, p.k-k0)
			p.packA(s, t0, t1, k0, kc)
			for j := j0; j < j1; j++ {
				p.multiply(s, t0, t1, j, p.panel(j, k0, kc), k0, kc)
			}
		}
	}
}

// multiplyPanels computes the panels lo to hi of C, packing B on the way.
func (p *product) multiplyPanels(lo, hi int) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for k0 := 0; k0 < p.k; k0 += kBlock {
		kc := min(kBlock, p.k-k0)
		p.packA(s, 0, p.rowTiles, k0, kc)
		for j := lo; j < hi; j++ {
			p.packPanel(s.b[:], j, k0, kc)
			p.multiply(s, 0, p.rowTiles, j, s.b[:], k0, kc)
		}
	}
}

// tileBounds returns the rows of C that tile t covers. Tiles differ by at most one row.
func (p *product) tileBounds(t int) (lo, hi int) {
	return p.m * t / p.rowTiles, p.m * (t + 1) / p.rowTiles
}

// packA writes the block of A that belongs to tiles t0 to t1, tile after tile, each as kc columns. Only a transposed A is
// packed; otherwise a tile's rows are read where they are.
func (p *product) packA(s *scratch, t0, t1, k0, kc int) {
	if !p.a.Trans {
		return
	}
	for t := t0; t < t1; t++ {
		lo, hi := p.tileBounds(t)
		rows := hi - lo
		dst := s.a[(t-t0)*p.rows*kc:]
		for i := range kc {
			copy(dst[i*rows:][:rows], p.a.Data[(k0+i)*p.a.Stride+lo:])
		}
	}
}

// multiply adds the products of kc columns of A from k0 on with a panel of B to the tiles t0 to t1 of panel j of C.
func (p *product) multiply(s *scratch, t0, t1, j int, panel []float32, k0, kc int) {
	cols, _, tile := p.panelShape(j)
	load := p.accumulate || k0 > 0
	for t := t0; t < t1; t++ {
		lo, hi := p.tileBounds(t)
		c := p.c[lo*p.ldc+j*p.cols:]
		if p.a.Trans {
			tile[hi-lo](kc, s.a[(t-t0)*p.rows*kc:], 1, hi-lo, panel, c, p.ldc, cols, load)
		} else {
			tile[hi-lo](kc, p.a.Data[lo*p.a.Stride+k0:], p.a.Stride, 1, panel, c, p.ldc, cols, load)
		}
	}
}
