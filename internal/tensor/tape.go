package tensor

import "nfcot/internal/tensor/kernel"

// A Tape records operations in the order they run; that order is already
// topological, so going back is a loop. It owns the memory of every result it
// made: Reset takes it back, and a training loop that resets its tape once a
// step reaches a state in which no step allocates arrays.
//
// The zero Tape is ready for use.
type Tape struct {
	back  []func()
	slabs [][]float32
	slab  int // the slab being filled
	used  int // numbers used in it
}

const slabSize = 1 << 20

// Reset forgets what was recorded and takes back the memory of all results:
// tensors returned by t's operations must not be used any more.
func (t *Tape) Reset() {
	clear(t.back)
	t.back = t.back[:0]
	t.slab, t.used = 0, 0
}

// raw returns n numbers of any value that live until Reset, for callers that
// write them all.
func (t *Tape) raw(n int) []float32 {
	if t == nil {
		return make([]float32, n)
	}
	for ; t.slab < len(t.slabs); t.slab, t.used = t.slab+1, 0 {
		if t.used+n <= len(t.slabs[t.slab]) {
			x := t.slabs[t.slab][t.used : t.used+n : t.used+n]
			t.used += n
			return x
		}
	}
	t.slabs = append(t.slabs, make([]float32, max(n, slabSize)))
	t.used = n
	return t.slabs[t.slab][:n:n]
}

// zeros returns n zeros that live until Reset.
func (t *Tape) zeros(n int) []float32 {
	x := t.raw(n)
	clear(x)
	return x
}

// out makes the result of an operation on in; the operation must write all of
// it. The result has a gradient if the tape is recording and some input has one.
func (t *Tape) out(rows, cols int, in ...*Tensor) *Tensor {
	y := &Tensor{Shape: []int{rows, cols}, Data: t.raw(rows * cols)}
	if t == nil {
		return y
	}
	for _, x := range in {
		if x != nil && x.Grad != nil {
			y.Grad = t.zeros(len(y.Data))
			break
		}
	}
	return y
}

// outZero is out for operations that add to their result.
func (t *Tape) outZero(rows, cols int, in ...*Tensor) *Tensor {
	y := t.out(rows, cols, in...)
	clear(y.Data)
	return y
}

// record says how to push y's gradient to the operation's inputs.
func (t *Tape) record(y *Tensor, back func()) {
	if y.Grad != nil {
		t.back = append(t.back, back)
	}
}

// Backward adds d loss / d x to x.Grad for every x that led to loss, a single
// number, and clears the record. The results stay valid until Reset.
func (t *Tape) Backward(loss *Tensor) {
	if len(loss.Data) != 1 || loss.Grad == nil {
		panic("tensor: Backward needs a single number that depends on a parameter")
	}
	loss.Grad[0] = 1
	for i := len(t.back) - 1; i >= 0; i-- {
		t.back[i]()
	}
	clear(t.back)
	t.back = t.back[:0]
}

// grain is the least number of elements worth handing to another worker.
const grain = 8192

// forElements runs f over [0, n) in parallel; f must write element i alone.
func forElements(n int, f func(lo, hi int)) { kernel.Parallel(n, grain, f) }

// forRows runs f over rows in parallel, given the work of one row in elements;
// f must write row i alone.
func forRows(rows, work int, f func(lo, hi int)) {
	kernel.Parallel(rows, max(1, grain/max(1, work)), f)
}

// rowBlock is the number of rows that reductions over rows sum at a time: it
// fixes the order of summation whatever the number of workers.
const rowBlock = 128

// sumOverRows adds to dst what f finds for blocks of rows. Blocks are summed
// each by itself and then in their order.
func (t *Tape) sumOverRows(dst []float32, rows int, f func(partial []float32, lo, hi int)) {
	n := len(dst)
	blocks := (rows + rowBlock - 1) / rowBlock
	partial := t.zeros(blocks * n)
	kernel.Parallel(blocks, 1, func(lo, hi int) {
		for b := lo; b < hi; b++ {
			f(partial[b*n:(b+1)*n], b*rowBlock, min(rows, (b+1)*rowBlock))
		}
	})
	for b := range blocks {
		kernel.Axpy(1, partial[b*n:(b+1)*n], dst)
	}
}
