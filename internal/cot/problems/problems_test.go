package problems

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLoad finds problems that are made, published or a file's, each by its name.
func TestLoad(t *testing.T) {
	published := t.TempDir()
	file := filepath.Join(published, "mult_4x4_test.txt")
	if err := os.WriteFile(file, []byte("1 * 2||2 #### 2 0\n1 * 3||3 #### 3 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(t.TempDir(), "own.jsonl")
	if err := os.WriteFile(own, []byte(`{"prompt":"a","answer":"b"}`+"\n"+`{"prompt":"c","answer":"d"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		Request
		first string // task
		n     int
	}{
		{Request{Bench: "minicode", Split: "test", N: 3, First: 2}, "minicode/fold/easy/test/0", 3},
		{Request{Bench: "minicode:rule", Split: "train", N: 2}, "minicode/rule/easy/train/0", 2},
		{Request{Bench: "multiply:4x4", Split: "test", N: 1, Published: published}, "multiply:4x4/0", 2},
		{Request{Bench: "multiply:4x4", Split: "test", First: 1, Published: published}, "multiply:4x4/0", 1},
		{Request{Bench: "multiply:4x4", Split: "train", N: 3, Published: published}, "multiply/4x4/train/0", 3},
		{Request{Bench: "multiply:4x4", Split: "train", N: 3, Data: file}, "multiply:4x4/0", 2},
		{Request{Bench: own, Split: "test", N: 1}, "0", 2},
		{Request{Bench: own, First: 9}, "0", 2},
	} {
		b, err := tt.Judged()
		if err != nil || len(b.Problems) != tt.n || b.Problems[0].TaskID != tt.first {
			t.Errorf("%+v: %+v, %v; want %d problems from %s on", tt.Request, b, err, tt.n, tt.first)
		}
	}
	for _, tt := range []struct {
		Request
		want string
	}{
		{Request{Bench: "multiply:4x4", Split: "test"}, "download data/4_by_4_mult/test_bigbench.txt"},
		{Request{Bench: "multiply:9x9", Split: "test"}, `benchmark "multiply:9x9": want multiply:4x4 or multiply:5x5`},
		{Request{Bench: "minicode", Split: "test", Data: "x"}, "--data goes with a public benchmark (humaneval, "},
		{Request{Bench: "nosuch"}, "--bench nosuch: there is no such file, and no benchmark of that name; want minicode"},
	} {
		if _, err := tt.Load(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %s", tt.Request, err, tt.want)
		}
	}
	for _, name := range []string{"humaneval", "multiply.jsonl", ""} {
		if _, err := Lines(name, "train", 1, 1); err == nil || !strings.Contains(err.Error(), "is not made by this program; want minicode[") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
