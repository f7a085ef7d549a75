package tensor

import (
	"math"

	"nfcot/internal/tensor/kernel"
)

// Rotary holds the angles of rotary position embeddings (Su et al., 2021), in
// Hugging Face's convention: pair (j, j + HeadDim/2) of a head turns by
// pos · theta^(-2j/HeadDim).
type Rotary struct {
	HeadDim  int
	cos, sin []float32 // [position, HeadDim/2]
}

// NewRotary tabulates the angles of positions 0..positions-1.
func NewRotary(headDim int, theta float64, positions int) *Rotary {
	half := headDim / 2
	r := &Rotary{headDim, make([]float32, positions*half), make([]float32, positions*half)}
	for j := range half {
		freq := math.Pow(theta, -float64(2*j)/float64(headDim))
		for p := range positions {
			sin, cos := math.Sincos(float64(p) * freq)
			r.cos[p*half+j], r.sin[p*half+j] = float32(cos), float32(sin)
		}
	}
	return r
}

// Positions is the number of positions tabulated.
func (r *Rotary) Positions() int { return len(r.cos) / (r.HeadDim / 2) }

// turn adds to dst the heads of src, turned by the angle of position pos, or
// back by it when sign is -1.
func (r *Rotary) turn(dst, src []float32, pos int, sign float32) {
	half := r.HeadDim / 2
	cos, sin := r.cos[pos*half:(pos+1)*half], r.sin[pos*half:(pos+1)*half]
	for h := 0; h < len(src); h += r.HeadDim {
		a, b := src[h:h+half], src[h+half:h+2*half]
		da, db := dst[h:h+half], dst[h+half:h+2*half]
		for j, c := range cos {
			s := sign * sin[j]
			da[j] += a[j]*c - b[j]*s
			db[j] += b[j]*c + a[j]*s
		}
	}
}

// Rope turns each head of row r by the angle of position pos[r].
// x [R, nh·hd] → y [R, nh·hd]
func (t *Tape) Rope(x *Tensor, pos []int, rot *Rotary) *Tensor {
	y := t.outZero(x.Rows(), x.Cols(), x)
	forRows(len(pos), x.Cols(), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			rot.turn(y.Row(r), x.Row(r), pos[r], 1)
		}
	})
	t.record(y, func() {
		forRows(len(pos), x.Cols(), func(lo, hi int) {
			for r := lo; r < hi; r++ {
				rot.turn(x.gradRow(r), y.gradRow(r), pos[r], -1)
			}
		})
	})
	return y
}

// A Span is the half-open range [From, To) of rows that a query may see.
type Span struct{ From, To int }

