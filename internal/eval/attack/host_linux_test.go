package attack

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// marker begins the name of whatever an attack makes where it should not.
const marker = "PWNED"

// A host is the machine as far as attacks could harm it: folders that an
// evaluation uses, with bait in them, and listeners that nobody should call.
type host struct {
	tmp, home, cwd string
	bait           string   // a file's path in the folder for everybody's temporary files
	secrets        []string // what the bait says, and what only the tests know
	places         map[string]string

	mu    sync.Mutex
	calls []string
	close []func() error
}

// newHost lays out the bait for evaluations of any user.
func newHost(t *testing.T) *host {
	t.Helper()
	base, err := os.MkdirTemp("/tmp", "nfcot-attack-")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{tmp: base + "/tmp", home: base + "/home", cwd: base + "/cwd"}
	t.Cleanup(func() {
		for _, c := range h.close {
			_ = c()
		}
		_ = os.RemoveAll(base)
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(base, 0o755))
	for _, dir := range []string{h.tmp, h.home, h.cwd} {
		must(os.Mkdir(dir, 0o777))
		must(os.Chmod(dir, 0o777|fs.ModeSticky))
	}
	h.bait = base + "/bait"
	for i, path := range []string{h.bait, h.tmp + "/bait", h.home + "/.netrc", h.cwd + "/bait"} {
		secret := newSecret(i)
		h.secrets = append(h.secrets, secret)
		must(os.WriteFile(path, []byte(secret+"\n"), 0o666))
		must(os.Chmod(path, 0o666))
	}

	h.places = map[string]string{
		"@TMP@": h.tmp, "@HOME@": h.home, "@CWD@": h.cwd, "@BAIT@": h.bait, "@UNIX@": base + "/socket", "@ABSTRACT@": base + "/abstract",
	}
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	must(err)
	h.listen("a TCP connection", tcp)
	h.places["@TCP@"] = fmt.Sprint(tcp.Addr().(*net.TCPAddr).Port)
	stream, err := net.Listen("unix", h.places["@UNIX@"])
	must(err)
	must(os.Chmod(h.places["@UNIX@"], 0o777))
	h.listen("a connection to a Unix socket", stream)
	abstract, err := net.Listen("unix", "@"+h.places["@ABSTRACT@"])
	must(err)
	h.listen("a connection to an abstract Unix socket", abstract)
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	must(err)
	h.receive("a UDP packet", udp)
	h.places["@UDP@"] = fmt.Sprint(udp.LocalAddr().(*net.UDPAddr).Port)
	datagrams, err := net.ListenPacket("unixgram", h.places["@UNIX@"]+".dgram")
	must(err)
	must(os.Chmod(h.places["@UNIX@"]+".dgram", 0o777))
	h.receive("a message to a Unix socket", datagrams)
	return h
}

// newSecret is a text that attacks look for by its form.
func newSecret(i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d", os.Getpid(), i, time.Now().UnixNano()))
	return fmt.Sprintf("CANARY-%x", sum[:8])
}

func (h *host) called(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, what)
}

func (h *host) listen(what string, l net.Listener) {
	h.close = append(h.close, l.Close)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.called(what)
			c.Close()
		}
	}()
}

func (h *host) receive(what string, c net.PacketConn) {
	h.close = append(h.close, c.Close)
	go func() {
		for {
			if _, _, err := c.ReadFrom(make([]byte, 1)); err != nil {
				return
			}
			h.called(what)
		}
	}()
}

// place puts the host's own into an attack: the strongest attacker knows where things are.
func (h *host) place(program string) string {
	for name, value := range h.places {
		program = strings.ReplaceAll(program, name, value)
	}
	return program
}

// A state is what of a host must be the same afterwards, by name.
type state map[string]string

