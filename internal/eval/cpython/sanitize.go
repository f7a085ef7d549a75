package cpython

import (
	"context"
	"errors"
	"time"
)

// sanitizeTimeout bounds what the sanitiser takes on a machine that is busy.
// By itself it ends in seconds, whatever the text (MAX_PARSED in
// python/sanitize.py), so that its answer does not depend on the machine.
const sanitizeTimeout = 10 * time.Minute

// Sanitize cuts the program out of a model's answer as EvalPlus's sanitiser
// does: imports, and the definitions that the function entryPoint needs (all if
// it is empty). It parses with the Executor's CPython, in the sandbox. A text
// that ends the parser's process, as a very deep one may, stays as it is.
func (x *Executor) Sanitize(ctx context.Context, text, entryPoint string) (string, error) {
	problem := map[string]string{"entry_point": entryPoint}
	j, err := x.tester.begin(order{Grader: "sanitize", Problem: problem, Program: text}, nil)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, sanitizeTimeout)
	defer cancel()
	select {
	case <-ctx.Done():
		return "", errors.Join(context.Cause(ctx), j.end())
	case m := <-j.messages:
		if m.Text != nil {
			text = *m.Text
		}
		return text, j.end()
	}
}
