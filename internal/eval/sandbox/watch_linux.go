package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// This file is what the launcher does about limits that the kernel does not
// keep: where a program has no cgroup, its number of tasks and the memory of all
// its processes together, and where there is no mount namespace, the size of its
// scratch folder.

const (
	watchInterval = 20 * time.Millisecond
	// Looking at the folder costs more, in proportion to what is in it.
	diskInterval = 5
)

// needsWatching is false where the kernel keeps all limits: a program with a file
// system of its own, and a cgroup or only one process, whose memory RLIMIT_AS bounds.
func (c *child) needsWatching() bool { return c.Fork && c.leaf == nil || !c.plan.Namespaces }

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
		var memoryOver, tasksOver bool
		if c.leaf == nil {
			memory, tasks := usage(c.pid)
			memoryOver, tasksOver = memory > c.Memory, tasks > c.Tasks
		}
		diskOver := !c.plan.Namespaces && n%diskInterval == 0 && scratchOver(c.scratch, c.pid)
		if memoryOver || diskOver || tasksOver {
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
func usage(pid int) (memory int64, tasks int) {
	for _, p := range family(pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
		if err != nil {
			continue // ended meanwhile
		}
		// The program chooses the second field, which ends with the last bracket.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		const threadsField, residentField = 20 - 3, 24 - 3 // as proc(5) counts them, from the third on
		if len(fields) <= residentField {
			continue
		}
		n, err1 := strconv.Atoi(fields[threadsField])
		pages, err2 := strconv.ParseInt(fields[residentField], 10, 64)
		if err1 == nil && err2 == nil {
			tasks += n
			memory += pages * int64(os.Getpagesize())
		}
	}
	return memory, tasks
}

// family is a process and its descendants. Orphans in a pid namespace are the
// children of its first process, which pid is.
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		for _, thread := range threads(all[i]) {
			text, err := os.ReadFile(thread + "/children")
			if err != nil {
				continue // ended meanwhile
			}
			for field := range strings.FieldsSeq(string(text)) {
				if child, err := strconv.Atoi(field); err == nil {
					all = append(all, child)
				}
			}
		}
	}
	return all
}

// threads are the folders of a process's threads in /proc.
func threads(pid int) []string {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1) // none if it has ended meanwhile
	for i, name := range names {
		names[i] = dir + "/" + name
	}
	return names
}

// scratchOver reports whether a folder, with the files of a process that have
// no name any more, takes more than a scratch folder may.
func scratchOver(dir string, pid int) bool {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	used := diskUsage{}
	used.add(fd, 0)
	open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)) // the pattern is good
	for _, name := range open {
		var st unix.Stat_t
		if unix.Stat(name, &st) == nil && st.Nlink == 0 && st.Mode&unix.S_IFMT == unix.S_IFREG {
			used.blocks += st.Blocks
		}
	}
	return used.over()
}

// A diskUsage is what is in a folder.
type diskUsage struct {
	blocks int64 // of 512 bytes
	files  int
	hidden bool // there may be more than we can see
}

func (u *diskUsage) over() bool {
	return u.blocks*512 > ScratchBytes || u.files > scratchFiles || u.hidden
}

// add adds all in the folder that is open at fd, and closes it. Names relative
// to open folders have no path that could be too long to look at; but the
// folders may not be deeper than we can keep open, nor such that one can write
// in them and not read.
func (u *diskUsage) add(fd, depth int) {
	const deepest = 50
	f := os.NewFile(uintptr(fd), "scratch")
	defer f.Close()
	names, _ := f.Readdirnames(scratchFiles + 1) // what changes while we look, we see next time
	for _, name := range names {
		var st unix.Stat_t
		if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue
		}
		u.files++
		u.blocks += st.Blocks
		if st.Mode&unix.S_IFMT == unix.S_IFDIR && !u.over() {
			inner, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			switch {
			case err == nil && depth < deepest:
				u.add(inner, depth+1)
			case err == nil:
				unix.Close(inner)
				u.hidden = true
			case err == unix.EACCES && st.Mode&0o300 == 0o300:
				u.hidden = true
			}
		}
	}
}
