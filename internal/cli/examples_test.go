package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"nfcot/internal/ckpt"
	"nfcot/internal/manual"
	"nfcot/internal/shared"
)

// leftOut are the examples that are not run here, each with the reason.
var leftOut = map[string]string{
	"go run . demo":                                               "takes a minute; .ci/run runs it as README.md has it",
	"go test ./...":                                               "runs this test; .ci/run runs it as README.md has it",
	"CGO_ENABLED=0 go build -o nfcot .":                           "writes into the repository; .ci/run runs it as README.md has it, in a copy",
	"nfcot sample --model SmolLM2.gguf":                           "chats on a terminal",
	"nfcot sample --model " + smolLM2Name:                         "chats on a terminal",
	"nfcot study run -o smollm2 scripts/study-smollm2-quick.yaml": "takes up to an hour",
	"scripts/get_smollm2.sh .":                                    "gets 98 MB; .ci/run runs it",
	"scripts/peers.py --nfcot ./nfcot --peers DIR --rounds 2":     "needs programs of others, built for the comparison",
}

// A shortening is what keeps a command short: arguments that are added to those of an example which begins
// with the command and has a flag. Everything else of the example is run as it is written.
type shortening struct{ command, flag, added string }

var shortenings = []shortening{
	{"distill", "", "--steps 2"},
	{"train", "", "--set stages.joint.steps=2"},
	{"train", "--init", "--set held_out=2 --set batch=1"},
	{"train", "--precision", "--set stages.heads.steps=1"},
	{"train", "flow.stack=linear,spline", "--set stages.heads.steps=1"},
	{"rl", "", "--set rl.steps=1 --set rl.prompts=2 --set rl.problems=8 --set rl.max_tokens=6"},
	{"sample", "", "--max-tokens 6"},
	{"eval", "--model", "--max-tokens 6"},
	{"probe read", "", "--max-tokens 6"},
	{"bench", "", "--quick"},
}

// fits tells whether the shortening is for a process with these arguments.
func (s shortening) fits(args []string) bool {
	command := strings.Fields(s.command)
	return len(args) >= len(command) && slices.Equal(args[:len(command)], command) && (s.flag == "" || slices.Contains(args, s.flag))
}

// A setting is what the examples of a document find in their folder.
type setting struct {
	from  []string                             // files and folders that the examples of README.md left
	make  func(t *testing.T, dir, text string) // others; text is the document's
	needs func() error                         // why the examples cannot run here; nil if they can
}

// smolLM2Name is the name that scripts/get_smollm2.sh gives to its file.
const smolLM2Name = "SmolLM2-135M-Instruct.Q4_1.gguf"

// settings are those of all documents that have examples.
var settings = map[string]setting{
	"README.md":           {},
	"docs/cli.md":         {from: []string{"thoughts", "samples.jsonl"}},
	"docs/data.md":        {from: []string{"tokenizer"}, make: shownFiles},
	"docs/training.md":    {from: []string{"thoughts", "run"}, make: smolLM2},
	"docs/evaluation.md":  {from: []string{"run"}, make: humanEval, needs: cpython},
	"docs/models.md":      {from: []string{"train.jsonl"}, make: smolLM2},
	"docs/performance.md": {},
	"docs/study.md":       {make: plan},
}

