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

	"nfcot/internal/shared"
)

func fixtures(t testing.TB) string {
	return filepath.Join(shared.Fixtures(t), "tokenizer")
}
func vocabularies(t testing.TB) string {
	return filepath.Join(shared.Data(t), "tokenizers")
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
			loaded[name], err = loadGPT2(folder)
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

// loadGPT2 reads the two files in which OpenAI published GPT-2's tokenizer: the vocabulary, and the merges, one "a b" a line.
func loadGPT2(folder string) (*Tokenizer, error) {
	var vocab vocabulary
	encoder, err := os.ReadFile(filepath.Join(folder, "encoder.json"))
	if err == nil {
		err = json.Unmarshal(encoder, &vocab)
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(folder, "vocab.bpe"))
	if err != nil {
		return nil, err
	}
	merges, err := parseMerges(strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"))
	if err != nil {
		return nil, err
	}
	const endOfText = "<|endoftext|>"
	return newTokenizer(newDocument(vocab, merges, []addedToken{newSpecial(vocab[endOfText], endOfText)}))
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
