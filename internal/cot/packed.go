package cot

import (
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// A packed batch lays out examples, one after the other, in the rows of a single
// input (docs/method.md section 3). Token rows come first in the stacked input and
// thought rows after them; order says where each row comes from.
type packed struct {
	rows        transformer.Layout
	tokens      []int // of the token rows
	order       []int // row → token row i, or thought row j as -1-j
	thoughtRows []int // rows that predict a thought
	tokenRows   []int // rows that predict a token
	target      []int // the tokens that tokenRows must predict
	owner       []int // the example each target belongs to

	example int // the one being laid out
	start   int // its first row
}

// newPacked returns an empty batch with room on t for n rows.
func newPacked(t *tensor.Tape, n int) packed {
	return packed{
		rows:   transformer.Layout{Pos: t.Ints(n), Spans: t.Spans(n)},
		tokens: t.Ints(n), order: t.Ints(n), thoughtRows: t.Ints(n), tokenRows: t.Ints(n), target: t.Ints(n), owner: t.Ints(n),
	}
}

// begin starts the next example's rows with tokens.
func (s *packed) begin(tokens ...int) {
	s.start = len(s.order)
	for _, id := range tokens {
		s.feed(id)
	}
}

// feed appends a token that nothing has to predict.
func (s *packed) feed(id int) {
	s.order = append(s.order, len(s.tokens))
	s.tokens = append(s.tokens, id)
}

// predictThought appends thought number j of all, which the row before it predicts.
func (s *packed) predictThought(j int) {
	s.thoughtRows = append(s.thoughtRows, len(s.order)-1)
	s.feedThought(j)
}

// feedThought appends thought number j of all, which nothing has to predict.
func (s *packed) feedThought(j int) { s.order = append(s.order, -1-j) }

// split ends the rows so far, whose last thought is predicted but read by no one: its
// row goes. The example goes on in rows that do not see them.
func (s *packed) split() {
	s.order = s.order[:len(s.order)-1]
	s.rows = transformer.Causal(s.rows, len(s.order)-s.start)
	s.start = len(s.order)
}

// predict appends tokens, each of which the row before it predicts.
func (s *packed) predict(ids ...int) {
	for _, id := range ids {
		s.tokenRows = append(s.tokenRows, len(s.order)-1)
		s.target = append(s.target, id)
		s.owner = append(s.owner, s.example)
		s.feed(id)
	}
}

// answer appends the tokens of an answer, each of which the row before it predicts, and end,
// the token that ends it, negative if none does.
func (s *packed) answer(ids []int, end int) {
	s.predict(ids...)
	if end >= 0 {
		s.predict(end)
	}
}

// end closes the example. Its last token is predicted but read by no one: its
// row goes.
func (s *packed) end() {
	if s.order[len(s.order)-1] >= 0 {
		s.order = s.order[:len(s.order)-1]
		s.tokens = s.tokens[:len(s.tokens)-1]
	}
	s.rows = transformer.Causal(s.rows, len(s.order)-s.start)
	s.example++
}

// hidden runs the backbone over the rows; thoughts holds the inputs of the
// thought rows, nil if there are none.   thoughts [n, H] → [rows, H]
func (s *packed) hidden(t *tensor.Tape, lm *transformer.LM, thoughts *tensor.Tensor) *tensor.Tensor {
	in := lm.Embed(t, s.tokens)
	if thoughts != nil {
		in = interleave(t, in, thoughts, s.order)
	}
	return lm.Forward(t, in, s.rows)
}

// textLogProb returns log p of each target at temperature temp, in nats.
// h [rows, H] → [targets, 1]
func (s *packed) textLogProb(t *tensor.Tape, lm *transformer.LM, h *tensor.Tensor, temp float64) *tensor.Tensor {
	h = t.Gather(h, s.tokenRows)
	if temp != 1 {
		h = t.Scale(float32(1/temp), h) // and the logits with it
	}
	return lm.LogProb(t, h, s.target)
}

// trainingFLOPs counts the backbone's floating-point operations for the rows,
// forward and (twice as many) backward.
func (s *packed) trainingFLOPs(lm *transformer.LM) float64 {
	return 3 * lm.FLOPs(len(s.order), s.rows.Seen(), len(s.target))
}

// interleave takes row i of a for order i, and row j of b for order -1-j.
func interleave(t *tensor.Tape, a, b *tensor.Tensor, order []int) *tensor.Tensor {
	at := t.Ints(len(order))
	for _, o := range order {
		if o < 0 {
			o = a.Rows() - 1 - o
		}
		at = append(at, o)
	}
	return t.Gather(t.Stack(a, b), at)
}
