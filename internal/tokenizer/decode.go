package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Decode returns the text of ids. Tokens are byte sequences, so ids need not add up to UTF-8: every maximal prefix of a
// character that was broken off, and every byte that cannot start one, becomes one U+FFFD (the practice of Unicode and
// WHATWG; a ByteFallback has another, see there). Added tokens decode to their content, or to nothing if skipSpecial is set
// and they are special. An id that has no token decodes to nothing: a model's output layer is often padded beyond the
// vocabulary.
func (t *Tokenizer) Decode(ids []int, skipSpecial bool) string {
	stream := t.NewStream(skipSpecial)
	var out strings.Builder
	for _, id := range ids {
		stream.write(&out, id)
	}
	out.WriteString(stream.Flush())
	return out.String()
}

// A Stream decodes ids one at a time. It holds back what later ids may change, such as the bytes of a character until the
// character is complete, so that all it returns, put together, is what Decode returns. It is for one goroutine.
type Stream struct {
	tokenizer   *Tokenizer
	skipSpecial bool
	pending     []byte // the beginning of a character
	steps       decodeSteps
}

// NewStream returns an empty stream; skipSpecial is that of Decode.
func (t *Tokenizer) NewStream(skipSpecial bool) *Stream {
	return &Stream{tokenizer: t, skipSpecial: skipSpecial, steps: t.decoder.steps()}
}

// Next takes the next id and returns the text that is certain with it, which may be empty.
func (s *Stream) Next(id int) string {
	var out strings.Builder
	s.write(&out, id)
	return out.String()
}

// Flush returns what is still held back, a broken character as U+FFFD, and empties the stream.
func (s *Stream) Flush() string {
	var out strings.Builder
	s.steps.end(func(text string) { out.WriteString(text) })
	s.steps = s.tokenizer.decoder.steps()
	if len(s.pending) > 0 {
		out.WriteRune(utf8.RuneError)
		s.pending = s.pending[:0]
	}
	return out.String()
}

func (s *Stream) write(out *strings.Builder, id int) {
	if id < 0 || id >= len(s.tokenizer.tokens) || s.tokenizer.tokens[id].text == "" {
		return
	}
	tok := &s.tokenizer.tokens[id]
	if s.skipSpecial && tok.special {
		return
	}
	if s.steps != nil {
		s.steps.token(tok.decoded, func(text string) { out.WriteString(text) })
		return
	}
	s.pending = append(s.pending, tok.bytes...)
	rest := writeCharacters(out, s.pending)
	s.pending = append(s.pending[:0], rest...)
}

// writeCharacters writes the characters of b, broken ones as U+FFFD, and returns the incomplete one at the end, if any.
func writeCharacters(out *strings.Builder, b []byte) (incomplete []byte) {
	for len(b) > 0 {
		if !utf8.FullRune(b) {
			return b
		}
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			size = brokenPrefix(b)
		}
		out.WriteRune(r)
		b = b[size:]
	}
	return nil
}

// brokenPrefix is the length of the longest prefix of b that could have begun a character, at least 1.
func brokenPrefix(b []byte) int {
	n := 1
	if utf8.FullRune(b[:1]) {
		return n // cannot begin one
	}
	for n+1 < len(b) && !utf8.FullRune(b[:n+1]) {
		n++
	}
	return n
}
