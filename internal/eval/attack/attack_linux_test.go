package attack

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"nfcot/internal/eval"
)

// Limits of evaluations under attack. They are tight so that the suite is fast.
const (
	timeout = 500 * time.Millisecond
	memory  = 512 << 20
	workers = 4

	// floodTimeout is for attacks on the tester's memory, which take longer to get there.
	floodTimeout = 1500 * time.Millisecond
)

const folder = "../../../testdata/attacks"

// An attack is a file of the folder.
type attack struct {
	family, name string
	program      string
	problem      string
	allowed      []eval.Kind
}

// invariants are what headers may say they aim at. All are checked after each family.
var invariants = []string{"verdict", "neighbours", "processes", "files", "mounts", "network", "ipc", "signals", "system", "memory",
	"descriptors", "secrets"}

var header = regexp.MustCompile(`(?m)^# (Tries|Problem|Allowed|Checked): (.*)$`)

func attacks(t *testing.T) []attack {
	t.Helper()
	paths, err := filepath.Glob(folder + "/*/*.py")
	if err != nil || len(paths) == 0 {
		t.Fatal("no attacks", err)
	}
	var all []attack
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		a := attack{
			family: filepath.Base(filepath.Dir(path)), name: strings.TrimSuffix(filepath.Base(path), ".py"),
			program: string(text), problem: "add",
		}
		said := map[string]bool{}
		for _, line := range header.FindAllStringSubmatch(a.program, -1) {
			said[line[1]] = true
			switch line[1] {
			case "Problem":
				a.problem = line[2]
			case "Allowed":
				for kind := range strings.SplitSeq(line[2], ", ") {
					a.allowed = append(a.allowed, eval.Kind(kind))
				}
			case "Checked":
				for what := range strings.SplitSeq(line[2], ", ") {
					if !slices.Contains(invariants, what) {
						t.Errorf("%s: no invariant has the name %q", path, what)
					}
				}
			}
		}
		for _, kind := range a.allowed {
			if !slices.Contains([]eval.Kind{eval.Passed, eval.Failed, eval.TimedOut, eval.OutOfMemory, eval.Crashed}, kind) {
				t.Errorf("%s: no verdict has the name %q", path, kind)
			}
		}
		if !said["Tries"] || !said["Allowed"] || !said["Checked"] {
			t.Errorf("%s: the header lacks a line", path)
		}
		all = append(all, a)
	}
	return all
}

// A problem is one that attacks pretend to solve.
type problem struct {
	eval.Problem
	Honest string `json:"honest"` // a completion that passes
}

func problems(t *testing.T, h *host) map[string]problem {
	t.Helper()
	text, err := os.ReadFile(folder + "/problems.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]problem{}
	for line := range bytes.Lines(text) {
		var p problem
		if err := json.Unmarshal(line, &p); err != nil {
			t.Fatal(err)
		}
		for _, place := range []*string{&p.Test, &p.CanonicalSolution} {
			secret := newSecret(len(h.secrets))
			h.secrets = append(h.secrets, secret)
			*place = strings.ReplaceAll(*place, "@SECRET@", secret)
		}
		all[p.TaskID] = p
	}
	return all
}

// A mode is a way to run an evaluation.
type mode struct {
	name       string
	uid        int
	bare       string // the way in which namespaces are made impossible, or ""
	namespaces bool   // the layers that there must be
}

// third returns every third of the attacks, from one on.
func third(list []attack, from int) []attack {
	var few []attack
	for i := from; i < len(list); i += 3 {
		few = append(few, list[i])
	}
	return few
}

// nobody is an ordinary user that every system has.
const nobody = 65534

var modes = []mode{
	{"root", 0, "", true},
	{"user", nobody, "", true},
	{"root without namespaces", 0, "container", false},
	{"user without namespaces", nobody, "sysctl", false},
}

// TestAttacks runs every attack, the first mode all of them and the others every
// third, each others. NFCOT_TEST_ALL runs all in all modes. NFCOT_ATTACK may name
// some, for all modes: a regular expression for family/name.
func TestAttacks(t *testing.T) {
	only, err := regexp.Compile(os.Getenv("NFCOT_ATTACK"))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	families := map[string][]attack{}
	for _, a := range attacks(t) {
		if only.MatchString(a.family + "/" + a.name) {
			families[a.family] = append(families[a.family], a)
		}
	}
	all := os.Getenv("NFCOT_TEST_ALL")+os.Getenv("NFCOT_ATTACK") != ""
	for i, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			h := newHost(t)
			tasks := problems(t, h)
			program := h.install(t)
			for _, family := range slices.Sorted(maps.Keys(families)) {
				list := families[family]
				if !all && i > 0 {
					list = third(list, i-1)
				}
				t.Run(family, func(t *testing.T) { m.run(t, h, tasks, program, list) })
			}
		})
	}
}

