package tokenizer

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// mergeNaively is the definition of BPE: find the adjacent pair of lowest rank, the leftmost on a tie, until there is none.
func mergeNaively(b *bpe, piece string) []int {
	var ids []int32
	for i := range len(piece) {
		ids = append(ids, b.bytes[piece[i]])
	}
	for {
		best, at := merge{rank: 1 << 30}, -1
		for i := 1; i < len(ids); i++ {
			if m, ok := b.rules[makePair(ids[i-1], ids[i])]; ok && m.rank < best.rank {
				best, at = m, i-1
			}
		}
		if at < 0 {
			break
		}
		ids = slices.Replace(ids, at, at+2, best.id)
	}
	out := make([]int, len(ids))
	for i, id := range ids {
		out[i] = int(id)
	}
	return out
}

func TestMergeOrder(t *testing.T) {
	for _, c := range []struct {
		name   string
		merges [][2]string
		text   string
		want   []string
	}{
		{"leftmost first", [][2]string{{"a", "a"}}, "aaaaa", []string{"aa", "aa", "a"}},
		{"lowest rank first", [][2]string{{"b", "c"}, {"a", "b"}}, "abc", []string{"a", "bc"}},
		{"a merge makes the next", [][2]string{{"a", "b"}, {"ab", "ab"}, {"abab", "ab"}}, "abababab", []string{"abab", "abab"}},
		{"a pair whose neighbour went", [][2]string{{"b", "c"}, {"c", "d"}, {"a", "bc"}}, "abcd", []string{"abc", "d"}},
		{"the last of two equal merges counts", [][2]string{{"a", "b"}, {"b", "c"}, {"a", "b"}}, "abc", []string{"a", "bc"}},
	} {
		tok := build(t, byteDocument(c.merges...))
		if got := texts(tok, tok.Encode(c.text)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q became %q, want %q", c.name, c.text, got, c.want)
		}
	}
}

func TestMergesEqualNaiveOnes(t *testing.T) {
	letter := rapid.SampledFrom([]string{"a", "b", "c"})
	rapid.Check(t, func(t *rapid.T) {
		known := []string{"a", "b", "c"}
		doc := byteDocument()
		for range rapid.IntRange(0, 12).Draw(t, "merges") {
			pick := rapid.SampledFrom(known)
			m := [2]string{pick.Draw(t, "left"), pick.Draw(t, "right")}
			doc.Model.Merges = append(doc.Model.Merges, m)
			if _, ok := doc.Model.Vocab[m[0]+m[1]]; !ok {
				doc.Model.Vocab[m[0]+m[1]] = len(doc.Model.Vocab)
				known = append(known, m[0]+m[1])
			}
		}
		tok, err := newTokenizer(doc)
		if err != nil {
			t.Fatal(err)
		}
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 1, 100, -1).Draw(t, "text") + letter.Draw(t, "end")
		if got, want := tok.Encode(text), mergeNaively(&tok.bpe, text); !slices.Equal(got, want) {
			t.Fatalf("merges %q: %q became %q, want %q", doc.Model.Merges, text, texts(tok, got), texts(tok, want))
		}
		if again := tok.Encode(text); !slices.Equal(again, mergeNaively(&tok.bpe, text)) {
			t.Fatalf("%q became something else the second time", text)
		}
	})
}

// A tokenizer that has seen more pre-tokens than its cache holds goes on as before.
func TestFullCache(t *testing.T) {
	tok := build(t, byteDocument([2]string{"1", "2"}))
	e := newEncoder(&tok.bpe)
	for i := range 2*maxCachedPieces + 10 {
		piece := string([]byte{'1', '2', byte(i >> 16), byte(i >> 8), byte(i)})
		e.out = e.out[:0]
		e.encodePiece(piece)
		if want := mergeNaively(&tok.bpe, piece); !slices.Equal(e.out, want) {
			t.Fatalf("piece %d: got %v, want %v", i, e.out, want)
		}
	}
	if len(e.cached) > 5*maxCachedPieces {
		t.Errorf("the cache holds %d ids, want at most %d", len(e.cached), 5*maxCachedPieces)
	}
	if len(e.cache) > maxCachedPieces {
		t.Errorf("the cache holds %d pieces, want at most %d", len(e.cache), maxCachedPieces)
	}
}

func TestIgnoreMerges(t *testing.T) {
	doc := byteDocument([2]string{"a", "b"})
	doc.Model.Vocab["abc"] = 300 // no merge makes it
	for ignore, want := range map[bool][]string{true: {"abc", "Ġ", "ab"}, false: {"ab", "c", "Ġ", "ab"}} {
		doc.Model.IgnoreMerges = ignore
		tok := build(t, doc)
		if got := texts(tok, tok.Encode("abc ab")); !slices.Equal(got, want) {
			t.Errorf("ignore_merges %v: got %q, want %q", ignore, got, want)
		}
	}
}
