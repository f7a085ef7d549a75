package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Merging inside one pre-token. The pre-token starts as the tokens of its characters, or of its bytes; again and again the
// adjacent pair that stands earliest in the merge list (the leftmost one on a tie) becomes one token, until no adjacent
// pair is in the list.

// A bpe holds the tables of the model. It is read-only.
type bpe struct {
	byteLevel bool           // the letters are bytes
	bytes     [256]int32     // byteLevel: the token of each byte; none: it gives no token
	chars     map[rune]int32 // else: the token of each character
	fallback  *[256]int32    // byte_fallback: the tokens <0x00> to <0xFF> of the bytes of unknown characters, or none
	unknown   int32          // the token of other unknown characters; none: they give no token
	fuse      bool           // one such token for unknown characters in a row

	rules map[pair]merge // what each mergeable pair becomes
	made  []int32        // what the merge of each rank makes
	whole map[string]int // with ignore_merges: every token -> id, else nil
	words bool           // no merge crosses the beginning of a word marked with wordMark
}

// none stands for a token that the vocabulary lacks.
const none = -1

// wordMark stands for the space before a word in vocabularies of the kind of SentencePiece.
const wordMark = "▁"

// A pair is two adjacent tokens: the left id in the upper half, the right id in the lower.
type pair uint64

func makePair(left, right int32) pair { return pair(uint32(left))<<32 | pair(uint32(right)) }

func (p pair) left() int32  { return int32(p >> 32) }
func (p pair) right() int32 { return int32(uint32(p)) }

// A merge is a line of the merge list: its position in the list and the token it makes.
type merge struct{ rank, id int32 }

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

// A symbol is a token of the word in work, at the position of its first letter; symbols form a linked list.
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
	if id, ok := e.whole[piece]; ok {
		e.out = append(e.out, id)
		return
	}
	if !e.words {
		e.encodeWord(piece)
		return
	}
	for piece != "" {
		n := wordEnd(piece)
		e.encodeWord(piece[:n])
		piece = piece[n:]
	}
}

// wordEnd is where the word that text begins with ends: before a wordMark that follows something else.
func wordEnd(text string) int {
	start := 0
	for strings.HasPrefix(text[start:], wordMark) {
		start += len(wordMark)
	}
	if i := strings.Index(text[start:], wordMark); i >= 0 {
		return start + i
	}
	return len(text)
}

// encodeWord appends the ids that the merges leave of a word, from the cache if it came before.
func (e *encoder) encodeWord(word string) {
	if len(word) == 1 && e.byteLevel {
		if id := e.bytes[word[0]]; id != none {
			e.out = append(e.out, int(id))
		}
		return
	}
	if len(word) > maxCachedPieceLen {
		e.out = e.appendMerged(e.out, word)
		return
	}
	found, ok := e.cache[word]
	if !ok {
		if len(e.cache) == maxCachedPieces {
			clear(e.cache)
			e.cached = e.cached[:0]
		}
		found[0] = len(e.cached)
		e.cached = e.appendMerged(e.cached, word)
		found[1] = len(e.cached)
		e.cache[strings.Clone(word)] = found
	}
	e.out = append(e.out, e.cached[found[0]:found[1]]...)
}

// appendMerged runs the merges on a word and appends the ids that remain.
func (e *encoder) appendMerged(out []int, word string) []int {
	e.symbols = e.symbols[:0]
	if e.byteLevel {
		e.addBytes(word)
	} else {
		e.addCharacters(word)
	}
	if len(e.symbols) == 0 {
		return out
	}
	e.symbols[len(e.symbols)-1].next = -1
	for i := range e.symbols {
		e.findMerge(int32(i))
	}
	for len(e.queue) > 0 {
		rank, pos := e.queue.pop()
		// A neighbour may have been merged since. The pair that is there now may have another rank; what counts is that it
		// makes the token that was queued, as in Hugging Face's library.
		if with := e.symbols[pos].with; with.rank != noMerge && with.id == e.made[rank] {
			e.mergeAt(pos)
		}
	}
	for pos := int32(0); pos >= 0; pos = e.symbols[pos].next {
		out = append(out, int(e.symbols[pos].id))
	}
	return out
}

// addBytes adds the letters of a word of bytes.
func (e *encoder) addBytes(word string) {
	for i := range len(word) {
		if id := e.bytes[word[i]]; id != none {
			e.addSymbol(id)
		}
	}
}

// addCharacters adds the letters of a word of characters. A byte that is not UTF-8 is an unknown character. Unknown
// tokens are held back until a known character comes, and the bytes of a fallback overtake them, as in Hugging Face's
// library.
func (e *encoder) addCharacters(word string) {
	held := false
	for i := 0; i < len(word); {
		r, size := utf8.DecodeRuneInString(word[i:])
		char := word[i : i+size]
		i += size
		if id, ok := e.chars[r]; ok && (r != utf8.RuneError || size > 1) {
			if held {
				e.addSymbol(e.unknown)
				held = false
			}
			e.addSymbol(id)
		} else if !e.addFallback(char) && e.unknown != none {
			if held && !e.fuse {
				e.addSymbol(e.unknown)
			}
			held = true
		}
	}
	if held {
		e.addSymbol(e.unknown)
	}
}

// addFallback adds the tokens of the bytes of a character, if it has one for each.
func (e *encoder) addFallback(char string) bool {
	if e.fallback == nil {
		return false
	}
	for i := range len(char) {
		if e.fallback[char[i]] == none {
			return false
		}
	}
	for i := range len(char) {
		e.addSymbol(e.fallback[char[i]])
	}
	return true
}

func (e *encoder) addSymbol(id int32) {
	n := int32(len(e.symbols))
	e.symbols = append(e.symbols, symbol{id: id, prev: n - 1, next: n + 1})
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
