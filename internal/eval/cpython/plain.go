package cpython

import (
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// What follows has the shape of package sandbox and none of its walls.

type command struct {
	Path   string
	Args   []string
	Env    []string
	Files  []*os.File
	Memory int64
	CPU    time.Duration
	Fork   bool
}

type end struct {
	ExitCode    int
	Signal      int
	CPU         time.Duration
	PeakMemory  int64
	OutOfMemory bool
}

type process struct {
	cmd  *exec.Cmd
	once sync.Once
	end  end
}

func start(c command) (*process, error) {
	cmd := exec.Command(c.Path, c.Args[1:]...)
	cmd.Env, cmd.ExtraFiles = c.Env, c.Files
	if os.Getenv("CPYTHON_DEBUG") != "" {
		cmd.Stderr = os.Stderr
	}
	cmd.Dir = os.TempDir()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd}, nil
}

func (p *process) Kill() { _ = p.cmd.Process.Kill() }

func (p *process) Wait() (end, error) {
	p.once.Do(func() {
		_ = p.cmd.Wait()
		s := p.cmd.ProcessState
		u := s.SysUsage().(*syscall.Rusage)
		p.end = end{ExitCode: s.ExitCode(), CPU: s.UserTime() + s.SystemTime(), PeakMemory: u.Maxrss << 10}
		if w := s.Sys().(syscall.WaitStatus); w.Signaled() {
			p.end.Signal = int(w.Signal())
		}
	})
	return p.end, nil
}

func (p *process) Times() (cpu, waiting time.Duration) { return 0, 0 }
