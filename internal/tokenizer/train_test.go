package tokenizer

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nfcot/internal/shared"
)

// By hand. "aaabdaaabac" has aa four times (they overlap), then ab twice and (aa, a) twice, of which a stands before aa; then
// aa-ab twice; then no pair occurs twice.
func TestTrainByHand(t *testing.T) {
	tok, err := Train(slices.Values([]string{"aaabdaaabac"}), 1000, []string{"<pad>", "<eos>"})
	if err != nil {
		t.Fatal(err)
	}
	want := mergeList{{"a", "a"}, {"a", "b"}, {"aa", "ab"}}
	if !slices.Equal(tok.doc.Model.Merges, want) {
		t.Errorf("merges %q, want %q", tok.doc.Model.Merges, want)
	}
	for id, want := range map[int]string{0: "<pad>", 1: "<eos>", 2: "!", 189: "ÿ", 190: "Ā", 222: "Ġ", 257: "Ń", 258: "aa", 260: "aaab"} {
		if got := tok.Token(id); got != want {
			t.Errorf("Token(%d) = %q, want %q", id, got, want)
		}
	}
	if got := tok.VocabSize(); got != 261 {
		t.Errorf("VocabSize() = %d, want 261: training ends when no pair occurs twice", got)
	}
	if got, want := texts(tok, tok.Encode("aaabdaaabac<eos>")), []string{"aaab", "d", "aaab", "a", "c", "<eos>"}; !slices.Equal(got, want) {
		t.Errorf("Encode: %q, want %q", got, want)
	}
	checkSave(t, tok)
}

// Merges stay inside words and count words by how often they occur; special tokens are not learned from.
func TestTrainWords(t *testing.T) {
	docs := []string{"low low lower", " low", "<x>z<x>z<x>z<x>z", "b ab ab a"}
	tok, err := Train(slices.Values(docs), 257+5, []string{"<x>"})
	if err != nil {
		t.Fatal(err)
	}
	// lo, ow: 4 each; then low: 4; (Ġ, low): 3; (Ġ, a): 3 stands before it, as "a" < "low"; then Ġlow, then (Ġa, b): 2
	want := mergeList{{"l", "o"}, {"lo", "w"}, {"Ġ", "a"}, {"Ġ", "low"}, {"Ġa", "b"}}
	if !slices.Equal(tok.doc.Model.Merges, want) {
		t.Errorf("merges %q, want %q", tok.doc.Model.Merges, want)
	}
}

// trainNaively counts every pair anew before each merge.
func trainNaively(counts map[string]int, merges int) (out mergeList) {
	words := map[string][]string{}
	for w := range counts {
		words[w] = strings.Split(w, "")
	}
	for len(out) < merges {
		pairs := map[[2]string]int{}
		for w, parts := range words {
			for i := 1; i < len(parts); i++ {
				pairs[[2]string{parts[i-1], parts[i]}] += counts[w]
			}
		}
		var best [2]string
		most := 1
		for p, n := range pairs {
			if n > most || n == most && most > 1 && slices.Compare(p[:], best[:]) < 0 {
				best, most = p, n
			}
		}
		if most < 2 {
			break
		}
		out = append(out, best)
		for w, parts := range words {
			for i := 1; i < len(parts); i++ {
				if parts[i-1] == best[0] && parts[i] == best[1] {
					parts = slices.Replace(parts, i-1, i+1, best[0]+best[1])
				}
			}
			words[w] = parts
		}
	}
	return out
}

func TestTrainEqualsNaiveTraining(t *testing.T) {
	word := rapid.StringOfN(rapid.RuneFrom([]rune("aab c")), 0, 30, -1)
	rapid.Check(t, func(t *rapid.T) {
		docs := rapid.SliceOfN(word, 0, 12).Draw(t, "texts")
		merges := rapid.IntRange(0, 40).Draw(t, "merges")
		got, err := Train(slices.Values(docs), 256+merges, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := trainNaively(countPieces(slices.Values(docs), nil), merges)
		for i := range want {
			want[i] = [2]string{spell(want[i][0]), spell(want[i][1])}
		}
		if !slices.Equal(got.doc.Model.Merges, want) {
			t.Fatalf("merges %q, want %q", got.doc.Model.Merges, want)
		}
		slices.Reverse(docs)
		again, err := Train(slices.Values(docs), 256+merges, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := got.JSON()
		if b, _ := again.JSON(); !bytes.Equal(a, b) {
			t.Fatal("the order of the texts changed the result")
		}
	})
}

func TestTrainErrors(t *testing.T) {
	for _, c := range []struct {
		size    int
		special []string
		want    string
	}{
		{255, nil, "vocabulary size of 255, want 256"},
		{256, []string{"<s>"}, "vocabulary size of 256, want 257"},
		{1 << 30, nil, "vocabulary size of 1073741824"},
		{300, []string{"<s>", "<s>"}, `"<s>" is empty or listed twice`},
		{300, []string{""}, `"" is empty or listed twice`},
		{300, []string{"Ġ"}, `"Ġ" is also the spelling`},
		{300, []string{"ĠĠ"}, `"ĠĠ" is also the spelling`},
	} {
		_, err := Train(slices.Values([]string{"    ", "    "}), c.size, c.special)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("size %d, special %q: got error %v, want one with %s", c.size, c.special, err, c.want)
		}
	}
	if tok, err := Train(slices.Values([]string{}), 300, nil); err != nil || tok.VocabSize() != 256 {
		t.Errorf("no text: %v", err)
	}
}

// One pre-token of a million bytes must not take time quadratic in it.
func TestLongPreTokens(t *testing.T) {
	long := strings.Repeat("ab", 1<<19) + strings.Repeat("a", 1<<19)
	start := time.Now()
	tok, err := Train(slices.Values([]string{long}), 300, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Decode(tok.Encode(long), false); got != long {
		t.Error("a long text changed")
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func BenchmarkTrain(b *testing.B) {
	data, err := os.ReadFile(filepath.Join(shared.Data(b), "cot", "gsm8k_test.jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Train(slices.Values(lines), 8192, nil); err != nil {
			b.Fatal(err)
		}
	}
}
