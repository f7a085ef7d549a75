package sandbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// The test binary is its own launcher and confined half.
const modeSandbox = "__sandbox"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == modeSandbox {
		os.Exit(Main(os.Args[2:]))
	}
	os.Exit(m.Run())
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

// runPython runs a program whose print goes to descriptor 3.
func runPython(t testing.TB, s *Sandbox, c Command, code string) (string, End) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c.Path = python
	c.Args = []string{"python", "-I", "-S", "-B", "-c", "import sys; sys.stdout = sys.stderr = open(3, 'w')\n" + code}
	c.Files = []*os.File{w}
	p, err := s.Start(c)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	out, _ := io.ReadAll(r)
	end, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return string(out), end
}

func TestHello(t *testing.T) {
	s := openSandbox(t, Options{ReadOnly: pythonFiles})
	out, end := runPython(t, s, Command{Env: []string{"A=1"}}, `
import os, ctypes
print("hello", os.getcwd(), os.listdir("."), os.environ, os.getuid(), os.getpid())
for f in (os.fork, lambda: os.execv("/usr/bin/python3.11", ["x"]), lambda: os.listdir("/"), lambda: open("/x","w"), lambda: open("/tmp/x","w"), lambda: os.listdir("/proc")):
    try: print(f())
    except Exception as e: print(repr(e))
l = ctypes.CDLL(None, use_errno=True)
print(l.syscall(322, 256, b"/usr/bin/python3.11", 0, 0, 0x1000), ctypes.get_errno())
import threading
t = threading.Thread(target=lambda: print("thread")); t.start(); t.join()
`)
	fmt.Println(strings.TrimSpace(out), end, s)
}
