package generate

import (
	"nfcot/internal/eval/bench"
	"nfcot/internal/tokenizer"
)

// A Live is the text of one answer as its tokens come. It holds text back that may be the
// beginning of a stop, so that no stop is ever seen.
type Live struct {
	recipe  *bench.Recipe
	stream  *tokenizer.Stream
	pending string // text that may begin a stop
}

// Live returns the text of the answer of a sample that is about to be drawn.
func (g *Generator) Live() *Live {
	return &Live{recipe: g.Recipe, stream: g.Run.Tokenizer.NewStream(true)}
}

// Next is the text that is sure to belong to the answer once it has one more token.
func (l *Live) Next(token int) string {
	l.pending += l.stream.Next(token)
	safe, stopped := l.recipe.Cut(l.pending)
	if !stopped {
		safe = l.pending[:len(l.pending)-l.recipe.Partial(l.pending)]
		l.pending = l.pending[len(safe):]
	}
	return safe
}

// Rest is the end of an answer that no stop has ended.
func (l *Live) Rest() string { return l.pending + l.stream.Flush() }
