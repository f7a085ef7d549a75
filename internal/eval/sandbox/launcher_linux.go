package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// This file is the launcher: a small process that starts the confined ones,
// watches them, and buries them. It is there because the user's process may be
// large: forking it would copy its page tables, and the kernel would take its
// size for the peak of the program's memory. And it is the launcher that the
// kernel has the confined die with, whichever thread of the user's process
// started them.
//
// The user's process sends one message for each program, with a socket for its
// news, the program and its files as descriptors. On that socket it then reads
// when the program has started and how it ended. Closing the socket kills the
// program. When the other end of its own socket closes, the launcher kills all
// programs and ends.

// launcherSocket is the launcher's descriptor for messages from the user's process.
const launcherSocket = 3

// maxMessage bounds a message to the launcher, in bytes.
const maxMessage = 160 << 10

// A message is news of a program.
type message struct {
	Started int    // its number as the host sees it
	Failed  string // what kept it from starting
	Ended   *End
}

// A launcher is the state of the launcher's process.
type launcher struct {
	command []string // starts the confined half
	running sync.WaitGroup

	mu       sync.Mutex
	children map[*child]bool
	ids      map[int]bool // users that confined programs run as
	scratch  *scratchRoot // nil until a program needs a folder there
}

// A child is a confined process in the launcher's eyes.
type child struct {
	pid    int
	job    job
	status *os.File

	mu                     sync.Mutex
	ended                  bool // its number may be somebody else's now
	outOfMemory, outOfDisk bool
}

// launch is the main function of the launcher; args start its confined half.
func launch(args []string) int {
	// When memory is short, let it be programs that the kernel ends, not the
	// process that has a model loaded. Children inherit it.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	// Orphans of a program that may fork become ours to bury, where there is no
	// pid namespace to end them.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

	l := &launcher{command: args, children: map[*child]bool{}, ids: map[int]bool{}}
	buffer := make([]byte, maxMessage)
	rights := make([]byte, unix.CmsgSpace(253*4)) // as many as one message can carry
	for {
		n, rn, _, _, err := unix.Recvmsg(launcherSocket, buffer, rights, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			break
		}
		files, err := descriptors(rights[:rn])
		if err != nil || len(files) < 2 {
			fmt.Fprintln(os.Stderr, "sandbox: a message without its descriptors:", err)
			return 1
		}
		var j job
		if err := json.Unmarshal(buffer[:n], &j); err != nil {
			fmt.Fprintln(os.Stderr, "sandbox: a message that is none:", err)
			return 1
		}
		l.running.Add(1)
		go l.run(j, files)
	}
	l.mu.Lock()
	for c := range l.children {
		c.kill()
	}
	l.mu.Unlock()
	l.running.Wait()
	l.scratch.remove()
	return 0
}

// descriptors are those that came with a message.
func descriptors(rights []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	var all []int
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, err
		}
		all = append(all, fds...)
	}
	return all, nil
}

// run sees one program from start to end. Of files, the first is the socket for
// its news, the second the program; the others are the program's.
func (l *launcher) run(j job, files []int) {
	defer l.running.Done()
	_ = unix.SetNonblock(files[0], true) // so that reading it takes no thread
	c := &child{job: j, status: os.NewFile(uintptr(files[0]), "status")}
	defer c.status.Close()
	err := l.start(c, files)
	for _, fd := range files[1:] {
		unix.Close(fd)
	}
	if err != nil {
		c.tell(message{Failed: err.Error()})
		l.forget(c)
		return
	}
	c.tell(message{Started: c.pid})
	go func() {
		// The user's process never writes: this returns when it hangs up.
		_, _ = c.status.Read(make([]byte, 1))
		c.kill()
	}()
	stop := make(chan struct{})
	if c.needsWatching() {
		go c.watch(stop)
	}
	end := c.bury()
	close(stop)
	l.forget(c)
	c.tell(message{Ended: &end})
}

// tell sends news. If nobody listens any more, nobody misses it.
func (c *child) tell(m message) {
	data, _ := json.Marshal(m) // a struct of strings and numbers
	_, _ = c.status.Write(data)
}

