package kernel

// isa is the instruction set in use. It is chosen once at start (and changed by tests).
var isa = bestISA()

type level int

const (
	generic level = iota // plain Go
	avx2
	avx512
)

var levelNames = [...]string{generic: "generic", avx2: "avx2", avx512: "avx512"}

// ISA returns the instruction set that the kernels use: "avx512", "avx2" or "generic". It is the best that the processor has,
// or a lower one named by the environment variable NFCOT_ISA; the build tag purego leaves only generic.
func ISA() string { return levelNames[isa] }

// kernels are the functions that an instruction set has of its own. definitions says what they do: assembly is tested
// against it. Products are in tiles; what depends on the width of a packed panel is in isa_amd64.go.
type kernels struct {
	tiles *tiles

	dots              func(dst, q, k []float32, stride int)
	axpy              func(alpha float32, x, y []float32)
	axpys             func(y, w, x []float32, stride int)
	maximum           func(x []float32) float32
	expSum            func(dst, x []float32, shift, alpha float32) float32
	scale             func(dst []float32, alpha float32, x []float32)
	swiglu            func(dst, gate, up []float32)
	swigluBackward    func(dgate, dup, dy, gate, up []float32, accumulate bool)
	sumSquares        func(x []float32) float64
	adamw             func(p, g, m, v []float32, gscale, decay, b1, a1, b2, a2, step, rc2, eps float32)
	fmas              func(n int)
	add               func(dst, a, b []float32)
	mul               func(dst, a, b []float32)
	mulAdd            func(dst, a, b []float32)
	tanh              func(y, slope, x []float32)
	gelu              func(y, slope, x []float32)
	softmaxAgain      func(x, ds []float32, shift, inv, mean, alpha float32)
	rmsNorm           func(y, x, w, inv []float32, eps float32)
	rmsNormBackward   func(dx, dw, dy, x, w, inv []float32)
	layerNorm         func(y, x, w, b, means, inv []float32, eps float32)
	layerNormBackward func(dx, dw, db, dy, x, w, means, inv []float32)
	rope              func(x, cos, sin []float32, sign float32)
	roundWords        func(dst, src []float32)
	roundRows         func(dst []float32, width int, src []float32, stride, cols, n int)
	pairUp            func(dst []float32, width int, src []float32, stride, cols, n int)
}

// definitions are the kernels in plain Go.
var definitions = kernels{
	tiles:             &genericTiles,
	dots:              dotsGeneric,
	axpy:              axpyGeneric,
	axpys:             axpysGeneric,
	maximum:           maximumGeneric,
	expSum:            expSumGeneric,
	scale:             scaleGeneric,
	swiglu:            swigluGeneric,
	swigluBackward:    swigluBackwardGeneric,
	sumSquares:        sumSquaresGeneric,
	adamw:             adamwGeneric,
	fmas:              fmasGeneric,
	add:               addGeneric,
	mul:               mulGeneric,
	mulAdd:            mulAddGeneric,
	tanh:              tanhGeneric,
	gelu:              geluGeneric,
	softmaxAgain:      softmaxAgainGeneric,
	rmsNorm:           rmsNormGeneric,
	rmsNormBackward:   rmsNormBackwardGeneric,
	layerNorm:         layerNormGeneric,
	layerNormBackward: layerNormBackwardGeneric,
	rope:              ropeGeneric,
	roundWords:        roundPairsGeneric,
	roundRows:         roundRowsGeneric,
	pairUp:            pairUpGeneric,
}

// use returns the kernels of the instruction set in use.
func use() *kernels { return &sets[isa] }

func tilesOf(l level) *tiles { return sets[l].tiles }
