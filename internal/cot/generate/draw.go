package generate

import (
	"context"
	"errors"
	"iter"
	"time"

	"nfcot/internal/cot"
	"nfcot/internal/eval"
)

// errEnough stops the drawing of samples that nobody wants any more.
var errEnough = errors.New("enough samples")

// Draw yields the lines of the samples with the numbers in missing, which rise. Sample j
// of problem i has number i·N+j. Each depends on the seed, its prompt and its place among
// the N alone, so that what is missing can be drawn at any time. watch is told now and then how many tokens of answers
// there are, those of samples under way included: a batch may take minutes.
func (g *Generator) Draw(ctx context.Context, problems []eval.Problem, missing []int, watch func(tokens int)) iter.Seq2[eval.Indexed, error] {
	return func(yield func(eval.Indexed, error) bool) {
		wanted := map[int]bool{}
		var some []eval.Problem // that miss a sample
		var first []int         // their first samples' numbers
		for _, i := range missing {
			wanted[i] = true
			if begin := i - i%g.N; len(first) == 0 || first[len(first)-1] != begin {
				first, some = append(first, begin), append(some, problems[i/g.N])
			}
		}
		o := g.Options()
		o.OnToken = counted(watch)
		err := g.each(ctx, some, o, func(p, number int, s cot.Sample) error {
			i := first[p] + number
			if !wanted[i] {
				return nil
			}
			line, err := g.Line(some[p], s)
			if err != nil {
				return err
			}
			if !yield(eval.Indexed{Index: i, Sample: line}, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(eval.Indexed{}, err)
		}
	}
}

// tellEvery is the time between two reports of how many tokens there are.
const tellEvery = 100 * time.Millisecond

// counted tells watch now and then how many tokens there were.
func counted(watch func(tokens int)) func(*cot.Sample, int) {
	tokens, told := 0, time.Now()
	return func(*cot.Sample, int) {
		if tokens++; time.Since(told) >= tellEvery {
			told = time.Now()
			watch(tokens)
		}
	}
}
