package tokenizer

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// flagged is an added token that is not special.
func flagged(id int, content, flags string) addedToken {
	a := newSpecial(id, content)
	*a.Special = false
	has := func(c rune) *bool { b := slices.Contains([]rune(flags), c); return &b }
	a.LStrip, a.RStrip, a.SingleWord, a.Normalized = has('l'), has('r'), has('w'), has('n')
	return a
}

// The letters of flags: l lstrip, r rstrip, w single_word, n normalized.
func TestAddedTokenFlags(t *testing.T) {
	for _, c := range []struct {
		name  string
		added []addedToken
		text  string
		want  []string
	}{
		{"plain", []addedToken{flagged(256, "<x>", "")}, "a <x> b", []string{"a", "Ġ", "<x>", "Ġ", "b"}},
		{"twice", []addedToken{flagged(256, "<x>", "")}, "<x><x>", []string{"<x>", "<x>"}},
		{"almost", []addedToken{flagged(256, "<x>", "")}, "<<x>x>", []string{"<", "<x>", "x", ">"}},
		{"lstrip", []addedToken{flagged(256, "<x>", "l")}, "a \t\u3000<x> b", []string{"a", "<x>", "Ġ", "b"}},
		{"rstrip", []addedToken{flagged(256, "<x>", "r")}, "a <x> \n\u00a0b", []string{"a", "Ġ", "<x>", "b"}},
		{"rstrip before lstrip", []addedToken{flagged(256, "<x>", "r"), flagged(257, "<y>", "l")}, "<x>  <y>", []string{"<x>", "<y>"}},
		{"single word", []addedToken{flagged(256, "xy", "w")}, "xy axy xya xy, xy_ éxy", []string{
			"xy", "Ġ", "a", "x", "y", "Ġ", "x", "y", "a", "Ġ", "xy", ",", "Ġ", "x", "y", "_", "Ġ", "Ã", "©", "x", "y"}},
		{"single word beside marks", []addedToken{flagged(256, "xq", "w")}, "xq\u0301", []string{"x", "q", "Ì", "ģ"}},
		{"the longest", []addedToken{flagged(256, "<a", ""), flagged(257, "<ab>", "")}, "<ab><ab", []string{"<ab>", "<a", "b"}},
		{"the first, then the longest", []addedToken{flagged(256, "ab", ""), flagged(257, "bcde", "")}, "abcde", []string{"ab", "c", "d", "e"}},
		{"as given", []addedToken{flagged(256, "e\u0301", "")}, "e\u0301é", []string{"e\u0301", "Ã", "©"}},
		{"normalized", []addedToken{flagged(256, "e\u0301", "n")}, "e\u0301é", []string{"e\u0301", "e\u0301"}},
		{"equal once normalized: the first", []addedToken{flagged(257, "é!", "n"), flagged(256, "e\u0301!", "n")}, "é!", []string{"é!"}},
		{"as given goes first", []addedToken{flagged(256, "<abc>", "n"), flagged(257, "bc", "")}, "<abc>", []string{"<", "a", "bc", ">"}},
		{"inside the vocabulary", []addedToken{flagged(byteID("!"), "!", "")}, "a!a", []string{"a", "!", "a"}},
	} {
		doc := byteDocument()
		doc.Normalizer = []byte(`{"type":"NFC"}`)
		doc.AddedTokens = c.added
		tok := build(t, doc)
		if got := texts(tok, tok.Encode(c.text)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q\n got %q\nwant %q", c.name, c.text, got, c.want)
		}
	}
}

func byteID(char string) int { return byteDocument().Model.Vocab[char] }

func TestDecodeAddedTokens(t *testing.T) {
	doc := byteDocument()
	doc.AddedTokens = []addedToken{newSpecial(256, "<Ġ é>"), flagged(300, "<tool>", "")}
	tok := build(t, doc)
	ids := []int{byteID("Ġ"), 256, byteID("Ã"), 300, 299, -1, 301, 1 << 40}
	if got, want := tok.Decode(ids, false), " <Ġ é>\ufffd<tool>"; got != want {
		t.Errorf("Decode = %q, want %q", got, want)
	}
	if got, want := tok.Decode(ids, true), " \ufffd<tool>"; got != want {
		t.Errorf("Decode without special tokens = %q, want %q", got, want)
	}
	if got := tok.VocabSize(); got != 301 {
		t.Errorf("VocabSize() = %d, want 301", got)
	}
	for id, want := range map[int]string{256: "<Ġ é>", 299: "", -1: "", 301: "", byteID("Ġ"): "Ġ"} {
		if got := tok.Token(id); got != want {
			t.Errorf("Token(%d) = %q, want %q", id, got, want)
		}
	}
	if _, ok := tok.TokenID("<none>"); ok {
		t.Error("TokenID found a token that is not there")
	}
}

