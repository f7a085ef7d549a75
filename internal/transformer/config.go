package transformer

import (
	"encoding/json"
	"fmt"
)

// Config is the shape of a language model. Its JSON is Hugging Face's config.json
// of a Qwen3 model.
type Config struct {
	Hidden    int     `json:"hidden_size" yaml:"hidden"`
	Layers    int     `json:"num_hidden_layers" yaml:"layers"`
	Heads     int     `json:"num_attention_heads" yaml:"heads"`
	KVHeads   int     `json:"num_key_value_heads" yaml:"kv_heads"`
	HeadDim   int     `json:"head_dim" yaml:"head_dim"`
	FFN       int     `json:"intermediate_size" yaml:"ffn"`
	Vocab     int     `json:"vocab_size" yaml:"vocab"`
	Tied      bool    `json:"tie_word_embeddings" yaml:"tied"`          // logits use the embedding table
	Theta     float64 `json:"rope_theta" yaml:"rope_theta"`             // base of the rotary angles
	NormEps   float64 `json:"rms_norm_eps" yaml:"norm_eps"`             // inside the root of RMSNorm
	MaxTokens int     `json:"max_position_embeddings" yaml:"positions"` // positions, prompt and answer together
}

// Check says what is wrong with the shape, if anything is.
func (c Config) Check() error {
	for _, f := range []struct {
		name string
		n    int
	}{
		{"hidden_size", c.Hidden}, {"num_hidden_layers", c.Layers}, {"num_attention_heads", c.Heads}, {"num_key_value_heads", c.KVHeads},
		{"head_dim", c.HeadDim}, {"intermediate_size", c.FFN}, {"vocab_size", c.Vocab}, {"max_position_embeddings", c.MaxTokens},
	} {
		if f.n < 1 {
			return fmt.Errorf("%s is %d; it must be at least 1", f.name, f.n)
		}
	}
	if c.Heads%c.KVHeads != 0 {
		return fmt.Errorf("num_attention_heads is %d, not a multiple of num_key_value_heads (%d)", c.Heads, c.KVHeads)
	}
	if c.HeadDim%2 != 0 {
		return fmt.Errorf("head_dim is %d; rotary embeddings need an even number", c.HeadDim)
	}
	if c.Theta <= 0 || c.NormEps < 0 {
		return fmt.Errorf("rope_theta is %g and rms_norm_eps %g; they must be positive", c.Theta, c.NormEps)
	}
	return nil
}

// ParseConfig reads Hugging Face's config.json of a Qwen3 model. A setting that
// changes the mathematics and is not implemented here is an error.
func ParseConfig(data []byte) (Config, error) {
	c := Config{MaxTokens: 40960, Theta: 1e4, NormEps: 1e-6}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("invalid JSON: %w", err)
	}
	var rest struct {
		ModelType     string          `json:"model_type"`
		Act           string          `json:"hidden_act"`
		Bias          bool            `json:"attention_bias"`
		UseSliding    bool            `json:"use_sliding_window"`
		RopeScaling   json.RawMessage `json:"rope_scaling"`
		Experts       int             `json:"num_experts"`
		LayerKinds    []string        `json:"layer_types"`
		PartialRotary *float64        `json:"partial_rotary_factor"`
		Rope          struct {        // where transformers 5 keeps what version 4 spread over rope_theta and rope_scaling
			Theta *float64 `json:"rope_theta"`
			Type  string   `json:"rope_type"`
		} `json:"rope_parameters"`
	}
	if err := json.Unmarshal(data, &rest); err != nil {
		return c, fmt.Errorf("invalid JSON: %w", err)
	}
	switch {
	case rest.ModelType != "qwen3":
		return c, fmt.Errorf("model_type is %q; only \"qwen3\" is supported", rest.ModelType)
	case rest.Act != "silu" && rest.Act != "":
		return c, fmt.Errorf("hidden_act is %q; only \"silu\" is supported", rest.Act)
	case rest.Bias:
		return c, fmt.Errorf("attention_bias is true; only models without it are supported")
	case rest.UseSliding:
		return c, fmt.Errorf("use_sliding_window is true; only full attention is supported")
	case len(rest.RopeScaling) > 0 && string(rest.RopeScaling) != "null":
		return c, fmt.Errorf("rope_scaling is %s; only null is supported", rest.RopeScaling)
	case rest.Rope.Type != "default" && rest.Rope.Type != "":
		return c, fmt.Errorf("rope_type is %q; only \"default\" is supported", rest.Rope.Type)
	case rest.Experts > 0:
		return c, fmt.Errorf("num_experts is %d; mixtures of experts are not supported", rest.Experts)
	case rest.PartialRotary != nil && *rest.PartialRotary != 1:
		return c, fmt.Errorf("partial_rotary_factor is %g; only 1 is supported", *rest.PartialRotary)
	}
	for _, kind := range rest.LayerKinds {
		if kind != "full_attention" {
			return c, fmt.Errorf("layer_types has %q; only \"full_attention\" is supported", kind)
		}
	}
	if rest.Rope.Theta != nil {
		c.Theta = *rest.Rope.Theta
	}
	return c, c.Check()
}

// JSON writes c as a config.json that Hugging Face's transformers loads.
func (c Config) JSON(bos, eos int) []byte {
	out := struct {
		Architectures []string `json:"architectures"`
		ModelType     string   `json:"model_type"`
		Config
		Act        string `json:"hidden_act"`
		Bias       bool   `json:"attention_bias"`
		Dropout    int    `json:"attention_dropout"`
		UseSliding bool   `json:"use_sliding_window"`
		DType      string `json:"torch_dtype"`
		BOS        int    `json:"bos_token_id"`
		EOS        int    `json:"eos_token_id"`
	}{[]string{"Qwen3ForCausalLM"}, "qwen3", c, "silu", false, 0, false, "float32", bos, eos}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		panic(err) // plain numbers and strings
	}
	return append(data, '\n')
}

// Multiplications per row in the weights of the blocks.
func (c Config) blockWeights() float64 {
	attn := (2*c.Heads + 2*c.KVHeads) * c.HeadDim * c.Hidden
	return float64(c.Layers) * float64(attn+3*c.Hidden*c.FFN)
}

// FLOPs counts the floating-point operations of the forward pass of rows that
// see, all together, seen rows, and of which logits are scored against the
// vocabulary: two for each multiplication in a weight or in attention.
func (c Config) FLOPs(rows, seen, logits int) float64 {
	attention := float64(seen) * float64(2*c.Heads*c.HeadDim*c.Layers)
	return 2 * (float64(rows)*c.blockWeights() + attention + float64(logits)*float64(c.Hidden*c.Vocab))
}
