package train

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/tokenizer"
)

// An event is what TensorBoard counts by: a step, and whether a session starts there.
type event struct {
	step   int
	starts bool
	data   string
}

// events reads the event files of a run in the order of their names.
func events(t *testing.T, dir string) (files [][]event) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var all []event
		for len(b) > 0 {
			n := int(binary.LittleEndian.Uint64(b))
			data := b[12 : 12+n]
			b = b[12+n+4:]
			e := event{data: string(data)}
			if data = data[9:]; data[0] == 0x10 {
				step, size := binary.Uvarint(data[1:])
				e.step, data = int(step), data[1+size:]
			}
			e.starts = data[0] == 0x3a
			all = append(all, e)
		}
		files = append(files, all)
	}
	return files
}

// shown are the steps of a curve as TensorBoard's EventAccumulator shows them: every start
// of a session but the first takes back what was from its step on.
func shown(t *testing.T, dir, tag string) (steps []int) {
	t.Helper()
	started := false
	for _, file := range events(t, dir) {
		for _, e := range file {
			if e.starts && started {
				steps = slices.DeleteFunc(steps, func(step int) bool { return step >= e.step })
			}
			started = started || e.starts
			if strings.Contains(e.data, tag) {
				steps = append(steps, e.step)
			}
		}
	}
	return steps
}

func upTo(n int) (steps []int) {
	for i := range n {
		steps = append(steps, i+1)
	}
	return steps
}

// A curve has every step once, also of a run that crashed behind its last saved state, and
// crashed again before the next one.
func TestOneCurveAfterCrashes(t *testing.T) {
	crash := errors.New("crash")
	c := tiny("direct")
	c.SaveEvery, c.Stages.Joint.Steps = 4, 11
	dir := t.TempDir()
	for i, last := range []int{6, 7, 3, 99} {
		l, _ := trainer(c, examples(15))
		l.Dir = dir
		if i > 0 {
			if _, err := l.Resume(); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		l.Report = func(Metrics) error {
			if n++; n == last {
				return crash
			}
			return nil
		}
		if err := l.Run(context.Background()); (last < 99) != errors.Is(err, crash) {
			t.Fatal(err)
		}
	}
	if got := shown(t, dir, "train/loss"); !slices.Equal(got, upTo(11)) {
		t.Errorf("steps %v", got)
	}
	if files := events(t, dir); len(files) != 4 {
		t.Errorf("%d files of events", len(files))
	}
}

// So has a curve of reinforcement, also of a run that crashed before anything was saved.
func TestOneCurveOfRewardsAfterCrashes(t *testing.T) {
	crash := errors.New("crash")
	c := tinyRL()
	c.Steps = 5
	dir := t.TempDir()
	for i, last := range []int{2, 4, 99} {
		l, _ := reinforcement("direct", c, wantsToken)
		l.Dir, l.Config.SaveEvery = dir, 3
		if i > 0 {
			if _, err := l.Resume(); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		l.Report = func(RLMetrics) error {
			if n++; n == last {
				return crash
			}
			return nil
		}
		if err := l.Run(context.Background()); (last < 99) != errors.Is(err, crash) {
			t.Fatal(err)
		}
	}
	if got := shown(t, dir, "rl/reward\x15"); !slices.Equal(got, upTo(5)) {
		t.Errorf("steps %v", got)
	}
}

// The settings stand in the events once, the end of a run that came to it, and at every
// evaluation what the model answers; that it is asked changes no byte of what is learned.
func TestEventsTellTheRun(t *testing.T) {
	words, err := tokenizer.Train(slices.Values([]string{"def f(x):"}), 260, cot.SpecialTokens)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range trained() {
		for _, rank := range []int{0, 2} {
			c := tiny(m.Name)
			c.EvalEvery, c.LoRA.Rank, c.LoRA.Alpha, c.LoRA.Targets = 2, rank, 4, "all"
			c.Precision = map[int]string{0: "f32", 2: "bf16"}[rank]
			begin := func() *Loop {
				l, _ := trainer(c, examples(15))
				l.Model.Pack()
				l.Held = examples(18)[15:]
				return l
			}
			plain := begin()
			if err := plain.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			l := begin()
			l.Words, l.Dir = words, t.TempDir()
			config := "method: " + m.Name + "\nmodel:\n    hidden: 16\n"
			if err := os.WriteFile(filepath.Join(l.Dir, experiment.ConfigFile), []byte(config), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := l.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			sameWeights(t, m.Name, l.Model, plain.Model)
			for tag, want := range map[string][]int{"held_out/sample": {2, 4, 5}, "_hparams_/session_start_info": {0}, "_hparams_/session_end_info": {0}, "model.hidden": {0}, config: {0}} {
				if got := shown(t, l.Dir, tag); !slices.Equal(got, want) {
					t.Errorf("%s: %q is there on steps %v, want %v", m.Name, tag, got, want)
				}
			}
		}
	}
}
