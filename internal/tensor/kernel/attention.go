package kernel

import "math"

// Attention in training: the products of a sequence's queries with its keys and values, which are packed once for all of them,
// and only there where a query sees a key. This file knows the tiles; whose sequences and heads they are it does not know.

// A Span is the half-open range [From, To) of keys that a query sees.
type Span struct{ From, To int }

// Heads computes attention, forward or back, for the heads of queries that share one head of keys and values, in one sequence. Its
// memory is kept from one to the next; the zero value is ready for use.
//
// Weights exist for a block of queries at a time, and the backward pass computes them again: nothing is kept that grows with
// the square of a sequence (Dao et al., FlashAttention, 2022).
type Heads struct {
	*tiles
	see    []Span
	first  int // key, from which on keys and values are counted
	keys   int
	dim    int
	alpha  float32
	ranges []Span // of the keys that the queries of a tile see, counted from first on

	weights, grads []float32 // of a block: rows of stride numbers, of which those of keys that are not seen are 0
	stride         int
	mean           [1]float32

	kT, vT, k, v panels
	q, dy        panels // of a block
}

// weightRoom is how many weights of a block there are at least room for: with their gradients they stay in the second-level cache.
const weightRoom = 1 << 15

// leastPanels is how many numbers there is at least room for in panels.
const leastPanels = 1 << 12

// leastQueries is the number of queries of a block, however many keys there are.
const leastQueries = 48

// Visible returns the keys that any query sees, as one span.
func Visible(see []Span) Span {
	all := Span{math.MaxInt, 0}
	for _, s := range see {
		if s.To > s.From {
			all = Span{min(all.From, s.From), max(all.To, s.To)}
		}
	}
	if all.To == 0 {
		return Span{}
	}
	return all
}

// Set takes over a sequence: what its queries see, and the keys and values of Visible(see), rows of dim numbers. They must stay
// as they are while h is used, see too. Weights are softmax(alpha q·k).
func (h *Heads) Set(k, v Mat, dim int, see []Span, alpha float32, backward bool) {
	all := Visible(see)
	h.tiles, h.see, h.first, h.keys, h.dim, h.alpha = tilesOf(isa), see, all.From, all.To-all.From, dim, alpha
	if h.keys == 0 {
		return
	}
	k.check("Heads: k", h.keys, dim)
	v.check("Heads: v", h.keys, dim)
	h.stride = ceil(h.keys, lanes)*lanes + lanes // no power of two, whose rows would crowd each other out of the cache
	h.ranges = h.ranges[:0]
	for i := 0; i < len(see); i += h.rows {
		s := Visible(see[i:min(i+h.rows, len(see))])
		if s.To > 0 {
			s.From, s.To = s.From-h.first, s.To-h.first
		}
		h.ranges = append(h.ranges, s)
	}
	h.kT.pack(h.tiles, k.transposed(), dim, h.keys)
	if backward {
		h.k.pack(h.tiles, k, h.keys, dim)
		h.vT.pack(h.tiles, v.transposed(), dim, h.keys)
	} else {
		h.v.pack(h.tiles, v, h.keys, dim)
	}
}

func (x Mat) transposed() Mat { x.Trans = !x.Trans; return x }

// blocks calls f for the tiles of queries [t0, t1) of each block.
func (h *Heads) blocks(f func(t0, t1 int)) {
	tiles := max(leastQueries, weightRoom/h.stride) / h.rows
	for t := 0; t < len(h.ranges); t += tiles {
		f(t, min(t+tiles, len(h.ranges)))
	}
}

// queries are the rows of tiles [t0, t1).
func (h *Heads) queries(t0, t1 int) (from, to int) { return t0 * h.rows, min(t1*h.rows, len(h.see)) }

