package speed

import (
	"fmt"
	"slices"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

// qwen is the shape of Qwen3-0.6B.
var qwen = transformer.Config{Hidden: 1024, Layers: 28, Heads: 16, KVHeads: 8, HeadDim: 128, FFN: 3072, Vocab: 151936, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 1024}

// model measures the model of the options, or else one of random weights.
func (m *meter) model() error {
	if lm := m.options.Model; lm != nil {
		return m.generation(&decoder{lm: lm, tape: tensor.Tape{Inference: true}}, m.options.Weights)
	}
	c := qwen
	if m.options.Quick {
		c.Layers, c.Vocab = 1, 2048
	}
	for _, format := range []kernel.Format{kernel.BF16, kernel.W8A8} {
		p := tensor.NewParams(1)
		d := &decoder{lm: transformer.NewLM(p, c), tape: tensor.Tape{Inference: true}}
		d.lm.Pack(p, format)
		if err := m.generation(d, fmt.Sprint(format)); err != nil {
			return err
		}
	}
	return nil
}

// generation measures prefill, and decoding of one and of many sequences. weights is what
// the model's matrices are called.
func (m *meter) generation(d *decoder, weights string) error {
	if err := m.prefill(d, weights); err != nil {
		return err
	}
	for _, sequences := range []int{1, 16} {
		if err := m.decode(d, weights, sequences); err != nil {
			return err
		}
	}
	return nil
}

// MinTokens is how many positions a model must have to be measured.
const MinTokens = 160

// prefill measures how fast a prompt is read.
func (m *meter) prefill(d *decoder, weights string) error {
	tokens := min(512, d.lm.MaxTokens)
	flops := d.lm.FLOPs(tokens, tokens*(tokens+1)/2, 1)
	return m.add("model", fmt.Sprintf("%s prefill %d", weights, tokens), "tokens/s", float64(tokens), m.flops, flops, func() { d.read(tokens) })
}

// decode measures how fast sequences that continue one prompt grow together, and
// counts the tokens of all of them. For a token of each, every weight is read once,
// and so are the keys and values of all their caches. A call adds few tokens, so that
// the peak is measured often.
func (m *meter) decode(d *decoder, weights string, sequences int) error {
	const prompt, tokens, step = 32, MinTokens - 32, 8
	cache := d.read(prompt)
	name := fmt.Sprintf("%s decode %d, %d streams", weights, tokens, sequences)
	if sequences == 1 {
		name = fmt.Sprintf("%s decode %d", weights, tokens)
	}
	rows := prompt + sequences*(tokens+1)/2 // in caches, on average
	cached := 4 * 2 * d.lm.Layers * d.lm.KVHeads * d.lm.HeadDim * rows
	bytes := float64(step * (d.lm.PackedBytes() + cached))
	var caches []*transformer.Cache
	grown := tokens
	return m.add("model", name, "tokens/s", float64(sequences*step), m.bandwidth, bytes, func() {
		if grown == tokens {
			caches, grown = cache.Fork(sequences), 0
		}
		d.extend(caches, step)
		grown += step
	})
}

// A decoder is a language model that runs without end.
type decoder struct {
	lm     *transformer.LM
	tape   tensor.Tape
	logits *tensor.Tensor // of the last token of each sequence
}

// read reads a prompt of n tokens.
func (d *decoder) read(n int) *transformer.Cache {
	cache, tokens := d.lm.NewCache(), make([]int, n)
	for i := range tokens {
		tokens[i] = i * 7919 % d.lm.Vocab
	}
	d.tape.Reset()
	h := d.lm.Step(&d.tape, slices.Repeat([]*transformer.Cache{cache}, n), d.lm.Embed(&d.tape, tokens))
	d.logits = d.lm.Logits(&d.tape, d.tape.Gather(h, []int{n - 1}))
	return cache
}

// extend adds n tokens to each sequence: those that seem likeliest.
func (d *decoder) extend(sequences []*transformer.Cache, n int) {
	tokens := make([]int, len(sequences))
	for range n {
		for i := range tokens {
			tokens[i] = 0
			row := d.logits.Row(min(i, d.logits.Rows()-1)) // after a prompt there is one row for all
			for id, logit := range row {
				if logit > row[tokens[i]] {
					tokens[i] = id
				}
			}
		}
		d.tape.Reset()
		d.logits = d.lm.Logits(&d.tape, d.lm.Step(&d.tape, sequences, d.lm.Embed(&d.tape, tokens)))
	}
}
