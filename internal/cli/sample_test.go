package cli

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
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
			"--set model.layers=1 --set flow.blocks=2 --set flow.width=16 --set flow.head_dim=16 --set batch=4 --set held_out=8 --set stages.joint.steps=2 -o DIR/run",
	} {
		var stderr strings.Builder
		args := append([]string{"nfcot"}, strings.Fields(strings.ReplaceAll(line, "DIR", dir))...)
		if code := Main(args, strings.NewReader(""), io.Discard, &stderr); code != 0 {
			t.Fatalf("%s: exit code %d\n%s", line, code, stderr.String())
		}
	}
	run, err := experiment.Open(filepath.Join(dir, "run"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// TestStopsEndPrintedSamples: neither a stop nor what follows it is ever printed as
// a sample comes, and all that comes before is.
func TestStopsEndPrintedSamples(t *testing.T) {
	run := freshRun(t)
	problems := []eval.Problem{{TaskID: "a", Prompt: "x = 1\n"}}
	cut := &bench.Recipe{Stops: []string{"x", "re", "us", "o"}}
	o := cot.Sampling{ThoughtTemp: 0.9, Temp: 1, MaxTokens: 30}
	print := func(stops ...string) (stdout, stderr string) {
		var out, log strings.Builder
		e := &env{ctx: context.Background(), stdout: &out, stderr: &log}
		r := &bench.Recipe{Prompt: func(p eval.Problem) string { return p.Prompt }, Stops: stops}
		if err := e.printSamples(generate.New(run, r, o, 1, 1), problems, false); err != nil {
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
