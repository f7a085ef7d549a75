package experiment

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/cot/data"
	"nfcot/internal/tensor"
	"nfcot/internal/tokenizer"
	"nfcot/internal/tokenizer/chat"
	"nfcot/internal/transformer"
)

// Language models as GGUF files that llama.cpp runs: what gguf.go and ckpt/gguf read, the other way round. Keys and tensors are
// those that llama.cpp's converter writes.

// An Export is a language model that can be written as a GGUF file.
type Export struct {
	metadata []gguf.Entry
	tensors  []gguf.Tensor
	file     io.Closer // where the tensors come from
}

// An exported is a language model on its way out.
type exported struct {
	dir   string
	model transformer.Config
	words *tokenizer.Tokenizer
	chat  *chat.Templates
	ends  []int // tokens that end an answer
	from  tensor.WeightReader
	file  io.Closer
}

// OpenExport looks at a run or a language model of others, whose matrices shall be stored as kind. What llama.cpp has no place for
// is an error. The caller closes the Export.
func OpenExport(dir string, kind gguf.Type) (_ *Export, err error) {
	m := &exported{dir: dir, file: io.NopCloser(nil)}
	isRun, err := isRun(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			m.file.Close()
		}
	}()
	if isRun {
		err = m.openRun()
	} else {
		err = m.openPretrained()
	}
	if err == nil {
		err = m.checkShapes()
	}
	if err != nil {
		return nil, err
	}
	shape, err := m.shapeEntries(kind)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	words, err := m.wordEntries()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return &Export{slices.Concat(shape, words), m.tensors(kind), m.file}, nil
}

// Save writes the file. A number that cannot be read, or that its type cannot hold, is a gguf.TensorError.
func (x *Export) Save(path string) error { return gguf.Write(path, x.metadata, x.tensors) }

// Close closes what the tensors come from.
func (x *Export) Close() error { return x.file.Close() }

// openRun reads a run. Adapters are fused into the matrices.
func (m *exported) openRun() error {
	e, err := ReadConfig(m.dir)
	if err != nil {
		return err
	}
	if !e.method().Words {
		return fmt.Errorf("%s: a run of %s thinks in vectors, for which llama.cpp has no place; language models and runs of lm, direct and cot can be exported. "+
			"transformers loads the language model in the run's folder, which then answers without thoughts (docs/models.md)", m.dir, e.Method)
	}
	r, special, err := readRun(m.dir)
	if err != nil {
		return err
	}
	m.model, m.words, m.chat, m.ends = e.Model, r.Tokenizer, r.Chat, special.EndIDs()
	if e.LoRA.On() {
		m.from = fusedRun{r}
		return r.fuse(special)
	}
	w, _, err := openCheckpoint(m.dir, e.Model)
	if err == nil {
		m.from, m.file = w, w
	}
	return err
}

// openPretrained reads a language model of others. An adapter is fused into the matrices.
func (m *exported) openPretrained() error {
	if isAdapter(m.dir) {
		r, err := openUnpacked(m.dir, "", false)
		if err != nil {
			return err
		}
		m.model, m.words, m.chat, m.ends, m.from = r.Experiment.Model, r.Tokenizer, r.Chat, r.Model.Special.EndIDs(), fusedRun{r}
		return nil
	}
	w, model, err := openPretrainedCheckpoint(m.dir)
	if err != nil {
		return err
	}
	m.model, m.from, m.file = model, w, w
	if m.ends, err = endTokens(m.dir, model.Vocab); err != nil {
		return err
	}
	if m.chat, err = loadChat(m.dir); err != nil {
		return err
	}
	if m.words, err = LoadTokenizer(m.dir); err != nil {
		return err
	}
	return cmp.Or(checkNames(w, outline(model)), checkVocab(m.dir, m.words, model))
}

