package tensor

import (
	"slices"

	"nfcot/internal/tensor/kernel"
)

// A Tape records operations in the order they run; that order is already
// topological, so the backward pass is a loop. It owns the memory of every result it
// made: Reset takes it back, and a loop that resets its tape once a step
// reaches a state in which no step allocates anything.
//
// The zero Tape is ready for use.
type Tape struct {
	Inference bool // lend memory, but record nothing: results have no gradients
	BF16      bool // round the operands of products with weights, in the backward pass too, to bfloat16; sums stay float32

	Profile *Profile // is told where the time goes; may be nil

	recorded []*op
	ops      arena[op]
	tensors  arena[Tensor]
	numbers  arena[float32]
	ints     arena[int]
	spans    arena[Span]
	kvCaches arena[*KVCache]
	spare    [][]float32 // gradients that Backward is done with
	randoms  arena[random]
	inner    *Tape     // of the segment under way (Checkpoint)
	wide     []float32 // room for a packed matrix, widened

	allocate func(n int) []float32 // of the numbers; kernel.Floats if nil
}

// An arena hands out pieces of slabs that it keeps.
type arena[T any] struct {
	slabs [][]T
	slab  int // the one being filled
	used  int // elements used in it
}

// take returns n elements of any value, from a slab of at least atLeast that
// allocate makes if no slab has room.
func (a *arena[T]) take(n, atLeast int, allocate func(n int) []T) []T {
	for ; a.slab < len(a.slabs); a.slab, a.used = a.slab+1, 0 {
		if s := a.slabs[a.slab]; a.used+n <= len(s) {
			x := s[a.used : a.used+n : a.used+n]
			a.used += n
			return x
		}
	}
	a.slabs = append(a.slabs, allocate(max(n, atLeast)))
	a.used = n
	return a.slabs[a.slab][:n:n]
}

func (a *arena[T]) reset() { a.slab, a.used = 0, 0 }

// room is what the slabs hold, in elements.
func (a *arena[T]) room() int {
	n := 0
	for _, s := range a.slabs {
		n += len(s)
	}
	return n
}

const (
	slabSize  = 1 << 20 // numbers
	chunkSize = 1 << 10 // ints, tensors and operations
)

// Reset forgets what was recorded and takes back the memory of all results:
// tensors returned by t's operations must not be used any more.
func (t *Tape) Reset() {
	t.recorded = t.recorded[:0]
	t.ops.reset()
	t.tensors.reset()
	t.numbers.reset()
	t.ints.reset()
	t.spans.reset()
	t.kvCaches.reset()
	t.spare = t.spare[:0]
	t.randoms.reset()
}

// Bytes is the memory that t holds for numbers, used or not.
func (t *Tape) Bytes() int {
	n := 4 * (t.numbers.room() + len(t.wide))
	if t.inner != nil {
		n += t.inner.Bytes()
	}
	return n
}

// raw returns n numbers of any value that live until Reset, for callers that
// write them all.
func (t *Tape) raw(n int) []float32 {
	if t == nil {
		return kernel.Floats(n)
	}
	return t.numbers.take(n, slabSize, t.floats())
}

// floats is what allocates numbers.
func (t *Tape) floats() func(n int) []float32 {
	if t.allocate != nil {
		return t.allocate
	}
	return kernel.Floats
}

// OverLimit is what an operation panics with that would take a tape over its
// limit.
type OverLimit struct{ Bytes int } // that the tape would have had

// Limit bounds the memory for numbers, which is what Bytes counts.
func (t *Tape) Limit(bytes int) {
	used := t.Bytes()
	t.allocate = func(n int) []float32 {
		used += 4 * n
		if used > bytes {
			panic(OverLimit{used})
		}
		return kernel.Floats(n)
	}
}

// zeros returns n zeros that live until Reset.
func (t *Tape) zeros(n int) []float32 {
	x := t.raw(n)
	clear(x)
	return x
}

// Ints returns an empty slice with room for n ints that live until Reset.
func (t *Tape) Ints(n int) []int {
	if t == nil {
		return make([]int, 0, n)
	}
	return t.ints.take(n, chunkSize, makeSlice[int])[:0]
}

// Spans is Ints for spans.
func (t *Tape) Spans(n int) []Span {
	if t == nil {
		return make([]Span, 0, n)
	}
	return t.spans.take(n, chunkSize, makeSlice[Span])[:0]
}

