package transformer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nfcot/internal/shared"
	"nfcot/internal/tensor"
)

const goodConfig = `{"model_type": "qwen3", "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
 "head_dim": 6, "intermediate_size": 12, "vocab_size": 20, "tie_word_embeddings": true, "rope_theta": 1000000, "rms_norm_eps": 1e-5,
 "max_position_embeddings": 64, "hidden_act": "silu", "attention_bias": false, "use_sliding_window": false, "sliding_window": null,
 "rope_scaling": null, "max_window_layers": 2, "layer_types": ["full_attention", "full_attention"]}`

var goodShape = Config{Hidden: 8, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 6, FFN: 12, Vocab: 20, Tied: true, Theta: 1e6, NormEps: 1e-5, MaxTokens: 64}

func TestParseConfig(t *testing.T) {
	c, err := ParseConfig([]byte(goodConfig))
	if err != nil || c != goodShape {
		t.Errorf("%+v, %v, want %+v", c, err, goodShape)
	}
}

// Newer configurations keep the rotary settings elsewhere.
func TestParseConfigRopeParameters(t *testing.T) {
	text := edited(t, "rope_parameters", `{"rope_type":"default","rope_theta":1000000}`)
	text = []byte(strings.Replace(string(text), `"rope_theta":1000000,`, "", 1)) // the old place
	if strings.Count(string(text), "rope_theta") != 1 {
		t.Fatalf("rope_theta is not in its new place alone: %s", text)
	}
	if c, err := ParseConfig(text); err != nil || c != goodShape {
		t.Errorf("%+v, %v, want %+v", c, err, goodShape)
	}
}

// edited is goodConfig with one setting changed or added.
func edited(t *testing.T, key, value string) []byte {
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(goodConfig), &m); err != nil {
		t.Fatal(err)
	}
	m[key] = json.RawMessage(value)
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What would compute something else is refused in one line that says what.
func TestParseConfigRefuses(t *testing.T) {
	for _, tt := range []struct{ key, value, want string }{
		{"model_type", `"llama"`, `model_type is "llama"; only "qwen3" is supported`},
		{"model_type", `"qwen3_moe"`, `model_type is "qwen3_moe"; only "qwen3" is supported`},
		{"hidden_act", `"gelu"`, `hidden_act is "gelu"; only "silu" is supported`},
		{"attention_bias", `true`, "attention_bias is true; only false is supported"},
		{"use_sliding_window", `true`, "use_sliding_window is true; only false is supported"},
		{"rope_scaling", `{"type":"yarn","factor":4}`, `rope_scaling is {"type":"yarn","factor":4}; only null is supported`},
		{"rope_parameters", `{"rope_type":"yarn","rope_theta":1e6,"factor":4}`, `rope_type is "yarn"; only "default" is supported`},
		{"num_experts", `128`, "num_experts is 128; only 0 is supported"},
		{"partial_rotary_factor", `0.5`, "partial_rotary_factor is 0.5; only 1 is supported"},
		{"layer_types", `["full_attention", "sliding_attention"]`, `layer_types has "sliding_attention"; only "full_attention" is supported`},
		{"hidden_size", `0`, "hidden_size is 0; it must be at least 1"},
		{"vocab_size", `-3`, "vocab_size is -3; it must be at least 1"},
		{"num_key_value_heads", `3`, "num_attention_heads is 4, not a multiple of num_key_value_heads (3)"},
		{"num_key_value_heads", `0`, "num_key_value_heads is 0; it must be at least 1"},
		{"head_dim", `5`, "head_dim is 5; rotary embeddings need an even number"},
		{"rope_theta", `0`, "rope_theta is 0 and rms_norm_eps 1e-05; they must be positive"},
		{"hidden_size", `"big"`, `hidden_size is "big"; expected a whole number`},
		{"hidden_size", `8.5`, "hidden_size is 8.5; expected a whole number"},
		{"head_dim", `null`, "head_dim is null; expected a whole number"},
		{"tie_word_embeddings", `1`, "tie_word_embeddings is 1; expected true or false"},
		{"model_type", `null`, `model_type is null; only "qwen3" is supported`},
		{"rope_parameters", `{"rope_type":"default","rope_theta":1e6,"factor":4}`, "rope_parameters: factor is 4; only"},
		{"rope_parameters", `"yarn"`, `rope_parameters is "yarn"; expected an object`},
		{"layer_types", `"full_attention"`, `layer_types is "full_attention"; expected a list`},
		{"mlp_bias", `true`, "mlp_bias is true; only false is supported"},
		{"quantization_config", `{"quant_method":"fp8"}`, `quantization_config is {"quant_method":"fp8"}; only null is supported`},
		{"final_logit_softcapping", `30.0`, "final_logit_softcapping is 30.0, a setting that is not known here"},
	} {
		_, err := ParseConfig(edited(t, tt.key, tt.value))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %s gives %v, want %s", tt.key, tt.value, err, tt.want)
		}
	}
	if _, err := ParseConfig([]byte("{")); err == nil || !strings.HasPrefix(err.Error(), "invalid JSON: ") {
		t.Errorf("truncated JSON gives %v", err)
	}
}