// start starts the confined half.
func (l *launcher) start(c *child, files []int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.children[c] = true
	j := &c.job
	if j.Plan.Seccomp && !j.Plan.User && os.Geteuid() == 0 {
		id, err := l.freeID()
		if err != nil {
			return err
		}
		j.ID = id
	}
	if !j.Plan.Namespaces {
		if l.scratch == nil {
			s, err := newScratchRoot()
			if err != nil {
				return err
			}
			l.scratch = s
		}
		dir, err := l.scratch.make(j.ID)
		if err != nil {
			return err
		}
		j.Scratch = dir
		j.Env = append(j.Env, "TMPDIR="+dir)
	}
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(null)
	inherit := []uintptr{uintptr(null), uintptr(null), uintptr(null)}
	for _, fd := range files[2:] {
		inherit = append(inherit, uintptr(fd))
	}
	inherit = append(inherit, uintptr(files[1]), uintptr(files[0])) // see job.programDescriptor
	attr := &syscall.ProcAttr{
		Files: inherit,
		// The Go runtime starts a little faster when it is to use one processor
		// and collect no garbage.
		Env: []string{"GOMAXPROCS=1", "GOGC=off"},
		Sys: &syscall.SysProcAttr{
			Setsid:     true, // no terminal, and a process group of its own
			Pdeathsig:  syscall.SIGKILL,
			Cloneflags: j.Plan.cloneFlags(),
		},
	}
	if j.Plan.User {
		attr.Sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: insideID, HostID: os.Geteuid(), Size: 1}}
		attr.Sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: insideID, HostID: os.Getegid(), Size: 1}}
		// Whoever is not user 0 keeps capabilities over an execve only if they are ambient.
		attr.Sys.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}
	}
	argv := append(append([]string{}, l.command...), "confine", string(text))
	c.pid, err = syscall.ForkExec(argv[0], argv, attr)
	if err != nil {
		return fmt.Errorf("starting the confined half: %w", err)
	}
	return nil
}

func (p plan) cloneFlags() uintptr {
	if !p.Namespaces {
		return 0
	}
	flags := uintptr(unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP)
	if p.User {
		flags |= unix.CLONE_NEWUSER
	}
	return flags
}

// kill ends a child and, where there is no pid namespace that ends with it, all
// that it started: the filter keeps them in its process group.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == 0 || c.ended {
		return
	}
	_ = unix.Kill(c.pid, unix.SIGKILL)
	_ = unix.Kill(-c.pid, unix.SIGKILL)
}

// bury waits until the child and all that it started are gone.
func (c *child) bury() End {
	// Until it is reaped, the number of the process and its group stays taken.
	for unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	c.kill()
	c.mu.Lock()
	c.ended = true
	end := End{ExitCode: -1, OutOfMemory: c.outOfMemory, OutOfDisk: c.outOfDisk}
	c.mu.Unlock()
	for {
		var status unix.WaitStatus
		var usage unix.Rusage
		// Its process group: itself, and its orphans, which become ours.
		pid, err := unix.Wait4(-c.pid, &status, 0, &usage)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return end
		case pid == c.pid:
			if status.Signaled() {
				end.Signal = int(status.Signal())
			} else {
				end.ExitCode = status.ExitStatus()
			}
			end.CPU = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
			end.PeakMemory = usage.Maxrss << 10
		}
	}
}

// forget gives back what a child held.
func (l *launcher) forget(c *child) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.children, c)
	delete(l.ids, c.job.ID)
	if c.job.Scratch != "" {
		removeTree(c.job.Scratch)
	}
}

// freeID returns a user that no other program runs as, now, so that none can
// send signals to another, or use up its processes. It is never user 0.
func (l *launcher) freeID() (int, error) {
	const most = 2048 // users that one launcher takes
	first, err := spareIDs(most)
	if err != nil {
		return 0, err
	}
	for id := first; id < first+most; id++ {
		if !l.ids[id] {
			l.ids[id] = true
			return id, nil
		}
	}
	return 0, fmt.Errorf("%d programs are running at once", most)
}

// spareIDs returns the first of n numbers that neither a user nor a group has.
func spareIDs(n int) (int, error) {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return 0, err
	}
	end := 0
	for line := range strings.Lines(string(text)) {
		// The first number inside, the first outside, how many.
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		first, err1 := strconv.Atoi(fields[0])
		count, err2 := strconv.Atoi(fields[2])
		if err1 == nil && err2 == nil && count >= n+2 {
			end = max(end, first+count)
		}
	}
	// By systemd's table of users, those from here up to 2^31 are nobody's. Each
	// launcher takes its own part.
	const unused, launchers = 0x70000000, 1 << 17
	switch {
	case end >= 1<<31:
		return unused + os.Getpid()%launchers*n, nil
	case end > 0:
		return end - 1 - n, nil // the end of a container's; the last is nobody
	}
	return 0, fmt.Errorf("/proc/self/uid_map has too few users to spare one for each program")
}
