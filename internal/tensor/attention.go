package tensor

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"nfcot/internal/tensor/kernel"
)

// Rotary holds the angles of rotary position embeddings (Su et al., 2021), in
// Hugging Face's convention: pair (j, j + HeadDim/2) of a head turns by pos times
// the pair's frequency.
type Rotary struct {
	HeadDim   int
	freq      []float64 // of each pair
	scale     float64
	positions int
	blocks    []atomic.Pointer[angles] // of rotaryBlock positions each; nil: not needed yet
}

// angles are the cosines and sines of some positions.
type angles struct{ cos, sin []float32 } // [position, HeadDim/2]

// rotaryBlock is the number of positions that are tabulated at a time: of those that
// a model could have, few texts need many.
const rotaryBlock = 256

// Frequencies are those of the pairs of a head, in radians a position:
// theta^(-2j/headDim).
func Frequencies(headDim int, theta float64) []float64 {
	freq := make([]float64, headDim/2)
	for j := range freq {
		freq[j] = math.Pow(theta, -float64(2*j)/float64(headDim))
	}
	return freq
}

// NewRotary has the angles of positions 0..positions-1, for pairs of these
// frequencies. What is turned is also multiplied by scale.
func NewRotary(freq []float64, scale float64, positions int) *Rotary {
	return &Rotary{2 * len(freq), freq, scale, positions, make([]atomic.Pointer[angles], (positions+rotaryBlock-1)/rotaryBlock)}
}

// at returns the cosines and sines of a position.
func (r *Rotary) at(pos int) (cos, sin []float32) {
	if pos >= r.positions {
		panic(fmt.Sprintf("tensor: Rope: position %d of %d", pos, r.positions))
	}
	block := &r.blocks[pos/rotaryBlock]
	table := block.Load()
	if table == nil { // several workers may come here, with the same numbers
		table = r.tabulate(pos / rotaryBlock * rotaryBlock)
		block.Store(table)
	}
	half := len(r.freq)
	from := pos % rotaryBlock * half
	return table.cos[from : from+half], table.sin[from : from+half]
}

// tabulate computes the angles of the positions from first on.
func (r *Rotary) tabulate(first int) *angles {
	half := len(r.freq)
	n := min(rotaryBlock, r.positions-first)
	table := &angles{make([]float32, n*half), make([]float32, n*half)}
	for p := range n {
		for j, freq := range r.freq {
			sin, cos := math.Sincos(float64(first+p) * freq)
			table.cos[p*half+j], table.sin[p*half+j] = float32(r.scale*cos), float32(r.scale*sin)
		}
	}
	return table
}

// turn turns (and scales) the heads of x by the angle of position pos, or back by
// it when sign is -1.
func (r *Rotary) turn(x []float32, pos int, sign float32) {
	cos, sin := r.at(pos)
	kernel.Rope(x, cos, sin, sign)
}

// Rope turns each head of row r by the angle of position pos[r].
// x [R, nh·hd] → y [R, nh·hd]
func (t *Tape) Rope(x Cols, pos []int, rot *Rotary) *Tensor {
	o := t.op(x.Rows(), x.N, x.Tensor)
	o.k, o.idx, o.rotary = x, pos, rot
	o.rows(len(pos), x.N, func(o *op, lo, hi int) {
		for r := lo; r < hi; r++ {
			copy(o.y.Row(r), o.k.row(r))
			o.rotary.turn(o.y.Row(r), o.idx[r], 1)
		}
	})
	return o.done(func(o *op) {
		o.k.grad()
		o.rows(len(o.idx), o.k.N, func(o *op, lo, hi int) {
			for r := lo; r < hi; r++ {
				o.rotary.turn(o.y.gradRow(r), o.idx[r], -1)
				kernel.Axpy(1, o.y.gradRow(r), o.k.gradRow(r))
			}
		})
	})
}

// NormRope is what queries and keys go through before they meet: every head is
// scaled to unit root mean square and by its weight (RMSNorm), and turned by the
// angle of its row's position (Rope).
// qk: queries [R, nh·hd] and keys [R, nkv·hd] side by side, qNorm, kNorm [hd]
// → [R, (nh+nkv)·hd]
func (t *Tape) NormRope(qk Cols, heads int, qNorm, kNorm *Tensor, eps float64, pos []int, rot *Rotary) *Tensor {
	hd := rot.HeadDim
	o := t.op(qk.Rows(), qk.N, qk.Tensor, qNorm, kNorm)
	o.k, o.w, o.b, o.c, o.n, o.idx, o.rotary = qk, qNorm, kNorm, eps, heads, pos, rot
	o.kept = t.raw(qk.Rows() * qk.N / hd) // 1 / root mean square
	o.rows(qk.Rows(), 3*qk.N, func(o *op, lo, hi int) {
		hd, eps := o.rotary.HeadDim, float32(o.c)
		all, queries := o.k.N/hd, o.n*hd
		for r := lo; r < hi; r++ {
			x, y, inv := o.k.row(r), o.y.Row(r), o.kept[r*all:(r+1)*all]
			kernel.RMSNorm(y[:queries], x[:queries], o.w.Data, inv[:o.n], eps)
			kernel.RMSNorm(y[queries:], x[queries:], o.b.Data, inv[o.n:], eps)
			o.rotary.turn(y, o.idx[r], 1)
		}
	})
	return o.done(func(o *op) {
		if o.k.Grad != nil {
			o.k.grad()
		}
		hd := o.rotary.HeadDim
		sums := o.t.zeros(2 * hd) // of the gradients of the weights
		o.addOverRows(sums, o.y.Rows(), func(o *op, partial []float32, lo, hi int) {
			hd := o.rotary.HeadDim
			all, queries := o.k.N/hd, o.n*hd
			for r := lo; r < hi; r++ {
				x, dy, inv := o.k.row(r), o.y.gradRow(r), o.kept[r*all:(r+1)*all]
				o.rotary.turn(dy, o.idx[r], -1)
				var dq, dk []float32
				if o.k.Grad != nil {
					dx := o.k.gradRow(r)
					dq, dk = dx[:queries], dx[queries:]
				}
				kernel.RMSNormBackward(dq, partial[:hd], dy[:queries], x[:queries], o.w.Data, inv[:o.n])
				kernel.RMSNormBackward(dk, partial[hd:], dy[queries:], x[queries:], o.b.Data, inv[o.n:])
			}
		})
		if o.w.Grad != nil {
			kernel.Axpy(1, sums[:hd], o.w.grad())
		}
		if o.b.Grad != nil {
			kernel.Axpy(1, sums[hd:], o.b.grad())
		}
	})
}

