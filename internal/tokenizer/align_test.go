package tokenizer

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// partsOf cuts a text at its bars, and says which tokens hold each part.
func partsOf(tok *Tokenizer, barred string) []string {
	parts := strings.Split(barred, "|")
	a := tok.Align(strings.Join(parts, ""))
	var held []string
	at := 0
	for _, part := range parts {
		first, end := a.Within(at, at+len(part))
		held = append(held, strings.Join(texts(tok, a.IDs[first:end]), " "))
		at += len(part)
	}
	return held
}

// Which tokens hold the parts of a text, between the bars: of bytes, of composed characters, of pieces with marks of word
// beginnings; a token that two parts share is of both.
func TestAlign(t *testing.T) {
	plain := byteDocument([2]string{"h", "i"}, [2]string{"Ċ", "Ċ"}, [2]string{"Ġ", "hi"})
	plain.AddedTokens = []addedToken{newSpecial(300, "<end>")}
	composing := plain
	composing.Normalizer = raw(`{"type":"NFC"}`)
	marked := pieceGGUF(rand.New(rand.NewPCG(1, 2)), []string{"h", "i", blank}, 0)
	for _, tt := range []struct {
		tok          *Tokenizer
		barred, want string
	}{
		{build(t, plain), "h|i", "hi,hi"},
		{build(t, plain), "hi |hi", "hi Ġhi,Ġhi"},
		{build(t, plain), "<end>|hi|<end>|\n", "<end>,hi,<end>,Ċ"},
		{build(t, plain), "hi||hi", "hi,,hi"},
		{build(t, plain), "hi|\n|\n", "hi,ĊĊ,ĊĊ"},
		{build(t, plain), "<end>|\n<end>", "<end>,Ċ <end>"},
		{build(t, plain), "|<end>|", ",<end>,"},
		{build(t, plain), "é|hi", "Ã ©,hi"},
		{build(t, composing), "he\u0301|hi", "h Ã ©,hi"},
		{build(t, composing), "he|\u0301hi", "h,Ã © hi"},
		{mustFromGGUF(t, marked), "h| i|</s>h", "▁ h,▁ i,</s> ▁ h"},
		{mustFromGGUF(t, marked), "h|ä|h", "▁ h,<0xC3> <0xA4>,h"},
	} {
		if got := strings.Join(partsOf(tt.tok, tt.barred), ","); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.barred, got, tt.want)
		}
	}
}

// Of tokens that decode to the text, those before a part end before it, and those behind it begin behind it.
func TestAlignPlaces(t *testing.T) {
	tok := mustFromGGUF(t, byteLevelGGUF("qwen2"))
	rng := rand.New(rand.NewPCG(3, 4))
	letters := []string{"hello", "he", "l", " ", "\n", "12", "3", "é", "🙂", "<tool>", "</s>", "\r"}
	for range 300 {
		var b strings.Builder
		for range 1 + rng.IntN(12) {
			b.WriteString(letters[rng.IntN(len(letters))])
		}
		text := b.String()
		a := tok.Align(text)
		from := rng.IntN(len(text))
		to := from + 1 + rng.IntN(len(text)-from)
		first, end := a.Within(from, to)
		before, held := tok.decodedAll(a.IDs[:first]), tok.decodedAll(a.IDs[first:end])
		if text != before+held+tok.decodedAll(a.IDs[end:]) {
			t.Fatalf("%q: the tokens do not decode to it", text)
		}
		last := len(before) + len(held) - len(tok.TokenBytes(a.IDs[end-1])) // where the last of them begins
		if len(before) > from || len(before)+len(tok.TokenBytes(a.IDs[first])) <= from || last >= to || len(before)+len(held) < to {
			t.Errorf("%q[%d:%d] is held by %d to %d of %q", text, from, to, first, end, texts(tok, a.IDs))
		}
	}
}

// What the file calls special, and what it puts before a text.
func TestSpecialTokens(t *testing.T) {
	g := byteLevelGGUF("llama-bpe")
	g.BOS = 0
	tok := mustFromGGUF(t, g)
	if opening := tok.Opening(); len(opening) != 1 || opening[0] != 0 {
		t.Errorf("a text begins with %v", opening)
	}
	tool, _ := tok.TokenID("<tool>")
	for id, want := range map[int]bool{0: true, 1: true, 2: false, tool: false, -1: false, 1 << 20: false} {
		if tok.IsSpecial(id) != want {
			t.Errorf("token %d (%q) is special: %v", id, tok.Token(id), !want)
		}
	}
}
