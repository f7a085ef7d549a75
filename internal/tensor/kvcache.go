package tensor

import (
	"math"

	"nfcot/internal/tensor/kernel"
)

// A KVCache is what attention remembers of a sequence: the keys and values of its
// rows. It may continue another one, which several can share.
type KVCache struct {
	before *KVCache
	n      int // rows in all
	own    int // rows since before
	cols   int // nkv·hd
	room   int
	k      []float32 // [cols, room]: a key is a column, so that many keys meet a query at once
	v      []float32 // [room, cols]
}

// Len is the number of rows.
func (p *KVCache) Len() int { return p.n }

// Fork returns an empty continuation of p, which must not grow any more.
func (p *KVCache) Fork() KVCache { return KVCache{before: p, n: p.n} }

// Rows returns copies of the keys and values.   → [n, nkv·hd] each
func (p *KVCache) Rows() (k, v *Tensor) {
	k, v = New(p.n, p.cols), New(p.n, p.cols)
	for q := p; q != nil; q = q.before {
		for i := range q.own {
			row := q.n - q.own + i
			for c := range q.cols {
				k.Row(row)[c] = q.k[c*q.room+i]
			}
			copy(v.Row(row), q.v[i*q.cols:][:q.cols])
		}
	}
	return k, v
}

// kvCapacity is the number of rows that a cache makes room for at first. To grow
// costs more than to leave room unused.
const kvCapacity = 128

// extend appends n rows of cols numbers, which write fills in.
func (p *KVCache) extend(cols, n int) {
	if p.own+n > p.room {
		p.grow(cols, p.own+n)
	}
	p.own += n
	p.n += n
}

// write sets columns [col, col+cols) of the last rows to those of rows from to to.
func (p *KVCache) write(k, v Cols, from, to, col, cols int) {
	at := p.own - (to - from)
	kernel.Transpose(p.k[col*p.room+at:], p.room, k.Data[k.at(from)+col:], k.Tensor.Cols(), to-from, cols)
	for r := from; r < to; r++ {
		copy(p.v[(at+r-from)*p.cols+col:][:cols], v.row(r)[col:])
	}
}

// Drop forgets the last n rows, which must be p's own.
func (p *KVCache) Drop(n int) {
	if n > p.own {
		panic("tensor: Drop: these rows are shared")
	}
	p.own -= n
	p.n -= n
}

// grow makes room for rows rows.
func (p *KVCache) grow(cols, rows int) {
	room := max(kvCapacity, 2*p.room, rows)
	both := kernel.Floats(2 * room * cols) // a large array is faster to read than two small ones
	k, v := both[:room*cols], both[room*cols:]
	for i := range cols {
		copy(k[i*room:], p.k[i*p.room:][:p.own])
	}
	copy(v, p.v)
	p.k, p.v, p.room, p.cols = k, v, room, cols
}

// Attend is Attention for rows that continue sequences, and without a backward pass:
// what decoding needs. Row r of k and v is added to caches[r], and row r of q sees
// all of that cache then. Consecutive rows may belong to one sequence; with both, they
// see each other in both directions. Every row of the result has the bits that
// Attention gives it, whatever other rows there are.
// q [R, nh·hd], k and v [R, nkv·hd] → y [R, nh·hd]
func (t *Tape) Attend(q, k, v Cols, caches []*KVCache, hd int, both bool) *Tensor {
	o := t.op(q.Rows(), q.N)
	o.q, o.k, o.v, o.caches, o.n, o.c = q, k, v, caches, hd, 1/math.Sqrt(float64(hd))
	o.idx, o.alone = t.Ints(len(caches)), true
	for from := 0; from < len(caches); {
		p, to := caches[from], from+1
		for to < len(caches) && caches[to] == p {
			to++
		}
		for r := from; r < to; r++ {
			seen := p.n + 1 + r - from
			if both {
				seen = p.n + to - from
			}
			o.idx = append(o.idx, seen)
		}
		p.extend(k.N, to-from)
		o.alone = o.alone && to == from+1
		from = to
	}
	o.groups()
	if !o.alone {
		o.remember()
	}
	o.tasks(len(o.mask.sequences)*(k.N/hd), 1, func(o *op, lo, hi int) {
		s := attentionScratch.Get().(*scratch)
		defer attentionScratch.Put(s)
		for task := lo; task < hi; task++ {
			o.attendGroup(s, task)
		}
	})
	return o.y
}

// remember writes all keys and values to the caches.
func (o *op) remember() {
	o.ownRows(Span{0, len(o.caches)}, func(p *KVCache, i, n, _ int) { p.write(o.k, o.v, i, i+n, 0, o.k.N) })
}

