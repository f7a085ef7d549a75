package cot

import (
	"slices"
	"time"

	"nfcot/internal/nfhead"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// NewDual makes the dual-path variant of NF-CoT: the same parameters, and a backbone
// that runs twice. One pass predicts the thoughts u, the other reads the codes that
// they stand for, e = F⁻¹(u), and predicts the answer:
//
//	q BOT u_1 … u_{K-1}
//	q BOT e_1 … e_K x EOS
//
// While the flow is the identity these are the states of the single pass, which the
// dual path pays for twice.
func NewDual(p *tensor.Params, lm *transformer.LM, special Special, flow nfhead.Config, o NFOptions) *NFCoT {
	m := NewNFCoT(p, lm, special, flow, o)
	m.dualPath = true
	return m
}

// reads is what the backbone reads in place of thoughts: they themselves, and after
// all of them, in two passes, what they stand for.
// u, e [n·K, D] → [n·K, D] or [2n·K, D]
func (m *NFCoT) reads(t *tensor.Tape, u, e *tensor.Tensor) *tensor.Tensor {
	if m.dualPath {
		return t.Stack(u, e)
	}
	return u
}

// textCaches are what the second pass of each sequence continues: its prompt, which has
// the same states in both. Without a second pass there are none.
func (m *NFCoT) textCaches(sequences []*sequence) []*transformer.Cache {
	if !m.dualPath {
		return nil
	}
	texts := make([]*transformer.Cache, len(sequences))
	for i, s := range sequences {
		both := s.cache.Fork(2)
		s.cache, texts[i] = both[0], both[1]
	}
	return texts
}

// secondPass feeds every sequence the codes that its thoughts stand for, from which it
// goes on.   → h that predicts first tokens [len(sequences), H]
func (m *NFCoT) secondPass(t *tensor.Tape, sequences []*sequence, texts []*transformer.Cache) *tensor.Tensor {
	start := time.Now()
	K := m.Options.K
	u := tensor.New(len(sequences)*K, m.Options.D)
	var caches []*transformer.Cache // of each code
	last := make([]int, len(sequences))
	for i, s := range sequences {
		copy(u.Data[i*K*m.Options.D:], s.Thoughts.Data)
		s.cache = texts[i]
		caches = append(caches, slices.Repeat(texts[i:i+1], K)...)
		last[i] = (i+1)*K - 1
	}
	t.Reset()
	h := t.Gather(m.LM.Step(t, caches, m.project(t, m.ToCodes(u))), last)
	share := time.Since(start).Seconds() / float64(len(sequences))
	for _, s := range sequences {
		n := s.cache.Len()
		seen := K*n - K*(K-1)/2
		s.addCost(true, share, m.Flow.FLOPs()+m.LM.FLOPs(K, seen, 0)+float64(K)*m.projectFLOPs())
	}
	return h
}
