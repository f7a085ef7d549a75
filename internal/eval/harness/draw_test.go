package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
)

// drawnPlan is a plan of 3 problems with 4 samples each. Drawing fails with broken
// after most samples.
func drawnPlan(dir string, most int, broken error) (p *Plan, asked *[][]int) {
	var problems []eval.Problem
	for i := range 3 {
		problems = append(problems, eval.Problem{TaskID: fmt.Sprint("t/", i), Prompt: "p", EntryPoint: "f", Test: "t"})
	}
	asked = new([][]int)
	return &Plan{Bench: "b", Problems: problems, Recipe: &bench.Recipe{Name: "r", Assemble: eval.Concatenate}, Executor: &Executor{Executor: hashed{}, Calls: 2}, Warnf: func(string, ...any) {},
		K: []int{1, 4}, Shard: Whole, Out: dir, Logf: func(string, ...any) {},
		N: 4, Method: "m", Sampling: json.RawMessage(`{"z":"<","a":1}`), PeakMemory: func() int64 { return 7 },
		Draw: func(_ context.Context, missing []int, watch func(tokens int)) iter.Seq2[eval.Indexed, error] {
			*asked = append(*asked, missing)
			return func(yield func(eval.Indexed, error) bool) {
				for at, i := range missing {
					watch(3 * (at + 1))
					if at == most {
						yield(eval.Indexed{}, broken)
						return
					}
					if !yield(eval.Indexed{Index: i, Sample: eval.Sample{TaskID: problems[i/4].TaskID, Completion: fmt.Sprint(i), Finished: i%2 == 0}}, nil) {
						return
					}
				}
			}
		}}, asked
}

// What was drawn before an error is not drawn again, and nothing shows that there
// was one.
func TestDrawingGoesOn(t *testing.T) {
	whole, _ := drawnPlan(filepath.Join(t.TempDir(), "whole"), -1, nil)
	want, err := Run(t.Context(), *whole)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	dir := filepath.Join(t.TempDir(), "in pieces")
	p, asked := drawnPlan(dir, 5, broken)
	for range 2 {
		if _, err := Run(t.Context(), *p); !errors.Is(err, broken) {
			t.Fatalf("the error is %v, want %v", err, broken)
		}
	}
	var last Progress
	p.Watch = func(now Progress) {
		if now.Drawn < last.Drawn || now.Judged < last.Judged || now.Judged > now.Samples-now.Missing+now.Drawn && now.Missing > 0 {
			t.Errorf("%+v comes after %+v", now, last)
		}
		last = now
	}
	got, err := Run(t.Context(), *p)
	if err != nil {
		t.Fatal(err)
	}
	every := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	if len(*asked) != 3 || !slices.Equal((*asked)[0], every) || !slices.Equal((*asked)[1], every[5:]) || !slices.Equal((*asked)[2], every[10:]) {
		t.Errorf("asked for %v", *asked)
	}
	if last.Samples != 12 || last.Missing != 2 || last.Drawn != 2 || last.Finished != 1 || last.Judged != 12 || last.Tokens != 6 {
		t.Errorf("the progress ends with %+v", last)
	}
	for _, file := range []string{samplesFile, reportFile, problemsFile, plotFile} {
		a, errA := os.ReadFile(filepath.Join(whole.Out, file))
		b, errB := os.ReadFile(filepath.Join(dir, file))
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("%s differs from that of an undisturbed evaluation: %v, %v", file, errA, errB)
		}
	}
	if got.PeakMemory != 7 || len(got.Verdicts) != len(want.Verdicts) {
		t.Errorf("%d bytes of memory and %d verdicts", got.PeakMemory, len(got.Verdicts))
	}
	report, err := os.ReadFile(filepath.Join(dir, reportFile))
	if err != nil || !strings.Contains(string(report), "\"sampling\": {\n    \"z\": \"\\u003c\",\n    \"a\": 1\n  }") {
		t.Errorf("the report does not have the sampling as it was given: %v\n%s", err, report)
	}
}

// A function that draws too little is found out.
func TestDrawingTooLittle(t *testing.T) {
	p, _ := drawnPlan(t.TempDir(), -1, nil)
	p.Draw = func(context.Context, []int, func(tokens int)) iter.Seq2[eval.Indexed, error] {
		return func(func(eval.Indexed, error) bool) {}
	}
	if _, err := Run(t.Context(), *p); err == nil || !strings.Contains(err.Error(), "sample 1 of 12 was not drawn") {
		t.Errorf("the error is %v", err)
	}
}

// drawing is that of drawnPlan; end, if not nil, is what it does in the place of the samples
// behind the first most of a call.
func drawing(most int, end func() error) (d *Drawing, asked *[][]int, said *strings.Builder) {
	p, asked := drawnPlan("", -1, nil)
	said = new(strings.Builder)
	d = &Drawing{Seed: 1, Problems: p.Problems, Recipe: "r", N: p.N, Sampling: p.Sampling, Watch: func(Drawn) {}, Logf: func(format string, args ...any) { fmt.Fprintf(said, format+"\n", args...) }}
	d.Draw = func(ctx context.Context, missing []int, watch func(tokens int)) iter.Seq2[eval.Indexed, error] {
		return func(yield func(eval.Indexed, error) bool) {
			n := 0
			for s := range p.Draw(ctx, missing, watch) {
				if n++; n > most && end != nil {
					yield(eval.Indexed{}, end())
					return
				}
				if !yield(s, nil) {
					return
				}
			}
		}
	}
	return d, asked, said
}

