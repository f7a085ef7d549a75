package ckpt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// halfEnv makes the test binary a process that stops in the middle of its
// output, for TestKilled.
const halfEnv = "CKPT_TEST_HALF"

func TestMain(m *testing.M) {
	if path := os.Getenv(halfEnv); path != "" {
		err := WriteFile(path, func(w io.Writer) error {
			return WriteDir(path+".dir", func(dir string) error {
				writeHalf(w, filepath.Join(dir, "part"))
				return nil
			})
		})
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeHalf writes far more than any buffer holds, says so, and waits.
func writeHalf(w io.Writer, other string) {
	io.WriteString(w, strings.Repeat("half", 1<<18))
	os.WriteFile(other, []byte("half"), 0o644)
	fmt.Println("writing")
	time.Sleep(time.Minute)
}

func writeText(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q (%v), want %q", path, got, err, want)
	}
}

// wantOnly demands that a folder holds these names and nothing else, such as a
// temporary.
func wantOnly(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if fmt.Sprint(names) != fmt.Sprint(want) {
		t.Errorf("%s holds %q, want %q", dir, names, want)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	for _, text := range []string{"first", "second"} {
		if err := WriteFile(path, writeText(text)); err != nil {
			t.Fatal(err)
		}
		wantContent(t, path, text)
	}
	if stat, err := os.Stat(path); err != nil || stat.Mode() != 0o644 {
		t.Errorf("mode %v (%v)", stat.Mode(), err)
	}
	wantOnly(t, dir, "x")
}

// Until the last byte is there the name shows the former content.
func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	path := writeBytes(t, filepath.Join(dir, "x"), []byte("before"))
	broken := errors.New("broken")
	half := func(w io.Writer) error {
		io.WriteString(w, strings.Repeat("half", 1<<20))
		wantContent(t, path, "before")
		return broken
	}
	err := WriteFile(path, half)
	wantError(t, err, path, "broken")
	if !errors.Is(err, broken) {
		t.Error("the cause is lost")
	}
	func() {
		defer func() { recover() }()
		WriteFile(path, func(w io.Writer) error { half(w); panic("bug") })
	}()
	wantContent(t, path, "before")
	wantOnly(t, dir, "x")

	err = WriteFile(dir, writeText(""))
	wantError(t, err, dir, "is a folder")
	absent := filepath.Join(dir, "absent", "x")
	wantError(t, WriteFile(absent, writeText("")), absent, "folder "+filepath.Dir(absent), "no such file")
}

func TestWriteFileInWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := WriteFile("x", writeText("here")); err != nil {
		t.Fatal(err)
	}
	wantContent(t, "x", "here")
	if err := WriteDir("d", func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, ".", "d", "x")
}

func TestWriteFileThroughLinkAndPipe(t *testing.T) {
	dir := t.TempDir()
	target, link, pipe := filepath.Join(dir, "target"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	writeBytes(t, target, []byte("before"))
	if err := os.Symlink("target", link); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(link, writeText("after")); err != nil {
		t.Fatal(err)
	}
	wantContent(t, target, "after")
	if stat, err := os.Lstat(link); err != nil || stat.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link became %v (%v)", stat.Mode(), err)
	}

	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Skip(err)
	}
	received := make(chan string)
	go func() {
		text, _ := os.ReadFile(pipe)
		received <- string(text)
	}()
	if err := WriteFile(pipe, writeText("through")); err != nil {
		t.Fatal(err)
	}
	if got := <-received; got != "through" {
		t.Errorf("the pipe gave %q", got)
	}
	wantOnly(t, dir, "link", "pipe", "target")
}

// A full disk is reported, in one line, whether the buffer or its flush meets it.
func TestWriteFileDiskFull(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip(err)
	}
	for _, size := range []int{1, 1 << 20} {
		wantError(t, WriteFile(full, writeText(strings.Repeat("x", size))), full, "no space left")
	}
	wantError(t, Write(full, []Tensor{{Name: "w", Shape: []int{1 << 16}, Data: make([]float32, 1<<16)}}, nil), full, "no space left")
	wantError(t, WriteJSONL(full, slices.Values([]int{1})), full, "no space left")
}

func fill(name, text string) func(string) error {
	return func(dir string) error {
		return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
	}
}

