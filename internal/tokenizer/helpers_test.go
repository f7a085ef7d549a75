package tokenizer

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// sharedFolder returns the folder a variable names, or ../shared/NAME next to the repository; the test skips without it.
func sharedFolder(t testing.TB, variable, name string) string {
	t.Helper()
	folder := os.Getenv(variable)
	if folder == "" {
		root, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			if root == filepath.Dir(root) {
				t.Fatal("no go.mod above the package")
			}
			root = filepath.Dir(root)
		}
		folder = filepath.Join(root, "..", "shared", name)
	}
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("no folder %s; $%s can name another", folder, variable)
	}
	return folder
}

func fixtures(t testing.TB) string {
	return filepath.Join(sharedFolder(t, "NFCOT_FIXTURES", "fixtures"), "tokenizer")
}
func vocabularies(t testing.TB) string {
	return filepath.Join(sharedFolder(t, "NFCOT_DATA", "data"), "tokenizers")
}

var (
	loadOnce = map[string]*sync.Once{"gpt2": {}, "qwen3": {}}
	loaded   = map[string]*Tokenizer{}
)

// realTokenizer returns GPT-2's or Qwen3's tokenizer, loaded once for all tests.
func realTokenizer(t testing.TB, name string) *Tokenizer {
	t.Helper()
	folder := filepath.Join(vocabularies(t), name)
	loadOnce[name].Do(func() {
		var err error
		if name == "gpt2" {
			loaded[name], err = LoadGPT2(filepath.Join(folder, "encoder.json"), filepath.Join(folder, "vocab.bpe"))
		} else {
			temp := t.TempDir()
			if err = os.WriteFile(filepath.Join(temp, "tokenizer.json"), qwen3File(t), 0o600); err == nil {
				loaded[name], err = Load(temp)
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	if loaded[name] == nil {
		t.Fatalf("the %s tokenizer did not load", name)
	}
	return loaded[name]
}

// qwen3File is the published tokenizer.json of Qwen3.
func qwen3File(t testing.TB) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join(vocabularies(t), "qwen3", "tokenizer.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// readLines decodes a file of JSON lines.
func readLines[T any](t testing.TB, path string) []T {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []T
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadString('\n')
		if strings.TrimSpace(line) != "" {
			var x T
			if err := json.Unmarshal([]byte(line), &x); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			out = append(out, x)
		}
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// byteDocument is a small tokenizer: the 256 bytes, then the given merges.
func byteDocument(merges ...[2]string) document {
	vocab := vocabulary{}
	for id, b := range byteOrder {
		vocab[string(byteSpelling[b])] = id
	}
	for _, m := range merges {
		vocab[m[0]+m[1]] = len(vocab)
	}
	return newDocument(vocab, merges, nil)
}

// build makes the tokenizer of a document by way of its JSON.
func build(t testing.TB, doc document) *Tokenizer {
	t.Helper()
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// texts returns the tokens of ids as the file spells them.
func texts(t *Tokenizer, ids []int) (out []string) {
	for _, id := range ids {
		out = append(out, t.Token(id))
	}
	return out
}
