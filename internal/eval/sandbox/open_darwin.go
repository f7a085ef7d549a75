package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// On macOS the layer is the kernel's Seatbelt, by way of sandbox-exec. For each
// program there is a keeper, this program itself, which sets limits, starts
// sandbox-exec, watches the memory, and kills when its own starter is gone: the
// system has nothing like PR_SET_PDEATHSIG.

const sandboxExec = "/usr/bin/sandbox-exec"

// A job is what a keeper is told.
type job struct {
	Argv    []string // sandbox-exec and the program, or the program alone
	Env     []string
	Files   int
	Memory  int64
	CPU     uint64 // seconds
	Scratch string
}

// Main is the main function of the confined half, for its several processes.
func Main(args []string) int {
	if len(args) == 2 && args[0] == "keep" {
		return keep(args[1])
	}
	if len(args) == 2 && args[0] == "check" {
		return check(args[1])
	}
	fmt.Fprintln(os.Stderr, "this command is for the program's own use")
	return 2
}

// A darwin is the backend that gives each program a keeper.
type darwin struct {
	Options
	scratch string // folder of scratch folders

	mu      sync.Mutex
	made    int
	closed  bool
	running map[*Process]bool
}

func open(ctx context.Context, o Options) (*Sandbox, error) {
	scratch, err := os.MkdirTemp("", "nfcot-sandbox-")
	if err == nil {
		scratch, err = filepath.EvalSymlinks(scratch) // Seatbelt compares real paths
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	b := &darwin{Options: o, scratch: scratch, running: map[*Process]bool{}}
	if o.Unsafe {
		s := &Sandbox{backend: b}
		o.Meanwhile(s)
		return s, nil
	}
	s := &Sandbox{layers: []Layer{SandboxExec, MemoryByWatcher}, backend: b, missing: []string{"pid, mount or network namespace"}}
	found, err := s.Checks(ctx)
	for _, p := range found {
		if err == nil && !p.Held {
			err = fmt.Errorf("%s: %s", p.Name, p.Seen)
		}
	}
	if err != nil {
		b.Close()
		return nil, &Refused{Missing: fmt.Sprintf("%s does not confine: %v", sandboxExec, err), Remedy: "evaluate on Linux"}
	}
	o.Meanwhile(s)
	return s, nil
}

// profile is the policy for a program: nothing but what it names.
func (b *darwin) profile(c Command, scratch string) string {
	var p strings.Builder
	p.WriteString("(version 1)\n(deny default)\n")
	allow := func(what string, filters ...string) {
		fmt.Fprintf(&p, "(allow %s %s)\n", what, strings.Join(filters, " "))
	}
	quote := func(kind, path string) string { return fmt.Sprintf("(%s %q)", kind, path) }
	allow("process-exec", quote("literal", c.Path)) // sandbox-exec becomes the program
	// The dynamic linker and the libraries of the system, which nobody can write to.
	allow("file-read*", quote("literal", c.Path), quote("literal", "/"), quote("subpath", "/usr/lib"), quote("subpath", "/System/Library"),
		quote("subpath", "/System/Volumes/Preboot/Cryptexes"), quote("literal", "/dev/null"), quote("literal", "/dev/zero"),
		quote("literal", "/dev/random"), quote("literal", "/dev/urandom"))
	for _, path := range b.ReadOnly {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue // what is not there cannot be needed
		}
		allow("file-read* file-map-executable", quote("subpath", real), quote("subpath", path))
	}
	// Python follows links on the way to itself. It shows what exists, not what is in it.
	allow("file-read-metadata")
	allow("file-read* file-write*", quote("subpath", scratch))
	allow("file-write-data", quote("literal", "/dev/null"))
	allow("sysctl-read")
	if c.Fork {
		allow("process-fork")
		allow("signal", "(target same-sandbox)")
	} else {
		allow("signal", "(target self)")
	}
	return p.String()
}

// Start starts a program.
func (b *darwin) Start(c Command) (*Process, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errors.New("sandbox: closed")
	}
	b.made++
	scratch := filepath.Join(b.scratch, strconv.Itoa(b.made))
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	j := job{
		Argv: append([]string{c.Path}, c.Args[min(1, len(c.Args)):]...), Env: append(slices.Clone(c.Env), "TMPDIR="+scratch),
		Files: len(c.Files), Memory: c.Memory, CPU: uint64(math.Ceil(c.CPU.Seconds())), Scratch: scratch,
	}
	if j.Memory == 0 {
		j.Memory = DefaultMemory
	}
	if !b.Unsafe {
		j.Argv = append([]string{sandboxExec, "-p", b.profile(c, scratch)}, j.Argv...)
	}
	text, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	keeper := exec.Command(b.Command[0], append(slices.Clone(b.Command[1:]), "keep", string(text))...)
	keeper.ExtraFiles = c.Files
	lifeline, err := keeper.StdinPipe() // its end is the keeper's order to kill
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	news, err := keeper.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := keeper.Start(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	p := &Process{pid: keeper.Process.Pid, done: make(chan struct{}), kill: func() { lifeline.Close() }}
	b.running[p] = true
	go func() {
		defer close(p.done)
		output, _ := io.ReadAll(news)
		_ = keeper.Wait() // its status says nothing that its news does not
		p.err = json.Unmarshal(output, &p.end)
		if p.err != nil {
			p.err = fmt.Errorf("sandbox: %s did not start: %s", c.Path, output)
		}
		_ = os.RemoveAll(scratch)
		b.mu.Lock()
		delete(b.running, p)
		b.mu.Unlock()
	}()
	return p, nil
}

