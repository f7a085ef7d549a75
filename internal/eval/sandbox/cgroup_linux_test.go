package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testControllers is a variable with the controllers that cgroups must have.
const testControllers = "NFCOT_TEST_CONTROLLERS"

func TestFindCgroup(t *testing.T) {
	const v1 = "30 22 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	for _, test := range []struct{ cgroup, mounts, want string }{
		{"4:memory:/a\n0::/\n", v1 + "40 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/unified"},
		{"0::/user.slice/a.scope\n", v1 + "40 30 0:37 / /sys/fs/cgroup rw shared:4 master:1 - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/user.slice/a.scope"},
		{"0::/a/b\n", "40 30 0:37 /a /mnt rw - cgroup2 none rw\n", "/mnt/b"},
		{"0::/a/nfcot-12-0\n", "40 30 0:37 / /mnt rw - cgroup2 none rw\n", "/mnt/a"},
		{"0::/a/nfcot-12-1\n", "40 30 0:37 / /mnt rw - cgroup2 none rw\n", "/mnt/a/nfcot-12-1"},
		{"0::/ab\n", "40 30 0:37 /a /mnt rw - cgroup2 none rw\n", ""},
		{"0::/../a\n", "40 30 0:37 / /mnt rw - cgroup2 none rw\n", ""},
		{"4:memory:/a\n", "40 30 0:37 / /mnt rw - cgroup2 none rw\n", ""},
		{"0::/\n", v1, ""},
	} {
		got, err := findCgroup(test.cgroup, test.mounts)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q in %q: %q, %v; want %q", test.cgroup, test.mounts, got, err, test.want)
		}
	}
}

