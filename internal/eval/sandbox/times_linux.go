package sandbox

import (
	"fmt"
	"os"
	"time"
)

// Times returns how long the program, with all its threads and processes that
// live now, has had a processor, and how long it was ready to run and had none.
// Where the kernel does not count, both are 0.
func (p *Process) Times() (cpu, waiting time.Duration) {
	select {
	case <-p.done: // the number may be another process's now
		return p.end.CPU, 0
	default:
	}
	all := []int{p.pid}
	if p.forks {
		all = family(p.pid)
	}
	for _, pid := range all {
		on, off := processTimes(pid)
		cpu += on
		waiting += off
	}
	return cpu, waiting
}

// processTimes adds up the times of the threads of a process.
func processTimes(pid int) (cpu, waiting time.Duration) {
	for _, thread := range threads(pid) {
		text, err := os.ReadFile(thread + "/schedstat")
		if err != nil {
			continue // ended meanwhile
		}
		var on, off int64 // nanoseconds
		if _, err := fmt.Sscan(string(text), &on, &off); err == nil {
			cpu += time.Duration(on)
			waiting += time.Duration(off)
		}
	}
	return cpu, waiting
}
