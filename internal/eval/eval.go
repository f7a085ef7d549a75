// Package eval runs programs against tests and counts which ones pass. It
// knows problems, samples, verdicts, how to run a program where it can do no
// harm, and the statistics of pass@k. It knows nothing of models: what it
// judges comes from files, and its verdicts go to files.
package eval

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Problem is one task of a benchmark, in HumanEval's own format.
type Problem struct {
	TaskID            string `json:"task_id"`
	Prompt            string `json:"prompt"`             // the beginning of the program; a completion continues it
	EntryPoint        string `json:"entry_point"`        // the function the program must define
	CanonicalSolution string `json:"canonical_solution"` // a completion that passes
	Test              string `json:"test"`               // source of a module that defines check(candidate)
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

// KindOf is the kind of a verdict's result: the text before the first colon.
func KindOf(result string) Kind {
	kind, _, _ := strings.Cut(result, ":")
	return Kind(kind)
}

// An Outcome is what an Executor says of one program.
type Outcome struct {
	Kind    Kind
	Detail  string  // one line, for Failed and Crashed
	Seconds float64 // wall-clock time of the run

	// WallClock says that the wall clock ended the run, so that a busy
	// machine may be to blame rather than the program.
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

// An Executor runs the program Prompt+completion against its problem's test,
// under limits of its own. The error is for an executor that could not do its
// work, or a context that ended; whatever the program does is an Outcome.
// Execute may be called from several goroutines at once.
type Executor interface {
	Execute(ctx context.Context, p Problem, completion string) (Outcome, error)
}

// maxDetail bounds the detail of an outcome, in characters before escaping.
const maxDetail = 300

// oneLine makes untrusted text fit for a verdict: at most maxDetail
// characters, with everything unprintable (line breaks and invalid UTF-8 too)
// escaped as in a Go string.
func oneLine(text string) string {
	var out strings.Builder
	for count := 0; text != ""; count++ {
		if count == maxDetail {
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
