package shared_test

import (
	"os"
	"path/filepath"
	"testing"

	"nfcot/internal/shared"
)

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	for variable, find := range map[string]func(testing.TB) string{"NFCOT_FIXTURES": shared.Fixtures, "NFCOT_DATA": shared.Data} {
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
		t.Setenv(variable, filepath.Join(dir, "absent"))
		t.Run("absent "+variable, func(t *testing.T) {
			defer func() {
				if !t.Skipped() {
					t.Error("not skipped without its folder")
				}
			}()
			find(t)
		})
	}
}
