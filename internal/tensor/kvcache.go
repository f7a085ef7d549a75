package tensor

import (
	"math"
	"sync"

	"nfcot/internal/tensor/kernel"
)

// A KVCache is what attention remembers of a sequence: the keys and values of its
// rows. It may continue another one, which several can share.
type KVCache struct {
	before *KVCache
	n      int // rows in all
	own    int // rows since before
	hd     int
	cols   int // nkv·hd
	pages  []kvPage
}

// A kvPage has the keys and values of kvRows rows, those of a head side by side, to be
// read from beginning to end.
type kvPage struct {
	k []float32 // [nkv, hd, kvRows]: a key is a column, so that many keys meet a query at once
	v []float32 // [nkv, kvRows, hd]
}

const kvRows = 64

// Len is the number of rows.
func (p *KVCache) Len() int { return p.n }

// Fork returns an empty continuation of p, which must not grow any more.
func (p *KVCache) Fork() KVCache { return KVCache{before: p, n: p.n} }

// Rows returns copies of the keys and values.   → [n, nkv·hd] each
func (p *KVCache) Rows() (k, v *Tensor) {
	k, v = New(p.n, p.cols), New(p.n, p.cols)
	for q := p; q != nil; q = q.before {
		for i := range q.own {
			row, page := q.n-q.own+i, q.pages[i/kvRows]
			for c := range q.cols {
				k.Row(row)[c] = page.k[c*kvRows+i%kvRows]
				v.Row(row)[c] = page.v[(c/q.hd*kvRows+i%kvRows)*q.hd+c%q.hd]
			}
		}
	}
	return k, v
}

// extend appends n rows of cols numbers, heads of hd, which write fills in.
func (p *KVCache) extend(cols, hd, n int) {
	p.cols, p.hd = cols, hd
	p.own += n
	p.n += n
	if more := (p.own+kvRows-1)/kvRows - len(p.pages); more > 0 {
		more = max(2, len(p.pages), more) // to ask for memory often costs more than to leave some unused
		size := kvRows * cols
		room := kernel.Floats(2 * more * size)
		for ; len(room) > 0; room = room[2*size:] {
			p.pages = append(p.pages, kvPage{room[:size], room[size : 2*size]})
		}
	}
}

// write sets heads [head, head+heads) of the last rows to those of rows from to to.
func (p *KVCache) write(k, v Cols, from, to, head, heads int) {
	col, cols := head*p.hd, heads*p.hd
	for at := p.own - (to - from); from < to; {
		page, i := p.pages[at/kvRows], at%kvRows
		n := min(to-from, kvRows-i)
		kernel.Transpose(page.k[col*kvRows+i:], kvRows, k.Data[k.at(from)+col:], k.Tensor.Cols(), n, cols)
		for r := range n {
			row := v.row(from + r)
			for h := head; h < head+heads; h++ {
				copy(page.v[(h*kvRows+i+r)*p.hd:], row[h*p.hd:(h+1)*p.hd])
			}
		}
		from, at = from+n, at+n
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
		p.extend(k.N, hd, to-from)
		o.alone = o.alone && to == from+1
		from = to
	}
	o.groups()
	if !o.alone {
		o.remember()
	}
	o.tasks(len(o.mask.sequences)*(k.N/hd), 1, func(o *op, lo, hi int) {
		s := weightRooms.Get().(*weightRoom)
		defer weightRooms.Put(s)
		for task := lo; task < hi; task++ {
			o.attendGroup(s, task)
		}
	})
	return o.y
}

// remember writes all keys and values to the caches.
func (o *op) remember() {
	o.ownRows(Span{To: len(o.caches)}, func(p *KVCache, i, n, _ int) { p.write(o.k, o.v, i, i+n, 0, o.k.N/o.n) })
}

// queryBlock is the number of queries that Attend takes at a time.
const queryBlock = 48

