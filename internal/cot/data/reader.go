package data

import (
	"fmt"
	"iter"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
)

// A Reader reads the examples of a source one after the other, and counts them.
type Reader struct {
	Source
	Counts Counts
}

// NewReader makes the reader of a source.
func NewReader(s Source) *Reader { return &Reader{Source: s} }

// Counts are what became of the rows of a source.
type Counts struct {
	Examples int
}

// String says it in one line.
func (c Counts) String() string { return fmt.Sprintf("reading %d examples", c.Examples) }

// Examples yields the examples, up to the first error.
func (r *Reader) Examples() iter.Seq2[cot.Example, error] {
	return func(yield func(cot.Example, error) bool) {
		paths, err := r.Files.expand()
		if err != nil {
			yield(cot.Example{}, err)
			return
		}
		for _, path := range paths {
			before := r.Counts.Examples
			for record, err := range ckpt.Records(path) {
				var ex cot.Example
				if err == nil {
					ex, err = exampleOf(record)
				}
				if err == nil && (ex.Prompt == "" || ex.Answer == "") {
					err = fmt.Errorf("%s: the example has no prompt or no answer; expected {\"task_id\", \"prompt\", \"cot\", \"answer\"}", record.Where)
				}
				r.Counts.Examples++
				if !yield(ex, err) || err != nil {
					return
				}
			}
			if r.Counts.Examples == before {
				yield(cot.Example{}, fmt.Errorf("%s: %w", path, ckpt.ErrEmpty))
				return
			}
		}
	}
}
