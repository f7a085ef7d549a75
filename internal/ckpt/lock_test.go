package ckpt

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestLockDir: a folder has one writer at a time, and knows whether one has ended.
func TestLockDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "run")
	lock := func(made bool) *Lock {
		t.Helper()
		l, err := LockDir(dir)
		if err != nil || l.Made != made {
			t.Fatalf("%+v, %v; want one that has made its file: %v", l, err, made)
		}
		return l
	}
	l := lock(true)
	if _, err := LockDir(dir); !errors.Is(err, ErrBusy) {
		t.Errorf("a second one: %v", err)
	}
	if err := l.Close(); err != nil || !WasLocked(dir) {
		t.Fatal(err)
	}
	l = lock(false)
	if err := l.Remove(); err != nil || WasLocked(dir) {
		t.Fatal(err)
	}
	wantOnly(t, dir)
	if err := lock(true).Remove(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join((*Lock)(nil).Close(), (*Lock)(nil).Remove()); err != nil {
		t.Error(err)
	}
	file := writeBytes(t, filepath.Join(t.TempDir(), "file"), nil)
	_, err := LockDir(file)
	wantError(t, err, file, "not a directory")
}

// TestLeftovers: who writes a name removes what killed processes left of it, and nothing that
// is still being written.
func TestLeftovers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nobody knows there whether a temporary is held")
	}
	dir := t.TempDir()
	writeBytes(t, filepath.Join(dir, ".x.tmp-1"), nil)
	writeBytes(t, filepath.Join(dir, ".y.tmp-1"), nil)
	fill("half", "")(mustMkdir(t, filepath.Join(dir, ".x.tmp-2")))
	held := filepath.Join(dir, ".x.tmp-3")
	writeBytes(t, held, nil)
	release, ok := hold(held)
	if !ok {
		t.Fatal("the temporary cannot be held")
	}
	if err := WriteFile(filepath.Join(dir, "x"), writeText("")); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, dir, ".x.tmp-3", ".y.tmp-1", "x")
	release()
	err := WriteFile(filepath.Join(dir, "x"), func(io.Writer) error { return errors.New("broken") })
	wantError(t, err, filepath.Join(dir, "x"), "broken")
	wantOnly(t, dir, ".y.tmp-1", "x")
	if err := WriteDir(filepath.Join(dir, "y"), fill("a", "")); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, dir, "x", "y")
}

func mustMkdir(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRecover: a folder that was put aside comes back unless another has its place.
func TestRecover(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{".lost.old-1/lost", ".lost.tmp-2", ".there.old-3/there", "there", ".none.old-4", ".mine.tmp-x", ".tmp-5"} {
		fill(filepath.Base(d), "")(mustMkdir(t, filepath.Join(dir, d)))
	}
	writeBytes(t, filepath.Join(dir, ".file.tmp-6"), nil)
	if err := Recover(dir); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, dir, ".mine.tmp-x", ".tmp-5", "lost", "there")
	wantOnly(t, filepath.Join(dir, "lost"), "lost")
	wantOnly(t, filepath.Join(dir, "there"), "there")
}

func TestRemoveDir(t *testing.T) {
	dir := t.TempDir()
	fill("a", "")(mustMkdir(t, filepath.Join(dir, "state")))
	for range 2 { // the second time there is none
		if err := RemoveDir(filepath.Join(dir, "state")); err != nil {
			t.Fatal(err)
		}
		wantOnly(t, dir)
	}
}
