package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/cli"
	"nfcot/internal/shared"
)

// call runs a command, which has to end with an exit code, and returns what it prints.
func call(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := cli.Main(append([]string{"nfcot"}, args...), strings.NewReader(""), &out, &errs); got != code {
		t.Fatalf("%s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, errs.String())
	}
	return out.String(), errs.String()
}

// oneOfEach is a golden GGUF model of every architecture.
func oneOfEach(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(shared.Goldens(t), "gguf", "models", "*.gguf"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no models: %v", err)
	}
	found := map[string]string{}
	for _, path := range paths {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := gguf.Get[string](f, "general.architecture")
		if err != nil {
			t.Fatal(err)
		}
		found[name] = path
		f.Close()
	}
	return slices.Sorted(maps.Values(found))
}

// A GGUF file is a model and a tokenizer wherever a command takes one.
func TestGGUF(t *testing.T) {
	dir := t.TempDir()
	call(t, 0, "data", "--split", "train", "-n", "24", "-o", filepath.Join(dir, "train.jsonl"))
	call(t, 0, "data", "--split", "test", "-n", "2", "-o", filepath.Join(dir, "test.jsonl"))
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("def f(x):\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for i, path := range oneOfEach(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			in := func(name string) string { return filepath.Join(dir, fmt.Sprint(i, name)) }
			stdout, _ := call(t, 0, "inspect", path)
			for _, want := range []string{" token_embd.weight ", "metadata of " + filepath.Base(path), "  general.architecture: "} {
				if !strings.Contains(stdout, want) {
					t.Errorf("inspect does not say %q:\n%s", want, stdout)
				}
			}
			encoded, _ := call(t, 0, "tokenize", "encode", "--tokenizer", path, "--in", text)
			var ids []int
			if err := json.Unmarshal([]byte(encoded), &ids); err != nil || len(ids) < 3 {
				t.Errorf("encoded to %s", encoded)
			}
			test, samples := filepath.Join(dir, "test.jsonl"), in("samples.jsonl")
			call(t, 0, "sample", "--quiet", "--model", path, "--bench", test, "-n", "1", "--max-tokens", "4", "--weights", "f32", "-o", samples)
			call(t, 0, "score", "--quiet", "--model", path, "--samples", samples)
			call(t, 0, "eval", "--quiet", "--model", path, "--bench", test, "-n", "1", "-k", "1", "--max-tokens", "4", "-o", in("eval"))
			call(t, 0, "sample", "--quiet", "--model", path, "--prompt", "x", "-n", "1", "--max-tokens", "2", "--weights", "int8")
			call(t, 0, "sample", "--quiet", "--model", path, "--prompt", "x", "-n", "1", "--max-tokens", "2", "--weights", "file")

			run := in("run")
			train := []string{"train", "--quiet", "--method", "cot", "--data", filepath.Join(dir, "train.jsonl"), "--init", path,
				"--set", "batch=2", "--set", "held_out=4", "--set", "stages.joint.steps=1", "--set", "model.positions=512"}
			call(t, 0, append(train, "-o", run)...)
			call(t, 0, "sample", "--quiet", "--model", run, "--prompt", "x", "-n", "1", "--max-tokens", "2")
			if again, _ := call(t, 0, "tokenize", "encode", "--tokenizer", run, "--in", text); again != encoded {
				t.Errorf("the run's tokenizer encodes %s, the file's %s", again, encoded)
			}
			adapters := in("adapters")
			call(t, 0, append(train, "--lora", "2", "-o", adapters)...)
			call(t, 0, "sample", "--quiet", "--model", adapters, "--prompt", "x", "-n", "1", "--max-tokens", "2")
			call(t, 0, "fuse", "--quiet", "--model", adapters, "-o", in("fused"))
		})
	}
}

// What is wrong with a file is one line, and exit code 2.
func TestGGUFRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "damaged.gguf")
	whole, err := os.ReadFile(oneOfEach(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"sample", "--model", path, "--prompt", "x"}, {"inspect", path}, {"tokenize", "encode", "--tokenizer", path},
		{"train", "--method", "cot", "--data", "train.jsonl", "--init", path, "-o", filepath.Join(t.TempDir(), "run")},
	} {
		stdout, stderr := call(t, 2, args...)
		if stdout != "" || !strings.HasPrefix(stderr, "nfcot: "+path+": ") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: stdout %q, stderr %q", args, stdout, stderr)
		}
	}
}
