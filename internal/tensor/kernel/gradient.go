package kernel

import "sync"

// The gradient of a weight is a product whose sums run over all rows of a batch, which no cache holds. This file cuts it so that
// both factors are read from the second-level cache, and knows nothing of how Gemm computes a piece.

const (
	gradientRows    = 256               // rows of the batch taken at a time
	paddedRows      = gradientRows + 16 // apart in memory when dy is transposed: a power of two would crowd them again
	leastOutputs    = 64                // outputs that are worth copying a panel of x
	mostOutputs     = 256               // outputs whose share of dy stays in the second-level cache
	leastInputs     = 64                // inputs that are worth transposing dy
	farRows         = 4 << 10           // bytes between rows of dy from which on they crowd each other out of the first-level cache
	piecesPerWorker = 2                 // so that a worker that loses its core delays the others little
)

// WeightGradient sets dw = dyᵀ x, or adds dyᵀ x to dw when accumulate: the gradient of a weight w of y = x wᵀ. dy has rows rows of
// outputs elements, stride apart, x rows of inputs elements; dw is outputs x inputs. dw must not overlap the others. Its
// bits are those of Gemm.
func WeightGradient(dw, dy []float32, stride int, x []float32, rows, outputs, inputs int, accumulate bool) {
	if rows == 0 || outputs == 0 || inputs == 0 {
		Gemm(dw, inputs, Mat{Data: dy, Stride: stride, Trans: true}, Mat{Data: x, Stride: inputs}, outputs, inputs, rows, accumulate)
		return
	}
	checkRows("WeightGradient: dy", len(dy), stride, rows, outputs)
	checkRows("WeightGradient: x", len(x), inputs, rows, inputs)
	checkRows("WeightGradient: dw", len(dw), inputs, outputs, inputs)
	g := gradients.Get().(*gradient)
	g.dw, g.dy, g.x = dw, dy, x
	g.stride, g.rows, g.outputs, g.inputs, g.accumulate = stride, rows, outputs, inputs, accumulate
	wanted := piecesPerWorker * Threads()
	g.high = min(max(ceil(outputs, wanted), leastOutputs), mostOutputs)
	down := ceil(outputs, g.high)
	g.wide = ceil(max(leastInputs, ceil(inputs, ceil(wanted, down))), 32) * 32 // whole panels
	g.across = ceil(inputs, g.wide)
	pieces := down * g.across
	runChunks(pieces, max(ceil(pieces, wanted), 1+shareWork*pieces/(rows*outputs*inputs)), g)
	g.dw, g.dy, g.x = nil, nil, nil
	gradients.Put(g)
}

// A gradient is a WeightGradient under way. Its pieces are blocks of dw, high x wide.
type gradient struct {
	dw, dy, x                     []float32
	stride, rows, outputs, inputs int
	accumulate                    bool
	high, wide, across            int
}

var (
	gradients    = sync.Pool{New: func() any { return new(gradient) }}
	transposedDY = sync.Pool{New: func() any { return new([mostOutputs * paddedRows]float32) }}
)

// Do computes pieces lo to hi, all of them for some rows before the next rows: dy and x then come from memory once.
func (g *gradient) Do(lo, hi int) {
	buffer := transposedDY.Get().(*[mostOutputs * paddedRows]float32)
	defer transposedDY.Put(buffer)
	for r := 0; r < g.rows; r += gradientRows {
		rows := min(gradientRows, g.rows-r)
		for piece := lo; piece < hi; piece++ {
			o, i := piece/g.across*g.high, piece%g.across*g.wide
			outputs, inputs := min(g.high, g.outputs-o), min(g.wide, g.inputs-i)
			dy := Mat{Data: g.dy[r*g.stride+o:], Stride: g.stride, Trans: true}
			if 4*g.stride >= farRows {
				Transpose(buffer[:], paddedRows, dy.Data, g.stride, rows, outputs)
				dy = Mat{Data: buffer[:], Stride: paddedRows}
			}
			Gemm(g.dw[o*g.inputs+i:], g.inputs, dy, Mat{Data: g.x[r*g.inputs+i:], Stride: g.inputs}, outputs, inputs, rows, g.accumulate || r > 0)
		}
	}
}

