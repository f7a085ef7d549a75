package bench

// This file has benchmarks whose answers are compared: how they are read, asked and judged.

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/eval"
	"nfcot/internal/eval/answer"
)

// Questions is a benchmark of questions that were made, whose answers a rule compares.
func Questions(name string, rule answer.Rule, problems ...eval.Problem) *Benchmark {
	return &Benchmark{Name: name, Problems: problems, Rule: rule, kind: questions, DefaultRecipe: defaultRecipe(questions, eval.Answers)}
}

// CompareBy sets the rule by which answers are compared to that of a name, or leaves it at
// the benchmark's own for the empty name. It fails where the problems want programs, where
// they have no rule of their own, and for a problem whose own answer the rule does not read.
func (b *Benchmark) CompareBy(name string) error {
	switch {
	case b.kind != questions && name != "":
		return fmt.Errorf("--judge %s compares answers, and the problems of %s want programs", name, b.Name)
	case b.kind != questions:
		return nil
	case name == "" && b.Rule == "":
		return fmt.Errorf("%s has questions with answers; say with --judge how they are compared: %s", b.Name, answer.Help())
	case name != "":
		rule, err := answer.ParseRule(name)
		if err != nil {
			return fmt.Errorf("--judge: %w", err)
		}
		b.Rule = rule
	}
	for _, p := range b.Problems {
		if _, err := b.Rule.Right(p); err != nil {
			return fmt.Errorf("%s: %w", cmp.Or(b.where[p.TaskID], p.TaskID), err)
		}
	}
	return nil
}

// Answer is the right answer to a problem as a model is to give it: its canonical solution; of one
// that is worked out, as GSM8K's, what the rule finds behind ####.
func (b *Benchmark) Answer(p eval.Problem) string {
	if b.kind == questions && strings.Contains(p.CanonicalSolution, "####") {
		if right, err := b.Rule.Right(p); err == nil {
			return right
		}
	}
	return p.CanonicalSolution
}

// task names question i of a set, counted from 0; those of other files by their numbers.
func (s set) task(i int) string {
	if s.source == "" {
		return strconv.Itoa(i)
	}
	return s.name + "/" + strconv.Itoa(i)
}

// records are those of a file of the set.
func (s set) records(file string) iter.Seq2[ckpt.Record, error] {
	if strings.HasSuffix(s.file, ".txt") {
		return chains(file)
	}
	return ckpt.Records(file)
}

// chains reads lines `question||chain #### answer`, in which implicit chain of thought has
// its data, as records.
func chains(file string) iter.Seq2[ckpt.Record, error] {
	return func(yield func(ckpt.Record, error) bool) {
		in, err := ckpt.OpenText(file)
		if err != nil {
			yield(ckpt.Record{}, err)
			return
		}
		defer in.Close()
		number := 0
		for line, err := range in.Lines() {
			number++
			if err == nil && strings.TrimSpace(line) == "" {
				continue
			}
			r := ckpt.Record{Where: fmt.Sprintf("%s:%d", file, number)}
			ask, rest, ok := strings.Cut(line, "||")
			mark := strings.LastIndex(rest, "####")
			switch {
			case err != nil:
			case !ok || mark < 0:
				err = fmt.Errorf("%s: found %.60q, expected a line question||chain #### answer", r.Where, line)
			default:
				r.Text, err = jsontext.Marshal(struct {
					Question string `json:"question"`
					Answer   string `json:"answer"`
				}{strings.TrimSpace(ask), strings.TrimSpace(rest[mark+len("####"):])})
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// answered reads a question under the key "question" or "prompt" and its right answer, a
// text or a number. Of a question with choices the right one may be their text, a letter or
// a number, counted from 0. What tables write for what is missing, null, is nothing.
func answered(f *fields) eval.Problem {
	for _, key := range []string{"prompt", "task_id", "choices"} {
		if string(f.values[key]) == "null" {
			delete(f.values, key)
		}
	}
	p := eval.Problem{Format: eval.Answers, Prompt: f.optional("prompt")}
	if f.values["prompt"] == nil {
		p.Prompt = f.text("question")
	}
	if f.values["task_id"] != nil {
		p.TaskID = f.name("task_id")
	}
	if f.values["choices"] != nil {
		p.Choices = f.texts("choices")
		if n := len(p.Choices); f.err == nil && (n < 2 || n > 26 || len(slices.Compact(slices.Sorted(slices.Values(p.Choices)))) < n) {
			f.err = errors.New(`key "choices": expected 2 to 26 different texts`)
		}
	}
	number := f.values["answer"]
	isNumber := len(number) > 0 && strings.IndexByte("-0123456789", number[0]) >= 0
	i := 0
	switch {
	case isNumber && p.Choices != nil && jsontext.Unmarshal(number, &i) == nil:
		if i < 0 || i >= len(p.Choices) {
			f.err = cmp.Or(f.err, fmt.Errorf(`key "answer": found %d, expected the number of one of the %d choices, counted from 0`, i, len(p.Choices)))
		}
		p.CanonicalSolution = answer.Letter(i)
	case isNumber:
		p.CanonicalSolution = string(number)
	default:
		p.CanonicalSolution = f.text("answer")
	}
	if f.err == nil && p.Prompt == "" {
		f.err = errors.New("the question is empty")
	}
	return p
}

// withChoices is the question and, where it has them, its choices, each with its letter.
func withChoices(p eval.Problem) string {
	text := p.Prompt
	for i, c := range p.Choices {
		text += "\n" + answer.Letter(i) + ". " + c
	}
	return text
}

// questionAndAnswer asks as lm-evaluation-harness does without examples.
func questionAndAnswer(p eval.Problem) string { return "Question: " + withChoices(p) + "\nAnswer:" }
