package cot

import (
	"testing"

	"nfcot/internal/tensor"
)

// The sequences of docs/method.md section 3, row by row: which row holds what, and which
// row predicts what.
func TestPacked(t *testing.T) {
	const eos, bot, chain, ans = 0, 1, 2, 3
	m := &NFCoT{latent: latent{Special: special, Options: NFOptions{K: 2}}}
	cot, direct := &Text{Special: special, Chain: true}, &Text{Special: special}
	for _, tt := range []struct {
		name string
		lay  func(s *packed)
		want packed
		rows []int // of each example
	}{
		{"nfcot, finished and not", func(s *packed) {
			m.lay(s, 0, 2, []int{5, 6}, []int{7, 8}, eos)
			m.lay(s, 1, 2, []int{9}, []int{10}, -1)
		}, packed{
			tokens:      []int{5, 6, bot, 7, 8, 9, bot},
			order:       []int{0, 1, 2, -1, -2, 3, 4, 5, 6, -3, -4},
			thoughtRows: []int{2, 3, 8, 9},
			tokenRows:   []int{4, 5, 6, 10},
			target:      []int{7, 8, eos, 10},
			owner:       []int{0, 0, 0, 1},
		}, []int{7, 4}},
		{"nfcot without an answer", func(s *packed) {
			m.lay(s, 0, 2, []int{5}, nil, eos)
			m.lay(s, 1, 2, []int{5}, nil, -1)
		}, packed{
			tokens:      []int{5, bot, 5, bot},
			order:       []int{0, 1, -1, -2, 2, 3, -3, -4},
			thoughtRows: []int{1, 2, 5, 6},
			tokenRows:   []int{3},
			target:      []int{eos},
			owner:       []int{0},
		}, []int{4, 4}},
		{"cot", func(s *packed) {
			cot.lay(s, []int{5, 6}, [][]int{{7}, {8}}, true, true, []int{9}, special.EOS)
		}, packed{
			tokens:    []int{5, 6, chain, 7, 8, ans, 9},
			order:     []int{0, 1, 2, 3, 4, 5, 6},
			tokenRows: []int{2, 3, 4, 5, 6},
			target:    []int{7, 8, ans, 9, eos},
			owner:     []int{0, 0, 0, 0, 0},
		}, []int{7}},
		{"cot that did not come to an answer, or ended before", func(s *packed) {
			cot.lay(s, []int{5}, [][]int{{7, 8}}, true, false, nil, -1)
			cot.lay(s, []int{6}, [][]int{{7}}, true, false, nil, special.EOS)
		}, packed{
			tokens:    []int{5, chain, 7, 6, chain, 7},
			order:     []int{0, 1, 2, 3, 4, 5},
			tokenRows: []int{1, 2, 4, 5},
			target:    []int{7, 8, 7, eos},
			owner:     []int{0, 0, 1, 1},
		}, []int{3, 3}},
		{"direct", func(s *packed) {
			direct.lay(s, []int{5, 6}, nil, false, false, []int{7}, special.EOS)
			direct.lay(s, []int{8}, nil, false, false, []int{9, 10}, -1)
		}, packed{
			tokens:    []int{5, 6, ans, 7, 8, ans, 9},
			order:     []int{0, 1, 2, 3, 4, 5, 6},
			tokenRows: []int{2, 3, 5, 6},
			target:    []int{7, eos, 9, 10},
			owner:     []int{0, 0, 1, 1},
		}, []int{4, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s packed
			tt.lay(&s)
			sameInts(t, "tokens", s.tokens, tt.want.tokens)
			sameInts(t, "order", s.order, tt.want.order)
			sameInts(t, "thoughtRows", s.thoughtRows, tt.want.thoughtRows)
			sameInts(t, "tokenRows", s.tokenRows, tt.want.tokenRows)
			sameInts(t, "target", s.target, tt.want.target)
			sameInts(t, "owner", s.owner, tt.want.owner)
			at := 0
			for _, n := range tt.rows {
				for i := range n {
					pos, see, want := s.rows.Pos[at+i], s.rows.Spans[at+i], tensor.Span{From: at, To: at + i + 1}
					if pos != i || see != want {
						t.Errorf("row %d is at position %d and sees %v, want %d and %v", at+i, pos, see, i, want)
					}
				}
				at += n
			}
			if len(s.rows.Pos) != at || len(s.rows.Spans) != at {
				t.Errorf("%d positions and %d spans, want %d", len(s.rows.Pos), len(s.rows.Spans), at)
			}
		})
	}
}

// Size counts what the loss predicts.
func TestSizeCountsTargets(t *testing.T) {
	batch := examples(7)
	m, _ := newNFCoT(nfOptions)
	s := m.layout(nil, batch, StepRand{})
	if got := m.Size(batch); got.Dims != len(s.thoughtRows)*nfOptions.D || got.Tokens != len(s.target) {
		t.Errorf("nfcot: size %+v, want %d dims and %d tokens", got, len(s.thoughtRows)*nfOptions.D, len(s.target))
	}
	for _, chain := range []bool{false, true} {
		m := &Text{Special: special, Chain: chain}
		var s packed
		for _, ex := range batch {
			m.lay(&s, ex.Prompt, ex.Steps, chain, true, ex.Answer, special.EOS)
		}
		if got, want := m.Size(batch), (Size{Tokens: len(s.target)}); got != want {
			t.Errorf("text, chain %v: size %+v, want %+v", chain, got, want)
		}
	}
	if got := (Size{Dims: 1, Tokens: 2}).Add(Size{Dims: 30, Tokens: 40}); got != (Size{Dims: 31, Tokens: 42}) {
		t.Errorf("sum of sizes is %+v", got)
	}
}
