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
// they stand for, e = F⁻¹(u), and says the answer:
//
//	q BOT u_1 … u_{K-1}
//	q BOT e_1 … e_K x EOS
//
// While the flow is the identity these are the states of the single pass, which the
// dual path pays for twice.
func NewDual(p *tensor.Params, lm *transformer.LM, special Special, flow nfhead.Config, o NFOptions) *NFCoT {
	m := NewNFCoT(p, lm, special, flow, o)
	m.twice = true
	return m
}

// reads is what the backbone reads in place of thoughts: they themselves, and after
// all of them, in two passes, what they stand for.
// u, e [n·K, D] → [n·K, D] or [2n·K, D]
func (m *NFCoT) reads(t *tensor.Tape, u, e *tensor.Tensor) *tensor.Tensor {
	if m.twice {
		return t.Stack(u, e)
	}
	return u
}

// textCaches are what the second pass of each speaker continues: its prompt, which has
// the same states in both. Without a second pass there are none.
func (m *NFCoT) textCaches(speakers []*speaker) []*transformer.Cache {
	if !m.twice {
		return nil
	}
	texts := make([]*transformer.Cache, len(speakers))
	for i, s := range speakers {
		both := s.cache.Fork(2)
		s.cache, texts[i] = both[0], both[1]
	}
	return texts
}

// reread lets every speaker read the codes that its thoughts stand for, and go on from
// there.   → h that predicts first words [len(speakers), H]
func (m *NFCoT) reread(t *tensor.Tape, speakers []*speaker, texts []*transformer.Cache) *tensor.Tensor {
	start := time.Now()
	K := m.Options.K
	u := tensor.New(len(speakers)*K, m.Options.D)
	var streams []*transformer.Cache
	last := make([]int, len(speakers))
	for i, s := range speakers {
		copy(u.Data[i*K*m.Options.D:], s.Thoughts.Data)
		s.cache = texts[i]
		streams = append(streams, slices.Repeat(texts[i:i+1], K)...)
		last[i] = (i+1)*K - 1
	}
	t.Reset()
	h := t.Gather(m.LM.Step(t, streams, m.project(t, m.ToCodes(u))), last)
	share := time.Since(start).Seconds() / float64(len(speakers))
	for _, s := range speakers {
		n := s.cache.Len()
		seen := K*n - K*(K-1)/2
		s.spend(true, share, m.Flow.FLOPs()+m.LM.FLOPs(K, seen, 0)+float64(K)*m.projectFLOPs())
	}
	return h
}
