package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// This file has the kernel keep the limits of a program with all that it starts:
// a cgroup (version 2) for each, where the launcher's own has been delegated to
// us. Where anything about that fails, rlimits and the launcher's watch remain.

// controllers are what a cgroup must have for its limits.
var controllers = []string{"memory", "pids"}

// A cgroup is a delegated folder of the kernel's tree. In it are
//
//	nfcot-<user's process>-0  where that and its launchers are, if they were in
//	                          the folder itself: one with processes gives its
//	                          children no controllers
//	nfcot-<launcher>-<n>      the leaf of one program, n from 1 on
type cgroup struct {
	path        string
	controllers []string
	made        int
}

const cgroupFormat = "nfcot-%d-%d"

// parseCgroupName returns false for a folder that is none of ours.
func parseCgroupName(name string) (pid, n int, ok bool) {
	_, err := fmt.Sscanf(name, cgroupFormat, &pid, &n)
	return pid, n, err == nil && name == fmt.Sprintf(cgroupFormat, pid, n)
}

// findCgroup returns the folder of the process whose /proc/PID/cgroup and
// mountinfo are given. It is the one above where a launcher before us has moved
// the process to.
func findCgroup(cgroup, mountinfo string) (string, error) {
	var own string
	for line := range strings.Lines(cgroup) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			own = strings.TrimSuffix(path, "\n")
		}
	}
	if own == "" || strings.HasPrefix(own, "/..") {
		return "", errors.New("this process is in no cgroup of version 2 that it can see")
	}
	if _, n, ok := parseCgroupName(filepath.Base(own)); ok && n == 0 {
		own = filepath.Dir(own)
	}
	for line := range strings.Lines(mountinfo) {
		// The number of fields before the dash varies.
		mount, kind, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if len(fields) < 5 || !strings.HasPrefix(kind, "cgroup2 ") {
			continue
		}
		root, at := fields[3], fields[4]
		if below, err := filepath.Rel(root, own); err == nil && filepath.IsLocal(below) {
			return filepath.Join(at, below), nil
		}
	}
	return "", errors.New("the cgroup of this process is mounted nowhere")
}

// ownCgroup is findCgroup for this process.
func ownCgroup() (string, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	return findCgroup(string(own), string(mounts))
}

// newCgroup makes a folder ready for leaves with the controllers, and tries one
// with a process that has the given flags of clone.
func newCgroup(path string, controllers []string, cloneFlags uintptr) (*cgroup, error) {
	g := &cgroup{path: path, controllers: controllers}
	g.removeStale()
	if err := g.enable(); err != nil {
		return nil, err
	}
	leaf, err := g.add(DefaultMemory, DefaultTasks)
	if err != nil {
		return nil, err
	}
	defer leaf.remove()
	defer leaf.close()
	s := newScript()
	leaf.enter(s)
	s.do("its end", unix.SYS_EXIT_GROUP, 0)
	var f failure
	pid, err := s.start(cloneFlags, &f)
	if err != nil {
		return nil, err
	}
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			break
		}
	}
	if f.errno != 0 {
		return nil, unix.Errno(f.errno)
	}
	return g, nil
}

// removeStale removes what is left of processes that were killed. The kernel
// keeps folders that have processes.
func (g *cgroup) removeStale() {
	names, _ := filepath.Glob(filepath.Join(g.path, "nfcot-*")) // the pattern is good
	for _, name := range names {
		if pid, _, ok := parseCgroupName(filepath.Base(name)); ok && unix.Kill(pid, 0) == unix.ESRCH {
			_ = unix.Rmdir(name)
		}
	}
}

