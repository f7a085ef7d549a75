package cli_test

// The command line as a user sees it: every script of ../../testdata/script is a
// session with the program. The test binary plays the program, also as the
// worker process that eval starts.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/cli"
	"nfcot/internal/eval/sandbox"
	"nfcot/internal/eval/starlark"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{sandbox.Subcommand, starlark.Subcommand}, os.Args[1]) {
		program() // a process that a command called within the tests starts
	}
	testscript.Main(m, map[string]func(){"nfcot": program})
}

// program is the main function.
func program() {
	if len(os.Args) > 1 && os.Args[1] == sandbox.Subcommand {
		os.Exit(sandbox.Main(os.Args[2:]))
	}
	run := func(args []string) int { return cli.Main(args, os.Stdin, os.Stdout, os.Stderr) }
	if log := os.Getenv(exampleLog); log != "" {
		os.Exit(asExample(log, run))
	}
	os.Exit(run(os.Args))
}

// tiny are the settings of models that take no time to train.
const tiny = "--set model.hidden=16 --set model.heads=1 --set model.kv_heads=1 --set model.head_dim=16 --set model.ffn=16 --set model.layers=1 " +
	"--set flow.blocks=2 --set flow.width=16 --set flow.head_dim=16 --set batch=4 --set held_out=8 --set stages.joint.steps=2"

// raceDetector is set when the tests run with it; its memory does not fit within
// a worker's limits.
var raceDetector bool

// TestScripts runs the scripts. They find the repository in $ROOT, and in $FIX what one pass through the
// stages leaves, with models too small and too fresh to be right about anything:
//
//	train.jsonl, test.jsonl  60 examples, 4 problems
//	tokenizer, thoughts      folders
//	direct, cot, nfcot       runs
//	s.nfcot.jsonl, ...       one sample a problem of each run
func TestScripts(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	fix := t.TempDir()
	pipeline(t, fix)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("FIX", fix)
			e.Setenv("ROOT", root)
			e.Setenv("NFCOT_ISA", os.Getenv("NFCOT_ISA")) // scripts have an environment of their own
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "race" {
				return false, fmt.Errorf("there is no condition %s", name)
			}
			return raceDetector, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"refused":    refused,
			"json":       jsonLines,
			"train-tiny": trainTiny,
			"interrupt":  interrupt,
			"kill-at":    killAt,
			"left":       left,
			"no-litter":  noLitter,
			"damage":     damage,
			"edit":       edit,
			"not-finite": notFinite,
			"shards":     shards,
			"solutions":  solutions,

			"random-model": randomModel,
			"same-tensors": sameTensors,

			"same-likelihood": sameLikelihood,
			"logprobs-add-up": logProbsAddUp,
			"same-verdicts":   sameLines("seconds"),
			"same-answers":    sameLines("think_seconds", "answer_seconds"),
		},
	})
}

// pipeline goes once through the stages.
func pipeline(t *testing.T, dir string) {
	t.Helper()
	do := func(line string) {
		t.Helper()
		args := strings.Fields(strings.ReplaceAll(line, "FIX", dir))
		var stdout, stderr bytes.Buffer
		if code := cli.Main(args, strings.NewReader(""), &stdout, &stderr); code != 0 {
			t.Fatalf("%s: exit code %d\n%s", line, code, stderr.String())
		}
	}
	do("nfcot data --split train -n 60 -o FIX/train.jsonl")
	do("nfcot data --split test -n 4 -o FIX/test.jsonl")
	do("nfcot tokenize train --in FIX/train.jsonl -o FIX/tokenizer")
	do("nfcot distill --data FIX/train.jsonl --tokenizer FIX/tokenizer --dims 4 --hidden 16 --heads 1 --layers 1 --steps 3 --batch 4 -o FIX/thoughts")
	for _, method := range []string{"direct", "cot", "lavae", "nfcot-dual", "nfcot"} {
		do("nfcot train --method " + method + " --thoughts FIX/thoughts " + tiny + " -o FIX/" + method)
		do("nfcot sample --model FIX/" + method + " --bench FIX/test.jsonl -n 1 --max-tokens 12 -o FIX/s." + method + ".jsonl")
	}
}

