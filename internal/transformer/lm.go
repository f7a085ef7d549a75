package transformer

import (
	"math"

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

// Names in a file of the embedding table, and of the table of logits where it is
// another one.
const (
	EmbeddingName = "model.embed_tokens.weight"
	LogitsName    = "lm_head.weight"
)

// IsTable says whether a parameter has a row for each token.
func IsTable(name string) bool { return name == EmbeddingName || name == LogitsName }

// NewLM makes a language model's parameters (see NewTrunk).
func NewLM(p *tensor.Params, c Config) *LM {
	model := p.Sub("model")
	m := &LM{embed: model.Normal("embed_tokens.weight", 0.05, c.Vocab, c.Hidden), Trunk: NewTrunk(model, c)}
	m.lmHead = m.embed
	if !c.Tied {
		m.lmHead = p.Normal(LogitsName, 0.02, c.Vocab, c.Hidden)
	}
	return m
}

// Pack stores the matrices of m, whose parameters are p's, in a format for
// decoding: m can only be run from then on.
func (m *LM) Pack(p *tensor.Params, format kernel.Format) { p.Pack(format, m.matrices()...) }

// LoadPacked reads the parameters of m, which are p's and only an outline, with
// the matrices in a format for decoding.
func (m *LM) LoadPacked(p *tensor.Params, from tensor.WeightReader, format kernel.Format) error {
	return p.LoadPacked(from, format, m.matrices()...)
}

// PackedBytes is the size of the packed matrices that a token reads.
func (m *LM) PackedBytes() int {
	n := 0
	for _, x := range m.matrices() {
		n += x.PackedBytes()
	}
	if !m.Tied {
		n -= m.embed.PackedBytes() // of which a token reads one row
	}
	return n
}

// matrices are the large parameters.
func (m *LM) matrices() []*tensor.Tensor {
	all := []*tensor.Tensor{m.lmHead}
	if !m.Tied {
		all = append(all, m.embed)
	}
	for _, b := range m.blocks {
		all = append(all, b.matrices()...)
	}
	return all
}

// matrices are those of a block.
func (b block) matrices() []*tensor.Tensor {
	return []*tensor.Tensor{b.qkv.weight, b.o.weight, b.up.weight, b.down.weight}
}

// Embed returns the embeddings of tokens.   → [len(tokens), H]
func (m *LM) Embed(t *tensor.Tape, tokens []int) *tensor.Tensor { return t.Gather(m.embed, tokens) }

// EmbeddingRMS is the root mean square of the embedding table.
func (m *LM) EmbeddingRMS() float64 { return rms(m.embed.Data) }

// StateRMS is about that of hidden states: of the weights of the final norm, which they are
// multiplied by at a root mean square of 1.
func (m *LM) StateRMS() float64 { return rms(m.norm.weight.Data) }

func rms(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(max(1, len(x))))
}

// Logits scores every token as the successor of each row.   h [R, H] → [R, V]
func (m *LM) Logits(t *tensor.Tape, h *tensor.Tensor) *tensor.Tensor {
	return t.Linear(h, m.lmHead, nil)
}

// LogProb returns the log-probability of each row's target as the successor of
// that row, in nats; negative targets are ignored and get 0.   h [R, H] → [R, 1]
func (m *LM) LogProb(t *tensor.Tape, h *tensor.Tensor, target []int) *tensor.Tensor {
	return t.CategoricalLogProb(h, m.lmHead, target)
}
