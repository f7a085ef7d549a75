package data

import (
	"context"
	"encoding/json"
	"iter"

	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/cot"
)

// Own are the examples of a reader as a file in nfcot's own shape has them. When ctx ends, its
// error comes at once, also while the reader waits for its input. The reader's counts are to
// be read after the end.
func Own(ctx context.Context, r *Reader) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		type result struct {
			ex  cot.Example
			err error
		}
		results, done := make(chan result, 8), make(chan struct{})
		defer close(done)
		go func() {
			defer close(results)
			for ex, err := range r.Examples() {
				select {
				case results <- result{ex, err}:
				case <-done:
					return
				}
			}
		}()
		for {
			select {
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			case x, more := <-results:
				if !more || !yield(lineOf(x.ex), x.err) || x.err != nil {
					return
				}
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
