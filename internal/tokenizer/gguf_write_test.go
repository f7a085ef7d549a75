package tokenizer

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/shared"
)

// oddTexts are texts that patterns cut in different places.
var oddTexts = []string{
	"", " ", "  ", "\n", " \n ", "\r\n\r\n", "\t\tx", "hello", " hello", "Hello  World", "it's I'LL we'Ve don'ſ", "'s's", "a 'b' c", "1", "12", "123", "1234",
	"12345678", " 12 345", "x1y22z333", "3.14159", "²³¼", "٣٤٥", "Ⅷ", "naïve café", "日本語のテキスト", "한국어", "Привет мир", "שלום", "مرحبا", "हिन्दी",
	"👩‍👩‍👧", "🙂🙂", "e\u0301", "\u00a0x", "a\u3000b", "\u200b", "\ufeff", "\x00", "a\x7f", "def f(x):\n    return x\n", "if (a&&b)||c {\n\t}\n", "!!??..", "$1,234.56",
	"a_b-c+d", "<tool>", "<s>", "</s>x", " <tool> ", "<<s>>", "<|endoftext|>", "<|im_start|>user\nhi<|im_end|>\n", "[PAD]", "https://example.com/a?b=c#d", "x\n\n\ny",
	"   leading", "trailing   ", "a  \n  b", "A\tB\r\nC", "ÀÉÎÕÜ", "ŒœŸ", "ﬁﬂ", "…—–", "“quoted”", "@#%^&*", "\\\\", "`code`", "ab" + strings.Repeat(" ", 17) + "c",
}

// sameIDs wants two tokenizers to do the same with all odd texts.
func sameIDs(t *testing.T, name string, got, want *Tokenizer) {
	t.Helper()
	for _, text := range oddTexts {
		ids := want.EncodePrompt(text)
		if again := got.EncodePrompt(text); !slices.Equal(again, ids) {
			t.Errorf("%s: %q is %v, want %v", name, text, again, ids)
		}
		for _, skip := range []bool{false, true} {
			if a, b := got.Decode(ids, skip), want.Decode(ids, skip); a != b {
				t.Errorf("%s: %v decodes to %q, want %q", name, ids, a, b)
			}
		}
	}
}

// What FromGGUF made is described by what it was made from, whatever pre and the tokens around a text are.
func TestToGGUF(t *testing.T) {
	yes, no := true, false
	for _, pre := range slices.Sorted(maps.Keys(preTypes)) {
		for i, bos := range []*bool{&no, &yes} {
			g := byteLevelGGUF(pre)
			g.BOS, g.EOS, g.AddBOS, g.AddEOS = -1, 1, bos, &yes
			if *bos {
				g.BOS = 0
			}
			tok := mustFromGGUF(t, g)
			again, err := tok.GGUF(len(g.Tokens) + i)
			if err != nil {
				t.Errorf("%s: %v", pre, err)
				continue
			}
			sameIDs(t, pre, mustFromGGUF(t, again), tok)
			want := g
			want.Pre = again.Pre
			want.Tokens, want.Types = slices.Clone(want.Tokens), slices.Clone(want.Types)
			unused := slices.Index(want.Tokens, "[PAD]")
			want.Tokens[unused] = fmt.Sprintf("[PAD%d]", unused)
			if i > 0 {
				want.Tokens, want.Types = append(want.Tokens, fmt.Sprintf("[PAD%d]", len(want.Tokens))), append(want.Types, ggufUnused)
			}
			if !reflect.DeepEqual(again, want) {
				t.Errorf("%s becomes\n%+v, want\n%+v", pre, again, want)
			}
			a, b := preTypes[pre], preTypes[again.Pre]
			if a.bos = b.bos; !reflect.DeepEqual(a, b) {
				t.Errorf("%s becomes %s, which is another way to cut", pre, again.Pre)
			}
		}
	}
}

// Tokenizers as they lie in folders of models, and those that are trained here.
func TestFilesToGGUF(t *testing.T) {
	want := map[string]string{"llama-tied": "smollm", "llama-rope-llama3": "llama-bpe", "qwen2-tied": "qwen2"}
	check := func(name, pre string, tok *Tokenizer) {
		g, err := tok.GGUF(tok.VocabSize() + 3)
		if err != nil || g.Pre != pre {
			t.Errorf("%s: pre is %q (%v), want %q", name, g.Pre, err, pre)
			return
		}
		sameIDs(t, name, mustFromGGUF(t, g), tok)
	}
	for name, pre := range want {
		tok, err := Load(filepath.Join(shared.Goldens(t), "models", name))
		if err != nil {
			t.Fatal(err)
		}
		check(name, pre, tok)
	}
	trained, err := Train(slices.Values(oddTexts), 300, []string{"<|endoftext|>", "<s>"})
	if err != nil {
		t.Fatal(err)
	}
	check("trained", "gpt-2", trained)
	more, err := trained.With("<tool>")
	if err != nil {
		t.Fatal(err)
	}
	check("with more tokens", "gpt-2", more)
}

