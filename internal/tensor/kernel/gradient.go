package kernel

import "sync"

// The gradient of a weight is a product whose sums run over all rows of a batch, which no cache holds. This file cuts it so that
// both factors are read from near caches, and knows nothing of how a piece is computed.

const (
	gradientRows    = 128 // rows of the batch taken at a time: a panel of x then stays in the first-level cache
	gradientOutputs = 512 // outputs and inputs of a piece, which stays in the second-level cache with its share of dy
	gradientInputs  = 512
	leastSide       = 64 // of a piece: copying one factor for fewer columns of the other is not worth it
)

// WeightGradient sets dw = dyᵀ x, or adds dyᵀ x to dw when accumulate: the gradient of a weight w of y = x wᵀ. dy has rows rows of
// outputs elements, stride apart, x rows of inputs elements; dw is outputs x inputs. dw must not overlap the others. Its
// bits are those of Gemm.
func WeightGradient(dw, dy []float32, stride int, x []float32, rows, outputs, inputs int, accumulate bool) {
	if rows == 0 || outputs == 0 || inputs == 0 {
		Gemm(dw, inputs, Mat{Data: dy, Stride: stride, Trans: true}, Mat{Data: x, Stride: inputs}, outputs, inputs, rows, accumulate)
		return
	}
	weightGradient(gradient{dw: dw, dy: dy, x: x, stride: stride, rows: rows, outputs: outputs, inputs: inputs, accumulate: accumulate})
}

// WeightGradientBF16 is WeightGradient with dy and x rounded to bfloat16; xRounded says that x is already. Its bits are those of
// GemmBF16.
func WeightGradientBF16(dw, dy []float32, stride int, x []float32, rows, outputs, inputs int, accumulate, xRounded bool) {
	if rows == 0 || outputs == 0 || inputs == 0 || multipliesPairs() {
		GemmBF16(dw, inputs, Mat{Data: dy, Stride: stride, Trans: true}, Mat{Data: x, Stride: inputs}, outputs, inputs, rows, accumulate)
		return
	}
	weightGradient(gradient{dw: dw, dy: dy, x: x, stride: stride, rows: rows, outputs: outputs, inputs: inputs, accumulate: accumulate,
		rounds: true, xRounded: xRounded})
}

func weightGradient(g gradient) {
	checkRows("WeightGradient: dy", len(g.dy), g.stride, g.rows, g.outputs)
	checkRows("WeightGradient: x", len(g.x), g.inputs, g.rows, g.inputs)
	checkRows("WeightGradient: dw", len(g.dw), g.inputs, g.outputs, g.inputs)
	job := gradients.Get().(*gradient)
	*job = g
	runChunks(job.cut(Threads()), 1, job)
	*job = gradient{}
	gradients.Put(job)
}

// A gradient is a WeightGradient under way. Its pieces are blocks of dw, high x wide. Both factors are copied for every piece, so
// pieces are large: few more than there are workers.
type gradient struct {
	dw, dy, x                     []float32
	stride, rows, outputs, inputs int
	accumulate                    bool
	rounds, xRounded              bool // dy and x are rounded to bfloat16, unless x is already
	high, wide, across            int
}

var gradients = sync.Pool{New: func() any { return new(gradient) }}

// cut chooses the sides of the pieces and returns their number: as many for each worker, if they are large enough.
func (g *gradient) cut(workers int) (pieces int) {
	if g.rows*g.outputs*g.inputs < 2*shareWork {
		workers = 1
	}
	down, across := ceil(g.outputs, gradientOutputs), ceil(g.inputs, gradientInputs)
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
func (g *gradient) Do(lo, hi int) {
	room := rooms.Get().(*room)
	defer rooms.Put(room)
	for piece := lo; piece < hi; piece++ {
		o, i := piece/g.across*g.high, piece%g.across*g.wide
		outputs, inputs := min(g.high, g.outputs-o), min(g.wide, g.inputs-i)
		for r := 0; r < g.rows; r += gradientRows {
			n := min(gradientRows, g.rows-r)
			dy := copyOfA(&room.a, Mat{Data: g.dy[r*g.stride+o:], Stride: g.stride, Trans: true}, outputs, n, g.rounds)
			p := begin(g.dw[o*g.inputs+i:], g.inputs, dy, Mat{Data: g.x[r*g.inputs+i:], Stride: g.inputs}, outputs, inputs, n, g.accumulate || r > 0)
			if g.rounds {
				p.rounds, p.aRounded, p.bRounded, p.tiles = true, true, g.xRounded, p.rounded
			}
			p.runAlone()
			p.end()
		}
	}
}
