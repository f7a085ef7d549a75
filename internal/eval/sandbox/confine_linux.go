package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file is the confined half: a process of its own, in new namespaces where
// there are any, that builds walls around itself and then executes the program.
// Nothing hostile runs in it before that.

// A plan says which walls to build.
type plan struct {
	Namespaces bool   // mount, pid, network, IPC, UTS and cgroup namespaces
	User       bool   // the others are made with a user namespace, as an ordinary user's
	Landlock   int    // version, 0 for none
	Seccomp    bool   // stands wherever any wall does
	Cgroup     string // folder of the cgroup that leaves are made in, "" for none
}

// A job is a program to confine and all that the confined half needs to know.
type job struct {
	Plan   plan
	Tree   []entry
	Args   []string
	Env    []string
	Files  int    // descriptors 3, 4, ... that the program inherits
	Memory int64  // bytes
	CPU    uint64 // seconds, 0 for no limit

	Fork    bool
	ID      int    // user and group to become, 0 to stay who we are
	Scratch string // folder to write into; with namespaces "", as each has its own
}

// What every root has beside the host's entries.
const (
	scratchPath = "/tmp"
	devPath     = "/dev"
)

var devices = []string{"null", "zero", "random", "urandom"}

// insideID is the user and group of confined programs in a user namespace.
const insideID = 1000

// Descriptors of the confined half after those for the program.
func (j *job) programDescriptor() int { return 3 + j.Files }
func (j *job) statusDescriptor() int  { return 4 + j.Files }

// confine is the main function of the confined half. It returns only if
// something fails, which it reports to the user's process.
func confine(args []string) int {
	runtime.LockOSThread() // most walls are a thread's
	var j job
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &j) != nil {
		fmt.Fprintln(os.Stderr, "this command is for the program's own use")
		return 2
	}
	err := j.become()
	note, _ := json.Marshal(message{Failed: err.Error()}) // a struct of strings and numbers
	_, _ = unix.Write(j.statusDescriptor(), note)         // if nobody is there to read, nobody misses it
	return 1
}

// become turns this process into the program, step by step, each of which
// needs rights that a later one gives up.
func (j *job) become() error {
	if err := j.checkLauncher(); err != nil {
		return err
	}
	scratch := j.Scratch
	if j.Plan.Namespaces {
		if err := j.buildRoot(); err != nil {
			return err
		}
		scratch = scratchPath
		// A host's name tells where the program runs.
		if err := unix.Sethostname([]byte("sandbox")); err != nil {
			return fmt.Errorf("host name: %w", err)
		}
	}
	if err := unix.Chdir(scratch); err != nil {
		return fmt.Errorf("%s: %w", scratch, err)
	}
	if err := j.arrangeDescriptors(); err != nil {
		return err
	}
	if err := j.restrictFiles(scratch); err != nil {
		return err
	}
	if j.Plan.Seccomp {
		if err := j.dropRights(); err != nil {
			return err
		}
	}
	// Changing users cleared what SysProcAttr.Pdeathsig had set.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("parent's death: %w", err)
	}
	if err := j.checkLauncher(); err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings(j.Args)
	if err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	envv, err := syscall.SlicePtrFromStrings(j.Env)
	if err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	// A page of zeros: see emptyPath.
	if _, _, errno := unix.RawSyscall6(unix.SYS_MMAP, emptyPath, 1, unix.PROT_READ,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uintptr(0), 0); errno != 0 {
		return fmt.Errorf("page at %#x: %w", emptyPath, errno)
	}
	var f []unix.SockFilter
	if j.Plan.Seccomp {
		f = filter(policy{namespaces: j.Plan.Namespaces, scoped: j.Plan.Landlock >= landlockScopes, fork: j.Fork, pid: os.Getpid()})
	}
	// From here on the Go runtime might run into the limits, or the filter.
	if err := j.limit(); err != nil {
		return err
	}
	if j.Plan.Seccomp {
		if err := filterThread(f); err != nil {
			return err
		}
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, execDescriptor, emptyPath,
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])), unix.AT_EMPTY_PATH, 0)
	return fmt.Errorf("executing the program: %w", errno)
}

// checkLauncher fails if the launcher or the user's process is gone. The kernel
// tells only who asked before, and asking takes a moment.
func (j *job) checkLauncher() error {
	poll := []unix.PollFd{{Fd: int32(j.statusDescriptor())}}
	if n, err := unix.Poll(poll, 0); err != nil || n > 0 {
		return errors.New("the process that wanted this is gone")
	}
	return nil
}

