package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"sync/atomic"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/eval"
	"nfcot/internal/interrupt"
)

// A Drawing is samples that are drawn to be written, and not judged. Its fields are those of
// a Plan.
type Drawing struct {
	Seed     uint64
	Problems []eval.Problem
	Recipe   string // its name
	Draw     func(ctx context.Context, missing []int, watch func(tokens int)) iter.Seq2[eval.Indexed, error]
	N        int
	Sampling json.RawMessage

	Watch func(Drawn) // is told when the drawing begins, of every sample, and now and then of tokens
	Logf  func(string, ...any)
}

// Drawn says how far a drawing is.
type Drawn struct {
	Done     int    // samples, those of earlier calls included
	Finished int    // of these: those that came to their end
	All      int    // samples that there will be
	Tokens   int    // of answers, those of samples under way included
	Left     string // what an interrupt leaves of them
}

// add counts a sample.
func (d *Drawn) add(s eval.Sample) {
	d.Done++
	if s.Finished {
		d.Finished++
	}
}

func (d *Drawing) all() int { return len(d.Problems) * d.N }

// Stream writes the samples as they come, a line of JSON each. An error tells how many there
// were before it.
func (d *Drawing) Stream(ctx context.Context, w io.Writer) error {
	at := Drawn{All: d.all()}
	d.Watch(at)
	for s, err := range d.Draw(ctx, d.without(nil), d.tokens(&at)) {
		var line []byte
		if err == nil {
			line, err = jsontext.Marshal(s.Sample)
		}
		if err == nil {
			_, err = w.Write(append(line, '\n'))
		}
		if err != nil && at.Done > 0 {
			err = fmt.Errorf("%w; %d of %d samples are written", err, at.Done, at.All)
		}
		if err != nil {
			return err
		}
		at.add(s.Sample)
		at.Left = fmt.Sprintf("%d of %d samples are written", at.Done, at.All)
		d.Watch(at)
	}
	return nil
}

// tokens tells who watches how many tokens there are.
func (d *Drawing) tokens(at *Drawn) func(int) {
	return func(tokens int) {
		at.Tokens = tokens
		d.Watch(*at)
	}
}

// without are the numbers of the samples that are not among rows.
func (d *Drawing) without(rows map[int]eval.Sample) []int {
	var missing []int
	for i := range d.all() {
		if _, done := rows[i]; !done {
			missing = append(missing, i)
		}
	}
	return missing
}

// Write writes the samples to a file, which appears under its name when all are drawn, or
// when one could not be, and the error says so. Until then they are in a journal beside it:
// after an interrupt or a kill the same drawing goes on from there.
func (d *Drawing) Write(ctx context.Context, path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // a pipe, say, beside which there is nothing
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(d.Stream(ctx, f), f.Close())
	}
	hash, err := HashProblems(d.Problems)
	if err != nil {
		return err
	}
	plan := drawingPlan{hash, d.Seed, d.Recipe, d.Sampling, Whole.String()}
	j, err := openJournal[eval.Sample](journalOf(path), plan, "sample", "samples", d.Logf)
	if err != nil {
		return err
	}
	var done atomic.Int64
	err = interrupt.Leave(ctx, func() error { return d.fill(ctx, path, j, &done) })
	switch n := done.Load(); {
	case n == 0:
		return errors.Join(err, j.remove())
	case err != nil && errors.Is(err, ctx.Err()):
		return errors.Join(err, j.close())
	case err != nil: // which is no reason to lose the others
		err = fmt.Errorf("%w; %s has %d of %d samples", err, path, n, d.all())
	}
	var lines []eval.Sample
	for _, i := range slices.Sorted(maps.Keys(j.rows)) {
		lines = append(lines, j.rows[i])
	}
	if failed := ckpt.WriteJSONL(path, slices.Values(lines)); failed != nil {
		return errors.Join(err, failed, j.close())
	}
	return errors.Join(err, j.remove())
}

// fill draws the samples that a journal lacks into it. done counts those that are there.
func (d *Drawing) fill(ctx context.Context, path string, j *journal[eval.Sample], done *atomic.Int64) error {
	at := Drawn{All: d.all()}
	watch := func() {
		done.Store(int64(at.Done))
		at.Left = fmt.Sprintf("%d of %d samples are kept; continue with the same command", at.Done, at.All)
		d.Watch(at)
	}
	for _, s := range j.rows {
		at.add(s)
	}
	if at.Done > 0 {
		d.Logf("sample: going on with %s: %d of %d samples are drawn", path, at.Done, at.All)
	}
	watch()
	for s, err := range d.Draw(ctx, d.without(j.rows), d.tokens(&at)) {
		if err == nil {
			err = j.add(s.Index, s.Sample)
		}
		if err != nil {
			return err
		}
		at.add(s.Sample)
		watch()
	}
	return nil
}
