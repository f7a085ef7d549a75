package starlark

import (
	"fmt"
	"os"
	"syscall"
)

// workerAttributes makes a worker die with its parent.
func workerAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// limitAddressSpace lets this process map that many bytes more than it has
// mapped by now. (A Go process starts out with over a gigabyte of reserved,
// unused addresses, so that an absolute limit would mean little.) It also
// forbids core dumps.
func limitAddressSpace(more int64) error {
	var pages int64
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	if _, err := fmt.Sscan(string(statm), &pages); err != nil {
		return fmt.Errorf("/proc/self/statm: found %q, expected a number of pages first", statm)
	}
	limit := uint64(pages)*uint64(os.Getpagesize()) + uint64(more)

	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &old); err != nil {
		return err
	}
	limit = min(limit, old.Max) // raising a limit is for root
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
}
