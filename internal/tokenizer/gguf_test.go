package tokenizer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// byteLevelGGUF is a tokenizer of model gpt2 with all bytes, some merges, a special token, one that is not, and one that is unused.
func byteLevelGGUF(pre string) GGUF {
	g := GGUF{Model: "gpt2", Pre: pre, BOS: -1, EOS: -1, Unknown: -1}
	add := func(kind int, texts ...string) {
		for _, text := range texts {
			g.Tokens, g.Types = append(g.Tokens, text), append(g.Types, kind)
		}
	}
	add(ggufControl, "<s>", "</s>")
	for _, r := range byteSpelling {
		add(ggufNormal, string(r))
	}
	add(ggufUserDefined, "<tool>")
	add(ggufUnused, "[PAD]")
	for _, m := range []string{"1 2", "12 3", "h e", "l l", "he ll", "hell o"} {
		g.Merges = append(g.Merges, m)
		add(ggufNormal, strings.ReplaceAll(m, " ", ""))
	}
	return g
}

func mustFromGGUF(t *testing.T, g GGUF) *Tokenizer {
	t.Helper()
	tok, err := FromGGUF(g)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// tokensOf is a text as its tokens, with | between.
func tokensOf(tok *Tokenizer, ids []int) string { return strings.Join(texts(tok, ids), "|") }

// The value of pre says where a text is cut.
func TestGGUFPre(t *testing.T) {
	const text = "hello 1234<tool>\n</s>!!"
	for pre, want := range map[string]string{
		"gpt-2":          "hello|Ġ|123|4|<tool>|Ċ|</s>|!|!",
		"smollm":         "hello|Ġ|1|2|3|4|<tool>|Ċ|</s>|!|!",
		"qwen2":          "hello|Ġ|1|2|3|4|<tool>|Ċ|</s>|!|!",
		"llama-bpe":      "hello|Ġ|123|4|<tool>|Ċ|</s>|!|!",
		"deepseek-coder": "hello|Ġ|1|2|3|4|<tool>|Ċ|</s>|!|!",
		"tekken":         "hello|Ġ|1|2|3|4|<tool>|Ċ|</s>|!|!",
		"default":        "hello|Ġ|123|4|<tool>|Ċ|</s>|!|!",
		"":               "hello|Ġ|123|4|<tool>|Ċ|</s>|!|!",
	} {
		tok := mustFromGGUF(t, byteLevelGGUF(pre))
		ids := tok.Encode(text)
		if got := tokensOf(tok, ids); got != want {
			t.Errorf("%s: %s, want %s", pre, got, want)
		}
		if got := tok.Decode(ids, false); got != text {
			t.Errorf("%s: decoded to %q", pre, got)
		}
		if got := tok.Decode(ids, true); got != "hello 1234<tool>\n!!" {
			t.Errorf("%s: decoded without special tokens to %q", pre, got)
		}
		if _, ok := tok.TokenID("[PAD]"); ok {
			t.Errorf("%s: the unused token is there", pre)
		}
		checkSavedGGUF(t, tok)
	}
}

// Merges of tokens that there are not, or to one, do nothing.
func TestGGUFUnknownMerges(t *testing.T) {
	g := byteLevelGGUF("gpt-2")
	want := tokensOf(mustFromGGUF(t, g), mustFromGGUF(t, g).Encode("hello xy"))
	g.Merges = append([]string{"x y", "zz z"}, g.Merges...)
	tok := mustFromGGUF(t, g)
	if got := tokensOf(tok, tok.Encode("hello xy")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	checkSavedGGUF(t, tok)
}

// checkSavedGGUF saves a tokenizer as tokenizer.json and looks whether it comes back.
func checkSavedGGUF(t *testing.T, tok *Tokenizer) {
	t.Helper()
	var file bytes.Buffer
	if err := tok.Save(&file); err != nil {
		t.Fatal(err)
	}
	again, err := Parse(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", " ", "hello  12345 <tool></s>x\n", "naïve 日本 \xff"} {
		ids := tok.EncodePrompt(text)
		if got := again.EncodePrompt(text); !slices.Equal(got, ids) || again.Decode(ids, false) != tok.Decode(ids, false) {
			t.Errorf("%q: %v after saving, %v before", text, got, ids)
		}
	}
}

// What stands around a text: as the file says, or as its kind of tokenizer has it.
func TestGGUFAround(t *testing.T) {
	yes, no := true, false
	for _, tt := range []struct {
		pre      string
		bos, eos *bool
		want     string
	}{
		{"gpt-2", nil, nil, "h"}, {"gpt-2", &yes, nil, "<s>|h"}, {"gpt-2", nil, &yes, "h|</s>"}, {"gpt-2", &yes, &yes, "<s>|h|</s>"},
		{"llama-bpe", nil, nil, "<s>|h"}, {"llama-bpe", &no, nil, "h"}, {"llama-bpe", &no, &no, "h"}, {"tekken", nil, nil, "<s>|h"},
	} {
		g := byteLevelGGUF(tt.pre)
		g.BOS, g.EOS, g.AddBOS, g.AddEOS = 0, 1, tt.bos, tt.eos
		tok := mustFromGGUF(t, g)
		if got := tokensOf(tok, tok.EncodePrompt("h")); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

// pieceGGUF is a tokenizer of model llama: characters of an alphabet, bytes, and pieces of the alphabet with scores in a random order.
func pieceGGUF(rng *rand.Rand, alphabet []string, pieces int) GGUF {
	g := GGUF{Model: "llama", BOS: 1, EOS: 2, Unknown: 0, Tokens: []string{"<unk>", "<s>", "</s>"}, Types: []int{ggufUnknown, ggufControl, ggufControl}}
	for b := range 256 {
		g.Tokens, g.Types = append(g.Tokens, fmt.Sprintf("<0x%02X>", b)), append(g.Types, ggufByte)
	}
	for _, c := range alphabet {
		g.Tokens, g.Types = append(g.Tokens, c), append(g.Types, ggufNormal)
	}
	for range pieces {
		piece := ""
		for range 2 + rng.IntN(3) {
			piece += alphabet[rng.IntN(len(alphabet))]
		}
		if !slices.Contains(g.Tokens, piece) {
			g.Tokens, g.Types = append(g.Tokens, piece), append(g.Types, ggufNormal)
		}
	}
	g.Scores = make([]float32, len(g.Tokens))
	for i, score := range rng.Perm(len(g.Tokens)) {
		g.Scores[i] = -float32(score)
	}
	return g
}

// joinNaively is SentencePiece's rule: of all neighbours whose text is a token, the pair that makes the token with the highest
// score becomes it, the leftmost of several.
func joinNaively(g GGUF, text string) []int {
	id := map[string]int{}
	for i, token := range g.Tokens {
		id[token] = i
	}
	parts := strings.Split(blank+strings.ReplaceAll(text, " ", blank), "")
	for {
		best := -1
		for i := range len(parts) - 1 {
			joined, ok := id[parts[i]+parts[i+1]]
			if ok && (best < 0 || g.Scores[joined] > g.Scores[id[parts[best]+parts[best+1]]]) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		parts = slices.Replace(parts, best, best+2, parts[best]+parts[best+1])
	}
	var ids []int
	for _, part := range parts {
		if token, ok := id[part]; ok {
			ids = append(ids, token)
			continue
		}
		for i := range len(part) {
			ids = append(ids, id[fmt.Sprintf("<0x%02X>", part[i])])
		}
	}
	return ids
}

// Pieces are joined in the order of their scores, and what has no piece is spelled in bytes.
func TestGGUFScores(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "b", "é", blank}
	letters := append(slices.Clone(alphabet[:3]), " ", "\n", "日")
	for range 60 {
		g := pieceGGUF(rng, alphabet, 1+rng.IntN(60))
		tok := mustFromGGUF(t, g)
		for range 60 {
			text := ""
			for range 1 + rng.IntN(20) {
				text += letters[rng.IntN(len(letters))]
			}
			ids := tok.Encode(text)
			if want := joinNaively(g, text); !slices.Equal(ids, want) {
				t.Fatalf("%q: %s, want %s", text, tokensOf(tok, ids), tokensOf(tok, want))
			}
			if got := tok.Decode(ids, false); got != text {
				t.Fatalf("%q decodes to %q", text, got)
			}
			if got := tok.EncodePrompt(text); got[0] != 1 || !slices.Equal(got[1:], ids) {
				t.Fatalf("%q begins with %v", text, got[0])
			}
		}
		checkSavedGGUF(t, tok)
	}
}

// After a special token a space is put before the text again; without add_space_prefix nowhere.
func TestGGUFSpacePrefix(t *testing.T) {
	g := pieceGGUF(rand.New(rand.NewPCG(1, 2)), []string{"a", blank}, 0)
	tok := mustFromGGUF(t, g)
	if got := tokensOf(tok, tok.Encode("a</s>a a")); got != "▁|a|</s>|▁|a|▁|a" {
		t.Error(got)
	}
	no := false
	g.AddSpacePrefix = &no
	tok = mustFromGGUF(t, g)
	ids := tok.Encode(" a</s>a a")
	if got := tokensOf(tok, ids); got != "▁|a|</s>|a|▁|a" || tok.Decode(ids, true) != " aa a" {
		t.Errorf("%s, decoded to %q", got, tok.Decode(ids, true))
	}
}

func TestGGUFRefuses(t *testing.T) {
	change := func(g GGUF, f func(*GGUF)) GGUF { f(&g); return g }
	gpt2 := byteLevelGGUF("gpt-2")
	llama := pieceGGUF(rand.New(rand.NewPCG(1, 2)), []string{"a"}, 0)
	yes := true
	for want, g := range map[string]GGUF{
		`tokenizer.ggml.model is "bert"; expected "gpt2" or "llama"`:           change(gpt2, func(g *GGUF) { g.Model = "bert" }),
		`tokenizer.ggml.pre is "nonsense", which is not known here`:            change(gpt2, func(g *GGUF) { g.Pre = "nonsense" }),
		`tokenizer.ggml.tokens is empty`:                                       change(gpt2, func(g *GGUF) { g.Tokens = nil }),
		`tokenizer.ggml.token_type has 2 values; expected one for each of`:     change(gpt2, func(g *GGUF) { g.Types = g.Types[:2] }),
		`tokenizer.ggml.token_type: the type of token 0 is 7; expected 1 to 6`: change(llama, func(g *GGUF) { g.Types = append([]int{7}, g.Types[1:]...) }),
		`tokenizer.ggml.tokens: 1 and 2 are both "x"`:                          change(llama, func(g *GGUF) { g.Tokens = append([]string{"<unk>", "x", "x"}, g.Tokens[3:]...) }),
		`tokenizer.ggml.merges: merge line 1: found "ab"`:                      change(gpt2, func(g *GGUF) { g.Merges = []string{"ab"} }),
		`tokenizer.ggml.scores has 0 values; expected one for each of`:         change(llama, func(g *GGUF) { g.Scores = nil }),
		`tokenizer.ggml.bos_token_id is 9999; expected one of the`:             change(llama, func(g *GGUF) { g.BOS = 9999 }),
		`tokenizer.ggml.eos_token_id is -1; expected one of the`:               change(gpt2, func(g *GGUF) { g.AddEOS = &yes }),
	} {
		if _, err := FromGGUF(g); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
