// Package eval has programs run against tests, or answers compared with the right
// ones, and counts which ones pass. It knows problems, samples, verdicts, the order
// in which samples are judged, and the statistics of pass@k and maj@k. It does not
// judge a program or an answer itself: that is an Executor's work (packages starlark,
// cpython and answer). It knows neither models nor the files of an evaluation.
package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// A Format is the way in which a benchmark states its tests, and the harness
// whose verdicts an executor gives.
type Format string

// The formats. Each says what of a Problem holds its tests.
const (
	HumanEval     Format = ""              // Test
	MBPP          Format = "mbpp"          // Raw: test_list, with test_setup_code or test_imports
	EvalPlus      Format = "evalplus"      // Raw: base_input and plus_input, judged by CanonicalSolution's results
	LiveCodeBench Format = "livecodebench" // Raw: public_test_cases and private_test_cases
	Answers       Format = "answers"       // none: CanonicalSolution is the right answer, which others are compared with
)

// A Problem is one task of a benchmark. Its JSON is HumanEval's own format.
type Problem struct {
	TaskID            string `json:"task_id"`
	Prompt            string `json:"prompt"`             // the beginning of the program; a completion continues it
	EntryPoint        string `json:"entry_point"`        // the function the program must define
	CanonicalSolution string `json:"canonical_solution"` // a completion that passes
	Test              string `json:"test"`               // source of a module that defines check(candidate)

	Choices []string `json:"choices,omitempty"` // of a question with answers to choose from, A first

	Format Format          `json:"-"`
	Raw    json.RawMessage `json:"-"` // the benchmark's line as it is: CPython reads it, since no number of it may go through float64
}

// A Kind is the way a program's run ended.
type Kind string

// The kinds of result. Failed and Crashed come with a detail.
const (
	Passed      Kind = "passed"
	Failed      Kind = "failed"
	TimedOut    Kind = "timed out"
	OutOfMemory Kind = "out of memory"
	Crashed     Kind = "crashed"
)

// Kinds are all kinds, in the order in which tables have them.
var Kinds = []Kind{Passed, Failed, TimedOut, OutOfMemory, Crashed}

// KindOf is the kind of a verdict's result: the text before the first colon.
func KindOf(result string) Kind {
	kind, _, _ := strings.Cut(result, ":")
	return Kind(kind)
}

// An Outcome is what an Executor says of one program, or of one answer.
type Outcome struct {
	Kind       Kind
	Detail     string  // one line, for Failed and Crashed
	Seconds    float64 // wall-clock time of the run
	CPUSeconds float64 // processor time of the candidate and its test, 0 if not known
	PeakMemory int64   // bytes that the candidate held at most, 0 if not known

	// Base and Plus are the results for EvalPlus's base and additional inputs
	// alone, empty in other formats. A program passes with both.
	Base, Plus string

	// InProcess says that candidate and test shared a process, because the
	// problem's own solution passes in no other way: such a result could be forged.
	InProcess bool

	// OwnSolution is the result of the problem's own solution where it does not
	// pass either, whether candidate and test share a process or not: the test may be
	// to blame rather than the program. Empty where it passes, or was not asked for.
	OwnSolution string

	// MissingPackage names the package that the program imports and that is not
	// there, if that is why it failed; empty otherwise.
	MissingPackage string

	// Answer is what was compared with the right answer, in the form in which equal
	// answers are equal texts. Empty where no program is to be compared, or nothing
	// was found that could be.
	Answer string

	// WallClock says that the run ended for the wall-clock time that it took, and not
	// for processor time, so that a busy machine may be to blame rather than the program.
	WallClock bool
}

// Result is the outcome as a verdict states it: the kind, and for Failed and
// Crashed the detail after a colon.
func (o Outcome) Result() string {
	if o.Kind == Failed || o.Kind == Crashed {
		return string(o.Kind) + ": " + o.Detail
	}
	return string(o.Kind)
}

// An Executor runs a program against its problem's test, under limits of its own, or
// compares an answer with its problem's. The error is for an executor that could not do its
// work, or a context that ended; whatever the program does is an Outcome. Execute may be
// called from several goroutines at once.
type Executor interface {
	Execute(ctx context.Context, p Problem, program string) (Outcome, error)
}

// An Assemble makes the program out of a problem and a sample: a recipe's last
// step.
type Assemble func(ctx context.Context, p Problem, s Sample) (program string, err error)

// SolutionOr is an Assemble that takes a sample's solution, which is a whole
// program, as it is, and asks another one about samples with a completion.
func SolutionOr(assemble Assemble) Assemble {
	return func(ctx context.Context, p Problem, s Sample) (string, error) {
		if s.Solution != nil {
			return *s.Solution, nil
		}
		return assemble(ctx, p, s)
	}
}

// Concatenate is HumanEval's Assemble: the completion continues the prompt.
var Concatenate = SolutionOr(func(_ context.Context, p Problem, s Sample) (string, error) {
	return p.Prompt + s.Completion, nil
})

// Memoize is an Assemble that asks another one once for equal samples of a
// problem: EvalPlus's asks a process.
func Memoize(assemble Assemble) Assemble {
	type key struct {
		task, text string
		whole      bool // a solution
	}
	var programs sync.Map
	return func(ctx context.Context, p Problem, s Sample) (string, error) {
		k := key{p.TaskID, s.Completion, false}
		if s.Solution != nil {
			k.text, k.whole = *s.Solution, true
		}
		if program, ok := programs.Load(k); ok {
			return program.(string), nil
		}
		program, err := assemble(ctx, p, s)
		if err == nil {
			programs.Store(k, program)
		}
		return program, err
	}
}

// MaxDetail bounds the detail of an outcome, in characters before escaping.
const MaxDetail = 300

// OneLine makes untrusted text fit for a verdict: at most MaxDetail
// characters, with everything unprintable (line breaks and invalid UTF-8 too)
// escaped as in a Go string.
func OneLine(text string) string {
	var out strings.Builder
	for count := 0; text != ""; count++ {
		if count == MaxDetail {
			out.WriteString("...")
			break
		}
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case unicode.IsPrint(r):
			out.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return out.String()
}
