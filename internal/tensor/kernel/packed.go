package kernel

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Packed weights: matrices laid out once for many products y = x w^T, in one of three number formats. This file knows the
// layouts; products are cut up and computed as in gemm.go.

// A Format is how packed weights store their numbers.
type Format int

const (
	F32  Format = iota // float32
	BF16               // bfloat16: the upper half of a float32
	Int8               // blocks of 32 inputs: an integer of 8 bits each, and a float32 that scales them all. Products are of float32
)

// formatNames are of the formats of a Packed.
var formatNames = [...]string{F32: "f32", BF16: "bf16", Int8: "int8 x f32"}

// int8Block is the number of inputs that share a scale.
const int8Block = 32

// A Packed is a matrix of weights [out, in] in panels: a panel holds, for as many outputs as a tile of the instruction set is
// wide, the weights of all inputs, and products read it from beginning to end. An input's weights lie side by side.
//
//	F32:  [in] rows of float32
//	BF16: [in/2] rows of pairs of bfloat16, input 2p in the low half of a word and 2p+1 in the high half, padded with zeros
//	Int8: [in/32] blocks: a row of float32 scales, then 32 rows of bytes
type Packed struct {
	*tiles
	out, in int
	format  Format
	words   []float32 // of the panels, whatever they hold
	panel   int       // words in one
}

// Pack packs w [out, in], row-major. Numbers are rounded to the nearest that the format has; a block of Int8 is scaled so that
// its largest is 127.
func Pack(w []float32, out, in int, format Format) *Packed {
	checkRows("Pack", len(w), in, out, in)
	p, err := PackRows(out, in, format, func(from, n int, _ []float32) ([]float32, error) { return w[from*in : (from+n)*in], nil })
	if err != nil {
		panic(err) // the rows are there
	}
	return p
}

// Rows gives rows [from, from+n) of a matrix, row-major: in room, which they fill, or where they are already.
type Rows func(from, n int, room []float32) ([]float32, error)

// PackRows is Pack of a matrix that is never there as a whole. Several goroutines call rows at a time.
func PackRows(out, in int, format Format, rows Rows) (*Packed, error) {
	p := &Packed{tiles: tilesOf(isa), out: out, in: in, format: format}
	p.panel = p.depth() * p.wide.width
	if format == Int8 {
		p.panel = ceil(in, int8Block) * int8Words(p.wide.width)
	}
	panels := ceil(out, p.wide.width)
	p.words = Floats(panels * p.panel)
	failures := make([]error, panels)
	Parallel(panels, 1, func(lo, hi int) {
		room := packRooms.Get().(*packRoom)
		defer packRooms.Put(room)
		room.grow(p.wide.width, in)
		for j := lo; j < hi; j++ {
			failures[j] = p.packPanel(rows, j, room)
		}
	})
	return p, cmp.Or(failures...)
}

// A packRoom is where a worker puts the rows of a panel.
type packRoom struct{ rows, pairs []float32 }

var packRooms = sync.Pool{New: func() any { return new(packRoom) }}

// grow makes room for rows of in numbers.
func (r *packRoom) grow(rows, in int) {
	r.rows = slices.Grow(r.rows[:0], rows*in)[:rows*in]
	r.pairs = slices.Grow(r.pairs[:0], rows*pairsOf(in))[:rows*pairsOf(in)]
}

// depth is the number of steps of a product: inputs, or pairs of them.
func (p *Packed) depth() int {
	if p.format == BF16 {
		return pairsOf(p.in)
	}
	return p.in
}

// int8Words is the size of a block of Int8 in a panel of some width.
func int8Words(width int) int { return width + int8Block*width/4 }

// packPanel writes panel j.
func (p *Packed) packPanel(read Rows, j int, room *packRoom) error {
	width := p.wide.width
	from := j * width
	rows := min(width, p.out-from)
	src, err := read(from, rows, room.rows[:rows*p.in])
	if err != nil {
		return err
	}
	dst := p.words[j*p.panel : (j+1)*p.panel]
	switch p.format {
	case F32:
		transpose(dst, width, src, p.in, rows, p.in)
	case BF16:
		for i := range rows {
			roundPairs(room.pairs[i*p.depth():(i+1)*p.depth()], src[i*p.in:][:p.in])
		}
		transpose(dst, width, room.pairs, p.depth(), rows, p.depth())
	case Int8:
		p.roundBlocks(dst, src, rows)
	}
	return nil
}

// roundBlocks writes a panel of Int8 whose first outputs have the weights src [rows, in].
func (p *Packed) roundBlocks(panel, src []float32, rows int) {
	var block [int8Block * 32]float32 // zeros for the outputs beyond
	width := p.wide.width
	for k := 0; k < p.in; k += int8Block {
		n := min(int8Block, p.in-k)
		transpose(block[:], width, src[k:], p.in, rows, n)
		roundInt8(panel[k/int8Block*int8Words(width):], block[:], width, n)
	}
}

// Bytes is the size of the weights.
func (p *Packed) Bytes() int { return 4 * len(p.words) }