// read is a file's text, "" if it is not there.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// wholeDrawing is the file of a drawing that nothing disturbed.
func wholeDrawing(t *testing.T) string {
	t.Helper()
	d, _, _ := drawing(0, nil)
	var text strings.Builder
	if err := d.Stream(t.Context(), &text); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s.jsonl")
	if err := d.Write(t.Context(), path); err != nil || read(t, path) != text.String() || strings.Count(text.String(), "\n") != 12 {
		t.Fatalf("%v; written is\n%s\nstreamed is\n%s", err, read(t, path), text.String())
	}
	return text.String()
}

// A drawing that was interrupted shows nothing under its name, and goes on where it was: also
// one that did not notice.
func TestInterruptedDrawingGoesOn(t *testing.T) {
	whole, every := wholeDrawing(t), []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	forever := make(chan bool)
	for name, hangs := range map[string]bool{"notices": false, "hangs": true} {
		path := filepath.Join(t.TempDir(), "s.jsonl")
		for call := range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			d, asked, _ := drawing(5, func() error {
				cancel()
				if hangs {
					<-forever
				}
				return ctx.Err()
			})
			var last Drawn
			d.Watch = func(now Drawn) { last = now }
			if err := d.Write(ctx, path); !errors.Is(err, context.Canceled) || read(t, path) != "" {
				t.Errorf("%s: %v; the file is %q", name, err, read(t, path))
			}
			if !slices.Equal((*asked)[0], every[5*call:]) {
				t.Errorf("%s: asked for %v", name, *asked)
			}
			if want := fmt.Sprintf("%d of 12 samples are kept; continue with the same command", 5*call+5); !hangs && last.Left != want {
				t.Errorf("%s: it leaves %q, want %q", name, last.Left, want)
			}
		}
		d, _, said := drawing(0, nil)
		if err := d.Write(t.Context(), path); err != nil || read(t, path) != whole || read(t, journalOf(path)) != "" {
			t.Errorf("%s: %v; the file is\n%s\nwant\n%s\nthe journal is\n%s", name, err, read(t, path), whole, read(t, journalOf(path)))
		}
		if want := fmt.Sprintf("sample: going on with %s: 10 of 12 samples are drawn\n", path); said.String() != want {
			t.Errorf("%s: it says %q, want %q", name, said, want)
		}
	}
}

// A drawing that was interrupted before its first sample leaves nothing.
func TestInterruptedDrawingLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d, _, _ := drawing(0, func() error {
		cancel()
		return ctx.Err()
	})
	dir := t.TempDir()
	err := d.Write(ctx, filepath.Join(dir, "s.jsonl"))
	if left, _ := os.ReadDir(dir); !errors.Is(err, context.Canceled) || len(left) > 0 {
		t.Errorf("%v; there is %v", err, left)
	}
}

// What was drawn under other settings is no use, and that is said.
func TestOtherDrawingBeginsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.jsonl")
	ctx, cancel := context.WithCancel(t.Context())
	d, _, _ := drawing(5, func() error {
		cancel()
		return ctx.Err()
	})
	if err := d.Write(ctx, path); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	d, asked, said := drawing(0, nil)
	d.Seed = 2
	if err := d.Write(t.Context(), path); err != nil || len((*asked)[0]) != 12 {
		t.Errorf("%v; asked for %v", err, *asked)
	}
	if want := "sample: beginning anew: " + journalOf(path) + " is of samples with another seed\n"; said.String() != want {
		t.Errorf("it says %q, want %q", said, want)
	}
}

// A sample that cannot be drawn is no reason to lose the others: the file has them, and the
// error says how many there are.
func TestDrawingWithABrokenSample(t *testing.T) {
	whole, broken := wholeDrawing(t), errors.New("broken")
	lines := slices.Collect(strings.Lines(whole))
	for _, most := range []int{0, 5} {
		path := filepath.Join(t.TempDir(), "s.jsonl")
		d, _, _ := drawing(most, func() error { return broken })
		err := d.Write(t.Context(), path)
		wantError := map[int]string{0: "broken", 5: "broken; " + path + " has 5 of 12 samples"}[most]
		if !errors.Is(err, broken) || err.Error() != wantError || read(t, path) != strings.Join(lines[:most], "") || read(t, journalOf(path)) != "" {
			t.Errorf("%v, want %s; the file is\n%s", err, wantError, read(t, path))
		}
		var text strings.Builder
		err = d.Stream(t.Context(), &text)
		wantError = map[int]string{0: "broken", 5: "broken; 5 of 12 samples are written"}[most]
		if !errors.Is(err, broken) || err.Error() != wantError || text.String() != strings.Join(lines[:most], "") {
			t.Errorf("%v, want %s; streamed is\n%s", err, wantError, text.String())
		}
	}
}

// What is no regular file gets the samples as they come, and has no journal.
func TestDrawingIntoNoFile(t *testing.T) {
	d, _, _ := drawing(0, nil)
	if err := d.Write(t.Context(), os.DevNull); err != nil || read(t, journalOf(os.DevNull)) != "" {
		t.Error(err)
	}
}
