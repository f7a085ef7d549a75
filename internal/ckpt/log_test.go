package ckpt

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

type metric struct {
	Step int     `json:"step"`
	Loss float64 `json:"loss"`
}

func mustLog(t *testing.T, path string) *Log {
	t.Helper()
	l, err := OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// A line is in the file as soon as Append returns.
func TestLogAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.jsonl")
	want := ""
	for range 2 { // opened again, it continues
		l := mustLog(t, path)
		for step := range 2 {
			if err := l.Append(metric{step, 0.5}); err != nil {
				t.Fatal(err)
			}
			want += fmt.Sprintf("{\"step\":%d,\"loss\":0.5}\n", step)
			wantContent(t, path, want)
		}
		wantError(t, l.Append(math.Inf(1)), path, "Inf")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantContent(t, path, want)
}

// Whatever part of the last line reached the disk, the log goes on after the
// line before it.
func TestLogTornLine(t *testing.T) {
	const whole, torn = "{\"step\":1,\"loss\":2} \r\n", "{\"step\":2,\"loss\":3}"
	for n := range len(torn) + 1 {
		path := writeBytes(t, filepath.Join(t.TempDir(), "x"), []byte(whole+torn[:n]))
		l := mustLog(t, path)
		wantContent(t, path, whole)
		if err := l.Append(metric{9, 9}); err != nil {
			t.Fatal(err)
		}
		wantContent(t, path, whole+"{\"step\":9,\"loss\":9}\n")
	}
}

func TestLogDropAfter(t *testing.T) {
	const content = "{\"run\":\"header\"}\n{\"step\":1}\n\n{\"step\":2}\n{\"step\":2}\n{\"step\":3}\n{\"step\":1}\n"
	for step, want := range map[int64]string{
		0: content[:17], 1: content[:29], 2: content[:51], 3: content, 99: content, -1: content[:17],
	} {
		path := writeBytes(t, filepath.Join(t.TempDir(), "x"), []byte(content))
		l := mustLog(t, path)
		if err := l.DropAfter(step); err != nil {
			t.Fatal(err)
		}
		wantContent(t, path, want)
		if err := l.Append("next"); err != nil {
			t.Fatal(err)
		}
		wantContent(t, path, want+"\"next\"\n")
	}
}

func TestLogRefuses(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"{\"step\":1.5}", ":2: field \"step\": found number 1.5"}, {"oops", ":2: invalid JSON"},
	} {
		content := "{\"step\":1}\n" + c.line + "\n{\"step\":3}\n"
		path := writeBytes(t, filepath.Join(t.TempDir(), "x"), []byte(content))
		wantError(t, mustLog(t, path).DropAfter(1), path+c.want)
		wantContent(t, path, content)
	}
	for _, content := range [][]byte{gz(t, "{}\n"), zst(t, "{}\n")} {
		path := writeBytes(t, filepath.Join(t.TempDir(), "x"), content)
		_, err := OpenLog(path)
		wantError(t, err, path, "compressed")
		wantContent(t, path, string(content))
	}
	dir := t.TempDir()
	_, err := OpenLog(dir)
	wantError(t, err, dir, "is a directory")
}

// Lines appended from many goroutines stay whole.
func TestLogConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	l := mustLog(t, path)
	const workers, each = 8, 50
	failed := make(chan error, workers)
	for range workers {
		go func() {
			var err error
			for n := range each {
				err = errors.Join(err, l.Append(row{Seed: n, TaskID: strings.Repeat("x", 5000)}))
			}
			failed <- err
		}()
	}
	for range workers {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	rows, err := ReadAllJSONL[row](path)
	if err != nil || len(rows) != workers*each {
		t.Errorf("%d rows (%v)", len(rows), err)
	}
}

// Nobody else writes a log that is open; afterwards anybody may.
func TestLogIsLocked(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no locks")
	}
	path := filepath.Join(t.TempDir(), "log.jsonl")
	l, err := OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(1); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLog(path); err == nil || !strings.Contains(err.Error(), path+": another process is writing it") {
		t.Errorf("a second one opens: %v", err)
	}
	if err := l.Append(2); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = OpenLog(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "1\n2\n" {
		t.Errorf("the log is %q, %v", text, err)
	}
}
