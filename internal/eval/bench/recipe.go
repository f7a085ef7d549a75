package bench

// This file has the recipes: what the usual harnesses ask a model that continues
// texts, where they stop it, and which program they make of what it said. The
// texts of prompts follow the harnesses' to the letter, but for those that are
// marked as ours.

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/eval"
)

// A Recipe is a harness's way from a problem to a prompt, and from a completion
// to a program.
type Recipe struct {
	Name     string
	Sampling string // how the harness samples by default, for people to read; empty for plain

	Prompt   func(p eval.Problem) string // what the model continues
	Stops    []string                    // a completion ends before the first of these
	Assemble eval.Assemble               // of a completion that has ended; a solution is a program already

	// Chat says that the prompt is the user's message to a model that is asked through
	// its chat template.
	Chat bool

	// Sanitized says that programs of samples which a file brings are what
	// EvalPlus's sanitiser takes of them, see FileRecipe.
	Sanitized bool

	spaces string        // what the harness writes for a tab in a completion; empty for a tab
	file   eval.Assemble // of a completion that a file brings; nil: as of one that a model has drawn
}

// Cut ends a completion where the harness ends it: before the stop that comes
// first, which it drops. It is told the completion alone, never the prompt.
func (r *Recipe) Cut(completion string) (kept string, stopped bool) {
	end := len(completion)
	for _, stop := range r.Stops {
		if i := strings.Index(completion[:end], stop); i >= 0 {
			end, stopped = i, true
		}
	}
	kept = completion[:end]
	if r.spaces != "" {
		kept = strings.ReplaceAll(kept, "\t", r.spaces)
	}
	return kept, stopped
}

// Partial is the number of bytes at the end of text that may begin a stop.
func (r *Recipe) Partial(text string) int {
	for n := min(len(text), max(0, r.LongestStop()-1)); n > 0; n-- {
		for _, stop := range r.Stops {
			if strings.HasPrefix(stop, text[len(text)-n:]) {
				return n
			}
		}
	}
	return 0
}

// LongestStop is the number of bytes of the longest stop: who looks for stops
// token by token need not look further back.
func (r *Recipe) LongestStop() int {
	longest := 0
	for _, stop := range r.Stops {
		longest = max(longest, len(stop))
	}
	return longest
}

// A Sanitizer extracts from a text the program that defines an entry point, as
// EvalPlus does.
type Sanitizer func(ctx context.Context, text, entryPoint string) (string, error)

// The stops of the harnesses.
var (
	humanEvalStops = []string{"\nclass", "\ndef", "\n#", "\nif", "\nprint"}
	evalPlusStops  = []string{"<|endoftext|>", "<|endofmask|>", "</s>", "\nif __name__", "\ndef main(", "\nprint("}
)

