package sandbox

import (
	"slices"

	"golang.org/x/sys/unix"
)

// This file is the filter of system calls. It is a list of what is allowed, as
// the kernel grows calls faster than anybody can forbid them. What is not on it
// fails with EPERM and does not kill, so that a program which merely looks
// whether something is there goes on.

// execDescriptor is the number of the one descriptor that the filter lets be
// executed. It is the first above the limit of open files, so that the program,
// which inherits the limit and not the descriptor, can never have it again.
const execDescriptor = openFiles

// emptyPath is the address of the empty path that the filter lets execveat be
// called with: with AT_EMPTY_PATH in its flags, execveat still takes a path
// that is not empty for what it is, and a filter sees the pointer alone. The
// launcher has a page of zeros there, the program has none, and the filter lets nobody map memory at chosen addresses below 4 GiB again. The kernel itself
// chooses one only when all others are taken.
const emptyPath = 1 << 20

// allowed are the calls that need no look at their arguments: memory, threads,
// clocks, the process's own signals, and files, which Landlock and the mount
// namespace bound.
var allowed = append([]uintptr{
	// Memory and threads of the process itself.
	unix.SYS_BRK, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MSYNC, unix.SYS_MINCORE,
	unix.SYS_MLOCK, unix.SYS_MLOCK2, unix.SYS_MUNLOCK, // bounded by RLIMIT_MEMLOCK
	unix.SYS_FUTEX, unix.SYS_SET_TID_ADDRESS, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_MEMBARRIER,
	unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_GETPPID,
	unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID, unix.SYS_GETRESUID, unix.SYS_GETRESGID, unix.SYS_GETGROUPS,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_GETPARAM, unix.SYS_SCHED_GETSCHEDULER,
	unix.SYS_SCHED_GET_PRIORITY_MAX, unix.SYS_SCHED_GET_PRIORITY_MIN, unix.SYS_GETPRIORITY, unix.SYS_GETCPU,
	unix.SYS_GETRLIMIT, unix.SYS_SETRLIMIT, unix.SYS_GETRUSAGE, unix.SYS_TIMES, unix.SYS_SYSINFO, unix.SYS_UNAME, unix.SYS_GETRANDOM,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_WAIT4, unix.SYS_WAITID, unix.SYS_RESTART_SYSCALL,

	// Clocks and the process's own signals.
	unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_NANOSLEEP, unix.SYS_GETTIMEOFDAY,
	unix.SYS_GETITIMER, unix.SYS_SETITIMER,
	unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_GETTIME, unix.SYS_TIMER_GETOVERRUN, unix.SYS_TIMER_DELETE,
	unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_SETTIME, unix.SYS_TIMERFD_GETTIME,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGPENDING, unix.SYS_RT_SIGSUSPEND,
	unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_SIGALTSTACK, unix.SYS_SIGNALFD4,

	// Descriptors and waiting for them.
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64,
	unix.SYS_PREADV, unix.SYS_PWRITEV, unix.SYS_PREADV2, unix.SYS_PWRITEV2, unix.SYS_LSEEK, unix.SYS_SENDFILE, unix.SYS_COPY_FILE_RANGE,
	unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_PIPE2, unix.SYS_EVENTFD2, unix.SYS_FLOCK,
	unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2,

	// A socket that is there already, or a pair. Neither can be given another
	// peer: see socketpair.
	unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SENDMSG, unix.SYS_RECVMSG, unix.SYS_SHUTDOWN,
	unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKOPT,

	// Files.
	unix.SYS_OPENAT, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_FSTAT, unix.SYS_STATX, unix.SYS_READLINKAT,
	unix.SYS_GETDENTS64, unix.SYS_GETCWD, unix.SYS_CHDIR, unix.SYS_FCHDIR, unix.SYS_STATFS, unix.SYS_FSTATFS, unix.SYS_UMASK,
	unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT, unix.SYS_SYMLINKAT,
	unix.SYS_TRUNCATE, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FADVISE64,
}, allowedHere...)

// attributes are calls that change a file's owner, mode or times. Landlock does
// not see them, so that they need a mount namespace, in which all but the
// scratch folder is read-only.
var attributes = append([]uintptr{unix.SYS_FCHMODAT, unix.SYS_FCHMOD, unix.SYS_UTIMENSAT}, attributesHere...)

// signals are calls that send signals to others. They need a pid namespace,
// which has nobody else to send to, or Landlock's scope for signals.
var signals = []uintptr{unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_TGKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO}

