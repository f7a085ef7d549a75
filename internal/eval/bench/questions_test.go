package bench

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"nfcot/internal/eval"
	"nfcot/internal/eval/answer"
)

// TestPublishedQuestions reads the published sets: every right answer passes by the set's
// own rule and by the others that can read it.
func testPublishedQuestions(t *testing.T) {
	for name, rules := range map[string][]string{
		"gsm8k": {"", "strict", "flexible", "number"}, "prosqa": {"", "exact"}, "multiply:4x4": {"", "exact"}, "multiply:5x5": {""},
	} {
		b := load(t, name)
		for _, rule := range rules {
			if err := b.CompareBy(rule); err != nil {
				t.Errorf("%s by %q: %v", name, rule, err)
			}
		}
		r := recipe(t, b, "", nil)
		for _, p := range b.Problems {
			text, err := r.Assemble(t.Context(), p, eval.Sample{Completion: p.CanonicalSolution})
			o, failed := answer.Executor{Rule: b.Rule}.Execute(t.Context(), p, text)
			if err != nil || failed != nil || o.Kind != eval.Passed || r.Prompt(p) != p.Prompt || strings.TrimSpace(p.Prompt) != p.Prompt {
				t.Fatalf("%s: %s: %+v, %v, %v", name, p.TaskID, o, err, failed)
			}
		}
	}
	if p := load(t, "multiply:4x4").Problems[0]; p.Prompt != "7 6 9 2 * 1 6 3 6" || p.CanonicalSolution != "7 8 0 3 7 8 8 1" {
		t.Errorf("the first product is %+v", p)
	}
	if err := load(t, "prosqa").CompareBy("strict"); err == nil || !strings.Contains(err.Error(), `prosqa_valid.json: element 1 of the array: the right answer is "`) {
		t.Errorf("prosqa by number: %v", err)
	}
}

// A right answer is what a model is to say: of a worked one the number behind its mark.
func TestAnswer(t *testing.T) {
	for _, tt := range []struct {
		rule           answer.Rule
		solution, want string
	}{
		{answer.Strict, "It is 3.\n#### 1,003", "1003"},
		{answer.Exact, "so\n#### a lor.", "a lor"},
		{answer.Flexible, "18", "18"},
		{answer.Exact, "Sal is a lor.", "Sal is a lor."},
		{answer.Choice, "B", "B"},
	} {
		p := eval.Problem{TaskID: "t", CanonicalSolution: tt.solution, Format: eval.Answers}
		if got := Questions("q", tt.rule, p).Answer(p); got != tt.want {
			t.Errorf("the answer to be given of %q by %s is %q, want %q", tt.solution, tt.rule, got, tt.want)
		}
	}
}

