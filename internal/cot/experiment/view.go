package experiment

import (
	"cmp"
	"fmt"

	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
)

// A view is how a method sees examples.
type view struct{ *Encoder }

// View returns how a method sees examples with the tokenizer and the chat template of what the
// source starts from, or with its tokenizer alone; nil if it names neither. The method "" is
// that of encoderOf, and of a tokenizer cot.
func (s Source) View(method string) (data.View, error) {
	switch {
	case s.Init == "" && s.Tokenizer == "":
		return nil, nil
	case s.Init != "" && s.Tokenizer != "":
		return nil, fmt.Errorf("with --init the tokenizer is that of %s; leave --tokenizer out", s.Init)
	case s.Init != "":
		e, err := encoderOf(s.Init, s.Base, method)
		return view{e}, err
	}
	m, err := FindMethod(cmp.Or(method, "cot"))
	if err != nil {
		return nil, err
	}
	tok, err := LoadTokenizer(s.Tokenizer)
	if err == nil {
		tok, err = tok.With(m.tokens()...)
	}
	if err != nil {
		return nil, err
	}
	e, err := (&Run{Tokenizer: tok}).encoder(m, s.Tokenizer)
	return view{e}, err
}

// See returns an example's tokens, and which of them are targets.
func (v view) See(ex cot.Example, index int) (tokens []int, targets []bool, err error) {
	x, err := v.Encode(ex, index)
	if err != nil {
		return nil, nil, err
	}
	tokens, targets = v.Marked(x)
	return tokens, targets, nil
}

// Decode is the text of tokens, special ones included.
func (v view) Decode(tokens []int) string { return v.Tokenizer.Decode(tokens, false) }
