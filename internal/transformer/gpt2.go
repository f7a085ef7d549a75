package transformer

import "fmt"

// GPT-2 (Radford et al., 2019): LayerNorm, learned positions, biases everywhere, a
// feed-forward layer without a gate, queries, keys and values in one matrix.

func gpt2() *architecture {
	return &architecture{
		name: "gpt2", class: "GPT2LMHeadModel",
		base: Config{Architecture: "gpt2", Vocab: 50257, Tied: true, Theta: 1e4, NormEps: 1e-5, MaxTokens: 1024, LayerNorm: true, PlainHeads: true,
			Learned: true, QKVBias: true, OutputBias: true, FFNBias: true, FusedQKV: true, Activation: "gelu_new"},
		keys: func(r *reading) map[string]any {
			c := &r.Config
			return map[string]any{
				"n_embd": &c.Hidden, "n_layer": &c.Layers, "n_head": &c.Heads, "n_inner": &c.FFN, "n_positions": &c.MaxTokens,
				"vocab_size": &c.Vocab, "tie_word_embeddings": &c.Tied, "layer_norm_epsilon": &c.NormEps, "activation_function": &c.Activation,
			}
		},
		nullable: []string{"n_inner"},
		settings: map[string][]string{"scale_attn_weights": {"true"}, "scale_attn_by_inverse_layer_idx": {"false"}},
		harmless: []string{"n_ctx", "reorder_and_upcast_attn"},
		finish:   finishGPT2,
		write: func(c Config) []setting {
			return []setting{
				{"n_embd", c.Hidden}, {"n_layer", c.Layers}, {"n_head", c.Heads}, {"n_inner", c.FFN}, {"n_positions", c.MaxTokens},
				{"n_ctx", c.MaxTokens}, {"vocab_size", c.Vocab}, {"tie_word_embeddings", c.Tied}, {"layer_norm_epsilon", c.NormEps},
				{"activation_function", c.Activation}, {"attn_pdrop", 0}, {"embd_pdrop", 0}, {"resid_pdrop", 0},
			}
		},
		prefix: "transformer.", layers: "transformer.h",
		tensors: []tensorName{
			{"model.embed_tokens", "transformer.wte", false},
			{"model.embed_positions", "transformer.wpe", false},
			{"model.norm", "transformer.ln_f", false},
			{"input_layernorm", "ln_1", false},
			{"self_attn.qkv_proj", "attn.c_attn", true},
			{"self_attn.o_proj", "attn.c_proj", true},
			{"post_attention_layernorm", "ln_2", false},
			{"mlp.up_proj", "mlp.c_fc", true},
			{"mlp.down_proj", "mlp.c_proj", true},
		},
		ignored: []string{".attn.bias", ".attn.masked_bias"}, // masks
		modules: []string{"c_attn", "c_proj", "c_fc"},
	}
}

// finishGPT2 fills in what follows from the sizes, and knows activations by all
// their names.
func finishGPT2(r *reading) error {
	if r.Heads > 0 && r.Hidden%r.Heads != 0 {
		return fmt.Errorf("n_embd is %d, not a multiple of n_head (%d)", r.Hidden, r.Heads)
	}
	r.KVHeads, r.HeadDim = r.Heads, headDim(r.Hidden, r.Heads)
	if r.FFN == 0 {
		r.FFN = 4 * r.Hidden
	}
	switch r.Activation {
	case "gelu_new", "gelu_fast", "gelu_pytorch_tanh":
		r.Activation = "gelu_new"
	case "gelu", "gelu_python":
		r.Activation = "gelu"
	default:
		return fmt.Errorf("activation_function is %.40q; only \"gelu\" and \"gelu_new\" are supported", r.Activation)
	}
	return nil
}
