package minicode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"nfcot/internal/cot"
)

// The tests of this file run programs, and hold them against a second reading
// of the prompt that shares no code with the package.

// execute runs a program's tests in Starlark, whose missing assert statement
// becomes a call.
func execute(ex cot.Example) error {
	test := regexp.MustCompile(`(?m)^    assert (.*)$`).ReplaceAllString(ex.Test, "    require($1)")
	require := func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		if args[0] != starlark.True {
			return nil, fmt.Errorf("assertion failed")
		}
		return starlark.None, nil
	}
	_, err := starlark.ExecFileOptions(&syntax.FileOptions{}, new(starlark.Thread), ex.TaskID,
		ex.Prompt+ex.Answer+"\n"+test+"\ncheck("+ex.EntryPoint+")\n",
		starlark.StringDict{"require": starlark.NewBuiltin("require", require)})
	return err
}

func TestAnswersPassTheirTests(t *testing.T) {
	for _, s := range everySpec() {
		for _, split := range splits {
			for _, ex := range examples(t, s, split, 11, 60) {
				if err := execute(ex); err != nil {
					t.Fatalf("%s: %v\n%s%s%s", ex.TaskID, err, ex.Prompt, ex.Answer, ex.Test)
				}
			}
		}
	}
}

// Every constant of an answer matters: with any of them changed the test fails.
func TestWrongAnswersFail(t *testing.T) {
	for _, s := range everySpec() {
		_, sc := lookup(s.Families[0], s.Level)
		for _, ex := range examples(t, s, "test", 12, 30) {
			body, modulus, _ := strings.Cut(ex.Answer, "%")
			places := regexp.MustCompile(`\d+`).FindAllStringIndex(body, -1)
			for _, place := range places {
				wrong := ex
				for shift := 1; shift < sc.size; shift++ {
					value := (number(body[place[0]:place[1]]) + shift) % sc.size
					wrong.Answer = body[:place[0]] + strconv.Itoa(value) + body[place[1]:]
					if modulus != "" {
						wrong.Answer += "%" + modulus
					}
					if execute(wrong) == nil {
						t.Fatalf("%s: %q passes, the answer is %q", ex.TaskID, wrong.Answer, ex.Answer)
					}
				}
			}
			if len(places) < 2 {
				t.Fatalf("%s: constants not found in %q", ex.TaskID, ex.Answer)
			}
		}
	}
}

// python runs programs that come as a JSON list and prints those that fail.
const python = `
import json, sys
for i, program in enumerate(json.load(sys.stdin)):
    try:
        exec(program, {})
    except BaseException as error:
        print(i, repr(error))
`

func TestPython(t *testing.T) {
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 on the PATH")
	}
	var programs []string
	var failing []string
	for _, s := range everySpec() {
		for _, ex := range examples(t, s, "test", 13, 25) {
			call := "\n" + ex.Test + "\ncheck(" + ex.EntryPoint + ")\n"
			programs = append(programs, ex.Prompt+ex.Answer+call)
		}
		// One wrong program each shows that the verdicts are real.
		ex := examples(t, s, "test", 13, 2)
		if ex[0].Answer == ex[1].Answer {
			t.Fatalf("%s: choose a seed whose first two answers differ", s)
		}
		failing = append(failing, fmt.Sprint(len(programs), " AssertionError()"))
		programs = append(programs, ex[0].Prompt+ex[1].Answer+"\n"+ex[0].Test+"\ncheck(f)\n")
	}
	input, err := json.Marshal(programs)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, "-c", python)
	command.Stdin = bytes.NewReader(input)
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSpace(string(output)), "\n"); !slices.Equal(got, failing) {
		t.Errorf("python3: failing programs %q, want %q", got, failing)
	}
}

