package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
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
	setup
	self    int   // pidfd of the launcher, -1 if the kernel has none
	null    int   // /dev/null
	proc    int   // /proc
	paths   []int // what Landlock lets programs read, open
	devices []int // and what else they may write to
	running sync.WaitGroup

	mu        sync.Mutex
	closing   bool
	children  map[int]*child    // by slot
	firstID   int               // the user of slot 0, 0 where programs stay who we are
	scratch   *scratchRoot      // nil where each program has a file system of its own
	templates map[int]*template // by their numbers
	cgroup    *cgroup           // nil where none is delegated to us
}

// A setup is what all programs of a launcher have in common.
type setup struct {
	Plan        plan
	Tree        []entry
	Controllers []string // of cgroups
}

// mostChildren is how many programs a launcher can have at once.
const mostChildren = 1024

// A child is a confined process in the launcher's eyes. Its slot is its place
// in the launcher's tables.
type child struct {
	confinement
	slot    int
	folder  string   // to remove when it is gone, if any
	news    *os.File // the socket to the user's process
	steps   []string // of its script
	failure failure

	mu                     sync.Mutex
	pid                    int
	ended                  bool // its number may be somebody else's now
	killed                 bool // as soon as it has a number, if need be
	outOfMemory, outOfDisk bool
}

// launch is the main function of the launcher.
func launch(args []string) int {
	// When memory is short, let it be programs that the kernel ends, not the
	// process that has a model loaded. Children inherit it.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	// Orphans of a program that may fork become ours to bury, where there is no
	// pid namespace to end them.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	// Threads that wait for new processes keep others from theirs.
	runtime.GOMAXPROCS(8)
	l := &launcher{children: map[int]*child{}, templates: map[int]*template{}}
	if err := l.prepare(args); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		return 1
	}
	l.greet()
	err := l.serve()
	l.mu.Lock()
	l.closing = true
	for _, c := range l.children {
		c.kill()
	}
	l.mu.Unlock()
	l.running.Wait()
	l.scratch.remove()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		return 1
	}
	return 0
}

// prepare does once what is the same for all programs.
func (l *launcher) prepare(args []string) error {
	if len(args) != 1 {
		return errors.New("this command is for the program's own use")
	}
	if err := json.Unmarshal([]byte(args[0]), &l.setup); err != nil {
		return err
	}
	// The runtime raised the soft limit to the hard one; descriptors of
	// confined processes need a few hundred.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur < 4*openFiles {
		return fmt.Errorf("the limit of open files is %d; at least %d are needed", limit.Cur, 4*openFiles)
	}
	// A page of zeros: see emptyPath.
	if _, _, errno := unix.Syscall6(unix.SYS_MMAP, emptyPath, 1, unix.PROT_READ,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uintptr(0), 0); errno != 0 {
		return fmt.Errorf("memory at %#x: %w", emptyPath, errno)
	}
	var err error
	if l.self, err = unix.PidfdOpen(os.Getpid(), 0); err != nil {
		l.self = -1
	} else if l.self, err = high(l.self); err != nil {
		return err
	}
	open := func(path string, flags int) int {
		fd, e := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if e == nil {
			fd, e = high(fd)
		}
		if e != nil {
			err = fmt.Errorf("%s: %w", path, e)
		}
		return fd
	}
	l.null = open(os.DevNull, unix.O_RDWR)
	l.proc = open("/proc", unix.O_PATH)
	for _, e := range l.Tree {
		if e.Link == "" {
			l.paths = append(l.paths, open(e.Path, unix.O_PATH))
		}
	}
	for _, name := range devices {
		l.devices = append(l.devices, open(devPath+"/"+name, unix.O_PATH))
	}
	if err != nil {
		return err
	}
	if l.Plan.Seccomp && !l.Plan.User && os.Geteuid() == 0 {
		if l.firstID, err = spareIDs(mostChildren); err != nil {
			return err
		}
	}
	if path, err := ownCgroup(); err == nil {
		l.cgroup, _ = newCgroup(path, l.Controllers, l.Plan.cloneFlags()) // without, there are other ways
	}
	if !l.Plan.Namespaces {
		l.scratch, err = newScratchRoot()
	}
	return err
}

