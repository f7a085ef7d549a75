package tokenizer

import (
	"cmp"
	"container/heap"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Train learns a byte-level BPE vocabulary from texts, with GPT-2's pipeline. Ids are given to the special tokens first,
// then to the 256 bytes in GPT-2's order, then to the merges as they are found: each merge joins the adjacent pair that
// occurs most often at that time, on a tie the pair whose left token (then right token) is smaller as a byte string.
// Training ends when there are vocabSize tokens, or when no pair occurs twice. Special tokens found in the texts are not
// learned from. The result depends on the texts and not on their order.
func Train(texts iter.Seq[string], vocabSize int, special []string) (*Tokenizer, error) {
	vocab := vocabulary{}
	var added []addedToken
	for id, text := range special {
		if _, ok := vocab[text]; ok || text == "" {
			return nil, fmt.Errorf("special token %q is empty or listed twice", text)
		}
		vocab[text] = id
		added = append(added, newSpecial(id, text))
	}
	if least := len(special) + 256; vocabSize < least || vocabSize > maxID+1 {
		return nil, fmt.Errorf("found a vocabulary size of %d, want %d (256 bytes and %d special tokens) to %d",
			vocabSize, least, len(special), maxID+1)
	}
	tr := newTrainer(countPieces(texts, added))
	merges := tr.run(vocabSize - len(special))
	for i, bytes := range tr.tokens {
		text := spell(bytes)
		if _, taken := vocab[text]; taken {
			return nil, fmt.Errorf("special token %q is also the spelling of a learned token; choose another", text)
		}
		vocab[text] = len(special) + i
	}
	return newTokenizer(newDocument(vocab, merges, added))
}

// countPieces counts the pre-tokens of the texts.
func countPieces(texts iter.Seq[string], special []addedToken) map[string]int {
	var specials addedTokens
	for i := range special {
		specials.insert(special[i].Content, &special[i])
	}
	counts := map[string]int{}
	for text := range texts {
		for part := range specials.split(text) {
			if part.isToken {
				continue
			}
			for _, piece := range scanners[gpt2Pattern](part.text) {
				counts[piece]++
			}
		}
	}
	return counts
}

// A trainer finds merges. Its ids start at 0 with the bytes.
type trainer struct {
	tokens []string // bytes of each token
	words  []word
	pairs  map[pair]*pairCount
	queue  candidates
}

// A word is a distinct pre-token, cut into tokens as the merges so far have it, and how often it occurs.
type word struct {
	symbols []int32
	count   int
}

// A pairCount is how often a pair occurs, and in which words it did at some time. The count of a pair can only fall once
// the merge that made the later of its tokens is done, since other merges only use up occurrences.
type pairCount struct {
	count int
	words []int
}

func newTrainer(counts map[string]int) *trainer {
	tr := &trainer{pairs: map[pair]*pairCount{}}
	var idOf [256]int32
	for id, b := range byteOrder {
		idOf[b] = int32(id)
		tr.addToken(string([]byte{b}))
	}
	for _, piece := range slices.Sorted(maps.Keys(counts)) {
		w := word{symbols: make([]int32, len(piece)), count: counts[piece]}
		for i := range len(piece) {
			w.symbols[i] = idOf[piece[i]]
		}
		tr.words = append(tr.words, w)
	}
	for i, w := range tr.words {
		for j := 1; j < len(w.symbols); j++ {
			tr.add(makePair(w.symbols[j-1], w.symbols[j]), i, w.count)
		}
	}
	tr.queue.tokens = &tr.tokens
	for p, c := range tr.pairs {
		tr.queue.list = append(tr.queue.list, candidate{p, c.count})
	}
	heap.Init(&tr.queue)
	return tr
}

func (tr *trainer) addToken(bytes string) (id int32) {
	tr.tokens = append(tr.tokens, bytes)
	return int32(len(tr.tokens) - 1)
}

// run merges until there are size tokens or no pair occurs twice. No two merges make the same bytes: between two cuts that
// are still there, the same bytes are always cut alike, so a merge joins all places of its bytes at once.
func (tr *trainer) run(size int) (merges mergeList) {
	for len(tr.tokens) < size && tr.queue.Len() > 0 {
		best := heap.Pop(&tr.queue).(candidate)
		if count := tr.pairs[best.pair].count; count < best.count { // it fell since the candidate was queued
			tr.propose(best.pair, count)
			continue
		}
		if best.count < 2 {
			break
		}
		left, right := tr.tokens[best.left()], tr.tokens[best.right()]
		merges = append(merges, [2]string{spell(left), spell(right)})
		tr.merge(best.pair, tr.addToken(left+right))
	}
	return merges
}

// propose queues a pair that may be merged.
func (tr *trainer) propose(p pair, count int) {
	if count >= 2 {
		heap.Push(&tr.queue, candidate{p, count})
	}
}

// merge replaces the pair by the token in every word and brings the counts up to date.
func (tr *trainer) merge(p pair, token int32) {
	var fresh []pair // pairs with the new token
	for _, i := range tr.pairs[p].words {
		w := &tr.words[i]
		out := w.symbols[:0]
		for j := 0; j < len(w.symbols); j++ {
			s := w.symbols[j]
			if j+1 == len(w.symbols) || makePair(s, w.symbols[j+1]) != p {
				out = append(out, s)
				continue
			}
			j++
			if n := len(out); n > 0 {
				tr.remove(makePair(out[n-1], s), w.count)
				fresh = tr.addFresh(fresh, makePair(out[n-1], token), i, w.count)
			}
			if j+1 < len(w.symbols) {
				next := w.symbols[j+1]
				tr.remove(makePair(w.symbols[j], next), w.count)
				fresh = tr.addFresh(fresh, makePair(token, next), i, w.count)
			}
			out = append(out, token)
		}
		w.symbols = out
	}
	delete(tr.pairs, p) // all are merged, and tokens that were apart never meet
	for _, p := range fresh {
		tr.propose(p, tr.pairs[p].count)
	}
}

// add counts a pair in a word; isNew tells that it had never been seen.
func (tr *trainer) add(p pair, word, count int) (isNew bool) {
	c := tr.pairs[p]
	if c == nil {
		c = &pairCount{}
		tr.pairs[p] = c
		isNew = true
	}
	c.count += count
	if n := len(c.words); n == 0 || c.words[n-1] != word {
		c.words = append(c.words, word)
	}
	return isNew
}

func (tr *trainer) addFresh(fresh []pair, p pair, word, count int) []pair {
	if tr.add(p, word, count) {
		fresh = append(fresh, p)
	}
	return fresh
}

func (tr *trainer) remove(p pair, count int) { tr.pairs[p].count -= count }

// A candidate is a pair with the count it had when it was queued.
type candidate struct {
	pair
	count int
}

// candidates is a heap.Interface: the pair to merge next is on top.
type candidates struct {
	list   []candidate
	tokens *[]string
}

func (c *candidates) Len() int      { return len(c.list) }
func (c *candidates) Swap(i, j int) { c.list[i], c.list[j] = c.list[j], c.list[i] }
func (c *candidates) Push(x any)    { c.list = append(c.list, x.(candidate)) }

func (c *candidates) Pop() any {
	last := c.list[len(c.list)-1]
	c.list = c.list[:len(c.list)-1]
	return last
}

func (c *candidates) Less(i, j int) bool {
	a, b, tokens := c.list[i], c.list[j], *c.tokens
	return cmp.Or(
		cmp.Compare(b.count, a.count),
		cmp.Compare(tokens[a.left()], tokens[b.left()]),
		cmp.Compare(tokens[a.right()], tokens[b.right()]),
	) < 0
}
