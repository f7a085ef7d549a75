package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file tries the layers: this program itself runs confined and attempts
// what a hostile one would. Open believes in no layer that it has not tried.

// A target is what the outside has for checks to reach.
type target struct {
	Parent int        // the user's process, on the host
	Port   int        // where it listens on the loopback interface
	Files  []hostFile // that must not be readable
	Dirs   []hostFile // that must not be writable
	Memory int64
	Extra  []string // variables that the sandbox itself sets
}

// A hostFile is a file or folder of the host. A root of our own may have others
// by the same name.
type hostFile struct {
	Path string
	Dev  uint64
	Ino  uint64
}

// hostFiles finds those of the paths that are there and not given to programs.
func hostFiles(given []entry, paths ...string) []hostFile {
	var found []hostFile
	for _, path := range paths {
		var st unix.Stat_t
		within := func(e entry) bool { return strings.HasPrefix(path+"/", e.Path+"/") && e.Link == "" }
		if unix.Stat(path, &st) == nil && !slices.ContainsFunc(given, within) {
			found = append(found, hostFile{Path: path, Dev: uint64(st.Dev), Ino: st.Ino})
		}
	}
	return found
}

// open opens the host's file, and no other by its name.
func (h hostFile) open() error {
	fd, err := unix.Open(h.Path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return h.check(fd)
}

// check fails if what is open at fd is not the host's file.
func (h hostFile) check(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if uint64(st.Dev) != h.Dev || st.Ino != h.Ino {
		return errHeld("another file of that name")
	}
	return nil
}

// create creates a file in the host's folder, and removes it again.
func (h hostFile) create() error {
	dir, err := unix.Open(h.Path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := h.check(dir); err != nil {
		return err
	}
	const name = scratchPrefix + "check"
	fd, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	unix.Close(fd)
	return unix.Unlinkat(dir, name, 0)
}

// none is nil if one of the attempts on the files is: one that goes through is
// enough.
func none(files []hostFile, attempt func(hostFile) error) error {
	var err error = errHeld("there are none")
	for _, f := range files {
		if err = attempt(f); err == nil {
			return nil
		}
	}
	return err
}

// An attempt is a check from within. Those that a layer may answer with death
// have a process to themselves.
type attempt struct {
	name  string
	try   func(target) error // nil if it went through the layer
	alone bool
	fork  bool
	// fatal says whether the end of a process that did not survive its attempt
	// is what the layer should do.
	fatal func(End) bool
}

// errHeld is of an attempt that was told no in its own way.
type errHeld string

func (e errHeld) Error() string { return string(e) }

// call is an attempt that is one system call. All arguments that the kernel
// would look at before it looks at rights must be good ones.
func call(name string, number uintptr, args ...uintptr) attempt {
	return attempt{name: name, try: func(target) error { return tryCall(number, args...) }}
}

func tryCall(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	_, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
	// Anything else would mean that the call got further than the filter.
	if errno == unix.EPERM || errno == unix.ENOSYS {
		return errno
	}
	if errno != 0 {
		fmt.Fprintln(os.Stderr, number, errno)
	}
	return nil
}

func killedBy(signals ...unix.Signal) func(End) bool {
	return func(e End) bool { return slices.Contains(signals, unix.Signal(e.Signal)) }
}

var bytePath = [2]byte{'/', 0}

// attempts are all checks. Their order is that of the report.
var attempts = slices.Concat([]attempt{
	{name: "network socket", try: func(t target) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return nil
	}},
	{name: "connection to the loopback interface", try: func(t target) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Connect(fd, &unix.SockaddrInet4{Port: t.Port, Addr: [4]byte{127, 0, 0, 1}})
	}},
	{name: "Unix socket", try: func(t target) error {
		_, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		return err
	}},
	{name: "pair of sockets that can send elsewhere", try: func(t target) error {
		_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		return err
	}},
	{name: "reading the host's files", try: func(t target) error { return none(t.Files, hostFile.open) }},
	{name: "writing to the host's folders", try: func(t target) error { return none(t.Dirs, hostFile.create) }},
	{name: "writing to the root", try: func(t target) error { return os.WriteFile("/"+scratchPrefix+"check", nil, 0o600) }},
	{name: "a host's device", try: func(t target) error {
		var err error
		for _, path := range []string{"/dev/mem", "/dev/kmsg", "/dev/tty", "/dev/fuse"} {
			f, e := os.Open(path)
			if e == nil {
				f.Close()
				return nil
			}
			err = e
		}
		return err
	}},
	{name: "reading /proc", try: func(t target) error {
		_, err := os.ReadFile("/proc/self/status")
		if err == nil {
			return nil
		}
		_, err = os.ReadDir("/proc")
		return err
	}},
	{name: "descriptors that leaked", try: func(t target) error {
		for fd := 4; fd < 2048; fd++ {
			name, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			var st unix.Stat_t
			// The Go runtime's own are anonymous inodes, which have no type.
			if err == nil && unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT != 0 {
				return fmt.Errorf("descriptor %d (flags %#x) %w", fd, name, errThrough)
			}
		}
		return errHeld("none")
	}},
	{name: "environment that leaked", try: func(t target) error {
		for _, v := range os.Environ() {
			name, _, _ := strings.Cut(v, "=")
			if !slices.Contains(t.Extra, name) {
				return fmt.Errorf("%s %w", name, errThrough)
			}
		}
		return errHeld("none")
	}},
	{name: "user 0 or capabilities", try: func(t target) error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		// capget is not among the allowed calls, so that it may not tell.
		err := unix.Capget(&header, &data[0])
		if os.Getuid() == 0 || os.Geteuid() == 0 || os.Getegid() == 0 || err == nil && (data[0].Permitted|data[1].Permitted) != 0 {
			return nil
		}
		return errHeld(fmt.Sprintf("user %d", os.Getuid()))
	}},
	{name: "becoming user 0", try: func(t target) error { return tryCall(unix.SYS_SETUID) }},
	{name: "fork", try: func(t target) error { return fork(0) }},
	{name: "clone into a user namespace", try: func(t target) error { return fork(unix.CLONE_NEWUSER) }},
	{name: "clone3", try: func(t target) error { return tryCall(unix.SYS_CLONE3) }},
	{name: "execve", try: func(t target) error { return tryCall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(&bytePath)), 0, 0) }},
	{name: "executing a second program", try: func(t target) error {
		// As the filter wants it, but for the path, which cannot be where it wants it.
		if err := tryCall(unix.SYS_EXECVEAT, execDescriptor, uintptr(unsafe.Pointer(&bytePath)), 0, 0, unix.AT_EMPTY_PATH); err == nil {
			return nil
		}
		return tryCall(unix.SYS_MMAP, emptyPath, 1, unix.PROT_READ|unix.PROT_WRITE,
			unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED, ^uintptr(0))
	}},
	{name: "killing the parent", try: func(t target) error {
		if os.Getpid() == 1 {
			return unix.Kill(-1, 0) // whoever there is in our pid namespace but us
		}
		return unix.Kill(t.Parent, 0)
	}},
	{name: "tracing the parent", try: func(t target) error { return tryCall(unix.SYS_PTRACE, unix.PTRACE_ATTACH, uintptr(t.Parent)) }},
	{name: "reading the parent's memory", try: func(t target) error { return tryCall(unix.SYS_PROCESS_VM_READV, uintptr(t.Parent)) }},
	{name: "the parent's limits", try: func(t target) error { return tryCall(unix.SYS_PRLIMIT64, uintptr(t.Parent), unix.RLIMIT_CPU) }},
	{name: "signals by way of a descriptor's owner", try: func(t target) error { return tryCall(unix.SYS_FCNTL, 3, unix.F_SETOWN, uintptr(t.Parent)) }},
	{name: "outliving the parent", try: func(t target) error { return tryCall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG) }},
	{name: "typing on a terminal", try: func(t target) error { return tryCall(unix.SYS_IOCTL, 0, unix.TIOCSTI) }},
},
	[]attempt{
		call("mount", unix.SYS_MOUNT), call("umount", unix.SYS_UMOUNT2), call("pivot_root", unix.SYS_PIVOT_ROOT), call("chroot", unix.SYS_CHROOT),
		call("unshare", unix.SYS_UNSHARE, unix.CLONE_NEWUSER), call("setns", unix.SYS_SETNS), call("open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT),
		call("io_uring", unix.SYS_IO_URING_SETUP), call("bpf", unix.SYS_BPF), call("perf_event_open", unix.SYS_PERF_EVENT_OPEN),
		call("userfaultfd", unix.SYS_USERFAULTFD), call("keyctl", unix.SYS_KEYCTL), call("memfd_create", unix.SYS_MEMFD_CREATE),
		call("shmget", unix.SYS_SHMGET), call("mq_open", unix.SYS_MQ_OPEN), call("seccomp", unix.SYS_SECCOMP), call("sethostname", unix.SYS_SETHOSTNAME),
		call("clock_settime", unix.SYS_CLOCK_SETTIME), call("sync", unix.SYS_SYNC), call("sched_setaffinity", unix.SYS_SCHED_SETAFFINITY),
		call("personality", unix.SYS_PERSONALITY), call("mknod", unix.SYS_MKNODAT),
	},
	[]attempt{
		{name: "more memory than its limit", try: func(t target) error {
			m, err := unix.Mmap(-1, 0, int(t.Memory), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
			if err == nil {
				unix.Munmap(m)
			}
			return err
		}},
		{name: "a large file", try: func(t target) error { return writeFiles(1, fileBytes+1) }},
		{name: "a full scratch folder", alone: true, try: func(t target) error { return writeFiles(4, fileBytes-1) },
			fatal: func(e End) bool { return e.OutOfDisk }},
		{name: "many processes", alone: true, fork: true, try: manyProcesses, fatal: killedBy(unix.SIGKILL)},
	}, foreignCalls)

// errThrough marks the error of an attempt that says what it got.
var errThrough = errors.New("came through")

// fork forks, if it may, and has the child do nothing.
//
//go:nosplit
//go:norace
func fork(flags uintptr) error {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	for pid == 0 {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

// forkPaused forks a child that stays.
//
//go:nosplit
//go:norace
func forkPaused() syscall.Errno {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	for errno == 0 && pid == 0 {
		_, _, _ = syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
	return errno
}

func manyProcesses(target) error {
	for n := range 2 * DefaultTasks {
		if errno := forkPaused(); errno != 0 {
			return errHeld(fmt.Sprintf("%v after %d", errno, n))
		}
	}
	// Where the launcher watches, it may take a moment.
	time.Sleep(10 * watchInterval)
	return nil
}

// writeFiles writes files of the given size and keeps them.
func writeFiles(n, size int) error {
	signal.Ignore(unix.SIGXFSZ)
	block := make([]byte, 1<<20)
	for i := range n {
		f, err := os.Create("full" + strconv.Itoa(i))
		if err != nil {
			return err
		}
		defer os.Remove(f.Name())
		defer f.Close()
		for left := size; left > 0; {
			n, err := f.Write(block[:min(left, len(block))])
			if err != nil {
				return err
			}
			left -= n
		}
	}
	time.Sleep(3 * diskInterval * watchInterval)
	return nil
}

// check is the main function of a confined program that makes attempts and
// writes, for each, a line with a Check to descriptor 3.
func check(args []string) int {
	var t target
	if len(args) != 2 || json.Unmarshal([]byte(args[0]), &t) != nil {
		return 2
	}
	out := os.NewFile(3, "results")
	for _, a := range attempts {
		if a.name != args[1] && (args[1] != "" || a.alone) {
			continue
		}
		err := a.try(t)
		p := Check{Name: a.name, Held: err != nil && !errors.Is(err, errThrough), Seen: "it could"}
		if err != nil {
			p.Seen = err.Error()
		}
		line, _ := json.Marshal(p) // strings and a bool
		if _, err := out.Write(append(line, '\n')); err != nil {
			return 1
		}
	}
	return 0
}

// Checks tries each layer from within and returns what held. The error is for
// checks that could not be made.
func (s *Sandbox) Checks(ctx context.Context) ([]Check, error) {
	b, ok := s.backend.(*linux)
	if !ok || b.unsafe {
		return nil, errors.New("sandbox: there are no layers to try")
	}
	found, err := b.checks(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, a := range attempts {
		if a.alone {
			more, err := b.checks(ctx, a.name)
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
	}
	return found, nil
}

// checks makes the attempts of the given name, or all that are not alone.
func (b *linux) checks(ctx context.Context, name string) ([]Check, error) {
	home, _ := os.UserHomeDir() // "" if there is none, and then no file has that name
	dir, _ := os.Getwd()
	t := target{
		Parent: os.Getpid(), Memory: DefaultMemory, Extra: []string{"TMPDIR"},
		Files: hostFiles(b.tree, "/etc/passwd", "/etc/hostname", "/root", home),
		Dirs:  hostFiles(b.tree, "/", "/dev", "/var/tmp", "/dev/shm", "/tmp", home, dir),
	}
	if fd, port, err := listen(); err == nil { // a host without a network has none to try
		defer unix.Close(fd)
		t.Port = port
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	only := attempt{}
	if i := slices.IndexFunc(attempts, func(a attempt) bool { return a.name == name }); i >= 0 {
		only = attempts[i]
	}
	p, err := b.Start(Command{
		Path: b.command[0], Args: append(slices.Clone(b.command), "check", string(text), name), Files: []*os.File{w}, Fork: only.fork,
	})
	w.Close()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, p.Kill)
	defer stop()
	output, _ := io.ReadAll(r)
	end, err := p.Wait()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	var found []Check
	for line := range strings.Lines(string(output)) {
		var p Check
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			return nil, fmt.Errorf("sandbox: check: %w", err)
		}
		found = append(found, p)
	}
	switch {
	case name == "" && (end.ExitCode != 0 || len(found) == 0):
		return nil, fmt.Errorf("the program that tries the layers ended with status %d, signal %d", end.ExitCode, end.Signal)
	case name != "" && len(found) == 0:
		seen := fmt.Sprintf("ended with status %d", end.ExitCode)
		if end.Signal != 0 {
			seen = fmt.Sprintf("killed by signal %d", end.Signal)
		}
		found = append(found, Check{Name: name, Held: only.fatal != nil && only.fatal(end), Seen: seen})
	}
	return found, nil
}

// listen listens on the loopback interface, for a check to connect to.
func listen() (fd, port int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, 0, err
	}
	name, err := unix.Sockaddr(nil), unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err == nil {
		err = unix.Listen(fd, 1)
	}
	if err == nil {
		name, err = unix.Getsockname(fd)
	}
	if err != nil {
		unix.Close(fd)
		return -1, 0, err
	}
	return fd, name.(*unix.SockaddrInet4).Port, nil
}

// firstBreach returns the first layer that did not hold.
func firstBreach(found []Check) error {
	for _, p := range found {
		if !p.Held {
			return fmt.Errorf("%s: %s", p.Name, p.Seen)
		}
	}
	return nil
}