// A weightRoom is where a worker of Attend puts the weights of a block of queries.
type weightRoom struct{ weights []float32 }

var weightRooms = sync.Pool{New: func() any { return new(weightRoom) }}

// grow returns x with n numbers of any value. It at least doubles the room: every token wants a little more.
func grow(x []float32, n int) []float32 {
	if cap(x) < n {
		x = kernel.Floats(max(n, 2*cap(x)))
	}
	return x[:n]
}

// groups cuts the rows into blocks of queries that share what lies before their
// own rows.
func (o *op) groups() {
	groups := o.t.Spans(len(o.caches))
	for r, p := range o.caches {
		last := len(groups) - 1
		if last < 0 || r-groups[last].From == queryBlock || p != o.caches[r-1] && (p.before == nil || p.before != o.caches[r-1].before) {
			groups = append(groups, Span{From: r, To: r})
			last++
		}
		groups[last].To = r + 1
	}
	o.mask.sequences = groups
}

// attendGroup computes the result for a group and a head of keys. The caches that
// all of it sees meet all its queries at once, each sequence's own rows only its
// own.
func (o *op) attendGroup(s *weightRoom, task int) {
	hd, nkv := o.n, o.k.N/o.n
	group, kv := o.q.N/hd/nkv, task%nkv
	rows := o.mask.sequences[task/nkv]
	if o.alone { // no other task looks at this head of these caches
		for r := rows.From; r < rows.To; r++ {
			o.caches[r].write(o.k, o.v, r, r+1, kv, 1)
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
		o.caches[rows.From].before.scores(w, keys, q, n, kv)
		o.ownRows(rows, func(p *KVCache, i, n, own int) { p.ownScores(w[i*keys:], keys, offset(q, i), n, kv, own) })
		for i := range n {
			seen := o.idx[rows.From+i]
			row := w[i*keys : (i+1)*keys]
			kernel.SoftmaxScaled(row[:seen], float32(o.c))
			clear(row[seen:])
		}
		started := o.caches[rows.From].before.values(y, w, keys, n, kv)
		o.ownRows(rows, func(p *KVCache, i, n, own int) { p.ownValues(offset(y, i), w[i*keys:], keys, n, kv, own, started) })
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

// scores computes the scores of n queries of a head against all keys, oldest first.
func (p *KVCache) scores(w []float32, stride int, q kernel.Mat, n, kv int) {
	if p != nil {
		p.before.scores(w, stride, q, n, kv)
		p.ownScores(w, stride, q, n, kv, p.own)
	}
}

// ownScores computes the scores against the first own keys that are not before's.
func (p *KVCache) ownScores(w []float32, stride int, q kernel.Mat, n, kv, own int) {
	w = w[p.n-p.own:]
	for at := 0; at < own; at += kvRows {
		keys := kernel.Mat{Data: p.pages[at/kvRows].k[kv*p.hd*kvRows:], Stride: kvRows}
		product(w[at:], stride, q, keys, n, min(kvRows, own-at), p.hd, false)
	}
}

// values adds up the values of a head, oldest first, and returns whether there were any.
func (p *KVCache) values(y kernel.Mat, w []float32, stride, n, kv int) (started bool) {
	if p == nil {
		return false
	}
	started = p.before.values(y, w, stride, n, kv)
	return p.ownValues(y, w, stride, n, kv, p.own, started)
}

// ownValues adds up the first own values that are not before's, to those in y if started.
func (p *KVCache) ownValues(y kernel.Mat, w []float32, stride, n, kv, own int, started bool) bool {
	w = w[p.n-p.own:]
	for at := 0; at < own; at += kvRows {
		values := kernel.Mat{Data: p.pages[at/kvRows].v[kv*kvRows*p.hd:], Stride: p.hd}
		product(y.Data, y.Stride, kernel.Mat{Data: w[at:], Stride: stride}, values, n, p.hd, min(kvRows, own-at), started)
		started = true
	}
	return started
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
