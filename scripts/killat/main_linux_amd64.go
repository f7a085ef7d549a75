// Command killat kills a program right before a change to a file.
//
//	killat N DIR COMMAND...
//
// runs a command under ptrace, counts its system calls that change what lies in the folder
// DIR (open for writing, write, rename, fsync, mkdir, unlink, truncate), and ends it with
// SIGKILL before call number N, of which it prints the name. The exit code is then 137, and
// otherwise the command's. With N 0 nothing is killed, and the number of calls is printed.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: killat N DIR COMMAND...")
		os.Exit(2)
	}
	n, err := strconv.Atoi(os.Args[1])
	if err == nil {
		var dir string
		if dir, err = filepath.Abs(os.Args[2]); err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
		if err == nil {
			var code int
			if code, err = run(n, dir, os.Args[3:]); err == nil {
				os.Exit(code)
			}
		}
	}
	fmt.Fprintln(os.Stderr, "killat:", err)
	os.Exit(2)
}

// run runs the command and returns the exit code.
func run(n int, dir string, command []string) (code int, err error) {
	runtime.LockOSThread() // only the thread that traces may ask
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	main := cmd.Process.Pid
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(main, &status, 0, nil); err != nil {
		return 0, err
	}
	const options = syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACESYSGOOD | 0x100000 // and kill it with us
	if err := syscall.PtraceSetOptions(main, options); err != nil {
		return 0, err
	}
	if err := syscall.PtraceSyscall(main, 0); err != nil {
		return 0, err
	}
	t := tracer{dir: dir, n: n, inside: map[int]bool{}, known: map[int]bool{main: true}}
	for {
		thread, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		if err != nil {
			return 0, err
		}
		switch {
		case thread == main && status.Exited():
			if n == 0 {
				fmt.Println(t.count)
			}
			return status.ExitStatus(), nil
		case thread == main && status.Signaled():
			return 128 + int(status.Signal()), nil
		case status.Stopped():
			if name := t.stopped(thread, status); name != "" {
				fmt.Println(name)
				if err := syscall.Kill(main, syscall.SIGKILL); err != nil {
					return 0, err
				}
			}
		}
	}
}

const renameat2 = 316 // package syscall has no name for it

// names are those of the calls that count.
var names = map[uint64]string{
	syscall.SYS_WRITE: "write", syscall.SYS_PWRITE64: "pwrite64", syscall.SYS_FSYNC: "fsync", syscall.SYS_FTRUNCATE: "ftruncate", syscall.SYS_OPENAT: "openat",
	syscall.SYS_MKDIRAT: "mkdirat", syscall.SYS_UNLINKAT: "unlinkat", syscall.SYS_RENAMEAT: "renameat", renameat2: "renameat2",
}

// A tracer counts.
type tracer struct {
	dir    string
	n      int
	count  int
	inside map[int]bool // threads that are in a system call
	known  map[int]bool // threads that have begun
}

// stopped lets a thread go on, unless it is before the call to be killed at, of which it
// returns the name.
func (t *tracer) stopped(thread int, status syscall.WaitStatus) string {
	signal := 0
	switch s := status.StopSignal(); {
	case s == syscall.SIGTRAP|0x80:
		if t.inside[thread] = !t.inside[thread]; t.inside[thread] {
			if name := t.change(thread); name != "" {
				if t.count++; t.count == t.n {
					return name
				}
			}
		}
	case s == syscall.SIGTRAP: // a thread was made
	case s == syscall.SIGSTOP && !t.known[thread]: // it begins
	default:
		signal = int(s)
	}
	t.known[thread] = true
	_ = syscall.PtraceSyscall(thread, signal) // one that has just ended cannot
	return ""
}

// change is the name of the call that a thread is about to make, and of the file, if it changes
// something in the folder.
func (t *tracer) change(thread int) string {
	var r syscall.PtraceRegs
	if syscall.PtraceGetRegs(thread, &r) != nil {
		return ""
	}
	name, path := names[r.Orig_rax], ""
	switch r.Orig_rax {
	case syscall.SYS_WRITE, syscall.SYS_PWRITE64, syscall.SYS_FSYNC, syscall.SYS_FTRUNCATE:
		path, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", thread, int32(r.Rdi)))
	case syscall.SYS_OPENAT:
		if r.Rdx&(syscall.O_CREAT|syscall.O_TRUNC|syscall.O_WRONLY|syscall.O_RDWR) != 0 {
			path = text(thread, r.Rsi)
		}
	case syscall.SYS_MKDIRAT, syscall.SYS_UNLINKAT, syscall.SYS_RENAMEAT, renameat2:
		path = text(thread, r.Rsi)
		if at := int32(r.Rdi); at >= 0 && !filepath.IsAbs(path) {
			folder, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", thread, at))
			path = filepath.Join(folder, path)
		}
	}
	if path == "" {
		return ""
	}
	if !filepath.IsAbs(path) {
		cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", thread))
		path = filepath.Join(cwd, path)
	}
	if folder, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(folder, filepath.Base(path))
	}
	if path != t.dir && !strings.HasPrefix(path, t.dir+"/") {
		return ""
	}
	return name + " " + path
}

// text reads a string of the traced program.
func text(thread int, at uint64) string {
	b := make([]byte, 4096)
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", thread))
	if err != nil {
		return ""
	}
	defer mem.Close()
	n, _ := mem.ReadAt(b, int64(at)) // up to the end of what is there
	s, _, _ := strings.Cut(string(b[:n]), "\x00")
	return s
}
