package problems

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/eval"
	"nfcot/internal/eval/answer"
	"nfcot/internal/shared"
)

// TestLoad finds problems that are made, published or a file's, each by its name.
func TestLoad(t *testing.T) {
	published := t.TempDir()
	file := filepath.Join(published, "mult_4x4_test.txt")
	if err := os.WriteFile(file, []byte("1 * 2||2 #### 2 0\n1 * 3||3 #### 3 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(t.TempDir(), "own.jsonl")
	if err := os.WriteFile(own, []byte(`{"prompt":"a","answer":"b"}`+"\n"+`{"prompt":"c","answer":"d"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		Request
		first string // task
		n     int
	}{
		{Request{Bench: "minicode", Split: "test", N: 3, First: 2}, "minicode/fold/easy/test/0", 3},
		{Request{Bench: "minicode:rule", Split: "train", N: 2}, "minicode/rule/easy/train/0", 2},
		{Request{Bench: "multiply:4x4", Split: "test", N: 1, Published: published}, "multiply:4x4/0", 2},
		{Request{Bench: "multiply:4x4", Split: "test", First: 1, Published: published}, "multiply:4x4/0", 1},
		{Request{Bench: "multiply:4x4", Split: "train", N: 3, Published: published}, "multiply/4x4/train/0", 3},
		{Request{Bench: "multiply:4x4", Split: "train", N: 3, Data: file}, "multiply:4x4/0", 2},
		{Request{Bench: own, Split: "test", N: 1}, "0", 2},
		{Request{Bench: own, First: 9}, "0", 2},
	} {
		b, err := tt.Judged()
		if err != nil || len(b.Problems) != tt.n || b.Problems[0].TaskID != tt.first {
			t.Errorf("%+v: %+v, %v; want %d problems from %s on", tt.Request, b, err, tt.n, tt.first)
		}
	}
	for _, tt := range []struct {
		Request
		want string
	}{
		{Request{Bench: "multiply:4x4", Split: "test"}, "download data/4_by_4_mult/test_bigbench.txt"},
		{Request{Bench: "multiply:9x9", Split: "test"}, "multiply:9x9: no test split of this size is published; want train or dev"},
		{Request{Bench: "minicode", Split: "test", Data: "x"}, "--data goes with a public benchmark (humaneval, "},
		{Request{Bench: "nosuch"}, "--bench nosuch: there is no such file, and no benchmark of that name; want minicode"},
	} {
		if _, err := tt.Load(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %s", tt.Request, err, tt.want)
		}
	}
	for _, name := range []string{"humaneval", "multiply.jsonl", ""} {
		var err error
		for _, err = range Lines(name, "train", 1, 1) {
		}
		if err == nil || !strings.Contains(err.Error(), "is not made by this program; want minicode[") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestAskedAsTrained: a set asks what a run that was trained on such a file has learned to
// answer, and what the file has taught it to say passes by the set's own rule.
func TestAskedAsTrained(t *testing.T) {
	own := t.TempDir()
	for name, text := range map[string]string{
		"test.jsonl":        `{"question":"How many? ","answer":"3+4=<<3+4=7>>7, so 1,007.\n#### 1,007"}`,
		"prosqa_valid.json": `[{"question":"Every a is a b. Tom is an a. Is Tom a b or c?","answer":"Tom is a b.","steps":["Tom is an a.","Every a is a b."],"edges":[]}]`,
		"mult_4x4_test.txt": "3 0 2 1 * 6 5 0 4||8 1 2 7 0 + 0 5 1 0 6 0 #### 8 6 3 9 7 8 4 0\n",
	} {
		if err := os.WriteFile(filepath.Join(own, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{"gsm8k": "test.jsonl", "prosqa": "prosqa_valid.json", "multiply:4x4": "mult_4x4_test.txt"}
	t.Run("own", func(t *testing.T) {
		for name, file := range files {
			askedAsTrained(t, name, filepath.Join(own, file))
		}
	})
	t.Run("published", func(t *testing.T) {
		files["gsm8k"], files["multiply:5x5"] = "gsm8k_test.jsonl", "mult_5x5_test.txt"
		for name, file := range files {
			askedAsTrained(t, name, filepath.Join(shared.Data(t), "cot", file))
		}
	})
}

func askedAsTrained(t *testing.T, name, file string) {
	t.Helper()
	examples, _, err := data.Source{Files: data.Files{file}}.Read()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Request{Bench: name, Split: "test", Data: file}.Judged()
	if err != nil || len(b.Problems) != len(examples) || b.CompareBy("") != nil {
		t.Fatalf("%s: %d problems of %d examples, %v", name, len(b.Problems), len(examples), err)
	}
	recipe, err := b.Recipe("", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range b.Problems {
		o, err := answer.Executor{Rule: b.Rule}.Execute(t.Context(), p, examples[i].Answer)
		if asked := recipe.Prompt(p); asked != examples[i].Prompt || err != nil || o.Kind != eval.Passed {
			t.Fatalf("%s: trained on %q with answer %q; asks %q, %+v, %v", p.TaskID, examples[i].Prompt, examples[i].Answer, asked, o, err)
		}
	}
}

// Chains are known of what is made, and of what is published in its format.
func TestChains(t *testing.T) {
	for _, name := range []string{"minicode:fold:easy", "minicode:fold:hard:no-plan", "multiply:2x3"} {
		for line, err := range Lines(name, "train", 1, 5) {
			if err != nil {
				t.Fatal(err)
			}
			ex := line.(cot.Example)
			if chains := Chains(eval.Problem{TaskID: ex.TaskID, Prompt: ex.Prompt}); !slices.ContainsFunc(chains, func(c cot.Chain) bool { return c.Text == ex.CoT }) {
				t.Errorf("%s: the chain %q is not among %q", ex.TaskID, ex.CoT, chains)
			}
		}
	}
	if chains := Chains(eval.Problem{TaskID: "multiply:4x4/0", Prompt: "7 6 9 2 * 1 6 3 6"}); len(chains) != 1 {
		t.Errorf("a published problem has the chains %q", chains)
	}
	if chains := Chains(eval.Problem{TaskID: "x", Prompt: "7 times 6?"}); chains != nil {
		t.Errorf("another one has the chains %q", chains)
	}
}
