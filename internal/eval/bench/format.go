package bench

// This file tells the benchmarks' formats by their keys, and reads problems.

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/eval"
)

// A kind of problem is what recipes tell apart: how a problem is stated.
type kind int

const (
	code         kind = iota // the beginning of a program: HumanEval, HumanEval+
	docstring                // a task and an assert in a docstring: MBPP+
	textAndTests             // a task in words and asserts: MBPP
	contest                  // a contest's question: LiveCodeBench
	questions                // a question with an answer: GSM8K, ProsQA, multiplication
)

// A layout is a format of problem files: a record of it has all of the keys, and
// the first of them is in no other format before it in layouts, unless there is one
// more key.
type layout struct {
	name   string
	keys   []string
	unless string
	build  func(*fields) eval.Problem
}

// layouts are the formats, in the order in which they are tried.
var layouts = []layout{
	{"EvalPlus's", []string{"base_input", "plus_input", "task_id", "prompt", "entry_point", "canonical_solution", "atol"}, "", evalPlus},
	{"LiveCodeBench's", []string{"question_content", "question_id", "starter_code", "public_test_cases", "private_test_cases", "metadata"}, "", liveCodeBench},
	{"MBPP's", []string{"test_list", "task_id", "code"}, "", mbpp},
	{"questions'", []string{"answer"}, "test", answered}, // minicode's examples have answers, too
	{"HumanEval's", []string{"prompt", "task_id"}, "", humanEval},
}

// formatName is what errors call a format.
func formatName(f eval.Format) string {
	return map[eval.Format]string{eval.HumanEval: "HumanEval's format", eval.EvalPlus: "EvalPlus's format", eval.MBPP: "MBPP's format", eval.LiveCodeBench: "LiveCodeBench's format",
		eval.Answers: "questions with answers"}[f]
}

// read reads the problems of a set from files that are all in one format.
func read(s set, files ...string) (*Benchmark, error) {
	b := &Benchmark{Name: s.name, Rule: s.rule, where: map[string]string{}}
	var l layout
	for _, file := range files {
		for r, err := range s.records(file) {
			if err != nil {
				return nil, err
			}
			f, err := fieldsOf(r)
			if err == nil && l.name == "" {
				l, err = layoutOf(f.values)
			}
			var p eval.Problem
			if err == nil {
				p, err = l.problem(f, s.task(len(b.Problems)))
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.Where, err)
			}
			if first, ok := b.where[p.TaskID]; ok {
				return nil, fmt.Errorf("%s: task %q was in %s already", r.Where, p.TaskID, first)
			}
			b.where[p.TaskID] = r.Where
			b.Problems = append(b.Problems, p)
		}
		if len(b.Problems) == 0 {
			return nil, fmt.Errorf("%s: found no problem", file)
		}
	}
	b.kind = kindOf(b.Problems[0])
	b.DefaultRecipe = defaultRecipe(b.kind, b.Problems[0].Format)
	if b.kind == textAndTests {
		for _, p := range b.Problems {
			if slices.Contains(shotTasks, p.TaskID) {
				b.shots = append(b.shots, p)
			}
		}
	}
	return b, nil
}

// kindOf is how a problem, and all others of its file, is stated.
func kindOf(p eval.Problem) kind {
	switch {
	case p.Format == eval.LiveCodeBench:
		return contest
	case p.Format == eval.Answers:
		return questions
	case p.Format == eval.MBPP || p.Format == eval.HumanEval && hasKey(p.Raw, "test_list"):
		return textAndTests
	case p.Format == eval.EvalPlus && strings.HasPrefix(p.TaskID, "Mbpp/"):
		return docstring
	}
	return code
}

func hasKey(object json.RawMessage, key string) bool {
	values, err := jsontext.Object(object)
	return err == nil && values[key] != nil
}

func layoutOf(values map[string]json.RawMessage) (layout, error) {
	for _, l := range layouts {
		if values[l.keys[0]] != nil && (l.unless == "" || values[l.unless] == nil) {
			return l, nil
		}
	}
	var expected []string
	for _, l := range slices.Backward(layouts) {
		expected = append(expected, fmt.Sprintf("%s (%s)", l.name, strings.Join(l.keys, ", ")))
	}
	found := slices.Sorted(maps.Keys(values))
	if len(found) > 12 {
		found = append(found[:12], "...")
	}
	return layout{}, fmt.Errorf("found the keys %s; expected the format %s", strings.Join(found, ", "), strings.Join(expected, " or "))
}

// problem makes the problem of a record; of a question without a name it is the task given.
func (l layout) problem(f *fields, task string) (eval.Problem, error) {
	for _, key := range l.keys {
		if _, ok := f.values[key]; !ok {
			return eval.Problem{}, fmt.Errorf("key %q is missing, expected %s format (%s)", key, l.name, strings.Join(l.keys, ", "))
		}
	}
	p := l.build(f)
	if p.Format == eval.Answers {
		p.TaskID = cmp.Or(p.TaskID, task)
	}
	if f.err == nil && p.TaskID == "" {
		f.err = errors.New("the name of the task is empty")
	}
	p.Raw = f.raw
	return p, f.err
}

