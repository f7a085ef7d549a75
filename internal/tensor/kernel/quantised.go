package kernel

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"unsafe"
)

// Quantised weights: matrices in the blocks that GGUF files have, kept as they are. Products with them round their inputs to
// blocks of 8 bits, too, as llama.cpp's do, and multiply whole numbers. This file knows the blocks, how they lie in memory and
// how a product is shared out; the arithmetic is in quantised_generic.go and its assembly twins.

// Formats that are not those of a Packed. Products round their inputs to 8 bits.
const (
	W8A8   = Format(len(formatNames)) + iota // blocks of 32 inputs: an integer of 8 bits each, and a float32 that scales them all
	Stored                                   // as the file has them
)

// ParseFormat returns the format that users call by a name.
func ParseFormat(name string) (f Format, ok bool) {
	f, ok = map[string]Format{"f32": F32, "bf16": BF16, "int8": W8A8, "file": Stored}[name]
	return f, ok
}

func (f Format) String() string {
	switch f {
	case W8A8:
		return "int8"
	case Stored:
		return "file"
	}
	return formatNames[f]
}

// Weights are a matrix [out, in] that is only multiplied with.
type Weights interface {
	// Mul sets C = A w^T, or adds it to C when accumulate: A is m x in with row stride lda, C m x out with row stride ldc. C must
	// not overlap A. A row of C has the same bits whatever m is and however many threads there are.
	Mul(c []float32, ldc int, a []float32, lda, m int, accumulate bool)
	// Row writes the weights of output i to dst [in].
	Row(dst []float32, i int)
	// Unpack writes all weights to dst [out, in], row-major.
	Unpack(dst []float32)
	// Bytes is the size of the weights.
	Bytes() int
}

// StoreRows keeps a matrix in a format that needs no blocks of a file; see PackRows.
func StoreRows(out, in int, format Format, rows Rows) (Weights, error) {
	if format == W8A8 {
		return Quantise(out, in, rows)
	}
	return PackRows(out, in, format, rows)
}

// A blockType is how blocks hold numbers.
type blockType int

const (
	int8s blockType = iota // 32 numbers: a float32 that scales them all, and 8 bits each, plus 128
	q4_0
	q4_1
	q5_0
	q5_1
	q4_K
	q5_K
	q6_K
	blockTypes int = iota
)

// A layout says what the bytes of a block are. Numbers are unsigned in there: their bias comes off in products.
type layout struct {
	name   string // ggml's
	inputs int    // numbers in a block
	bytes  int
	fields []field
	halves bool // 16 numbers a scale, not 32
	shift  int  // 1<<shift comes off each number; 0: offsets do, of products
	read   func(to *numbers, b []byte)
}

// A field is count values of a number of bytes each, which follow each other in a block.
type field struct{ bytes, count int }

var layouts = [blockTypes]layout{
	int8s: {"", 32, 36, []field{{4, 9}}, false, 7, readInt8},
	q4_0:  {"Q4_0", 32, 18, []field{{2, 1}, {4, 4}}, false, 3, readQ4_0},
	q4_1:  {"Q4_1", 32, 20, []field{{2, 2}, {4, 4}}, false, 0, readQ4_1},
	q5_0:  {"Q5_0", 32, 22, []field{{2, 1}, {4, 5}}, false, 4, readQ5_0},
	q5_1:  {"Q5_1", 32, 24, []field{{2, 2}, {4, 5}}, false, 0, readQ5_1},
	q4_K:  {"Q4_K", 256, 144, []field{{2, 2}, {1, 12}, {4, 32}}, false, 0, readQ4_K},
	q5_K:  {"Q5_K", 256, 176, []field{{2, 2}, {1, 12}, {4, 40}}, false, 0, readQ5_K},
	q6_K:  {"Q6_K", 256, 210, []field{{4, 48}, {1, 16}, {2, 1}}, true, 5, readQ6_K},
}

// q8_0 is a type of files whose blocks become those of int8s when they are packed.
const (
	q8_0      = "Q8_0"
	bytesQ8_0 = 34
)

// KnowsBlocks says whether products know the type of blocks that ggml calls by a name.
func KnowsBlocks(name string) bool {
	_, ok := blocksOf(name)
	return ok
}

func blocksOf(name string) (t blockType, ok bool) {
	if name == q8_0 {
		return int8s, true
	}
	i := slices.IndexFunc(layouts[:], func(l layout) bool { return l.name == name && name != "" })
	return blockType(i), i >= 0
}

// panelOutputs is the number of outputs of a panel of quantised weights, for all instruction sets.
const panelOutputs = 32

// A Quantised is a matrix [out, in] of parts one under the other, whose types of blocks may differ.
type Quantised struct {
	out, in int
	parts   []quantisedPart
	panels  int
	bytes   int
}

