package transformer

// Qwen2, Qwen2.5 (biases of queries, keys and values) and Qwen3 (norms of queries
// and keys instead), which else are built like Llama.

func qwen2() *architecture {
	f := qwen("qwen2", "Qwen2ForCausalLM")
	f.base = Config{Architecture: "qwen2", Theta: 1e4, NormEps: 1e-6, MaxTokens: 32768, PlainHeads: true, QKVBias: true}
	f.keys = func(r *reading) map[string]any { return qwenKeys(r, nil) }
	f.nullable = append(f.nullable, "head_dim")
	f.settings = silu
	f.finish = func(r *reading) error {
		r.fillHeads()
		return r.checkWindow()
	}
	f.write = func(c Config) []setting {
		return append(llamaSettings(c), setting{"attention_dropout", 0}, setting{"use_sliding_window", false})
	}
	return f
}

func qwen3() *architecture {
	f := qwen("qwen3", "Qwen3ForCausalLM")
	f.base = Config{Theta: 1e4, NormEps: 1e-6, MaxTokens: 32768}
	f.keys = func(r *reading) map[string]any {
		r.headDim = new(128)
		return qwenKeys(r, map[string]any{"attention_bias": &r.attentionBias})
	}
	f.settings = map[string][]string{"hidden_act": silu["hidden_act"], "mlp_bias": {"false"}}
	f.finish = func(r *reading) error {
		r.QKVBias, r.OutputBias = r.attentionBias, r.attentionBias
		r.fillHeads()
		return r.checkWindow()
	}
	f.write = func(c Config) []setting {
		return append(llamaSettings(c), setting{"attention_bias", c.QKVBias}, setting{"attention_dropout", 0}, setting{"use_sliding_window", false})
	}
	return f
}

func qwen(name, class string) *architecture {
	return &architecture{
		name: name, class: class,
		nullable: []string{"num_key_value_heads", "sliding_window", "layer_types"},
		prefix:   "model.", layers: "model.layers",
		ignored: oldRotary,
		modules: llamaModules,
	}
}

// qwenKeys are Llama's, those of a sliding window, and more.
func qwenKeys(r *reading, more map[string]any) map[string]any {
	r.kvHeads, r.window, r.fullLayers = new(32), new(4096), 28
	keys := llamaKeys(r, more)
	keys["use_sliding_window"], keys["sliding_window"] = &r.useWindow, &r.window
	keys["max_window_layers"], keys["layer_types"] = &r.fullLayers, &r.layerTypes
	return keys
}
