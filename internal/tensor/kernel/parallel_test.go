package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Every index is visited once, in ranges of at least grain but the last.
func TestParallelCovers(t *testing.T) {
	defer SetThreads(Threads())
	for _, procs := range []int{1, 2, 4} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		for _, threads := range []int{1, 2, 3, 8} {
			SetThreads(threads)
			for _, n := range []int{0, 1, 2, 7, 100, 1000} {
				for _, grain := range []int{0, 1, 3, 99, 100, 5000} {
					visits := make([]int32, n)
					Parallel(n, grain, func(lo, hi int) {
						if hi-lo < grain && hi != n || lo >= hi {
							t.Errorf("n %d, grain %d: range %d to %d", n, grain, lo, hi)
						}
						for i := lo; i < hi; i++ {
							atomic.AddInt32(&visits[i], 1)
						}
					})
					for i, v := range visits {
						if v != 1 {
							t.Fatalf("n %d, grain %d, %d threads: index %d visited %d times", n, grain, threads, i, v)
						}
					}
				}
			}
		}
	}
}

// Two ranges that wait for each other finish only if two workers run at the same time.
func TestParallelIsParallel(t *testing.T) {
	defer SetThreads(Threads())
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	SetThreads(2)
	for range 100 {
		var met sync.WaitGroup
		met.Add(2)
		Parallel(2, 1, func(lo, hi int) {
			for range hi - lo {
				met.Done()
			}
			met.Wait()
		})
	}
}

// Nested calls and calls from many goroutines do all their work and end.
func TestParallelNestedAndConcurrent(t *testing.T) {
	defer SetThreads(Threads())
	for _, procs := range []int{1, 2} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		SetThreads(4)
		var sum atomic.Int64
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for range 50 {
					Parallel(8, 1, func(lo, hi int) {
						for range hi - lo {
							Parallel(10, 1, func(lo, hi int) { sum.Add(int64(hi - lo)) })
						}
					})
					if procs > 1 {
						time.Sleep(10 * time.Microsecond)
					}
				}
			})
		}
		callers.Wait()
		if sum.Load() != 8*50*8*10 {
			t.Errorf("%d processors: %d inner indices visited", procs, sum.Load())
		}
	}
}

// A panic reaches the caller, whichever worker it happens in, and the pool works on.
func TestParallelPanics(t *testing.T) {
	defer SetThreads(Threads())
	SetThreads(3)
	for bad := range 24 {
		func() {
			defer func() {
				if r := recover(); r != bad {
					t.Errorf("recovered %v, want %d", r, bad)
				}
			}()
			Parallel(24, 1, func(lo, hi int) {
				for i := lo; i < hi; i++ {
					time.Sleep(time.Microsecond)
					if i == bad {
						panic(bad)
					}
				}
			})
			t.Error("no panic")
		}()
	}
	var n atomic.Int32
	Parallel(100, 1, func(lo, hi int) { n.Add(int32(hi - lo)) })
	if n.Load() != 100 {
		t.Errorf("after panics: %d of 100", n.Load())
	}
}

// The workers sleep between jobs that are far apart, and wake.
func TestParallelWakes(t *testing.T) {
	defer SetThreads(Threads())
	SetThreads(4)
	for range 20 {
		var n atomic.Int32
		Parallel(100, 1, func(lo, hi int) { n.Add(int32(hi - lo)) })
		if n.Load() != 100 {
			t.Fatalf("%d of 100", n.Load())
		}
		time.Sleep(time.Millisecond)
	}
}

func BenchmarkParallel(b *testing.B) {
	defer SetThreads(Threads())
	SetThreads(2)
	for b.Loop() {
		Parallel(2, 1, func(lo, hi int) {})
	}
}

func TestDefaultThreads(t *testing.T) {
	for _, tt := range []struct {
		slurm, gomaxprocs string
		want              int // of 8 cores
	}{
		{"", "", 8},
		{"3", "", 3},
		{"1", "", 1},
		{"8", "", 8},
		{"64", "", 8},
		{"3", "8", 8}, // GOMAXPROCS is part of the cores already
		{"0", "", 8},
		{"-2", "", 8},
		{"2(x4)", "", 8},
		{"2.5", "", 8},
		{" 3", "", 8},
		{"99999999999999999999", "", 8},
	} {
		environment := map[string]string{"SLURM_CPUS_PER_TASK": tt.slurm, "GOMAXPROCS": tt.gomaxprocs}
		if got := DefaultThreads(8, func(name string) string { return environment[name] }); got != tt.want {
			t.Errorf("SLURM_CPUS_PER_TASK=%q, GOMAXPROCS=%q: %d threads of 8 cores, want %d", tt.slurm, tt.gomaxprocs, got, tt.want)
		}
	}
}
