package kernel

import (
	"math"

	"nfcot/internal/ckpt/half"
)

// Products of numbers rounded to bfloat16, the upper half of a float32, and summed in float32. This file knows how operands are
// rounded; their product is computed as in gemm.go.
//
// Numbers 2p and 2p+1 along k are a pair. Its products are added to a sum one after the other, that of 2p+1 first, each as a
// fused multiply-add that takes subnormal numbers for 0 and gives 0 for them (with their sign); after the last numbers follow
// zeros up to a multiple of 2*pairBlock. That is what VDPBF16PS does with pairs of bfloat16 in the low and the high half of a
// word, kept in slices of float32 whose values mean nothing. Not every processor has it, nor is it always faster than
// multiply-adds of float32 with operands rounded on the way: so there are tiles of both kinds (pairs and rounded), which give
// the same bits. Only a matrix unit (AMX) sums in an order of its own: see amxTile.

// GemmBF16 is Gemm with A and B rounded to bfloat16.
func GemmBF16(c []float32, ldc int, a, b Mat, m, n, k int, accumulate bool) {
	gemmBF16(c, ldc, a, b, m, n, k, accumulate, false)
}

// GemmRounded is GemmBF16 of an A that is rounded already (RoundBF16), which saves time where RoundsFactors says so.
func GemmRounded(c []float32, ldc int, a, b Mat, m, n, k int, accumulate bool) {
	inPlace := k%(2*pairBlock) == 0 // shorter rows have to be copied, with zeros behind them
	gemmBF16(c, ldc, a, b, m, n, k, accumulate, inPlace)
}

// gemmBF16 is GemmBF16; aRounded says that A is rounded and can be read where it lies.
func gemmBF16(c []float32, ldc int, a, b Mat, m, n, k int, accumulate, aRounded bool) {
	if p := begin(c, ldc, a, b, m, n, k, accumulate); p != nil {
		if multipliesPairs() {
			p.a = p.pairUp(p.a, &p.roundedA, m, !a.Trans)
			p.b = p.pairUp(p.b, &p.roundedB, n, b.Trans)
			p.k, p.tiles = pairsOf(k), p.pairs
		} else {
			p.rounds, p.aRounded, p.tiles = true, aRounded, p.rounded
		}
		p.run()
		p.end()
	}
}

// multipliesPairs says whether products of factors rounded to bfloat16 are made of pairs.
func multipliesPairs() bool { return use().tiles.pairs != nil && pairsFaster }

// RoundsFactors says whether products round their factors to bfloat16 on the way: rounding one that has several of them in
// advance, with RoundBF16, then saves time. It changes no result.
func RoundsFactors() bool { return !multipliesPairs() }

// RoundBF16 rounds x to the nearest bfloat16, the even one on a tie. A NaN loses its payload.
func RoundBF16(x []float32) { use().roundRows(x, len(x), x, len(x), len(x), 1) }

// steps is the number of steps of the tiles along kc numbers, all of them or a multiple of a block.
func (p *product) steps(kc int) int {
	if p.rounds {
		return 2 * pairsOf(kc)
	}
	return kc
}

// copyOfA returns a copy of the n x k matrix a, with zeros for the columns up to a whole number of pairBlocks. It lies in room,
// which grows, as a does. rounded says that it is one rounded to bfloat16.
func copyOfA(room *[]float32, a Mat, n, k int, rounded bool) Mat {
	steps := 2 * pairsOf(k)
	rows, cols, size := n, k, n*(steps+pad)
	to := Mat{Stride: steps + pad, Trans: a.Trans}
	if a.Trans {
		to.Stride = ceil(n, lanes)*lanes + pad
		rows, cols, size = k, n, steps*to.Stride
	}
	*room = grow(*room, size)
	to.Data = *room
	if rounded {
		use().roundRows(to.Data, to.Stride, a.Data, a.Stride, cols, rows)
	} else {
		for i := range rows {
			copy(to.Data[i*to.Stride:][:cols], a.Data[i*a.Stride:])
		}
	}
	if a.Trans {
		clear(to.Data[k*to.Stride:])
		return to
	}
	for i := 0; i < n && k < steps; i++ {
		clear(to.Data[i*to.Stride+k : (i+1)*to.Stride])
	}
	return to
}

