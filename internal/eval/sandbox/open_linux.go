package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Main is the main function of the confined half, for its several processes.
func Main(args []string) int {
	if len(args) > 0 {
		switch args[0] {
		case "launch":
			return launch(args[1:])
		case "check":
			return check(args[1:])
		}
	}
	fmt.Fprintln(os.Stderr, "this command is for the program's own use")
	return 2
}

// A linux is the backend that hands programs to a launcher.
type linux struct {
	command []string // starts the confined half
	tree    []entry
	unsafe  bool // there are no layers

	namespaces bool  // programs have scratch folders of their own
	memory     Layer // what limits it
	launcher   *os.Process

	templates atomic.Int64 // how many have been started

	mu     sync.Mutex
	socket int           // to the launcher; -1 when closed
	ended  chan struct{} // the launcher is gone
}

func open(ctx context.Context, o Options) (*Sandbox, error) {
	libraries, err := ownLibraries()
	if err != nil {
		return nil, err
	}
	entries, err := tree(slices.Concat(o.ReadOnly, libraries))
	if err != nil {
		return nil, err
	}
	if o.Unsafe {
		b, err := startLauncher(o.Command, plan{}, entries)
		if err != nil {
			return nil, err
		}
		s := &Sandbox{backend: b}
		o.Meanwhile(s)
		return s, nil
	}
	// The stronger first.
	user := os.Geteuid() != 0
	landlock := landlockVersion()
	var missing []string
	for _, p := range []plan{
		{Namespaces: true, User: user, Seccomp: true, Landlock: landlock},
		{Seccomp: true, Landlock: landlock},
	} {
		if !p.Namespaces && landlock < landlockNetwork {
			missing = append(missing, fmt.Sprintf("Landlock is version %d, and without namespaces it must be %d", landlock, landlockNetwork))
			break
		}
		b, err := startLauncher(o.Command, p, entries)
		if err != nil {
			return nil, err
		}
		s := &Sandbox{layers: p.layers(b.memory), missing: p.missing(), because: strings.Join(missing, "; "), backend: b}
		if err = b.try(ctx, func() { o.Meanwhile(s) }); err == nil {
			return s, nil
		}
		b.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		missing = append(missing, fmt.Sprintf("with %s: %v", (&Sandbox{layers: p.layers(b.memory)}).String(), err))
	}
	return nil, &Refused{Missing: strings.Join(missing, "; "), Remedy: remedy}
}

// try fails unless all layers hold. It returns when meanwhile has, too.
func (b *linux) try(ctx context.Context, meanwhile func()) error {
	var group sync.WaitGroup
	group.Go(meanwhile)
	defer group.Wait()
	found, err := b.checks(ctx, "")
	if err != nil {
		return err
	}
	return firstBreach(found)
}

// remedy says how to get layers where there are none.
const remedy = "allow user namespaces (sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone and " +
	"kernel.apparmor_restrict_unprivileged_userns; in a container: --security-opt seccomp=unconfined --security-opt apparmor=unconfined), " +
	"or use a kernel from 6.7 on with Landlock among its lsm="

// missing is what users should know is not there.
func (p plan) missing() []string {
	if p.Namespaces {
		return nil
	}
	return []string{"pid, mount or network namespace"}
}

func (p plan) layers(memory Layer) []Layer {
	var w []Layer
	if p.Namespaces {
		w = append(w, Namespaces)
	}
	if p.Seccomp {
		w = append(w, Seccomp)
	}
	if p.Landlock > 0 {
		w = append(w, Landlock)
	}
	return append(w, memory)
}

// startLauncher starts a launcher. It ends when the socket to it is closed,
// which happens with Close and with the end of this process, however it comes.
func startLauncher(command []string, p plan, entries []entry) (*linux, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "launcher")
	defer theirs.Close()
	_ = unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 2*maxMessage) // the default does for most
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	defer null.Close()
	text, err := json.Marshal(setup{Plan: p, Tree: entries, Controllers: controllers})
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	argv := append(slices.Clone(command), "launch", string(text))
	process, err := os.StartProcess(argv[0], argv, &os.ProcAttr{
		Files: []*os.File{null, null, os.Stderr, theirs},
		Env:   []string{"TMPDIR=" + os.TempDir()},
		Sys:   &syscall.SysProcAttr{Setsid: true}, // what is typed at our terminal is for us
	})
	if err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	b := &linux{command: command, tree: entries, unsafe: !p.Seccomp, namespaces: p.Namespaces, launcher: process, socket: pair[0], ended: make(chan struct{})}
	go func() {
		_, _ = process.Wait() // how it ended shows in its programs' news
		close(b.ended)
	}()
	theirs.Close() // so that reading ends if the launcher does
	b.memory = greeting(b.socket)
	return b, nil
}

