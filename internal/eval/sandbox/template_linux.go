package sandbox

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// This file is about templates: programs that have started once and are copied
// for each program to confine, which costs much less than to start it again.
//
// A template is trusted, and what it runs is never hostile: its copies are. It
// has namespaces of its own, but for processes, and few rights. A copy, before
// it goes on, makes all system calls that a started program's confined half
// makes: user, mount and pid namespace of its own, an empty scratch folder,
// Landlock, rights, limits, the filter. Network, IPC, UTS and cgroup namespace
// are the template's, as nothing can be made in them behind the filter. It is the
// launcher's child, not the template's, so that all else is as for the others.
//
// The first that a template has to do is to write two addresses (eight bytes
// each) to its socket, the descriptor after its files: of memory for a request,
// requestBytes of it, and of the place where its C library keeps the number of
// its thread, or 0. Then, for each request that comes there, it makes the first
// of the request's system calls, which is clone, and writes its result (eight
// bytes, -errno if it failed). In the new process it moves the descriptors that
// came with the request to numbers from firstHigh on, makes the other calls and
// goes on as the program. If one fails it writes its index and errno (four bytes
// each) to descriptor firstHigh and exits.

// requestBytes bounds a request.
const requestBytes = 64 << 10

// requestHeader is what a request begins with: the length of what its arguments
// point to, which follows, with the calls after it.
const requestHeader = 8

// Bits of a call in a request.
const (
	bitSave = 1 << iota
	bitUse
	bitZero
	bitMay
)

// request writes a script as a template reads it.
func (s *script) request() []byte {
	const alignment = 8
	memory := s.memory
	for len(memory)%alignment != 0 {
		memory = append(memory, 0)
	}
	r := append(binary.NativeEndian.AppendUint64(nil, uint64(len(memory))), memory...)
	for _, step := range s.steps {
		r = binary.NativeEndian.AppendUint64(r, uint64(step.call))
		for _, a := range step.args {
			r = binary.NativeEndian.AppendUint64(r, uint64(a))
		}
		var bits uint64
		for bit, set := range map[uint64]bool{bitSave: step.save, bitUse: step.use, bitZero: step.zero, bitMay: step.may} {
			if set {
				bits |= bit
			}
		}
		r = binary.NativeEndian.AppendUint64(r, bits)
		r = binary.NativeEndian.AppendUint64(r, uint64(step.into))
	}
	return r
}

// A template is one in the launcher's eyes.
type template struct {
	child *child

	mu       sync.Mutex
	socket   *os.File // nil when it is gone
	ready    bool
	base     uintptr // where requests are read to
	threadID uintptr // where its C library keeps the number of its thread, or 0

	requests map[requestKey]request // those that have been written
}

// A requestKey is all that a request depends on but its template.
type requestKey struct {
	memory                int64
	cpu                   uint64
	tasks, id, files      int
	scratch               string
	launcher, rules, leaf bool
}

// A request is a script as a template reads it, with the names of its steps.
type request struct {
	text  []byte
	names []string
}

// mostRequests is how many are kept. Where each program has a user or a folder of
// its own there is no end of them.
const mostRequests = 64

// addTemplate makes the socket of a template that is about to start. The
// template's own end is the last of its files.
func (l *launcher) addTemplate(c *child) (theirs int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	socket := waitable(pair[0])
	if theirs, err = high(pair[1]); err != nil {
		socket.Close()
		return -1, err
	}
	t := &template{child: c, socket: socket}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.templates[c.Template] = t
	return theirs, nil
}

// removeTemplate is for when it is gone.
func (l *launcher) removeTemplate(number int) {
	l.mu.Lock()
	t := l.templates[number]
	delete(l.templates, number)
	l.mu.Unlock()
	if t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.socket.Close()
		t.socket = nil
	}
}

// copy starts the confined process as the copy of a template.
func (l *launcher) copy(c *child) error {
	l.mu.Lock()
	t := l.templates[c.CopyOf]
	l.mu.Unlock()
	if t == nil {
		return errors.New("its template is gone")
	}
	ends := make([]int, 2)
	if err := unix.Pipe2(ends, unix.O_CLOEXEC); err != nil {
		return err
	}
	ours := waitable(ends[0])
	defer ours.Close()
	pid, steps, err := t.clone(c, ends[1], l.proc)
	unix.Close(ends[1])
	if err != nil {
		return fmt.Errorf("copying a template: %w", err)
	}
	c.steps = steps
	c.started(pid)
	// The other ends are closed when the last step but those that cannot fail is done.
	said := make([]byte, 8)
	if n, _ := ours.Read(said); n == len(said) {
		c.failure = failure{binary.NativeEndian.Uint32(said), binary.NativeEndian.Uint32(said[4:])}
	}
	return nil
}

// patience is how long a template may take to answer. What does not is of no use.
const patience = 20 * time.Second

// answer reads a message of a template.
func (t *template) answer(buffer []byte) (int, error) {
	if err := t.socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return t.socket.Read(buffer)
}

// send sends a template a message with descriptors.
func (t *template) send(text []byte, files []int) error {
	raw, err := t.socket.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendmsg(int(fd), text, unix.UnixRights(files...), nil, unix.MSG_NOSIGNAL)
		return sent != unix.EAGAIN
	})
	return cmp.Or(err, sent)
}