// TestExamples runs every example of README.md and of the documents as somebody would who types them, in
// their order. Each has to succeed, and to leave what -o names, or to print something.
func TestExamples(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("examples are for sh")
	}
	if raceDetector {
		t.Skip("the race detector's memory does not fit within a worker's limits")
	}
	root := filepath.Join("..", "..")
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(documents) == 0 {
		t.Fatalf("there are no documents: %v", err)
	}
	readme := t.TempDir()
	seen, used := map[string]bool{}, map[shortening]bool{}
	for _, path := range append([]string{filepath.Join(root, "README.md")}, documents...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.ToSlash(name)
		lines := examples(string(text))
		for _, line := range lines {
			seen[line] = true
		}
		s, ok := settings[name]
		if ok != (len(lines) > 0) {
			t.Errorf("%s has %d examples; there are settings for them: %t", name, len(lines), ok)
		}
		if len(lines) == 0 {
			continue
		}
		done := t.Run(name, func(t *testing.T) {
			if s.needs != nil {
				if err := s.needs(); err != nil {
					t.Skip(err)
				}
			}
			dir := readme
			if name != "README.md" {
				dir = t.TempDir()
			}
			for _, file := range s.from {
				copyAll(t, filepath.Join(readme, file), filepath.Join(dir, file))
			}
			if s.make != nil {
				s.make(t, dir, string(text))
			}
			results := shownResults(string(text))
			var real []string // of README.md, with a model that comes from the network
			for _, line := range lines {
				switch {
				case leftOut[line] != "":
				case name == "README.md" && strings.Contains(line, smolLM2Name):
					real = append(real, line)
				default:
					runExample(t, dir, line, results[line], used)
				}
			}
			if len(real) > 0 {
				t.Run("a real model", func(t *testing.T) {
					if err := cpython(); err != nil {
						t.Skip(err)
					}
					realModel(t, dir)
					for _, line := range real {
						runExample(t, dir, line, "", used)
					}
				})
			}
		})
		if !done && name == "README.md" {
			t.FailNow() // others take what its examples leave
		}
	}
	for line := range leftOut {
		if !seen[line] {
			t.Errorf("there is no example %q to leave out", line)
		}
	}
	for _, s := range shortenings {
		if !used[s] {
			t.Errorf("there is no example of nfcot %s %s to keep short", s.command, s.flag)
		}
	}
}

// examples are the lines of a document's blocks of shell, and in the manual those that are indented and not a
// command's synopsis. Comments at their ends are not part of them; a line that ends with a backslash goes on.
func examples(text string) (lines []string) {
	shell := false
	for line := range strings.Lines(strings.ReplaceAll(text, " \\\n  ", " ")) {
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), " #")
		line = strings.TrimRight(line, " ")
		example, indented := strings.CutPrefix(line, manual.Indent+"nfcot ")
		switch {
		case strings.HasPrefix(line, "```"):
			shell = line == "```sh"
		case shell && line != "":
			lines = append(lines, line)
		case indented && !strings.Contains(line, " [FLAGS]"):
			lines = append(lines, "nfcot "+example)
		}
	}
	return lines
}

func TestExamplesAreFound(t *testing.T) {
	text := "Say:\n\n```sh\nnfcot a | sh # b\n\nls \\\n  -l\n```\n```\nnfcot c\n```\n\n    nfcot d [FLAGS] X\n    nfcot d e\n    nothing\nnfcot f\n"
	if got, want := examples(text), []string{"nfcot a | sh", "ls -l", "nfcot d e"}; !slices.Equal(got, want) {
		t.Errorf("found %q; want %q", got, want)
	}
}

// exampleLog is the variable that tells the processes of an example, but not those that they start, that they
// are such, and names the file where they write what they were.
const exampleLog = "EXAMPLE_LOG"

// A process is one of an example's, without the arguments that keep it short.
type process struct {
	Args []string
	Code int
}

// runExample runs a line with a shell that finds the program on its path, compares what it prints with what the
// document shows of it, if it does, and notes what kept it short.
func runExample(t *testing.T, dir, line, result string, used map[shortening]bool) {
	t.Helper()
	if !strings.HasPrefix(line, "nfcot ") {
		t.Errorf("%s: not an example that can be run; leave it out with a reason", line)
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	log := filepath.Join(t.TempDir(), "log")
	shell := exec.CommandContext(ctx, "sh", "-c", line)
	shell.Dir = dir
	shell.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + t.TempDir(), "NFCOT_ISA=" + os.Getenv("NFCOT_ISA"),
		"NFCOT_DATA=" + dir, exampleLog + "=" + log}
	var stdout, stderr bytes.Buffer
	shell.Stdout, shell.Stderr = &stdout, &stderr
	start := time.Now()
	err := shell.Run()
	t.Logf("%4.1f s: %s", time.Since(start).Seconds(), line)
	processes, logErr := ckpt.ReadAllJSONL[process](log)
	if err := errors.Join(err, logErr); err != nil {
		t.Errorf("%s: %v\n%s", line, err, stderr.String())
		return
	}
	for _, p := range processes {
		if p.Code != 0 {
			t.Errorf("%s: nfcot %s: exit code %d\n%s", line, strings.Join(p.Args, " "), p.Code, stderr.String())
		}
		for _, s := range shortenings {
			used[s] = used[s] || s.fits(p.Args)
		}
		if i := slices.Index(p.Args, "-o") + 1; i > 0 && p.Args[i] != "-" {
			if _, err := os.Stat(filepath.Join(dir, p.Args[i])); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		} else if stdout.Len() == 0 {
			t.Errorf("%s: prints nothing", line)
		}
	}
	if got := stdout.String(); result != "" && got != result {
		t.Errorf("%s: prints\n%s; the document has\n%s", line, got, result)
	}
}

