package interrupt

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestGuard: work that ends by itself has its own result, what saves is waited for, and what
// does not notice is left in time.
func TestGuard(t *testing.T) {
	own := errors.New("its own")
	forever := make(chan bool)
	for name, tt := range map[string]struct {
		interrupted bool
		work        func(context.Context, *Guard) error
		want        string // "": none
	}{
		"undisturbed":                  {false, func(context.Context, *Guard) error { return nil }, ""},
		"fails":                        {false, func(context.Context, *Guard) error { return own }, "its own"},
		"cancels something of its own": {false, func(context.Context, *Guard) error { return context.Canceled }, "context canceled"},
		"notices": {true, func(ctx context.Context, _ *Guard) error {
			<-ctx.Done()
			return fmt.Errorf("x: %w", ctx.Err())
		}, "interrupted; nothing was written"},
		"notices and says more": {true, func(ctx context.Context, _ *Guard) error {
			<-ctx.Done()
			return own
		}, "its own"},
		"ends nevertheless": {true, func(ctx context.Context, _ *Guard) error {
			<-ctx.Done()
			return nil
		}, ""},
		"waits for input": {true, func(context.Context, *Guard) error {
			<-forever
			return nil
		}, "interrupted; nothing was written"},
		"has kept something": {true, func(_ context.Context, g *Guard) error {
			g.Keeps("half is kept")
			<-forever
			return nil
		}, "interrupted; half is kept"},
		"saves": {true, func(ctx context.Context, g *Guard) error {
			g.Saves()
			<-ctx.Done()
			time.Sleep(Patience + 200*time.Millisecond)
			return own
		}, "its own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			g := new(Guard)
			if tt.interrupted {
				time.AfterFunc(50*time.Millisecond, cancel)
			}
			start := time.Now()
			err := g.Run(ctx, func() error { return tt.work(ctx, g) })
			if got := fmt.Sprint(err); got != tt.want && (err != nil || tt.want != "") {
				t.Errorf("%v; want %q", err, tt.want)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