func humanEval(f *fields) eval.Problem {
	return eval.Problem{TaskID: f.text("task_id"), Prompt: f.text("prompt"), EntryPoint: f.optional("entry_point"),
		CanonicalSolution: f.optional("canonical_solution"), Test: f.optional("test")}
}

func evalPlus(f *fields) eval.Problem {
	f.is("base_input", "[{", "an array") // an empty one is an object in some files
	f.is("plus_input", "[{", "an array")
	return eval.Problem{Format: eval.EvalPlus, TaskID: f.text("task_id"), Prompt: f.text("prompt"), EntryPoint: f.text("entry_point"),
		CanonicalSolution: f.text("canonical_solution")}
}

func liveCodeBench(f *fields) eval.Problem {
	for _, key := range []string{"public_test_cases", "private_test_cases", "metadata"} {
		f.is(key, `"`, "a string")
	}
	f.text("question_content")
	f.text("starter_code")
	return eval.Problem{Format: eval.LiveCodeBench, TaskID: f.name("question_id")}
}

// mbpp reads MBPP's two forms (text and test_setup_code, or prompt and
// test_imports), and EvalPlus's OriginFmt of MBPP+, where a test that calls the
// function by its name comes in addition. The prompt is a docstring as the
// bigcode harness makes it, which a program may begin with.
func mbpp(f *fields) eval.Problem {
	text := f.optional("prompt")
	if _, ok := f.values["prompt"]; !ok {
		text = f.text("text")
	}
	f.optional("text")
	f.optional("test_setup_code")
	if _, ok := f.values["test_imports"]; ok {
		f.texts("test_imports")
	}
	tests := f.texts("test_list")
	if f.err == nil && len(tests) == 0 {
		f.err = errors.New(`key "test_list": found an empty array, expected asserts`)
	}
	if f.err != nil {
		return eval.Problem{}
	}
	p := eval.Problem{Format: eval.MBPP, TaskID: f.name("task_id"), CanonicalSolution: f.text("code"),
		Prompt: "\"\"\"\n" + text + "\n" + tests[0] + "\n\"\"\"\n"}
	if _, ok := f.values["test"]; ok {
		p.Format, p.EntryPoint, p.Test = eval.HumanEval, f.calledBy("test"), checkOf(f.text("test"), f.calledBy("test"))
	}
	return p
}

// calls finds the function that a test of MBPP+'s OriginFmt calls in its last line.
var calls = regexp.MustCompile(`assertion\((\w+)\(\*inp\)`)

func (f *fields) calledBy(key string) string {
	found := calls.FindAllStringSubmatch(f.text(key), -1)
	if found == nil && f.err == nil {
		f.err = fmt.Errorf("key %q: found no assertion(NAME(*inp), ...), expected the format of EvalPlus's OriginFmt", key)
	}
	if f.err != nil {
		return ""
	}
	return found[len(found)-1][1]
}

// checkOf makes a check of a test that calls the function by its name.
func checkOf(test, function string) string {
	return "def check(candidate):\n    exec(" + strconv.Quote(test) + ", {" + strconv.Quote(function) + ": candidate})\n"
}

// fields are the keys of one record. What reads them remembers the first error.
type fields struct {
	raw    json.RawMessage
	values map[string]json.RawMessage
	err    error
}

func fieldsOf(r ckpt.Record) (*fields, error) {
	values, err := jsontext.Object(r.Text)
	return &fields{raw: r.Text, values: values}, err
}

// is checks the first character of a value, which tells its type.
func (f *fields) is(key, first, expected string) {
	if v := f.values[key]; f.err == nil && !strings.Contains(first, string(v[0])) {
		f.err = fmt.Errorf("key %q: found %s, expected %s", key, jsontext.Kind(v), expected)
	}
}

// into decodes a value.
func (f *fields) into(key string, v any, expected string) {
	value, ok := f.values[key]
	switch {
	case f.err != nil:
	case !ok:
		f.err = fmt.Errorf("key %q is missing, expected %s", key, expected)
	case jsontext.Lone(value) != "":
		f.err = fmt.Errorf("key %q: %w", key, jsontext.Check(value))
	default:
		err, found := jsontext.Unmarshal(value, v), jsontext.Kind(value)
		if err == nil && found != "null" {
			return
		}
		f.err = fmt.Errorf("key %q: found %s, expected %s", key, found, expected)
		if found == "an array" && err != nil { // of what, the element says that is wrong
			f.err = fmt.Errorf("%w (%w)", f.err, err)
		}
	}
}

func (f *fields) text(key string) string {
	var s string
	f.into(key, &s, "a string")
	return s
}

// optional is a string that may be missing.
func (f *fields) optional(key string) string {
	if _, ok := f.values[key]; !ok {
		return ""
	}
	return f.text(key)
}

func (f *fields) texts(key string) []string {
	var s []string
	f.into(key, &s, "an array of strings")
	return s
}

// name is a string, or a number that serves as a name.
func (f *fields) name(key string) string {
	if n := uint64(0); jsontext.Unmarshal(f.values[key], &n) == nil && f.values[key][0] != 'n' {
		return strconv.FormatUint(n, 10)
	}
	var s string
	f.into(key, &s, "a string or a whole number")
	return s
}
