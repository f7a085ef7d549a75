//go:build !amd64 || purego

package kernel

// Without assembly the definitions are the kernels.

var sets = [...]kernels{generic: definitions}

// pairsFaster says whether pairs multiply faster than rounded tiles: there are none.
var pairsFaster = false

func bestISA() level { return generic }

func transpose(dst []float32, width int, src []float32, stride, rows, n int) {
	transposeGeneric(dst, width, src, stride, rows, n)
}
func widenPairs(dst, src []float32, width, n int) { widenPairsGeneric(dst, src, width, n) }
func widenInt8(dst, src []float32, width, n int)  { widenInt8Generic(dst, src, width, n) }
func roundInt8(dst, src []float32, width, n int)  { roundInt8Generic(dst, src, width, n) }
