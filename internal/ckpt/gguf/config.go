package gguf

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// An architecture says what a value of general.architecture stands for.
type architecture struct {
	modelType, class string // in transformers
	gpt2             bool   // GPT-2's layers, see gpt2.go
	interleaved      bool   // rows of queries and keys lie as llama.cpp wants them, see interleaved
	factors          bool   // may have ropeFactors
	biases           bool   // may have biases everywhere
	qkvBias          bool   // has biases of queries, keys and values
	headNorms        bool   // normalizes queries and keys
}

var architectures = map[string]architecture{
	"llama": {modelType: "llama", class: "LlamaForCausalLM", interleaved: true, factors: true, biases: true},
	"qwen2": {modelType: "qwen2", class: "Qwen2ForCausalLM", qkvBias: true},
	"qwen3": {modelType: "qwen3", class: "Qwen3ForCausalLM", headNorms: true},
	"gpt2":  {modelType: "gpt2", class: "GPT2LMHeadModel", gpt2: true},
}

// ropeFactors is the tensor of what the rotary frequencies are divided by.
const ropeFactors = "rope_freqs.weight"

// A config is the shape of a model, as its metadata and the presence of some tensors tell it.
type config struct {
	architecture
	name string // general.architecture

	hidden, layers, heads, kvHeads, headDim, ffn, vocab, positions int

	normEps                   float64
	tied, outputBias, mlpBias bool
	hasFactors                bool           // ropeFactors are there
	rope                      map[string]any // rope_parameters, as transformers 5 writes them
}

// neutral are keys of an architecture, beyond those that are read, with the values that change nothing. What has another value,
// or is not known at all, may change what the model computes: it is refused. nil: it changes nothing whatever it is.
var neutral = map[string][]any{
	"vocab_size": nil, "rope.scaling.finetuned": nil, "tensor_data_layout": nil,
	"attention.causal": {true}, "expert_count": {0}, "expert_used_count": {0}, "attention.sliding_window": {0},
	"attention.scale": {0.0}, "logit_scale": {0.0, 1.0}, "residual_scale": {0.0, 1.0}, "embedding_scale": {0.0, 1.0},
	"attention.logit_softcapping": {0.0}, "final_logit_softcapping": {0.0}, "attention.clamp_kqv": {0.0}, "attention.max_alibi_bias": {0.0},
	"rope.scaling.yarn_ext_factor": {1.0}, "rope.scaling.yarn_log_multiplier": {0.0},
}

// keys reads the metadata of an architecture. After its first error it returns zeros.
type keys struct {
	file   *File
	prefix string
	read   map[string]bool
	err    error
}

// get is an entry, or missing; missing is nil for an entry that must be there.
func get[T Value](k *keys, name string, missing *T) (v T) {
	k.read[k.prefix+name] = true
	if k.err != nil {
		return v
	}
	if missing != nil && !k.file.Has(k.prefix+name) {
		return *missing
	}
	v, k.err = Get[T](k.file, k.prefix+name)
	return v
}

// size is a number of at least 1.
func (k *keys) size(name string, missing *int) int {
	n := get(k, name, missing)
	if k.err == nil && (n < 1 || n > math.MaxInt32) {
		k.err = fmt.Errorf("%s: metadata %q is %d; expected 1 to %d", k.file, k.prefix+name, n, math.MaxInt32)
	}
	return n
}

// float is a number that was rounded to float32: the shortest decimal that it could have been.
func (k *keys) float(name string, missing *float64) float64 {
	v := get(k, name, missing)
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', -1, 32), 64)
	if k.err == nil && (err != nil || !(v >= 0) || math.IsInf(v, 0)) {
		k.err = fmt.Errorf("%s: metadata %q is %v; expected a number that is not negative", k.file, k.prefix+name, v)
	}
	return short
}

