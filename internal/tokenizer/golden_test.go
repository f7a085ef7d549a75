package tokenizer

import (
	"bytes"
	"encoding/json"
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

// goldenCases reads the texts and the sequences of ids of a vocabulary.
func goldenCases(t *testing.T, name string) []goldenCase {
	t.Helper()
	texts := readLines[goldenCase](t, filepath.Join(fixtures(t), name+".jsonl"))
	ids := readLines[goldenCase](t, filepath.Join(fixtures(t), name+"_decode.jsonl"))
	if len(texts) == 0 || len(ids) == 0 {
		t.Fatalf("%d texts and %d sequences of ids", len(texts), len(ids))
	}
	return append(texts, ids...)
}

// checkDecoded compares what ids decode to with the text wanted.
func (c *goldenCase) checkDecoded(t *testing.T, tok *Tokenizer, ids []int) {
	t.Helper()
	checkDecode(t, tok, ids, false, c.Decoded)
	if c.DecodedSkipSpecial != nil {
		checkDecode(t, tok, ids, true, *c.DecodedSkipSpecial)
	}
}

// What the cases say of any vocabulary: normalization, added tokens, bytes that are no text. The first 256 tokens of both
// are the bytes, so ids that are bytes and added tokens need no other.
func TestGolden(t *testing.T) {
	for _, name := range []string{"gpt2", "qwen3"} {
		t.Run(name, func(t *testing.T) {
			tok := wordless(t, name)
			bare := 0
			for i, c := range goldenCases(t, name) {
				isBare := !slices.ContainsFunc(c.IDs, func(id int) bool { return tok.Token(id) == "" })
				if isBare {
					bare++
					c.checkDecoded(t, tok, c.IDs)
				}
				if c.Text != nil {
					ids := tok.Encode(*c.Text)
					c.checkDecoded(t, tok, ids)
					if isBare && !slices.Equal(ids, c.IDs) {
						t.Errorf("case %d (%s): Encode(%q)\n got %v\nwant %v", i, c.Kind, *c.Text, ids, c.IDs)
					}
				}
			}
			if bare < 2 {
				t.Errorf("%d cases of bytes and added tokens alone", bare)
			}
		})
	}
}

// wordless is a tokenizer with the pipeline and the added tokens of GPT-2 or Qwen3, and no tokens of several bytes.
func wordless(t *testing.T, name string) *Tokenizer {
	t.Helper()
	doc := byteDocument()
	if name == "gpt2" {
		doc.AddedTokens = []addedToken{newSpecial(50256, "<|endoftext|>")}
		return build(t, doc)
	}
	doc.Normalizer = []byte(`{"type":"NFC"}`)
	doc.PreTokenizer = []byte(sequence(split(qwenPattern), noRegex))
	id := 151643
	for _, word := range strings.Fields("endoftext im_start im_end object_ref_start object_ref_end box_start box_end quad_start quad_end " +
		"vision_start vision_end vision_pad image_pad video_pad") {
		doc.AddedTokens = append(doc.AddedTokens, newSpecial(id, "<|"+word+"|>"))
		id++
	}
	for _, content := range strings.Fields("<tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> " +
		"<|file_sep|> <tool_response> </tool_response> <think> </think>") {
		doc.AddedTokens = append(doc.AddedTokens, flagged(id, content, ""))
		id++
	}
	return build(t, doc)
}

// TestPublished holds what needs the vocabularies themselves.
func TestPublished(t *testing.T) {
	vocabularies(t)
	t.Run("golden", testPublishedGolden)
	t.Run("llama.cpp", testLlamaCppVectors)
	t.Run("save", testSaveOfPublishedFile)
	t.Run("sizes", testSizesOfVocabularies)
	t.Run("concurrent", testConcurrentUse)
}

func testPublishedGolden(t *testing.T) {
	for _, name := range []string{"gpt2", "qwen3"} {
		t.Run(name, func(t *testing.T) {
			tok := realTokenizer(t, name)
			for i, c := range goldenCases(t, name) {
				if c.Text != nil {
					if got := tok.Encode(*c.Text); !slices.Equal(got, c.IDs) {
						t.Errorf("case %d (%s): Encode(%q)\n got %v\nwant %v", i, c.Kind, *c.Text, got, c.IDs)
					}
				}
				c.checkDecoded(t, tok, c.IDs)
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
func testLlamaCppVectors(t *testing.T) {
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
func testSaveOfPublishedFile(t *testing.T) {
	got, err := realTokenizer(t, "qwen3").JSON()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, qwen3File(t)) {
		t.Errorf("Qwen3's tokenizer.json changed by loading and saving: %d bytes", len(got))
	}
}

func testSizesOfVocabularies(t *testing.T) {
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
func testConcurrentUse(t *testing.T) {
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

// The tokenizers of the golden models load, and the texts of the golden chats become the ids wanted.
func TestGoldenFolders(t *testing.T) {
	goldens := shared.Goldens(t)
	files, err := filepath.Glob(filepath.Join(goldens, "models", "*", "tokenizer.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tokenizers in %s: %v", goldens, err)
	}
	for _, file := range files {
		if tok, err := Load(file); err != nil {
			t.Error(err)
		} else if got := tok.Decode(tok.Encode("x = 10\n"), false); got != "x = 10\n" {
			t.Errorf("%s: got %q", file, got)
		}
	}
	tok, err := Load(filepath.Join(goldens, "sft", "tokenizer"))
	if err != nil {
		t.Fatal(err)
	}
	var masks struct{ Cases []goldenCase }
	data, err := os.ReadFile(filepath.Join(goldens, "sft", "masks.json"))
	if err != nil || json.Unmarshal(data, &masks) != nil || len(masks.Cases) == 0 {
		t.Fatalf("masks.json: %v, %d cases", err, len(masks.Cases))
	}
	for _, c := range masks.Cases {
		if got := tok.Encode(*c.Text); !slices.Equal(got, c.IDs) {
			t.Errorf("Encode(%q)\n got %v\nwant %v", *c.Text, got, c.IDs)
		}
	}
}
