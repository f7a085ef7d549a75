package transformer

import "encoding/json"

// Llama and what is built like it: RMSNorm, rotary embeddings, SwiGLU. (Touvron et
// al., 2023; Mistral 7B: Jiang et al., 2023)

func llama() *architecture {
	return &architecture{
		name: "llama", class: "LlamaForCausalLM",
		base: Config{Architecture: "llama", Theta: 1e4, NormEps: 1e-6, MaxTokens: 2048, PlainHeads: true},
		keys: func(r *reading) map[string]any {
			return llamaKeys(r, map[string]any{"attention_bias": &r.attentionBias, "mlp_bias": &r.FFNBias})
		},
		nullable: []string{"num_key_value_heads", "head_dim"},
		settings: silu,
		finish: func(r *reading) error {
			r.QKVBias, r.OutputBias = r.attentionBias, r.attentionBias
			r.fillHeads()
			return nil
		},
		write: func(c Config) []setting {
			return append(llamaSettings(c), setting{"attention_bias", c.QKVBias}, setting{"attention_dropout", 0}, setting{"mlp_bias", c.FFNBias})
		},
		prefix: "model.", layers: "model.layers",
		ignored: oldRotary,
		modules: llamaModules,
	}
}

func mistral() *architecture {
	return &architecture{
		name: "mistral", class: "MistralForCausalLM",
		base: Config{Architecture: "mistral", Theta: 1e4, NormEps: 1e-6, MaxTokens: 4096 * 32, PlainHeads: true},
		keys: func(r *reading) map[string]any {
			r.kvHeads, r.window, r.useWindow = new(8), new(4096), true
			return llamaKeys(r, map[string]any{"sliding_window": &r.window})
		},
		nullable: []string{"num_key_value_heads", "head_dim", "sliding_window"},
		settings: silu,
		finish: func(r *reading) error {
			r.fillHeads()
			return r.checkWindow()
		},
		write: func(c Config) []setting {
			return append(llamaSettings(c), setting{"attention_dropout", 0}, setting{"sliding_window", nil})
		},
		prefix: "model.", layers: "model.layers",
		ignored: oldRotary,
		modules: llamaModules,
	}
}

var (
	silu         = map[string][]string{"hidden_act": {`"silu"`, `"swish"`}, "attention_bias": {"false"}, "mlp_bias": {"false"}}
	oldRotary    = []string{".rotary_emb.inv_freq"}
	llamaModules = []string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
)

// llamaKeys are the keys of a config.json like Llama's, and more.
func llamaKeys(r *reading, more map[string]any) map[string]any {
	c := &r.Config
	keys := map[string]any{
		"hidden_size": &c.Hidden, "num_hidden_layers": &c.Layers, "num_attention_heads": &c.Heads, "num_key_value_heads": &r.kvHeads,
		"head_dim": &r.headDim, "intermediate_size": &c.FFN, "vocab_size": &c.Vocab, "tie_word_embeddings": &c.Tied,
		"rms_norm_eps": &c.NormEps, "max_position_embeddings": &c.MaxTokens,
	}
	for key, field := range more {
		keys[key] = field
	}
	return keys
}

// fillHeads is what is said of heads, or follows if nothing is.
func (r *reading) fillHeads() {
	r.KVHeads, r.HeadDim = r.Heads, headDim(r.Hidden, r.Heads)
	if r.kvHeads != nil {
		r.KVHeads = *r.kvHeads
	}
	if r.headDim != nil {
		r.HeadDim = *r.headDim
	}
}

// llamaSettings writes those keys.
func llamaSettings(c Config) []setting {
	all := []setting{
		{"hidden_size", c.Hidden}, {"num_hidden_layers", c.Layers}, {"num_attention_heads", c.Heads}, {"num_key_value_heads", c.KVHeads},
		{"head_dim", c.HeadDim}, {"intermediate_size", c.FFN}, {"vocab_size", c.Vocab}, {"tie_word_embeddings", c.Tied},
		{"rope_theta", c.Theta},
	}
	if rope := c.Rope.settings(c.MaxTokens); rope != nil {
		all = append(all, setting{"rope_scaling", json.RawMessage(object(rope))})
	}
	return append(all, setting{"rms_norm_eps", c.NormEps}, setting{"max_position_embeddings", c.MaxTokens}, setting{"hidden_act", "silu"})
}
