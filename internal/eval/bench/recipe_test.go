package bench

import (
	"context"
	"strings"
	"testing"

	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/eval"
)

func recipe(t testing.TB, b *Benchmark, name string, sanitize Sanitizer) *Recipe {
	t.Helper()
	r, err := b.Recipe(name, sanitize)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// raw is what a benchmark's line says of some keys, read without the loader.
func raw(t testing.TB, p eval.Problem, into any) {
	t.Helper()
	if err := jsontext.Unmarshal(p.Raw, into); err != nil {
		t.Fatal(err)
	}
}

// TestPromptsAndPrograms puts canonical solutions through every recipe. Prompt and
// program are what the harness makes of the same line.
func testPromptsAndPrograms(t *testing.T) {
	verbatim := func(prompt string) string { return prompt }
	line := func(prompt string) string { return strings.TrimSpace(prompt) + "\n" }
	for _, tt := range []struct {
		bench, recipe string
		prompt        func(prompt string) string
	}{
		{"humaneval", "human-eval", verbatim},
		{"humaneval", "bigcode", strings.TrimSpace},
		{"humaneval", "lm-eval", verbatim},
		{"humaneval", "evalplus", line},
		{"humaneval", "plain", verbatim},
		{"humaneval+", "evalplus", line},
		{"humaneval+:mini", "evalplus", line},
		{"humaneval+:origin", "bigcode", strings.TrimSpace},
		{"mbpp+", "evalplus", line},
		{"mbpp+", "bigcode", verbatim},
	} {
		b := load(t, tt.bench)
		r := recipe(t, b, tt.recipe, func(_ context.Context, text, entryPoint string) (string, error) {
			return "# " + entryPoint + "\n" + text, nil
		})
		for _, p := range b.Problems {
			var line struct {
				Prompt   string
				Solution string `json:"canonical_solution"`
				Entry    string `json:"entry_point"`
			}
			raw(t, p, &line)
			prompt := tt.prompt(line.Prompt)
			want := prompt + line.Solution
			if tt.recipe == "evalplus" {
				want = "# " + line.Entry + "\n" + want
			}
			program, err := r.Assemble(t.Context(), p, eval.Sample{Completion: p.CanonicalSolution})
			if r.Prompt(p) != prompt || program != want || err != nil {
				t.Errorf("%s of %s, %s: prompt\n%q\nprogram\n%q", tt.recipe, tt.bench, p.TaskID, r.Prompt(p), program)
			}
		}
	}
}

func testPromptsOfMBPP(t *testing.T) {
	for _, name := range []string{"mbpp", "mbpp:all", "mbpp:sanitized", "mbpp+:origin"} {
		b := load(t, name)
		r := recipe(t, b, "", nil)
		if r.Name != "bigcode" {
			t.Errorf("%s: the default recipe is %s", name, r.Name)
		}
		for _, p := range b.Problems {
			var line struct {
				Text, Prompt, Code string
				Tests              []string `json:"test_list"`
			}
			raw(t, p, &line)
			want := "\"\"\"\n" + line.Text + line.Prompt + "\n" + line.Tests[0] + "\n\"\"\"\n" // a line has one of the two
			program, err := r.Assemble(t.Context(), p, eval.Sample{Completion: line.Code})
			if r.Prompt(p) != want || program != want+line.Code || p.CanonicalSolution != line.Code || err != nil {
				t.Errorf("%s: %s: prompt %q, program %q", name, p.TaskID, r.Prompt(p), program)
			}
		}
	}
	const eleven = "\"\"\"\nWrite a python function to remove first and last occurrence of a given character from the string.\nassert remove_Occ(\"hello\",\"l\") == \"heo\"\n\"\"\"\n"
	if b := load(t, "mbpp"); recipe(t, b, "", nil).Prompt(b.Problems[0]) != eleven {
		t.Errorf("task 11: prompt %q", b.Problems[0].Prompt)
	}
}

// TestShots: lm-eval shows three solved tasks, whose text is the data's.
func testShots(t *testing.T) {
	for _, name := range []string{"mbpp", "mbpp:sanitized", "mbpp+:origin"} {
		b := load(t, name)
		r := recipe(t, b, "lm-eval", nil)
		p := b.Problems[len(b.Problems)-1]
		prompt := r.Prompt(p)
		shots := strings.Split(prompt, "\n[DONE]\n\n")
		if len(shots) != 4 || !strings.HasSuffix(prompt, "\n[BEGIN]\n") || strings.Count(prompt, "\n[BEGIN]\n") != 4 {
			t.Fatalf("%s:\n%s", name, prompt)
		}
		for _, shot := range shots {
			if !strings.HasPrefix(shot, "You are an expert Python programmer, and here is your task: ") || strings.Count(shot, "\nassert ") < 3 {
				t.Errorf("%s: %q", name, shot)
			}
		}
		program, err := r.Assemble(t.Context(), p, eval.Sample{Completion: "x = 1\n"})
		if program != "x = 1\n" || err != nil {
			t.Errorf("%s: program %q", name, program)
		}
	}
	b := load(t, "mbpp")
	if prompt := recipe(t, b, "lm-eval", nil).Prompt(b.Problems[0]); !strings.HasPrefix(prompt,
		"You are an expert Python programmer, and here is your task: Write a function to find the similar elements from the given two tuple lists. Your code should pass these tests:\n\n"+
			"assert similar_elements((3, 4, 5, 6),(5, 7, 4, 10)) == (4, 5)\nassert similar_elements((1, 2, 3, 4),(5, 4, 3, 7)) == (3, 4)\nassert similar_elements((11, 12, 14, 13),(17, 15, 14, 13)) == (13, 14)\n[BEGIN]\n"+
			"def similar_elements(test_tup1, test_tup2):\r\n  res = tuple(set(test_tup1) & set(test_tup2))\r\n  return (res) \n[DONE]\n\nYou are") {
		t.Errorf("%q", prompt)
	}
}

func testContestPrompts(t *testing.T) {
	b := load(t, "livecodebench")
	base, instruct := recipe(t, b, "", nil), recipe(t, b, "lcb-instruct", nil)
	methods := 0
	for _, p := range b.Problems {
		var line struct {
			Content string `json:"question_content"`
			Starter string `json:"starter_code"`
		}
		raw(t, p, &line)
		want := "### Question\n" + line.Content + "\n\n"
		if line.Starter != "" {
			methods++
			want += "### Starter Code\n" + line.Starter + "\n\n"
		}
		want += "### Answer\n\n"
		example, ok := strings.CutSuffix(base.Prompt(p), want)
		if !ok || strings.Count(example, "### Answer\n\n") != 1 || strings.Contains(example, "### Starter Code\n") != (line.Starter != "") || !strings.HasSuffix(example, "\n\n") {
			t.Errorf("%s:\n%s", p.TaskID, base.Prompt(p))
		}
		prompt := instruct.Prompt(p)
		if !strings.Contains(prompt, "\n\n### Question:\n"+line.Content+"\n\n### Format: ") || !strings.HasSuffix(prompt, "\n```\n\n### Answer: (use the provided format with backticks)\n\n") ||
			!strings.Contains(prompt, "```python\n"+line.Starter) {
			t.Errorf("%s:\n%s", p.TaskID, prompt)
		}
	}
	if methods == 0 || methods == len(b.Problems) {
		t.Errorf("%d of %d problems want methods", methods, len(b.Problems))
	}
	for _, tt := range []struct{ completion, base, instruct string }{
		{" \n print(1)\n\x1f\n", "print(1)", ""},
		{"```python\nx\n```", "```python\nx\n```", "x"},
		{"Well:\n```py\nx\n\ny\n``` and\n  ```\nz\n", "Well:\n```py\nx\n\ny\n``` and\n  ```\nz", ""},
		{"```a\n1\n```\n```b\n2\n3\n```\nbye", "```a\n1\n```\n```b\n2\n3\n```\nbye", "2\n3"},
		{"``` ```", "``` ```", ""},
		{"", "", ""},
	} {
		for r, want := range map[*Recipe]string{base: tt.base, instruct: tt.instruct} {
			if got, err := r.Assemble(t.Context(), b.Problems[0], eval.Sample{Completion: tt.completion}); got != want || err != nil {
				t.Errorf("%s of %q: %q, want %q", r.Name, tt.completion, got, want)
			}
		}
	}
}

func testCut(t *testing.T) {
	for _, tt := range []struct{ bench, recipe, completion, kept string }{
		{"humaneval", "human-eval", "    return x\n\ndef g():\n    pass\nclass A: pass\n", "    return x\n"},
		{"humaneval", "human-eval", "    return x\nclass A: pass\n\ndef g(): pass\n", "    return x"},
		{"humaneval", "human-eval", "    print(x)\n    # if\n    return\n", "    print(x)\n    # if\n    return\n"},
		{"humaneval", "human-eval", "def f(): pass", "def f(): pass"}, // a stop begins on a new line
		{"humaneval", "human-eval", "\ndefine = 1", ""},
		{"humaneval", "human-eval", "\tx\n@g\n", "\tx\n@g\n"},
		{"humaneval", "bigcode", "\tx\n@g\n", "\tx"},
		{"humaneval", "bigcode", "x\n```\ny", "x"},
		{"humaneval", "bigcode", "x<file_sep>y", "x"},
		{"humaneval", "lm-eval", "x\nifx", "x"},
		{"humaneval", "plain", "x\ndef f(): pass\n", "x\ndef f(): pass\n"},
		{"humaneval+", "evalplus", "\treturn x\ndefine = 1\nif x:\n\tpass\nprint (2)\ndef g", "    return x\ndefine = 1\nif x:\n    pass\nprint (2)"},
		{"humaneval+", "evalplus", "x\nif __name__ == 1", "x"},
		{"humaneval+", "evalplus", "x\nfrom a import b", "x"},
		{"humaneval+", "evalplus", "x\n\"\"\"", "x\n\"\"\""},
		{"mbpp+", "evalplus", "import a\ndef f(): pass\nclass A: pass\nassert f()", "import a\ndef f(): pass\nclass A: pass"},
		{"mbpp+", "evalplus", "def f(): pass\n\"\"\"", "def f(): pass"},
		{"mbpp+", "evalplus", "x\ndef main(): pass", "x"},
		{"mbpp", "bigcode", "def f(): pass\ndef g(): pass\n<|/", "def f(): pass\ndef g(): pass"},
		{"mbpp", "lm-eval", "def f(): pass\nprint(f())\n[DONE]\n[DONE]", "def f(): pass\nprint(f())\n"},
		{"livecodebench", "lcb", "print(1)\n\n### Question", "print(1)\n\n"},
		{"livecodebench", "lcb-instruct", "### A\n```\nx\n```", "### A\n```\nx\n```"},
	} {
		r := recipe(t, load(t, tt.bench), tt.recipe, nil)
		kept, stopped := r.Cut(tt.completion)
		if kept != tt.kept || stopped != (len(strings.ReplaceAll(tt.completion, "\t", "    ")) > len(strings.ReplaceAll(tt.kept, "\t", "    "))) {
			t.Errorf("%s of %s: %q is cut to %q (stopped: %v), want %q", tt.recipe, tt.bench, tt.completion, kept, stopped, tt.kept)
		}
		for _, stop := range r.Stops {
			if len(stop) > r.LongestStop() {
				t.Errorf("%s: %q is longer than the longest stop", r.Name, stop)
			}
		}
	}
}

// TestPromptsAreNotSearched: many prompts hold stops themselves, and most have
// more than one; the completion alone is cut.
func testPromptsAreNotSearched(t *testing.T) {
	for _, name := range []string{"humaneval", "humaneval+", "mbpp", "mbpp+"} {
		b := load(t, name)
		r := recipe(t, b, "", nil)
		held := 0
		for _, p := range b.Problems {
			if _, stopped := r.Cut(r.Prompt(p)); stopped {
				held++
			}
		}
		if held == 0 {
			t.Errorf("%s: no prompt holds a stop: this test sees nothing", name)
		}
	}
}

func testRecipesThatAreMissing(t *testing.T) {
	few, err := Load(file(t, `{"task_id":2,"text":"t","code":"c","test_list":["a"]}`), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		b            *Benchmark
		recipe, want string
	}{
		{load(t, "humaneval"), "lcb", `there is no recipe "lcb" for humaneval; want human-eval, evalplus, bigcode, lm-eval, plain`},
		{load(t, "mbpp"), "evalplus", `there is no recipe "evalplus" for mbpp; want bigcode, lm-eval, plain`},
		{load(t, "mbpp+"), "lm-eval", `want bigcode, evalplus, plain`},
		{load(t, "livecodebench"), "plain", `want lcb, lcb-instruct`},
		{few, "lm-eval", "recipe lm-eval: its prompts show tasks 2, 3, 4, and only 1 of them are in the file"},
	} {
		if _, err := tt.b.Recipe(tt.recipe, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %s: got %v, want %s", tt.recipe, tt.b.Name, err, tt.want)
		}
	}
}

// What may yet become a stop is held back, and no more.
func TestPartial(t *testing.T) {
	r := &Recipe{Stops: []string{"\ndef", "ab", "aba!"}}
	for text, want := range map[string]int{"": 0, "x": 0, "x\n": 1, "x\nde": 3, "\n\nd": 2, "\ndx": 0, "xaba": 3, "xa": 1, "b": 0} {
		if got := r.Partial(text); got != want {
			t.Errorf("%q: %d bytes may begin a stop, want %d", text, got, want)
		}
	}
	if n := new(Recipe).Partial("x"); n != 0 {
		t.Errorf("without stops %d bytes may begin one", n)
	}
}

// TestFileRecipe: samples that a file brings are programs as the harness's own evaluation has them, sanitised if asked for.
func testFileRecipe(t *testing.T) {
	sanitize := func(_ context.Context, text, entryPoint string) (string, error) {
		return "<" + entryPoint + "|" + text + ">", nil
	}
	solution := "whole\t"
	completion, whole := eval.Sample{Completion: "\tx\n```\n"}, eval.Sample{Completion: "ignored", Solution: &solution}
	for _, tt := range []struct {
		bench, recipe    string
		sanitized        bool
		completion, full string // P: the problem's prompt, S: the same without white space around it, E: its entry point
	}{
		{"humaneval+", "", false, "P\tx\n```\n", "whole\t"},
		{"humaneval+", "", true, "<E|P\n\tx\n```\n>", "<E|whole\t>"},
		{"humaneval+", "bigcode", false, "S\tx\n```\n", "whole\t"},
		{"humaneval+", "bigcode", true, "<E|P\n\tx\n```\n>", "<E|whole\t>"},
		{"humaneval", "evalplus", false, "P\tx\n```\n", "whole\t"},
		{"mbpp+", "", false, "P\tx\n```\n", "whole\t"},
		{"mbpp+", "", true, "<E|P\n\tx\n```\n>", "<E|whole\t>"},
		{"mbpp", "", true, "<|P\n\tx\n```\n>", "<|whole\t>"},
		{"mbpp", "lm-eval", false, "\tx\n```\n", "whole\t"},
		{"livecodebench", "", false, "x\n```", "whole\t"},
	} {
		b := load(t, tt.bench)
		r, err := b.FileRecipe(tt.recipe, tt.sanitized, sanitize)
		if err != nil {
			t.Fatal(err)
		}
		p := b.Problems[0]
		for s, want := range map[*eval.Sample]string{&completion: tt.completion, &whole: tt.full} {
			want = strings.NewReplacer("P", p.Prompt, "S", strings.TrimSpace(p.Prompt), "E", p.EntryPoint).Replace(want)
			if got, err := r.Assemble(t.Context(), p, *s); got != want || err != nil || r.Sanitized != tt.sanitized {
				t.Errorf("%s, %q: got %q, %v, want %q", tt.bench, tt.recipe, got, err, want)
			}
		}
	}
	if _, err := load(t, "livecodebench").FileRecipe("", true, sanitize); err == nil || !strings.Contains(err.Error(), "livecodebench has programs that read their input") {
		t.Errorf("sanitised: %v", err)
	}
}