func TestQuestionsOfAFile(t *testing.T) {
	for _, tt := range []struct {
		text, rule string
		want       eval.Problem
		asked      string // by recipe qa
	}{
		{`{"question":"q?","answer":"It is 3.\n#### 3"}`, "strict", eval.Problem{TaskID: "0", Prompt: "q?", CanonicalSolution: "It is 3.\n#### 3"}, "Question: q?\nAnswer:"},
		{`{"task_id":7,"prompt":"p","answer":18}`, "number", eval.Problem{TaskID: "7", Prompt: "p", CanonicalSolution: "18"}, "Question: p\nAnswer:"},
		{`{"task_id":"t","prompt":"p","question":"q","cot":"c","answer":-0.5}`, "flexible", eval.Problem{TaskID: "t", Prompt: "p", CanonicalSolution: "-0.5"}, "Question: p\nAnswer:"},
		{`{"question":"q","choices":["x","y"],"answer":"B"}`, "choice", eval.Problem{TaskID: "0", Prompt: "q", CanonicalSolution: "B", Choices: []string{"x", "y"}}, "Question: q\nA. x\nB. y\nAnswer:"},
		{`{"question":"q","choices":["x","y"],"answer":1}`, "choice", eval.Problem{TaskID: "0", Prompt: "q", CanonicalSolution: "B", Choices: []string{"x", "y"}}, "Question: q\nA. x\nB. y\nAnswer:"},
		{`{"question":"q","choices":["x","y"],"answer":1.0}`, "choice", eval.Problem{TaskID: "0", Prompt: "q", CanonicalSolution: "B", Choices: []string{"x", "y"}}, "Question: q\nA. x\nB. y\nAnswer:"},
		{`{"question":"q","choices":["x","y"],"answer":"y"}`, "choice", eval.Problem{TaskID: "0", Prompt: "q", CanonicalSolution: "y", Choices: []string{"x", "y"}}, "Question: q\nA. x\nB. y\nAnswer:"},
		{`{"task_id":null,"prompt":null,"question":"q","choices":null,"answer":"a"}`, "exact", eval.Problem{TaskID: "0", Prompt: "q", CanonicalSolution: "a"}, "Question: q\nAnswer:"},
		{`{"prompt":"p","answer":"a"}`, "exact", eval.Problem{TaskID: "0", Prompt: "p", CanonicalSolution: "a"}, "Question: p\nAnswer:"},
	} {
		path := file(t, tt.text)
		b, err := Load(path, "")
		if err != nil {
			t.Error(err)
			continue
		}
		got := b.Problems[0]
		tt.want.Format, tt.want.Raw = eval.Answers, []byte(tt.text)
		if !reflect.DeepEqual(got, tt.want) || b.DefaultRecipe != "plain" {
			t.Errorf("%s: %+v, want %+v", tt.text, got, tt.want)
		}
		if err := b.CompareBy(""); err == nil || !strings.Contains(err.Error(), path+" has questions with answers; say with --judge how they are compared: exact, ") {
			t.Errorf("without a rule: %v", err)
		}
		if err := b.CompareBy(tt.rule); err != nil || string(b.Rule) != strings.Replace(tt.rule, "number", "flexible", 1) {
			t.Errorf("%s: %v", tt.text, err)
		}
		if asked := recipe(t, b, "qa", nil).Prompt(got); asked != tt.asked {
			t.Errorf("%s: asked %q, want %q", tt.text, asked, tt.asked)
		}
		chat := recipe(t, b, "chat", nil)
		if message := chat.Prompt(got); !chat.Chat || "Question: "+message+"\nAnswer:" != tt.asked {
			t.Errorf("%s: message %q", tt.text, message)
		}
	}
}

func TestBadQuestions(t *testing.T) {
	good := `{"question":"q","answer":"#### 1"}` + "\n"
	for _, tt := range []struct{ text, rule, want string }{
		{`{"answer":"a"}`, "", `P:1: key "question" is missing, expected a string`},
		{`{"question":"","answer":"a"}`, "", `P:1: the question is empty`},
		{`{"question":"q","answer":["a"]}`, "", `P:1: key "answer": found an array, expected a string`},
		{`{"question":"q","answer":null}`, "", `P:1: key "answer": found null, expected a string`},
		{`{"question":"q","answer":true}`, "", `P:1: key "answer": found`},
		{`{"question":"q","answer":"a","choices":["a"]}`, "", `P:1: key "choices": expected 2 to 26 different texts`},
		{`{"question":"q","answer":"a","choices":["a","a"]}`, "", `P:1: key "choices": expected 2 to 26`},
		{`{"question":"q","answer":2,"choices":["a","b"]}`, "", `P:1: key "answer": found 2, expected the number of one of the 2 choices, counted from 0`},
		{`{"task_id":"0","question":"q","answer":"a"}` + "\n" + `{"task_id":"0","question":"q","answer":"a"}`, "", `P:2: task "0" was in P:1 already`},
		{good + `{"question":"q","answer":"No mark, so 7"}`, "strict", `P:2: the right answer is "No mark, so 7", expected one number, alone or behind ####`},
		{good + "\n" + `{"question":"q","answer":"None.\n####"}`, "number", `P:3: the right answer is "None.\n####", expected one number`},
		{`{"question":"q","answer":"purple","choices":["a","b"]}`, "choice", `P:1: the right answer is "purple", expected the letter or the text of a choice`},
		{good, "fuzzy", `--judge: there is no rule "fuzzy"`},
	} {
		path := file(t, tt.text)
		b, err := Load(path, "")
		if err == nil && tt.rule != "" {
			err = b.CompareBy(tt.rule)
		}
		if want := strings.ReplaceAll(tt.want, "P:", path+":"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", tt.text, err, want)
		}
	}
}