// The published tokenizers.
func TestRealToGGUF(t *testing.T) {
	for name, pre := range map[string]string{"gpt2": "gpt-2", "qwen3": "qwen2"} {
		tok := realTokenizer(t, name)
		g, err := tok.GGUF(tok.VocabSize())
		if err != nil || g.Pre != pre {
			t.Fatalf("%s: pre is %q (%v), want %q", name, g.Pre, err, pre)
		}
		sameIDs(t, name, mustFromGGUF(t, g), tok)
	}
}

// Older files write Qwen's pattern as what is kept of a text.
func TestToGGUFRemoved(t *testing.T) {
	doc := byteDocument([2]string{"a", "b"})
	doc.PreTokenizer = mustMarshal(part{"type": "Sequence", "pretokenizers": []part{
		{"type": "Split", "pattern": part{"Regex": qwenPattern}, "behavior": "Removed", "invert": true},
		{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}}})
	tok := build(t, doc)
	g, err := tok.GGUF(tok.VocabSize())
	if err != nil || g.Pre != "stablelm2" {
		t.Fatalf("pre is %q (%v)", g.Pre, err)
	}
	sameIDs(t, "removed", mustFromGGUF(t, g), tok)
}

// What llama.cpp has no equivalent for is refused with its name.
func TestToGGUFRefuses(t *testing.T) {
	yes := true
	with := func(change func(*document)) document {
		doc := byteDocument([2]string{"a", "b"})
		change(&doc)
		return doc
	}
	added := func(change func(*addedToken)) document {
		return with(func(d *document) {
			a := newSpecial(257, "<s>")
			change(&a)
			d.AddedTokens = append(d.AddedTokens, a)
		})
	}
	const none = ", for which llama.cpp has no equivalent that is known here"
	for _, tt := range []struct {
		doc  document
		want string
	}{
		{with(func(d *document) { d.Normalizer = json.RawMessage(`{"type":"Lowercase"}`) }), `normalizer is {"type":"Lowercase"}` + none},
		{with(func(d *document) { d.Normalizer = json.RawMessage(`{"type":"NFC"}`) }), `with ignore_merges false and normalizer {"type":"NFC"}` + none},
		{with(func(d *document) { d.Decoder = nil }), `decoder is null` + none},
		{with(func(d *document) { d.PreTokenizer = json.RawMessage(`{"type":"WhitespaceSplit"}`) }), `model is BPE of characters, not of bytes` + none},
		{with(func(d *document) {
			d.PreTokenizer = json.RawMessage(`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`)
		}), `pre_tokenizer has {"type":"ByteLevel","add_prefix_space":true,`},
		{with(func(d *document) {
			d.PreTokenizer = json.RawMessage(`{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]}`)
		}), `pre_tokenizer has {"type":"Digits","individual_digits":false}` + none},
		{with(func(d *document) {
			d.PreTokenizer = json.RawMessage(`{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\d+"},"behavior":"Removed","invert":true},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]}`)
		}), `pre_tokenizer has {"type":"Split",`},
		{with(func(d *document) {
			d.PreTokenizer = json.RawMessage(`{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\d+"},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]}`)
		}), `with ignore_merges false and normalizer null` + none},
		{with(func(d *document) { d.Model.IgnoreMerges = true }), `with ignore_merges true and normalizer null` + none},
		{added(func(a *addedToken) { a.LStrip = &yes }), `added_tokens: "<s>" has lstrip,`},
		{added(func(a *addedToken) { a.RStrip = &yes }), `added_tokens: "<s>" has lstrip,`},
		{added(func(a *addedToken) { a.SingleWord = &yes }), `added_tokens: "<s>" has lstrip,`},
		{with(func(d *document) { d.AddedTokens = append(d.AddedTokens, newSpecial(258, "[PAD257]")) }), `the token "[PAD257]" is what an unused token would be called`},
		{with(func(d *document) {
			a := newSpecial(257, "<s>")
			d.AddedTokens = append(d.AddedTokens, a)
			d.PostProcessor = json.RawMessage(`{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[257],"tokens":["<s>"]}}}`)
		}), `post_processor: puts the tokens [257 257] at an end of a text; llama.cpp has room for one`},
	} {
		tok := build(t, tt.doc)
		_, err := tok.GGUF(tok.VocabSize())
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}
