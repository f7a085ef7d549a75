package cpython

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"nfcot/internal/eval/sandbox"
)

// mostCPU is the processor time after which a candidate's process is killed by
// the system, far beyond the limits of programs.
const mostCPU = 10 * time.Minute

// startCPython starts an interpreter that runs one of its programs, with files
// as its descriptors from 3. The program's code is the first that comes on
// descriptor 3; boot is that channel's other end.
func (x *Executor) startCPython(program string, boot io.Writer, c sandbox.Command, args ...string) (*sandbox.Process, error) {
	p, err := x.sandbox.Start(x.command(c, args...))
	if err != nil {
		return nil, fmt.Errorf("starting CPython: %w", err)
	}
	return p, x.boot(p, program, boot)
}

// command completes the command of an interpreter.
func (x *Executor) command(c sandbox.Command, args ...string) sandbox.Command {
	c.Path = x.python.Executable
	// Isolated but for the seed of hashes: sets must have the same order in all processes.
	c.Args = append([]string{c.Path, "-s", "-S", "-B", "-c", source("boot")}, args...)
	c.Env = []string{"PYTHONHASHSEED=0", "PYTHONUTF8=1", "PYTHONCOERCECLOCALE=0", "OMP_NUM_THREADS=1",
		"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "USER=sandbox", "LOGNAME=sandbox"}
	return c
}

// boot sends an interpreter its program, or kills it if that does not work.
func (x *Executor) boot(p *sandbox.Process, program string, boot io.Writer) error {
	programs, err := x.python.programs()
	if err == nil {
		code := programs[program]
		_, err = boot.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(code))), code...))
	}
	if err != nil {
		p.Kill()
		_, _ = p.Wait()
		return fmt.Errorf("starting CPython: %w", err)
	}
	return nil
}

// A candidate is a process that waits for the tester to have it run a program.
type candidate struct {
	*sandbox.Process
	channel *os.File // the tester's end
}

func (x *Executor) startCandidate() (*candidate, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	c := sandbox.Command{Files: []*os.File{theirs}, Memory: x.options.Memory, CPU: mostCPU}
	p, err := x.copyTemplate(c)
	if err != nil {
		p, err = x.startCPython("candidate", ours, c)
	}
	if err != nil {
		ours.Close()
		return nil, err
	}
	return &candidate{p, ours}, nil
}

// A template is the interpreter whose copies candidates are, where it can be had.
// Nothing of any program runs in it.
type template struct {
	mu       sync.Mutex
	process  *sandbox.Template // nil if none runs
	failures int               // in a row
}

// mostFailures is how often templates may fail before candidates are interpreters
// of their own.
const mostFailures = 3

// copyTemplate starts a candidate's process as a copy of the template.
func (x *Executor) copyTemplate(c sandbox.Command) (*sandbox.Process, error) {
	t, err := x.takeTemplate()
	if err != nil {
		return nil, err
	}
	c.CopyOf = t
	p, err := x.sandbox.Start(c)
	x.template.mu.Lock()
	defer x.template.mu.Unlock()
	switch {
	case err == nil:
		x.template.failures = 0
	case x.template.process == t: // who is the first to notice
		x.template.process = nil
		x.template.failures++
		t.Kill()
	}
	return p, err
}

var errNoTemplate = errors.New("templates have failed")

// takeTemplate returns the template. If there is none it is started.
func (x *Executor) takeTemplate() (*sandbox.Template, error) {
	x.template.mu.Lock()
	defer x.template.mu.Unlock()
	if x.template.process != nil {
		return x.template.process, nil
	}
	if x.template.failures == mostFailures {
		return nil, errNoTemplate
	}
	t, err := x.startTemplate()
	if err != nil {
		x.template.failures++
		if errors.Is(err, sandbox.ErrNoTemplates) {
			x.template.failures = mostFailures
		}
		return nil, err
	}
	x.template.process = t
	return t, nil
}

func (x *Executor) startTemplate() (*sandbox.Template, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	defer theirs.Close()
	t, err := x.sandbox.StartTemplate(x.command(sandbox.Command{Files: []*os.File{theirs}}))
	if err != nil {
		return nil, err
	}
	return t, x.boot(t.Process, "template", ours)
}

// finish kills the process, if it still runs, and says how it ended.
func (c *candidate) finish() (sandbox.End, error) {
	c.Kill()
	c.channel.Close()
	return c.Wait()
}

// jobMemory is the memory of a process of the tester's. What a reference solution
// makes may take several hundred megabytes; what a program returns may take what
// the program itself may (tester.py), so that it gets no more by this way. All
// of them together must have more than one of them, or a program could have the
// others' verdicts end with its own.
const jobMemory = 4 << 30

// tasksPerJob is how many processes each job has: its own, and some that have
// ended and were not waited for yet.
const tasksPerJob = 4

// A tester is the zygote that forks processes, which judge programs.
type tester struct {
	*sandbox.Process
	control *net.UnixConn
	jobs    atomic.Uint64
	gone    chan struct{} // closed when the zygote has ended

	idleMu sync.Mutex
	idle   []*job // that wait for an order
}

func (x *Executor) startTester() (*tester, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	jobs := cap(x.turns) + cap(x.ready) + 2
	p, err := x.startCPython("tester", ours, sandbox.Command{
		Files: []*os.File{theirs}, Fork: true, Memory: int64(jobs) * jobMemory, Tasks: max(sandbox.DefaultTasks, jobs*tasksPerJob),
	}, fmt.Sprint(jobMemory), fmt.Sprint(cmp.Or(x.options.Memory, sandbox.DefaultMemory)))
	if err != nil {
		ours.Close()
		return nil, err
	}
	control, err := unixConn(ours)
	if err != nil {
		p.Kill()
		_, _ = p.Wait()
		return nil, err
	}
	t := &tester{Process: p, control: control, gone: make(chan struct{})}
	go func() {
		defer close(t.gone)
		_, _ = p.Wait()
	}()
	return t, nil
}

// finish ends the zygote and its processes.
func (t *tester) finish() error {
	t.Kill()
	_, err := t.Wait()
	return errors.Join(err, t.close())
}

// close gives back what is left of a tester that has ended.
func (t *tester) close() error {
	t.idleMu.Lock()
	defer t.idleMu.Unlock()
	for _, j := range t.idle {
		_ = j.end() // which has ended
	}
	t.idle = nil
	return t.control.Close()
}

// unixConn makes a connection of one end of a socketPair and closes the file.
func unixConn(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

// record is what the zygote reads: what to do, and the job's number.
func record(what byte, job uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{what}, job)
}

// fork has the zygote make a process for a job. It returns its channel for the
// orders and the messages.
func (t *tester) fork(what byte, job uint64) (*net.UnixConn, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	if err := passCredentials(ours); err != nil {
		ours.Close()
		return nil, err
	}
	if err := sendFiles(t.control, record(what, job), []*os.File{theirs}); err != nil {
		ours.Close()
		return nil, fmt.Errorf("the tester's process: %w", err)
	}
	return unixConn(ours)
}

// kill ends the process of a job, if it still runs.
func (t *tester) kill(job uint64) error {
	_, err := t.control.Write(record('K', job))
	return err
}