// Attention mixes values: row r of q looks at rows see[r] of k and v, with
// weights softmax(q k / sqrt(hd)). Heads of q share heads of k and v in groups.
// q [R, nh·hd], k and v [S, nkv·hd] → y [R, nh·hd]
func (t *Tape) Attention(q, k, v *Tensor, see []Span, hd int) *Tensor {
	nh, kvCols := q.Cols()/hd, k.Cols()
	group := q.Cols() / kvCols
	scale := float32(1 / math.Sqrt(float64(hd)))
	y := t.outZero(q.Rows(), q.Cols(), q, k, v)

	at := make([]int, len(see)+1) // where the weights of a row begin
	for r, s := range see {
		at[r+1] = at[r] + nh*(s.To-s.From)
	}
	probs := t.raw(at[len(see)])
	rowProbs := func(r, h int) []float32 {
		n := see[r].To - see[r].From
		return probs[at[r]+h*n : at[r]+(h+1)*n]
	}
	work := 2 * q.Cols() * (1 + at[len(see)]/max(1, nh*len(see)))
	forRows(len(see), work, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			for h := range nh {
				from, p := see[r].From*kvCols+h/group*hd, rowProbs(r, h)
				kernel.Dots(p, q.Row(r)[h*hd:(h+1)*hd], k.Data[from:], kvCols)
				scaledSoftmax(p, scale)
				kernel.Axpys(y.Row(r)[h*hd:(h+1)*hd], p, v.Data[from:], kvCols)
			}
		}
	})
	t.record(y, func() {
		dq, dk, dv := q.Grad, k.Grad, v.Grad
		for _, g := range []struct {
			grad *[]float32
			x    *Tensor
		}{{&dq, q}, {&dk, k}, {&dv, v}} {
			if *g.grad == nil {
				*g.grad = t.zeros(len(g.x.Data))
			}
		}
		streams := separate(see)
		nkv := kvCols / hd
		scratch := t.raw(at[len(see)]) // d loss / d weight, a place for each
		// Queries of one stream add to the gradients of the same keys: a stream
		// and a head of keys go to one worker.
		kernel.Parallel(len(streams)*nkv, 1, func(lo, hi int) {
			for task := lo; task < hi; task++ {
				for r := streams[task/nkv].From; r < streams[task/nkv].To; r++ {
					for h := task % nkv * group; h < (task%nkv+1)*group; h++ {
						from, p := see[r].From*kvCols+h/group*hd, rowProbs(r, h)
						ds := scratch[at[r]+h*len(p) : at[r]+(h+1)*len(p)]
						dy := y.gradRow(r)[h*hd : (h+1)*hd]
						kernel.Dots(ds, dy, v.Data[from:], kvCols)
						mean := kernel.Dot(p, ds)
						for j, w := range p {
							ds[j] = scale * w * (ds[j] - mean)
						}
						head := r*len(q.Row(r)) + h*hd
						kernel.Axpys(dq[head:head+hd], ds, k.Data[from:], kvCols)
						kernel.Outers(dk[from:], kvCols, ds, q.Data[head:head+hd])
						kernel.Outers(dv[from:], kvCols, p, dy)
					}
				}
			}
		})
	})
	return y
}

// separate cuts rows into the shortest runs such that no two runs see a row in
// common.
func separate(see []Span) (runs []Span) {
	keys := 0
	for _, s := range see {
		keys = max(keys, s.To)
	}
	last := make([]int, keys) // the last query that sees a key
	for r, s := range see {
		for k := s.From; k < s.To; k++ {
			last[k] = r
		}
	}
	end := -1 // the last query that shares a key with the present run
	for r, s := range see {
		if r > end {
			runs = append(runs, Span{r, r})
		}
		for k := s.From; k < s.To; k++ {
			end = max(end, last[k])
		}
		runs[len(runs)-1].To = r + 1
	}
	return runs
}

// scaledSoftmax replaces x by softmax(scale·x).
func scaledSoftmax(x []float32, scale float32) {
	for i := range x {
		x[i] *= scale
	}
	kernel.Softmax(x)
}

// A Run is a stretch of keys and values, row after row, each [n, nkv·hd].
type Run struct{ K, V []float32 }

// Attend is Attention for one query row that sees the first n rows of a past
// which lies in several runs, and without a way back: what decoding needs. The
// order of summation is that of Attention.
// q, y [nh·hd]; scratch [n]
func Attend(y, q []float32, past []Run, n, kvCols, hd int, scratch []float32) {
	scale := float32(1 / math.Sqrt(float64(hd)))
	group := len(q) / kvCols
	p := scratch[:n]
	for h := range len(q) / hd {
		kv, q, y := h/group*hd, q[h*hd:(h+1)*hd], y[h*hd:(h+1)*hd]
		each := func(f func(p, k, v []float32)) {
			seen := 0
			for _, r := range past {
				if rows := min(n-seen, len(r.K)/kvCols); rows > 0 {
					f(p[seen:seen+rows], r.K[kv:], r.V[kv:])
					seen += rows
				}
			}
		}
		each(func(p, k, _ []float32) { kernel.Dots(p, q, k, kvCols) })
		scaledSoftmax(p, scale)
		each(func(p, _, v []float32) { kernel.Axpys(y, p, v, kvCols) })
	}
}