// From asm-generic/ioctls.h.
const (
	fionclex = 0x5450
	fioclex  = 0x5451
	fionbio  = 0x5421
)

// Allowed values of arguments.
var (
	// ioctls on descriptors and terminals that only ask, or set what fcntl sets
	// too. TIOCSTI, which types on somebody's terminal, is one of the others.
	ioctls = []uint32{unix.TIOCINQ, fionbio, fioclex, fionclex, unix.TCGETS, unix.TIOCGWINSZ}

	// F_SETOWN and F_SETSIG are not there: they have the kernel send signals of
	// any number to any process. Neither are leases and larger pipes, whose
	// memory no limit of ours counts.
	fcntls = []uint32{unix.F_DUPFD, unix.F_DUPFD_CLOEXEC, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL,
		unix.F_GETLK, unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW, unix.F_GETPIPE_SZ}

	// PR_SET_PDEATHSIG is not there: a program must die with its launcher.
	prctls = []uint32{unix.PR_SET_NAME, unix.PR_GET_NAME, unix.PR_SET_VMA, unix.PR_GET_DUMPABLE, unix.PR_GET_NO_NEW_PRIVS,
		unix.PR_GET_SECCOMP, unix.PR_CAPBSET_READ}
)

// cloneNamespaces are the flags of clone that make namespaces, in which a
// program has all capabilities and reaches much more of the kernel, and
// CLONE_PARENT, whose child would be its launcher's.
const cloneNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP | unix.CLONE_PARENT

// A policy says what a filter is for.
type policy struct {
	namespaces bool // the process has namespaces of its own
	scoped     bool // Landlock keeps its signals within
	fork       bool
	execute    bool // the process still has to execute its program
}

// Offsets of struct seccomp_data.
const (
	offsetNumber = 0
	offsetArch   = 4
)

// argument is the offset of the lower half of argument i; the upper is 4 on,
// as all machines that we know are little-endian.
func argument(i int) uint32 { return uint32(16 + 8*i) }

// What a filter can decide.
const (
	allow   = unix.SECCOMP_RET_ALLOW
	deny    = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	nothing = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	killAll = unix.SECCOMP_RET_KILL_PROCESS
)

// ownNumber stands in a filter for the number of the process itself, which is
// known when the process is there. No process can have it.
const ownNumber = 1<<31 - 1

// filter assembles the program of the filter.
func filter(p policy) []unix.SockFilter {
	var f assembler

	// Numbers mean other calls on other architectures, so that a process which
	// enters through another gate would walk past the list. No honest program
	// does.
	f.load(offsetArch)
	f.unless(unix.BPF_JEQ, arch, ret(killAll))
	f.load(offsetNumber)
	if foreignBit != 0 {
		f.when(unix.BPF_JGE, foreignBit, ret(killAll))
	}

	// A C library takes ENOSYS for an older kernel and falls back on clone,
	// whose flags a filter can see.
	f.when(unix.BPF_JEQ, unix.SYS_CLONE3, ret(nothing))

	f.call(unix.SYS_CLONE, func(f *assembler) {
		f.load(argument(0))
		if !p.fork {
			f.unless(unix.BPF_JSET, unix.CLONE_THREAD, ret(deny))
		}
		f.when(unix.BPF_JSET, cloneNamespaces, ret(deny))
		f.ret(allow)
	})
	if p.execute {
		f.call(unix.SYS_EXECVEAT, func(f *assembler) {
			f.need(0, execDescriptor)
			f.need(1, emptyPath)
			f.need(4, unix.AT_EMPTY_PATH)
			f.ret(allow)
		})
	}
	f.call(unix.SYS_MMAP, func(f *assembler) {
		// What grows down gets to addresses that nobody has asked for, as far as memory lasts.
		f.load(argument(3))
		f.when(unix.BPF_JSET, unix.MAP_GROWSDOWN, ret(deny))
		f.needHighOrNull(0)
		f.ret(allow)
	})
	f.call(unix.SYS_MREMAP, func(f *assembler) {
		f.load(argument(3))
		// With neither flag there is no new address. With the second it is a wish.
		f.unless(unix.BPF_JSET, unix.MREMAP_FIXED|unix.MREMAP_DONTUNMAP, ret(allow))
		f.needHighOrNull(4)
		f.ret(allow)
	})
	// A pair of datagram sockets would do to send to any socket that has a name.
	f.call(unix.SYS_SOCKETPAIR, func(f *assembler) {
		f.need(0, unix.AF_UNIX)
		f.load(argument(1))
		f.and(^uint32(unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK))
		f.unless(unix.BPF_JEQ, unix.SOCK_STREAM, ret(deny))
		f.ret(allow)
	})
	f.call(unix.SYS_IOCTL, func(f *assembler) { f.oneOf(1, ioctls) })
	f.call(unix.SYS_FCNTL, func(f *assembler) { f.oneOf(1, fcntls) })
	f.call(unix.SYS_PRCTL, func(f *assembler) { f.oneOf(0, prctls) })
	// Limits of the process itself only: others of the same user have limits too.
	f.call(unix.SYS_PRLIMIT64, func(f *assembler) { f.oneOf(0, []uint32{0}) })

	plain := slices.Clone(allowed)
	if p.namespaces {
		plain = append(plain, attributes...)
	}
	if p.fork {
		plain = append(plain, forksHere...)
	}
	if p.namespaces || p.scoped {
		plain = append(plain, signals...)
	} else {
		// Only to itself, for raise and abort. tkill has no process in its arguments.
		for _, call := range []uintptr{unix.SYS_KILL, unix.SYS_TGKILL} {
			f.call(call, func(f *assembler) { f.oneOf(0, []uint32{ownNumber}) })
		}
	}
	f.table(plain)
	return f
}