// KVCaches is Ints for caches.
func (t *Tape) KVCaches(n int) []*KVCache {
	if t == nil {
		return make([]*KVCache, 0, n)
	}
	return t.kvCaches.take(n, chunkSize, makeSlice[*KVCache])[:0]
}

func makeSlice[T any](n int) []T { return make([]T, n) }

// New returns a tensor of zeros without a gradient that lives until Reset.
func (t *Tape) New(rows, cols int) *Tensor {
	y := t.tensor(rows, cols)
	clear(y.Data)
	return y
}

// tensor returns a tensor with any values, without a gradient.
func (t *Tape) tensor(rows, cols int) *Tensor {
	var y *Tensor
	if t == nil {
		y = new(Tensor)
	} else {
		y = &t.tensors.take(1, chunkSize, makeSlice[Tensor])[0]
	}
	*y = Tensor{Data: t.raw(rows * cols), dims: [2]int{rows, cols}}
	y.Shape = y.dims[:]
	return y
}

// alias returns a copy of x, which shares x's numbers.
func (t *Tape) alias(x Tensor) *Tensor {
	y := &t.tensors.take(1, chunkSize, makeSlice[Tensor])[0]
	*y = x
	return y
}

// An op is an operation under way, and what its backward pass has to know. Its
// functions get it as an argument and capture nothing, because a closure would
// have to be allocated.
type op struct {
	t         *Tape
	name      string    // with a profile: of the operation
	y         *Tensor   // the result
	x, w, b   *Tensor   // inputs
	q, k, v   Cols      // inputs of attention, or of SwiGLU (k, v)
	kept      []float32 // numbers that the backward pass needs
	idx       []int
	mask      Mask
	caches    []*KVCache
	rotary    *Rotary
	segment   Segment
	curve     Curve
	c         float64 // a constant of the operation
	n         int     // likewise
	flops     float64 // that attention multiplies forward
	fresh     bool    // the gradient being written holds nothing yet
	roundGrad bool    // round it to bfloat16 as it is made
	again     bool    // logits are computed again in the backward pass; of attention, that pass is under way
	alone     bool    // each row of Attend is of another sequence

	backward func(o *op)
	f        func(y, slope, x []float32) // of an elementwise operation

	loop     func(o *op, lo, hi int)                                  // the parallel loop under way
	head     func(o *op, s *kernel.Heads, rows, keys Span, kv, h int) // of attention
	sum      func(o *op, partial []float32, lo, hi int)               // of addOverRows
	partials []float32
	summed   int // rows
	rounding int // numbers of the result that an index of the loop under way makes and that are to be rounded; 0: none are
}

// op begins an operation on in whose result is rows × cols. It has a gradient
// if t is recording and an input has one. The operation must write all of it.
func (t *Tape) op(rows, cols int, in ...*Tensor) *op {
	y := t.tensor(rows, cols)
	if t == nil {
		return &op{y: y}
	}
	o := &t.ops.take(1, chunkSize, makeSlice[op])[0]
	*o = op{t: t, y: y}
	if t.Profile != nil {
		o.name = operation()
		t.Profile.Lap(Part{}, 0)
	}
	if t.Inference {
		return o
	}
	for _, x := range in {
		if x != nil && x.Grad != nil {
			y.Grad, y.stale = wanted, true
			break
		}
	}
	return o
}

// backwardWork is how much more attention multiplies in the backward pass: five products, of which one is computed again,
// against two.
const backwardWork = 2.5

// wanted is the gradient of a result before Backward comes to it.
var wanted = []float32{}

// done records how to push the result's gradient to the inputs, and returns the
// result.
func (o *op) done(backward func(o *op)) *Tensor {
	o.lap("forward", o.flops)
	if o.y.Grad != nil {
		o.backward = backward
		o.t.recorded = append(o.t.recorded, o)
	}
	return o.y
}

// Backward adds d loss / d x to x.Grad for every x that led to loss, a single
// number, and clears the record. The results stay valid until Reset; their
// gradients do not.
func (t *Tape) Backward(loss *Tensor) {
	if len(loss.Data) != 1 || loss.Grad == nil {
		panic("tensor: Backward needs a single number that depends on a parameter")
	}
	t.lend(loss)
	loss.Grad[0], loss.stale = 1, false
	t.backward()
}