// asExample runs the program as a process of an example.
func asExample(log string, program func(args []string) int) int {
	if err := os.Unsetenv(exampleLog); err != nil {
		panic(err)
	}
	p := process{Args: os.Args[1:]}
	args := slices.Clone(os.Args)
	for _, s := range shortenings {
		if s.fits(p.Args) {
			args = append(args, strings.Fields(s.added)...)
		}
	}
	p.Code = program(args)
	line, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}
	return p.Code
}

// copyAll copies a file or a folder.
func copyAll(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else {
		err = os.Link(from, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// plan writes the plan that a document has as plan.yaml.
func plan(t *testing.T, dir, text string) {
	_, yaml, ok := strings.Cut(text, "```yaml\n")
	yaml, _, closed := strings.Cut(yaml, "```\n")
	if !ok || !closed {
		t.Fatal("there is no plan")
	}
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shownFiles writes the files that a document shows, each in a block behind its name.
func shownFiles(t *testing.T, dir, text string) {
	found := regexp.MustCompile("(?ms)^`([\\w.-]+)`:\n\n```\\w+\n(.*?)^```$").FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		t.Error("no files are shown")
	}
	for _, m := range found {
		write(t, dir, m[1], m[2])
	}
}

// shownResults are what a document shows of what its examples print: the block of JSON lines behind one of shell, by
// the last line of that.
func shownResults(text string) map[string]string {
	results := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)```sh\n([^`]*\n)?([^`\n]+)\n```\n\n```jsonl\n(.*?)```\n").FindAllStringSubmatch(text, -1) {
		results[m[2]] = m[3]
	}
	return results
}

// humanEvalProblems are two in the format of HumanEval.
const humanEvalProblems = `{"task_id":"one","prompt":"def f(x):\n","entry_point":"f","canonical_solution":"    return x\n","test":"def check(candidate):\n    assert candidate(1) == 1\n"}
{"task_id":"two","prompt":"def g(x):\n","entry_point":"g","canonical_solution":"    return x\n","test":"def check(candidate):\n    assert candidate(2) == 2\n"}
`

// humanEval writes a benchmark in the place of HumanEval, of two problems, and samples of theirs.
func humanEval(t *testing.T, dir, _ string) {
	write(t, dir, "HumanEval.jsonl", humanEvalProblems)
	write(t, dir, "samples.jsonl", `{"task_id":"one","completion":"    return x\n"}
{"task_id":"two","completion":"    return 1\n"}
`)
}

func write(t *testing.T, dir, name, text string) {
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// realModel lays a model of others and its benchmark where the examples of README.md look for them.
func realModel(t *testing.T, dir string) {
	if err := os.Symlink(shared.SmolLM2(t), filepath.Join(dir, smolLM2Name)); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "HumanEval.jsonl", humanEvalProblems)
}

// smolLM2 lays a model of others where examples look for it.
func smolLM2(t *testing.T, dir, _ string) {
	if err := os.Symlink(shared.SmolLM2(t), filepath.Join(dir, "SmolLM2.gguf")); err != nil {
		t.Fatal(err)
	}
}

// cpython says why programs cannot run in CPython here.
func cpython() error {
	if runtime.GOOS != "linux" {
		return errors.New("the sandbox is of Linux")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		return errors.New("there is no CPython")
	}
	return nil
}