// checkRest refuses entries that are not known, or not implemented.
func (k *keys) checkRest() error {
	for _, key := range k.file.Keys() {
		name, ours := strings.CutPrefix(key, k.prefix)
		if !ours || k.read[key] || k.err != nil {
			continue
		}
		allowed, known := neutral[name]
		if !known {
			return fmt.Errorf("%s: metadata %q is not known here; it may change what the model computes", k.file, key)
		}
		if allowed == nil {
			continue
		}
		var found any
		switch allowed[0].(type) {
		case bool:
			found = get[bool](k, name, nil)
		case int:
			found = get[int](k, name, nil)
		case float64:
			found = get[float64](k, name, nil)
		}
		if k.err == nil && !slices.Contains(allowed, found) {
			return fmt.Errorf("%s: metadata %q is %v, which is not supported; expected %v", k.file, key, found, allowed[0])
		}
	}
	return k.err
}

// readConfig reads the metadata of a model.
func (m *Model) readConfig() error {
	c := &m.config
	var err error
	if c.name, err = Get[string](m.File, "general.architecture"); err != nil {
		return err
	}
	var ok bool
	if c.architecture, ok = architectures[c.name]; !ok {
		return fmt.Errorf("%s: architecture %.40q is not supported; expected one of %q", m.path, c.name, slices.Sorted(maps.Keys(architectures)))
	}
	k := &keys{file: m.File, prefix: c.name + ".", read: map[string]bool{}}
	c.readSizes(k)
	if c.gpt2 {
		c.readGPT2(k)
	} else if err := c.readRope(k); err != nil {
		return err
	}
	if err := k.checkRest(); err != nil {
		return err
	}
	embeddings, err := m.File.Shape("token_embd.weight")
	if err != nil {
		return err
	}
	tokens, err := Get[[]string](m.File, "tokenizer.ggml.tokens")
	if err != nil {
		return err
	}
	if c.vocab = len(tokens); c.vocab != embeddings[0] {
		return fmt.Errorf("%s: metadata \"tokenizer.ggml.tokens\" has %d tokens; expected %d, the rows of \"token_embd.weight\"", m.path, c.vocab, embeddings[0])
	}
	has := func(name string) bool {
		_, ok := m.File.Info(name)
		return ok
	}
	c.tied = !has("output.weight")
	if c.biases {
		c.qkvBias, c.mlpBias = has("blk.0.attn_q.bias"), has("blk.0.ffn_gate.bias")
		c.outputBias = c.qkvBias // one setting in transformers
	}
	return nil
}

// readSizes reads the numbers of layers, heads and so on, and holds them against each other.
func (c *config) readSizes(k *keys) {
	c.layers, c.positions = k.size("block_count", nil), k.size("context_length", nil)
	c.hidden, c.ffn = k.size("embedding_length", nil), k.size("feed_forward_length", nil)
	c.heads = k.size("attention.head_count", nil)
	c.kvHeads = k.size("attention.head_count_kv", &c.heads)
	epsilon := "attention.layer_norm_rms_epsilon"
	if c.gpt2 {
		epsilon = "attention.layer_norm_epsilon"
	}
	c.normEps = k.float(epsilon, nil)
	if k.err == nil && c.heads%c.kvHeads != 0 {
		k.err = fmt.Errorf("%s: metadata %q is %d; expected a multiple of %q, which is %d",
			k.file, k.prefix+"attention.head_count", c.heads, k.prefix+"attention.head_count_kv", c.kvHeads)
	}
	if k.err == nil && !k.file.Has(k.prefix+"attention.key_length") && c.hidden%c.heads != 0 {
		k.err = fmt.Errorf("%s: metadata %q is %d; expected a multiple of %q, which is %d",
			k.file, k.prefix+"embedding_length", c.hidden, k.prefix+"attention.head_count", c.heads)
	}
	if k.err != nil {
		return
	}
	perHead := max(c.hidden/c.heads, 1)
	c.headDim = k.size("attention.key_length", &perHead)
	for _, name := range []string{"attention.value_length", "rope.dimension_count"} {
		if n := k.size(name, &c.headDim); k.err == nil && n != c.headDim {
			k.err = fmt.Errorf("%s: metadata %q is %d; only the size of a head, %d, is supported", k.file, k.prefix+name, n, c.headDim)
		}
	}
	if k.err == nil && c.headDim%2 != 0 {
		k.err = fmt.Errorf("%s: heads have %d numbers by its metadata; expected an even number", k.file, c.headDim)
	}
}

