package transformer

import (
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
)

// An LM is a trunk between an embedding table and a table of logits, which may
// be the same.
type LM struct {
	*Trunk
	embed  *tensor.Tensor // [V, H]
	lmHead *tensor.Tensor // [V, H]
}

// NewLM makes a language model's parameters under Hugging Face's names.
func NewLM(p *tensor.Params, c Config) *LM {
	model := p.Sub("model")
	m := &LM{embed: model.Normal("embed_tokens.weight", 0.05, c.Vocab, c.Hidden), Trunk: NewTrunk(model, c)}
	m.lmHead = m.embed
	if !c.Tied {
		m.lmHead = p.Normal("lm_head.weight", 0.02, c.Vocab, c.Hidden)
	}
	return m
}

// Pack stores the matrices of m, whose parameters are p's, in a format for
// decoding: m can only be run from then on.
func (m *LM) Pack(p *tensor.Params, format kernel.Format) {
	p.Pack(format, m.embed)
	if m.lmHead != m.embed {
		p.Pack(format, m.lmHead)
	}
	for _, b := range m.blocks {
		p.Pack(format, b.qkv, b.o, b.gateUp, b.down)
	}
}

// Embed returns the embeddings of tokens.   → [len(tokens), H]
func (m *LM) Embed(t *tensor.Tape, tokens []int) *tensor.Tensor { return t.Gather(m.embed, tokens) }

// Logits scores every token as the successor of each row.   h [R, H] → [R, V]
func (m *LM) Logits(t *tensor.Tape, h *tensor.Tensor) *tensor.Tensor {
	return t.Linear(h, m.lmHead, nil)
}

// LogProb returns the log-probability of each row's target as the successor of
// that row, in nats; negative targets are ignored and get 0.   h [R, H] → [R, 1]
func (m *LM) LogProb(t *tensor.Tape, h *tensor.Tensor, target []int) *tensor.Tensor {
	return t.CategoricalLogProb(h, m.lmHead, target)
}
