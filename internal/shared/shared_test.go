package shared_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"nfcot/internal/shared"
)

var folders = map[string]func(testing.TB) string{
	"NFCOT_FIXTURES": shared.Fixtures, "NFCOT_GOLDENS": shared.Goldens, "NFCOT_DATA": shared.Data,
}

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	for variable, find := range folders {
		t.Setenv(variable, dir)
		if got := find(t); got != dir {
			t.Errorf("$%s is %q, found %q", variable, dir, got)
		}
		t.Setenv(variable, filepath.Join("internal", "shared")) // seen from the root, not from here
		want, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		if got := find(t); got != want {
			t.Errorf("$%s is relative: found %q, want %q", variable, got, want)
		}
	}
}

// The model of others is where a variable says, or in the user's cache.
func TestSmolLM2(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nfcot", "smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NFCOT_SMOLLM2", file)
	if got := shared.SmolLM2(t); got != file {
		t.Errorf("found %q, want %q", got, file)
	}
	if runtime.GOOS == "linux" {
		t.Setenv("NFCOT_SMOLLM2", "")
		t.Setenv("XDG_CACHE_HOME", filepath.Dir(filepath.Dir(filepath.Dir(file))))
		if got := shared.SmolLM2(t); got != file {
			t.Errorf("in the cache: found %q, want %q", got, file)
		}
	}
	t.Run("absent", func(t *testing.T) {
		defer func() {
			if !t.Skipped() {
				t.Error("not skipped without the file")
			}
		}()
		t.Setenv("NFCOT_SMOLLM2", filepath.Join(t.TempDir(), "absent"))
		shared.SmolLM2(t)
	})
}

// The repository has all golden numbers.
func TestGoldenNumbersWithoutVariables(t *testing.T) {
	t.Setenv("NFCOT_FIXTURES", "")
	t.Setenv("NFCOT_GOLDENS", "")
	for _, path := range []string{filepath.Join(shared.Fixtures(t), "passk", "passk.json"), filepath.Join(shared.Goldens(t), "models", "index.json")} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// What lies beside the repository may be absent.
func TestDataAbsent(t *testing.T) {
	t.Setenv("NFCOT_DATA", filepath.Join(t.TempDir(), "absent"))
	t.Run("absent", func(t *testing.T) {
		defer func() {
			if !t.Skipped() {
				t.Error("not skipped without its folder")
			}
		}()
		shared.Data(t)
	})
}
