package generate

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/eval"
)

// brokenRun is a fresh run where the logit of one token is too large for float32, up or down.
func brokenRun(t *testing.T, weight float32) *experiment.Run {
	run := freshRun(t, "direct")
	for x := range run.Model.Params.All() {
		switch x.Name {
		case "model.embed_tokens.weight":
			x.Row(100)[0] = weight
		case "model.norm.weight":
			for i := range x.Data {
				x.Data[i] = 20
			}
		}
	}
	return run
}

// TestSamplesBesideABrokenOne: all that could be drawn come, each with its own number, and
// then the error.
func TestSamplesBesideABrokenOne(t *testing.T) {
	run := brokenRun(t, -math.MaxFloat32)
	short := hot
	short.MaxTokens = 2
	const n = 8
	all := problems("a", "b", "c")
	numbers := make([]int, n*len(all))
	for i := range numbers {
		numbers[i] = i
	}
	found := map[int]eval.Sample{}
	var failed error
	for s, err := range generator(t, run, asIs(), short, n, 1000).Draw(context.Background(), all, numbers, func(int) {}) {
		if err != nil {
			failed = err
			continue
		}
		found[s.Index] = s.Sample
	}
	if !errors.As(failed, new(cot.NonFinite)) || !strings.HasPrefix(failed.Error(), "fresh: ") || len(found) == 0 || len(found) == len(numbers) {
		t.Fatalf("%d samples of %d, and the error %v", len(found), len(numbers), failed)
	}
	for i, s := range found {
		for again, err := range generator(t, run, asIs(), short, n, 1).Draw(context.Background(), all, []int{i}, func(int) {}) {
			if err == nil && (again.Completion != s.Completion || again.TaskID != all[i/n].TaskID) {
				t.Errorf("sample %d is %q, and was %q", i, again.Completion, s.Completion)
			}
		}
	}
}

// TestImpossibleTokens: the logarithm of probability 0 is null in JSON, and what is not a
// number is an error.
func TestImpossibleTokens(t *testing.T) {
	run := brokenRun(t, math.MaxFloat32)
	g := generator(t, run, asIs(), hot, 8, 8)
	o := g.Options()
	o.MaxTokens, o.LogProbs, o.TopLogProbs = 1, true, run.Experiment.Model.Vocab
	nulls, lines := 0, []eval.Sample(nil)
	err := g.Each(context.Background(), problems("a", "b", "c"), o, func(p eval.Problem, s cot.Sample) error {
		line, err := g.Line(p, s)
		lines = append(lines, line)
		text, failed := json.Marshal(line)
		nulls += strings.Count(string(text), `"logprob":null`)
		return errors.Join(err, failed)
	})
	if !errors.As(err, new(cot.NonFinite)) && err != nil || nulls == 0 {
		t.Fatalf("%d alternatives are null, error %v", nulls, err)
	}
	impossible := lines[0]
	impossible.Extra = slices.DeleteFunc(slices.Clone(impossible.Extra), func(f eval.Field) bool { return f.Key == "answer_ids" || f.Key == "ended_by" })
	impossible.Extra = append(impossible.Extra, eval.Field{Key: "answer_ids", Value: []byte("[100.0]")})
	scores, err := Score(context.Background(), run, []eval.Sample{impossible}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(scores); err != nil || !strings.Contains(string(text), `"logp_text":null,"logp_total":null`) {
		t.Errorf("scored as %s (%v)", text, err)
	}
	for x := range run.Model.Params.All() {
		if x.Name == "model.norm.weight" {
			x.Data[0] = float32(math.NaN())
		}
	}
	if _, err := Score(context.Background(), run, []eval.Sample{impossible}, nil); !errors.As(err, new(cot.NonFinite)) || !strings.HasPrefix(err.Error(), "sample 1 (") {
		t.Errorf("error %v, want one of what is not finite", err)
	}
}

// TestForeignLines: what scoring needs of a line has to be what sampling writes.
func TestForeignLines(t *testing.T) {
	run := freshRun(t, "direct")
	for line, want := range map[string]string{
		`{"task_id":"a","completion":"x","prompt":"p","finished":"stop"}`:     `finished is "stop"; expected what nfcot sample writes`,
		`{"task_id":"a","completion":"x","prompt":"\ud800"}`:                  `prompt is "\ud800"; expected what nfcot sample writes`,
		`{"task_id":"a","completion":"\ud800","prompt":"p"}`:                  "its completion has half of a surrogate pair",
		`{"task_id":"a","completion":"x","prompt":"p","answer_ids":[1.5]}`:    "answer_ids is [1.5]",
		`{"task_id":"a","completion":"x","prompt":"p","answer_ids":[NaN]}`:    "answer_ids is [NaN]",
		`{"task_id":"a","completion":"x","prompt":"p","ended_by":-Infinity}`:  "ended_by is -Infinity",
		`{"task_id":"a","completion":"x","prompt":"p","answer_ids":[9.0, 1]}`: "",
	} {
		var s eval.Sample
		if err := s.UnmarshalJSON([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(run, s); err == nil && want != "" || err != nil && (want == "" || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q", line, err, want)
		}
	}
}
