package gguf

import (
	"encoding/json"
	"fmt"
	"slices"
)

// A Model is a language model in a GGUF file, under the names and in the order of numbers that Hugging Face's transformers has.
type Model struct {
	*File
	config config
	names  []string          // in the order of expected
	byHF   map[string]source // by Hugging Face's names
}

// A source says where a tensor of Hugging Face's is in the file.
type source struct {
	name       string // in the file
	heads      int    // whose rows are in another order there; 0: none
	transposed bool   // a matrix [inputs, outputs] there, [outputs, inputs] in the file
}

// OpenModel opens a language model and checks that it has all the tensors that its metadata speaks of, in their shapes, and no
// others: with one more it would compute something else. The caller closes it.
func OpenModel(path string) (_ *Model, err error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	m := &Model{File: f, byHF: map[string]source{}}
	if err = m.readConfig(); err == nil {
		err = m.locate()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return m, nil
}

// A spec is a tensor that a model must have.
type spec struct {
	source
	hf    string // its name there
	shape []int  // row-major, in the file
}

// locate finds all tensors.
func (m *Model) locate() error {
	wanted := m.config.specs()
	known := map[string]bool{ropeFactors: m.config.hasFactors, "rope.freqs": true} // the latter is of no use to anybody
	for _, s := range wanted {
		info, ok := m.Info(s.name)
		if !ok {
			return fmt.Errorf("%s: has no tensor %q, which a model of architecture %q with its metadata needs", m.path, s.name, m.config.name)
		}
		if !slices.Equal(info.Shape, s.shape) {
			return fmt.Errorf("%s: tensor %q: has shape %v; expected %v by the metadata (rows first)", m.path, s.name, info.Shape, s.shape)
		}
		known[s.name] = true
		m.names = append(m.names, s.hf)
		m.byHF[s.hf] = s.source
	}
	for _, name := range m.File.Names() {
		if !known[name] {
			return fmt.Errorf("%s: tensor %q: a model of architecture %q with its metadata has none of this name", m.path, name, m.config.name)
		}
	}
	return nil
}

// specs lists the tensors of a model.
func (c config) specs() []spec {
	if c.gpt2 {
		return c.gpt2Specs()
	}
	h := c.hidden
	list := []spec{{source{name: "token_embd.weight"}, "model.embed_tokens.weight", []int{c.vocab, h}}}
	for l := range c.layers {
		in := func(name string) string { return fmt.Sprintf("blk.%d.%s", l, name) }
		out := func(name string) string { return fmt.Sprintf("model.layers.%d.%s", l, name) }
		norm := func(name, hf string, n int) {
			list = append(list, spec{source{name: in(name + ".weight")}, out(hf + ".weight"), []int{n}})
		}
		matrix := func(name, hf string, rows, columns, heads int, bias bool) {
			list = append(list, spec{source{name: in(name + ".weight"), heads: heads}, out(hf + ".weight"), []int{rows, columns}})
			if bias {
				list = append(list, spec{source{name: in(name + ".bias"), heads: heads}, out(hf + ".bias"), []int{rows}})
			}
		}
		queries, keys := c.heads*c.headDim, c.kvHeads*c.headDim
		norm("attn_norm", "input_layernorm", h)
		matrix("attn_q", "self_attn.q_proj", queries, h, c.permuted(c.heads), c.qkvBias)
		matrix("attn_k", "self_attn.k_proj", keys, h, c.permuted(c.kvHeads), c.qkvBias)
		matrix("attn_v", "self_attn.v_proj", keys, h, 0, c.qkvBias)
		matrix("attn_output", "self_attn.o_proj", h, queries, 0, c.outputBias)
		if c.headNorms {
			norm("attn_q_norm", "self_attn.q_norm", c.headDim)
			norm("attn_k_norm", "self_attn.k_norm", c.headDim)
		}
		norm("ffn_norm", "post_attention_layernorm", h)
		matrix("ffn_gate", "mlp.gate_proj", c.ffn, h, 0, c.mlpBias)
		matrix("ffn_up", "mlp.up_proj", c.ffn, h, 0, c.mlpBias)
		matrix("ffn_down", "mlp.down_proj", h, c.ffn, 0, c.mlpBias)
	}
	list = append(list, spec{source{name: "output_norm.weight"}, "model.norm.weight", []int{h}})
	if !c.tied {
		list = append(list, spec{source{name: "output.weight"}, "lm_head.weight", []int{c.vocab, h}})
	}
	return list
}

// Names lists the tensors by Hugging Face's names.
func (m *Model) Names() []string { return slices.Clone(m.names) }

// Has tells whether there is a tensor of one of Hugging Face's names.
func (m *Model) Has(name string) bool {
	_, ok := m.byHF[name]
	return ok
}

// Shape is the shape of a tensor, row-major, by Hugging Face's name.
func (m *Model) Shape(name string) ([]int, error) {
	s, ok := m.byHF[name]
	if !ok {
		return nil, fmt.Errorf("%s: has no tensor for %q", m.path, name)
	}
	shape, err := m.File.Shape(s.name)
	if s.transposed {
		slices.Reverse(shape)
	}
	return shape, err
}

// Weights writes numbers [from, from+len(dst)) of a tensor by Hugging Face's name, counted row-major.
func (m *Model) Weights(dst []float32, name string, from int) error {
	s, ok := m.byHF[name]
	if !ok {
		return fmt.Errorf("%s: has no tensor for %q", m.path, name)
	}
	switch {
	case s.transposed:
		return m.transposed(dst, s.name, from)
	case s.heads == 0:
		return m.File.Weights(dst, s.name, from)
	}
	shape, err := m.File.Shape(s.name)
	if err != nil {
		return err
	}
	columns := 1 // of a bias
	if len(shape) == 2 {
		columns = shape[1]
	}
	for len(dst) > 0 {
		row, column := from/columns, from%columns
		n := min(len(dst), columns-column)
		if err := m.File.Weights(dst[:n], s.name, interleaved(row, shape[0]/s.heads)*columns+column); err != nil {
			return err
		}
		dst, from = dst[n:], from+n
	}
	return nil
}

// BlockType is the type of a matrix by Hugging Face's name.
func (m *Model) BlockType(name string) string {
	info, _ := m.Info(m.byHF[name].name)
	return info.Type.String()
}

// Blocks copies the blocks of a row, of an output that is, of a matrix by Hugging Face's name.
func (m *Model) Blocks(dst []byte, name string, row int) error {
	s, ok := m.byHF[name]
	if !ok {
		return fmt.Errorf("%s: has no tensor for %q", m.path, name)
	}
	if s.heads > 0 {
		shape, err := m.File.Shape(s.name)
		if err != nil {
			return err
		}
		row = interleaved(row, shape[0]/s.heads)
	}
	return m.File.Blocks(dst, s.name, row)
}

// transposed writes numbers of a matrix whose rows are the columns in the file.
func (m *Model) transposed(dst []float32, name string, from int) error {
	shape, err := m.File.Shape(name)
	if err != nil {
		return err
	}
	rows, columns := shape[0], shape[1]
	whole := make([]float32, rows*columns)
	if err := m.File.Weights(whole, name, 0); err != nil {
		return err
	}
	for i := range dst {
		at := from + i
		dst[i] = whole[at%rows*columns+at/rows]
	}
	return nil
}

// interleaved is where the file has a row of queries or keys. transformers rotates numbers i and i+headDim/2 of a head together,
// llama.cpp 2i and 2i+1: the rows of a head are interleaved halves.
func interleaved(row, headDim int) int {
	head, i := row/headDim, row%headDim
	return head*headDim + i%(headDim/2)*2 + i/(headDim/2)
}

// Stored is the type of all matrices; false means that they are of several types.
func (m *Model) Stored() (Type, bool) {
	first, _ := m.Info("token_embd.weight")
	for _, s := range m.byHF {
		if t, _ := m.Info(s.name); len(t.Shape) == 2 && t.Type != first.Type {
			return 0, false
		}
	}
	return first.Type, true
}

// ConfigJSON is the model's config.json, as transformers reads it.
func (m *Model) ConfigJSON() []byte {
	text, err := json.Marshal(m.config.settings())
	if err != nil {
		panic(err) // numbers and strings
	}
	return text
}
