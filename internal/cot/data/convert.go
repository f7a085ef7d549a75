package data

import (
	"context"
	"encoding/json"
	"iter"

	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/cot"
)

// Own are the examples of a reader as a file in nfcot's own shape has them, until ctx ends.
func Own(ctx context.Context, r *Reader) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for ex, err := range r.Examples() {
			if err == nil {
				err = ctx.Err()
			}
			if !yield(lineOf(ex), err) || err != nil {
				return
			}
		}
	}
}

// lineOf is what is written of an example: of a conversation its name and messages alone, as
// they are.
func lineOf(ex cot.Example) any {
	if ex.Messages == "" {
		return ex
	}
	line := []byte(`{"messages":`)
	if ex.TaskID != "" {
		line = append(append([]byte(`{"task_id":`), jsontext.Quote(ex.TaskID)...), `,"messages":`...)
	}
	return json.RawMessage(append(append(line, ex.Messages...), '}'))
}
