// Package interrupt ends work that an interrupt finds waiting for input, or computing, and
// that would take long to notice.
package interrupt

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Patience is how long work may take to end once it is interrupted.
const Patience = 700 * time.Millisecond

// An Error is that of work that was interrupted.
type Error struct{ Kept string }

func (e Error) Error() string { return "interrupted; " + e.Kept }

// A Guard runs work, and leaves it where it is if it does not end in time after an
// interrupt. The work may go on until the process ends. What it writes has to appear whole
// or not at all.
type Guard struct {
	mu    sync.Mutex
	kept  string // for the error
	saves bool
}

// Keeps says what an interrupt leaves from now on: work that is left there has kept it.
func (g *Guard) Keeps(kept string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kept = kept
}

// Saves says that the work ends by itself from now on, to save what it has, however long that takes.
func (g *Guard) Saves() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.saves = true
}

// Run does the work. After ctx has ended, it returns an Error for work that does not end, or
// that ends with the error of ctx.
func (g *Guard) Run(ctx context.Context, work func() error) error {
	g.mu.Lock()
	g.kept, g.saves = "nothing was written", false
	g.mu.Unlock()
	ended := make(chan error, 1)
	go func() { ended <- work() }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		select {
		case err = <-ended:
		case <-time.After(Patience):
			if g.waits() {
				err = <-ended
			} else {
				err = ctx.Err()
			}
		}
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		g.mu.Lock()
		defer g.mu.Unlock()
		return Error{g.kept}
	}
	return err
}

func (g *Guard) waits() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.saves
}
