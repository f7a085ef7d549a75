package cpython

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A sanitizeCase is a text and what EvalPlus makes of it.
type sanitizeCase struct {
	Tag        string
	EntryPoint string `json:"entry_point"`
	Text       string
	Sanitized  string
}

func sanitizeCases(t testing.TB) []sanitizeCase {
	var cases []sanitizeCase
	for _, line := range lines(t, "agreement/sanitize_cases.jsonl") {
		cases = append(cases, decode[sanitizeCase](t, line))
	}
	return cases
}

func TestSanitizeAgrees(t *testing.T) {
	cases := sanitizeCases(t)
	x := open(t, Options{})
	for _, c := range cases {
		if c.Tag == "match_stmt" && x.python.Version[1] < 10 {
			continue // no statement of this CPython
		}
		got, err := x.Sanitize(t.Context(), c.Text, c.EntryPoint)
		if err != nil {
			t.Fatal(err)
		}
		if got != c.Sanitized {
			t.Errorf("%s: %q, want %q", c.Tag, got, c.Sanitized)
		}
	}
}

// TestSanitizeHostileTexts gives the sanitiser what takes it longest, and what may end its process.
func TestSanitizeHostileTexts(t *testing.T) {
	x := open(t, Options{})
	for name, text := range map[string]string{
		"calls":    strings.Repeat("f(\n", 1000),
		"brackets": strings.Repeat("[\n", 1000),
		"minuses":  strings.Repeat("-", 1_000_000) + "1\n\n",
		"lists":    "x = " + strings.Repeat("[", 90) + strings.Repeat("]", 90) + "\n" + strings.Repeat("(", 100_000) + "\n",
		"powers":   strings.Repeat("1**", 200_000) + "1\n\n",
		"a list":   "x = [" + strings.Repeat("1,", 50_000) + "]\n",
		"ifs":      strings.Repeat("if x:\n", 3000),
		"nul":      "x = 1\n\x00\ny = 2\n",
		"prose":    strings.Repeat("I'm sure that it (really) works\n", 20_000),
	} {
		began := time.Now()
		if _, err := x.Sanitize(t.Context(), text, "f"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, time.Since(began).Round(time.Millisecond))
	}
	if got, err := x.Sanitize(t.Context(), "So:\ndef f():\n    return 1\n", "f"); err != nil || got != "def f():\n    return 1" {
		t.Errorf("afterwards: %q, %v", got, err)
	}
}

// pythons are the interpreters that the search is tested with: pyenv's, or the one on the path.
func pythons(t *testing.T) []string {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip(err)
	}
	found, err := filepath.Glob(filepath.Join(home, ".pyenv/versions/3.*/bin/python3"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		if python, err := exec.LookPath("python3"); err == nil {
			found = append(found, python)
		}
	}
	return found
}

// TestSanitizeSearchIsExhaustive compares the search for the longest run of lines with trying all runs.
func TestSanitizeSearchIsExhaustive(t *testing.T) {
	tested := 0
	for _, python := range pythons(t) {
		version, err := exec.Command(python, "-c", "import sys; print(3 << 8 | 8 <= sys.version_info[0] << 8 | sys.version_info[1])").Output()
		if err != nil || strings.TrimSpace(string(version)) != "True" {
			continue
		}
		tested++
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(python))), func(t *testing.T) {
			cmd := exec.Command(python, "-B", "-W", "ignore", "testdata/sanitize_twin.py", "python", "1", "500")
			out, err := cmd.CombinedOutput()
			if err != nil || len(out) > 0 {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	if tested == 0 {
		t.Skip("no CPython")
	}
}
