// Package interrupt ends work that an interrupt finds waiting for input, or computing, and
// that would take long to notice: all of a command's (Guard), or a part whose results nobody
// needs then (Leave).
package interrupt

import (
	"context"
	"errors"
	"sync"
	"time"
)

// How long work may take to end once it is interrupted.
const (
	Patience     = 700 * time.Millisecond
	partPatience = 300 * time.Millisecond // a part of it, so that the rest has time to save what there is
)

// An Error is that of work that was interrupted.
type Error struct{ Kept string }

func (e Error) Error() string { return "interrupted; " + e.Kept }

// Leave does a part of some work. If that does not end in time after ctx, it is left where it
// is, and the error of ctx returned. It may go on until the process ends: nobody may read
// what it writes, or write what it reads.
func Leave(ctx context.Context, part func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- part() }()
	err, late := await(ctx, ended, partPatience)
	if late {
		return ctx.Err()
	}
	return err
}

// await waits for the error of some work, after ctx has ended only for a time, which it may
// run out of.
func await(ctx context.Context, ended <-chan error, patience time.Duration) (err error, late bool) {
	select {
	case err = <-ended:
		return err, false
	case <-ctx.Done():
	}
	select {
	case err = <-ended:
		return err, false
	case <-time.After(patience):
		return nil, true
	}
}

// nothing is what an interrupt leaves of work that has not said more.
const nothing = "nothing was written"

// A Guard runs work, and leaves it where it is if it does not end in time after an
// interrupt. The work may go on until the process ends. What it writes has to appear whole
// or not at all.
type Guard struct {
	Waits func() // is called when work that saves what it has takes more than a moment; may be nil

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

// Printed says that some of the results are out: unless Keeps says more, an interrupt leaves a part of them.
func (g *Guard) Printed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.kept == nothing {
		g.kept = "what was printed is incomplete"
	}
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
	g.kept, g.saves = nothing, false
	g.mu.Unlock()
	ended := make(chan error, 1)
	go func() { ended <- work() }()
	err, late := await(ctx, ended, Patience)
	switch {
	case late && g.waits():
		if g.Waits != nil {
			g.Waits()
		}
		err = <-ended
	case late:
		err = ctx.Err()
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
