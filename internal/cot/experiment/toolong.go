package experiment

import (
	"fmt"

	"nfcot/internal/cot"
)

// What becomes of examples that a model has no room for.
const (
	refuseTooLong = "refuse" // the default
	cutTooLong    = "cut"
	dropTooLong   = "drop"
)

// checkTooLong refuses what is none of these.
func (s Source) checkTooLong() error {
	switch s.TooLong {
	case "", refuseTooLong, cutTooLong, dropTooLong:
		return nil
	}
	return fmt.Errorf("source.too_long is %.20q; want %s, %s or %s", s.TooLong, refuseTooLong, cutTooLong, dropTooLong)
}

// positions are those of a model that an example takes, in the stage where they are most.
func (c Config) positions(ex cot.Encoded) int {
	if ex.Tokens != nil {
		return len(ex.Tokens)
	}
	chain := c.Coconut.States()
	for _, step := range ex.Steps {
		chain += len(step)
	}
	return len(ex.Prompt) + max(chain, c.NF.K) + len(ex.Answer) + 2 // with the tokens that begin thoughts and answer
}

// shorten returns the examples that the model has room for. Those that it has not are an error, are cut, or left out, as
// the source says; logf is told how many.
func (e *Experiment) shorten(examples []cot.Encoded, logf func(string, ...any)) ([]cot.Encoded, error) {
	room, how := e.Model.MaxTokens, e.Source.TooLong
	var fitting []cot.Encoded
	cut := 0
	for i, ex := range examples {
		switch n := e.positions(ex); {
		case n <= room:
			fitting = append(fitting, ex)
		case how == "" || how == refuseTooLong:
			return nil, fmt.Errorf("%s: example %d has %d tokens, more than the model's %d positions (model.positions); --too-long cut shortens such examples, and --too-long drop leaves them out",
				e.Source.file(), i+1, n, room)
		case how == cutTooLong && cutExample(&ex, n-room):
			fitting = append(fitting, ex)
			cut++
		}
	}
	if dropped := len(examples) - len(fitting); cut+dropped > 0 {
		logf("train: of %d examples %d have more than the model's %d positions: %d are cut, %d left out", len(examples), cut+dropped, room, cut, dropped)
	}
	return fitting, nil
}

// cutExample takes some tokens away from the end of an example, and says whether something is left to learn. An answer loses
// its end, and with it EOS; of a conversation whole turns are left, so that no turn is learned to end early, or never.
func cutExample(ex *cot.Encoded, n int) bool {
	if ex.Tokens == nil {
		left := len(ex.Answer) - n
		if left < 1 {
			return false
		}
		ex.Answer, ex.Cut = ex.Answer[:left], true
		return true
	}
	left := len(ex.Tokens) - n
	for left > 0 && !(ex.Targets[left-1] && !(ex.Turns && ex.Targets[left])) {
		left--
	}
	ex.Tokens, ex.Targets = ex.Tokens[:left], ex.Targets[:left]
	return left > 0
}