// A quantisedPart is rows of a matrix in panels of 32 outputs. A panel holds the blocks of its outputs in the order of the
// inputs. Where a value of output 0 lies at byte b of its block, those of all outputs lie side by side at byte 32 b of theirs.
type quantisedPart struct {
	*layout
	kernels  *blockKernels
	out      int // outputs
	from     int // the first one
	panel    int // the first one
	panelLen int // bytes of one
	words    []byte
}

// BlockRows are rows of a matrix in blocks.
type BlockRows struct {
	Type string // as ggml calls it
	Out  int
	// Read writes the blocks of a row. Several goroutines call it at a time.
	Read func(dst []byte, row int) error
}

// PackBlocks keeps a matrix whose rows are those of some parts. Their types must be known (KnowsBlocks), and a row is whole blocks.
func PackBlocks(in int, parts []BlockRows) (*Quantised, error) {
	q := &Quantised{in: in}
	for _, rows := range parts {
		t, ok := blocksOf(rows.Type)
		if l := &layouts[t]; !ok || in%l.inputs != 0 {
			panic(fmt.Sprintf("kernel: PackBlocks: rows of %d in blocks of %s", in, rows.Type))
		}
		q.add(t, rows.Out)
	}
	q.makeRoom()
	for i, rows := range parts {
		read := rows.Read
		if rows.Type == q8_0 {
			read = func(dst []byte, row int) error { return widenScales(dst, row, rows.Read) }
		}
		if err := q.parts[i].pack(read); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// Quantise rounds a matrix to blocks of 32 inputs that are scaled so that the largest number is 127. Several goroutines call
// rows at a time.
func Quantise(out, in int, rows Rows) (*Quantised, error) {
	q := &Quantised{in: in}
	q.add(int8s, out)
	q.makeRoom()
	return q, q.parts[0].pack(func(dst []byte, row int) error {
		room := packRooms.Get().(*packRoom)
		defer packRooms.Put(room)
		room.grow(1, in)
		numbers, err := rows(row, 1, room.rows)
		if err == nil {
			quantiseRow(dst, numbers)
		}
		return err
	})
}

// quantiseRow rounds a row to blocks of int8s, as inputs are rounded.
func quantiseRow(dst []byte, src []float32) {
	room := quantisedRooms.Get().(*quantisedRoom)
	defer quantisedRooms.Put(room)
	for len(src) > 0 {
		n := min(len(src), decodedInputs)
		rounded := room.decoded[:ceil(n, int8Block)*roundedBytes]
		roundInputs(rounded, src[:n])
		for ; len(rounded) > 0; rounded, dst = rounded[roundedBytes:], dst[layouts[int8s].bytes:] {
			copy(dst, rounded[roundedScale:][:4])
			flipSigns(dst[4:][:int8Block], rounded)
		}
		src = src[n:]
	}
}

// flipSigns adds 128 to bytes.
func flipSigns(dst, src []byte) {
	for i := 0; i < len(dst); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:])^0x8080808080808080)
	}
}

// add puts a part under the others.
func (q *Quantised) add(t blockType, out int) {
	l := &layouts[t]
	p := quantisedPart{layout: l, kernels: &quantisedSets[isa].types[t], out: out, from: q.out, panel: q.panels}
	p.panelLen = ceil(q.in, l.inputs) * l.bytes * panelOutputs
	q.parts = append(q.parts, p)
	q.out, q.panels, q.bytes = q.out+out, q.panels+p.panels(), q.bytes+p.panels()*p.panelLen
}

// makeRoom gives the parts their memory: one array, whose pages are larger than those of several small ones would be.
func (q *Quantised) makeRoom() {
	room := bytesOf(Floats(q.bytes / 4))
	for i := range q.parts {
		p := &q.parts[i]
		n := p.panels() * p.panelLen
		p.words, room = room[:n:n], room[n:]
	}
}

func (p *quantisedPart) panels() int { return ceil(p.out, panelOutputs) }

// bytesOf is the memory of x.
func bytesOf(x []float32) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))
}

// pack reads all rows into the panels.
func (p *quantisedPart) pack(read func(dst []byte, row int) error) error {
	failures := make([]error, p.panels())
	Parallel(p.panels(), 1, func(lo, hi int) {
		row := make([]byte, p.panelLen/panelOutputs)
		for j := lo; j < hi; j++ {
			for i := j * panelOutputs; i < min((j+1)*panelOutputs, p.out) && failures[j] == nil; i++ {
				if failures[j] = read(row, i); failures[j] == nil {
					p.spread(row, i)
				}
			}
		}
	})
	return cmp.Or(failures...)
}