// trainTiny runs "nfcot train" with the settings of the tiny models before the
// given arguments.
func trainTiny(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("nfcot", append(append([]string{"train"}, strings.Fields(tiny)...), args...)...)
	if (err != nil) != neg {
		ts.Fatalf("unexpected result of training: %v", err)
	}
}

// refused runs a command that has to fail in the way all bad input does: exit
// code 2, nothing on stdout, one line on stderr. That line must match the
// pattern that comes first: refused PATTERN COMMAND...
func refused(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: refused PATTERN COMMAND...")
	}
	code := exitCode(ts.Exec(args[1], args[2:]...))
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if code != 2 || stdout != "" {
		ts.Fatalf("exit code %d with %d bytes on stdout; want 2 and none", code, len(stdout))
	}
	if strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "nfcot: ") || !strings.HasSuffix(stderr, "\n") {
		ts.Fatalf("want one line on stderr that begins with nfcot:")
	}
	if !strings.Contains(stderr, args[0]) {
		ts.Fatalf("stderr does not say %q", args[0])
	}
}

// exitCode is that of a command that ended; -1 for one that did not run.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// jsonLines checks that a file holds a given number of JSON objects, one a line,
// and that each of them has the given keys: json FILE LINES KEY...
func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: json FILE LINES KEY...")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	n := 0
	lines := bufio.NewScanner(strings.NewReader(ts.ReadFile(args[0])))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		n++
		var object map[string]json.RawMessage
		if err := json.Unmarshal(lines.Bytes(), &object); err != nil {
			ts.Fatalf("%s:%d: %v", args[0], n, err)
		}
		for _, key := range args[2:] {
			if _, ok := object[key]; !ok {
				ts.Fatalf("%s:%d: there is no key %q", args[0], n, key)
			}
		}
	}
	ts.Check(lines.Err())
	if n != want {
		ts.Fatalf("%s: found %d lines; want %d", args[0], n, want)
	}
}

// interrupt starts a command, interrupts it once a file has a number of lines,
// and wants exit code 130: interrupt FILE LINES COMMAND...
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	code, stderr := endAt(ts, neg, args, syscall.SIGINT)
	if code != 130 {
		ts.Fatalf("exit code %d after the interrupt; want 130\n%s", code, stderr)
	}
	fmt.Fprint(ts.Stderr(), stderr)
	if !strings.Contains(stderr, "continue with ") {
		ts.Fatalf("the error does not say how to continue:\n%s", stderr)
	}
}

// killAt is interrupt with a signal that leaves a process no time: kill-at FILE LINES COMMAND...
func killAt(ts *testscript.TestScript, neg bool, args []string) {
	if code, stderr := endAt(ts, neg, args, syscall.SIGKILL); code != -1 {
		ts.Fatalf("exit code %d; want death by a signal\n%s", code, stderr)
	}
}

// left starts a command that would take long, or waits for a standard input that does not
// come, interrupts it, and wants it to end soon with exit code 130: left COMMAND...
func left(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: left COMMAND...")
	}
	cmd := exec.Command(filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], args[0]), args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	ts.Check(err)
	defer stdin.Close()
	ts.Check(cmd.Start())
	time.Sleep(time.Second) // it is under way
	ts.Check(cmd.Process.Signal(syscall.SIGINT))
	start := time.Now()
	if code := exitCode(cmd.Wait()); code != 130 {
		ts.Fatalf("exit code %d after the interrupt; want 130\n%s", code, stderr.String())
	}
	if took := time.Since(start); took > 3*time.Second { // one is what it should take, on a machine that does nothing else
		ts.Fatalf("it took %s to end", took)
	}
	fmt.Fprint(ts.Stderr(), stderr.String())
}