// backward undoes what was recorded, the last operation first, and clears the
// record.
func (t *Tape) backward() {
	for i := len(t.recorded) - 1; i >= 0; i-- {
		o := t.recorded[i]
		if !o.y.stale { // something depends on its result
			for _, x := range [...]*Tensor{o.x, o.w, o.b, o.q.Tensor, o.k.Tensor, o.v.Tensor} {
				t.lend(x)
			}
			t.Profile.Lap(Part{}, 0)
			o.backward(o)
			o.lap("backward", backwardWork*o.flops)
		}
		if len(o.y.Grad) > 0 {
			t.spare = append(t.spare, o.y.Grad)
		}
	}
	t.recorded = t.recorded[:0]
}

// lend gives x memory for its gradient, if it wants one and has none yet. Few
// gradients are needed at a time, so that what one operation has written is still
// in the caches when the next one reads it.
func (t *Tape) lend(x *Tensor) {
	if x == nil || x.Grad == nil || len(x.Grad) == len(x.Data) || x.fixed > 0 {
		return
	}
	for i := len(t.spare) - 1; i >= 0; i-- {
		if g := t.spare[i]; len(g) == len(x.Data) {
			x.Grad = g
			t.spare = slices.Delete(t.spare, i, i+1)
			return
		}
	}
	x.Grad = t.raw(len(x.Data))
}

// A Use is what is done with the result of an operation.
type Use int

// ForProducts says that only products with weights read a result: on a tape in bfloat16
// it is then rounded as it is made, once, and not by each of them. That changes no bit of
// what they give.
const ForProducts Use = 1

// FromProduct says that the input of an operation is a product with weights, without a bias, and read by nothing else: on a
// tape in bfloat16 its gradient is then rounded as it is made, and not by the product. That changes no bit either.
const FromProduct Use = 2

// rounds says whether what has a use among uses is to be rounded as it is made.
func (o *op) rounds(uses []Use, use Use) bool {
	return o.t != nil && o.t.BF16 && kernel.RoundsFactors() && slices.Contains(uses, use)
}

// roundFor has the next loop round the result, if that is what it is used for: its index i
// makes numbers [i·width, (i+1)·width).
func (o *op) roundFor(uses []Use, width int) {
	if o.rounds(uses, ForProducts) {
		o.y.rounded, o.rounding = true, width
	}
}

// roundedAtOnce is how many numbers of a result are made before they are rounded: they
// are still in the first-level cache.
const roundedAtOnce = 2048

// Do is a piece of the parallel loop under way (kernel.Job).
func (o *op) Do(lo, hi int) {
	if o.rounding == 0 {
		o.loop(o, lo, hi)
		return
	}
	for n := max(1, roundedAtOnce/o.rounding); lo < hi; lo += n {
		to := min(lo+n, hi)
		o.loop(o, lo, to)
		kernel.RoundBF16(o.y.Data[lo*o.rounding : to*o.rounding])
	}
}

// grain is the least number of elements worth handing to another worker.
const grain = 8192

// elements runs loop over [0, n) in parallel; it must write element i alone.
func (o *op) elements(n int, loop func(o *op, lo, hi int)) { o.tasks(n, grain, loop) }

// rows runs loop over rows in parallel, given the work of one row in elements;
// it must write row i alone.
func (o *op) rows(rows, work int, loop func(o *op, lo, hi int)) {
	o.tasks(rows, max(1, grain/max(1, work)), loop)
}

func (o *op) tasks(n, grain int, loop func(o *op, lo, hi int)) {
	o.loop = loop
	kernel.Run(n, grain, o)
	o.rounding = 0
}

// rowBlock is the number of rows that reductions over rows sum at a time: it
// fixes the order of summation whatever the number of workers.
const rowBlock = 128

// addOverRows adds to dst the sums over rows that sum finds for blocks of rows,
// each by itself; blocks are added up in their order.
func (o *op) addOverRows(dst []float32, rows int, sum func(o *op, partial []float32, lo, hi int)) {
	n, blocks := len(dst), (rows+rowBlock-1)/rowBlock
	o.partials, o.summed, o.sum = o.t.zeros(blocks*n), rows, sum
	o.tasks(blocks, 1, func(o *op, lo, hi int) {
		n := len(o.partials) / ((o.summed + rowBlock - 1) / rowBlock)
		for b := lo; b < hi; b++ {
			o.sum(o, o.partials[b*n:(b+1)*n], b*rowBlock, min(o.summed, (b+1)*rowBlock))
		}
	})
	for b := range blocks {
		kernel.Axpy(1, o.partials[b*n:(b+1)*n], dst)
	}
}