// state looks at the host. Prefixes are folders of interpreters.
func (h *host) state(t *testing.T, prefixes []string) state {
	t.Helper()
	s := state{}
	read := func(names ...string) {
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err == nil {
				s[name] = string(text)
			}
		}
	}
	read("/proc/self/mountinfo", "/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg", "/proc/sys/kernel/hostname",
		"/proc/sys/kernel/domainname", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/randomize_va_space",
		"/proc/sys/kernel/modprobe", "/proc/sys/kernel/yama/ptrace_scope", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/drop_caches",
		"/proc/sys/net/ipv4/ip_forward", "/proc/sys/fs/suid_dumpable", "/proc/swaps", "/etc/passwd", "/etc/hosts",
		"/etc/ld.so.preload")
	s["children of this process"] = strings.Join(children(os.Getpid()), " ")
	if moved := clockOffset() - clockAtStart; moved.Abs() > 5*time.Second { // more than it is corrected by meanwhile
		s["clock"] = moved.String()
	}
	s["bait"] = listing(filepath.Dir(h.bait), true)
	for _, dir := range prefixes {
		s[dir] = listing(dir, false)
	}
	home, _ := os.UserHomeDir()
	wd, _ := os.Getwd()
	for _, dir := range []string{"/", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/dev/mqueue", "/run", "/etc", "/usr/bin", "/lib", "/root", home, wd, filepath.Dir(wd)} {
		marked, _ := filepath.Glob(filepath.Join(dir, "*"+marker+"*")) // the pattern is good
		s[marker+" in "+dir] = strings.Join(marked, " ")
	}
	groups := []string{}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(d.Name(), "nfcot") {
			groups = append(groups, path)
		}
		return nil // groups come and go
	})
	s["cgroups"] = strings.Join(groups, " ")
	h.mu.Lock()
	s["calls"] = strings.Join(h.calls, ", ")
	h.mu.Unlock()
	return s
}

// clockOffset is what the clock that can be set is ahead of the one that cannot.
func clockOffset() time.Duration {
	var settable, steady unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &settable) // every kernel has both
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &steady)
	return time.Duration(settable.Nano() - steady.Nano())
}

var clockAtStart = clockOffset()

// listing tells all files in a folder, with their contents or their times.
func listing(dir string, contents bool) string {
	var out strings.Builder
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			fmt.Fprintln(&out, path, err)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil // gone meanwhile
		}
		fmt.Fprint(&out, path, " ", info.Mode())
		if info.Mode().IsRegular() {
			fmt.Fprint(&out, " ", info.Size())
			if text, err := os.ReadFile(path); contents && err == nil {
				fmt.Fprintf(&out, " %x", sha256.Sum256(text))
			} else if !contents {
				fmt.Fprint(&out, " ", info.ModTime().UnixNano())
			}
		}
		fmt.Fprintln(&out)
		return nil
	})
	return out.String()
}

// compare reports what has changed.
func compare(t *testing.T, before, after state) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			t.Errorf("the host has changed: %s:\n%s", name, difference(before[name], after[name]))
		}
	}
}

// difference is the lines that one of two texts has and the other has not.
func difference(before, after string) string {
	var out strings.Builder
	for _, side := range []struct{ sign, text, other string }{{"-", before, after}, {"+", after, before}} {
		other := map[string]bool{}
		for line := range strings.Lines(side.other) {
			other[line] = true
		}
		for line := range strings.Lines(side.text) {
			if !other[line] {
				out.WriteString(side.sign + strings.TrimSuffix(line, "\n") + "\n")
			}
		}
	}
	return out.String()
}

// children are the processes that a process has to bury: what it started, and,
// as it is a subreaper, what these left.
func children(pid int) []string {
	var all []string
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is good
	for _, list := range lists {
		if text, err := os.ReadFile(list); err == nil {
			all = append(all, strings.Fields(string(text))...)
		}
	}
	slices.Sort(all)
	return all
}

// settle buries what an evaluation has left to this process, for as long as that may take to end.
func (h *host) settle() {
	const most = 5 * time.Second
	for began := time.Now(); time.Since(began) < most; time.Sleep(10 * time.Millisecond) {
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
		if len(children(os.Getpid())) == 0 {
			return
		}
	}
}

// memoryOf adds up the resident memory of a process and its descendants, in bytes.
func memoryOf(pid string) int64 {
	var sum int64
	if text, err := os.ReadFile("/proc/" + pid + "/statm"); err == nil {
		var size, resident int64
		if _, err := fmt.Sscan(string(text), &size, &resident); err == nil {
			sum = resident * int64(os.Getpagesize())
		}
	}
	lists, _ := filepath.Glob("/proc/" + pid + "/task/*/children") // the pattern is good
	for _, list := range lists {
		if text, err := os.ReadFile(list); err == nil {
			for _, child := range strings.Fields(string(text)) {
				sum += memoryOf(child)
			}
		}
	}
	return sum
}
