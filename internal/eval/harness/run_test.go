package harness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"nfcot/internal/ckpt"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
)

// hashed is an executor whose outcomes depend on the program alone. It ends a
// context after a number of runs, if that is positive.
type hashed struct {
	stop context.CancelFunc
	runs chan struct{} // a token for each run that is left
}

func (h hashed) Execute(ctx context.Context, p eval.Problem, program string) (eval.Outcome, error) {
	if h.runs != nil {
		select {
		case <-h.runs:
		default:
			h.stop()
			return eval.Outcome{}, ctx.Err()
		}
	}
	digest := sha256.Sum256([]byte(p.TaskID + program))
	o := eval.Outcome{Kind: eval.Kinds[int(digest[0])%len(eval.Kinds)], WallClock: digest[1]%4 == 0, InProcess: digest[2]%8 == 0, Seconds: rand.Float64()}
	if o.Kind == eval.Failed || o.Kind == eval.Crashed {
		o.Detail = fmt.Sprintf("<%x>", digest[:3])
	}
	if digest[4]%8 == 0 {
		o.OwnSolution = "failed: too"
	}
	if p.Format == eval.EvalPlus {
		o.Base = string(eval.Passed)
	}
	return o, nil
}

// An attempt is a call of Run on given samples.
type attempt struct {
	dir      string
	problems []eval.Problem
	samples  []eval.Sample
	shard    Shard
	workers  int
	runs     int // after which it is interrupted; negative: never
}

// do evaluates, and says whether it came to the end.
func (a attempt) do(t *rapid.T) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	exec := hashed{stop: cancel}
	if a.runs >= 0 {
		exec.runs = make(chan struct{}, a.runs)
		for range a.runs {
			exec.runs <- struct{}{}
		}
	}
	_, err := Run(ctx, Plan{Bench: "b", Problems: a.problems, Recipe: &bench.Recipe{Assemble: eval.Concatenate}, Executor: &Executor{Executor: exec, Calls: a.workers},
		K: []int{1, 2}, Shard: a.shard, Given: a.samples, Out: a.dir, Logf: func(string, ...any) {}, Warnf: func(string, ...any) {}})
	if errors.Is(err, ErrInterrupted) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// seconds are what differs from run to run.
var seconds = regexp.MustCompile(`"seconds":[0-9.e-]+`)

// files are the bytes that an evaluation left, by name.
func files(t *rapid.T, dir string) map[string]string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[entry.Name()] = string(seconds.ReplaceAll(text, nil))
	}
	return found
}