// readRope reads how positions turn queries and keys.
func (c *config) readRope(k *keys) error {
	base, one, zero, linear := 10000.0, 1.0, 0.0, "linear" // what llama.cpp assumes
	c.rope = map[string]any{"rope_theta": k.float("rope.freq_base", &base), "rope_type": "default"}
	kind := get(k, "rope.scaling.type", &linear)
	old := k.float("rope.scale_linear", &zero)
	factor := k.float("rope.scaling.factor", &old)
	original := k.size("rope.scaling.original_context_length", &c.positions)
	attention := k.float("rope.scaling.attn_factor", &one)
	attention = k.float("rope.scaling.yarn_attn_factor", &attention)
	betas := map[string]float64{}
	for name, usual := range map[string]float64{"beta_fast": 32, "beta_slow": 1} {
		betas[name] = k.float("rope.scaling.yarn_"+name, &usual)
	}
	if factor == 0 || kind == "none" {
		factor = 1
	}
	switch {
	case k.err != nil:
	case kind == "yarn" && factor >= 1:
		c.rope["rope_type"], c.rope["factor"], c.rope["original_max_position_embeddings"] = "yarn", factor, original
		for name, usual := range map[string]float64{"beta_fast": 32, "beta_slow": 1} {
			if betas[name] != usual {
				c.rope[name] = betas[name]
			}
		}
		if attention != 1 {
			c.rope["attention_factor"] = attention * (0.1*math.Log(factor) + 1)
		}
	case kind != "linear" && kind != "none":
		k.err = fmt.Errorf("%s: metadata %q is %.40q with a factor of %v; expected \"none\", \"linear\" or \"yarn\"", k.file, k.prefix+"rope.scaling.type", kind, factor)
	case attention != 1:
		k.err = fmt.Errorf("%s: metadata %q is %v, which is supported with yarn alone", k.file, k.prefix+"rope.scaling.attn_factor", attention)
	case factor != 1:
		c.rope["rope_type"], c.rope["factor"] = "linear", factor
	}
	if _, ok := k.file.Info(ropeFactors); !ok || !c.factors || k.err != nil {
		return k.err
	}
	c.hasFactors = true
	return c.readRopeFactors(k)
}

// readRopeFactors reads what the frequencies are divided by, one for each pair of numbers of a head.
func (c *config) readRopeFactors(k *keys) error {
	if c.rope["rope_type"] != "default" {
		return fmt.Errorf("%s: tensor %q: is not supported together with metadata %q", k.file, ropeFactors, k.prefix+"rope.scaling.type")
	}
	factors := make([]float32, c.headDim/2)
	info, _ := k.file.Info(ropeFactors)
	if !slices.Equal(info.Shape, []int{len(factors)}) {
		return fmt.Errorf("%s: tensor %q: has shape %v; expected [%d]", k.file, ropeFactors, info.Shape, len(factors))
	}
	if err := k.file.Weights(factors, ropeFactors, 0); err != nil {
		return err
	}
	c.rope["rope_type"], c.rope["factors"] = "factors", factors
	return nil
}

// permuted is the number of heads whose rows the file has in another order; 0: none.
func (c config) permuted(heads int) int {
	if !c.interleaved {
		return 0
	}
	return heads
}

// settings are the keys of a config.json.
func (c config) settings() map[string]any {
	if c.gpt2 {
		return c.gpt2Settings()
	}
	s := map[string]any{
		"architectures": []string{c.class}, "model_type": c.modelType, "hidden_act": "silu",
		"hidden_size": c.hidden, "num_hidden_layers": c.layers, "num_attention_heads": c.heads, "num_key_value_heads": c.kvHeads,
		"head_dim": c.headDim, "intermediate_size": c.ffn, "vocab_size": c.vocab, "max_position_embeddings": c.positions,
		"rms_norm_eps": c.normEps, "tie_word_embeddings": c.tied, "rope_parameters": c.rope,
	}
	if c.biases {
		s["attention_bias"], s["mlp_bias"] = c.qkvBias, c.mlpBias
	}
	return s
}