// groups cuts the rows into blocks of queries that share what lies before their
// own rows.
func (o *op) groups() {
	groups := o.t.Spans(len(o.caches))
	for r, p := range o.caches {
		last := len(groups) - 1
		if last < 0 || r-groups[last].From == queryBlock || p != o.caches[r-1] && (p.before == nil || p.before != o.caches[r-1].before) {
			groups = append(groups, Span{r, r})
			last++
		}
		groups[last].To = r + 1
	}
	o.mask.sequences = groups
}

// attendGroup computes the result for a group and a head of keys. The caches that
// all of it sees meet all its queries at once, each sequence's own rows only its
// own.
func (o *op) attendGroup(s *scratch, task int) {
	hd, nkv := o.n, o.k.N/o.n
	group, kv := o.q.N/hd/nkv, task%nkv
	rows := o.mask.sequences[task/nkv]
	if o.alone { // no other task looks at these columns
		for r := rows.From; r < rows.To; r++ {
			o.caches[r].write(o.k, o.v, r, r+1, kv*hd, hd)
		}
	}
	n, keys := rows.To-rows.From, 0
	for _, seen := range o.idx[rows.From:rows.To] {
		keys = max(keys, seen)
	}
	s.weights = grow(s.weights, n*keys)
	w := s.weights
	for h := kv * group; h < (kv+1)*group; h++ {
		q, y := o.q.head(o.q.Data, rows.From, h, hd), o.y.All().head(o.y.Data, rows.From, h, hd)
		scores(w, keys, q, o.caches[rows.From].before, n, kv, hd)
		o.ownRows(rows, func(p *KVCache, i, n, own int) {
			product(w[i*keys+p.n-p.own:], keys, offset(q, i), kernel.Mat{Data: p.k[kv*hd*p.room:], Stride: p.room}, n, own, hd, false)
		})
		for i := range n {
			seen := o.idx[rows.From+i]
			row := w[i*keys : (i+1)*keys]
			kernel.SoftmaxScaled(row[:seen], float32(o.c))
			clear(row[seen:])
		}
		started := values(y, w, keys, o.caches[rows.From].before, n, kv, hd)
		o.ownRows(rows, func(p *KVCache, i, n, own int) {
			to := offset(y, i)
			product(to.Data, to.Stride, kernel.Mat{Data: w[i*keys+p.n-p.own:], Stride: keys}, kernel.Mat{Data: p.v[kv*hd:], Stride: p.cols}, n, hd, own, started)
		})
	}
}

// ownRows calls f for each stretch of rows of one sequence: n rows from i on, which
// see own rows of their cache's own.
func (o *op) ownRows(rows Span, f func(p *KVCache, i, n, own int)) {
	for from := rows.From; from < rows.To; {
		to := from + 1
		for to < rows.To && o.caches[to] == o.caches[from] {
			to++
		}
		p := o.caches[from]
		f(p, from-rows.From, to-from, o.idx[to-1]-(p.n-p.own))
		from = to
	}
}

// scores computes the scores of n queries against all of p, oldest first.
func scores(w []float32, stride int, q kernel.Mat, p *KVCache, n, kv, hd int) {
	if p == nil {
		return
	}
	scores(w, stride, q, p.before, n, kv, hd)
	product(w[p.n-p.own:], stride, q, kernel.Mat{Data: p.k[kv*hd*p.room:], Stride: p.room}, n, p.own, hd, false)
}

// values adds up the values of all of p, oldest first, and returns whether there
// were any.
func values(y kernel.Mat, w []float32, stride int, p *KVCache, n, kv, hd int) (started bool) {
	if p == nil {
		return false
	}
	started = values(y, w, stride, p.before, n, kv, hd)
	if p.own == 0 {
		return started
	}
	product(y.Data, y.Stride, kernel.Mat{Data: w[p.n-p.own:], Stride: stride}, kernel.Mat{Data: p.v[kv*hd:], Stride: p.cols}, n, hd, p.own, started)
	return true
}

// offset is m from row i on.
func offset(m kernel.Mat, i int) kernel.Mat {
	return kernel.Mat{Data: m.Data[i*m.Stride:], Stride: m.Stride}
}

// product is kernel.Gemm, which for a single row would pack more than it
// computes: Axpys then does the same sums.
func product(c []float32, ldc int, a, b kernel.Mat, m, n, k int, accumulate bool) {
	if m > 1 {
		kernel.Gemm(c, ldc, a, b, m, n, k, accumulate)
		return
	}
	if !accumulate {
		clear(c[:n])
	}
	kernel.Axpys(c[:n], a.Data[:k], b.Data, b.Stride)
}
