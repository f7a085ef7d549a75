//go:build unix

package study

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// program stands in for nfcot: it notes when a command begins and ends, and makes what is there when the command is done.
// A file fail-ID lets the command of an entry fail; with slow it waits until it is interrupted.
const program = `
last=
for arg; do
	[ "$last" = -o ] && out=$arg
	last=$arg
done
echo "begin $out $*" >>"$LOG"
name=$(basename "$out")
if [ -e "$(dirname "$LOG")/fail-$name" ]; then echo "nfcot: $name is bad" >&2; exit 2; fi
if [ -e "$(dirname "$LOG")/slow-$name" ]; then
	trap 'mkdir -p "$out/state"; exit 130' INT
	: >"$LOG-waits"
	while :; do sleep 0.01; done
fi
sleep 0.05
case $1 in
train | rl) rm -rf "$out/state"; mkdir -p "$out"; echo '{"backbone_flops":1e6}' >"$out/metrics.jsonl"; echo >"$out/model.safetensors" ;;
eval) mkdir -p "$out"; echo >"$out/report.json" ;;
*) echo >"$out" ;;
esac
echo "end $out" >>"$LOG"
`

// A fakeRunner runs plans with the program above.
type fakeRunner struct {
	t    *testing.T
	dir  string
	self []string
}

func newFakeRunner(t *testing.T) *fakeRunner {
	dir := t.TempDir()
	script := filepath.Join(dir, "program.sh")
	if err := os.WriteFile(script, []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOG", filepath.Join(dir, "log"))
	return &fakeRunner{t, dir, []string{"/bin/sh", script}}
}

// run runs a plan and returns what the program noted, with paths in the study's folder.
func (f *fakeRunner) run(ctx context.Context, plan string, jobs int) ([]string, error) {
	f.t.Helper()
	p, err := planOf(f.t, plan)
	if err != nil {
		f.t.Fatal(err)
	}
	os.Remove(filepath.Join(f.dir, "log"))
	err = Run(ctx, f.self, p, filepath.Join(f.dir, "out"), jobs, f.t.Logf)
	text, _ := os.ReadFile(filepath.Join(f.dir, "log"))
	return slices.Collect(strings.Lines(strings.ReplaceAll(string(text), filepath.Join(f.dir, "out")+"/", ""))), err
}

// touch makes an empty file beside the log.
func (f *fakeRunner) touch(name string) string {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		f.t.Fatal(err)
	}
	return path
}

const chores = `seeds: {two: [1, 2]}
entries:
- {id: d, seeds: two, data: {n: 3}}
- {id: m, measure: {method: cot, data: ./x, budget: 5e8}}
- {id: r, seeds: two, train: {method: cot, data: d, steps: {of: m, share: {joint: 1/5}}}}
- {id: c, seeds: two, alone: true, eval: {model: r}}
- {id: e, seeds: two, eval: {model: r}}
`

