package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// This file is what the launcher does about limits that the kernel does not
// keep: the memory of all processes of a program together, and, where there is
// no mount namespace, the size of its scratch folder and its number of tasks.

const (
	watchInterval = 20 * time.Millisecond
	// Looking at the folder costs more, in proportion to what is in it.
	diskInterval = 5
)

// needsWatching is false where the kernel keeps all limits: a single process
// whose memory RLIMIT_AS bounds, with a file system of its own.
func (c *child) needsWatching() bool { return c.Fork || !c.plan.Namespaces }

// watch kills the child when it is over a limit, until stop is closed.
func (c *child) watch(stop <-chan struct{}) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		memory, threads := usage(c.pid)
		memoryOver := memory > c.Memory
		diskOver := !c.plan.Namespaces && n%diskInterval == 0 && scratchOver(c.scratch, c.pid)
		if memoryOver || diskOver || threads > tasks {
			c.mu.Lock()
			c.outOfMemory = c.outOfMemory || memoryOver
			c.outOfDisk = c.outOfDisk || diskOver
			c.mu.Unlock()
			c.kill()
			return
		}
	}
}

// usage adds up the resident memory and the threads of a process and its
// descendants. Pages that they share count for each.
func usage(pid int) (memory int64, threads int) {
	for _, p := range family(pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
		if err != nil {
			continue // ended meanwhile
		}
		for line := range strings.Lines(string(text)) {
			var n int64
			if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &n); err == nil {
				memory += n << 10
			} else if _, err := fmt.Sscanf(line, "Threads: %d", &n); err == nil {
				threads += int(n)
			}
		}
	}
	return memory, threads
}

// family is a process and its descendants. Orphans in a pid namespace are the
// children of its first process, which pid is.
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i])) // the pattern is good
		for _, list := range lists {
			text, err := os.ReadFile(list)
			if err != nil {
				continue
			}
			for _, field := range strings.Fields(string(text)) {
				var child int
				if _, err := fmt.Sscan(field, &child); err == nil {
					all = append(all, child)
				}
			}
		}
	}
	return all
}

// scratchOver reports whether a folder, with the files of a process that have
// no name any more, takes more than a scratch folder may.
func scratchOver(dir string, pid int) bool {
	var blocks int64
	files := 0
	over := func() bool { return blocks*512 > ScratchBytes || files > scratchFiles }
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil && unix.Lstat(path, &st) == nil {
			blocks += st.Blocks
			files++
		}
		if over() {
			return fs.SkipAll
		}
		return nil // what changes while we look, we see next time
	})
	open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)) // the pattern is good
	for _, fd := range open {
		var st unix.Stat_t
		if unix.Stat(fd, &st) == nil && st.Nlink == 0 && st.Mode&unix.S_IFMT == unix.S_IFREG {
			blocks += st.Blocks
		}
	}
	return over()
}
