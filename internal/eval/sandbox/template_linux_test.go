package sandbox

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// templateProgram is a template in Python. Its copies run the text on their descriptor 4.
var templateProgram = fmt.Sprintf(`
import ctypes, os, socket, struct, sys, time
def call(number, *args):
    result = library.syscall(number, *args)
    return -ctypes.get_errno() if result == -1 else result
library = ctypes.PyDLL(None, use_errno=True)
library.syscall.argtypes, library.syscall.restype = [ctypes.c_long] * 7, ctypes.c_long
memory = ctypes.create_string_buffer(%d)
requests = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, 3)
requests.send(struct.pack("QQ", ctypes.addressof(memory), 0))
while True:
    size, ancillary, _, _ = requests.recvmsg_into([memory], 1024)
    if size == 0: os._exit(0)
    descriptors = struct.unpack("%%di" %% (len(ancillary[0][2]) // 4), ancillary[0][2])
    n, = struct.unpack_from("Q", memory)
    calls = list(struct.iter_unpack("9q", memory[8 + n:size]))
    pid = call(*calls[0][:7])
    if pid == 0: break
    requests.send(struct.pack("q", pid))
    for d in descriptors: os.close(d)
for i, d in enumerate(descriptors): os.dup2(d, %d + i)
kept = 0
for i, (number, *args, bits, into) in enumerate(calls[1:], 1):
    if bits & 2: args[0] = kept
    result = call(number, *args)
    if result < 0 and not bits & 8 or result > 0 and bits & 4:
        os.write(%d, struct.pack("II", i, max(1, -result)))
        os._exit(1)
    if bits & 1: kept = result
    if into: ctypes.c_uint32.from_address(into).value = result
requests.detach()
sys.stdout = sys.stderr = open(3, "w", buffering=1)
def attempt(f, *args):
    try: return f(*args)
    except OSError as e: return type(e).__name__
exec(os.read(4, 1 << 16))
sys.stdout.flush()
os._exit(0)
`, requestBytes, firstHigh, firstHigh)