// recipes are the recipes by harness and kind of problem. The first of a kind is
// what those get who ask for none, but for EvalPlus's sets.
var recipes = []struct {
	kinds []kind
	Recipe
	// bind, if not nil, adds what depends on the benchmark.
	bind func(r *Recipe, b *Benchmark, sanitize Sanitizer) error
}{
	{[]kind{code}, Recipe{
		Name: "human-eval", Sampling: "n 200, top-p 0.95, for each k the best temperature",
		Prompt: verbatim, Stops: humanEvalStops, Assemble: eval.Concatenate,
	}, nil},
	{[]kind{code}, Recipe{
		Name: "evalplus", Sampling: "n 1, temperature 0, 768 tokens",
		Prompt: strippedLine, Stops: slices.Concat(evalPlusStops, []string{"\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert "}), spaces: "    ", file: eval.Concatenate,
	}, bindSanitizer},
	{[]kind{code}, Recipe{
		Name: "bigcode", Sampling: "n 1, temperature 0.2, top-p 0.95",
		Prompt: stripped, Stops: []string{"\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif", "\n```", "<file_sep>"}, Assemble: after(stripped),
	}, nil},
	{[]kind{code}, Recipe{
		Name: "lm-eval", Sampling: "n 1, temperature 0, 1024 tokens",
		Prompt: verbatim, Stops: humanEvalStops, Assemble: eval.Concatenate,
	}, nil},

	{[]kind{textAndTests, docstring}, Recipe{
		Name: "bigcode", Sampling: "n 1, temperature 0.2, top-p 0.95",
		Prompt: verbatim, Stops: []string{"\nclass", "\nassert", "\n\"\"\"", "\nprint", "\nif", "\n<|/", "\n```"}, Assemble: eval.Concatenate,
	}, nil},
	{[]kind{textAndTests}, Recipe{
		Name: "lm-eval", Sampling: "n 1, temperature 0",
		Stops: []string{"[DONE]"}, Assemble: alone,
	}, bindShots},
	{[]kind{docstring}, Recipe{
		Name: "evalplus", Sampling: "n 1, temperature 0, 768 tokens",
		Prompt: strippedLine, Stops: slices.Concat(evalPlusStops, []string{"\n\"\"\"", "\nassert"}), spaces: "    ", file: eval.Concatenate,
	}, bindSanitizer},

	{[]kind{contest}, Recipe{
		Name: "lcb", Sampling: "n 10, temperature 0.2, top-p 0.95, 2000 tokens",
		Prompt: contestPrompt, Stops: []string{"###"}, Assemble: trimmed,
	}, nil},
	{[]kind{contest}, Recipe{
		Name: "lcb-instruct", Sampling: "n 10, temperature 0.2, top-p 0.95, 2000 tokens",
		Prompt: instruction, Assemble: fenced,
	}, nil},

	{[]kind{questions}, Recipe{Name: "plain", Prompt: verbatim, Assemble: alone}, nil},
	{[]kind{questions}, Recipe{
		Name: "qa", Sampling: "n 1, temperature 0, 256 tokens",
		Prompt: questionAndAnswer, Stops: []string{"Question:", "</s>", "<|im_end|>"}, Assemble: alone,
	}, nil},
	{[]kind{questions}, Recipe{Name: "chat", Prompt: withChoices, Chat: true, Assemble: alone}, nil},

	// For models that end their answers themselves.
	{[]kind{code, textAndTests, docstring}, Recipe{Name: "plain", Prompt: verbatim, Assemble: eval.Concatenate}, nil},
}

// defaultRecipe is the recipe of those who ask for none.
func defaultRecipe(k kind, f eval.Format) string {
	if f == eval.EvalPlus {
		return "evalplus"
	}
	return recipeNames(k)[0]
}

// Recipe is the benchmark's recipe of a name; that of DefaultRecipe for the empty
// name. Only assembling of EvalPlus's needs sanitize.
func (b *Benchmark) Recipe(name string, sanitize Sanitizer) (*Recipe, error) {
	if name == "" {
		name = b.DefaultRecipe
	}
	for _, row := range recipes {
		if row.Name != name || !slices.Contains(row.kinds, b.kind) {
			continue
		}
		r := row.Recipe
		if row.bind != nil {
			if err := row.bind(&r, b, sanitize); err != nil {
				return nil, fmt.Errorf("recipe %s: %w", name, err)
			}
		}
		r.Assemble = eval.SolutionOr(r.Assemble)
		return &r, nil
	}
	return nil, fmt.Errorf("there is no recipe %q for %s; want %s", name, b.Name, strings.Join(recipeNames(b.kind), ", "))
}

// FileRecipe is the recipe of a name for samples that a file brings. What a
// harness does to a model's answer before it writes it to a file is not done
// again: EvalPlus runs a completion as it is after the prompt. With sanitized,
// programs are what its sanitiser takes of that, or of a solution, as
// evalplus.sanitize makes them of a file.
func (b *Benchmark) FileRecipe(name string, sanitized bool, sanitize Sanitizer) (*Recipe, error) {
	r, err := b.Recipe(name, sanitize)
	switch {
	case err != nil:
		return nil, err
	case sanitized && b.kind == contest:
		return nil, fmt.Errorf("%s has programs that read their input, of which the sanitiser leaves functions alone; give no --sanitize", b.Name)
	case sanitized && b.kind == questions:
		return nil, fmt.Errorf("%s has answers that are no programs; give no --sanitize", b.Name)
	case sanitized:
		r.Sanitized = true
		whole := eval.SolutionOr(after(func(p eval.Problem) string { return p.Prompt + "\n" }))
		r.Assemble = func(ctx context.Context, p eval.Problem, s eval.Sample) (string, error) {
			text, err := whole(ctx, p, s)
			if err != nil {
				return "", err
			}
			return sanitize(ctx, text, p.EntryPoint)
		}
	case r.file != nil:
		r.Assemble = r.file
	}
	return r, nil
}