// A Span is the half-open range [From, To) of rows that a query may see.
type Span = kernel.Span

// Attention mixes values: row r of q looks at the rows of k and v that mask
// lets it see, with weights softmax(q k / sqrt(hd)). Heads of q share heads of k and v in groups.
// q [R, nh·hd], k and v [S, nkv·hd] → y [R, nh·hd]
func (t *Tape) Attention(q, k, v Cols, mask Mask, hd int) *Tensor {
	o := t.op(q.Rows(), q.N, q.Tensor, k.Tensor, v.Tensor)
	o.q, o.k, o.v, o.mask, o.n, o.c = q, k, v, mask, hd, 1/math.Sqrt(float64(hd))
	if o.y.Grad != nil {
		o.kept = t.raw(attentionKept * q.Rows() * q.N / hd)
	}
	if t != nil && t.Profile != nil {
		for _, see := range mask.Spans {
			o.flops += 4 * float64(q.N) * float64(see.To-see.From)
		}
	}
	o.heads(false, func(o *op, s *kernel.Heads, rows, _ Span, _, h int) {
		q, y := o.q.head(o.q.Data, rows.From, h, o.n), o.y.All().head(o.y.Data, rows.From, h, o.n)
		s.Forward(y, q, o.keptOf(rows, h))
	})
	return o.done(func(o *op) {
		o.writing(&o.q)
		o.writing(&o.k)
		o.writing(&o.v)
		o.heads(true, func(o *op, s *kernel.Heads, rows, keys Span, kv, h int) {
			hd, y := o.n, o.y.All()
			s.Backward(o.q.head(o.q.Grad, rows.From, h, hd), o.k.head(o.k.Grad, keys.From, kv, hd), o.v.head(o.v.Grad, keys.From, kv, hd),
				y.head(o.y.Grad, rows.From, h, hd), y.head(o.y.Data, rows.From, h, hd), o.q.head(o.q.Data, rows.From, h, hd), o.keptOf(rows, h))
		})
	})
}

// attentionKept is how many numbers attention keeps of a query and head.
const attentionKept = 2

// keptOf is what attention keeps of a head for some rows; nil if there is no backward pass.
func (o *op) keptOf(rows Span, h int) []float32 {
	if o.kept == nil {
		return nil
	}
	of := o.kept[h*attentionKept*o.y.Rows():]
	return of[attentionKept*rows.From : attentionKept*rows.To]
}

// heads calls f for every sequence, the rows it sees and every head of queries, h, with its head of keys, kv. Queries of one
// sequence add to the gradients of the same keys, and share what is packed of them: a sequence and a head of keys go to one worker.
func (o *op) heads(backward bool, f func(o *op, s *kernel.Heads, rows, keys Span, kv, h int)) {
	o.again, o.head = backward, f
	o.tasks(len(o.mask.sequences)*(o.k.N/o.n), 1, func(o *op, lo, hi int) {
		s := attentionScratch.Get().(*kernel.Heads)
		defer attentionScratch.Put(s)
		hd, nkv := o.n, o.k.N/o.n
		group := o.q.N / hd / nkv
		for task := lo; task < hi; task++ {
			rows, kv := o.mask.sequences[task/nkv], task%nkv
			see := o.mask.Spans[rows.From:rows.To]
			keys := kernel.Visible(see)
			s.Set(o.k.head(o.k.Data, keys.From, kv, hd), o.v.head(o.v.Data, keys.From, kv, hd), hd, see, float32(o.c), o.again)
			for h := kv * group; h < (kv+1)*group; h++ {
				o.head(o, s, rows, keys, kv, h)
			}
		}
	})
}

var attentionScratch = sync.Pool{New: func() any { return new(kernel.Heads) }}

// head returns the matrix of one head of x from row from on.
func (x Cols) head(data []float32, from, h, hd int) kernel.Mat {
	return kernel.Mat{Data: data[x.at(from)+h*hd:], Stride: x.Tensor.Cols()}
}

// A Mask says which rows each query sees.
type Mask struct {
	Spans     []Span
	sequences []Span // of queries, such that no two sequences see a row in common
}

// Mask prepares a mask for any number of attentions until Reset.
func (t *Tape) Mask(see []Span) Mask {
	keys := 0
	for _, s := range see {
		keys = max(keys, s.To)
	}
	last := t.Ints(keys)[:keys] // the last query that sees a key
	for r, s := range see {
		for k := s.From; k < s.To; k++ {
			last[k] = r
		}
	}
	sequences := t.Spans(len(see)) // the shortest
	end := -1                      // the last query that shares a key with the present sequence
	for r, s := range see {
		if r > end {
			sequences = append(sequences, Span{From: r, To: r})
		}
		for k := s.From; k < s.To; k++ {
			end = max(end, last[k])
		}
		sequences[len(sequences)-1].To = r + 1
	}
	return Mask{see, sequences}
}