// endAt starts a command and sends it a signal once a file has a number of lines:
// FILE LINES COMMAND...
func endAt(ts *testscript.TestScript, neg bool, args []string, signal os.Signal) (code int, said string) {
	if neg || len(args) < 3 {
		ts.Fatalf("want FILE LINES COMMAND...")
	}
	file := ts.MkAbs(args[0])
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	binary := filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], args[2])
	cmd := exec.Command(binary, args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	ts.Check(cmd.Start())
	deadline := time.Now().Add(20 * time.Second)
	for {
		text, err := os.ReadFile(file)
		if err == nil && bytes.Count(text, []byte("\n")) >= want {
			break
		}
		if time.Now().After(deadline) {
			ts.Check(cmd.Process.Kill())
			ts.Fatalf("%s did not reach %d lines\n%s", file, want, stderr.String())
		}
		time.Sleep(2 * time.Millisecond)
	}
	ts.Check(cmd.Process.Signal(signal))
	return exitCode(cmd.Wait()), stderr.String()
}

// noLitter checks that a folder holds no temporary or half-written output.
func noLitter(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: no-litter DIR")
	}
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if err == nil && (strings.Contains(d.Name(), ".tmp-") || strings.Contains(d.Name(), ".old-")) {
			return fmt.Errorf("%s was left behind", path)
		}
		return err
	}))
}

// damage cuts a file to its first bytes: damage FILE BYTES
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: damage FILE BYTES")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// edit replaces the first occurrence of a text in a file: edit FILE OLD NEW
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o644))
}

// notFinite makes the number 3 of a tensor of float32 NaN: not-finite FILE TENSOR
func notFinite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: not-finite FILE TENSOR")
	}
	path := ts.MkAbs(args[0])
	f, err := ckpt.Open(path)
	ts.Check(err)
	var tensors []ckpt.Tensor
	for _, name := range f.Names() {
		data, shape, err := f.Float32(name)
		ts.Check(err)
		if name == args[1] {
			data[3] = float32(math.NaN())
		}
		tensors = append(tensors, ckpt.Tensor{Name: name, Shape: shape, Data: data})
	}
	ts.Check(f.Close())
	ts.Check(ckpt.Write(path, tensors, nil))
}

// shards writes the model of a folder to another one, in bfloat16 and in two
// files: shards FROM TO
func shards(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shards FROM TO")
	}
	f, err := ckpt.OpenModel(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	var parts [2][]ckpt.Tensor
	placement := map[string]string{}
	for i, name := range f.Names() {
		data, shape, err := f.Float32(name)
		ts.Check(err)
		half := 2 * i / len(f.Names())
		parts[half] = append(parts[half], ckpt.Tensor{Name: name, Shape: shape, Data: data, DType: ckpt.BF16})
		placement[name] = fmt.Sprintf("model-%05d-of-00002.safetensors", half+1)
	}
	for i, tensors := range parts {
		ts.Check(ckpt.Write(filepath.Join(ts.MkAbs(args[1]), fmt.Sprintf("model-%05d-of-00002.safetensors", i+1)), tensors, nil))
	}
	index, err := json.Marshal(map[string]any{"weight_map": placement})
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[1]), ckpt.IndexFile), index, 0o644))
}

// solutions writes the canonical solutions of a problem file as samples:
// solutions PROBLEMS SAMPLES
func solutions(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: solutions PROBLEMS SAMPLES")
	}
	var out bytes.Buffer
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var p struct {
			TaskID   string `json:"task_id"`
			Solution string `json:"canonical_solution"`
		}
		ts.Check(json.Unmarshal([]byte(line), &p))
		text, err := json.Marshal(map[string]string{"task_id": p.TaskID, "completion": p.Solution})
		ts.Check(err)
		out.Write(append(text, '\n'))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), out.Bytes(), 0o644))
}

