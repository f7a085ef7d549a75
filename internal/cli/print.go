package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"nfcot/internal/eval/harness"
)

// printJSON writes v as one line of JSON to stdout.
func (e *env) printJSON(v any) error {
	out := json.NewEncoder(e.stdout)
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// A result is what a command found: an object of JSON, or text for people.
type result interface {
	WriteText(io.Writer) error
}

// print writes a result to stdout.
func (e *env) print(r result) error {
	if e.json {
		return e.printJSON(r)
	}
	return r.WriteText(e.stdout)
}

// printLines writes values to stdout, a line of JSON each.
func printLines[T any](e *env, values []T) error {
	for _, v := range values {
		if err := e.printJSON(v); err != nil {
			return err
		}
	}
	return nil
}

// printEvaluation writes what an evaluation found to stdout.
func (e *env) printEvaluation(x *harness.Evaluation, perProblem bool) error {
	if e.json {
		return e.printJSON(x)
	}
	if perProblem {
		if err := x.TaskTable().WriteText(e.stdout); err != nil {
			return err
		}
		fmt.Fprintln(e.stdout)
	}
	return x.Table().WriteText(e.stdout)
}
