package data

import (
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nfcot/internal/cot"
)

const (
	firstExample  = `{"task_id": 3.0, "prompt": "def a():\n", "cot": "one\ntwo", "answer": "    pass\n", "test": ["other"], "score": NaN}`
	secondExample = `{"prompt":"def b():\n","cot":null,"answer":"    return 1\n","entry_point":7}`
)

// shapes are the ways in which a file may hold the two examples.
var shapes = map[string]string{
	"lines":  firstExample + "\n" + secondExample,
	"marked": "\ufeff" + firstExample + "\r\n" + secondExample + "\r\n",
	"blank":  "\n  \n" + firstExample + "\n\n" + secondExample + "\n",
	"array":  "[" + firstExample + ",\n" + secondExample + "]\n",
	"pretty": "\ufeff\n[\n " + strings.ReplaceAll(firstExample, ", \"", ",\n   \"") + ",\n" + secondExample + "\n]\n",
}

func TestReadExamples(t *testing.T) {
	want := []cot.Example{{TaskID: "3", Prompt: "def a():\n", CoT: "one\ntwo", Answer: "    pass\n"}, {Prompt: "def b():\n", Answer: "    return 1\n"}}
	path := filepath.Join(t.TempDir(), "x.jsonl")
	read := func(text string) ([]cot.Example, error) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		examples, _, err := (Source{Files: Files{path}}).Read()
		return examples, err
	}
	for name, text := range shapes {
		got, err := read(text)
		if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("%s: %+v (%v)", name, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                                ": is empty",
		firstExample + "\n{\"prompt\":3}": `:2: key "prompt": found number, expected string`,
		firstExample + "\n\n{\"prompt\":\"p\",\"answer\":\"\\ud800\"}": `:3: key "answer": found \ud800, half of a surrogate pair`,
		"[" + secondExample + `,{"prompt":"p"}]`:                       ": element 2 of the array: the example has no prompt or no answer",
	} {
		if _, err := read(text); err == nil || !strings.HasPrefix(err.Error(), path+want) {
			t.Errorf("%s: got error %v, want %s", text, err, want)
		}
	}
}

// TestTexts: whatever the shape of a file of examples, the same texts come out of it, and
// none of its JSON.
func TestTexts(t *testing.T) {
	linesOf := func(text string) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for line := range strings.Lines(text) {
				if !yield(strings.TrimSuffix(line, "\n"), nil) {
					return
				}
			}
		}
	}
	all := func(text string) string {
		out := ""
		for part, err := range Texts("f", linesOf(text)) {
			if err != nil {
				return err.Error()
			}
			out += part + "|"
		}
		return out
	}
	for name, text := range shapes {
		if got, want := all(text), "def a():\n|one\ntwo\n|    pass\n|def b():\n|\n|    return 1\n|"; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for text, want := range map[string]string{
		"":                          "",
		"\n\ufeffa\n{\"prompt\":1}": "\n|\ufeffa\n|{\"prompt\":1}\n|",
		"\xff\xfea\x00\n\x00":       "f: is UTF-16 (by its byte order mark), expected UTF-8",
		`{"prompt":"p"}`:            "p|\n||",
		"[a link](x)\n":             "[a link](x)\n|",
		firstExample + "\nno JSON":  "f:2: invalid JSON: invalid character 'o' in literal null (expecting 'u') (at byte 2)",
		"[\n{\"a\":1}]":             "f: element 1 of the array: found no prompt, expected an example",
	} {
		if got := all(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for range Texts("f", linesOf(shapes["lines"])) {
		break // must not read on
	}
}