// TestKilled kills evaluations under attack, at several moments. Nothing may be left of them.
func TestKilled(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	var list []attack
	for _, a := range attacks(t) {
		switch a.name {
		case "outlive", "scratch_deep", "scratch_modes", "scratch_inodes", "threads", "busy", "sleep_call", "output":
			list = append(list, a)
		}
	}
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			h := newHost(t)
			tasks := problems(t, h)
			program := h.install(t)
			prefixes := prefixes(t, python())
			for _, after := range []time.Duration{20, 100, 400, 1200} {
				b := batch{Python: python(), Memory: memory, Timeout: time.Minute, Workers: workers}
				for _, a := range list {
					b.Samples = append(b.Samples, sample{a.name, tasks[a.problem].Problem, tasks[a.problem].Prompt + h.place(a.program), false})
				}
				input, err := json.Marshal(b)
				if err != nil {
					t.Fatal(err)
				}
				before := h.state(t, prefixes)
				cmd := m.start(t, h, program)
				cmd.Stdin = bytes.NewReader(input)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(after * time.Millisecond)
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
				_ = cmd.Wait() // it was killed
				h.settle()
				compare(t, before, h.state(t, prefixes))
			}
		})
	}
}

// install puts this test's program where every user can execute it.
func (h *host) install(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(h.bait), "nfcot")
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o755); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

// python is an interpreter that every user can read, "" for the first on PATH.
func python() string {
	for minor := 13; minor >= 8; minor-- {
		path := fmt.Sprintf("/usr/bin/python3.%d", minor)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o005 == 0o005 {
			return path
		}
	}
	return ""
}

// prefixes are the folders in which an interpreter's modules are.
func prefixes(t *testing.T, python string) []string {
	t.Helper()
	out, err := exec.Command(cmp.Or(python, "python3"), "-I", "-c",
		"import sysconfig as s; print(s.get_path('stdlib')); print(s.get_path('purelib'))").Output()
	if err != nil {
		t.Skip("no CPython: ", err)
	}
	return strings.Fields(string(out))
}

// start prepares the evaluation of a mode, or skips the test where it cannot be had.
func (m mode) start(t *testing.T, h *host, program string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program, modeEval)
	cmd.Dir = h.cwd
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.home, "TMPDIR=" + h.tmp, "SECRET=" + h.secrets[0]}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	me := os.Getuid()
	switch {
	case me != 0 && m.uid == 0:
		t.Skip("only root can run evaluations as root")
	case m.bare != "":
		cmd.Args = []string{program, modeBare, m.bare, strconv.Itoa(m.uid)}
		if m.bare != "sysctl" {
			break
		}
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		ids := syscall.SysProcIDMap{ContainerID: 0, HostID: 0, Size: 1<<32 - 1}
		if me != 0 {
			ids = syscall.SysProcIDMap{ContainerID: 0, HostID: me, Size: 1}
			cmd.Args[3] = "0"
		}
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{ids}
		if me != 0 {
			ids.HostID = os.Getgid()
		}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{ids}
		cmd.SysProcAttr.GidMappingsEnableSetgroups = me == 0
		trial := exec.Command("/bin/true")
		trial.SysProcAttr = cmd.SysProcAttr
		if err := trial.Run(); err != nil {
			t.Skipf("no user namespaces to forbid namespaces in: %v", err)
		}
	case m.uid != me && me == 0:
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(m.uid), Gid: uint32(m.uid)}
	}
	return cmd
}

// run lets an evaluation judge attacks, with honest programs before, between
// and after them, and checks everything.
func (m mode) run(t *testing.T, h *host, tasks map[string]problem, program string, list []attack) {
	b := batchOf(t, h, tasks, list)
	prefixes := prefixes(t, b.Python)
	before := h.state(t, prefixes)
	stdout, stderr := m.evaluate(t, h, program, b)
	verdicts, s := results(t, stdout)
	h.settle()
	compare(t, before, h.state(t, prefixes))
	if s == nil {
		t.Fatalf("the evaluation has told no summary\n%s", stderr)
	}
	m.checkSummary(t, s)

	allowed := map[string][]eval.Kind{}
	for _, a := range list {
		allowed[a.name] = a.allowed
	}
	for _, a := range b.Samples {
		kinds, hostile := allowed[a.Name]
		if !hostile {
			kinds = []eval.Kind{eval.Passed}
		}
		v, ok := verdicts[a.Name]
		if !ok {
			t.Errorf("%s: no verdict", a.Name)
			continue
		}
		m.checkVerdict(t, h, v, kinds, b.Timeout)
		if o := v.Outcome; testing.Verbose() && hostile {
			t.Logf("%-28s %5.2f s %5.2f s CPU %4d MiB  %s", a.Name, o.Seconds, o.CPUSeconds, o.PeakMemory>>20, o.Result())
		}
	}
}

