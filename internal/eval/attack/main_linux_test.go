// Package attack holds no program, only tests: it runs the hostile programs of
// testdata/attacks as an evaluation runs samples, and looks at the host
// afterwards. See testdata/attacks/README.md.
package attack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"nfcot/internal/eval"
	"nfcot/internal/eval/cpython"
	"nfcot/internal/eval/sandbox"
)

// The test binary plays the parts of other processes, by its first argument.
const (
	modeSandbox = sandbox.Subcommand // the launcher and the confined half
	modeEval    = "__eval"           // the evaluation under attack
	modeBare    = "__bare"           // makes namespaces impossible and goes on as the evaluation
)

func TestMain(m *testing.M) {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	var err error
	switch mode {
	case modeSandbox:
		os.Exit(sandbox.Main(os.Args[2:]))
	case modeEval:
		err = evaluate()
	case modeBare:
		err = becomeBare(os.Args[2:])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// A batch is what an evaluation is to do.
type batch struct {
	Python  string
	Memory  int64
	Timeout time.Duration
	Workers int
	Samples []sample
}

// A sample is a program and its problem.
type sample struct {
	Name    string
	Problem eval.Problem
	Program string // @PID@ stands for the evaluation's process

	// Again has the program run again, alone, if the wall clock ends it: what eval.Judge does for all.
	Again bool
}

// A verdict is what an evaluation says of a sample.
type verdict struct {
	Name    string
	Outcome eval.Outcome
	Error   string
}

// A summary is what an evaluation says of itself, after all verdicts.
type summary struct {
	Layers            string
	OpenBefore        int // descriptors
	OpenAfter         int
	GoroutinesBefore  int
	GoroutinesAfter   int
	Signals           []string // that somebody sent
	PeakMemory        int64
	Refused, CloseErr string
}

// evaluate does a batch from standard input. Each verdict and then the summary
// is a line of its standard output.
func evaluate() error {
	var b batch
	if err := json.NewDecoder(os.Stdin).Decode(&b); err != nil {
		return err
	}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	signal.Reset(syscall.SIGURG, syscall.SIGPIPE) // the Go runtime's own, and a socket's whose other end is gone
	s := summary{OpenBefore: openFiles(), GoroutinesBefore: runtime.NumGoroutine()}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	lines := json.NewEncoder(out)

	x, err := cpython.Open(context.Background(), cpython.Options{
		Python: b.Python, Memory: b.Memory, Timeout: b.Timeout, Workers: b.Workers,
		Sandbox: sandbox.Options{Command: []string{os.Args[0], modeSandbox}},
	})
	if err != nil {
		s.Refused = err.Error()
		return lines.Encode(map[string]any{"Summary": s})
	}
	s.Layers = x.Layers()
	judgeBatch(x, b, lines)
	if err := x.Close(); err != nil {
		s.CloseErr = err.Error()
	}
	// What Close has ended may take the Go runtime a moment to let go of.
	for range 100 {
		s.OpenAfter, s.GoroutinesAfter = openFiles(), runtime.NumGoroutine()
		if s.OpenAfter <= s.OpenBefore && s.GoroutinesAfter <= s.GoroutinesBefore+1 { // that of signal.Notify
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for len(signals) > 0 {
		if sig := <-signals; sig != syscall.SIGCHLD {
			s.Signals = append(s.Signals, sig.String())
		}
	}
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	s.PeakMemory = usage.Maxrss << 10
	return lines.Encode(map[string]any{"Summary": s})
}

// judgeBatch writes a line for each sample of a batch. Those that the wall clock
// ended and that are to have another chance run again, alone.
func judgeBatch(x *cpython.Executor, b batch, lines *json.Encoder) {
	var mu sync.Mutex
	var workers sync.WaitGroup
	samples := make(chan sample)
	pid := strconv.Itoa(os.Getpid())
	var again []sample
	judge := func(a sample) {
		o, err := x.Execute(context.Background(), a.Problem, strings.ReplaceAll(a.Program, "@PID@", pid))
		mu.Lock()
		defer mu.Unlock()
		if a.Again && o.WallClock {
			a.Again = false
			again = append(again, a)
			return
		}
		v := verdict{Name: a.Name, Outcome: o}
		if err != nil {
			v.Error = err.Error()
		}
		_ = lines.Encode(v) // of strings and numbers, into memory or a pipe to the test
	}
	for range b.Workers {
		workers.Go(func() {
			for a := range samples {
				judge(a)
			}
		})
	}
	for _, a := range b.Samples {
		samples <- a
	}
	close(samples)
	workers.Wait()
	for _, a := range again {
		judge(a)
	}
}

// openFiles is the number of this process's descriptors, but for the Go
// runtime's poller, which comes with the first that needs it.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	n := 0
	for _, e := range entries {
		link, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(link, "anon_inode:[event") {
			n++
		}
	}
	return n
}

// becomeBare goes on as the evaluation where no namespaces can be made. Its
// arguments are the way and the user to become.
//
// "sysctl" is for the first process of a user namespace, which may set how many
// namespaces there may be in it. "container" is what container engines do to
// root: without its most powerful capabilities, behind a filter of system calls.
func becomeBare(args []string) error {
	runtime.LockOSThread()
	uid, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	switch args[0] {
	case "sysctl":
		for _, kind := range []string{"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"} {
			if err := os.WriteFile("/proc/sys/user/max_"+kind+"_namespaces", []byte("0"), 0); err != nil {
				return err
			}
		}
	case "container":
		keep := map[uintptr]bool{}
		for _, c := range []uintptr{unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL,
			unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_SETPCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW, unix.CAP_SYS_CHROOT,
			unix.CAP_MKNOD, unix.CAP_AUDIT_WRITE, unix.CAP_SETFCAP} {
			keep[c] = true
		}
		for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
			if !keep[c] {
				_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
			}
		}
		if err := denyNamespaces(); err != nil {
			return err
		}
	}
	if uid != os.Getuid() {
		if err := syscall.Setgroups(nil); err != nil {
			return err
		}
		if err := syscall.Setgid(uid); err != nil {
			return err
		}
		if err := syscall.Setuid(uid); err != nil {
			return err
		}
	}
	return syscall.Exec(os.Args[0], []string{os.Args[0], modeEval}, os.Environ())
}

// denyNamespaces puts this process behind a filter that knows no namespaces.
func denyNamespaces() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	const flags = unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	statement := func(code uint16, k uint32, jt, jf uint8) unix.SockFilter {
		return unix.SockFilter{Code: code, K: k, Jt: jt, Jf: jf}
	}
	load := func(offset uint32) unix.SockFilter {
		return statement(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offset, 0, 0)
	}
	equal := func(k uint32, jt, jf uint8) unix.SockFilter {
		return statement(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, k, jt, jf)
	}
	ret := func(decision uint32) unix.SockFilter { return statement(unix.BPF_RET|unix.BPF_K, decision, 0, 0) }
	f := []unix.SockFilter{
		load(0), // the call's number
		equal(unix.SYS_CLONE, 4, 0),
		equal(unix.SYS_CLONE3, 6, 0),
		equal(unix.SYS_UNSHARE, 4, 0),
		equal(unix.SYS_SETNS, 3, 0),
		ret(unix.SECCOMP_RET_ALLOW),
		load(16), // its first argument
		statement(unix.BPF_JMP|unix.BPF_JSET|unix.BPF_K, flags, 0, 2),
		ret(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)),
		ret(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)),
		ret(unix.SECCOMP_RET_ALLOW),
	}
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	// For all threads of this process, which Go has started already.
	if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&prog))); errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}
