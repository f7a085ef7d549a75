// Package shared finds, for tests, the folders that lie beside the repository:
// golden numbers and real data, which are not part of it.
package shared

import (
	"os"
	"path/filepath"
	"testing"
)

// Fixtures returns the folder of golden numbers: $NFCOT_FIXTURES, by default
// ../shared/fixtures. The test is skipped where there is none.
func Fixtures(t testing.TB) string { t.Helper(); return folder(t, "NFCOT_FIXTURES", "fixtures") }

// Data returns the folder of real data: $NFCOT_DATA, by default ../shared/data.
// The test is skipped where there is none.
func Data(t testing.TB) string { t.Helper(); return folder(t, "NFCOT_DATA", "data") }

// folder is the folder that a variable names. Relative paths are seen from the
// root of the repository, whatever package is tested.
func folder(t testing.TB, variable, name string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		dir = filepath.Join("..", "shared", name)
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(root(t), dir)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no folder %s; $%s can name another", dir, variable)
	}
	return dir
}

// root is the folder above the working directory that holds go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}
