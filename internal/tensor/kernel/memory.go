package kernel

import "unsafe"

// Large arrays in huge pages: a page of 4 KiB has its address looked up 512 times as often as one of 2 MiB, and reading that
// much memory then waits for the lookups.

const (
	hugePage   = 2 << 20 // bytes
	largeArray = 1 << 20 // bytes from which an array asks for huge pages
)

// Floats returns n zeros, in huge pages if there are many and the system has such pages.
func Floats(n int) []float32 {
	x := make([]float32, n)
	if size := 4 * uintptr(n); size >= largeArray {
		// All huge pages that x touches. The rest of the first and the last one is the Go heap's as well, which grows by whole
		// 4 MiB: so no room is lost for x to begin on a page. Memory fresh from the system has not been touched up to here, as
		// it is zero without being written.
		start := uintptr(unsafe.Pointer(&x[0]))
		from, to := start&^(hugePage-1), (start+size+hugePage-1)&^(hugePage-1)
		adviseHugePages(from, to-from)
	}
	return x
}
