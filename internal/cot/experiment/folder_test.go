package experiment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nfcot/internal/ckpt"
)

// begun makes the folder of a run as one leaves it that is killed with these files there.
func begun(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("cut sh"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStartFolder: which folders a run begins in, with and without --resume, and what it says.
func TestStartFolder(t *testing.T) {
	const lock = ".lock"
	for _, tt := range []struct {
		name          string
		there         []string
		fresh, resume string // "": begins; "saved": goes on; else the error
		anew          bool   // it says that it begins anew
	}{
		{"nothing", nil, "", "no saved state", false},
		{"the lock alone", []string{lock}, "", "", true},
		{"a part of the beginning", []string{lock, ConfigFile, ".tokenizer.json.tmp-77"}, "", "", true},
		{"half a state", []string{lock, ConfigFile, ".state.tmp-5/state.safetensors"}, "", "", true},
		{"a state", []string{lock, ConfigFile, "state/position.json"}, "not empty", "saved", false},
		{"a state put aside", []string{lock, ConfigFile, ".state.old-5/state/position.json", ".state.tmp-6/x"}, "not empty", "saved", false},
		{"a state of before there were locks", []string{ConfigFile, "state/position.json"}, "not empty", "saved", false},
		{"metrics, and the state deleted", []string{lock, ConfigFile, MetricsFile}, "not empty", "no saved state", false},
		{"something of the user's", []string{ConfigFile}, "not empty", "no saved state", false},
	} {
		for _, resume := range []bool{false, true} {
			r := newRun(t, "direct")
			begun(t, r.Dir, tt.there...)
			want := map[bool]string{false: tt.fresh, true: tt.resume}[resume]
			var said []string
			saved, err := r.Start(resume, func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) })
			switch want {
			case "", "saved":
				if err != nil || saved != (want == "saved") {
					t.Errorf("%s, resume %v: saved %v, %v; want %q", tt.name, resume, saved, err, want)
				}
				if anew := len(said) == 1 && strings.Contains(said[0], "begins anew"); anew != (tt.anew && !saved) {
					t.Errorf("%s, resume %v: said %q", tt.name, resume, said)
				}
				if left, _ := filepath.Glob(filepath.Join(r.Dir, ".*.*-*")); len(left) > 0 {
					t.Errorf("%s, resume %v: %q are left", tt.name, resume, left)
				}
				if _, err := ReadConfig(r.Dir); !saved && err != nil {
					t.Errorf("%s, resume %v: %v", tt.name, resume, err)
				}
			default:
				if !errors.As(err, new(FolderError)) || !strings.Contains(err.Error(), want) {
					t.Errorf("%s, resume %v: error %v; want %q", tt.name, resume, err, want)
				}
				if exists(filepath.Join(r.Dir, lock)) && !strings.Contains(strings.Join(tt.there, " "), lock) {
					t.Errorf("%s, resume %v: the refusal left a lock", tt.name, resume)
				}
			}
			if err := r.Close(); err != nil && want == "" {
				t.Error(err)
			}
		}
	}
}

// TestTwoStarters: of many that begin in one folder at once one does, and its files are there.
func TestTwoStarters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var mu sync.Mutex
	var wait sync.WaitGroup
	var winners []*Run
	for seed := range 8 {
		r := newRun(t, "direct")
		r.Dir, r.Experiment.Seed = dir, uint64(seed)
		wait.Go(func() {
			_, err := r.Start(false, t.Logf)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				winners = append(winners, r)
			} else if !errors.As(err, new(FolderError)) || !errors.Is(err, ckpt.ErrBusy) {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
	}
	wait.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d runs began in one folder", len(winners))
	}
	x, err := ReadConfig(dir)
	if err != nil || x.Seed != winners[0].Experiment.Seed {
		t.Errorf("the configuration has seed %d, %v; the run that began has %d", x.Seed, err, winners[0].Experiment.Seed)
	}
	if err := winners[0].Finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := newRunIn(t, dir).Start(false, t.Logf); !errors.As(err, new(FolderError)) {
		t.Errorf("a second run in the folder of one that is complete: %v", err)
	}
	if exists(filepath.Join(dir, ".lock")) {
		t.Error("a complete run has a lock")
	}
}

func newRunIn(t *testing.T, dir string) *Run {
	r := newRun(t, "direct")
	r.Dir = dir
	return r
}

// TestResumeComplete: what a kill left when all was done is no reason to do it again, and is
// tidied up.
func TestResumeComplete(t *testing.T) {
	r := finished(t, "direct")
	begun(t, r.Dir, ".lock", ".state.tmp-9/state/position.json")
	if _, err := Resume(r.Dir, "train"); err == nil || !strings.Contains(err.Error(), "is complete") {
		t.Errorf("error %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.Dir, ".*")); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
	begun(t, r.Dir, "state/position.json")
	if _, err := Resume(r.Dir, "train"); err != nil {
		t.Errorf("with a state that was not yet removed: %v", err)
	}
}