// Row writes the weights of output i, as products see them, to dst [in].
func (p *Packed) Row(dst []float32, i int) {
	checkEqual("Row", len(dst), p.in)
	width := p.wide.width
	words := p.words[i/width*p.panel:]
	i %= width
	for k := range dst {
		switch p.format {
		case F32:
			dst[k] = words[k*width+i]
		case BF16:
			dst[k] = halfOf(words[k/2*width+i], k%2)
		case Int8:
			block := words[k/int8Block*int8Words(p.wide.width):]
			dst[k] = int8At(block[width:], k%int8Block*width+i) * block[i]
		}
	}
}

// roundInt8Generic rounds n rows of width float32, at most a block, to a block.
func roundInt8Generic(dst, src []float32, width, n int) {
	scales, words := dst[:width], dst[width:]
	for j := range scales {
		var most uint32 // magnitudes are in the order of their bits, NaNs above all
		for k := range n {
			most = max(most, math.Float32bits(src[k*width+j])&^(1<<31))
		}
		scales[j] = math.Float32frombits(most) / 127
		if scales[j] < 0x1p-126 { // too small to be divided by
			scales[j] = 0
		}
	}
	for i := range n * width / 4 {
		var word uint32
		for b := range 4 {
			at := 4*i + b
			word |= uint32(uint8(int8Quotient(src[at], scales[at%width]))) << (8 * b)
		}
		words[i] = math.Float32frombits(word)
	}
}

// int8Quotient is the integer nearest to v/scale, the even one on a tie; 0 if that is not a finite number.
func int8Quotient(v, scale float32) int8 {
	q := math.RoundToEven(float64(v) / float64(scale))
	if !(math.Abs(q) <= 127) {
		return 0
	}
	return int8(q)
}

// widenInt8Generic widens n rows of the blocks in src to rows of width float32.
func widenInt8Generic(dst, src []float32, width, n int) {
	for k := range n {
		block := src[k/int8Block*int8Words(width):]
		for j, scale := range block[:width] {
			dst[k*width+j] = int8At(block[width:], k%int8Block*width+j) * scale
		}
	}
}

// int8At returns byte i of words.
func int8At(words []float32, i int) float32 {
	return float32(int8(math.Float32bits(words[i/4]) >> (8 * (i % 4))))
}

// Mul sets C = A w^T, or adds it to C when accumulate: A is m x in with row stride lda, C m x out with row stride ldc. C must
// not overlap A.
//
// Every element of C is one chain of fused multiply-adds: of inputs in ascending order for F32 and Int8, whose weights are
// q*scale rounded to float32, so that F32 gives the bits of Gemm. BF16 rounds A to bfloat16 too and is GemmBF16. A row of C has
// the same bits whatever m is and however many threads there are.
func (p *Packed) Mul(c []float32, ldc int, a []float32, lda, m int, accumulate bool) {
	if m < 0 || ldc < p.out {
		panic(fmt.Sprintf("kernel: Mul: m %d, out %d, row stride of C %d", m, p.out, ldc))
	}
	checkRows("Mul: C", len(c), ldc, m, p.out)
	checkRows("Mul: A", len(a), lda, m, p.in)
	if m == 0 || p.out == 0 {
		return
	}
	q := products.Get().(*product)
	q.tiles, q.weights = p.tiles, p
	q.c, q.ldc, q.a, q.m, q.n, q.k, q.accumulate = c, ldc, Mat{Data: a, Stride: lda}, m, p.out, p.in, accumulate
	q.inPlace = p.format == F32
	if p.format == BF16 {
		q.roundFor(m)
	}
	if m == 1 && q.singles[p.format] != nil {
		runChunks(ceil(p.out, p.wide.width), ceil(chunkWords, 2*p.panel)*2, (*single)(q))
	} else {
		q.run()
	}
	q.end()
}

// fewRows are so few that reading the weights takes longer than multiplying them, in pairs too.
const fewRows = 12

// roundFor readies a product of m rows with weights of bfloat16.
func (q *product) roundFor(m int) {
	switch {
	case q.pairs != nil && (pairsFaster || m <= fewRows):
		q.a = q.pairUp(q.a, &q.roundedA, m, true)
		q.k, q.tiles, q.inPlace = pairsOf(q.k), q.pairs, true
	case m == 1 && q.singles[BF16] != nil:
		q.a = copyOfA(&q.roundedA, q.a, 1, q.k, true)
	default:
		q.rounds, q.tiles = true, q.rounded
	}
}

// chunkWords is how many words of weights a worker takes at a time, so that the workers end together.
const chunkWords = 1 << 15

// single is a product of one row whose tasks are the panels.
type single product

// Do does the panels lo to hi.
func (q *single) Do(lo, hi int) {
	p := q.weights
	kernels, width := q.singles[p.format], p.wide.width
	for n := 0; lo < hi; lo += n {
		n = min(2, hi-lo)
		cols := min(n*width, p.out-lo*width)
		kernels[n-1](p.depth(), q.a.Data, p.words[lo*p.panel:], p.panel, q.c[lo*width:], cols, q.accumulate)
	}
}

// widen writes rows k0 to k0+kc of panel j as float32.
func (p *Packed) widen(dst []float32, j, k0, kc int) {
	panel, width := p.words[j*p.panel:(j+1)*p.panel], p.wide.width
	if p.format == BF16 {
		widenPairs(dst, panel[k0/2*width:], width, kc/2)
		return
	}
	widenInt8(dst, panel[k0/int8Block*int8Words(p.wide.width):], width, kc)
}