// greet tells the user's process what limits memory. If that is gone, serve will see it.
func (l *launcher) greet() {
	layer := MemoryByRlimit
	if l.cgroup != nil {
		layer = MemoryByCgroup
	}
	_ = unix.Send(launcherSocket, []byte(layer), unix.MSG_NOSIGNAL)
}

// high moves a descriptor to where confined processes have none of their own.
func high(fd int) (int, error) {
	moved, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, firstHigh)
	unix.Close(fd)
	return moved, err
}

// serve starts programs until the user's process hangs up.
func (l *launcher) serve() error {
	socket := waitable(launcherSocket)
	defer socket.Close()
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	buffer := make([]byte, maxMessage)
	rights := make([]byte, unix.CmsgSpace(253*4)) // as many as one message can carry
	for {
		var n, rn int
		var received error
		err := raw.Read(func(fd uintptr) bool {
			n, rn, _, _, received = unix.Recvmsg(int(fd), buffer, rights, unix.MSG_CMSG_CLOEXEC)
			return received != unix.EAGAIN && received != unix.EINTR
		})
		if err = cmp.Or(err, received); err != nil || n == 0 {
			return err
		}
		var j job
		if err := json.Unmarshal(buffer[:n], &j); err != nil {
			return fmt.Errorf("a message that is none: %w", err)
		}
		least := 2
		if j.CopyOf != 0 {
			least = 1
		}
		files, err := descriptors(rights[:rn])
		if err != nil || len(files) < least {
			return fmt.Errorf("a message without its descriptors: %v", err)
		}
		l.running.Add(1)
		go l.run(j, files)
	}
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
		for _, fd := range fds {
			if fd, err = high(fd); err != nil {
				return nil, err
			}
			all = append(all, fd)
		}
	}
	return all, nil
}

// run sees one program from start to end. Of files, the first is the socket for
// its news, the second the program, unless it is a copy; the others are the
// program's.
func (l *launcher) run(j job, files []int) {
	defer l.running.Done()
	status, files := files[0], files[1:]
	c := &child{news: waitable(status)}
	defer c.news.Close()
	c.confinement = confinement{
		job: j, plan: l.Plan, tree: l.Tree, launcher: l.self, status: status, null: l.null, program: -1, files: files,
		rules: -1, uid: os.Geteuid(), gid: os.Getegid(),
	}
	if j.CopyOf == 0 {
		c.program, c.files = files[0], files[1:]
	}
	err := l.start(c)
	for _, fd := range files {
		unix.Close(fd)
	}
	if err != nil {
		l.forget(c)
		c.tell(message{Failed: err.Error()})
		return
	}
	c.tell(message{Started: c.pid})
	go func() {
		// The user's process never writes: this returns when it hangs up.
		_, _ = c.news.Read(make([]byte, 1))
		c.kill()
	}()
	stop := make(chan struct{})
	if c.needsWatching() {
		go c.watch(stop)
	}
	end := c.bury()
	close(stop)
	c.leaf.account(&end)
	l.forget(c)
	if c.failure.errno != 0 {
		c.tell(message{Failed: fmt.Sprintf("%s: %v", c.steps[c.failure.step], syscall.Errno(c.failure.errno))})
	} else {
		c.tell(message{Ended: &end})
	}
}

// tell sends news. If nobody listens any more, nobody misses it.
func (c *child) tell(m message) {
	data, _ := json.Marshal(m) // a struct of strings and numbers
	_, _ = c.news.Write(data)
}

// start starts the confined process. Several may start at once.
func (l *launcher) start(c *child) error {
	if err := l.prepareChild(c); err != nil {
		return err
	}
	defer c.leaf.close()
	if c.plan.Landlock > 0 {
		rules, err := l.rules(c.program)
		if err != nil {
			return err
		}
		c.confinement.rules = rules
		defer unix.Close(rules)
	}
	if c.CopyOf != 0 {
		return l.copy(c)
	}
	flags := c.plan.cloneFlags()
	if c.Template != 0 {
		flags &^= unix.CLONE_NEWPID // its copies are to be the launcher's children
		socket, err := l.addTemplate(c)
		if err != nil {
			return err
		}
		defer unix.Close(socket)
		c.files = append(slices.Clip(c.files), socket)
	}
	s := c.script()
	c.steps = s.names
	pid, err := s.start(flags, &c.failure)
	if err != nil {
		return fmt.Errorf("starting a process with its layers: %w", err)
	}
	c.started(pid)
	return nil
}