// sameLikelihood wants scores to be the likelihoods that samples were drawn
// with, to within float32's rounding: same-likelihood SAMPLES SCORES
func sameLikelihood(ts *testscript.TestScript, neg bool, args []string) {
	samples, scores := objects(ts, neg, args)
	for i, s := range samples {
		for _, key := range []string{"logp_thoughts", "logp_text"} {
			drawn, isNumber := s[key].(float64)
			scored, _ := scores[i][key].(float64)
			if s[key] != nil && !isNumber || math.Abs(drawn-scored) > 1e-3 {
				ts.Fatalf("line %d: %s is %v, scored as %v", i+1, key, s[key], scores[i][key])
			}
		}
	}
}

// logProbsAddUp wants the log-probabilities of every line's tokens to add up to its
// logp_text, each with as many others as asked for, and to be those of its
// completion: logprobs-add-up SAMPLES OTHERS
func logProbsAddUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("want a file of JSON lines and a number")
	}
	others, err := strconv.Atoi(args[1])
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var s struct {
			Completion string  `json:"completion"`
			LogPText   float64 `json:"logp_text"`
			AnswerIDs  []int   `json:"answer_ids"`
			Chain      []int   `json:"chain_ids"`
			LogProbs   struct {
				Content []struct {
					Token   string            `json:"token"`
					Bytes   []int             `json:"bytes"`
					LogProb float64           `json:"logprob"`
					Top     []json.RawMessage `json:"top_logprobs"`
				} `json:"content"`
			} `json:"logprobs"`
		}
		ts.Check(json.Unmarshal([]byte(line), &s))
		var sum float64
		var text []byte
		for i, token := range s.LogProbs.Content {
			sum += token.LogProb
			if isSpecial := strings.HasPrefix(token.Token, "<|"); i < len(s.AnswerIDs) && !isSpecial {
				for _, b := range token.Bytes {
					text = append(text, byte(b))
				}
			}
			if len(token.Top) != others || token.Token == "" {
				ts.Fatalf("%+v: want its text and %d other tokens", token, others)
			}
		}
		if len(s.LogProbs.Content) < max(1, len(s.AnswerIDs)) || sum != s.LogPText {
			ts.Fatalf("the log-probabilities of %d tokens add up to %v, logp_text is %v", len(s.LogProbs.Content), sum, s.LogPText)
		}
		if len(s.Chain) == 0 && strings.ToValidUTF8(string(text), "") != strings.ReplaceAll(s.Completion, "\uFFFD", "") {
			ts.Fatalf("the bytes of the tokens are %q, the completion is %q", text, s.Completion)
		}
	}
}

// sameLines wants two files of JSON lines to differ in some keys at most, which
// hold what was measured: same-verdicts FILE FILE
func sameLines(measured ...string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		a, b := objects(ts, neg, args)
		for i := range a {
			for _, key := range measured {
				delete(a[i], key)
				delete(b[i], key)
			}
			if !reflect.DeepEqual(a[i], b[i]) {
				ts.Fatalf("line %d: %v and %v", i+1, a[i], b[i])
			}
		}
	}
}

// objects reads two files of JSON lines that have to be equally long.
func objects(ts *testscript.TestScript, neg bool, args []string) (a, b []map[string]any) {
	if neg || len(args) != 2 {
		ts.Fatalf("want two files of JSON lines")
	}
	for i, into := range []*[]map[string]any{&a, &b} {
		for line := range strings.Lines(ts.ReadFile(args[i])) {
			o := map[string]any{}
			fields, err := jsontext.Fields([]byte(line))
			ts.Check(err)
			for _, f := range fields {
				if json.Unmarshal(f.Value, new(any)) != nil || jsontext.Lone(f.Value) != "" {
					o[f.Key] = f // what only Python reads
					continue
				}
				var value any
				ts.Check(json.Unmarshal(f.Value, &value))
				o[f.Key] = value
			}
			*into = append(*into, o)
		}
	}
	if len(a) == 0 || len(a) != len(b) {
		ts.Fatalf("%s has %d lines, %s has %d", args[0], len(a), args[1], len(b))
	}
	return a, b
}