// grow returns x with room for n numbers, whose values mean nothing.
func grow(x []float32, n int) []float32 {
	if cap(x) < n {
		return Floats(n)
	}
	return x[:n]
}

// roundRowsGeneric rounds n rows of cols numbers, stride apart in src, to rows that lie width apart in dst.
func roundRowsGeneric(dst []float32, width int, src []float32, stride, cols, n int) {
	for i := range n {
		row := dst[i*width:][:cols]
		for j, v := range src[i*stride:][:cols] {
			row[j] = half.RoundBF16(v)
		}
	}
}

// pad is how much longer than its numbers a rounded row is, so that rows do not lie a power of two apart, where caches have too
// few places for them.
const pad = 16

// pairBlock is the number of pairs that rows are filled up to with zeros: a step of a matrix unit.
const pairBlock = 16

// pairsOf is the number of pairs that n numbers take.
func pairsOf(n int) int { return ceil(n, 2*pairBlock) * pairBlock }

// pairUp returns a copy of x in pairs, which has n rows or columns of k numbers each. along says that the k numbers lie side by
// side. The copy is made in room, which grows.
func (p *product) pairUp(x Mat, room *[]float32, n int, along bool) Mat {
	r := &p.rounder
	r.from, r.n, r.k, r.along = x, n, p.k, along
	steps, groups := pairsOf(p.k), ceil(n, lanes)
	r.to = Mat{Stride: groups * lanes, Trans: x.Trans}
	r.turn = !along && x.Trans && p.pairs.rowsOfA
	if along || r.turn {
		r.to.Stride, r.to.Trans = steps+pad, x.Trans && along
	}
	size := groups * lanes * steps
	if along || r.turn {
		size = n * r.to.Stride
	}
	*room = grow(*room, size)
	r.to.Data = *room
	Run(groups, max(1, shareWork/4/(lanes*p.k)), r)
	y := r.to
	r.from, r.to = Mat{}, Mat{}
	return y
}

// rounder makes a copy of an operand in pairs.
type rounder struct {
	from, to Mat
	n, k     int
	along    bool
	turn     bool // what lies across comes to lie along
}

// Do rounds the groups lo to hi of lanes rows or columns.
func (r *rounder) Do(lo, hi int) {
	for i := lo * lanes; i < min(hi*lanes, r.n); i += lanes {
		n := min(lanes, r.n-i)
		switch {
		case r.turn:
			r.turned(i, n)
		case r.along:
			for j := i; j < i+n; j++ {
				roundPairs(r.to.Data[j*r.to.Stride:][:r.to.Stride], r.from.Data[j*r.from.Stride:][:r.k])
			}
		default:
			r.across(r.to.Data[i:], r.from.Data[i:], n)
		}
	}
}

// turned pairs up n columns from i on to rows.
func (r *rounder) turned(i, n int) {
	room := rooms.Get().(*room)
	defer rooms.Put(room)
	buffer := room.panel[:]
	dst := r.to.Data[i*r.to.Stride:]
	for k := 0; k < r.k; k += 2 * kBlock {
		rows := min(2*kBlock, r.k-k)
		pairRows(buffer, lanes, r.from.Data[k*r.from.Stride+i:], r.from.Stride, n, rows)
		transpose(dst[k/2:], r.to.Stride, buffer, lanes, ceil(rows, 2), n)
	}
	for j := range n {
		clear(dst[j*r.to.Stride+ceil(r.k, 2) : (j+1)*r.to.Stride])
	}
}

// across pairs up n columns.
func (r *rounder) across(dst, src []float32, n int) {
	pairRows(dst, r.to.Stride, src, r.from.Stride, n, r.k)
	for at := ceil(r.k, 2) * r.to.Stride; at < len(dst); at += r.to.Stride {
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

// widenPairsGeneric widens n rows of width pairs to twice as many rows of float32.
func widenPairsGeneric(dst, src []float32, width, n int) {
	for i := range n {
		for j, v := range src[i*width:][:width] {
			dst[2*i*width+j], dst[(2*i+1)*width+j] = halfOf(v, 0), halfOf(v, 1)
		}
	}
}