// Forward sets y to the result for the queries q of a head, rows of dim numbers. kept, unless it is nil, gets two numbers for each
// query, which Backward needs.
func (h *Heads) Forward(y, q Mat, kept []float32) {
	y.check("Heads: y", len(h.see), h.dim)
	q.check("Heads: q", len(h.see), h.dim)
	if h.keys == 0 {
		for i := range h.see {
			clear(y.Data[i*y.Stride:][:h.dim])
		}
		return
	}
	h.blocks(func(t0, t1 int) {
		from, to := h.queries(t0, t1)
		w := h.room(&h.weights, to-from)
		h.scores(w, q, &h.kT, t0, t1)
		for i := from; i < to; i++ {
			if row := h.row(w, i, from, h.ranges[i/h.rows]); len(row) > 0 {
				shift, sum := softmax(row, h.alpha)
				if kept != nil {
					kept[2*i], kept[2*i+1] = shift, 1/max(sum, 1) // 1 comes from the greatest, unless all are -Inf
				}
			}
		}
		h.mix(y, w, &h.v, t0, t1, false)
	})
}

// Backward adds to dq the gradients of a head's queries, and to dk and dv those of the keys and values, rows of Visible, given the
// gradient dy of the result y and what Forward kept.
func (h *Heads) Backward(dq, dk, dv, dy, y, q Mat, kept []float32) {
	if h.keys == 0 {
		return
	}
	dq.check("Heads: dq", len(h.see), h.dim)
	dk.check("Heads: dk", h.keys, h.dim)
	dv.check("Heads: dv", h.keys, h.dim)
	dy.check("Heads: dy", len(h.see), h.dim)
	y.check("Heads: y", len(h.see), h.dim)
	q.check("Heads: q", len(h.see), h.dim)
	h.blocks(func(t0, t1 int) {
		from, to := h.queries(t0, t1)
		w, dw := h.room(&h.weights, to-from), h.room(&h.grads, to-from)
		h.scores(w, q, &h.kT, t0, t1)
		h.scores(dw, dy, &h.vT, t0, t1)
		all := h.visible(t0, t1)
		for i := from; i < to; i++ {
			row, drow := h.row(w, i, from, all), h.row(dw, i, from, all)
			if len(row) > 0 {
				// The mean of a weight's gradient is dy · y: no sum over the keys is needed.
				use().dots(h.mean[:], dy.Data[i*dy.Stride:][:h.dim], y.Data[i*y.Stride:][:h.dim], h.dim)
				use().softmaxAgain(row, drow, kept[2*i], kept[2*i+1], h.mean[0], h.alpha)
			}
		}
		h.mix(dq, dw, &h.k, t0, t1, true)
		h.q.pack(h.tiles, q.from(from, 0), to-from, h.dim)
		h.dy.pack(h.tiles, dy.from(from, 0), to-from, h.dim)
		h.gather(dk, dw, &h.q, t0, t1)
		h.gather(dv, w, &h.dy, t0, t1)
	})
}

// room is where the weights of n queries are.
func (h *Heads) room(x *[]float32, n int) []float32 {
	if n *= h.stride; cap(*x) < n {
		*x = Floats(max(n, weightRoom))
	}
	return (*x)[:n]
}

// visible are the keys that tiles [t0, t1) see, from the beginning of a tile of keys to the end of one.
func (h *Heads) visible(t0, t1 int) Span {
	all := Visible(h.ranges[t0:t1])
	return Span{all.From / h.rows * h.rows, min(ceil(all.To, h.rows)*h.rows, h.keys)}
}

// row returns the weights of query i, those of keys that it sees, and makes the others of keys within 0. w begins with query from.
func (h *Heads) row(w []float32, i, from int, within Span) []float32 {
	w = w[(i-from)*h.stride:][:h.keys]
	lo, hi := h.see[i].From-h.first, h.see[i].To-h.first
	if hi <= lo {
		clear(w[within.From:within.To])
		return nil
	}
	if within.From < lo {
		clear(w[within.From:lo])
	}
	if hi < within.To {
		clear(w[hi:within.To])
	}
	return w[lo:hi]
}

// scores sets to q b the numbers of w that tiles [t0, t1) of queries see, and perhaps others. b has a column for each key.
func (h *Heads) scores(w []float32, q Mat, b *panels, t0, t1 int) {
	first, _ := h.queries(t0, t1)
	for j := 0; j*h.wide.width < h.keys; j++ {
		lo, hi := h.seeing(t0, t1, j*h.wide.width, (j+1)*h.wide.width)
		if lo < hi {
			from, to := h.queries(lo, hi)
			b.mul(w[(from-first)*h.stride+j*h.wide.width:], h.stride, q.from(from, 0), to-from, j, 0, h.dim, false)
		}
	}
}

