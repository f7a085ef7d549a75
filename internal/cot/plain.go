package cot

import (
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// Plain is a language model as others train it (method lm): it learns to predict those
// tokens of a text that are targets. It samples and scores as a bare Text.
type Plain struct{ Text }

// NewPlain is a language model that answers by what it says after the prompt.
func NewPlain(lm *transformer.LM, special Special) *Plain {
	return &Plain{Text{LM: lm, Special: special, Bare: true}}
}

// Size counts the targets.
func (m *Plain) Size(batch []Encoded) Size {
	var n Size
	for _, ex := range batch {
		for _, target := range ex.Targets {
			if target {
				n.Tokens++
			}
		}
	}
	return n
}

// Marked returns an example's tokens, and which of them are targets.
func (m *Plain) Marked(ex Encoded) (tokens []int, targets []bool) { return ex.Tokens, ex.Targets }

// Rows counts all tokens but the last of each text, which is read by no one.
func (m *Plain) Rows(batch []Encoded, _ StepRand) int {
	n := 0
	for _, ex := range batch {
		n += len(ex.Tokens) - 1
	}
	return n
}

// Loss is the cross-entropy of the targets, in nats per token.
func (m *Plain) Loss(t *tensor.Tape, batch []Encoded, whole Size, random StepRand) Loss {
	return m.loss(t, m.layout(t, batch, random), whole)
}

// layout puts the rows of a batch one after the other.
func (m *Plain) layout(t *tensor.Tape, batch []Encoded, random StepRand) packed {
	s := newPacked(t, m.Rows(batch, random)+len(batch)) // with the last tokens
	for _, ex := range batch {
		s.begin()
		for i, id := range ex.Tokens {
			if ex.Targets[i] {
				s.predict(id)
			} else {
				s.feed(id)
			}
		}
		s.end()
	}
	return s
}
