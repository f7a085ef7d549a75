package tokenizer

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"nfcot/internal/shared"
)

// A goldenCase is a line of the fixtures.
type goldenCase struct {
	Kind               string  `json:"kind"`
	Text               *string `json:"text"`
	IDs                []int   `json:"ids"`
	Decoded            string  `json:"decoded"`
	DecodedSkipSpecial *string `json:"decoded_skip_special"`
}

func TestGolden(t *testing.T) {
	for _, name := range []string{"gpt2", "qwen3"} {
		t.Run(name, func(t *testing.T) {
			tok := realTokenizer(t, name)
			cases := readLines[goldenCase](t, filepath.Join(fixtures(t), name+".jsonl"))
			cases = append(cases, readLines[goldenCase](t, filepath.Join(fixtures(t), name+"_decode.jsonl"))...)
			if len(cases) == 0 {
				t.Fatal("no cases")
			}
			for i, c := range cases {
				if c.Text != nil {
					if got := tok.Encode(*c.Text); !slices.Equal(got, c.IDs) {
						t.Errorf("case %d (%s): Encode(%q)\n got %v\nwant %v", i, c.Kind, *c.Text, got, c.IDs)
					}
				}
				checkDecode(t, tok, c.IDs, false, c.Decoded)
				if c.DecodedSkipSpecial != nil {
					checkDecode(t, tok, c.IDs, true, *c.DecodedSkipSpecial)
				}
			}
		})
	}
}

// checkDecode compares Decode and the stream with the text wanted, and that the stream gives out whole characters only.
func checkDecode(t *testing.T, tok *Tokenizer, ids []int, skipSpecial bool, want string) {
	t.Helper()
	if got := tok.Decode(ids, skipSpecial); got != want {
		t.Errorf("Decode(%v, %v) = %q, want %q", ids, skipSpecial, got, want)
	}
	stream := tok.NewStream(skipSpecial)
	var got strings.Builder
	for _, id := range ids {
		got.WriteString(stream.Next(id))
		if !strings.HasPrefix(want, got.String()) {
			t.Errorf("stream of %v: got %q after %d, want a prefix of %q", ids, got.String(), id, want)
		}
	}
	got.WriteString(stream.Flush())
	if got.String() != want {
		t.Errorf("stream of %v = %q, want %q", ids, got.String(), want)
	}
	if rest := stream.Flush(); rest != "" {
		t.Errorf("a flushed stream holds %q", rest)
	}
}

// The vectors of llama.cpp: cases parted by a line, and a line of ids each.
func TestLlamaCppVectors(t *testing.T) {
	for name, file := range map[string]string{"gpt2": "llamacpp_gpt2_vectors", "qwen3": "llamacpp_qwen2_vectors"} {
		t.Run(name, func(t *testing.T) {
			tok := realTokenizer(t, name)
			read := func(ending string) string {
				data, err := os.ReadFile(filepath.Join(vocabularies(t), name, file+ending))
				if err != nil {
					t.Fatal(err)
				}
				return string(data)
			}
			inputs := strings.Split(read(".inp"), "\n__ggml_vocab_test__\n")
			lines := strings.Split(read(".out"), "\n")
			if len(lines) < len(inputs) {
				t.Fatalf("%d cases, but %d lines of ids", len(inputs), len(lines))
			}
			for i, text := range inputs {
				want := []int{}
				for _, field := range strings.Fields(lines[i]) {
					id, err := strconv.Atoi(field)
					if err != nil {
						t.Fatal(err)
					}
					want = append(want, id)
				}
				if got := tok.Encode(text); !slices.Equal(got, want) {
					t.Errorf("case %d: Encode(%q) = %v, want %v", i, text, got, want)
				}
			}
		})
	}
}

// A file of Hugging Face's that is loaded and saved is the same file.
func TestSaveOfPublishedFile(t *testing.T) {
	got, err := realTokenizer(t, "qwen3").JSON()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, qwen3File(t)) {
		t.Errorf("Qwen3's tokenizer.json changed by loading and saving: %d bytes", len(got))
	}
}

func TestVocabularyOfRealTokenizers(t *testing.T) {
	for name, want := range map[string]struct {
		size, id int
		token    string
	}{
		"gpt2":  {50257, 50256, "<|endoftext|>"},
		"qwen3": {151669, 151645, "<|im_end|>"},
	} {
		tok := realTokenizer(t, name)
		if got := tok.VocabSize(); got != want.size {
			t.Errorf("%s: VocabSize() = %d, want %d", name, got, want.size)
		}
		if id, ok := tok.TokenID(want.token); !ok || id != want.id {
			t.Errorf("%s: TokenID(%q) = %d, %v, want %d", name, want.token, id, ok, want.id)
		}
		if got := tok.Token(want.id); got != want.token {
			t.Errorf("%s: Token(%d) = %q, want %q", name, want.id, got, want.token)
		}
	}
}

// Goroutines that share a tokenizer get what one alone gets.
func TestConcurrentUse(t *testing.T) {
	tok := realTokenizer(t, "gpt2")
	cases := readLines[goldenCase](t, filepath.Join(fixtures(t), "gpt2.jsonl"))
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range cases {
				c := cases[(i+50*g)%len(cases)]
				if !slices.Equal(tok.Encode(*c.Text), c.IDs) || tok.Decode(c.IDs, false) != c.Decoded {
					t.Errorf("case %q differs among goroutines", *c.Text)
				}
			}
		})
	}
	group.Wait()
}

// BenchmarkEncode measures English and code, with a warm cache of pre-tokens and with none.
func BenchmarkEncode(b *testing.B) {
	data := shared.Data(b)
	var corpus []byte
	for _, file := range []string{"cot/gsm8k_test.jsonl", "mbpp/mbpp.jsonl"} {
		part, err := os.ReadFile(filepath.Join(data, file))
		if err != nil {
			b.Fatal(err)
		}
		corpus = append(corpus, part...)
	}
	text := string(corpus)
	for _, name := range []string{"gpt2", "qwen3"} {
		tok := realTokenizer(b, name)
		b.Run(name+"/warm", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text)
			}
		})
		b.Run(name+"/cold", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.encoders = sync.Pool{New: func() any { return newEncoder(&tok.bpe) }}
				tok.Encode(text)
			}
		})
	}
}

func BenchmarkLoadQwen3(b *testing.B) {
	data := qwen3File(b)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
