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
