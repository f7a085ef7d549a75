package multiply

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sort"

	"nfcot/internal/cot"
)

// This file says which problems are in which split.

// published are the hashes of the pairs of the published test sets, 8 bytes each, rising.
// TestPublishedPairs writes them.
//
//go:embed published.bin
var published string

// exhausted is how many draws in a row may bring nothing new before a split
// counts as used up.
const exhausted = 100_000

// Examples returns n examples of a split: "train" or "dev". Which split a problem belongs
// to is a property of its pair of factors, whatever their order, so the splits are disjoint
// whatever the seeds. The split "test" is the published set, which is not part of this
// program.
//
// An example depends only on the seed, size and split and on its index: the first 100 of
// 1000 examples are those of a call with n = 100. No problem comes twice in one call; that
// there are no more is an error.
func (s Size) Examples(split string, seed uint64, n int) ([]cot.Example, error) {
	var examples []cot.Example // of n, which may be any number
	for ex, err := range s.Each(split, seed, n) {
		if err != nil {
			return nil, err
		}
		examples = append(examples, ex)
	}
	return examples, nil
}

// Each yields the examples of Examples, one after the other, up to an error.
func (s Size) Each(split string, seed uint64, n int) iter.Seq2[cot.Example, error] {
	return func(yield func(cot.Example, error) bool) {
		if err := s.check(split, n); err != nil {
			yield(cot.Example{}, err)
			return
		}
		seen := map[[2]int]bool{}
		for i := range n {
			pair, err := s.pair(split, seed, i, seen)
			ex := cot.Example{}
			if err == nil {
				seen[pair] = true
				ex = s.example(pair[0], pair[1])
				ex.TaskID = fmt.Sprintf("%s/%s/%s/%d", benchmark, s, split, i)
			}
			if !yield(ex, err) || err != nil {
				return
			}
		}
	}
}

// check refuses a split that is not made here.
func (s Size) check(split string, n int) error {
	name := benchmark + ":" + s.String()
	switch {
	case split == "test" && slices.Contains(publishedSizes, s):
		return fmt.Errorf("%s: the test split is the published one, a file that eval --bench %s reads; want train or dev", name, name)
	case split == "test":
		return fmt.Errorf("%s: no test split of this size is published; want train or dev", name)
	case split != "train" && split != "dev":
		return fmt.Errorf("%s: unknown split %q; want train or dev", name, split)
	case n < 0:
		return fmt.Errorf("%s: asked for %d examples; want 0 or more", name, n)
	}
	return nil
}

// pair draws the factors of example number i: of its split, and not seen before.
func (s Size) pair(split string, seed uint64, i int, seen map[[2]int]bool) (pair [2]int, err error) {
	name := benchmark + ":" + s.String()
	r := rand.New(rand.NewChaCha8(sha256.Sum256(fmt.Appendln(nil, name, split, seed, i))))
	draw := func(digits int) int {
		least := 1
		for range digits - 1 {
			least *= 10
		}
		return least + r.IntN(9*least)
	}
	for range exhausted {
		pair = [2]int{draw(s.First), draw(s.Second)}
		if splitOf(pair[0], pair[1]) == split && !seen[pair] {
			return pair, nil
		}
	}
	return pair, fmt.Errorf("%s: the %s split has no more than about %d different problems; ask for fewer", name, split, i)
}

// splitOf says which split a pair of factors belongs to: one of a published set is for
// test, of all others one in ten is for dev and the rest for train.
func splitOf(a, b int) string {
	sum := pairSum(a, b)
	switch {
	case isPublished(hashOf(sum)):
		return "test"
	case binary.BigEndian.Uint64(sum[8:])%10 == 0:
		return "dev"
	}
	return "train"
}

// pairSum tells pairs of factors apart, whatever their order.
func pairSum(a, b int) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d*%d", min(a, b), max(a, b)))
}

// hashOf is the part of a pair's sum that published has.
func hashOf(sum [sha256.Size]byte) uint64 { return binary.BigEndian.Uint64(sum[:]) }

// isPublished says whether a hash is that of a pair of a published test set.
func isPublished(hash uint64) bool {
	at := func(i int) uint64 { return binary.BigEndian.Uint64([]byte(published[8*i : 8*i+8])) }
	count := len(published) / 8
	i := sort.Search(count, func(i int) bool { return at(i) >= hash })
	return i < count && at(i) == hash
}
