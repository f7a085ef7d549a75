package multiply

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nfcot/internal/cot"
	"nfcot/internal/shared"
	"nfcot/internal/tokenizer"
)

var update = flag.Bool("update", false, "write published.bin anew from the published test sets")

// file is the published test set of a size.
func file(t *testing.T, s Size) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared.Data(t), "cot", fmt.Sprintf("mult_%s_test.txt", s)))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// number reads digits that are parted by blanks, the lowest first.
func number(t *testing.T, text string) int {
	t.Helper()
	digits := strings.Split(text, " ")
	slices.Reverse(digits)
	n, err := strconv.Atoi(strings.Join(digits, ""))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// factors reads a prompt.
func factors(t *testing.T, prompt string) (a, b int) {
	t.Helper()
	x, y, ok := strings.Cut(prompt, " * ")
	if !ok {
		t.Fatalf("prompt %q", prompt)
	}
	return number(t, x), number(t, y)
}

// TestPublishedLines makes every line of the published test sets from its factors.
func TestPublishedLines(t *testing.T) {
	for _, s := range publishedSizes {
		lines := file(t, s)
		if len(lines) != 1000 {
			t.Errorf("%s: found %d lines, want 1000", s, len(lines))
		}
		for _, line := range lines {
			prompt, _, _ := strings.Cut(line, "||")
			ex := s.example(factors(t, prompt))
			if made := ex.Prompt + "||" + strings.ReplaceAll(ex.CoT, "\n", " ") + " #### " + ex.Answer; made != line {
				t.Fatalf("%s: made\n%s, published is\n%s", s, made, line)
			}
		}
	}
}

// TestPublishedPairs holds that no pair of a published test set can come, either way round,
// and that published.bin has those pairs and no others. With -update it writes that file.
func TestPublishedPairs(t *testing.T) {
	hashes := map[uint64]bool{}
	pairs := 0
	for _, s := range publishedSizes {
		for _, line := range file(t, s) {
			prompt, _, _ := strings.Cut(line, "||")
			a, b := factors(t, prompt)
			hashes[hashOf(pairSum(a, b))] = true
			if pairs++; !*update && (splitOf(a, b) != "test" || splitOf(b, a) != "test") {
				t.Errorf("%d * %d is in split %s, %d * %d in %s", a, b, splitOf(a, b), b, a, splitOf(b, a))
			}
		}
	}
	var want bytes.Buffer
	for _, hash := range slices.Sorted(maps.Keys(hashes)) {
		binary.Write(&want, binary.BigEndian, hash)
	}
	if *update {
		if err := os.WriteFile("published.bin", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if pairs != 2000 || published != want.String() {
		t.Errorf("published.bin has %d hashes, which are not the %d of the %d pairs; renew it with -update", len(published)/8, len(hashes), pairs)
	}
}

// TestExample is a problem worked by hand: 1203 * 4056.
func TestExample(t *testing.T) {
	ex := Size{4, 4}.example(1203, 4056)
	ex5 := Size{5, 5}.example(10002, 90310)
	small, narrow := Size{2, 2}.example(98, 76), Size{3, 1}.example(999, 9)
	for _, tt := range []struct{ got, want string }{
		{ex.Prompt, "3 0 2 1 * 6 5 0 4"},
		{ex.CoT, "8 1 2 7 0\n+ 0 5 1 0 6 0\n( 8 6 3 7 6 0 )\n+ 0 0 0 0 0 0 0\n( 8 6 3 7 6 0 0 )\n+ 0 0 0 2 1 8 4 0"},
		{ex.Answer, "8 6 3 9 7 8 4 0"},
		{ex5.CoT, "0 0 0 0 0 0\n+ 0 2 0 0 0 1 0\n( 0 2 0 0 0 1 0 )\n+ 0 0 6 0 0 0 3 0\n( 0 2 6 0 0 1 3 0 )\n+ 0 0 0 0 0 0 0 0 0\n( 0 2 6 0 0 1 3 0 0 )\n+ 0 0 0 0 8 1 0 0 9 0"},
		{ex5.Answer, "0 2 6 0 8 2 3 0 9 0"},
		{small.Prompt + "|" + small.CoT + "|" + small.Answer, "8 9 * 6 7|8 8 5\n+ 0 6 8 6|8 4 4 7"},
		{narrow.Prompt + "|" + narrow.CoT + "|" + narrow.Answer, "9 9 9 * 9|1 9 9 8|1 9 9 8"},
	} {
		if tt.got != tt.want {
			t.Errorf("found\n%s, want\n%s", tt.got, tt.want)
		}
	}
}

// TestExamples holds what package and Examples promise of examples: operands, products,
// splits, order.
func TestExamples(t *testing.T) {
	split := map[[2]int]string{}
	for _, s := range []Size{{4, 4}, {5, 5}, {3, 5}} {
		for _, name := range []string{"train", "dev"} {
			examples, err := s.Examples(name, 3, 3000)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			shortest, longest := [2]int{1 << 62, 1 << 62}, [2]int{}
			for i, ex := range examples {
				a, b := factors(t, ex.Prompt)
				if number(t, ex.Answer) != a*b || ex.TaskID != fmt.Sprintf("multiply/%s/%s/%d", s, name, i) || seen[ex.Prompt] || !slices.Equal(Chains("", ex.Prompt), []cot.Chain{{Text: ex.CoT}}) {
					t.Fatalf("%+v", ex)
				}
				seen[ex.Prompt] = true
				for j, x := range [2]int{a, b} {
					shortest[j], longest[j] = min(shortest[j], x), max(longest[j], x)
				}
				key := [2]int{min(a, b), max(a, b)}
				if other, ok := split[key]; ok && other != name {
					t.Errorf("%d * %d is in %s and in %s", a, b, name, other)
				}
				split[key] = name
			}
			for j, digits := range []int{s.First, s.Second} {
				least := int(math.Pow10(digits - 1))
				if shortest[j] < least || shortest[j] > least*11/10 || longest[j] >= 10*least || longest[j] < 99*least/10 {
					t.Errorf("%s: factors are from %d to %d", s, shortest[j], longest[j])
				}
			}
			few, err := s.Examples(name, 3, 10)
			if err != nil || !reflect.DeepEqual(few, examples[:10]) {
				t.Errorf("%s, %s: 10 examples are not the first of 3000 (%v)", s, name, err)
			}
			if other, _ := s.Examples(name, 4, 10); reflect.DeepEqual(few, other) {
				t.Errorf("%s, %s: two seeds give the same", s, name)
			}
		}
	}
}

// TestSplits: one pair in ten is for dev, and of a million pairs some are published, which
// holds without the files.
func TestSplits(t *testing.T) {
	count := map[string]int{}
	for a := 1000; a < 2000; a++ {
		for b := 1000; b <= a; b++ {
			count[splitOf(a, b)]++
		}
	}
	if n := count["dev"]; n < 49000 || n > 51000 || count["test"] != 5 {
		t.Errorf("of 500500 pairs found %v, want about 50000 for dev and 5 for test", count)
	}
	for b := 5000; b < 6000; b++ {
		if splitOf(7001, b) != splitOf(b, 7001) {
			t.Fatalf("7001 * %d is in %s, %d * 7001 in %s", b, splitOf(7001, b), b, splitOf(b, 7001))
		}
	}
}

// TestTokens holds that digits and signs are a token each, so that all problems have
// equally many tokens in every line.
func TestTokens(t *testing.T) {
	examples, err := Size{4, 4}.Examples("train", 1, 300)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Train(func(yield func(string) bool) {
		for _, ex := range examples {
			for _, text := range []string{ex.Prompt, ex.CoT + "\n", ex.Answer} {
				if !yield(text) {
					return
				}
			}
		}
	}, 1000, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, ex := range examples {
		for _, text := range append(strings.Split(ex.CoT, "\n"), ex.Prompt, ex.Answer) {
			if ids := tok.Encode(text); len(ids) != len(strings.Fields(text)) {
				t.Fatalf("%q has %d tokens", text, len(ids))
			}
			if ids := tok.Encode(text + "\n"); len(ids) != len(strings.Fields(text))+1 {
				t.Fatalf("%q as a line has %d tokens", text, len(ids))
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ name, split, want string }{
		{"multiply", "train", `benchmark "multiply": want multiply:NxM, the digits of both factors, 1 to 9 each: multiply:4x4`},
		{"multiply:10x1", "train", "want multiply:NxM"},
		{"multiply:0x4", "train", "want multiply:NxM"},
		{"multiply:04x4", "train", "want multiply:NxM"},
		{"multiply:6x6", "test", "multiply:6x6: no test split of this size is published; want train or dev"},
		{"multiply:4x4", "test", "multiply:4x4: the test split is the published one, a file that eval --bench multiply:4x4 reads; want train or dev"},
		{"multiply:5x5", "all", `unknown split "all"; want train or dev`},
	} {
		var err error
		for _, err = range Lines(tt.name, tt.split, 1, 1) {
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %s: %v, want %s", tt.name, tt.split, err, tt.want)
		}
		if _, again := Benchmark(tt.name, tt.split, 1, 1); again == nil || again.Error() != err.Error() {
			t.Errorf("%s, %s: as a benchmark %v", tt.name, tt.split, again)
		}
	}
	if _, err := (Size{1, 1}).Examples("train", 1, 100); err == nil || !strings.Contains(err.Error(), "multiply:1x1: the train split has no more than about") {
		t.Errorf("100 of 81 problems: %v", err)
	}
	if !IsName("multiply:4x4") || !IsName("multiply") || IsName("multiply.jsonl") {
		t.Error("IsName")
	}
}

// TestChains: what is no prompt has no chain.
func TestChains(t *testing.T) {
	for _, prompt := range []string{"", "1 * ", " * 1", "12 * 3", "1 2 * 3 x", "1 2  * 3", "1 2 + 3", "1 2 3 4 5 6 7 8 9 0 * 1", "-1 * 2"} {
		if chains := Chains("", prompt); chains != nil {
			t.Errorf("%q has the chains %q", prompt, chains)
		}
	}
	if chains := Chains("", "8 9 * 6 7"); !slices.Equal(chains, []cot.Chain{{Text: "8 8 5\n+ 0 6 8 6"}}) {
		t.Errorf("found %q", chains)
	}
}