// fakeFiles makes files in a folder that is taken for a cgroup.
func fakeFiles(t *testing.T, dir string, files map[string]string) {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func readFile(t *testing.T, path ...string) string {
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCgroupEnable decides about folders that are none of the kernel's.
func TestCgroupEnable(t *testing.T) {
	for _, test := range []struct {
		files map[string]string
		ok    bool
	}{
		{map[string]string{"cgroup.controllers": "cpu memory pids\n", "cgroup.subtree_control": ""}, true},
		{map[string]string{"cgroup.controllers": "cpu memory\n", "cgroup.subtree_control": ""}, false},
		{map[string]string{"cgroup.controllers": "cpu memory pids\n"}, false},
		{map[string]string{}, false},
	} {
		dir := t.TempDir()
		fakeFiles(t, dir, test.files)
		g := &cgroup{path: dir, controllers: controllersOfUse}
		if err := g.enable(); (err == nil) != test.ok {
			t.Errorf("%v: %v", test.files, err)
		}
		if test.ok {
			if got := readFile(t, dir, "cgroup.subtree_control"); got != "+memory +pids" {
				t.Errorf("subtree_control has %q", got)
			}
		}
		// The whole of it finds out that there is no kernel, and leaves nothing.
		if _, err := newCgroup(dir, controllersOfUse, 0); err == nil {
			t.Errorf("%v: a cgroup", test.files)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "nfcot-*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}

var controllersOfUse = []string{"memory", "pids"}

func TestCgroupFiles(t *testing.T) {
	f := &leaf{path: t.TempDir()}
	if err := f.limit(controllersOfUse, 1<<20, 7); err == nil {
		t.Error("limits without files")
	}
	all := map[string]string{"memory.max": "1048576", "memory.oom.group": "1", "pids.max": "7"}
	for name := range all {
		fakeFiles(t, f.path, map[string]string{name: ""})
	}
	for range 2 { // first without swap
		if err := f.limit(controllersOfUse, 1<<20, 7); err != nil {
			t.Error(err)
		}
		for name, want := range all {
			if got := readFile(t, f.path, name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		all["memory.swap.max"] = "0"
		fakeFiles(t, f.path, map[string]string{"memory.swap.max": ""})
	}

	e := End{PeakMemory: 5}
	if f.account(&e); e.OutOfMemory || e.PeakMemory != 5 {
		t.Errorf("without files: %+v", e)
	}
	fakeFiles(t, f.path, map[string]string{"memory.events": "low 0\nmax 3\noom 1\noom_kill 0\noom_group_kill 0\n", "memory.peak": "4096\n"})
	if f.account(&e); e.OutOfMemory || e.PeakMemory != 4096 {
		t.Errorf("within its memory: %+v", e)
	}
	fakeFiles(t, f.path, map[string]string{"memory.events": "oom 1\noom_kill 2\noom_group_kill 1\n"})
	if f.account(&e); !e.OutOfMemory {
		t.Errorf("killed: %+v", e)
	}
}

// realCgroup makes a folder for a test in the cgroup of this process, and
// returns which of our controllers, or else what others, it can have.
func realCgroup(t *testing.T) (dir string, available []string) {
	own, err := ownCgroup()
	if err != nil {
		t.Skip(err)
	}
	dir, err = os.MkdirTemp(own, "sandbox-test-")
	if err != nil {
		t.Skip("no writable cgroup of version 2: ", err)
	}
	t.Cleanup(func() {
		// With what tests leave that fail.
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() && path != dir {
				defer (&leaf{path: path}).remove()
				(&leaf{path: path}).kill()
			}
			return nil
		})
		(&leaf{path: dir}).remove()
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s cannot be removed", dir)
		}
	})
	available = strings.Fields(readFile(t, dir, "cgroup.controllers"))
	if slices.Contains(available, "memory") && slices.Contains(available, "pids") {
		return dir, controllersOfUse
	}
	t.Logf("neither memory nor pids: only the mechanics are tested, with controllers %q", available)
	return dir, available
}

// sleepers is a family that no process group holds together.
const sleepers = "setsid sleep 1000 & setsid sh -c 'sleep 1000 & echo ready; wait' & wait"

// startInside starts a command in a leaf, and returns when it says so.
func startInside(t *testing.T, f *leaf, code string) *exec.Cmd {
	c := exec.Command("/bin/sh", "-c", "echo $$ >'"+f.path+"/cgroup.procs'; "+code)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("it says %q", line)
	}
	return c
}

func TestCgroupLeaf(t *testing.T) {
	dir, available := realCgroup(t)
	g, err := newCgroup(dir, available, 0)
	if err != nil {
		t.Fatal(err)
	}
	f, err := g.add(64<<20, 20)
	if err != nil {
		t.Fatal(err)
	}
	f.close()
	c := startInside(t, f, sleepers)
	if n := len(strings.Fields(readFile(t, f.path, "cgroup.procs"))); n != 4 && n != 3 {
		t.Errorf("%d processes are inside", n)
	}
	if _, err := os.Stat(filepath.Join(f.path, "cgroup.kill")); err != nil {
		_ = c.Process.Kill()
		t.Skip(err)
	}
	f.kill()
	if err := c.Wait(); err == nil || c.ProcessState.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Errorf("it ended with %v", err)
	}
	f.remove()
	if _, err := os.Stat(f.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the leaf is still there: %v", err)
	}
}

// TestCgroupStale leaves folders behind as launchers do that are killed.
func TestCgroupStale(t *testing.T) {
	dir, available := realCgroup(t)
	gone := exec.Command("/bin/true")
	if err := gone.Run(); err != nil {
		t.Skip(err)
	}
	dead := gone.Process.Pid
	names := []string{
		fmt.Sprintf(cgroupFormat, dead, 1), // its program still runs
		fmt.Sprintf(cgroupFormat, os.Getppid(), 1),
		"nfcot-mine",
		fmt.Sprintf(cgroupFormat, dead, 2) + "x",
		fmt.Sprintf(cgroupFormat, dead, 0), // the first to go
		fmt.Sprintf(cgroupFormat, dead, 3),
	}
	for _, name := range names {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := startInside(t, &leaf{path: filepath.Join(dir, names[0])}, "echo ready; exec sleep 1000")
	if _, err := newCgroup(dir, available, 0); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != (i < 4) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_ = c.Process.Kill()
	_ = c.Wait()
}

// TestCgroup runs other tests in processes that a cgroup has been delegated to.
func TestCgroup(t *testing.T) {
	if _, ok := os.LookupEnv(testControllers); ok || os.Getenv(wanted) != "" {
		t.Skip("this is one of them")
	}
	for _, user := range []bool{false, true} {
		t.Run(fmt.Sprintf("user=%v", user), func(t *testing.T) {
			if user && os.Geteuid() != 0 {
				t.Skip("only root can become others")
			}
			dir, available := realCgroup(t)
			tests := []string{"TestInsideCgroup", "TestProgram", "TestFork", "TestKill", "TestLauncherKilled", "TestTemplate", "TestCopiesAreApart"}
			if slices.Contains(available, "memory") {
				tests = append(tests, "TestChecks", "TestLimits")
			}
			binary := publicBinary(t)
			c := exec.Command(binary, "-test.v", "-test.run=^("+strings.Join(tests, "|")+")$")
			c.Dir = filepath.Dir(binary)
			c.Env = append(os.Environ(), testControllers+"="+strings.Join(available, " "))
			folder, err := os.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer folder.Close()
			c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(folder.Fd())}
			if user {
				c.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
				for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
					if err := os.Chown(filepath.Join(dir, name), nobody, nobody); err != nil {
						t.Fatal(err)
					}
				}
			}
			out, err := c.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Error(err)
			}
			// What is left is of the process itself and of the launcher that was killed.
			var left []string
			for range 100 {
				(&cgroup{path: dir}).removeStale()
				if left, _ = filepath.Glob(filepath.Join(dir, "nfcot-*")); len(left) == 0 {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Errorf("left: %v", left)
		})
	}
}

// TestInsideCgroup is one of those that TestCgroup runs.
func TestInsideCgroup(t *testing.T) {
	if _, ok := os.LookupEnv(testControllers); !ok {
		return
	}
	dir, err := ownCgroup()
	if err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(dir, fmt.Sprintf(cgroupFormat, os.Getpid(), 0))
	// The second finds what the first made.
	for range 2 {
		s := openSandbox(t, Options{ReadOnly: pythonFiles})
		if layers := s.Layers(); layers[len(layers)-1] != MemoryByCgroup || !strings.HasSuffix(s.String(), ", memory by cgroup") {
			t.Errorf("layers %q", s)
		}
		p, r := startPython(t, s, Command{Fork: true}, "os.fork(); print(1); time.sleep(1000)")
		for range 2 {
			if _, err := r.Read(make([]byte, 2)); err != nil {
				t.Fatal(err)
			}
		}
		var found bool
		leaves, _ := filepath.Glob(filepath.Join(dir, "nfcot-*"))
		for _, l := range leaves {
			pids := strings.Fields(readFile(t, l, "cgroup.procs"))
			if slices.Contains(pids, strconv.Itoa(p.pid)) {
				found = true
				if len(pids) != 2 {
					t.Errorf("%s has %v", l, pids)
				}
			}
		}
		if !found {
			t.Errorf("the program is in none of %v", leaves)
		}
		p.Kill()
		if _, err := p.Wait(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, fmt.Sprintf("nfcot-%d-*", s.backend.(*linux).launcher.Pid))); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		if len(controllers) > 0 && !slices.Contains(strings.Fields(readFile(t, moved, "cgroup.procs")), strconv.Itoa(os.Getpid())) {
			t.Errorf("this process is not in %s", moved)
		}
		if again, err := ownCgroup(); err != nil || again != dir {
			t.Errorf("the cgroup was %s and is %s, %v", dir, again, err)
		}
	}
}
