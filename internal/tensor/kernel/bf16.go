package kernel

import (
	"math"

	"nfcot/internal/ckpt/half"
)

// Products of numbers rounded to bfloat16, the upper half of a float32, and summed in float32. This file knows how operands are
// rounded; their product is computed as in gemm.go.
//
// Where the processor multiplies pairs of bfloat16, numbers 2p and 2p+1 along k are kept as the low and the high half of a
// word, in slices of float32 whose values mean nothing, and k counts the pairs. Elsewhere they are rounded float32 numbers, the
// two of a pair exchanged. Either way the pair's products are added to a sum one after the other, that of 2p+1 first, each as a
// fused multiply-add: that is what VDPBF16PS does, except that it takes subnormal numbers for 0. A matrix unit (AMX) sums in an
// order of its own: see amxTile.

// GemmBF16 is Gemm with A and B rounded to bfloat16.
func GemmBF16(c []float32, ldc int, a, b Mat, m, n, k int, accumulate bool) {
	if p := begin(c, ldc, a, b, m, n, k, accumulate); p != nil {
		p.a = p.round(p.a, &p.roundedA, m, !a.Trans)
		p.b = p.round(p.b, &p.roundedB, n, b.Trans)
		p.countPairs()
		p.run()
		p.end()
	}
}

// pad is how much longer than its numbers a rounded row is, so that rows do not lie a power of two apart, where caches have too
// few places for them.
const pad = 16

// pairBlock is the number of pairs that rows are filled up to with zeros: a step of a matrix unit.
const pairBlock = 16

// pairsOf is the number of pairs that n numbers take.
func pairsOf(n int) int { return ceil(n, 2*pairBlock) * pairBlock }

// countPairs makes k count what rounded operands hold, and takes the tiles for it.
func (p *product) countPairs() {
	p.k = p.roundedSteps()
	if p.pairs != nil {
		p.tiles = p.pairs
	}
}

// roundedSteps is what k becomes by rounding the operands.
func (p *product) roundedSteps() int {
	if p.pairs != nil {
		return pairsOf(p.k)
	}
	return 2 * pairsOf(p.k)
}

// round returns a rounded copy of x, which has n rows or columns of k numbers each. along says that the k numbers lie side by
// side. The copy is made in room, which grows.
func (p *product) round(x Mat, room *[]float32, n int, along bool) Mat {
	r := &p.rounder
	r.from, r.n, r.k, r.along, r.pairs = x, n, p.k, along, p.pairs != nil
	steps, groups := p.roundedSteps(), ceil(n, lanes)
	r.to = Mat{Stride: groups * lanes, Trans: x.Trans}
	r.turn = !along && x.Trans && r.pairs && p.pairs.rowsOfA
	if along || r.turn {
		r.to.Stride, r.to.Trans = steps+pad, x.Trans && along
	}
	size := groups * lanes * steps
	if along || r.turn {
		size = n * r.to.Stride
	}
	if cap(*room) < size {
		*room = Floats(size)
	}
	r.to.Data = (*room)[:size]
	Run(groups, max(1, shareWork/4/(lanes*p.k)), r)
	y := r.to
	r.from, r.to = Mat{}, Mat{}
	return y
}

// rounder makes a rounded copy of an operand.
type rounder struct {
	from, to     Mat
	n, k         int
	along, pairs bool
	turn         bool // what lies across comes to lie along
}

// Do rounds the groups lo to hi of lanes rows or columns.
func (r *rounder) Do(lo, hi int) {
	for i := lo * lanes; i < min(hi*lanes, r.n); i += lanes {
		n := min(lanes, r.n-i)
		switch {
		case r.turn:
			r.turned(i, n)
			continue
		case !r.along:
			r.across(r.to.Data[i:], r.from.Data[i:], n)
			continue
		}
		for j := i; j < i+n; j++ {
			dst, src := r.to.Data[j*r.to.Stride:][:r.to.Stride], r.from.Data[j*r.from.Stride:][:r.k]
			if r.pairs {
				roundPairs(dst, src)
			} else {
				roundExchanged(dst, src)
			}
		}
	}
}

