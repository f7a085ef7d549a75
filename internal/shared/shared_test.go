package shared_test

import (
	"os"
	"path/filepath"
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

// The repository has golden numbers of its own.
func TestFixturesWithoutVariable(t *testing.T) {
	t.Setenv("NFCOT_FIXTURES", "")
	if _, err := os.Stat(filepath.Join(shared.Fixtures(t), "passk", "passk.json")); err != nil {
		t.Error(err)
	}
}

// What lies beside the repository may be absent.
func TestFoldersAbsent(t *testing.T) {
	for variable, find := range folders {
		if variable == "NFCOT_FIXTURES" {
			continue
		}
		t.Setenv(variable, filepath.Join(t.TempDir(), "absent"))
		t.Run(variable, func(t *testing.T) {
			defer func() {
				if !t.Skipped() {
					t.Error("not skipped without its folder")
				}
			}()
			find(t)
		})
	}
}