// StartTemplate fails: there is no clone here.
func (b *darwin) StartTemplate(Command) (*Template, error) { return nil, ErrNoTemplates }

// Close kills all programs that run and returns when nothing is left of them.
func (b *darwin) Close() error {
	b.mu.Lock()
	b.closed = true
	var running []*Process
	for p := range b.running {
		running = append(running, p)
	}
	b.mu.Unlock()
	for _, p := range running {
		p.Kill()
		<-p.done
	}
	return os.RemoveAll(b.scratch)
}

// keep is the main function of a keeper. It prints the End of the program.
func keep(text string) int {
	signal.Ignore(unix.SIGXCPU)
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		fmt.Print(err)
		return 1
	}
	limits := map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_FSIZE: fileBytes, unix.RLIMIT_NOFILE: openFiles}
	if j.CPU > 0 {
		limits[unix.RLIMIT_CPU] = j.CPU
	}
	for resource, most := range limits {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			fmt.Print("limits: ", err)
			return 1
		}
	}
	program := exec.Command(j.Argv[0], j.Argv[1:]...)
	program.Env, program.Dir = j.Env, j.Scratch
	for i := range j.Files {
		program.ExtraFiles = append(program.ExtraFiles, os.NewFile(uintptr(3+i), "file"))
	}
	program.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // and so a process group of its own
	if err := program.Start(); err != nil {
		fmt.Print(err)
		return 1
	}
	for _, f := range program.ExtraFiles {
		f.Close()
	}
	kill := func() { _ = unix.Kill(-program.Process.Pid, unix.SIGKILL) }
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1)) // nobody writes: it returns when they hang up
		kill()
	}()
	var end End
	stop := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
			if resident(program.Process.Pid) > j.Memory {
				end.OutOfMemory = true
				kill()
			}
		}
	}()
	_ = program.Wait() // its error is in the state
	close(stop)
	<-watched
	kill() // what it left
	state := program.ProcessState
	status := state.Sys().(syscall.WaitStatus)
	end.ExitCode = state.ExitCode()
	if status.Signaled() {
		end.Signal = int(status.Signal())
	}
	end.CPU = state.UserTime() + state.SystemTime()
	end.PeakMemory = state.SysUsage().(*syscall.Rusage).Maxrss // bytes, here
	_ = json.NewEncoder(os.Stdout).Encode(end)                 // whoever is gone misses nothing
	return 0
}

// resident is the resident memory of the processes of a group, 0 if ps does not tell.
func resident(group int) int64 {
	output, err := exec.Command("/bin/ps", "-o", "rss=", "-g", strconv.Itoa(group)).Output()
	if err != nil {
		return 0
	}
	var sum int64
	for _, field := range strings.Fields(string(output)) {
		kilobytes, _ := strconv.ParseInt(field, 10, 64) // ps prints numbers
		sum += kilobytes << 10
	}
	return sum
}

// Times returns the processor time of the program; how long it waited for a
// processor the system does not tell.
func (p *Process) Times() (cpu, waiting time.Duration) {
	select {
	case <-p.done:
		return p.end.CPU, 0
	default:
		return 0, 0
	}
}

// Checks tries the layer from within and returns what held.
func (s *Sandbox) Checks(ctx context.Context) ([]Check, error) {
	b, ok := s.backend.(*darwin)
	if !ok || b.Unsafe {
		return nil, errors.New("sandbox: there are no layers to try")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	defer r.Close()
	p, err := b.Start(Command{Path: b.Command[0], Args: append(slices.Clone(b.Command), "check", home), Files: []*os.File{w}})
	w.Close()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, p.Kill)
	defer stop()
	var found []Check
	err = json.NewDecoder(r).Decode(&found)
	if end, lost := p.Wait(); lost != nil || err != nil {
		return nil, fmt.Errorf("the program that tries the layer ended with status %d, signal %d", end.ExitCode, end.Signal)
	}
	return found, ctx.Err()
}

// check is the main function of a confined program that attempts what it must
// not and writes what came of it to descriptor 3.
func check(home string) int {
	var found []Check
	try := func(name string, attempt func() error) {
		p := Check{Name: name, Seen: "it could"}
		if err := attempt(); err != nil {
			p.Held, p.Seen = true, err.Error()
		}
		found = append(found, p)
	}
	try("network", func() error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			l.Close()
		}
		return err
	})
	try("reading the host's files", func() error { _, err := os.ReadFile("/etc/passwd"); return err })
	try("reading the user's folder", func() error { _, err := os.ReadDir(home); return err })
	try("writing to the user's folder", func() error {
		path := filepath.Join(home, ".nfcot-sandbox-check")
		defer os.Remove(path)
		return os.WriteFile(path, nil, 0o600)
	})
	try("a second program", func() error { return exec.Command("/usr/bin/true").Run() })
	try("killing the parent", func() error { return unix.Kill(os.Getppid(), 0) })
	try("a large file", func() error {
		signal.Ignore(unix.SIGXFSZ)
		return os.WriteFile("large", make([]byte, fileBytes+1), 0o600)
	})
	if json.NewEncoder(os.NewFile(3, "results")).Encode(found) != nil {
		return 1
	}
	return 0
}
