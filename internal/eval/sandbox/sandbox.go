// Package sandbox runs one hostile process at a time behind layers of protection of
// the operating system: it reads the files that it is given, writes into a small
// scratch folder that vanishes with it, and reaches nothing and nobody else.
//
// On Linux three programs take part, all of them this one:
//
//	the user's process  Open, Start, Wait; it never forks while it is large
//	the launcher        one small process per Sandbox that starts, watches and
//	                    buries the confined ones (launcher_linux.go)
//	the confined half   builds the layers around itself and becomes, by its last
//	                    system call, the program to confine (confine_linux.go)
//
// Programs that begin alike can be copies of a template, which has begun already
// (template_linux.go). They are behind the same layers as others.
//
// The package knows processes, files and limits. It knows no language and no test.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Subcommand is the first argument with which a program is asked to call Main, with
// the arguments that follow.
const Subcommand = "__sandbox"

// Options say how to open a sandbox.
type Options struct {
	// Command starts this program's confined half: a program that calls Main
	// with the arguments that follow, and its own arguments.
	Command []string

	// ReadOnly are host files and folders that confined programs may read and
	// execute, like an interpreter's prefix and libraries. Symbolic links on
	// the way to them are there too.
	ReadOnly []string

	// Unsafe leaves all layers away. Limits remain.
	Unsafe bool

	// Meanwhile, if there is one, is called with the sandbox that Open is about to
	// return, while its layers are tried. What it starts there must be trusted. If
	// the layers do not hold it is all killed, and Meanwhile called again with others.
	Meanwhile func(*Sandbox)
}

// A Layer is something that stands between a confined program and the host.
type Layer string

// Layers.
const (
	Namespaces      Layer = "namespaces" // files, processes, network, IPC and host name of its own
	Seccomp         Layer = "seccomp"    // few system calls
	Landlock        Layer = "landlock"   // few files, whatever the path
	SandboxExec     Layer = "sandbox-exec"
	MemoryByCgroup  Layer = "memory by cgroup" // and by rlimit
	MemoryByRlimit  Layer = "memory by rlimit"
	MemoryByWatcher Layer = "memory by a watcher"
)

// Refused is the error of Open where too few layers stand.
type Refused struct {
	Missing string // what is not there, and how that showed
	Remedy  string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("no sandbox for untrusted programs: %s; %s", r.Missing, r.Remedy)
}

// A Command is a program to confine.
type Command struct {
	Path   string        // an executable of the machine's own format, not a script
	Args   []string      // with the program's name first; Args and Env take 64 KiB at most
	Env    []string      // the whole environment
	Files  []*os.File    // become descriptors 3, 4, ...; 0 to 2 are null
	Memory int64         // bytes; 0: DefaultMemory
	CPU    time.Duration // processor time after which the program is killed, rounded up to seconds; 0: no limit
	Fork   bool          // may make processes; others have threads only
	Tasks  int           // processes and threads that it may have at once; 0: DefaultTasks
	CopyOf *Template     // what the program is to be a copy of; Path, Args, Env and Fork do not count then
}

// A Template is a program that is copied instead of being started again. It is
// trusted until then: it is behind fewer layers than its copies, which are behind
// as many as every other program. What it has to do is in template_linux.go.
type Template struct {
	*Process
	number int
}

// ErrNoTemplates is the error of StartTemplate where programs cannot be copied.
var ErrNoTemplates = errors.New("sandbox: no templates here")

// DefaultMemory is the memory of a program unless its Command says otherwise.
const DefaultMemory = 4 << 30

// DefaultTasks is how many processes and threads a program may have unless its Command says otherwise.
const DefaultTasks = 64

// Limits of every confined program. The scratch folder is the working directory
// and where Python's tempfile puts things.
const (
	ScratchBytes = 64 << 20
	scratchFiles = 20_000
	fileBytes    = 32 << 20
	openFiles    = 256
)

// An End is what became of a confined program.
type End struct {
	ExitCode    int           // -1 if a signal ended it
	Signal      int           // that signal's number, or 0
	CPU         time.Duration // user and system time, of its children too
	PeakMemory  int64         // bytes of the largest process, a few MiB of the confined half at least; with a cgroup, of all together
	OutOfMemory bool          // killed because it, or its children with it, went over its memory
	OutOfDisk   bool          // killed because its scratch folder outgrew ScratchBytes; where that is a file system of its own, writing fails instead
}

// A Process is a confined program that was started.
type Process struct {
	pid   int
	forks bool // it may have processes of its own
	kill  func()
	done  chan struct{} // closed when end and err are set
	end   End
	err   error
}

// Kill ends the program and all that it started, at once. It may be called at
// any time and more than once.
func (p *Process) Kill() { p.kill() }

// Wait returns when the program and all that it started are gone, with how it
// ended. The error is for a program that could not be started or was lost.
func (p *Process) Wait() (End, error) {
	<-p.done
	return p.end, p.err
}

// A Sandbox confines programs. Its methods may be called concurrently.
type Sandbox struct {
	layers  []Layer
	missing []string // what users should know is not there
	because string   // why more layers could not be had
	backend
}

// A backend is a system's own way of confining.
type backend interface {
	Start(Command) (*Process, error)
	StartTemplate(Command) (*Template, error)
	Close() error
}

// Layers returns what stands between confined programs and the host.
func (s *Sandbox) Layers() []Layer { return s.layers }

// String is Layers in one line for a report, with what is missing.
func (s *Sandbox) String() string {
	var layers, memory []string
	for _, w := range s.layers {
		switch w {
		case MemoryByCgroup, MemoryByRlimit, MemoryByWatcher:
			memory = append(memory, string(w))
		default:
			layers = append(layers, string(w))
		}
	}
	line := strings.Join(append([]string{cmp.Or(strings.Join(layers, "+"), "none")}, memory...), ", ")
	if len(s.missing) > 0 {
		line += "; no " + strings.Join(s.missing, ", no ")
	}
	if s.because != "" {
		line += " (" + s.because + ")"
	}
	return line
}

// Open finds the strongest layers that this system has, by trying them. Where
// too few stand, the error is a *Refused.
func Open(ctx context.Context, o Options) (*Sandbox, error) {
	if o.Meanwhile == nil {
		o.Meanwhile = func(*Sandbox) {}
	}
	return open(ctx, o)
}

// A Check is an attempt of a confined program to do what it must not, or to get
// more than its share.
type Check struct {
	Name string `json:"name"`
	Held bool   `json:"held"` // the layers held
	Seen string `json:"seen"` // what came of the attempt
}
