package progress

import (
	"context"
	"iter"
	"time"
)

// patience is how long work may take before it is shown.
const patience = time.Second

// Each is a sequence that is shown, by the bar that begin makes, once it takes a while. It ends
// with the error of ctx when that ends.
func Each[T any](ctx context.Context, values iter.Seq2[T, error], begin func() *Bar) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		n, start := 0, time.Now()
		var bar *Bar
		for v, err := range values {
			if err == nil {
				err = ctx.Err()
			}
			if !yield(v, err) || err != nil {
				return
			}
			if n++; bar == nil && time.Since(start) > patience {
				bar = begin()
			}
			if bar != nil {
				bar.Set(n, "")
			}
		}
		if bar != nil {
			bar.End("")
		}
	}
}
