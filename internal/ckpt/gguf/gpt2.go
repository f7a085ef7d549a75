package gguf

import "fmt"

// GPT-2: learned positions, LayerNorm, one matrix of queries, keys and values, biases everywhere. transformers has its matrices
// as [inputs, outputs].

// readGPT2 reads what GPT-2 has in place of rotary angles: a table of positions.
func (c *config) readGPT2(k *keys) {
	if k.err == nil && (c.kvHeads != c.heads || c.headDim*c.heads != c.hidden) {
		k.err = fmt.Errorf("%s: has %d heads of %d numbers and %d key heads by its metadata; GPT-2 has %d numbers in as many key heads as heads",
			k.file, c.heads, c.headDim, c.kvHeads, c.hidden)
	}
}

// gpt2Specs lists the tensors.
func (c config) gpt2Specs() (list []spec) {
	h := c.hidden
	table := func(name, hf string, rows int) {
		list = append(list, spec{source{name: name + ".weight"}, hf + ".weight", []int{rows, h}})
	}
	norm := func(name, hf string) {
		list = append(list, spec{source{name: name + ".weight"}, hf + ".weight", []int{h}}, spec{source{name: name + ".bias"}, hf + ".bias", []int{h}})
	}
	table("token_embd", "transformer.wte", c.vocab)
	table("position_embd", "transformer.wpe", c.positions)
	for l := range c.layers {
		in, out := fmt.Sprintf("blk.%d.", l), fmt.Sprintf("transformer.h.%d.", l)
		matrix := func(name, hf string, rows, columns int) {
			list = append(list, spec{source{name: in + name + ".weight", transposed: true}, out + hf + ".weight", []int{rows, columns}},
				spec{source{name: in + name + ".bias"}, out + hf + ".bias", []int{rows}})
		}
		norm(in+"attn_norm", out+"ln_1")
		matrix("attn_qkv", "attn.c_attn", 3*h, h)
		matrix("attn_output", "attn.c_proj", h, h)
		norm(in+"ffn_norm", out+"ln_2")
		matrix("ffn_up", "mlp.c_fc", c.ffn, h)
		matrix("ffn_down", "mlp.c_proj", h, c.ffn)
	}
	norm("output_norm", "transformer.ln_f")
	if !c.tied {
		table("output", "lm_head", c.vocab)
	}
	return list
}

// gpt2Settings are the keys of a config.json. llama.cpp computes GELU by its approximation with tanh.
func (c config) gpt2Settings() map[string]any {
	return map[string]any{
		"architectures": []string{c.class}, "model_type": c.modelType, "activation_function": "gelu_new",
		"n_embd": c.hidden, "n_layer": c.layers, "n_head": c.heads, "n_inner": c.ffn, "n_positions": c.positions,
		"vocab_size": c.vocab, "layer_norm_epsilon": c.normEps, "tie_word_embeddings": c.tied,
	}
}