// turned pairs up n columns from i on to rows.
func (r *rounder) turned(i, n int) {
	buffer := panelBuffers.Get().(*[32 * kBlock]float32)
	defer panelBuffers.Put(buffer)
	dst := r.to.Data[i*r.to.Stride:]
	for k := 0; k < r.k; k += 2 * kBlock {
		rows := min(2*kBlock, r.k-k)
		pairRows(buffer[:], lanes, r.from.Data[k*r.from.Stride+i:], r.from.Stride, n, rows)
		transpose(dst[k/2:], r.to.Stride, buffer[:], lanes, ceil(rows, 2), n)
	}
	for j := range n {
		clear(dst[j*r.to.Stride+ceil(r.k, 2) : (j+1)*r.to.Stride])
	}
}

// across rounds n columns.
func (r *rounder) across(dst, src []float32, n int) {
	if r.pairs {
		pairRows(dst, r.to.Stride, src, r.from.Stride, n, r.k)
	} else {
		for i := range (r.k + 1) &^ 1 {
			row := dst[i*r.to.Stride:][:n]
			if i^1 >= r.k {
				clear(row)
				continue
			}
			for j, v := range src[(i^1)*r.from.Stride:][:n] {
				row[j] = half.RoundBF16(v)
			}
		}
	}
	done := (r.k + 1) / 2
	if !r.pairs {
		done *= 2
	}
	for at := done * r.to.Stride; at < len(dst); at += r.to.Stride {
		clear(dst[at:][:n])
	}
}

// pair is the word that holds two numbers, rounded.
func pair(low, high float32) float32 {
	return math.Float32frombits(math.Float32bits(half.RoundBF16(low))>>16 | math.Float32bits(half.RoundBF16(high)))
}

// halfOf returns the low (0) or high (1) number of a pair.
func halfOf(pair float32, which int) float32 {
	return math.Float32frombits(math.Float32bits(pair) >> (16 * which) << 16)
}

// roundExchanged rounds src, the numbers of each pair exchanged, and fills dst up with zeros.
func roundExchanged(dst, src []float32) {
	n := len(src) &^ 1
	for i := 0; i < n; i += 2 {
		dst[i], dst[i+1] = half.RoundBF16(src[i+1]), half.RoundBF16(src[i])
	}
	clear(dst[n:])
	if n < len(src) {
		dst[n+1] = half.RoundBF16(src[n])
	}
}

// roundPairs rounds src to pairs and fills dst up with zeros.
func roundPairs(dst, src []float32) {
	n := len(src) &^ (2*lanes - 1)
	use().roundWords(dst[:n/2], src[:n])
	roundPairsGeneric(dst[n/2:], src[n:])
}

func roundPairsGeneric(dst, src []float32) {
	n := len(src) / 2
	for i := range n {
		dst[i] = pair(src[2*i], src[2*i+1])
	}
	clear(dst[n:])
	if 2*n < len(src) {
		dst[n] = pair(src[2*n], 0)
	}
}

// pairRows pairs up the k rows of src, of cols <= lanes columns and stride apart. Rows of pairs lie width apart in dst, where
// lanes columns are written.
func pairRows(dst []float32, width int, src []float32, stride, cols, k int) {
	n := k / 2
	use().pairUp(dst, width, src, stride, cols, n)
	if 2*n < k {
		row := dst[n*width:][:lanes]
		clear(row)
		for j, v := range src[2*n*stride:][:cols] {
			row[j] = pair(v, 0)
		}
	}
}

// pairUpGeneric pairs up 2n rows.
func pairUpGeneric(dst []float32, width int, src []float32, stride, cols, n int) {
	for i := range n {
		row := dst[i*width:][:lanes]
		clear(row)
		for j, v := range src[2*i*stride:][:cols] {
			row[j] = pair(v, src[(2*i+1)*stride+j])
		}
	}
}

// widenPairsGeneric widens n rows of width pairs to twice as many rows of float32, those of a pair exchanged.
func widenPairsGeneric(dst, src []float32, width, n int) {
	for i := range n {
		for j, v := range src[i*width:][:width] {
			dst[2*i*width+j], dst[(2*i+1)*width+j] = halfOf(v, 1), halfOf(v, 0)
		}
	}
}
