package generate

import (
	"context"
	"fmt"
	"io"
	"strings"

	"nfcot/internal/cot"
	"nfcot/internal/eval"
)

// WriteAnswers answers problems, as a rule one, for people to read: a single sample as it
// comes, several one after the other, each after its thinking if thinking says so. ended
// hears the number of each sample, from 1, when it is written, and whether it was cut off for
// want of room.
func (g *Generator) WriteAnswers(ctx context.Context, w io.Writer, problems []eval.Problem, thinking bool, ended func(sample int, cutOff bool)) error {
	var shown int // samples whose thinking is on w
	think := func(s *cot.Sample) {
		shown++
		if g.N > 1 {
			fmt.Fprintf(w, "# sample %d of %d\n", shown, g.N)
		}
		if thinking {
			fmt.Fprint(w, Thinking(g.Run, *s))
		}
	}
	o := g.Options()
	live := g.Live()
	if g.N == 1 {
		o.OnToken = func(s *cot.Sample, token int) {
			if shown == 0 {
				think(s)
			}
			fmt.Fprint(w, live.Next(token))
		}
	}
	done := 0
	return g.Each(ctx, problems, o, func(_ eval.Problem, s cot.Sample) error {
		if done++; shown < done {
			think(&s)
		}
		answer, stopped := g.Answer(s)
		switch {
		case g.N > 1:
			fmt.Fprint(w, answer)
		case !stopped:
			fmt.Fprint(w, live.Rest())
		}
		if !strings.HasSuffix(answer, "\n") {
			fmt.Fprintln(w)
		}
		ended(done, !s.Finished && !stopped)
		return nil
	})
}
