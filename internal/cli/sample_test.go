package cli

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
)

// freshRun is a tiny model that has learned next to nothing: it says anything.
func freshRun(t *testing.T) *experiment.Run {
	t.Helper()
	dir := t.TempDir()
	for _, line := range []string{
		"data --split train -n 60 -o DIR/train.jsonl",
		"tokenize train --in DIR/train.jsonl --vocab-size 300 -o DIR/tokenizer",
		"distill --data DIR/train.jsonl --tokenizer DIR/tokenizer --dims 4 --hidden 16 --heads 1 --layers 1 --steps 3 --batch 4 -o DIR/thoughts",
		"train --method nfcot --thoughts DIR/thoughts --set model.hidden=16 --set model.heads=1 --set model.kv_heads=1 --set model.head_dim=16 --set model.ffn=16 " +
			"--set model.layers=1 --set flow.blocks=2 --set flow.width=16 --set flow.head_dim=16 --set batch=4 --set held_out=8 --set stages.2.steps=2 -o DIR/run",
	} {
		var stderr strings.Builder
		args := append([]string{"nfcot"}, strings.Fields(strings.ReplaceAll(line, "DIR", dir))...)
		if code := Main(args, strings.NewReader(""), io.Discard, &stderr); code != 0 {
			t.Fatalf("%s: exit code %d\n%s", line, code, stderr.String())
		}
	}
	run, err := experiment.Open(filepath.Join(dir, "run"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// TestStopsEndSamples compares samples with and without stops: a stop cuts the
// text, ends the drawing, and leaves a line that can be scored as it was drawn.
func TestStopsEndSamples(t *testing.T) {
	run := freshRun(t)
	e := &env{ctx: context.Background(), stdout: io.Discard, stderr: io.Discard, quiet: true}
	problem := eval.Problem{TaskID: "a", Prompt: "x = 1\n"} // the prompt holds a stop
	o := defaultSampling()
	o.n, o.MaxTokens, o.Temp = 40, 30, 1
	draw := func(stops ...string) (samples []cot.Sample, lines []eval.Sample) {
		r := &bench.Recipe{Prompt: func(p eval.Problem) string { return p.Prompt }, Stops: stops}
		err := e.sampleBatches(run, []eval.Problem{problem}, r, o, o.options(run, r), func(p eval.Problem, s cot.Sample) error {
			line, err := sampleLine(run, p, r, s, o)
			samples, lines = append(samples, s), append(lines, line)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return samples, lines
	}
	_, plain := draw()
	samples, lines := draw("x", "re", "= 1")
	stopped := 0
	for i, line := range lines {
		cut := &bench.Recipe{Stops: []string{"x", "re", "= 1"}}
		want, stops := cut.Cut(plain[i].Completion)
		if line.Completion != want || line.Finished != (plain[i].Finished || stops) {
			t.Errorf("sample %d: %q, finished %v; want %q of %q", i, line.Completion, line.Finished, want, plain[i].Completion)
		}
		if !stops {
			continue
		}
		stopped++
		text := run.Tokenizer.Decode(samples[i].Answer[:len(samples[i].Answer)-1], true)
		if _, early := cut.Cut(text); early {
			t.Errorf("sample %d: more was drawn after the stop: %q", i, run.Tokenizer.Decode(samples[i].Answer, true))
		}
		back, err := sampleOf(run, line)
		if err != nil || back.Finished || len(back.Answer) != len(samples[i].Answer) {
			t.Errorf("sample %d: read back as %+v, %v", i, back, err)
		}
	}
	if stopped < 5 || stopped == o.n {
		t.Errorf("%d of %d samples were stopped: this test sees little", stopped, o.n)
	}
}

// TestStopsEndPrintedSamples: neither a stop nor what follows it is ever printed as
// a sample comes, and all that comes before is.
func TestStopsEndPrintedSamples(t *testing.T) {
	run := freshRun(t)
	problems := []eval.Problem{{TaskID: "a", Prompt: "x = 1\n"}}
	cut := &bench.Recipe{Stops: []string{"x", "re", "us", "o"}}
	o := sampleOptions{samplingOptions: defaultSampling()}
	o.n, o.MaxTokens, o.Temp = 1, 30, 1
	print := func(stops ...string) (stdout, stderr string) {
		var out, log strings.Builder
		e := &env{ctx: context.Background(), stdout: &out, stderr: &log}
		r := &bench.Recipe{Prompt: func(p eval.Problem) string { return p.Prompt }, Stops: stops}
		if err := e.printSamples(run, problems, r, o); err != nil {
			t.Fatal(err)
		}
		return out.String(), log.String()
	}
	stopped := 0
	for o.Seed = range 60 {
		plain, _ := print()
		want, isStopped := cut.Cut(plain)
		got, log := print(cut.Stops...)
		if isStopped {
			stopped++
			if strings.Contains(log, "cut off") {
				t.Errorf("seed %d: a sample that was stopped is said to be cut off", o.Seed)
			}
		}
		if strings.TrimSuffix(got, "\n") != strings.TrimSuffix(want, "\n") {
			t.Errorf("seed %d: printed %q, want %q of %q", o.Seed, got, want, plain)
		}
	}
	if stopped < 10 {
		t.Errorf("%d of 60 samples were stopped: this test sees little", stopped)
	}
}