// buildRoot moves this process into a root of its own, which holds the entries
// of the host read-only, a few devices and an empty scratch folder, and no
// /proc, /sys or sockets.
func (j *job) buildRoot() error {
	// Nothing that happens here may reach the host's mounts.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	// The new root begins on top of a folder that every host has.
	const base, host = "/proc", "/.host"
	if err := unix.Mount("tmpfs", base, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755,size=1m"); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if err := unix.Mkdir(base+host, 0o700); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if err := unix.PivotRoot(base, base+host); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if err := unix.Mkdir(scratchPath, 0o755); err != nil {
		return fmt.Errorf("scratch folder: %w", err)
	}
	// Where nothing can be executed, and dropping the mount deletes everything,
	// however deep its paths or odd its modes.
	options := fmt.Sprintf("mode=1777,size=%d,nr_inodes=%d", ScratchBytes, scratchFiles)
	if err := unix.Mount("tmpfs", scratchPath, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
		return fmt.Errorf("scratch folder: %w", err)
	}
	for _, e := range j.Tree {
		if err := e.make(host); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	for _, name := range devices {
		d := entry{Path: devPath + "/" + name}
		if err := d.make(host); err != nil {
			return fmt.Errorf("%s: %w", d.Path, err)
		}
	}
	if err := unix.Unmount(host, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the host's root: %w", err)
	}
	if err := unix.Rmdir(host); err != nil {
		return fmt.Errorf("leaving the host's root: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	return nil
}

// make makes an entry in a new root from the host's root, which is at host.
func (e entry) make(host string) error {
	if err := os.MkdirAll(filepath.Dir(e.Path), 0o755); err != nil {
		return err
	}
	if e.Link != "" {
		return unix.Symlink(e.Link, e.Path)
	}
	if e.Folder {
		if err := os.MkdirAll(e.Path, 0o755); err != nil {
			return err
		}
	} else {
		fd, err := unix.Open(e.Path, unix.O_CREAT|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return err
		}
		unix.Close(fd)
	}
	// With what is mounted within, since a user namespace cannot take a mount
	// away from what it hides.
	if err := unix.Mount(host+e.Path, e.Path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	// Without set-user-ID programs and, but for those in devPath, devices.
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}
	if !strings.HasPrefix(e.Path, devPath+"/") {
		attr.Attr_set |= unix.MOUNT_ATTR_NODEV
	}
	return unix.MountSetattr(unix.AT_FDCWD, e.Path, unix.AT_RECURSIVE, &attr)
}

// arrangeDescriptors gives the program's descriptor its number and has all
// others that are not the program's close when it begins.
func (j *job) arrangeDescriptors() error {
	// The number may be above the limit that this process inherited.
	limit := unix.Rlimit{Cur: execDescriptor + 1, Max: execDescriptor + 1}
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("open files: %w", err)
	}
	if limit.Cur <= execDescriptor {
		limit.Cur = limit.Max
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return fmt.Errorf("open files: %w", err)
		}
	}
	if err := unix.Dup3(j.programDescriptor(), execDescriptor, unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("the program's descriptor: %w", err)
	}
	if err := unix.CloseRange(uint(3+j.Files), ^uint(0)>>33, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("descriptors: %w", err)
	}
	return nil
}

// restrictFiles puts Landlock's rules on this thread.
func (j *job) restrictFiles(scratch string) error {
	// Also a condition for Landlock and the filter of system calls: nothing
	// that the program executes gives it more rights than it has.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if j.Plan.Landlock == 0 {
		return nil
	}
	r, err := newRuleset(j.Plan.Landlock)
	if err != nil {
		return err
	}
	for _, e := range j.Tree {
		if e.Link == "" {
			if err := r.allowPath(e.Path, landlockRead); err != nil {
				return err
			}
		}
	}
	for _, name := range devices {
		if err := r.allowPath(devPath+"/"+name, landlockDevice); err != nil {
			return err
		}
	}
	if err := r.allowPath(scratch, landlockWrite); err != nil {
		return err
	}
	if err := r.allow(execDescriptor, landlockRead); err != nil {
		return err
	}
	return r.restrictThread()
}

// dropRights gives up all that root, in a user namespace or not, can do.
func (j *job) dropRights() error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		// Newer capabilities than the kernel's give EINVAL; who is not
		// privileged has none to drop.
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
	}
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	if j.ID != 0 {
		// Raw system calls, which change this thread alone: the others of the
		// Go runtime end when it executes the program.
		for _, call := range [][4]uintptr{
			{unix.SYS_SETGROUPS, 0, 0, 0},
			{unix.SYS_SETRESGID, uintptr(j.ID), uintptr(j.ID), uintptr(j.ID)},
			{unix.SYS_SETRESUID, uintptr(j.ID), uintptr(j.ID), uintptr(j.ID)},
		} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				return fmt.Errorf("becoming user %d: %w", j.ID, errno)
			}
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}

// limit sets the limits of resources, which no program can raise again.
func (j *job) limit() error {
	limits := []struct {
		resource int
		most     uint64
	}{
		{unix.RLIMIT_AS, uint64(j.Memory)},
		{unix.RLIMIT_CORE, 0}, // nothing of a program outlives it
		{unix.RLIMIT_FSIZE, fileBytes},
		{unix.RLIMIT_NOFILE, openFiles},
		{unix.RLIMIT_MEMLOCK, 0},
		{unix.RLIMIT_MSGQUEUE, 0},
		{unix.RLIMIT_SIGPENDING, 64}, // each timer is one, too
		{unix.RLIMIT_NICE, 0},
		{unix.RLIMIT_RTPRIO, 0},
		{unix.RLIMIT_NPROC, tasks},
		{unix.RLIMIT_CPU, j.CPU},
	}
	for _, l := range limits {
		switch {
		case l.resource == unix.RLIMIT_CPU && l.most == 0:
			continue
		case l.resource == unix.RLIMIT_NPROC && j.ID == 0 && !j.Plan.User:
			// The kernel counts all processes of the user, who has others; the
			// launcher watches how many are this program's.
			continue
		}
		var old unix.Rlimit
		if err := unix.Prlimit(0, l.resource, nil, &old); err != nil {
			return fmt.Errorf("limit %d: %w", l.resource, err)
		}
		most := min(l.most, old.Max)
		if err := unix.Prlimit(0, l.resource, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil {
			return fmt.Errorf("limit %d: %w", l.resource, err)
		}
	}
	return nil
}
