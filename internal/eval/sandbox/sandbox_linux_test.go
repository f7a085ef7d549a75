package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The test binary is its own launcher and confined half, and, by its first
// argument, other programs.
const (
	modeSandbox = Subcommand
	modeBusy    = "__busy" // starts programs until it is killed
)

// stages is a variable with what the process gives up before it runs tests.
const stages = "NFCOT_TEST_STAGES"

const nobody = 65534

func TestMain(m *testing.M) {
	if list := os.Getenv(stages); list != "" {
		first, rest, _ := strings.Cut(list, ",")
		os.Setenv(stages, rest)
		if err := giveUp(first); err != nil {
			fmt.Println(first, err)
			os.Exit(3)
		}
	}
	if list, ok := os.LookupEnv(testControllers); ok {
		controllers = strings.Fields(list)
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case modeSandbox:
			os.Exit(Main(os.Args[2:]))
		case modeBusy:
			fmt.Println(busy(os.Args[2]))
			os.Exit(3)
		}
	}
	os.Exit(m.Run())
}

// giveUp takes something away and starts the program again without it.
func giveUp(what string) error {
	runtime.LockOSThread()
	switch what {
	case "user namespaces":
		if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
			return err
		}
	case "root":
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			return err
		}
	case "CAP_SYS_ADMIN":
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_ADMIN, 0, 0, 0); err != nil {
			return err
		}
	case "Landlock":
		var f assembler
		f.load(offsetNumber)
		f.when(unix.BPF_JEQ, unix.SYS_LANDLOCK_CREATE_RULESET, ret(nothing))
		f.ret(allow)
		prog := &unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
		_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(prog)))
		if errno != 0 {
			return errno
		}
	}
	return syscall.Exec(os.Args[0], os.Args, os.Environ())
}

const python = "/usr/bin/python3.11"

var pythonFiles = []string{python, "/usr/lib", "/lib", "/lib64", "/usr/lib64"}