func TestRun(t *testing.T) {
	f := newFakeRunner(t)
	lines, err := f.run(t.Context(), chores, 3)
	if err != nil {
		t.Fatal(err)
	}
	running, most := 0, 0
	at := map[string]int{}
	for i, line := range lines {
		words := strings.Fields(line)
		at[words[0]+" "+words[1]] = i
		alone := strings.HasSuffix(words[1], "/c")
		if words[0] == "end" {
			running--
		} else if running++; alone && running > 1 || running > 3 {
			t.Errorf("%d run when %s begins", running, words[1])
		}
		most = max(most, running)
	}
	if len(lines) != 18 || most < 2 {
		t.Errorf("%d lines, %d at a time; want 18 and at least 2:\n%s", len(lines), most, strings.Join(lines, ""))
	}
	for _, order := range [][2]string{{"end seed1/d.jsonl", "begin seed1/r"}, {"end m", "begin seed2/r"}, {"end seed2/r", "begin seed2/e"}, {"end seed2/e", "begin seed1/c"}} {
		if at[order[0]] >= at[order[1]] {
			t.Errorf("%s comes after %s", order[0], order[1])
		}
	}
	if r := lines[at["begin seed1/r"]]; !strings.Contains(r, " --set stages.joint.steps=100\n") {
		t.Errorf("the steps are not counted: %s", r)
	}
	if lines, err = f.run(t.Context(), chores, 1); err != nil || len(lines) != 0 {
		t.Errorf("what is done is done again: %q, %v", lines, err)
	}
	// Data and weights are not made again for results that are there.
	out := filepath.Join(f.dir, "out")
	for _, file := range []string{"seed1/d.jsonl", "m/model.safetensors", "seed1/r/model.safetensors", "seed2/r/model.safetensors"} {
		if err := os.Remove(filepath.Join(out, file)); err != nil {
			t.Fatal(err)
		}
	}
	if lines, err = f.run(t.Context(), chores, 1); err != nil || len(lines) != 0 {
		t.Errorf("what nothing needs is made again: %q, %v", lines, err)
	}
	// A training that was interrupted goes on, with what it needs; of one that left no state nothing is kept.
	if err := os.Remove(filepath.Join(out, "seed2/e/report.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(out, "seed1/r/state"), 0o755); err != nil {
		t.Fatal(err)
	}
	stray := filepath.Join(out, "seed2/r/stray")
	if err := os.WriteFile(stray, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	lines, err = f.run(t.Context(), chores, 1)
	made := func(id string) int {
		return slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "begin "+id+" ") })
	}
	if err != nil || len(lines) != 10 || made("seed1/d.jsonl") < 0 || made("m") < 0 || made("seed2/e") < 0 ||
		!slices.Contains(lines, "begin seed1/r train --quiet --threads 1 --resume -o seed1/r\n") || !strings.Contains(lines[made("seed2/r")], "--method cot") {
		t.Errorf("after an interruption: %q, %v", lines, err)
	}
	if exists(stray) {
		t.Error("a training begins in a folder that has something")
	}
	// Another command for what is done.
	_, err = f.run(t.Context(), strings.Replace(chores, "budget: 5e8", "budget: 6e8", 1), 1)
	if !errors.As(err, new(Stale)) || !strings.Contains(err.Error(), "r: was made by another command") {
		t.Errorf("a run for another budget is taken: %v", err)
	}
}

// After a failure nothing begins; what runs is waited for.
func TestRunFails(t *testing.T) {
	f := newFakeRunner(t)
	bad := f.touch("fail-d.jsonl")
	lines, err := f.run(t.Context(), chores, 2)
	if err == nil || !strings.Contains(err.Error(), "d.jsonl is bad (exit status 2)") || strings.Contains(err.Error(), "nfcot:") || len(lines) > 3 {
		t.Errorf("%v; the program was told %q", err, lines)
	}
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	if _, err = f.run(t.Context(), chores, 2); err != nil {
		t.Errorf("after the cause is gone: %v", err)
	}
}

// When it is interrupted it interrupts what runs, waits for it, and begins nothing.
func TestRunIsInterrupted(t *testing.T) {
	f := newFakeRunner(t)
	slow := f.touch("slow-r")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for {
			if exists(filepath.Join(f.dir, "log-waits")) {
				cancel()
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	lines, err := f.run(ctx, chores, 1)
	if !errors.Is(err, context.Canceled) || !strings.HasPrefix(lines[len(lines)-1], "begin seed1/r") || !exists(filepath.Join(f.dir, "out/seed1/r/state")) {
		t.Errorf("%v; the program was told %q", err, lines)
	}
	if err := os.Remove(slow); err != nil {
		t.Fatal(err)
	}
	lines, err = f.run(t.Context(), chores, 1)
	if err != nil || !strings.Contains(lines[0], "--resume") {
		t.Errorf("it does not go on: %q, %v", lines, err)
	}
}
