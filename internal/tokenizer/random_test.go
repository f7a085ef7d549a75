package tokenizer

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// A randomCase is a line of testdata/random_tokenizers.py.
type randomCase struct {
	Tokenizer json.RawMessage
	Encode    []struct {
		Text        string
		IDs, Prompt []int
	}
	Decode []struct {
		IDs           []int
		Text, Skipped string
	}
}

// Random tokenizers of every component, against Hugging Face's library. NFCOT_RANDOM_TOKENIZERS may name a larger file.
func TestRandomTokenizers(t *testing.T) {
	path := os.Getenv("NFCOT_RANDOM_TOKENIZERS")
	if path == "" {
		path = "testdata/random_tokenizers.jsonl"
	}
	refused, encoded := map[string]int{}, 0
	for i, c := range readLines[randomCase](t, path) {
		tok, err := Parse(c.Tokenizer)
		if err != nil {
			refused[err.Error()]++
			continue
		}
		for _, e := range c.Encode {
			encoded++
			if got := tok.Encode(e.Text); !slices.Equal(got, e.IDs) {
				t.Errorf("line %d: Encode(%q)\n got %v %q\nwant %v %q", i+1, e.Text, got, texts(tok, got), e.IDs, texts(tok, e.IDs))
			}
			if got := tok.EncodePrompt(e.Text); !slices.Equal(got, e.Prompt) {
				t.Errorf("line %d: EncodePrompt(%q)\n got %v\nwant %v", i+1, e.Text, got, e.Prompt)
			}
		}
		for _, d := range c.Decode {
			checkDecode(t, tok, d.IDs, false, d.Text)
			checkDecode(t, tok, d.IDs, true, d.Skipped)
			if t.Failed() {
				t.Fatalf("line %d", i+1)
			}
		}
	}
	for err, n := range refused {
		t.Logf("%d refused: %s", n, err)
	}
	if encoded == 0 {
		t.Error("no case was encoded")
	}
}