func openSandbox(t testing.TB, o Options) *Sandbox {
	o.Command = []string{os.Args[0], modeSandbox}
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// startPython starts a program whose output goes to the pipe that is returned.
func startPython(t testing.TB, s *Sandbox, c Command, code string) (*Process, *os.File) {
	if _, err := os.Stat(python); err != nil {
		t.Skip(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	c.Path = python
	c.Args = []string{"python", "-I", "-S", "-B", "-c", prelude + code}
	c.Files = []*os.File{w}
	p, err := s.Start(c)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

const prelude = `
import sys, os, time
sys.stdout = sys.stderr = open(3, "w", buffering=1)
def attempt(f, *args):
    try: return f(*args)
    except OSError as e: return type(e).__name__
`

func runPython(t testing.TB, s *Sandbox, c Command, code string) (string, End) {
	p, r := startPython(t, s, c, code)
	out, _ := io.ReadAll(r)
	end, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out)), end
}

// environments are ways of being poor, with what then stands.
var environments = []struct {
	name      string
	namespace bool     // in a user namespace of the test's own
	user      bool     // as an ordinary user
	stages    []string // what is given up
	want      []Layer  // nil: refused
}{
	{name: "user", user: true, want: []Layer{Namespaces, Seccomp, Landlock}},
	{name: "user without user namespaces", namespace: true, stages: []string{"user namespaces", "root"}, want: []Layer{Seccomp, Landlock}},
	{name: "root without CAP_SYS_ADMIN", stages: []string{"CAP_SYS_ADMIN"}, want: []Layer{Seccomp, Landlock}},
	{name: "root without Landlock", stages: []string{"Landlock"}, want: []Layer{Namespaces, Seccomp}},
	{name: "user with nothing", namespace: true, stages: []string{"Landlock", "user namespaces", "root"}},
}

// wanted is a variable with the layers that must stand, as JSON.
const wanted = "NFCOT_TEST_WALLS"

// TestEnvironments runs the other tests in poorer environments, each in a
// process of its own.
func TestEnvironments(t *testing.T) {
	if os.Getenv(wanted) != "" {
		t.Skip("this is one of them")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can become others")
	}
	binary := publicBinary(t)
	for _, e := range environments {
		t.Run(e.name, func(t *testing.T) {
			want, _ := json.Marshal(e.want)
			c := exec.Command(binary, "-test.v", "-test.run=^("+strings.Join([]string{
				"TestLayers", "TestChecks", "TestProgram", "TestTimes", "TestFork", "TestLimits", "TestKill", "TestDescriptors", "TestScratchIsRemoved", "TestLauncherKilled",
				"TestKilledAtAnyMoment", "TestTemplate", "TestCopiesAreApart", "TestTemplateEnds",
			}, "|")+")$")
			c.Dir = filepath.Dir(binary)
			c.Env = append(os.Environ(), wanted+"="+string(want), stages+"="+strings.Join(e.stages, ","))
			c.SysProcAttr = &syscall.SysProcAttr{}
			if e.user {
				c.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
			}
			if e.namespace {
				c.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
				ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: nobody, HostID: nobody, Size: 1}}
				c.SysProcAttr.UidMappings, c.SysProcAttr.GidMappings = ids, ids
				c.SysProcAttr.GidMappingsEnableSetgroups = true
			}
			out, err := c.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// publicBinary is a copy of the test binary that every user can execute.
func publicBinary(t *testing.T) string {
	dir, err := os.MkdirTemp("", "sandbox-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "sandbox.test")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(binary, data, 0o755)); err != nil {
		t.Fatal(err)
	}
	return binary
}

// TestLayers is one of those that TestEnvironments runs, which knows what must stand there.
func TestLayers(t *testing.T) {
	var want []Layer
	text := os.Getenv(wanted)
	if text == "" {
		return
	}
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if want == nil {
		_, err := Open(context.Background(), Options{Command: []string{os.Args[0], modeSandbox}})
		var refused *Refused
		if !errors.As(err, &refused) || !strings.Contains(refused.Missing, "Landlock") || refused.Remedy == "" {
			t.Fatalf("Open: %v; want a refusal that names Landlock", err)
		}
		return
	}
	s := openSandbox(t, Options{})
	if got := s.Layers(); !slices.Equal(got[:len(got)-1], want) {
		t.Errorf("layers %v, want %v", got, want)
	}
	if got, warns := s.String(), strings.Contains(s.String(), "no pid"); warns != !slices.Contains(want, Namespaces) {
		t.Errorf("%q warns of missing namespaces: %v", got, warns)
	}
}

// skipRefused leaves tests out where TestLayers wants no layers at all.
func skipRefused(t *testing.T) {
	if os.Getenv(wanted) == "null" {
		t.Skip("no program runs here")
	}
}

func TestChecks(t *testing.T) {
	skipRefused(t)
	s := openSandbox(t, Options{})
	found, err := s.Checks(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(attempts) {
		t.Errorf("%d results of %d checks", len(found), len(attempts))
	}
	for _, p := range found {
		t.Logf("%-40s %v  %s", p.Name, p.Held, p.Seen)
		if !p.Held {
			t.Errorf("%s: %s", p.Name, p.Seen)
		}
	}
}

// TestProgram checks what honest programs need.
func TestProgram(t *testing.T) {
	skipRefused(t)
	s := openSandbox(t, Options{ReadOnly: pythonFiles})
	out, end := runPython(t, s, Command{Env: []string{"A=1"}}, `
import threading, tempfile, json, ctypes, asyncio, hashlib, decimal, random
assert os.environ["A"] == "1" and set(os.environ) <= {"A", "LC_CTYPE", "TMPDIR"}, os.environ
assert os.listdir(".") == []
assert os.path.samefile(".", tempfile.gettempdir())
with tempfile.TemporaryDirectory() as d:
    with open(d + "/x", "w") as f: f.write("text")
    os.rename(d + "/x", d + "/y")
    assert open(d + "/y").read() == "text"
t = threading.Thread(target=lambda: print("thread")); t.start(); t.join()
async def nothing(): await asyncio.sleep(0.001); return 7
print(asyncio.run(nothing()))
print(len(os.urandom(8)), open("/dev/null").read() == "", os.read(0, 1))
print(os.getuid() != 0, os.geteuid() != 0, os.getgid() != 0)
sys.exit(5)
`)
	if want := "thread\n7\n8 True b''\nTrue True True"; out != want {
		t.Errorf("output %q, want %q", out, want)
	}
	if end.ExitCode != 5 || end.Signal != 0 || end.CPU <= 0 || end.PeakMemory < 4<<20 || end.PeakMemory > 64<<20 || end.OutOfMemory {
		t.Errorf("end %+v", end)
	}
}

// TestDescriptors checks that files arrive in order and nothing else does.
func TestDescriptors(t *testing.T) {
	skipRefused(t)
	s := openSandbox(t, Options{ReadOnly: pythonFiles})
	var files []*os.File
	for i := range 3 {
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Truncate(int64(i + 1)); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := s.Start(Command{Path: python, Files: files, Args: []string{"python", "-I", "-S", "-B", "-c", `
import os, stat
def kind(fd):
    try: return os.fstat(fd).st_size if fd > 2 else os.fstat(fd).st_rdev == os.stat("/dev/null").st_rdev
    except OSError: return None
os._exit(10 if [kind(fd) for fd in range(1024)] == 3 * [True] + [1, 2, 3] + 1018 * [None] else 11)
`}})
	if err != nil {
		t.Fatal(err)
	}
	if end, err := p.Wait(); err != nil || end.ExitCode != 10 {
		t.Errorf("end %+v, %v", end, err)
	}
}

func TestFork(t *testing.T) {
	skipRefused(t)
	s := openSandbox(t, Options{ReadOnly: pythonFiles})
	out, end := runPython(t, s, Command{Fork: true}, `
pid = os.fork()
if not pid:
    time.sleep(0.05)
    os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
for i in range(3): # orphans that would go on for ever
    if not os.fork():
        if not os.fork():
            while True: time.sleep(1)
        os._exit(0)
    os.wait()
print("done")
`)
	if out != "9\ndone" || end.ExitCode != 0 {
		t.Errorf("output %q, end %+v", out, end)
	}
}

func TestLimits(t *testing.T) {
	skipRefused(t)
	s := openSandbox(t, Options{ReadOnly: pythonFiles})
	for _, test := range []struct {
		name, code string
		command    Command
		ok         func(out string, e End) bool
	}{
		{"memory", "try: b = bytearray(300 << 20)\nexcept MemoryError: print('MemoryError')", Command{Memory: 256 << 20},
			func(out string, e End) bool { return out == "MemoryError" && e.ExitCode == 0 }},
		{"memory of a family", "for i in range(4):\n if not os.fork():\n  b = bytearray(30 << 20); b[::4096] = b'x' * len(b[::4096]); time.sleep(60)\ntime.sleep(60)",
			Command{Memory: 100 << 20, Fork: true}, func(out string, e End) bool { return e.OutOfMemory && e.Signal == int(unix.SIGKILL) }},
		{"processor time", "while True: pass", Command{CPU: time.Second},
			func(out string, e End) bool {
				return e.Signal == int(unix.SIGKILL) && e.CPU > 500*time.Millisecond && e.CPU < 2*time.Second
			}},
		{"threads", "import threading\nn = 0\ntry:\n for n in range(1000): threading.Thread(target=time.sleep, args=(1,), daemon=True).start()\nexcept RuntimeError: pass\ntime.sleep(.2); print(n); os._exit(0)",
			Command{}, func(out string, e End) bool { return e.Signal == int(unix.SIGKILL) || len(out) == 2 && out <= "64" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			if out, end := runPython(t, s, test.command, test.code); !test.ok(out, end) {
				t.Errorf("output %q, end %+v", out, end)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	skipRefused(t)
	s := openSandbox(t, Options{ReadOnly: pythonFiles})
	p, r := startPython(t, s, Command{}, "print(1)\nt = time.process_time()\nwhile time.process_time() < t + .2: pass\nprint(2)\ntime.sleep(60)")
	for range 2 {
		if _, err := r.Read(make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
	}
	cpu, waiting := p.Times()
	if cpu < 200*time.Millisecond || cpu > time.Second || waiting < 0 {
		t.Errorf("times %v, %v", cpu, waiting)
	}
	p.Kill()
	if end, err := p.Wait(); err != nil || end.CPU < 200*time.Millisecond {
		t.Errorf("end %+v, %v", end, err)
	}
}

func TestKill(t *testing.T) {
	skipRefused(t)
	s := openSandbox(t, Options{ReadOnly: pythonFiles})
	// At any moment, and whatever the program does about it.
	for i := range 10 {
		p, _ := startPython(t, s, Command{Fork: i%2 == 0}, "import signal\nfor s in range(1, 32): attempt(signal.signal, s, signal.SIG_IGN)\nwhile True: pass")
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		p.Kill()
		p.Kill()
		end, err := p.Wait()
		if err != nil || end.Signal != int(unix.SIGKILL) || end.ExitCode != -1 {
			t.Errorf("end %+v, %v", end, err)
		}
		p.Kill()
	}
	// Close ends what still runs.
	p, _ := startPython(t, s, Command{}, "while True: pass")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := p.Wait(); err != nil && !strings.Contains(err.Error(), "gone") {
		t.Error(err)
	}
	if _, err := s.Start(Command{Path: python, Args: []string{"python"}}); err == nil {
		t.Error("a closed sandbox starts programs")
	}
}

// publicTemp makes a folder that every user can use, and makes it the one for temporary files.
func publicTemp(t *testing.T) string {
	tmp := t.TempDir()
	if err := errors.Join(os.Chmod(tmp, 0o777), os.Chmod(filepath.Dir(tmp), 0o755)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	return tmp
}

// TestScratchIsRemoved leaves the worst of folders behind.
func TestScratchIsRemoved(t *testing.T) {
	skipRefused(t)
	tmp := publicTemp(t)
	keep := filepath.Join(tmp, "keep")
	if err := os.WriteFile(keep, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	s := openSandbox(t, Options{ReadOnly: pythonFiles})
	out, end := runPython(t, s, Command{}, `
attempt(os.symlink, "`+keep+`", "link")
os.symlink("/", "root")
for i in range(300): open("f%d" % i, "w").close()
os.mkdir("sealed"); open("sealed/x", "w").close(); attempt(os.chmod, "sealed", 0)
here = os.open(".", os.O_RDONLY)
for i in range(1000):
    os.mkdir("d" * 200); open("file", "w").close()
    os.chdir("d" * 200)
os.mkdir("a", 0)
print("made")
`)
	if out != "made" && !end.OutOfDisk { // for folders that are too deep to watch
		t.Errorf("output %q, end %+v", out, end)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	names, err := filepath.Glob(filepath.Join(tmp, "*"))
	if err != nil || !slices.Equal(names, []string{keep}) {
		t.Errorf("left: %v, %v", names, err)
	}
}

// TestLauncherKilled checks that programs do not outlive the process that
// watches them.
func TestLauncherKilled(t *testing.T) {
	skipRefused(t)
	tmp := publicTemp(t)
	s := openSandbox(t, Options{ReadOnly: pythonFiles})
	t.Cleanup(func() {
		s.Close()
		nothingLeft(t, "no process", tmp)
	})
	for _, fork := range []bool{true, false} {
		p, r := startPython(t, s, Command{Fork: fork}, "print(1)\nwhile True: pass")
		if _, err := r.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if !fork {
			if err := s.backend.(*linux).launcher.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		defer func() {
			if _, err := p.Wait(); err == nil {
				t.Error("a program whose launcher was killed has an end")
			}
			// Its end of the pipe closes when it dies.
			if _, err := io.ReadAll(r); err != nil {
				t.Error(err)
			}
		}()
	}
}

// busy starts programs and never stops. The marker shows in their arguments.
func busy(marker string) error {
	s, err := Open(context.Background(), Options{Command: []string{os.Args[0], modeSandbox}, ReadOnly: pythonFiles})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for i := 0; ; i++ {
		p, err := s.Start(Command{Path: python, Fork: true, Args: []string{"python", "-I", "-S", "-B", "-c",
			"import os\nopen('x', 'w').close()\nos.fork()\nwhile True: pass", marker}})
		if err != nil {
			return err
		}
		if i%3 > 0 {
			p.Kill()
		}
	}
}

// TestKilledAtAnyMoment kills a process that uses a sandbox and looks for
// what is left of it.
func TestKilledAtAnyMoment(t *testing.T) {
	skipRefused(t)
	binary := publicBinary(t)
	tmp := t.TempDir()
	mounts := lines(t, "/proc/self/mountinfo")
	for range 12 {
		c := exec.Command(binary, modeBusy, binary)
		c.Env = []string{"TMPDIR=" + tmp}
		var out bytes.Buffer
		ready, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(ready, make([]byte, len("ready"))); err != nil {
			t.Fatal(err, out.String())
		}
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
		nothingLeft(t, binary, tmp)
	}
	if after := lines(t, "/proc/self/mountinfo"); after != mounts {
		t.Errorf("%d mounts, %d before", after, mounts)
	}
}

// nothingLeft waits a little for processes with the marker among their
// arguments to end and for the folder to be empty.
func nothingLeft(t *testing.T, marker, tmp string) {
	var left []string
	for range 100 {
		left, _ = filepath.Glob(filepath.Join(tmp, "*"))
		processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, p := range processes {
			if line, err := os.ReadFile(p); err == nil && bytes.Contains(line, []byte(marker)) {
				left = append(left, p)
			}
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("left: %v", left)
}

func lines(t *testing.T, path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}
