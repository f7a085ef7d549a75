package kernel

import (
	"runtime"
	"time"
)

// What this machine can do at best, so that a speed can be told as a share of it.

// PeakFLOPs measures, over a round of the given length, how many float32 operations a second Threads() threads do in fused
// multiply-adds that wait neither for each other nor for memory. A multiply-add is two operations.
func PeakFLOPs(round time.Duration) float64 {
	const n = 1 << 16
	return rate(round, func() float64 {
		tasks := chunksPerWorker * Threads()
		Parallel(tasks, 1, func(lo, hi int) {
			for range hi - lo {
				use().fmas(n)
			}
		})
		return 2 * fmaLanes * n * float64(tasks)
	})
}

// PeakBandwidth returns a function that measures, likewise, how many bytes a second Threads() threads read from memory. It
// keeps 256 MiB for that.
func PeakBandwidth() func(round time.Duration) float64 {
	x := Floats(1 << 26) // larger than any cache
	for i := range x {
		x[i] = 1
	}
	const block = 1 << 18
	read := func() float64 {
		Parallel(len(x)/block, 1, func(lo, hi int) { use().maximum(x[lo*block : hi*block]) })
		return 4 * float64(len(x))
	}
	return func(round time.Duration) float64 { return rate(round, read) }
}

// fmaLanes is the number of multiply-adds in a round of fmas.
const fmaLanes = 192

func fmasGeneric(n int) {
	var s [8]float32
	for range n * (fmaLanes / len(s)) {
		for i := range s {
			s[i] = s[i]*0.5 + 1
		}
	}
	runtime.KeepAlive(&s) // the compiler shall not leave the work out
}

// rate returns how much work, which says how much it did, does in a second of a round.
func rate(round time.Duration, work func() float64) float64 {
	start, done := time.Now(), 0.0
	for done == 0 || time.Since(start) < round {
		done += work()
	}
	return done / time.Since(start).Seconds()
}