// started notes the number of a child's process.
func (c *child) started(pid int) {
	c.mu.Lock()
	c.pid = pid
	killed := c.killed
	c.mu.Unlock()
	if killed {
		c.kill()
	}
}

// prepareChild gives a child its place, its user, its folder and its cgroup.
func (l *launcher) prepareChild(c *child) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return errors.New("the sandbox is closed")
	}
	for l.children[c.slot] != nil {
		c.slot++
	}
	if c.slot == mostChildren {
		return fmt.Errorf("%d programs are running", mostChildren)
	}
	l.children[c.slot] = c
	if l.firstID != 0 {
		// None other that runs has it, so that none can send signals to
		// another, or use up its processes.
		c.id = l.firstID + c.slot
	}
	if l.scratch == nil {
		c.scratch = scratchPath
	} else {
		dir, err := l.scratch.make(c.id)
		if err != nil {
			return err
		}
		c.scratch, c.folder = dir, dir
		c.Env = append(c.Env, "TMPDIR="+dir)
	}
	if l.cgroup == nil {
		return nil
	}
	var err error
	c.leaf, err = l.cgroup.add(c.Memory, c.Tasks)
	return err
}

// rules makes Landlock's ruleset for a program, all but its scratch folder.
func (l *launcher) rules(program int) (int, error) {
	fd, err := newRuleset(l.Plan.Landlock)
	if err == nil {
		fd, err = high(fd)
	}
	if err != nil {
		return -1, err
	}
	paths := l.paths
	if program >= 0 { // a copy executes nothing
		paths = append([]int{program}, paths...)
	}
	for _, path := range paths {
		err = cmp.Or(err, allowBeneath(fd, path, landlockRead&landlockFiles(l.Plan.Landlock)))
	}
	for _, device := range l.devices {
		err = cmp.Or(err, allowBeneath(fd, device, landlockDevice))
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// kill ends a child and, where there is no pid namespace that ends with it, all
// that it started: the filter keeps them in its process group.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed = true
	if c.pid == 0 || c.ended {
		return
	}
	_ = unix.Kill(c.pid, unix.SIGKILL)
	_ = unix.Kill(-c.pid, unix.SIGKILL)
	c.leaf.kill()
}

// bury waits until the child and all that it started are gone.
func (c *child) bury() End {
	// Until it is reaped, the number of the process and its group stays taken.
	waitForEnd(c.pid)
	for unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	c.kill()
	c.mu.Lock()
	c.ended = true
	end := End{ExitCode: -1, OutOfMemory: c.outOfMemory, OutOfDisk: c.outOfDisk}
	c.mu.Unlock()
	who := c.pid // first itself: its group is not there where it ended too early to have made it
	for {
		var status unix.WaitStatus
		var usage unix.Rusage
		pid, err := unix.Wait4(who, &status, 0, &usage)
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
			who = -c.pid // its orphans, which become ours
		}
	}
}

// waitForEnd returns when a process of ours has ended, or cannot be waited for in a
// way that takes no thread: each thread that waits keeps the runtime looking after it.
func waitForEnd(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	f := waitable(fd)
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

// waitable makes a file of a descriptor for which goroutines wait without a thread.
func waitable(fd int) *os.File {
	_ = unix.SetNonblock(fd, true) // else they wait with one
	return os.NewFile(uintptr(fd), "")
}

// forget gives back what a child held.
func (l *launcher) forget(c *child) {
	if c.folder != "" {
		removeTree(c.folder)
	}
	c.leaf.remove()
	if c.Template != 0 {
		l.removeTemplate(c.Template)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.children[c.slot] == c {
		delete(l.children, c.slot)
	}
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
