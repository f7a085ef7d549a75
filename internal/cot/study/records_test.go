package study

import (
	"os"
	"path/filepath"
	"testing"
)

// Records have the metrics of trainings whose weights are gone, and so do records of records; those of a training that
// has not ended they do not.
func TestRecordsOfTrainingsWithoutWeights(t *testing.T) {
	p, err := planOf(t, `entries:
- {id: r, train: {method: cot, data: ./x}}
- {id: u, train: {method: cot, data: ./x}}
`)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, id := range []string{"r", "u"} {
		writeRun(t, filepath.Join(dir, id), []map[string]any{{"step": 1, "backbone_flops": 1e9}})
	}
	if err := os.Mkdir(filepath.Join(dir, "u", "state"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeJSON(t, filepath.Join(dir, madeFile), made{ID: "r", Command: "nfcot train"})
	for range 2 {
		to := filepath.Join(t.TempDir(), "records")
		if n, err := Records(p, dir, to); err != nil || n != 1 || !exists(filepath.Join(to, "r", "metrics.jsonl.zst")) || exists(filepath.Join(to, "u")) {
			t.Errorf("%d entries, %v", n, err)
		}
		dir = to
	}
}