// clone has a template make a process for c, one at a time. It returns the
// names of the steps that the process makes then.
func (t *template) clone(c *child, failures, proc int) (pid int, steps []string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.socket == nil {
		return 0, nil, errors.New("it is gone")
	}
	answer := make([]byte, 16)
	if !t.ready {
		if n, err := t.answer(answer); err != nil || n != len(answer) {
			t.child.kill()
			return 0, nil, fmt.Errorf("it does not begin: %w", err)
		}
		t.base = uintptr(binary.NativeEndian.Uint64(answer)) + requestHeader
		t.threadID = uintptr(binary.NativeEndian.Uint64(answer[8:]))
		t.ready = true
	}
	k, files := c.sent(failures, proc)
	r, err := t.request(k)
	if err != nil {
		return 0, nil, err
	}
	if err := t.send(r.text, files); err != nil {
		return 0, nil, err
	}
	n, err := t.answer(answer)
	if err != nil || n != 8 {
		t.child.kill() // whatever it may say later is no answer to the next
		return 0, nil, fmt.Errorf("it does not answer: %w", err)
	}
	result := int64(binary.NativeEndian.Uint64(answer))
	if result < 0 {
		return 0, nil, syscall.Errno(-result)
	}
	return int(result), r.names, nil
}

// request returns the request for a copy.
func (t *template) request(k *confinement) (request, error) {
	key := requestKey{k.Memory, k.CPU, k.Tasks, k.id, len(k.files), k.scratch, k.launcher >= 0, k.rules >= 0, k.leaf != nil}
	if r, ok := t.requests[key]; ok {
		return r, nil
	}
	s := k.copyScript(t)
	r := request{s.request(), s.names}
	if s.full || len(r.text) > requestBytes {
		return request{}, errFull
	}
	if t.requests == nil || len(t.requests) == mostRequests {
		t.requests = map[requestKey]request{}
	}
	t.requests[key] = r
	return r, nil
}

// sent returns the confinement as a copy knows it, and the descriptors that it
// needs: their numbers in the copy are those from firstHigh on, in this order.
func (c *confinement) sent(failures, proc int) (*confinement, []int) {
	k := *c
	var all []int
	send := func(fd int) int {
		if fd < 0 {
			return fd
		}
		all = append(all, fd)
		return firstHigh + len(all) - 1
	}
	send(failures) // which templates know to be the first
	k.launcher, k.status, k.rules, k.proc = send(c.launcher), send(c.status), send(c.rules), send(proc)
	if c.leaf != nil {
		k.leaf = &leaf{path: c.leaf.path, procs: send(c.leaf.procs)}
	}
	k.files = make([]int, len(c.files))
	for i, fd := range c.files {
		k.files[i] = send(fd)
	}
	return &k, all
}

// copyScript writes the script of a copy.
func (c *confinement) copyScript(t *template) *script {
	s := newScript()
	s.base = t.base
	c.clone(s, t.threadID)
	c.dieWithLauncher(s)
	c.leaf.enter(s)
	s.do("setsid", unix.SYS_SETSID)
	if c.plan.User {
		c.mapUser(s, c.proc, "self", insideID, insideID)
	}
	if c.plan.Namespaces {
		mountScratch(s)
	}
	s.do(c.scratch, unix.SYS_CHDIR, s.text(c.scratch))
	for i, fd := range c.files {
		s.do("descriptors", unix.SYS_DUP3, uintptr(fd), uintptr(firstFile+i), 0)
	}
	c.restrict(s)
	// All others, before anything hostile runs.
	s.do("descriptors", unix.SYS_CLOSE_RANGE, uintptr(firstFile+len(c.files)), 1<<31-1, 0)
	return s
}

// clone adds the step that makes the process. threadID is where the C library
// keeps the thread's number, which fork sets there, too.
func (c *confinement) clone(s *script, threadID uintptr) {
	flags := c.plan.copyFlags() | unix.CLONE_PARENT | uintptr(unix.SIGCHLD)
	if threadID != 0 {
		flags |= unix.CLONE_CHILD_SETTID | unix.CLONE_CHILD_CLEARTID
	}
	args := []uintptr{flags, 0, 0, threadID, 0}
	if runtime.GOARCH == "arm64" { // which has the last two the other way round
		args = []uintptr{flags, 0, 0, 0, threadID}
	}
	s.do("clone", unix.SYS_CLONE, args...)
}

// copyFlags are the namespaces that a copy has of its own.
func (p plan) copyFlags() uintptr {
	if !p.Namespaces {
		return 0
	}
	flags := uintptr(unix.CLONE_NEWNS | unix.CLONE_NEWPID)
	if p.User {
		flags |= unix.CLONE_NEWUSER
	}
	return flags
}

// keptRights are what a template of root's needs to make copies that have less:
// namespaces and mounts, other users with folders of their own.
var keptRights = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE}

// restrictTemplate gives up what a template and its copies do not need.
func (c *confinement) restrictTemplate(s *script) {
	if c.plan.User {
		c.dropRights(s) // a user's copies have their rights from their own namespaces
	} else if c.plan.Seccomp {
		dropBounds(s, slices.DeleteFunc(allRights(), func(right uintptr) bool { return slices.Contains(keptRights, right) }))
	}
	c.dieWithLauncher(s)
	resetSignals(s)
	s.do("limits", unix.SYS_PRLIMIT64, 0, unix.RLIMIT_CORE, address(s, &unix.Rlimit{}), 0)
}
