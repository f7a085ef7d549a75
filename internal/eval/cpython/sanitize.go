package cpython

import (
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"
)

// sanitizeTimeout bounds what the sanitiser takes on a machine that is busy.
// By itself it ends in seconds, whatever the text (MAX_PARSED in
// python/sanitize.py), so that its answer does not depend on the machine.
const sanitizeTimeout = 10 * time.Minute

// Sanitize cuts the program out of a model's answer as EvalPlus's sanitiser
// does: imports, and the definitions that the function entryPoint needs (all if
// it is empty). It parses with the Executor's CPython, in the sandbox. A text
// that ends the parser's process, as a very deep one may, stays as it is, and so
// does one that is no UTF-8.
func (x *Executor) Sanitize(ctx context.Context, text, entryPoint string) (string, error) {
	if !utf8.ValidString(text) {
		return text, nil
	}
	ctx, cancel := context.WithTimeout(ctx, sanitizeTimeout)
	defer cancel()
	problem, err := json.Marshal(entryPoint)
	if err != nil {
		return "", err
	}
	j, err := x.beginJob(ctx, 'S', order{Problem: string(problem), Program: text})
	if err != nil {
		return "", err
	}
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