// RecipeHelp says of every recipe what it is for and how its harness samples, a
// line each.
func RecipeHelp() string {
	names := map[kind]string{code: "HumanEval(+)", textAndTests: "MBPP", docstring: "MBPP+", contest: "LiveCodeBench", questions: "questions"}
	var b strings.Builder
	for _, row := range recipes {
		var of []string
		for _, k := range row.kinds {
			of = append(of, names[k])
		}
		about := cmp.Or(row.Sampling, "for models that end their answers themselves")
		if row.Chat {
			about = "for models with a chat template"
		}
		fmt.Fprintf(&b, "%-13s %s: %s\n", row.Name, strings.Join(of, ", "), about)
	}
	return b.String()
}

// recipeNames are the recipes that problems of a kind have.
func recipeNames(k kind) []string {
	var names []string
	for _, row := range recipes {
		if slices.Contains(row.kinds, k) {
			names = append(names, row.Name)
		}
	}
	return names
}

// verbatim is the problem's own prompt.
func verbatim(p eval.Problem) string { return p.Prompt }

// stripped is the prompt without white space around it.
func stripped(p eval.Problem) string { return strip(p.Prompt) }

// strippedLine is stripped as a line of its own.
func strippedLine(p eval.Problem) string { return strip(p.Prompt) + "\n" }

// strip is Python's str.strip, which takes four control characters for white
// space that Go does not.
func strip(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f })
}

// after puts the completion after a prompt.
func after(prompt func(eval.Problem) string) eval.Assemble {
	return func(_ context.Context, p eval.Problem, s eval.Sample) (string, error) {
		return prompt(p) + s.Completion, nil
	}
}

// alone takes the completion for the whole program.
func alone(_ context.Context, _ eval.Problem, s eval.Sample) (string, error) {
	return s.Completion, nil
}

// trimmed is alone without white space around it.
func trimmed(_ context.Context, _ eval.Problem, s eval.Sample) (string, error) {
	return strip(s.Completion), nil
}

// fenced takes what stands between the last two lines with a code fence; nothing
// where there are fewer.
func fenced(_ context.Context, _ eval.Problem, s eval.Sample) (string, error) {
	lines := strings.Split(s.Completion, "\n")
	var fences []int
	for i, line := range lines {
		if strings.Contains(line, "```") {
			fences = append(fences, i)
		}
	}
	if len(fences) < 2 {
		return "", nil
	}
	from, to := fences[len(fences)-2], fences[len(fences)-1]
	return strings.Join(lines[from+1:to], "\n"), nil
}

// bindSanitizer lets EvalPlus's recipes take the program out of prompt and
// completion.
func bindSanitizer(r *Recipe, _ *Benchmark, sanitize Sanitizer) error {
	r.Assemble = func(ctx context.Context, p eval.Problem, s eval.Sample) (string, error) {
		return sanitize(ctx, r.Prompt(p)+s.Completion, p.EntryPoint)
	}
	return nil
}

// shotTasks are the tasks of MBPP whose solutions lm-eval shows before each
// question. They are of none of the splits but the one for prompts.
var shotTasks = []string{"2", "3", "4"}

// bindShots lets lm-eval's prompts begin with the solved tasks.
func bindShots(r *Recipe, b *Benchmark, _ Sanitizer) error {
	if len(b.shots) != len(shotTasks) {
		return fmt.Errorf("its prompts show tasks %s, and only %d of them are in the file", strings.Join(shotTasks, ", "), len(b.shots))
	}
	var shots strings.Builder
	for _, p := range b.shots {
		shots.WriteString(question(p) + p.CanonicalSolution + "\n[DONE]\n\n")
	}
	r.Prompt = func(p eval.Problem) string { return shots.String() + question(p) }
	return nil
}

// question asks for a task of MBPP in the words of its paper, with three tests.
func question(p eval.Problem) string {
	var text, prompt string
	var tests []string
	decode(p, map[string]any{"text": &text, "prompt": &prompt, "test_list": &tests})
	return "You are an expert Python programmer, and here is your task: " + cmp.Or(text, prompt) +
		" Your code should pass these tests:\n\n" + strings.Join(tests[:min(3, len(tests))], "\n") + "\n[BEGIN]\n"
}

// decode reads the keys that a recipe needs beyond a problem's fields, where they are. The
// types of these keys were checked when the file was read.
func decode(p eval.Problem, keys map[string]any) {
	values, err := jsontext.Object(p.Raw)
	for key, into := range keys {
		if value, ok := values[key]; ok && err == nil {
			err = jsontext.Unmarshal(value, into)
		}
	}
	if err != nil {
		panic(fmt.Sprintf("%s: %v", p.TaskID, err))
	}
}
