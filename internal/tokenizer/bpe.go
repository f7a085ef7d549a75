package tokenizer

import (
	"fmt"
	"strings"
)

// Merging inside one pre-token. The pre-token starts as the tokens of its bytes; again and again the adjacent pair that
// stands earliest in the merge list (the leftmost one on a tie) becomes one token, until no adjacent pair is in the list.

// A bpe holds the tables of the model. It is read-only.
type bpe struct {
	bytes [256]int32     // id of the token of each byte
	rules map[pair]merge // what each mergeable pair becomes
	whole map[string]int // with ignore_merges: bytes of every token -> id, else nil
}

// A pair is two adjacent tokens: the left id in the upper half, the right id in the lower.
type pair uint64

func makePair(left, right int32) pair { return pair(uint32(left))<<32 | pair(uint32(right)) }

func (p pair) left() int32  { return int32(p >> 32) }
func (p pair) right() int32 { return int32(uint32(p)) }

// A merge is a line of the merge list: its position in the list and the token it makes.
type merge struct{ rank, id int32 }

// setMerges builds the model's tables from the document.
func (t *Tokenizer) setMerges() error {
	model := &t.doc.Model
	if err := model.checkOptions(); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	for b, r := range byteSpelling {
		id, ok := model.Vocab[string(r)]
		if !ok {
			return fmt.Errorf("model: vocab has no token %q for the byte 0x%02X; a byte-level vocabulary needs all 256", string(r), b)
		}
		t.bpe.bytes[b] = int32(id)
	}
	t.bpe.rules = make(map[pair]merge, len(model.Merges))
	for i, m := range model.Merges {
		var ids [3]int
		for j, text := range [3]string{m[0], m[1], m[0] + m[1]} {
			id, ok := model.Vocab[text]
			if !ok {
				return fmt.Errorf("model: merge %d (%q, %q): %q is not in the vocabulary", i, m[0], m[1], text)
			}
			ids[j] = id
		}
		t.bpe.rules[makePair(int32(ids[0]), int32(ids[1]))] = merge{rank: int32(i), id: int32(ids[2])}
	}
	if model.IgnoreMerges {
		t.bpe.whole = make(map[string]int, len(model.Vocab))
		for text, id := range model.Vocab {
			if bytes, ok := unspell(text); ok {
				t.bpe.whole[bytes] = id
			}
		}
	}
	return nil
}

// An encoder is the working memory of one Encode call. Encoders are pooled, so their caches stay warm.
type encoder struct {
	*bpe
	out []int

	symbols []symbol
	queue   rankQueue

	// ids of pre-tokens seen before, as ranges of cached
	cache  map[string][2]int
	cached []int
}

// A symbol is a token of the pre-token in work, at the position of its first byte; symbols form a linked list.
type symbol struct {
	id         int32
	prev, next int32 // positions, -1 at the ends
	with       merge // of this symbol and the next; rank noMerge when there is none
}

const noMerge = -1

const (
	maxCachedPieces   = 1 << 15 // the cache is emptied when it is full
	maxCachedPieceLen = 64      // bytes; longer pre-tokens hardly ever come back
)

func newEncoder(b *bpe) *encoder { return &encoder{bpe: b, cache: map[string][2]int{}} }

// encodePiece appends the ids of one pre-token to e.out.
func (e *encoder) encodePiece(piece string) {
	if len(piece) == 1 {
		e.out = append(e.out, int(e.bytes[piece[0]]))
		return
	}
	if id, ok := e.whole[piece]; ok {
		e.out = append(e.out, id)
		return
	}
	if len(piece) > maxCachedPieceLen {
		e.out = e.appendMerged(e.out, piece)
		return
	}
	found, ok := e.cache[piece]
	if !ok {
		if len(e.cache) == maxCachedPieces {
			clear(e.cache)
			e.cached = e.cached[:0]
		}
		found[0] = len(e.cached)
		e.cached = e.appendMerged(e.cached, piece)
		found[1] = len(e.cached)
		e.cache[strings.Clone(piece)] = found
	}
	e.out = append(e.out, e.cached[found[0]:found[1]]...)
}

// appendMerged runs the merges on piece and appends the ids that remain.
func (e *encoder) appendMerged(out []int, piece string) []int {
	e.symbols = e.symbols[:0]
	for i := range len(piece) {
		e.symbols = append(e.symbols, symbol{id: e.bytes[piece[i]], prev: int32(i - 1), next: int32(i + 1)})
	}
	e.symbols[len(piece)-1].next = -1
	for i := range e.symbols {
		e.findMerge(int32(i))
	}
	for len(e.queue) > 0 {
		rank, pos := e.queue.pop()
		if e.symbols[pos].with.rank == rank { // else a neighbour was merged since, and this pair is no more
			e.mergeAt(pos)
		}
	}
	for pos := int32(0); pos >= 0; pos = e.symbols[pos].next {
		out = append(out, int(e.symbols[pos].id))
	}
	return out
}

// findMerge looks up the pair that starts at pos and queues it.
func (e *encoder) findMerge(pos int32) {
	s := &e.symbols[pos]
	s.with.rank = noMerge
	if s.next < 0 {
		return
	}
	if with, ok := e.rules[makePair(s.id, e.symbols[s.next].id)]; ok {
		s.with = with
		e.queue.push(with.rank, pos)
	}
}

// mergeAt joins the symbol at pos with the next one.
func (e *encoder) mergeAt(pos int32) {
	s := &e.symbols[pos]
	gone := &e.symbols[s.next]
	s.id = s.with.id
	s.next = gone.next
	gone.with.rank = noMerge
	if s.next >= 0 {
		e.symbols[s.next].prev = pos
	}
	e.findMerge(pos)
	if s.prev >= 0 {
		e.findMerge(s.prev)
	}
}

// A rankQueue is a binary heap of (rank, position): lowest rank first, then leftmost.
type rankQueue []uint64

func (q *rankQueue) push(rank, pos int32) {
	h := append(*q, uint64(rank)<<32|uint64(pos))
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if h[parent] <= h[i] {
			break
		}
		h[parent], h[i] = h[i], h[parent]
		i = parent
	}
	*q = h
}

func (q *rankQueue) pop() (rank, pos int32) {
	h := *q
	top := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && h[child+1] < h[child] {
			child++
		}
		if h[i] <= h[child] {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	*q = h
	return int32(top >> 32), int32(uint32(top))
}