// Every line of every chain is right, and the last one is the answer.
func TestChains(t *testing.T) {
	check := map[string]func(*testing.T, cot.Example, reading){
		"fold": checkFold, "shuffle": checkShuffle, "trace": checkTrace, "rule": checkRule, "story": checkStory,
	}
	for _, s := range everySpec() {
		for _, ex := range examples(t, s, "dev", 14, 150) {
			check[s.Families[0]](t, ex, read(ex))
			if t.Failed() {
				t.Fatalf("%s:\n%s%s\n%s", ex.TaskID, ex.Prompt, ex.CoT, ex.Answer)
			}
		}
	}
}

// A reading is what a person would see in a problem and its chain of thought.
type reading struct {
	title   []int    // the numbers of the docstring's sentence
	steps   []string // the docstring's lines without their numbers
	visited []string // the steps in the order in which the chain takes them
	results []string // of the chain's lines
	forward bool
}

func read(ex cot.Example) reading {
	var r reading
	doc := strings.Split(strings.Split(ex.Prompt, `"""`)[1], "\n")
	r.title = numbers(doc[0])
	for _, line := range doc[1 : len(doc)-1] {
		r.steps = append(r.steps, regexp.MustCompile(`^    (\d+\) )?`).ReplaceAllString(line, ""))
	}
	chain := strings.Split(ex.CoT, "\n")
	r.forward = chain[0] == "plan first to last"
	for _, line := range chain[1:] {
		before, after, _ := strings.Cut(line, " -> ")
		r.visited = append(r.visited, regexp.MustCompile(`^\d+\) `).ReplaceAllString(before, ""))
		r.results = append(r.results, after)
	}
	return r
}

// checkVisits requires the chain to number the steps as the prompt does and to
// take each once, in the announced order; it returns the steps of the first k
// lines, in the order of the prompt, for every k.
func (r reading) checkVisits(t *testing.T, ex cot.Example) [][]string {
	var prefixes [][]string
	var want []string
	for k := range r.steps {
		i := k
		if !r.forward {
			i = len(r.steps) - 1 - k
		}
		want = append(want, fmt.Sprintf("%d) %s", i+1, r.steps[i]))
		if r.forward {
			prefixes = append(prefixes, r.steps[:k+1])
		} else {
			prefixes = append(prefixes, r.steps[i:])
		}
	}
	var got []string
	for _, line := range strings.Split(ex.CoT, "\n")[1:] {
		got = append(got, strings.Split(line, " -> ")[0])
	}
	if !slices.Equal(got, want) {
		t.Errorf("chain visits %q, want %q", got, want)
	}
	return prefixes
}

func checkFold(t *testing.T, ex cot.Example, r reading) {
	m := r.title[0]
	for k, steps := range r.checkVisits(t, ex) {
		ab := numbers(r.results[k])
		for x := range m {
			y := x
			for _, step := range steps {
				word, operand, _ := strings.Cut(step, " ")
				switch c := number(operand); word {
				case "times":
					y *= c
				case "plus":
					y += c
				case "minus":
					y -= c
				default:
					t.Errorf("step %q", step)
				}
			}
			if (x*ab[0]+ab[1]-y)%m != 0 {
				t.Errorf("line %d is wrong for x = %d", k+1, x)
			}
		}
	}
	checkAnswer(t, ex, append(numbers(last(r.results)), m))
}

// meanings say by which words a person knows what a sentence of a story tells.
var meanings = map[string]*regexp.Regexp{
	"plus":  regexp.MustCompile(`forward|goes on by|further on|ahead`),
	"minus": regexp.MustCompile(`back|behind`),
	"times": regexp.MustCompile(`times`),
}

// checkStory takes a story for the fold that a person reads in it.
func checkStory(t *testing.T, ex cot.Example, r reading) {
	for i, sentence := range r.steps {
		found := 0
		for word, meaning := range meanings {
			if meaning.MatchString(sentence) {
				r.steps[i] = fmt.Sprint(word, " ", numbers(sentence)[0])
				found++
			}
		}
		if found != 1 {
			t.Errorf("%q can be read in %d ways", sentence, found)
		}
	}
	checkFold(t, ex, r)
}