// However an evaluation is divided, interrupted and killed, it ends with the same
// bytes, each in its file, and with nothing else.
func TestAnyInterleavingEndsTheSame(t *testing.T) {
	if err := flag.Set("rapid.checks", "25"); err != nil { // each is some evaluations
		t.Fatal(err)
	}
	root := t.TempDir()
	number := 0
	rapid.Check(t, func(t *rapid.T) {
		number++
		dir := filepath.Join(root, fmt.Sprint(number))
		defer os.RemoveAll(dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		format := rapid.SampledFrom([]eval.Format{eval.HumanEval, eval.EvalPlus}).Draw(t, "format")
		var problems []eval.Problem
		for i := range rapid.IntRange(1, 6).Draw(t, "problems") {
			problems = append(problems, eval.Problem{TaskID: fmt.Sprint("t/", i), Prompt: "p", EntryPoint: "f", Test: "t", Format: format})
		}
		var samples []eval.Sample
		for i := range rapid.IntRange(1, 25).Draw(t, "samples") {
			var s eval.Sample
			line := fmt.Sprintf(`{"task_id":"t/%d","completion":"<é>\n%d","x": 1.0}`, rapid.IntRange(0, len(problems)-1).Draw(t, "task"), i)
			if err := s.UnmarshalJSON([]byte(line)); err != nil {
				t.Fatal(err)
			}
			samples = append(samples, s)
		}
		undisturbed := attempt{filepath.Join(dir, "whole"), problems, samples, Whole, 1, -1}
		undisturbed.do(t)
		want := files(t, undisturbed.dir)

		a := attempt{problems: problems, samples: samples}
		count := rapid.IntRange(1, 4).Draw(t, "shards")
		var dirs []string
		for i := range count {
			a.shard = Shard{i, count}
			a.dir = filepath.Join(dir, a.shard.Folder())
			dirs = append(dirs, a.dir)
			for ended := false; !ended; {
				a.workers = rapid.IntRange(1, 4).Draw(t, "workers")
				a.runs = rapid.IntRange(-1, 12).Draw(t, "runs")
				ended = a.do(t)
				kill(t, filepath.Join(a.dir, journalOf(verdictsFile)))
			}
		}
		got := files(t, a.dir)
		if count > 1 {
			merged := filepath.Join(dir, "merged")
			if _, err := Merge(dirs, merged); err != nil {
				t.Fatal(err)
			}
			got = files(t, merged)
		}
		for name, text := range want {
			if got[name] != text {
				t.Errorf("%s is\n%s\nwant\n%s", name, got[name], text)
			}
		}
		if len(got) != len(want) {
			t.Errorf("there are %d files, want %d", len(got), len(want))
		}
	})
}

// kill leaves of a journal what a kill at an earlier moment would have left.
func kill(t *rapid.T, journal string) {
	info, err := os.Stat(journal)
	if err != nil {
		return // the evaluation came to its end
	}
	if err := os.Truncate(journal, rapid.Int64Range(0, info.Size()).Draw(t, "left")); err != nil {
		t.Fatal(err)
	}
}

// What a journal keeps is good for the same plan only.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	type plan struct{ A, B int }
	var said bytes.Buffer
	logf := func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }
	open := func(p plan, rows int, say string) {
		t.Helper()
		said.Reset()
		j, err := openJournal[string](path, p, "eval", "an evaluation", logf)
		if err != nil {
			t.Fatal(err)
		}
		defer j.close()
		if len(j.rows) != rows {
			t.Errorf("found %d rows, want %d", len(j.rows), rows)
		}
		if got := said.String(); !strings.Contains(got, say) || (got == "") != (say == "") {
			t.Errorf("said %q, want %q", got, say)
		}
		if err := j.add(len(j.rows)+7, "<row>\n"); err != nil {
			t.Fatal(err)
		}
	}
	open(plan{1, 2}, 0, "")
	open(plan{1, 2}, 1, "")
	open(plan{1, 2}, 2, "")
	open(plan{1, 3}, 0, "eval: beginning anew: "+path+" is of an evaluation with another B\n")
	open(plan{1, 3}, 1, "")
	// A torn line is as good as none; one that was damaged is no journal.
	log, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(log, `{"index":3,"row`)
	open(plan{1, 3}, 2, "")
	fmt.Fprint(log, "\x00\x00\n")
	open(plan{1, 3}, 0, "eval: beginning anew: "+path+":5: ")
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	// Conditions are kept, each once.
	for range 2 {
		j, err := openJournal[string](path, plan{1, 3}, "eval", "an evaluation", logf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openJournal[string](path, plan{1, 3}, "eval", "an evaluation", logf); !errors.As(err, new(InputError)) || !errors.Is(err, ckpt.ErrBusy) {
			t.Errorf("a second process: %v", err)
		}
		for _, c := range []string{"", "a", "b", "a"} {
			if err := j.under(c); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(j.conditions, ""); got != "ab" || len(j.rows) != 1 {
			t.Errorf("conditions are %q, and there are %d rows; want ab and 1", got, len(j.rows))
		}
		j.close()
	}
	text, err := ckpt.ReadAllJSONL[entry[string]](path)
	if err != nil || len(text) != 4 || *text[1].Row != "<row>\n" || text[1].Index != 7 {
		t.Errorf("the journal is %+v, %v", text, err)
	}
}