// checkShapes refuses a file that lacks a parameter, or has one of another shape.
func (m *exported) checkShapes() error {
	for p := range outline(m.model).All() {
		shape, err := m.from.Shape(p.Name)
		if err == nil && !slices.Equal(shape, p.Shape) {
			err = fmt.Errorf("%s: tensor %q: has shape %v; expected %v", m.from, p.Name, shape, p.Shape)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// outline are the parameters of a language model, without their numbers.
func outline(c transformer.Config) *tensor.Params {
	p := tensor.NewOutline()
	transformer.NewLM(p, c)
	return p
}

// A fusedRun reads parameters that are in memory.
type fusedRun struct{ *Run }

func (r fusedRun) String() string { return r.Dir }

func (r fusedRun) param(name string) tensor.Param {
	for p := range r.Model.Params.All() {
		if p.Name == name {
			return p
		}
	}
	panic("experiment: the model has no parameter " + name)
}

func (r fusedRun) Shape(name string) ([]int, error) { return r.param(name).Shape, nil }

func (r fusedRun) Weights(dst []float32, name string, from int) error {
	copy(dst, r.param(name).Data[from:])
	return nil
}

// ggufNames are what llama.cpp calls parameters, without the number of the block.
var ggufNames = map[string]string{
	"model.embed_tokens": "token_embd", "model.embed_positions": "position_embd", "model.norm": "output_norm", "lm_head": "output",
	"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
	"self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
	"post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}

// tensors are the parameters as llama.cpp wants them. Norms, biases and tables of positions stay in float32, and rows that are no
// whole blocks of Q8_0 become F16.
func (m *exported) tensors(kind gguf.Type) (list []gguf.Tensor) {
	if m.hasFactors() {
		factors := m.model.RopeFactors()
		list = append(list, gguf.Tensor{Name: "rope_freqs.weight", Shape: []int{len(factors)}, Read: func(dst []float32, from int) error {
			copy(dst, factors[from:])
			return nil
		}})
	}
	for p := range outline(m.model).All() {
		block, name := "", p.Name
		if in, ok := strings.CutPrefix(name, "model.layers."); ok {
			number, rest, _ := strings.Cut(in, ".")
			block, name = "blk."+number+".", rest
		}
		dot := strings.LastIndexByte(name, '.')
		t := gguf.Tensor{Name: block + ggufNames[name[:dot]] + name[dot:], Shape: p.Shape, Type: kind,
			Read: func(dst []float32, from int) error { return m.from.Weights(dst, p.Name, from) }}
		switch {
		case len(p.Shape) == 1 || t.Name == "position_embd.weight":
			t.Type = gguf.F32
		case kind == gguf.Q8_0 && p.Shape[1]%32 != 0:
			t.Type = gguf.F16
		}
		if m.architecture() == "llama" {
			t.Heads = map[string]int{"self_attn.q_proj": m.model.Heads, "self_attn.k_proj": m.model.KVHeads}[name[:dot]]
		}
		list = append(list, t)
	}
	return list
}

// architecture is the model's in llama.cpp.
func (m *exported) architecture() string {
	switch m.model.Architecture {
	case "":
		return "qwen3"
	case "mistral":
		return "llama"
	}
	return m.model.Architecture
}

// hasFactors says whether rotary frequencies are divided by a tensor of factors.
func (m *exported) hasFactors() bool {
	return m.model.Rope.Type == "llama3" || m.model.Rope.Type == "factors"
}

// check refuses what llama.cpp does not compute.
func (m *exported) check() error {
	c, architecture := m.model, m.architecture()
	rope := c.Rope
	switch {
	case c.Activation == "gelu":
		return errors.New("activation_function is gelu; llama.cpp computes gelu_new")
	case architecture == "qwen3" && c.QKVBias:
		return errors.New("attention_bias is true; llama.cpp's qwen3 has no biases")
	case m.hasFactors() && architecture != "llama":
		return fmt.Errorf("rope_type is %q; llama.cpp's %s has none", rope.Type, architecture)
	case rope.Type == "factors" && rope.Attention != 0:
		return fmt.Errorf("attention_factor is %g; llama.cpp has none beside factors for each pair", rope.Attention)
	case rope.Type == "yarn" && rope.Exact:
		return errors.New("truncate of yarn is false; llama.cpp rounds to whole pairs")
	case rope.Type == "yarn" && (rope.BetaFast != 32 || rope.BetaSlow != 1):
		return fmt.Errorf("beta_fast and beta_slow of yarn are %g and %g; llama.cpp takes 32 and 1, whatever a file says", rope.BetaFast, rope.BetaSlow)
	case rope.Type == "yarn" && rope.Factor < 1:
		return fmt.Errorf("factor of yarn is %g; llama.cpp wants at least 1", rope.Factor)
	}
	return nil
}

// fileTypes are the numbers of general.file_type.
var fileTypes = map[gguf.Type]uint32{gguf.F32: 0, gguf.F16: 1, gguf.Q8_0: 7, gguf.BF16: 32}

// shapeEntries are the metadata that say what the model computes.
func (m *exported) shapeEntries(kind gguf.Type) ([]gguf.Entry, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(m.dir)
	if err != nil {
		return nil, err
	}
	c, architecture := m.model, m.architecture()
	list := []gguf.Entry{{Key: "general.architecture", Value: architecture}, {Key: "general.type", Value: "model"},
		{Key: "general.name", Value: strings.TrimSuffix(filepath.Base(path), ".gguf")},
		{Key: "general.file_type", Value: fileTypes[kind]}, {Key: "general.quantization_version", Value: uint32(2)}}
	put := func(name string, v any) { list = append(list, gguf.Entry{Key: architecture + "." + name, Value: v}) }
	size := func(name string, n int) { put(name, uint32(n)) }
	size("block_count", c.Layers)
	size("context_length", c.MaxTokens)
	size("embedding_length", c.Hidden)
	size("feed_forward_length", c.FFN)
	size("attention.head_count", c.Heads)
	size("attention.head_count_kv", c.KVHeads)
	if c.HeadDim*c.Heads != c.Hidden {
		size("attention.key_length", c.HeadDim)
		size("attention.value_length", c.HeadDim)
	}
	if c.LayerNorm {
		put("attention.layer_norm_epsilon", float32(c.NormEps))
		return list, nil
	}
	put("attention.layer_norm_rms_epsilon", float32(c.NormEps))
	size("vocab_size", c.Vocab)
	size("rope.dimension_count", c.HeadDim)
	put("rope.freq_base", float32(c.Theta))
	m.ropeEntries(put)
	return list, nil
}

// ropeEntries say how positions are scaled, unless a tensor of factors does.
func (m *exported) ropeEntries(put func(name string, v any)) {
	rope := m.model.Rope
	if rope.Type != "linear" && rope.Type != "yarn" {
		return
	}
	put("rope.scaling.type", rope.Type)
	put("rope.scaling.factor", float32(rope.Factor))
	if rope.Type == "linear" {
		return
	}
	put("rope.scaling.original_context_length", uint32(rope.Positions))
	if rope.Attention != 0 { // llama.cpp multiplies it with yarn's own
		put("rope.scaling.attn_factor", float32(rope.Attention/(0.1*math.Log(rope.Factor)+1)))
	}
}

// wordEntries are the metadata that say how text becomes tokens, and tokens end.
func (m *exported) wordEntries() ([]gguf.Entry, error) {
	g, err := m.words.GGUF(m.model.Vocab)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", data.TokenizerFile, err)
	}
	types := make([]int32, len(g.Types))
	for id, kind := range g.Types {
		types[id] = int32(kind)
	}
	list := []gguf.Entry{{Key: "tokenizer.ggml.model", Value: g.Model}, {Key: "tokenizer.ggml.pre", Value: g.Pre},
		{Key: "tokenizer.ggml.tokens", Value: g.Tokens}, {Key: "tokenizer.ggml.token_type", Value: types}, {Key: "tokenizer.ggml.merges", Value: g.Merges},
		{Key: "tokenizer.ggml.add_bos_token", Value: *g.AddBOS}, {Key: "tokenizer.ggml.add_eos_token", Value: *g.AddEOS}}
	special, err := m.special(g)
	if err != nil {
		return nil, err
	}
	return slices.Concat(list, special, m.templates()), nil
}

// special are the tokens that have a meaning. Where llama.cpp has one token for two purposes, they have to agree.
func (m *exported) special(g tokenizer.GGUF) (list []gguf.Entry, err error) {
	put := func(name string, id int) {
		list = append(list, gguf.Entry{Key: "tokenizer.ggml." + name, Value: uint32(id)})
	}
	seen := map[string]string{} // special tokens by the names that chat templates have for them
	if m.chat != nil {
		seen = m.chat.Special
	}
	ends := slices.Clone(m.ends)
	if eos, ok := m.words.TokenID(seen["eos_token"]); ok && slices.Contains(ends, eos) {
		ends = append([]int{eos}, slices.DeleteFunc(ends, func(id int) bool { return id == eos })...)
	}
	switch {
	case len(ends) == 0:
		return nil, fmt.Errorf("no token ends an answer (eos_token_id of %s or %s), and llama.cpp needs one", generationFile, data.ConfigFile)
	case len(ends) > len(ggufEndKeys):
		return nil, fmt.Errorf("%d tokens end an answer (eos_token_id); llama.cpp has room for %d", len(ends), len(ggufEndKeys))
	case m.templateSays("eos_token") && seen["eos_token"] != m.words.Token(ends[0]):
		return nil, fmt.Errorf("the chat template's eos_token is %q, which does not end an answer; llama.cpp has one token for both", seen["eos_token"])
	case g.EOS >= 0 && g.EOS != ends[0]:
		return nil, fmt.Errorf("%s: %q stands behind a text and %q ends an answer; llama.cpp has one token for both", data.TokenizerFile, m.words.Token(g.EOS), m.words.Token(ends[0]))
	}
	for i, id := range ends {
		put(ggufEndKeys[i], id)
	}
	for _, name := range ggufSpecial {
		id, ok := m.words.TokenID(seen[name.ours])
		switch {
		case name.ours == "eos_token": // is there
		case name.ours == "bos_token" && g.BOS >= 0:
			if ok && id != g.BOS {
				return nil, fmt.Errorf("%s: %q stands before a text and bos_token is %q; llama.cpp has one token for both", data.TokenizerFile, m.words.Token(g.BOS), seen[name.ours])
			}
			put("bos_token_id", g.BOS)
		case ok:
			put(name.theirs+"_token_id", id)
		}
	}
	return list, nil
}

// templateSays says whether a chat template has a name in it.
func (m *exported) templateSays(name string) bool {
	for _, e := range m.templates() {
		if source, ok := e.Value.(string); ok && strings.Contains(source, name) {
			return true
		}
	}
	return false
}

// templates are the chat templates: the default one, and those that have names.
func (m *exported) templates() (list []gguf.Entry) {
	if !m.chat.Any() {
		return nil
	}
	var named []string
	for name, source := range m.chat.Sources {
		key := "tokenizer.chat_template"
		if name != "default" {
			named = append(named, name)
			key += "." + name
		}
		list = append(list, gguf.Entry{Key: key, Value: source})
	}
	if len(named) > 0 {
		slices.Sort(named)
		list = append(list, gguf.Entry{Key: "tokenizer.chat_templates", Value: named})
	}
	slices.SortFunc(list, func(a, b gguf.Entry) int { return strings.Compare(a.Key, b.Key) })
	return list
}
