package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
)

// sampling is what drawn samples depend on, beside the problems and the seed.
type sampling struct {
	Model   string `json:"model_sha256"`
	Weights string `json:"weights"`
	N       int    `json:"n"`
	cot.Sampling
}

// record is what a report says of the sampling with a model.
func (o *samplingOptions) record(run *experiment.Run) (json.RawMessage, error) {
	hash, err := hashModel(o.model, run.Experiment)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false) // as printJSON
	err = out.Encode(sampling{Model: hash, Weights: o.weights, N: o.n, Sampling: o.Canonical()})
	return bytes.TrimSpace(text.Bytes()), err
}

// errEnough stops the drawing of samples that nobody wants any more.
var errEnough = errors.New("enough samples")

// drawMissing returns what draws the samples of an evaluation: number i is i%n of
// problem i/n.
func (e *env) drawMissing(run *experiment.Run, problems []eval.Problem, recipe *bench.Recipe, o samplingOptions) func(context.Context, []int) iter.Seq2[eval.Numbered, error] {
	return func(_ context.Context, missing []int) iter.Seq2[eval.Numbered, error] {
		return func(yield func(eval.Numbered, error) bool) {
			wanted := map[int]bool{}
			var lacking []eval.Problem // that miss a sample
			var first []int            // their first samples' numbers
			for _, i := range missing {
				wanted[i] = true
				if begin := i - i%o.n; len(first) == 0 || first[len(first)-1] != begin {
					first = append(first, begin)
					lacking = append(lacking, problems[i/o.n])
				}
			}
			at := 0 // samples drawn
			err := e.sampleBatches(run, lacking, recipe, o, o.options(run, recipe), func(p eval.Problem, s cot.Sample) error {
				i := first[at/o.n] + at%o.n
				at++
				if !wanted[i] {
					return nil
				}
				line, err := sampleLine(run, p, recipe, s, o)
				if err == nil && !yield(eval.Numbered{Index: i, Sample: line}, nil) {
					err = errEnough
				}
				return err
			})
			if err != nil && !errors.Is(err, errEnough) {
				yield(eval.Numbered{}, err)
			}
		}
	}
}