// An assembler is a program of the filter machine, with the number of the call
// in the accumulator wherever a call's part ends without a decision.
type assembler []unix.SockFilter

func (f *assembler) emit(code uint16, jt, jf uint8, k uint32) {
	*f = append(*f, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
}

func (f *assembler) load(offset uint32) { f.emit(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, offset) }
func (f *assembler) and(mask uint32)    { f.emit(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, 0, 0, mask) }
func (f *assembler) ret(decision uint32) {
	*f = append(*f, ret(decision))
}

func ret(decision uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: decision}
}

// when runs one instruction if the accumulator compares with k.
func (f *assembler) when(compare uint16, k uint32, then unix.SockFilter) {
	f.emit(unix.BPF_JMP|compare|unix.BPF_K, 0, 1, k)
	*f = append(*f, then)
}

// unless runs one instruction if the accumulator does not compare with k.
func (f *assembler) unless(compare uint16, k uint32, then unix.SockFilter) {
	f.emit(unix.BPF_JMP|compare|unix.BPF_K, 1, 0, k)
	*f = append(*f, then)
}

// call adds the part of one call, which must end with a decision.
func (f *assembler) call(number uintptr, part func(*assembler)) {
	var body assembler
	part(&body)
	f.unless(unix.BPF_JEQ, uint32(number), jump(len(body)))
	*f = append(*f, body...)
}

func jump(over int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(over)}
}

// need denies the call unless argument i is exactly value.
func (f *assembler) need(i int, value uint32) {
	f.load(argument(i))
	f.unless(unix.BPF_JEQ, value, ret(deny))
	f.load(argument(i) + 4)
	f.unless(unix.BPF_JEQ, 0, ret(deny))
}

// needHighOrNull denies the call if argument i is below 4 GiB and not null.
func (f *assembler) needHighOrNull(i int) {
	f.load(argument(i) + 4)
	f.emit(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0, 3, 0) // not 0: past the rest
	f.load(argument(i))
	f.unless(unix.BPF_JEQ, 0, ret(deny))
}

// oneOf decides by the lower half of argument i, for arguments of which the
// kernel reads no more.
func (f *assembler) oneOf(i int, values []uint32) {
	f.load(argument(i))
	for _, v := range values {
		f.when(unix.BPF_JEQ, v, ret(allow))
	}
	f.ret(deny)
}

// table decides by the number of the call alone. It searches in halves, as the
// kernel, when it takes the filter, runs it once for each number there is.
func (f *assembler) table(numbers []uintptr) {
	slices.Sort(numbers)
	var edges []uint32 // where denied turns into allowed and back
	for _, n := range slices.Compact(numbers) {
		if last := len(edges) - 1; last >= 0 && edges[last] == uint32(n) {
			edges[last]++
		} else {
			edges = append(edges, uint32(n), uint32(n)+1)
		}
	}
	// Between edges[i-1] and edges[i], numbers are allowed for odd i.
	var search func(low, high int) assembler
	search = func(low, high int) assembler {
		if low == high {
			return assembler{ret([]uint32{deny, allow}[low%2])}
		}
		middle := (low + high) / 2
		left, right := search(low, middle), search(middle+1, high)
		var s assembler
		s.when(unix.BPF_JGE, edges[middle], jump(len(left)))
		return append(append(s, left...), right...)
	}
	*f = append(*f, search(0, len(edges))...)
}
