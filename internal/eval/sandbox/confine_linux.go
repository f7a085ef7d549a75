package sandbox

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file writes the script of a confined process: it builds layers around
// itself, step by step, each of which needs rights that a later one gives up,
// and then executes the program. Nothing hostile runs in it before that.

// A plan says which layers to build.
type plan struct {
	Namespaces bool // mount, pid, network, IPC, UTS and cgroup namespaces
	User       bool // the others are made with a user namespace, as an ordinary user's
	Landlock   int  // version, 0 for none
	Seccomp    bool // stands wherever any layer does
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

// A job is a program to confine, as the user's process asks for it.
type job struct {
	Args   []string
	Env    []string
	Memory int64  // bytes
	CPU    uint64 // seconds, 0 for no limit
	Fork   bool
	Tasks  int

	Template int // the number of the template that it is to be, 0 for none
	CopyOf   int // the number of the template that it is to be a copy of, 0 for none
}

// What every root has beside the host's entries.
const (
	scratchPath = "/tmp"
	devPath     = "/dev"
)

var devices = []string{"null", "zero", "random", "urandom"}

// insideID is the user and group of confined programs in a user namespace.
const insideID = 1000

// Descriptors of a confined process, all above those that the program may have.
const (
	rulesDescriptor   = execDescriptor + 1 // Landlock's rules
	scratchDescriptor = execDescriptor + 2
	// firstFile is the first of the program's own files.
	firstFile = 3
	// firstHigh is the first of the descriptors that come from the launcher.
	firstHigh = execDescriptor + 64
)

// A confinement is all that the script of one process depends on.
type confinement struct {
	job
	plan     plan
	tree     []entry
	launcher int   // pidfd of the launcher, or -1
	status   int   // the socket to the user's process
	null     int   // /dev/null
	program  int   // what to execute
	files    []int // descriptors 3, 4, ...
	rules    int   // Landlock's ruleset, without the scratch folder
	id       int   // user and group to become, 0 to stay who we are
	uid, gid int   // of the launcher
	scratch  string
	leaf     *leaf // its cgroup, nil for none
	proc     int   // the host's /proc, for copies
}

// script writes the whole script of a process that executes its program.
func (c *confinement) script() *script {
	s := newScript()
	c.dieWithLauncher(s)
	c.leaf.enter(s)
	s.do("umask", unix.SYS_UMASK, 0o022)
	// No terminal, and a process group to end as a whole.
	s.do("setsid", unix.SYS_SETSID)
	if c.plan.User {
		c.mapUser(s, unix.AT_FDCWD, "/proc/self", c.uid, c.gid)
	}
	if c.plan.Namespaces {
		c.buildRoot(s)
	}
	s.do(c.scratch, unix.SYS_CHDIR, s.text(c.scratch))
	c.arrangeDescriptors(s)
	// Also a condition for Landlock and the filter of system calls: nothing
	// that the program executes gives it more rights than it has.
	s.do("no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	if c.Template == 0 {
		c.restrict(s)
	} else {
		c.restrictTemplate(s)
	}
	s.do("signal mask", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, address(s, new(uint64)), 0, 8)
	s.do("executing it", unix.SYS_EXECVEAT, execDescriptor, emptyPath, s.texts(c.Args), s.texts(c.Env), unix.AT_EMPTY_PATH)
	return s
}

// restrict gives up all that the program must not have, the last of which is the
// right to give up.
func (c *confinement) restrict(s *script) {
	if c.plan.Landlock > 0 {
		c.restrictFiles(s)
	}
	if c.plan.Seccomp {
		c.dropRights(s)
	}
	c.dieWithLauncher(s) // becoming another user has cleared it
	if c.CopyOf == 0 {
		resetSignals(s) // a copy has its template's, which had them reset
	}
	c.limit(s)
	if c.plan.Seccomp {
		c.filterCalls(s)
	}
}

// filterCalls puts the filter of system calls on this process.
func (c *confinement) filterCalls(s *script) {
	f := filter(policy{
		namespaces: c.plan.Namespaces, scoped: c.plan.Landlock >= landlockScopes, fork: c.Fork, execute: c.CopyOf == 0})
	at := s.bytes(unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), len(f)*unix.SizeofSockFilter))
	for i := range f {
		if f[i].K == ownNumber {
			s.do("its own number", unix.SYS_GETPID).into = at + uintptr(i)*unix.SizeofSockFilter + unsafe.Offsetof(f[i].K)
		}
	}
	// The kernel's struct sock_fprog.
	program := struct {
		length uint16
		filter uintptr
	}{uint16(len(f)), at}
	s.do("filter of system calls", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, address(s, &program))
}

