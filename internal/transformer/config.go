package transformer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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

// ModelType is the model_type of a config.json.
const ModelType = "qwen3"

// settings are the keys of a config.json, beyond those of Config, with the values
// that they may have: what else they say changes the mathematics and is not
// implemented here. A key that is missing has its first value.
var settings = map[string][]string{
	"hidden_act":            {`"silu"`},
	"attention_bias":        {"false"},
	"mlp_bias":              {"false"},
	"use_sliding_window":    {"false"},
	"rope_scaling":          {"null", `{"rope_type":"default"}`, `{"type":"default"}`},
	"partial_rotary_factor": {"1", "1.0", "null"},
	"num_experts":           {"0", "null"},
	"quantization_config":   {"null"},
	"is_encoder_decoder":    {"false"},
}

// harmless are keys that change nothing of what is computed here: they are about
// training, other programs, or which tokens mean what, or say nothing while a
// setting is as it has to be (sliding_window).
var harmless = []string{
	"_attn_implementation", "_attn_implementation_autoset", "_name_or_path", "architectures", "attention_dropout", "bos_token_id", "dtype",
	"eos_token_id", "initializer_range", "max_window_layers", "output_attentions", "output_hidden_states", "pad_token_id", "pretraining_tp",
	"return_dict", "sliding_window", "torch_dtype", "transformers_version", "unsloth_fixed", "unsloth_version", "use_cache",
}

// ParseConfig reads Hugging Face's config.json of a Qwen3 model. A setting that
// changes the mathematics and is not implemented here is an error, and so is a key
// that is not known, unless it is null or false: who knows what it does?
func ParseConfig(data []byte) (Config, error) {
	c := Config{HeadDim: 128, MaxTokens: 32768, Theta: 1e4, NormEps: 1e-6} // what transformers assumes
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		return c, fmt.Errorf("invalid JSON: %w", err)
	}
	if kind := compact(keys["model_type"]); kind != `"`+ModelType+`"` {
		return c, fmt.Errorf("model_type is %s; only %q is supported", cmp.Or(kind, "missing"), ModelType)
	}
	fields := c.fields()
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value := compact(keys[key])
		allowed, isSetting := settings[key]
		switch {
		case fields[key] != nil:
			if value == "null" || json.Unmarshal(keys[key], fields[key]) != nil {
				return c, fmt.Errorf("%s is %.60s; expected %s", key, value, expected(fields[key]))
			}
		case isSetting:
			if !slices.Contains(allowed, value) {
				return c, fmt.Errorf("%s is %.60s; only %s is supported", key, value, allowed[0])
			}
		case key == "layer_types" || key == "rope_parameters":
			if err := c.parseNested(key, keys[key]); err != nil {
				return c, err
			}
		case key == "model_type", slices.Contains(harmless, key), value == "null", value == "false":
		default:
			return c, fmt.Errorf("%s is %.60s, a setting that is not known here; if it changes nothing of what the model computes, take it out", escaped(key), value)
		}
	}
	return c, c.Check()
}

// fields are the settings of c by their keys.
func (c *Config) fields() map[string]any {
	return map[string]any{
		"hidden_size": &c.Hidden, "num_hidden_layers": &c.Layers, "num_attention_heads": &c.Heads, "num_key_value_heads": &c.KVHeads,
		"head_dim": &c.HeadDim, "intermediate_size": &c.FFN, "vocab_size": &c.Vocab, "tie_word_embeddings": &c.Tied,
		"rope_theta": &c.Theta, "rms_norm_eps": &c.NormEps, "max_position_embeddings": &c.MaxTokens,
	}
}

// expected says what a field of Config wants.
func expected(field any) string {
	switch field.(type) {
	case *int:
		return "a whole number"
	case *bool:
		return "true or false"
	}
	return "a number"
}

// escaped is a key that fits into a line.
func escaped(key string) string { return strings.Trim(strconv.Quote(key), `"`) }

// compact is JSON without white space, "" for none.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return ""
	}
	return b.String()
}

// parseNested reads the settings that are more than a value.
func (c *Config) parseNested(key string, raw json.RawMessage) error {
	if compact(raw) == "null" {
		return nil
	}
	if key == "layer_types" {
		var kinds []string
		if json.Unmarshal(raw, &kinds) != nil {
			return fmt.Errorf("layer_types is %.60s; expected a list of strings", compact(raw))
		}
		for _, kind := range kinds {
			if kind != "full_attention" {
				return fmt.Errorf("layer_types has %q; only \"full_attention\" is supported", kind)
			}
		}
		return nil
	}
	// Where transformers 5 keeps what version 4 spread over rope_theta and rope_scaling.
	var rope map[string]json.RawMessage
	if json.Unmarshal(raw, &rope) != nil {
		return fmt.Errorf("rope_parameters is %.60s; expected an object", compact(raw))
	}
	if kind := compact(rope["rope_type"]); kind != "" && kind != `"default"` {
		return fmt.Errorf("rope_type is %.60s; only \"default\" is supported", kind)
	}
	for _, name := range slices.Sorted(maps.Keys(rope)) {
		value := compact(rope[name])
		switch {
		case name == "rope_theta" && value != "null" && json.Unmarshal(rope[name], &c.Theta) == nil:
		case name == "rope_type", name == "partial_rotary_factor" && slices.Contains(settings[name], value), value == "null":
		default:
			return fmt.Errorf("rope_parameters: %s is %.60s; only a rope_theta and rope_type \"default\" are supported", escaped(name), value)
		}
	}
	return nil
}

// JSON writes c as a config.json that Hugging Face's transformers loads. dtype is
// what it calls the type of the weights: float32, bfloat16.
func (c Config) JSON(dtype string, bos, eos int) []byte {
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
	}{[]string{"Qwen3ForCausalLM"}, ModelType, c, "silu", false, 0, false, dtype, bos, eos}
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