// Of two who write a folder at once, the last one's is there, whole.
func TestWriteDirTwice(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run")
	err := WriteDir(path, func(temp string) error {
		if err := WriteDir(path, fill("first", "")); err != nil {
			return err
		}
		return fill("last", "")(temp)
	})
	if err != nil {
		t.Fatal(err)
	}
	wantOnly(t, path, markerName, "last")
	wantOnly(t, dir, "run")

	other := filepath.Join(dir, "other")
	err = WriteDir(other, func(temp string) error { return fill("notes", "")(mustMkdir(t, other)) })
	if err == nil || !strings.Contains(err.Error(), "was not made by nfcot") {
		t.Errorf("a folder that somebody else has made meanwhile: error %v", err)
	}
	wantOnly(t, other, "notes")
}

func TestWriteDir(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run")
	for _, name := range []string{"a", "b", "c"} { // creates, then replaces
		err := WriteDir(path, func(temp string) error {
			if name == "b" {
				wantContent(t, filepath.Join(path, "a"), "text of a")
			}
			return fill(name, "text of "+name)(temp)
		})
		if err != nil {
			t.Fatal(err)
		}
		wantOnly(t, path, markerName, name)
		wantOnly(t, dir, "run")
	}
	if stat, err := os.Stat(path); err != nil || stat.Mode().Perm() != 0o755 {
		t.Errorf("mode %v (%v)", stat.Mode(), err)
	}
}

func TestWriteDirFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run")
	broken := errors.New("broken")
	fail := func(temp string) error { return errors.Join(fill("half", "")(temp), broken) }
	wantError(t, WriteDir(path, fail), path, "broken")
	wantOnly(t, dir)
	if err := WriteDir(path, fill("a", "whole")); err != nil {
		t.Fatal(err)
	}
	wantError(t, WriteDir(path, fail), path, "broken")
	func() {
		defer func() { recover() }()
		WriteDir(path, func(string) error { panic("bug") })
	}()
	wantOnly(t, path, markerName, "a")
	wantOnly(t, dir, "run")
}

func TestWriteDirReplacesOnlyItsOwn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "empty")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteDir(path, fill("a", "")); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, path, markerName, "a")

	called := false
	foreign := filepath.Join(dir, "foreign")
	if err := os.Mkdir(foreign, 0o755); err != nil {
		t.Fatal(err)
	}
	thesis := writeBytes(t, filepath.Join(foreign, "thesis.tex"), []byte("years"))
	err := WriteDir(foreign, func(string) error { called = true; return nil })
	wantError(t, err, foreign, "not empty", markerName)
	wantContent(t, thesis, "years")
	err = WriteDir(thesis, func(string) error { called = true; return nil })
	wantError(t, err, thesis, "not a directory")
	if called {
		t.Error("the work was done before the refusal")
	}
	wantError(t, CheckDir(foreign), foreign, "not empty", markerName)
	if err := CheckDir(path); err != nil {
		t.Error(err)
	}
	wantOnly(t, path, markerName, "a") // as it was
}

// The way without an exchange of names.
func TestSwapFallback(t *testing.T) {
	dir := t.TempDir()
	target, temp := filepath.Join(dir, "run"), filepath.Join(dir, ".temp")
	for _, d := range []string{target, temp} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		fill(filepath.Base(d), "")(d)
	}
	if err := renameOver(temp, target); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, dir, "run")
	wantOnly(t, target, ".temp")
	// Nothing to put there: the former folder comes back.
	if err := renameOver(filepath.Join(dir, "absent"), target); err == nil {
		t.Fatal("no error")
	}
	wantOnly(t, dir, "run")
	wantOnly(t, target, ".temp")
}

// A process killed in the middle of writing leaves nothing under the names it
// was to write.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	path := writeBytes(t, filepath.Join(dir, "x"), []byte("before"))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), halfEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "writing\n" {
		t.Errorf("the process said %q (%v)", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	wantContent(t, path, "before")
	if _, err := os.Stat(path + ".dir"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a folder is there (%v)", err)
	}
}

// CheckFile finds what WriteFile would fail with for want of a place, and nothing else.
func TestCheckFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                            "",
		filepath.Join(dir, "new"):       "",
		os.DevNull:                      "",
		dir:                             dir + ": is a folder, expected a file",
		filepath.Join(dir, "no", "x"):   filepath.Join(dir, "no", "x") + ": cannot write in folder " + filepath.Join(dir, "no") + ": ",
		filepath.Join(dir, "file", "x"): filepath.Join(dir, "file", "x") + ": cannot write in folder " + file + ": it is a file",
	} {
		err := CheckFile(path)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if wrote := WriteFile(path, func(io.Writer) error { return nil }); (err == nil) != (wrote == nil) {
			t.Errorf("%s: found %v, and writing ends with %v", path, err, wrote)
		}
	}
}
