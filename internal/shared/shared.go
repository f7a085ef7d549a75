// Package shared finds, for tests, the folders they read: golden numbers in the
// repository, and what lies beside it and is not part of it.
package shared

import (
	"cmp"
	"os"
	"path/filepath"
	"testing"
)

// Fixtures returns the folder of golden numbers that were computed in double precision
// for what is this program's own: $NFCOT_FIXTURES, by default testdata/golden.
func Fixtures(t testing.TB) string { t.Helper(); return golden(t, "NFCOT_FIXTURES") }

// Golden returns the repository's own folder of golden numbers, for those that neither
// $NFCOT_FIXTURES nor $NFCOT_GOLDENS has others of.
func Golden(t testing.TB) string { t.Helper(); return filepath.Join(root(t), "testdata", "golden") }

// Goldens returns the folder of what other programs compute with models and files in
// public formats: $NFCOT_GOLDENS, by default ../shared/goldens, and where there is none
// testdata/golden, which has all but the chat templates of others.
func Goldens(t testing.TB) string {
	t.Helper()
	const variable = "NFCOT_GOLDENS"
	if dir := folder(t, variable, filepath.Join("..", "shared", "goldens")); os.Getenv(variable) == "" && isDir(dir) {
		return dir
	}
	return golden(t, variable)
}

// golden is a folder of golden numbers, without which a test fails.
func golden(t testing.TB, variable string) string {
	t.Helper()
	dir := folder(t, variable, filepath.Join("testdata", "golden"))
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Field returns the folder of situations from public bug reports, with what is expected in each:
// $NFCOT_FIELD, by default ../shared/field. The test is skipped where there is none.
func Field(t testing.TB) string {
	t.Helper()
	const variable = "NFCOT_FIELD"
	dir := folder(t, variable, filepath.Join("..", "shared", "field"))
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("needs the folder that $%s names; there is no %s", variable, dir)
	}
	return dir
}

// Data returns the folder of published benchmarks and tokenizers: $NFCOT_DATA, by
// default ../shared/data. The test is skipped where there is none.
func Data(t testing.TB) string {
	t.Helper()
	const variable = "NFCOT_DATA"
	dir := folder(t, variable, filepath.Join("..", "shared", "data"))
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("needs the folder that $%s names; there is no %s", variable, dir)
	}
	return dir
}

// SmolLM2 returns the GGUF file of SmolLM2-135M-Instruct: $NFCOT_SMOLLM2, by default where
// scripts/get_smollm2.sh puts it. The test is skipped where there is none.
func SmolLM2(t testing.TB) string {
	t.Helper()
	file := os.Getenv("NFCOT_SMOLLM2")
	if cache, err := os.UserCacheDir(); file == "" && err == nil {
		file = filepath.Join(cache, "nfcot", "smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
	}
	if _, err := os.Stat(file); err != nil {
		t.Skipf("needs the file that scripts/get_smollm2.sh gets and $NFCOT_SMOLLM2 names; there is no %s", file)
	}
	return file
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// folder is the folder that a variable names. Relative paths are seen from the
// root of the repository, whatever package is tested.
func folder(t testing.TB, variable, otherwise string) string {
	t.Helper()
	dir := cmp.Or(os.Getenv(variable), otherwise)
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(root(t), dir)
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
