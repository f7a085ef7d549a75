package kernel

import (
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

// A pool of persistent workers. It knows nothing of what the work is.
//
// There is one pool and it does one job at a time. A call that finds it taken - a nested call, or one from another
// goroutine - does its work itself, so nothing ever waits for the pool. A job is offered to workers; an offer that no worker
// has taken up by the time the work is done is withdrawn, so nothing waits for a worker that the scheduler does not run.

var threads atomic.Int64

func init() { threads.Store(int64(runtime.GOMAXPROCS(0))) }

// SetThreads sets the number of workers that Parallel uses, the calling goroutine included. It panics when n < 1.
func SetThreads(n int) {
	if n < 1 {
		panic(fmt.Sprintf("kernel: SetThreads(%d): at least one thread is needed", n))
	}
	threads.Store(int64(n))
}

// Threads returns the number of workers that Parallel uses: GOMAXPROCS unless SetThreads said otherwise.
func Threads() int { return int(threads.Load()) }

// DefaultThreads is the number of threads when nobody asks for one: that of the cores, which heeds affinity, cgroup quota
// and GOMAXPROCS, or what Slurm grants the task if that is less. Who sets GOMAXPROCS has decided.
func DefaultThreads(cores int, getenv func(string) string) int {
	granted, err := strconv.Atoi(getenv("SLURM_CPUS_PER_TASK"))
	if err != nil || granted < 1 || getenv("GOMAXPROCS") != "" {
		return cores
	}
	return min(cores, granted)
}

// A Job is work on the indices of a range that can be cut anywhere.
type Job interface{ Do(lo, hi int) }

// Parallel is Run for a function.
func Parallel(n, grain int, f func(lo, hi int)) { Run(n, grain, jobFunc(f)) }

type jobFunc func(lo, hi int)

func (f jobFunc) Do(lo, hi int) { f(lo, hi) }

// Run does a job on disjoint ranges that cover [0,n), each at least grain long (except the last), on up to Threads() workers,
// and returns when all is done. When n <= grain, with one thread, or when another Run is under way (so in nested calls), it is
// job.Do(0, n). How the range is cut is not defined: what the job computes must not depend on it. A panic in the job reaches
// the caller of Run. A job that lives on the heap already makes Run free of allocations, which a closure is not.
func Run(n, grain int, job Job) {
	runChunks(n, max(grain, ceil(n, chunksPerWorker*Threads())), job)
}

// runChunks is Run with chunks of a given size.
func runChunks(n, chunk int, job Job) {
	if n <= 0 {
		return
	}
	chunk = max(chunk, 1)
	workers := min(Threads(), ceil(n, chunk))
	if workers == 1 || !crew.taken.CompareAndSwap(false, true) {
		job.Do(0, n)
		return
	}
	crew.run(n, chunk, workers-1, job)
}

const (
	chunksPerWorker = 8      // so that a worker that loses its core delays the others little
	spins           = 300000 // looks at a flag before sleeping: some hundred microseconds, about what it takes to be woken
)

// pool is the workers and the job under way, which belong to the call that has taken the pool.
type pool struct {
	taken   atomic.Bool
	workers []*worker

	job      Job
	n, chunk int
	clock    clock
	shares   []share             // one for the caller and each helper
	failure  atomic.Pointer[any] // what the first panic in a worker said
}

// clock counts, while it is on, where time of the pool's workers goes.
type clock struct {
	on              atomic.Bool
	waiting, helped atomic.Int64 // nanoseconds: of callers, for the last helper; and of helpers, at work
}

// WatchWorkers starts counting, or ends it, and returns what was counted since the last call: how long callers of Run waited
// for the last of their helpers, and how long all helpers together were at work.
func WatchWorkers(on bool) (waiting, helped time.Duration) {
	c := &crew.clock
	c.on.Store(on)
	return time.Duration(c.waiting.Swap(0)), time.Duration(c.helped.Swap(0))
}

// count adds to a counter of the clock what f takes.
func (c *clock) count(to *atomic.Int64, f func()) {
	if !c.on.Load() {
		f()
		return
	}
	start := time.Now()
	f()
	to.Add(int64(time.Since(start)))
}

// share is the chunks that one worker does first: the same part of the range in every job, so that what it wrote in one is
// still in its caches in the next. A worker that is done takes chunks of the others.
type share struct {
	next atomic.Int64 // the first chunk that nobody has taken
	end  int64
	_    [112]byte // shares lie in different pairs of cache lines: workers count without disturbing each other
}

// crew is the one pool.
var crew pool

// worker is a goroutine that waits for offers of work.
type worker struct {
	state atomic.Int32
	share int           // its own among the pool's shares
	wake  chan struct{} // from asleep to offered
	done  chan struct{} // from awaited to idle
}

// States of a worker.
const (
	idle    = iota // looking for an offer
	asleep         // waiting for wake
	offered        // there is a job it may take up
	running        // taken up
	awaited        // like running, and the caller sleeps until it is done
)

// run does a job with help from helpers workers.
func (p *pool) run(n, chunk, helpers int, job Job) {
	p.job, p.n, p.chunk = job, n, chunk
	p.failure.Store(nil)
	for len(p.workers) < helpers {
		w := &worker{share: len(p.workers) + 1, wake: make(chan struct{}, 1), done: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		go w.loop(p)
	}
	p.split(helpers + 1)
	for _, w := range p.workers[:helpers] {
		w.offer()
	}
	defer p.finish(helpers)
	p.work(0)
}

// split divides the chunks into shares that differ by at most one chunk.
func (p *pool) split(shares int) {
	if cap(p.shares) < shares {
		p.shares = make([]share, shares)
	}
	p.shares = p.shares[:shares]
	chunks := (p.n + p.chunk - 1) / p.chunk
	for i := range p.shares {
		p.shares[i].next.Store(int64(chunks * i / shares))
		p.shares[i].end = int64(chunks * (i + 1) / shares)
	}
}

// finish waits for the helpers and hands on a panic of theirs. It also runs when the job panics in the caller.
func (p *pool) finish(helpers int) {
	p.stop() // after a panic
	p.clock.count(&p.clock.waiting, func() {
		for _, w := range p.workers[:helpers] {
			w.wait()
		}
	})
	failure := p.failure.Load()
	p.job = nil
	p.taken.Store(false)
	if failure != nil {
		panic(*failure)
	}
}

// stop lets nobody begin another chunk.
func (p *pool) stop() {
	for i := range p.shares {
		p.shares[i].next.Store(p.shares[i].end)
	}
}

// work does the chunks of share own and then those left in the others.
func (p *pool) work(own int) {
	for i := range p.shares {
		s := &p.shares[(own+i)%len(p.shares)]
		for s.next.Load() < s.end {
			at := s.next.Add(1) - 1
			if at >= s.end {
				break
			}
			lo := int(at) * p.chunk
			p.job.Do(lo, min(lo+p.chunk, p.n))
		}
	}
}

func (w *worker) offer() {
	if w.state.Swap(offered) == asleep {
		w.wake <- struct{}{}
	}
}

// wait withdraws the offer, or waits until the work that was taken up is done.
func (w *worker) wait() {
	for spin := 0; ; spin++ {
		switch w.state.Load() {
		case offered:
			if w.state.CompareAndSwap(offered, idle) {
				return
			}
		case running:
			if spin > spins && w.state.CompareAndSwap(running, awaited) {
				<-w.done
				return
			}
		default:
			return
		}
	}
}

func (w *worker) loop(p *pool) {
	for spin := 0; ; spin++ {
		if w.state.Load() == offered && w.state.CompareAndSwap(offered, running) {
			w.work(p)
			spin = 0
		}
		if spin > spins && w.state.CompareAndSwap(idle, asleep) {
			<-w.wake
			spin = 0
		}
	}
}

// work does its share of the job and reports, whatever the job does.
func (w *worker) work(p *pool) {
	defer func() {
		if r := recover(); r != nil {
			failure := r // r itself must not move to the heap: it is there on every call
			p.failure.CompareAndSwap(nil, &failure)
			p.stop()
		}
		if w.state.Swap(idle) == awaited {
			w.done <- struct{}{}
		}
	}()
	p.clock.count(&p.clock.helped, func() { p.work(w.share) })
}