// spread writes the blocks of a row to where they belong in the panels.
func (p *quantisedPart) spread(row []byte, i int) {
	panel, output := p.words[i/panelOutputs*p.panelLen:], i%panelOutputs
	for ; len(row) > 0; row, panel = row[p.bytes:], panel[panelOutputs*p.bytes:] {
		at := 0
		for _, f := range p.fields {
			for range f.count {
				to, from := panel[panelOutputs*at+f.bytes*output:], row[at:]
				switch f.bytes {
				case 4:
					binary.LittleEndian.PutUint32(to, binary.LittleEndian.Uint32(from))
				case 2:
					binary.LittleEndian.PutUint16(to, binary.LittleEndian.Uint16(from))
				default:
					to[0] = from[0]
				}
				at += f.bytes
			}
		}
	}
}

// bias comes off each number of a block.
func (l *layout) bias() int {
	if l.shift == 0 {
		return 0
	}
	return 1 << l.shift
}

// A blockRoom is where a block is put together.
type blockRoom struct {
	block   [maxBlock]byte
	numbers numbers
	decoded [decodedInputs / int8Block * decodedBytes]byte // by singleGeneric
}

var blockRooms = sync.Pool{New: func() any { return new(blockRoom) }}

// numbers reads the block of an output from the first blocks of a panel.
func (l *layout) numbers(room *blockRoom, panel []byte, output int) *numbers {
	at := 0
	for _, f := range l.fields {
		for range f.count {
			copy(room.block[at:at+f.bytes], panel[panelOutputs*at+f.bytes*output:])
			at += f.bytes
		}
	}
	clear(room.numbers.offset[:]) // which not all blocks have
	l.read(&room.numbers, room.block[:])
	return &room.numbers
}

// widenScales reads a row in blocks of Q8_0 and makes blocks of int8s of them.
func widenScales(dst []byte, row int, read func(dst []byte, row int) error) error {
	size := layouts[int8s].bytes
	blocks := dst[len(dst)/size*(size-bytesQ8_0):] // at the end, so that no block is written over before it is read
	if err := read(blocks, row); err != nil {
		return err
	}
	for ; len(dst) > 0; dst, blocks = dst[size:], blocks[bytesQ8_0:] {
		block := [bytesQ8_0]byte(blocks)
		binary.LittleEndian.PutUint32(dst, math.Float32bits(float16At(block[:], 0)))
		flipSigns(dst[4:][:int8Block], block[2:])
	}
	return nil
}

// Bytes is the size of the weights.
func (q *Quantised) Bytes() int { return q.bytes }

// Row writes the weights of output i to dst [in].
func (q *Quantised) Row(dst []float32, i int) {
	checkEqual("Row", len(dst), q.in)
	p := q.part(func(p *quantisedPart) bool { return p.from <= i })
	i -= p.from
	panel, output := p.words[i/panelOutputs*p.panelLen:], i%panelOutputs
	room := blockRooms.Get().(*blockRoom)
	defer blockRooms.Put(room)
	for ; len(dst) > 0; panel = panel[panelOutputs*p.bytes:] {
		to := p.numbers(room, panel, output)
		n := min(len(dst), p.inputs)
		for k := range dst[:n] {
			dst[k] = float32(to.scale[k/16]*float32(int(to.q[k])-p.bias())) - to.offset[k/32]
		}
		dst = dst[n:]
	}
}

// part returns the last part that begins soon enough.
func (q *Quantised) part(begins func(p *quantisedPart) bool) *quantisedPart {
	i := len(q.parts) - 1
	for !begins(&q.parts[i]) {
		i--
	}
	return &q.parts[i]
}

// Unpack writes all weights to dst [out, in], row-major.
func (q *Quantised) Unpack(dst []float32) {
	checkEqual("Unpack", len(dst), q.out*q.in)
	Parallel(q.out, panelOutputs, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			q.Row(dst[i*q.in:(i+1)*q.in], i)
		}
	})
}

// Mul is as Weights has it. Inputs are rounded to blocks of 32, scaled so that the largest is 127. An element of C is the sum,
// block by block in the order of the inputs, of the products' sum times the scale of the weights times that of the inputs, less
// the offset of the weights times the sum of the inputs: each of these rounded to float32, sums of whole numbers exact.
func (q *Quantised) Mul(c []float32, ldc int, a []float32, lda, m int, accumulate bool) {
	if m < 0 || ldc < q.out {
		panic(fmt.Sprintf("kernel: Mul: m %d, out %d, row stride of C %d", m, q.out, ldc))
	}
	checkRows("Mul: C", len(c), ldc, m, q.out)
	checkRows("Mul: A", len(a), lda, m, q.in)
	if m == 0 || q.out == 0 {
		return
	}
	x := quantisedProducts.Get().(*quantisedProduct)
	x.Quantised, x.c, x.ldc, x.a, x.lda, x.m, x.accumulate = q, c, ldc, a, lda, m, accumulate
	x.stride = ceil(q.in, int8Block) * roundedBytes
	x.rounded = slices.Grow(x.rounded[:0], m*x.stride)[:m*x.stride]
	Run(m, ceil(shareWork/8, q.in), (*inputRounder)(x))
	runChunks(q.panels, x.chunk(), x)
	x.Quantised, x.c, x.a = nil, nil, nil
	quantisedProducts.Put(x)
}

