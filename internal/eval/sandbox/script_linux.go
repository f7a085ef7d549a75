package sandbox

import (
	"encoding/binary"
	"errors"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file runs system calls in a new process that never returns to Go.
//
// To start this program once more for each confined one would cost more than
// the Python that it is for. So the launcher writes down all system calls that
// the new process has to make, forks, and the copy does them one by one until
// the last, execveat, succeeds. Between fork and exec there is one thread and
// no Go scheduler, garbage collector or stack that could grow.
//
// A copy of a template is such a process, too: there the launcher sends what it
// has written down (template_linux.go).

// A step is one system call.
type step struct {
	call uintptr
	args [6]uintptr
	save bool    // keep the result for later steps
	use  bool    // take the result that was kept last as the first argument
	zero bool    // a result other than 0 is a failure
	may  bool    // fail
	into uintptr // the address at which the result goes, in four bytes; 0 for none
}

// A script is what a new process does.
type script struct {
	steps  []step
	names  []string // what each step is for, for messages
	base   uintptr  // the address of memory in the process that runs the script
	memory []byte   // what the arguments point to
	full   bool     // it has no more room
}

// scriptMemory is the room for what arguments point to. It never moves or
// grows, as there are addresses of it.
const scriptMemory = maxMessage + 64<<10

// newScript returns a script for a process that shares this one's memory.
func newScript() *script {
	memory := make([]byte, 0, scriptMemory)
	return &script{base: uintptr(unsafe.Pointer(unsafe.SliceData(memory))), memory: memory}
}

// do adds a step that must not fail.
func (s *script) do(name string, call uintptr, args ...uintptr) *step {
	added := step{call: call}
	copy(added.args[:], args)
	s.steps = append(s.steps, added)
	s.names = append(s.names, name)
	return &s.steps[len(s.steps)-1]
}

// text returns the address of a C string. NUL bytes end it, as Command's
// strings are checked before.
func (s *script) text(t string) uintptr { return s.bytes(append([]byte(t), 0)) }

// bytes returns the address of a copy of b.
func (s *script) bytes(b []byte) uintptr {
	const alignment = 8
	at := (len(s.memory) + alignment - 1) &^ (alignment - 1)
	if at+len(b) > cap(s.memory) {
		s.full = true
		return 0
	}
	s.memory = append(s.memory[:at], b...)
	return s.base + uintptr(at)
}

// texts returns the address of an array of C strings that ends with null.
func (s *script) texts(all []string) uintptr {
	var array []byte
	for _, t := range all {
		array = binary.NativeEndian.AppendUint64(array, uint64(s.text(t)))
	}
	return s.bytes(binary.NativeEndian.AppendUint64(array, 0))
}

// address returns the address of a copy of a variable that has no pointers.
func address[T any](s *script, p *T) uintptr {
	return s.bytes(unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p)))
}

// open adds steps that open a path at a descriptor of the given number.
func (s *script) open(name, path string, flags int, fd uintptr) {
	at := unix.AT_FDCWD
	s.do(name, unix.SYS_OPENAT, uintptr(at), s.text(path), uintptr(flags|unix.O_CLOEXEC)).save = true
	s.do(name, unix.SYS_DUP3, 0, fd, unix.O_CLOEXEC).use = true
	s.do(name, unix.SYS_CLOSE, 0).use = true
}

// write adds steps that write to a file that is there, seen from the open folder at.
func (s *script) write(name string, at int, path, text string) {
	s.do(name, unix.SYS_OPENAT, uintptr(at), s.text(path), unix.O_WRONLY|unix.O_CLOEXEC).save = true
	s.do(name, unix.SYS_WRITE, 0, s.bytes([]byte(text)), uintptr(len(text))).use = true
	s.do(name, unix.SYS_CLOSE, 0).use = true
}

// A failure is where a new process notes which step failed.
type failure struct {
	step  uint32
	errno uint32 // 0 if none has failed
}

var errFull = errors.New("its arguments and the paths that it may read are too long")

// start forks a process that runs the script.
func (s *script) start(cloneFlags uintptr, f *failure) (pid int, err error) {
	if s.full {
		return 0, errFull
	}
	// A signal's Go handler would find no Go in the new process. Signals stay
	// blocked there until the last steps.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return 0, err
	}
	n, errno := forkAndRun(cloneFlags|unix.CLONE_VM|unix.CLONE_VFORK|uintptr(unix.SIGCHLD), s, f)
	runtime.KeepAlive(s)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil); err != nil {
		panic(err) // it is the mask that was there
	}
	if errno != 0 {
		return 0, syscall.Errno(errno)
	}
	return int(n), nil
}

// vfork is clone with the given flags. It returns twice, and the second time
// only when the new process has executed a program or is gone.
//
//go:noescape
func vfork(flags uintptr) (pid, errno uintptr)

// forkAndRun is start's fork and all that the new process executes of Go. It
// must call nothing that could grow the stack, allocate or schedule. What it
// writes, its stack frame included, the launcher's thread finds changed.
//
//go:norace
//go:nosplit
//go:noinline
func forkAndRun(flags uintptr, all *script, f *failure) (pid, errno uintptr) {
	if pid, errno = vfork(flags); errno != 0 || pid != 0 {
		return pid, errno
	}
	var kept uintptr
	for i := range all.steps {
		s := &all.steps[i]
		first := s.args[0]
		if s.use {
			first = kept
		}
		result, _, errno := syscall.RawSyscall6(s.call, first, s.args[1], s.args[2], s.args[3], s.args[4], s.args[5])
		if s.save {
			kept = result
		}
		if s.into != 0 {
			*(*uint32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(all.memory)), s.into-all.base)) = uint32(result)
		}
		if s.zero && result != 0 && errno == 0 {
			errno = unix.ECANCELED
		}
		if errno != 0 && !s.may {
			f.step, f.errno = uint32(i), uint32(errno)
			break
		}
	}
	for {
		_, _, _ = syscall.RawSyscall6(unix.SYS_EXIT_GROUP, 1, 0, 0, 0, 0, 0)
	}
}