// greeting is what the launcher says limits memory, once it is ready. If it
// could not get ready, the first program to start will tell.
func greeting(socket int) Layer {
	buffer := make([]byte, 64)
	for {
		n, err := unix.Read(socket, buffer)
		switch {
		case err == unix.EINTR:
		case err != nil || n == 0:
			return MemoryByRlimit
		default:
			return Layer(buffer[:n])
		}
	}
}

// Close kills all programs that run and returns when nothing is left of them.
func (b *linux) Close() error {
	b.mu.Lock()
	if b.socket >= 0 {
		unix.Close(b.socket)
		b.socket = -1
	}
	b.mu.Unlock()
	<-b.ended
	if !b.namespaces {
		removeStale(os.TempDir()) // if somebody killed the launcher
	}
	return nil
}

// Start starts a program. It returns as soon as its first half runs; what fails
// after that is the error of Wait.
func (b *linux) Start(c Command) (*Process, error) {
	if c.CopyOf != nil {
		c.Fork = false
		return b.start(c, job{CopyOf: c.CopyOf.number}, nil)
	}
	return b.execute(c, job{})
}

// StartTemplate starts a program to make copies of.
func (b *linux) StartTemplate(c Command) (*Template, error) {
	if b.namespaces && slices.ContainsFunc(b.tree, func(e entry) bool { return strings.HasPrefix(e.Path, scratchPath+"/") }) {
		return nil, ErrNoTemplates // a copy's scratch folder would hide it
	}
	number := int(b.templates.Add(1))
	p, err := b.execute(c, job{Template: number})
	if err != nil {
		return nil, err
	}
	return &Template{p, number}, nil
}

// execute starts a program by its path.
func (b *linux) execute(c Command, j job) (*Process, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("sandbox: a command without arguments has no name")
	}
	program, err := unix.Open(c.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %s: %w", c.Path, err)
	}
	defer unix.Close(program)
	return b.start(c, j, []int{program})
}

// start has the launcher start a process. The program, if it is to be executed,
// is open.
func (b *linux) start(c Command, j job, program []int) (*Process, error) {
	name := cmp.Or(c.Path, "a copy")
	j.Args, j.Env, j.Fork, j.CPU = c.Args, c.Env, c.Fork, uint64(math.Ceil(c.CPU.Seconds()))
	j.Memory, j.Tasks = cmp.Or(c.Memory, DefaultMemory), cmp.Or(c.Tasks, DefaultTasks)
	text, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if len(text) > maxMessage {
		return nil, fmt.Errorf("sandbox: arguments and environment of %s are too long", name)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	_ = unix.SetNonblock(pair[0], true) // so that reading it takes no thread
	status := os.NewFile(uintptr(pair[0]), "status")
	err = b.send(text, append([]int{pair[1]}, program...), c.Files)
	unix.Close(pair[1])
	if err != nil {
		status.Close()
		return nil, err
	}
	p := &Process{forks: c.Fork, done: make(chan struct{}), kill: func() { _ = shutdown(status) }}
	first, err := read(status)
	if err == nil && first.Started == 0 {
		err = errors.New(first.Failed)
	}
	if err != nil {
		status.Close()
		return nil, fmt.Errorf("sandbox: %s: %w", name, err)
	}
	p.pid = first.Started
	go func() {
		defer close(p.done)
		defer status.Close()
		p.end, p.err = lastNews(status)
		if p.err != nil {
			p.err = fmt.Errorf("sandbox: %s: %w", name, p.err)
		}
	}()
	return p, nil
}

// send hands a program to the launcher.
func (b *linux) send(text []byte, fds []int, files []*os.File) error {
	for _, f := range files {
		raw, err := f.SyscallConn() // and not Fd, which would make it block
		if err != nil {
			return fmt.Errorf("sandbox: %w", err)
		}
		err = raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) })
		if err != nil {
			return fmt.Errorf("sandbox: %w", err)
		}
	}
	defer runtime.KeepAlive(files)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.socket < 0 {
		return errors.New("sandbox: closed")
	}
	if err := unix.Sendmsg(b.socket, text, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("sandbox: the launcher is gone: %w", err)
	}
	return nil
}

// shutdown hangs up on a program, which the launcher then kills.
func shutdown(status *os.File) error {
	raw, err := status.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_WR) })
}

// read reads one message of the launcher or the confined half.
func read(status *os.File) (message, error) {
	var m message
	buffer := make([]byte, 4096)
	n, err := status.Read(buffer)
	if err != nil {
		return m, errors.New("the launcher is gone")
	}
	return m, json.Unmarshal(buffer[:n], &m)
}

// lastNews reads until the program has ended.
func lastNews(status *os.File) (End, error) {
	m, err := read(status)
	switch {
	case err != nil:
		return End{}, err
	case m.Ended != nil:
		return *m.Ended, nil
	}
	return End{}, errors.New(m.Failed)
}