const (
	roundedRows    = 128 // rows of the batch taken at a time: a panel of x, rounded, then stays in the first-level cache
	roundedOutputs = 512 // outputs and inputs of a piece, which stays in the second-level cache with what is rounded for it
	roundedInputs  = 512
	leastSide      = 64 // of a piece: rounding one factor for fewer columns of the other is not worth it
)

// WeightGradientBF16 is WeightGradient with dy and x rounded to bfloat16; xRounded says that x is already. Its bits are those of
// GemmBF16.
func WeightGradientBF16(dw, dy []float32, stride int, x []float32, rows, outputs, inputs int, accumulate, xRounded bool) {
	if rows == 0 || outputs == 0 || inputs == 0 || multipliesPairs() {
		GemmBF16(dw, inputs, Mat{Data: dy, Stride: stride, Trans: true}, Mat{Data: x, Stride: inputs}, outputs, inputs, rows, accumulate)
		return
	}
	checkRows("WeightGradientBF16: dy", len(dy), stride, rows, outputs)
	checkRows("WeightGradientBF16: x", len(x), inputs, rows, inputs)
	checkRows("WeightGradientBF16: dw", len(dw), inputs, outputs, inputs)
	g := roundedGradients.Get().(*roundedGradient)
	g.dw, g.dy, g.x, g.xRounded = dw, dy, x, xRounded
	g.stride, g.rows, g.outputs, g.inputs, g.accumulate = stride, rows, outputs, inputs, accumulate
	runChunks(g.cut(Threads()), 1, g)
	g.dw, g.dy, g.x = nil, nil, nil
	roundedGradients.Put(g)
}

// A roundedGradient is a WeightGradientBF16 under way. Both factors are copied for every piece, so pieces are large: few more than
// there are workers.
type roundedGradient struct {
	gradient
	xRounded bool
}

var roundedGradients = sync.Pool{New: func() any { return new(roundedGradient) }}

// cut chooses the sides of the pieces and returns their number: as many for each worker, if they are large enough.
func (g *roundedGradient) cut(workers int) (pieces int) {
	if g.rows*g.outputs*g.inputs < 2*shareWork {
		workers = 1
	}
	down, across := ceil(g.outputs, roundedOutputs), ceil(g.inputs, roundedInputs)
	for {
		g.high, g.wide = ceil(g.outputs, down), ceil(ceil(g.inputs, across), 32)*32 // whole panels
		g.across = ceil(g.inputs, g.wide)
		pieces = ceil(g.outputs, g.high) * g.across
		switch {
		case pieces%workers == 0 || max(g.high, g.wide) <= leastSide:
			return pieces
		case g.high >= g.wide:
			down++
		default:
			across++
		}
	}
}

// Do computes pieces lo to hi, each for all rows.
func (g *roundedGradient) Do(lo, hi int) {
	room := rooms.Get().(*room)
	defer rooms.Put(room)
	for piece := lo; piece < hi; piece++ {
		o, i := piece/g.across*g.high, piece%g.across*g.wide
		outputs, inputs := min(g.high, g.outputs-o), min(g.wide, g.inputs-i)
		for r := 0; r < g.rows; r += roundedRows {
			n := min(roundedRows, g.rows-r)
			dy := roundA(&room.a, Mat{Data: g.dy[r*g.stride+o:], Stride: g.stride, Trans: true}, outputs, n)
			p := begin(g.dw[o*g.inputs+i:], g.inputs, dy, Mat{Data: g.x[r*g.inputs+i:], Stride: g.inputs}, outputs, inputs, n, g.accumulate || r > 0)
			p.rounds, p.aRounded, p.bRounded, p.tiles = true, true, g.xRounded, p.rounded
			p.runAlone()
			p.end()
		}
	}
}
