package cpython

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nfcot/internal/eval"
)

// dataFile is a file of the folder with benchmark data.
func dataFile(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(cmp.Or(os.Getenv("NFCOT_DATA"), "../../../../shared/data"), name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no benchmark data: %v", err)
	}
	return path
}

// lines returns the lines of a file of JSON lines.
func lines(t testing.TB, name string) []json.RawMessage {
	t.Helper()
	f, err := os.Open(dataFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		scanner = bufio.NewScanner(z)
	}
	scanner.Buffer(nil, 64<<20)
	var all []json.RawMessage
	for scanner.Scan() {
		all = append(all, json.RawMessage(strings.Clone(scanner.Text())))
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func decode[T any](t testing.TB, line json.RawMessage) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(line, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func open(t testing.TB) *Executor {
	t.Helper()
	x, err := Open(t.Context(), Options{Python: os.Getenv("NFCOT_PYTHON"), Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

func TestHumanEvalCanonical(t *testing.T) {
	x := open(t)
	for _, line := range lines(t, "humaneval/HumanEval.jsonl.gz") {
		p := decode[eval.Problem](t, line)
		o, err := x.Execute(t.Context(), p, p.Prompt+p.CanonicalSolution)
		if err != nil {
			t.Fatal(err)
		}
		if o.Kind != eval.Passed {
			t.Errorf("%s: %s", p.TaskID, o.Result())
		}
	}
}