func checkShuffle(t *testing.T, ex cot.Example, r reading) {
	n := r.title[0]
	for k, steps := range r.checkVisits(t, ex) {
		var list []int
		for i := range n {
			list = append(list, i)
		}
		for _, step := range steps {
			list = move(list, strings.Fields(step))
		}
		if got := numbers(r.results[k]); !slices.Equal(got, list) {
			t.Errorf("line %d: %v, want %v", k+1, got, list)
		}
	}
	checkAnswer(t, ex, numbers(last(r.results)))
}

// move follows one instruction of shuffle literally.
func move(list []int, words []string) []int {
	list = slices.Clone(list)
	k := number(words[2])
	switch words[0] + " " + words[1] {
	case "rotate left":
		for range k {
			list = append(list[1:], list[0])
		}
	case "rotate right":
		for range k {
			list = slices.Insert(list[:len(list)-1], 0, list[len(list)-1])
		}
	case "reverse 0":
		for i := range (k + 1) / 2 {
			list[i], list[k-i] = list[k-i], list[i]
		}
	default:
		i := number(words[1])
		list[i], list[k] = list[k], list[i]
	}
	return list
}

func checkTrace(t *testing.T, ex cot.Example, r reading) {
	m := r.title[0]
	state := map[string]int{"a": r.title[1], "b": r.title[2]}
	for k := range r.checkVisits(t, ex) {
		words := strings.Fields(r.steps[k])
		operand, isRegister := state[words[2]]
		if !isRegister {
			operand = number(words[2])
		}
		switch words[1] {
		case "+=":
			state[words[0]] += operand
		case "-=":
			state[words[0]] += m - operand
		case "*=":
			state[words[0]] *= operand
		default:
			t.Errorf("step %q", r.steps[k])
		}
		state[words[0]] %= m
		if want := fmt.Sprintf("a %d b %d", state["a"], state["b"]); r.results[k] != want {
			t.Errorf("line %d: %s, want %s", k+1, r.results[k], want)
		}
	}
	checkAnswer(t, ex, []int{state["a"], state["b"], m})
}

func checkRule(t *testing.T, ex cot.Example, r reading) {
	m := r.title[0]
	var values [][]int // x, f(x)
	for _, line := range r.steps {
		values = append(values, numbers(line))
	}
	fits := func(ab []int, xy []int) bool { return (ab[0]*xy[0]+ab[1]-xy[1])%m == 0 }
	var solutions [][]int
	for a := range m {
		for b := range m {
			if ab := []int{a, b}; fits(ab, values[0]) && fits(ab, values[1]) && fits(ab, values[2]) {
				solutions = append(solutions, ab)
			}
		}
	}
	if len(solutions) != 1 {
		t.Fatalf("%s: %d solutions", ex.TaskID, len(solutions))
	}
	var candidate []int
	for k, formula := range r.visited {
		previous := candidate
		candidate = numbers(formula)
		if k > 0 && (candidate[0] > previous[0]) != r.forward {
			t.Errorf("line %d is out of order", k+1)
		}
		if !fits(candidate, values[0]) {
			t.Errorf("line %d contradicts the first value", k+1)
		}
		found := slices.Equal(candidate, solutions[0])
		want := fmt.Sprint((candidate[0]*values[1][0]+candidate[1])%m, map[bool]string{false: " no", true: " yes"}[found])
		if r.results[k] != want || found != (k == len(r.visited)-1) {
			t.Errorf("line %d: %q, want %q", k+1, r.results[k], want)
		}
	}
	checkAnswer(t, ex, append(candidate, m))
}

// checkAnswer requires the answer's constants to be those found.
func checkAnswer(t *testing.T, ex cot.Example, want []int) {
	if got := numbers(ex.Answer); !slices.Equal(got, want) {
		t.Errorf("answer has %v, want %v", got, want)
	}
}

// numbers returns the numbers in a text, in order.
func numbers(text string) []int {
	var list []int
	for _, digits := range regexp.MustCompile(`\d+`).FindAllString(text, -1) {
		list = append(list, number(digits))
	}
	return list
}

// number reads digits; a mistake gives -1, which no problem holds.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n
}

func last[T any](list []T) T { return list[len(list)-1] }