// A token of the vocabulary that is not spelled in the byte-level alphabet stands for itself.
func TestDecodeForeignToken(t *testing.T) {
	doc := byteDocument()
	doc.Model.Vocab["日 é"] = 256
	if got := build(t, doc).Decode([]int{256, byteID("Ġ")}, false); got != "日 é " {
		t.Errorf("got %q", got)
	}
}

// The stream gives out, character by character, what Decode gives.
func TestStreamEqualsDecode(t *testing.T) {
	doc := byteDocument()
	doc.AddedTokens = []addedToken{newSpecial(256, "<s>"), flagged(257, "éé", "")}
	tok := build(t, doc)
	id := rapid.OneOf(rapid.IntRange(0, 258), rapid.IntRange(byteID("Ģ"), byteID("Ĭ")), rapid.IntRange(byteID("à"), byteID("ÿ")))
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOf(id).Draw(t, "ids")
		skip := rapid.Bool().Draw(t, "skip special")
		stream, got := tok.NewStream(skip), ""
		for _, id := range ids {
			got += stream.Next(id)
		}
		got += stream.Flush()
		if want := tok.Decode(ids, skip); got != want {
			t.Fatalf("stream of %v: %q, want %q", ids, got, want)
		}
	})
}

// Table 3-8 to 3-11 of the Unicode standard, and characters cut off at the end.
func TestBrokenUTF8(t *testing.T) {
	tok := build(t, byteDocument())
	for bytes, want := range map[string]string{
		"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82A":        "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdA",
		"\xED\xA0\x80\xED\xBF\xBF\xED\xAFA":        "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdA",
		"\xF4\x91\x92\x93\xFFA\x80\xBFB":           "\ufffd\ufffd\ufffd\ufffd\ufffdA\ufffd\ufffdB",
		"\xE1\x80\xE2\xF0\x91\x92\xF1\xBFA":        "\ufffd\ufffd\ufffd\ufffdA",
		"\xF0\x9F\x98":                             "\ufffd",
		"\xF0\x9F\x98\x80\xF0\x9F\x98\xF0\x9F\x98": "😀\ufffd\ufffd",
		"\ufffd\xEF\xBF":                           "\ufffd\ufffd",
	} {
		if got := tok.Decode(tok.Encode(bytes), false); got != want {
			t.Errorf("%x decodes to %+q, want %+q", bytes, got, want)
		}
	}
}

func TestStreamHoldsBack(t *testing.T) {
	tok := build(t, byteDocument())
	stream := tok.NewStream(false)
	var got []string
	for _, id := range tok.Encode("a😀\xe4b") {
		got = append(got, stream.Next(id))
	}
	if want := []string{"a", "", "", "", "😀", "", "\ufffdb"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func ExampleTokenizer_NewStream() {
	doc := byteDocument()
	tok, err := newTokenizer(doc)
	if err != nil {
		fmt.Println(err)
		return
	}
	stream := tok.NewStream(true)
	for _, id := range tok.Encode("né") {
		fmt.Printf("%q ", stream.Next(id))
	}
	fmt.Printf("%q", stream.Flush())
	// Output: "n" "" "é" ""
}

// Tokens that are missing come after all others, those that are there stay.
func TestWith(t *testing.T) {
	tok, err := Train(slices.Values([]string{"def f(x):"}), 260, []string{"<|endoftext|>"})
	if err != nil {
		t.Fatal(err)
	}
	n := tok.VocabSize()
	more, err := tok.With("<|endoftext|>", "<|think|>", "<|cot|>")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{"<|endoftext|>": 0, "<|think|>": n, "<|cot|>": n + 1} {
		if id, ok := more.TokenID(text); !ok || text != "<|endoftext|>" && id != want {
			t.Errorf("%s is %d, want %d", text, id, want)
		}
	}
	if got := more.Encode("f<|cot|>"); got[len(got)-1] != n+1 || tok.VocabSize() != n {
		t.Errorf("encoded as %v", got)
	}
	data, err := more.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := Parse(data); err != nil || back.VocabSize() != n+2 {
		t.Errorf("read back: %v", err)
	}
	if same, err := more.With("<|cot|>"); err != nil || same != more {
		t.Errorf("nothing to add makes another tokenizer: %v", err)
	}
}