// batchOf are attacks, with honest programs among them and after them.
func batchOf(t *testing.T, h *host, tasks map[string]problem, list []attack) batch {
	t.Helper()
	b := batch{Python: python(), Memory: memory, Timeout: timeout, Workers: workers}
	if list[0].family == "flood" {
		b.Timeout = floodTimeout
	}
	add := func(name, task, completion string, again bool) {
		p, ok := tasks[task]
		if !ok {
			t.Fatalf("%s: no problem %q", name, task)
		}
		b.Samples = append(b.Samples, sample{name, p.Problem, p.Prompt + completion, again})
	}
	for i, a := range list {
		if i%4 == 0 {
			add(fmt.Sprint("honest before ", a.name), a.problem, tasks[a.problem].Honest, true)
		}
		add(a.name, a.problem, h.place(a.program), !slices.Contains(a.allowed, eval.TimedOut))
	}
	for name, p := range tasks {
		add("honest at last: "+name, name, p.Honest, true)
	}
	return b
}

// evaluate has a process evaluate a batch, and returns what it wrote. All its
// processes together must not hold more memory than its programs may and two more.
func (m mode) evaluate(t *testing.T, h *host, program string, b batch) (stdout, stderr *bytes.Buffer) {
	t.Helper()
	cmd := m.start(t, h, program)
	input, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peak := make(chan int64)
	ended := make(chan struct{})
	go func() {
		var high int64
		for {
			select {
			case <-ended:
				peak <- high
				return
			case <-time.After(50 * time.Millisecond):
				high = max(high, memoryOf(strconv.Itoa(cmd.Process.Pid)))
			}
		}
	}()
	killer := time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() })
	err = cmd.Wait()
	killer.Stop()
	close(ended)
	if high := <-peak; high > (workers+2)*memory {
		t.Errorf("%d MiB of memory were in use at once", high>>20)
	}
	if err != nil {
		t.Errorf("the evaluation ended: %v\n%s", err, stderr)
	}
	return stdout, stderr
}

// results reads what an evaluation wrote: verdicts by name, and the summary, nil if
// there is none.
func results(t *testing.T, stdout *bytes.Buffer) (map[string]verdict, *summary) {
	t.Helper()
	verdicts := map[string]verdict{}
	var s *summary
	lines := json.NewDecoder(stdout)
	for lines.More() {
		var line struct {
			verdict
			Summary *summary
		}
		if err := lines.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if s = line.Summary; s == nil {
			verdicts[line.Name] = line.verdict
		}
	}
	return verdicts, s
}

// checkSummary finds what attacks have left in the process of the evaluation.
func (m mode) checkSummary(t *testing.T, s *summary) {
	t.Helper()
	switch {
	case s.Refused != "":
		t.Fatalf("the evaluation refuses to run: %s", s.Refused)
	case s.CloseErr != "":
		t.Errorf("closing: %s", s.CloseErr)
	}
	if strings.HasPrefix(s.Layers, "namespaces+") != m.namespaces {
		t.Errorf("layers: %s", s.Layers)
	}
	if s.OpenAfter > s.OpenBefore {
		t.Errorf("%d descriptors are open, %d were before", s.OpenAfter, s.OpenBefore)
	}
	if s.GoroutinesAfter > s.GoroutinesBefore+1 {
		t.Errorf("%d goroutines run, %d ran before", s.GoroutinesAfter, s.GoroutinesBefore)
	}
	if len(s.Signals) > 0 {
		t.Errorf("the evaluation got signals: %v", s.Signals)
	}
	if s.PeakMemory > 256<<20 {
		t.Errorf("the evaluation took %d MiB of memory", s.PeakMemory>>20)
	}
}

// checkVerdict finds what is wrong with a verdict, which may be of some kinds. No
// program takes longer than one that no clock can measure.
func (m mode) checkVerdict(t *testing.T, h *host, v verdict, kinds []eval.Kind, timeout time.Duration) {
	t.Helper()
	host, _ := os.Hostname()
	o := v.Outcome
	text := o.Result()
	switch {
	case v.Error != "":
		t.Errorf("%s: the evaluation could not judge it: %s", v.Name, v.Error)
	case !slices.Contains(kinds, o.Kind):
		t.Errorf("%s: %s (%.2f s, %.2f s CPU, %d MiB), allowed: %v", v.Name, text, o.Seconds, o.CPUSeconds, o.PeakMemory>>20, kinds)
	case strings.Contains(text, "ESCAPED"):
		t.Errorf("%s: %s", v.Name, text)
	case m.namespaces && len(host) > 3 && strings.Contains(text, host):
		t.Errorf("%s knows the host's name: %s", v.Name, text)
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		t.Errorf("%s: the verdict is not printable: %q", v.Name, text)
	case o.Seconds > (10*timeout + 3*time.Second).Seconds():
		t.Errorf("%s: took %.1f s", v.Name, o.Seconds)
	case o.InProcess:
		t.Errorf("%s: ran together with its test", v.Name)
	}
	for _, secret := range h.secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%s knows a secret: %s", v.Name, text)
		}
	}
}