// chunk is how many panels a worker takes at a time: all if they are little work, else few, so that the workers end together.
func (x *quantisedProduct) chunk() int {
	if x.out*x.in*x.m < shareWork {
		return x.panels
	}
	return min(ceil(4*chunkWords*x.panels, x.bytes), ceil(x.panels, chunksPerWorker*Threads()))
}

// quantisedProduct is a product under way, whose tasks are the panels.
type quantisedProduct struct {
	*Quantised
	c, a       []float32
	ldc, lda   int
	m          int
	accumulate bool
	rounded    []byte // rows of inputs
	stride     int    // bytes of one
}

var quantisedProducts = sync.Pool{New: func() any { return new(quantisedProduct) }}

// inputRounder is a product whose tasks are the rows.
type inputRounder quantisedProduct

// Do rounds the inputs of rows lo to hi.
func (x *inputRounder) Do(lo, hi int) {
	for i := lo; i < hi; i++ {
		roundInputs(x.rounded[i*x.stride:(i+1)*x.stride], x.a[i*x.lda:][:x.in])
	}
}

// roundInputs rounds a row of inputs to blocks, the last one filled up with zeros.
func roundInputs(dst []byte, src []float32) {
	n := len(src) / int8Block
	if n > 0 {
		quantisedSets[isa].roundInputs(dst[:n*roundedBytes], src[:n*int8Block])
	}
	if rest := src[n*int8Block:]; len(rest) > 0 {
		var block [int8Block]float32
		copy(block[:], rest)
		roundInputsGeneric(dst[n*roundedBytes:], block[:])
	}
}

// A quantisedRoom is where a worker decodes blocks, and where a panel of C is that C has not all of.
type quantisedRoom struct {
	decoded [decodedInputs / int8Block * decodedBytes]byte
	c       []float32
}

var quantisedRooms = sync.Pool{New: func() any { return new(quantisedRoom) }}

// decodedInputs is the number of inputs of a panel that are decoded at a time, to stay in the first-level cache.
const decodedInputs = 256

// Do does the panels lo to hi.
func (x *quantisedProduct) Do(lo, hi int) {
	room := quantisedRooms.Get().(*quantisedRoom)
	defer quantisedRooms.Put(room)
	for j := lo; j < hi; j++ {
		p := x.part(func(p *quantisedPart) bool { return p.panel <= j })
		first := (j - p.panel) * panelOutputs
		panel, c := p.words[(j-p.panel)*p.panelLen:][:p.panelLen], x.c[p.from+first:]
		cols := p.out - first
		if cols >= panelOutputs {
			x.multiply(p, panel, c, x.ldc, room)
			continue
		}
		room.c = slices.Grow(room.c[:0], x.m*panelOutputs)[:x.m*panelOutputs]
		for i := range x.m {
			copy(room.c[i*panelOutputs:], c[i*x.ldc:][:cols])
		}
		x.multiply(p, panel, room.c, panelOutputs, room)
		for i := range x.m {
			copy(c[i*x.ldc:][:cols], room.c[i*panelOutputs:])
		}
	}
}

// multiply does a panel of C, which is whole.
func (x *quantisedProduct) multiply(p *quantisedPart, panel []byte, c []float32, ldc int, room *quantisedRoom) {
	blocks, k := p.panelLen/(p.bytes*panelOutputs), p.kernels
	if x.m == 1 || x.m <= 3 && k.decode != nil { // to decode so often takes less time than to write what is decoded
		for i := range x.m {
			k.single(blocks, x.rounded[i*x.stride:], panel, c[i*ldc:], x.accumulate)
		}
		return
	}
	most := len(k.tiles) - 1
	tiles, step := ceil(x.m, most), decodedInputs/p.inputs
	if k.decode == nil {
		step = blocks
	}
	for b := 0; b < blocks; b += step {
		n := min(step, blocks-b)
		w := panel[b*p.bytes*panelOutputs:]
		if k.decode != nil {
			k.decode(n, room.decoded[:], w)
			w = room.decoded[:]
		}
		small := p.inputs / int8Block // blocks of 32 inputs
		for t := range tiles {
			lo, hi := x.m*t/tiles, x.m*(t+1)/tiles
			k.tiles[hi-lo](n*small, x.rounded[lo*x.stride+b*small*roundedBytes:], x.stride, w, p.shift, c[lo*ldc:], ldc, x.accumulate || b > 0)
		}
	}
}