func startTemplate(t testing.TB, s *Sandbox) *Template {
	t.Helper()
	if _, err := os.Stat(python); err != nil {
		t.Skip(err)
	}
	p, err := s.StartTemplate(Command{Path: python, Args: []string{"python", "-I", "-S", "-B", "-c", templateProgram}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// startCopy starts a copy whose output goes to the pipe that is returned.
func startCopy(t testing.TB, s *Sandbox, c Command, code string) (*Process, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	_, _ = out.WriteString(code)
	out.Close()
	c.Files = []*os.File{w, in}
	p, err := s.Start(c)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

func runCopy(t testing.TB, s *Sandbox, c Command, code string) (string, End) {
	t.Helper()
	p, r := startCopy(t, s, c, code)
	out, _ := io.ReadAll(r)
	end, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out)), end
}

// confinedState has a program tell what it is and what it may.
const confinedState = `
import ctypes, resource, socket
libc = ctypes.CDLL(None, use_errno=True)
capabilities = (ctypes.c_uint32 * 6)(*[9] * 6)
libc.capget((ctypes.c_uint32 * 2)(0x20080522, 0), capabilities)
print("root", os.getuid() == 0, "capabilities", list(capabilities), "bounds", [n for n in range(41) if libc.prctl(23, n, 0, 0, 0) == 1],
      "no_new_privs", libc.prctl(39, 0, 0, 0, 0), "filter", libc.prctl(21, 0, 0, 0, 0),
      "first", os.getpid() == 1, "orphan", os.getppid() == 0, "descriptors", [d for d in range(1024) if attempt(os.fstat, d) != "OSError"],
      "limits", [resource.getrlimit(getattr(resource, n)) for n in sorted(dir(resource)) if n.startswith("RLIMIT_")],
      "fork", attempt(os.fork), "mount", libc.mount(b"x", b"/", b"tmpfs", 0, None), "unshare", libc.syscall(272, 0x10000000),
      "clone", libc.syscall(56, 0x8000 | 17, 0, 0, 0, 0), "read", attempt(open, "/etc/passwd"), "write", attempt(open, "/usr/x", "w"),
      "socket", attempt(socket.socket), "scratch", os.listdir("."), "umask", oct(os.umask(0)))
`

// TestTemplate compares a copy with a program that was started: all layers are the same.
func TestTemplate(t *testing.T) {
	skipRefused(t)
	s := openSandbox(t, Options{ReadOnly: pythonFiles})
	template := startTemplate(t, s)
	defer template.Kill()
	for _, c := range []Command{{}, {Memory: 256 << 20, CPU: 20 * time.Second, Tasks: 9}} {
		r, w, err := os.Pipe() // so that both have the same descriptors
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		c.CopyOf = template
		got, end := runCopy(t, s, c, confinedState)
		if end.ExitCode != 0 || end.PeakMemory <= 0 {
			t.Errorf("%+v", end)
		}
		c.CopyOf = nil
		want, _ := runPython(t, s, c, "import os; os.dup2(3, 4)\n"+confinedState)
		if got != want {
			t.Errorf("a copy:  %s\na program: %s", got, want)
		}
	}
}

// TestCopiesAreApart has copies leave all that they can behind.
func TestCopiesAreApart(t *testing.T) {
	skipRefused(t)
	s := openSandbox(t, Options{ReadOnly: pythonFiles})
	template := startTemplate(t, s)
	defer template.Kill()
	c := Command{CopyOf: template, Memory: 1 << 30}
	neighbour, _ := startCopy(t, s, c, "time.sleep(60)")
	for _, code := range []string{
		"open('left', 'w').write('x'); os.mkdir('deep'); os.chmod('.', 0)",
		"sys.left = os.environ['LEFT'] = '1'",
		"for n in range(3, 2000): attempt(os.write, n, b'\\0' * 8)",
		"for n in range(3, 2000): attempt(os.close, n)",
		"for p in (os.getppid(), -1, 0, 1, 2, 3): attempt(os.kill, p, 9)",
		"os.kill(os.getpid(), 11)",
		"x = bytearray(1 << 34)",
		"import threading\nfor _ in range(200): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
		"import resource\nfor n in range(16):\n    try: resource.setrlimit(n, (0, 0))\n    except (ValueError, OSError): pass",
		"ctypes.memset(ctypes.addressof(memory), 0, len(memory)); ctypes.memset(id(6), 0, 24)",
	} {
		runCopy(t, s, c, code)
		out, end := runCopy(t, s, c, "print(os.listdir('.'), hasattr(sys, 'left'), 'LEFT' in os.environ, 6 * 7)")
		if out != "[] False False 42" || end.ExitCode != 0 {
			t.Errorf("after %s: %s, %+v", code, out, end)
		}
	}
	select {
	case <-neighbour.done:
		t.Errorf("the neighbour has ended: %+v", neighbour.end)
	case <-template.done:
		t.Errorf("the template has ended: %+v", template.end)
	default:
	}
	neighbour.Kill()
	if _, err := neighbour.Wait(); err != nil {
		t.Error(err)
	}
}

// TestTemplateEnds has templates end before and while they are copied.
func TestTemplateEnds(t *testing.T) {
	skipRefused(t)
	s := openSandbox(t, Options{ReadOnly: pythonFiles})
	template := startTemplate(t, s)
	p, _ := startCopy(t, s, Command{CopyOf: template}, "time.sleep(60)")
	template.Kill()
	if _, err := template.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := s.Start(Command{CopyOf: template}); err == nil {
		t.Error("a copy of a template that is gone")
	}
	select {
	case <-p.done:
		t.Error("a copy ends with its template")
	default:
	}
	p.Kill()
	if end, err := p.Wait(); err != nil || end.Signal != int(unix.SIGKILL) {
		t.Error(end, err)
	}
	for _, code := range []string{"pass", "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, 3).send(b'x')"} {
		bad, err := s.StartTemplate(Command{Path: python, Args: []string{"python", "-I", "-S", "-c", code}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Start(Command{CopyOf: bad}); err == nil {
			t.Errorf("a copy of %q", code)
		}
	}
}