// dieWithLauncher asks to be killed when the launcher ends, and fails if that,
// or the user's process, has ended before.
func (c *confinement) dieWithLauncher(s *script) {
	s.do("parent's death", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	for _, fd := range []int{c.launcher, c.status} {
		if fd < 0 {
			continue
		}
		// ppoll, which all machines have. It writes into the structure.
		poll := &unix.PollFd{Fd: int32(fd)}
		if fd == c.launcher {
			poll.Events = unix.POLLIN // a pidfd becomes readable; a socket hangs up
		}
		s.do("its starter, who is gone", unix.SYS_PPOLL, address(s, poll), 1, address(s, new(unix.Timespec)), 0, 8).zero = true
	}
}

// mapUser makes this process a user of its new user namespace. It can only be
// the one that it is outside. self is its folder of /proc, as seen from the open
// folder at.
func (c *confinement) mapUser(s *script, at int, self string, uid, gid int) {
	s.write("setgroups", at, self+"/setgroups", "deny") // a condition for the others
	s.write("user of the namespace", at, self+"/uid_map", fmt.Sprintf("%d %d 1", insideID, uid))
	s.write("group of the namespace", at, self+"/gid_map", fmt.Sprintf("%d %d 1", insideID, gid))
}

// plain are the flags of mounts that hold nothing special.
const plain = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// mount adds a step that mounts something.
func (s *script) mount(name, source, target, kind string, flags uintptr, options string) {
	s.do(name, unix.SYS_MOUNT, s.text(source), s.text(target), s.text(kind), flags, s.text(options))
}

// mountScratch makes the scratch folder a file system of its own, where nothing
// can be executed. Dropping the mount deletes everything, however deep its paths
// or odd its modes.
func mountScratch(s *script) {
	s.mount("scratch folder", "tmpfs", scratchPath, "tmpfs", plain,
		fmt.Sprintf("mode=1777,size=%d,nr_inodes=%d", ScratchBytes, scratchFiles))
}

// buildRoot moves this process into a root of its own, which holds the entries
// of the host read-only, a few devices and an empty folder for scratch files, and
// no /proc, /sys or sockets.
func (c *confinement) buildRoot(s *script) {
	// Nothing that happens here may reach the host's mounts.
	s.mount("private mounts", "", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	// The new root begins on top of a folder that every host has.
	const base, host = "/proc", "/.host"
	s.mount("root", "tmpfs", base, "tmpfs", plain, "mode=755,size=1m")
	s.mkdir(base + host)
	s.do("pivot_root", unix.SYS_PIVOT_ROOT, s.text(base), s.text(base+host))
	s.do("root", unix.SYS_CHDIR, s.text("/"))
	s.mkdir(scratchPath)
	if c.Template == 0 { // a template has no use for one, and each of its copies its own
		mountScratch(s)
	}
	entries := slices.Clone(c.tree)
	for _, name := range devices {
		entries = append(entries, entry{Path: devPath + "/" + name})
	}
	for _, dir := range parents(entries) {
		s.mkdir(dir).may = true // the scratch folder is there
	}
	at := unix.AT_FDCWD
	for _, e := range entries {
		switch {
		case e.Link != "":
			s.do(e.Path, unix.SYS_SYMLINKAT, s.text(e.Link), uintptr(at), s.text(e.Path))
			continue
		case e.Folder:
			s.mkdir(e.Path)
		default:
			s.do(e.Path, unix.SYS_MKNODAT, uintptr(at), s.text(e.Path), unix.S_IFREG|0o644, 0)
		}
		// With what is mounted within, since a user namespace cannot take a
		// mount away from what it hides.
		s.mount(e.Path, host+e.Path, e.Path, "", unix.MS_BIND|unix.MS_REC, "")
		// Without set-user-ID programs and, but for those in devPath, devices.
		attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}
		if !strings.HasPrefix(e.Path, devPath+"/") {
			attr.Attr_set |= unix.MOUNT_ATTR_NODEV
		}
		s.do(e.Path, unix.SYS_MOUNT_SETATTR, uintptr(at), s.text(e.Path), unix.AT_RECURSIVE, address(s, attr), unsafe.Sizeof(*attr))
	}
	s.do("leaving the host's root", unix.SYS_UMOUNT2, s.text(host), unix.MNT_DETACH)
	s.do("leaving the host's root", unix.SYS_UNLINKAT, uintptr(at), s.text(host), unix.AT_REMOVEDIR)
	s.mount("read-only root", "", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|plain, "")
	// A host's name tells where the program runs.
	const name = "sandbox"
	s.do("host name", unix.SYS_SETHOSTNAME, s.bytes([]byte(name)), uintptr(len(name)))
}

func (s *script) mkdir(path string) *step {
	at := unix.AT_FDCWD
	return s.do(path, unix.SYS_MKDIRAT, uintptr(at), s.text(path), 0o755)
}

// parents are the folders above the entries, each after those above it.
func parents(entries []entry) []string {
	var all []string
	for _, e := range entries {
		for dir := filepath.Dir(e.Path); dir != "/"; dir = filepath.Dir(dir) {
			all = append(all, dir)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// arrangeDescriptors gives the program its descriptors, and has all others
// close when it begins. Those that come from the launcher have higher numbers,
// so that none is in another's place.
func (c *confinement) arrangeDescriptors(s *script) {
	for i, fd := range append([]int{c.null, c.null, c.null}, c.files...) {
		s.do("descriptors", unix.SYS_DUP3, uintptr(fd), uintptr(i), 0)
	}
	s.do("descriptors", unix.SYS_CLOSE_RANGE, uintptr(firstFile+len(c.files)), 1<<31-1, unix.CLOSE_RANGE_CLOEXEC)
	s.do("descriptors", unix.SYS_DUP3, uintptr(c.program), execDescriptor, unix.O_CLOEXEC)
}

// restrictFiles puts Landlock's rules on this process.
func (c *confinement) restrictFiles(s *script) {
	s.open("scratch folder", c.scratch, unix.O_PATH, scratchDescriptor)
	attr := &unix.LandlockPathBeneathAttr{Allowed_access: landlockWrite & landlockFiles(c.plan.Landlock), Parent_fd: scratchDescriptor}
	s.do("landlock", unix.SYS_LANDLOCK_ADD_RULE, uintptr(c.rules), unix.LANDLOCK_RULE_PATH_BENEATH, address(s, attr))
	s.do("landlock", unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(c.rules))
}

// dropRights gives up all that root, in a user namespace or not, can do.
func (c *confinement) dropRights(s *script) {
	if c.CopyOf != 0 && !c.plan.User {
		dropBounds(s, keptRights) // its template has dropped the others
	} else {
		dropBounds(s, allRights())
	}
	s.do("capabilities", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL).may = true
	if c.id != 0 {
		s.do("groups", unix.SYS_SETGROUPS)
		s.do("becoming another group", unix.SYS_SETRESGID, uintptr(c.id), uintptr(c.id), uintptr(c.id))
		s.do("becoming another user", unix.SYS_SETRESUID, uintptr(c.id), uintptr(c.id), uintptr(c.id))
	}
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	s.do("capabilities", unix.SYS_CAPSET, address(s, header), address(s, new([2]unix.CapUserData)))
}

// dropBounds gives up that executing a program could give capabilities back.
func dropBounds(s *script, rights []uintptr) {
	for _, capability := range rights {
		// Newer capabilities than the kernel's give EINVAL; who is not
		// privileged has none to drop.
		s.do("capabilities", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, capability).may = true
	}
}

// allRights are all capabilities that there are.
func allRights() []uintptr {
	var all []uintptr
	for capability := uintptr(0); capability <= unix.CAP_LAST_CAP; capability++ {
		all = append(all, capability)
	}
	return all
}

// resetSignals takes back what the launcher, or who started it, does with
// signals: a program inherits which ones are ignored.
func resetSignals(s *script) {
	// The kernel's struct sigaction: handler, flags, restorer, mask.
	byDefault := address(s, new([4]uint64))
	for signal := uintptr(1); signal <= 64; signal++ {
		s.do("signals", unix.SYS_RT_SIGACTION, signal, byDefault, 0, 8).may = true // not SIGKILL and SIGSTOP
	}
}

// limit sets the limits of resources, which no program can raise again.
func (c *confinement) limit(s *script) {
	limits := []struct {
		resource int
		most     uint64
	}{
		{unix.RLIMIT_AS, uint64(c.Memory)},
		{unix.RLIMIT_CORE, 0}, // nothing of a program outlives it
		{unix.RLIMIT_FSIZE, fileBytes},
		{unix.RLIMIT_NOFILE, openFiles},
		{unix.RLIMIT_MEMLOCK, 0},
		{unix.RLIMIT_MSGQUEUE, 0},
		{unix.RLIMIT_SIGPENDING, 64}, // each timer is one, too
		{unix.RLIMIT_NICE, 0},
		{unix.RLIMIT_RTPRIO, 0},
	}
	if c.id != 0 || c.plan.User {
		limits = append(limits, struct {
			resource int
			most     uint64
		}{unix.RLIMIT_NPROC, uint64(c.Tasks)})
	} // else the kernel counts all of the user's; the launcher watches how many are this program's
	if c.CPU > 0 {
		limits = append(limits, struct {
			resource int
			most     uint64
		}{unix.RLIMIT_CPU, c.CPU})
	}
	for _, l := range limits {
		most := l.most
		var inherited unix.Rlimit
		if unix.Prlimit(0, l.resource, nil, &inherited) == nil {
			most = min(most, inherited.Max)
		}
		s.do("limits", unix.SYS_PRLIMIT64, 0, uintptr(l.resource), address(s, &unix.Rlimit{Cur: most, Max: most}), 0)
	}
}