// TestQuestionsAreNoPrograms: what goes with programs does not go with questions, and the
// other way round. Examples that have tests are programs, whatever their answer.
func TestQuestionsAreNoPrograms(t *testing.T) {
	made := Questions("made", answer.Exact, eval.Problem{TaskID: "a", CanonicalSolution: "1", Format: eval.Answers})
	if err := made.CompareBy(""); err != nil {
		t.Error(err)
	}
	if err := made.CompareBy("choice"); err == nil || !strings.Contains(err.Error(), `a: the right answer is "1"`) {
		t.Errorf("a problem without a file: %v", err)
	}
	if _, err := made.FileRecipe("", true, nil); err == nil || !strings.Contains(err.Error(), "made has answers that are no programs; give no --sanitize") {
		t.Errorf("sanitised: %v", err)
	}
	if _, err := made.Recipe("bigcode", nil); err == nil || !strings.Contains(err.Error(), "want plain, qa, chat") {
		t.Errorf("bigcode: %v", err)
	}
	programs, err := Load(file(t, `{"task_id":"a","prompt":"p","answer":"    return 1\n","entry_point":"f","test":"def check(candidate): pass"}`), "")
	if err != nil || programs.Problems[0].Format != eval.HumanEval || programs.CompareBy("") != nil {
		t.Fatalf("an example of minicode: %+v, %v", programs, err)
	}
	if err := programs.CompareBy("exact"); err == nil || !strings.Contains(err.Error(), "--judge exact compares answers, and the problems of ") {
		t.Errorf("programs: %v", err)
	}
}

// TestQuestionsInFolders finds the sets in their places, and reads lines of chains.
func TestQuestionsInFolders(t *testing.T) {
	const lines = "1 * 2||2 + 0 #### 2 0\n\n3 * 3||9 #### 9 0\r\n"
	data := t.TempDir()
	for path, text := range map[string]string{
		"gsm8k/test.jsonl": `{"question":"q","answer":"#### 1"}`, "cot/mult_4x4_test.txt": lines, "prosqa_valid.json": `[{"question":"q","answer":"a b."}]`,
	} {
		path = filepath.Join(data, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"gsm8k": 1, "multiply:4x4": 2, "prosqa": 1} {
		b, err := Load(name, data)
		if err != nil || len(b.Problems) != want || b.CompareBy("") != nil || b.Problems[0].TaskID != name+"/0" {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
	b, err := Load("multiply:5x5", filepath.Join(data, "cot", "mult_4x4_test.txt"))
	if err != nil || b.Problems[1].Prompt != "3 * 3" || b.Problems[1].CanonicalSolution != "9 0" {
		t.Errorf("%+v, %v", b, err)
	}
	bad := file(t, "1 * 2||2 #### 2\n1 * 2 = 2\n")
	for name, want := range map[string]string{
		"multiply:4x4": bad + `:2: found "1 * 2 = 2", expected a line question||chain #### answer`,
		"gsm8k":        bad + ":1: invalid JSON",
	} {
		if _, err := Load(name, bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	_, err = Load("multiply:5x5", data)
	if err == nil || !strings.Contains(err.Error(), "found no mult_5x5_test.txt (or .gz, .zst) in "+data+", nor in its folder cot or multiply; download data/5_by_5_mult/test_bigbench.txt, as mult_5x5_test.txt, of github.com/da03/") {
		t.Errorf("nothing there: %v", err)
	}
}
