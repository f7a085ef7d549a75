package progress

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestEach: what takes a while is shown, what does not is not; an interrupt ends it.
func TestEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for each, want := range map[time.Duration]string{time.Millisecond: "", 5 * time.Second: "data: 3/3 0.3 lines/s, ETA 0s\ndata: 3 lines in 10s\n"} {
			var out strings.Builder
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			values := func(yield func(int, error) bool) {
				for i := range 3 {
					time.Sleep(each)
					if !yield(i, nil) {
						return
					}
				}
			}
			begin := func() *Bar { return New(&out, "data", "lines", 0, 3) }
			n := 0
			for v, err := range Each(ctx, values, begin) {
				if err != nil || v != n {
					t.Errorf("%d, %v", v, err)
				}
				n++
			}
			if n != 3 || out.String() != want {
				t.Errorf("%d values, %q; want %q", n, out.String(), want)
			}
			var last error
			for v, err := range Each(ctx, values, begin) {
				if last = err; v == 1 {
					stop()
				}
			}
			if !errors.Is(last, context.Canceled) {
				t.Errorf("ended with %v", last)
			}
		}
	})
}