// seeing returns the tiles of [t0, t1) from the first to the last that see one of the keys from to to.
func (h *Heads) seeing(t0, t1, from, to int) (lo, hi int) {
	sees := func(s Span) bool { return s.From < to && from < s.To }
	for t0 < t1 && !sees(h.ranges[t0]) {
		t0++
	}
	for t0 < t1 && !sees(h.ranges[t1-1]) {
		t1--
	}
	return t0, t1
}

// mix sets c to w b for tiles [t0, t1) of queries, or adds it. b has a row for each key.
func (h *Heads) mix(c Mat, w []float32, b *panels, t0, t1 int, add bool) {
	first, _ := h.queries(t0, t1)
	for t := t0; t < t1; t++ {
		from, to := h.queries(t, t+1)
		s := h.ranges[t]
		a := Mat{Data: w[(from-first)*h.stride+s.From:], Stride: h.stride}
		if s.To == s.From {
			if !add {
				for i := from; i < to; i++ {
					clear(c.Data[i*c.Stride:][:h.dim])
				}
			}
			continue
		}
		for j := 0; j*h.wide.width < h.dim; j++ {
			b.mul(c.Data[from*c.Stride+j*h.wide.width:], c.Stride, a, to-from, j, s.From, s.To-s.From, add)
		}
	}
}

// gather adds wᵀ b to c, a row for each key. b has a row for each query of tiles [t0, t1).
func (h *Heads) gather(c Mat, w []float32, b *panels, t0, t1 int) {
	first, _ := h.queries(t0, t1)
	for key := 0; key < h.keys; key += h.rows {
		rows := min(h.rows, h.keys-key)
		lo, hi := h.seeing(t0, t1, key, key+rows)
		if lo == hi {
			continue
		}
		from, to := h.queries(lo, hi)
		a := Mat{Data: w[(from-first)*h.stride+key:], Stride: h.stride, Trans: true}
		for j := 0; j*h.wide.width < h.dim; j++ {
			b.mul(c.Data[key*c.Stride+j*h.wide.width:], c.Stride, a, rows, j, from-first, to-from, true)
		}
	}
}

// panels are the matrix B of several products, k x n, packed once as the tiles read it.
type panels struct {
	*tiles
	k, n  int
	words []float32 // panel after panel
}

// pack takes over b.
func (p *panels) pack(t *tiles, b Mat, k, n int) {
	p.tiles, p.k, p.n = t, k, n
	size := k * t.wide.width
	if all := ceil(n, t.wide.width) * size; cap(p.words) < all {
		p.words = Floats(max(all, 2*cap(p.words), leastPanels)) // others have other lengths
	}
	p.words = p.words[:ceil(n, t.wide.width)*size]
	for j := 0; j*t.wide.width < n; j++ {
		dst, src := p.words[j*size:(j+1)*size], b.from(0, j*t.wide.width)
		cols, shape := p.shape(j)
		if !b.Trans {
			shape.copyRows(dst, src.Data, src.Stride, cols, k)
			continue
		}
		if cols < shape.width {
			clear(dst)
		}
		transpose(dst, shape.width, src.Data, src.Stride, cols, k)
	}
}

// shape returns how many columns panel j has and the kernels for it.
func (p *panels) shape(j int) (cols int, shape *tileShape) {
	cols = min(p.wide.width, p.n-j*p.wide.width)
	if cols <= p.narrow.width {
		return cols, &p.narrow
	}
	return cols, &p.wide
}

// mul sets C to the product of m rows of A and rows [k0, k0+k) of panel j, or adds it.
func (p *panels) mul(c []float32, ldc int, a Mat, m, j, k0, k int, add bool) {
	cols, shape := p.shape(j)
	b := p.words[j*p.k*p.wide.width+k0*shape.width:]
	rs, cs := a.strides()
	whole := m / p.rows
	if whole > 0 {
		shape.tile[p.rows](whole, k, a.Data, rs, cs, b, c, ldc, cols, add)
	}
	if rest := m % p.rows; rest > 0 {
		done := whole * p.rows
		shape.tile[rest](1, k, a.Data[done*rs:], rs, cs, b, c[done*ldc:], ldc, cols, add)
	}
}
