package kernel

import (
	"runtime"
	"slices"
	"testing"
)

// Arrays are zero, as long as asked for and apart from each other, also in memory that was used before.
func TestFloats(t *testing.T) {
	sizes := []int{0, 1, 1000, largeArray/4 - 1, largeArray / 4, largeArray/4 + 1, 3 * hugePage / 4, 4 * hugePage}
	for round := range 4 {
		var all [][]float32
		for _, n := range sizes {
			x := Floats(n)
			if len(x) != n || slices.ContainsFunc(x, func(v float32) bool { return v != 0 }) {
				t.Fatalf("round %d: %d zeros: length %d, or not zero", round, n, len(x))
			}
			for i := range x {
				x[i] = float32(n)
			}
			all = append(all, x)
		}
		runtime.GC() // must find them in use
		for i, x := range all {
			if slices.ContainsFunc(x, func(v float32) bool { return v != float32(sizes[i]) }) {
				t.Fatalf("round %d: the array of %d was overwritten by another", round, sizes[i])
			}
		}
		all = nil
		runtime.GC() // and may use their memory again
	}
}

// Reading 256 MiB from ordinary pages, and from huge ones. Memory is used again within a process: to compare, run each by itself
// (-bench Read/huge).
func BenchmarkRead(b *testing.B) {
	const n, block = 1 << 26, 1 << 18
	for name, allocate := range map[string]func(int) []float32{
		"ordinary": func(n int) []float32 { return make([]float32, n) },
		"huge":     Floats,
	} {
		b.Run(name, func(b *testing.B) {
			x := allocate(n)
			for i := range x {
				x[i] = 1
			}
			b.SetBytes(4 * n)
			for b.Loop() {
				Parallel(n/block, 1, func(lo, hi int) { use().maximum(x[lo*block : hi*block]) })
			}
		})
	}
}