// What changes nothing is let pass.
func TestParseConfigHarmless(t *testing.T) {
	for key, value := range map[string]string{
		"partial_rotary_factor": "1.0", "rope_scaling": `{ "rope_type": "default" }`, "sliding_window": "4096", "num_experts": "null", "is_decoder": "false",
		"logit_scale": "null", "torch_dtype": `"bfloat16"`, "eos_token_id": "[1, 2]", "transformers_version": `"4.51.0"`, "layer_types": "null",
	} {
		if c, err := ParseConfig(edited(t, key, value)); err != nil || c != goodShape {
			t.Errorf("%s: %s gives %+v, %v", key, value, c, err)
		}
	}
	// What transformers assumes of a Qwen3 that does not say.
	c, err := ParseConfig([]byte(`{"model_type": "qwen3", "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
		"intermediate_size": 12, "vocab_size": 20}`))
	want := Config{Hidden: 8, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 128, FFN: 12, Vocab: 20, Theta: 1e4, NormEps: 1e-6, MaxTokens: 32768}
	if err != nil || c != want {
		t.Errorf("%+v, %v, want %+v", c, err, want)
	}
}

// FuzzParseConfig: any config.json is a shape that can be written and read again,
// or an error of one line.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(goodConfig))
	f.Add([]byte(`{"model_type":"qwen3","rope_parameters":{"rope_type":"default","rope_theta":1e6},"layer_types":["x"],"rope_scaling":{"type":"yarn"}}`))
	f.Add(goodShape.JSON("float32", 1, 2))
	f.Add([]byte(`{"model_type":"qwen3","a\rb":1}`))
	f.Add([]byte(`{"model_type":"qwen3","rope_parameters":{"a\nb":1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseConfig(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("an error of several lines: %q", err)
			}
			return
		}
		if again, err := ParseConfig(c.JSON("float32", 1, 2)); err != nil || again != c {
			t.Fatalf("%+v becomes %+v, %v", c, again, err)
		}
	})
}

func TestConfigRoundTrip(t *testing.T) {
	for _, want := range []Config{goodShape, small} {
		text := want.JSON("bfloat16", 7, 9)
		if got, err := ParseConfig(text); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		var rest map[string]any
		if err := json.Unmarshal(text, &rest); err != nil {
			t.Fatal(err)
		}
		for key, v := range map[string]any{"bos_token_id": 7.0, "eos_token_id": 9.0, "torch_dtype": "bfloat16", "model_type": "qwen3", "hidden_act": "silu", "attention_bias": false} {
			if rest[key] != v {
				t.Errorf("%s is %v, want %v", key, rest[key], v)
			}
		}
	}
}

// Against a count by hand.
func TestFLOPs(t *testing.T) {
	// q, o: 24·8 each; k, v: 12·8 each; gate, up, down: 8·12 each. 864 weights
	// in a block, 1728 in both; 160 in the vocabulary.
	// A pair of rows that see each other costs 2·24 products in a layer.
	for _, tt := range []struct {
		rows, seen, logits int
		want               float64
	}{
		{1, 0, 0, 2 * 1728},
		{0, 0, 1, 2 * 160},
		{0, 1, 0, 2 * 2 * 48},
		{3, 1 + 2 + 3, 2, 2 * (3*1728 + 6*96 + 2*160)},
	} {
		if got := goodShape.FLOPs(tt.rows, tt.seen, tt.logits); got != tt.want {
			t.Errorf("FLOPs(%d, %d, %d) = %g, want %g", tt.rows, tt.seen, tt.logits, got, tt.want)
		}
	}
	p := tensor.NewParams(1)
	NewLM(p, goodShape)
	if want := 1728 + 160 + 2*(2*8+2*6) + 8; p.Count() != want { // and the norms
		t.Errorf("%d parameters, want %d", p.Count(), want)
	}
}

// The fixtures' own configurations, written and read again.
func TestGoldenConfigs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared.Fixtures(t), "qwen3_tiny", "*", "config.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no config.json in the fixtures: %v", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseConfig(text)
		if err != nil {
			t.Errorf("%s: %v", f, err)
		}
		if again, err := ParseConfig(c.JSON("float32", 1, 2)); err != nil || again != c {
			t.Errorf("%s: %+v becomes %+v, %v", f, c, again, err)
		}
	}
}
