package tokenizer

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse (best with -fuzzminimizetime 5x, since map order makes coverage vary): any file loads or gives an error of one line; one that loads is saved and loads again as the same.
func FuzzParse(f *testing.F) {
	doc := byteDocument([2]string{"a", "b"})
	doc.AddedTokens = []addedToken{newSpecial(300, "<s>"), flagged(301, "<t>", "lrwn")}
	doc.Normalizer = []byte(`{"type":"NFC"}`)
	for _, preTokenizer := range []string{noRegex, sequence(split(qwenPattern), noRegex), sequence(split(`\p{L}+|[^\s]`), noRegex)} {
		doc.PreTokenizer = []byte(preTokenizer)
		data, err := json.Marshal(doc)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	doc.PostProcessor = []byte(strings.ReplaceAll(templateOf(startPiece, textPiece), "258", "300"))
	data, err := json.Marshal(doc)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":"1.0","model":{"merges":["a b"],"vocab":{"a":0}}}`))
	for i, c := range readLines[randomCase](f, "testdata/random_tokenizers.jsonl") {
		if i%8 == 0 {
			f.Add([]byte(c.Tokenizer))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := Parse(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("an error of several lines: %q", err)
			}
			return
		}
		tok.Decode(tok.EncodePrompt("a <s> ab\n\n<t>é"), true)
		first, err := tok.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(first)
		if err != nil {
			t.Fatalf("saved, it does not load: %v", err)
		}
		if second, err := again.JSON(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("saved twice, it differs: %v", err)
		}
	})
}

// FuzzRoundTrip: decoding what was encoded gives the text back.
func FuzzRoundTrip(f *testing.F) {
	doc := byteDocument([2]string{"a", "b"}, [2]string{"Ġ", "ab"}, [2]string{"Ã", "©"}, [2]string{"Ġ", "Ġ"})
	doc.AddedTokens = []addedToken{newSpecial(300, "<s>"), flagged(301, "é\n", "")}
	for _, pattern := range []string{gpt2Pattern, qwenPattern, llama3Pattern, `\p{L}+| ?\p{N}`} {
		f.Add(pattern+" <s> é\n ab", 0)
	}
	patterns := []string{gpt2Pattern, qwenPattern, llama3Pattern, `\p{L}+| ?\p{N}`}
	var toks []*Tokenizer
	for _, pattern := range patterns {
		doc.PreTokenizer = []byte(sequence(split(pattern), noRegex))
		toks = append(toks, build(f, doc))
	}
	f.Fuzz(func(t *testing.T, text string, which int) {
		tok := toks[uint(which)%uint(len(toks))]
		got := tok.Decode(tok.Encode(text), false)
		if utf8.ValidString(text) && got != text {
			t.Fatalf("%q came back as %q", text, got)
		}
		if !utf8.ValidString(got) {
			t.Fatalf("%q decoded to %q, which is not UTF-8", text, got)
		}
	})
}
