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
		"has printed": {true, func(ctx context.Context, g *Guard) error {
			g.Printed()
			<-ctx.Done()
			return ctx.Err()
		}, "interrupted; what was printed is incomplete"},
		"has printed, and says more": {true, func(ctx context.Context, g *Guard) error {
			g.Keeps("half")
			g.Printed()
			<-ctx.Done()
			return ctx.Err()
		}, "interrupted; half"},
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
			var waits bool
			g := &Guard{Waits: func() { waits = true }}
			if tt.interrupted {
				time.AfterFunc(50*time.Millisecond, cancel)
			}
			start := time.Now()
			err := g.Run(ctx, func() error { return tt.work(ctx, g) })
			if got := fmt.Sprint(err); got != tt.want && (err != nil || tt.want != "") {
				t.Errorf("%v; want %q", err, tt.want)
			}
			if waits != (name == "saves") {
				t.Errorf("it says that it waits: %t", waits)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestLeave: a part that ends has its own result, one that does not is left in time, and one
// that comes too late is not begun.
func TestLeave(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	own := errors.New("its own")
	if err := Leave(ctx, func() error { return own }); err != own {
		t.Errorf("%v, want its own", err)
	}
	ends := func() error {
		cancel()
		time.Sleep(10 * time.Millisecond)
		return nil
	}
	if err := Leave(ctx, ends); err != nil {
		t.Errorf("%v of a part that ends soon", err)
	}
	if err := Leave(ctx, func() error { panic("begun") }); err != context.Canceled {
		t.Errorf("%v of a part that comes too late", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	start := time.Now()
	forever := make(chan bool)
	stays := func() error {
		cancel()
		<-forever
		return nil
	}
	if err := Leave(ctx, stays); err != context.Canceled || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %s of a part that stays", err, time.Since(start))
	}
}