// enable lets leaves have the controllers. For that it moves the launcher and
// the user's process out of the folder, if they are alone in it.
func (g *cgroup) enable() error {
	if len(g.controllers) == 0 {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(g.path, "cgroup.controllers"))
	if err != nil {
		return err
	}
	have := strings.Fields(string(text))
	for _, name := range g.controllers {
		if !slices.Contains(have, name) {
			return fmt.Errorf("%s: no controller %s", g.path, name)
		}
	}
	wanted := "+" + strings.Join(g.controllers, " +")
	if err = writeCgroup(g.path, "cgroup.subtree_control", wanted); !errors.Is(err, unix.EBUSY) {
		return err
	}
	inside, err := os.ReadFile(filepath.Join(g.path, "cgroup.procs"))
	if err != nil {
		return err
	}
	user, pids := os.Getppid(), strings.Fields(string(inside))
	for _, pid := range pids {
		if pid != strconv.Itoa(os.Getpid()) && pid != strconv.Itoa(user) {
			return fmt.Errorf("%s: process %s is there, too", g.path, pid)
		}
	}
	inner := filepath.Join(g.path, fmt.Sprintf(cgroupFormat, user, 0))
	if err := os.Mkdir(inner, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	err = moveTo(inner, pids)
	if err == nil {
		err = writeCgroup(g.path, "cgroup.subtree_control", wanted)
	}
	if err != nil {
		_ = moveTo(g.path, pids)
		_ = unix.Rmdir(inner)
	}
	return err
}

func moveTo(dir string, pids []string) error {
	for _, pid := range pids {
		if err := writeCgroup(dir, "cgroup.procs", pid); err != nil {
			return err
		}
	}
	return nil
}

// writeCgroup writes to a file of the kernel's, and makes none.
func writeCgroup(dir, name, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// A leaf is the cgroup of one program and all that it starts. A nil one is of a
// program without.
type leaf struct {
	path  string
	procs int // its cgroup.procs, open until close
}

// add makes a leaf for a program with so many bytes and tasks.
func (g *cgroup) add(memory int64, tasks int) (*leaf, error) {
	g.made++
	f := &leaf{path: filepath.Join(g.path, fmt.Sprintf(cgroupFormat, os.Getpid(), g.made))}
	if err := os.Mkdir(f.path, 0o755); err != nil {
		return nil, err
	}
	err := f.limit(g.controllers, memory, tasks)
	if err == nil {
		f.procs, err = unix.Open(filepath.Join(f.path, "cgroup.procs"), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	}
	if err == nil {
		f.procs, err = high(f.procs)
	}
	if err != nil {
		f.remove()
		return nil, err
	}
	return f, nil
}

// limit sets the limits that the controllers have.
func (f *leaf) limit(controllers []string, memory int64, tasks int) error {
	var err error
	if slices.Contains(controllers, "memory") {
		err = errors.Join(
			writeCgroup(f.path, "memory.max", strconv.FormatInt(memory, 10)),
			writeCgroup(f.path, "memory.oom.group", "1"), // a family without one of its own is of no use
		)
		// Not there where the kernel does not swap.
		if e := writeCgroup(f.path, "memory.swap.max", "0"); !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	if slices.Contains(controllers, "pids") {
		err = errors.Join(err, writeCgroup(f.path, "pids.max", strconv.Itoa(tasks)))
	}
	return err
}

// enter has a new process move itself into the leaf, so that nothing that it
// does as the program to confine is outside. The kernel asks for the rights of
// who opened the file.
func (f *leaf) enter(s *script) {
	if f != nil {
		s.do("cgroup", unix.SYS_WRITE, uintptr(f.procs), s.text("0"), 1)
	}
}

// close is for when the process is inside.
func (f *leaf) close() {
	if f != nil {
		unix.Close(f.procs)
	}
}

// kill kills all that is inside. Kernels before 5.14 cannot.
func (f *leaf) kill() {
	if f != nil {
		_ = writeCgroup(f.path, "cgroup.kill", "1")
	}
}

// account completes an End with what the kernel has counted.
func (f *leaf) account(e *End) {
	if f == nil {
		return
	}
	events, _ := os.ReadFile(filepath.Join(f.path, "memory.events")) // not there without the controller
	for line := range strings.Lines(string(events)) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok && strings.TrimSpace(count) != "0" {
			e.OutOfMemory = true
		}
	}
	// From Linux 5.19 on.
	if text, err := os.ReadFile(filepath.Join(f.path, "memory.peak")); err == nil {
		if peak, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			e.PeakMemory = peak
		}
	}
}

// remove removes the leaf as soon as what was killed in it is gone.
func (f *leaf) remove() {
	if f == nil {
		return
	}
	const attempts, pause = 100, 10 * time.Millisecond
	for range attempts {
		if unix.Rmdir(f.path) != unix.EBUSY {
			return
		}
		time.Sleep(pause)
	}
}
