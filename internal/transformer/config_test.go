package transformer

import (
	"encoding/json"
	"math"
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
	const architectures = "expected gpt2, llama, mistral, qwen2 or qwen3"
	for _, tt := range []struct{ key, value, want string }{
		{"model_type", `"qwen3_moe"`, `model_type is "qwen3_moe"; ` + architectures},
		{"model_type", `null`, `model_type is null; ` + architectures},
		{"model_type", `""`, `model_type is ""; ` + architectures},
		{"hidden_act", `"gelu"`, `hidden_act is "gelu"; only "silu" is supported`},
		{"layer_types", `["full_attention", "sliding_attention"]`, `layer_types has "sliding_attention"; only "full_attention" is supported`},
		{"layer_types", `["full_attention", "chunked_attention"]`, `layer_types has "chunked_attention"; only "full_attention" is supported`},
		{"layer_types", `["full_attention"]`, "layer_types has 1 layers, and num_hidden_layers is 2"},
		{"layer_types", `"full_attention"`, `layer_types is "full_attention"; expected a list`},
		{"num_experts", `128`, "num_experts is 128; only 0 is supported"},
		{"num_local_experts", `8`, "num_local_experts is 8; only 0 is supported"},
		{"partial_rotary_factor", `0.5`, "partial_rotary_factor is 0.5; only 1 is supported"},
		{"hidden_size", `0`, "hidden_size is 0; it must be at least 1"},
		{"vocab_size", `-3`, "vocab_size is -3; it must be at least 1"},
		{"num_key_value_heads", `3`, "num_attention_heads is 4, not a multiple of num_key_value_heads (3)"},
		{"num_key_value_heads", `0`, "num_key_value_heads is 0; it must be at least 1"},
		{"head_dim", `5`, "head_dim is 5; rotary embeddings need an even number"},
		{"head_dim", `null`, "head_dim is null; expected a whole number"},
		{"rope_theta", `0`, "rope_theta is 0 and the norms' epsilon 1e-05; they must be positive"},
		{"rope_theta", `null`, "rope_theta is null; expected a number"},
		{"hidden_size", `"big"`, `hidden_size is "big"; expected a whole number`},
		{"hidden_size", `8.5`, "hidden_size is 8.5; expected a whole number"},
		{"tie_word_embeddings", `1`, "tie_word_embeddings is 1; expected true or false"},
		{"mlp_bias", `true`, "mlp_bias is true; only false is supported"},
		{"quantization_config", `{"quant_method":"fp8"}`, `quantization_config is {"quant_method":"fp8"}; only null is supported`},
		{"final_logit_softcapping", `30.0`, "final_logit_softcapping is 30.0, a setting that is not known here"},
		{"rope_interleaved", `true`, "rope_interleaved is true; only false is supported"},
		{"pruned_heads", `{"0":[1]}`, `pruned_heads is {"0":[1]}; only {} is supported`},

		{"rope_parameters", `"yarn"`, `rope_parameters is "yarn"; expected an object`},
		{"rope_parameters", `{"rope_type":"default","rope_theta":1e6,"factor":4}`, `rope_parameters: factor is 4, a setting that is not known here for rope_type "default"`},
		{"rope_parameters", `{"rope_theta":"1e6"}`, `rope_parameters: rope_theta is "1e6"; expected a number`},
		{"rope_parameters", `{"full_attention":{"rope_type":"default"}}`, "rope_parameters: full_attention is"},
		{"rope_scaling", `{"type":"dynamic","factor":4}`, `rope_scaling: rope_type is "dynamic"; only "default", "linear",`},
		{"rope_scaling", `{"type":4}`, `rope_scaling: type is 4; expected a string`},
		{"rope_scaling", `{"type":"linear"}`, `factor of rope type linear is 0; expected a positive number`},
		{"rope_scaling", `{"type":"linear","factor":null}`, `factor of rope type linear is 0; expected a positive number`},
		{"rope_scaling", `{"type":"linear","factor":2,"mrope_section":[1,2]}`, `rope_scaling: mrope_section is [1,2], a setting that is not known here for rope_type "linear"`},
		{"rope_scaling", `{"type":"linear","factor":2,"partial_rotary_factor":0.5}`, "rope_scaling: partial_rotary_factor is 0.5; only 1 is supported"},
		{"rope_scaling", `{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4}`, "low_freq_factor of rope type llama3 is 4; expected a positive number below high_freq_factor (4)"},
		{"rope_scaling", `{"rope_type":"yarn","factor":4,"original_max_position_embeddings":-1}`, "original_max_position_embeddings of rope type yarn is -1; expected at least 1"},
		{"rope_scaling", `{"rope_type":"yarn","factor":4,"original_max_position_embeddings":1.5}`, "rope_scaling: original_max_position_embeddings is 1.5; expected a whole number"},
		{"rope_scaling", `{"rope_type":"longrope","factor":4,"short_factor":[1,1,1],"long_factor":[1,1,2]}`, "rope_scaling: rope_type is \"longrope\" with a long_factor that is not short_factor"},
		{"rope_scaling", `{"rope_type":"longrope","factor":4,"short_factor":[1,1],"long_factor":[1,1]}`, "factors of rope type factors is a list of 2; expected 3"},
		{"rope_scaling", `{"rope_type":"factors","factors":[1,0,1]}`, "rope type factors makes frequency 1 of a head +Inf"},
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

// What Python's json writes is read, with NaN where nobody looks.
func TestParseConfigOfPython(t *testing.T) {
	text := strings.NewReplacer(`"vocab_size": 20`, `"vocab_size": 20.0`, `"rope_scaling": null`, `"rope_scaling": null, "initializer_range": NaN`).Replace(goodConfig)
	if c, err := ParseConfig([]byte("\xef\xbb\xbf" + text)); err != nil || c != goodShape {
		t.Errorf("%+v, %v, want %+v", c, err, goodShape)
	}
	for key, want := range map[string]string{"rms_norm_eps": "rms_norm_eps is -Infinity; expected a number", "strange": "strange is -Infinity, a setting that is not known here", "vocab_size": "vocab_size is -Infinity"} {
		text := strings.Replace(string(edited(t, key, `"here"`)), `"here"`, "-Infinity", 1)
		if _, err := ParseConfig([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", key, err, want)
		}
	}
}

// The manual lists the keys that are ignored.
func TestHarmlessKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "models.md"))
	if err != nil {
		t.Fatal(err)
	}
	keys := append([]string{}, harmless...)
	for _, a := range architectures {
		keys = append(keys, a.harmless...)
	}
	for _, key := range keys {
		if !strings.Contains(string(text), "`"+key+"`") {
			t.Errorf("docs/models.md does not say that %s is ignored", key)
		}
	}
}

// What changes nothing is let pass.
func TestParseConfigHarmless(t *testing.T) {
	for _, tt := range [][2]string{
		{"partial_rotary_factor", "1.0"}, {"rope_scaling", `{ "rope_type": "default" }`}, {"rope_scaling", `{}`}, {"sliding_window", "4096"}, {"num_experts", "null"},
		{"is_decoder", "false"}, {"logit_scale", "null"}, {"torch_dtype", `"bfloat16"`}, {"eos_token_id", "[1, 2]"}, {"transformers_version", `"4.51.0"`},
		{"layer_types", "null"}, {"tokenizer_class", `"Qwen2Tokenizer"`}, {"id2label", `{"0": "LABEL_0"}`}, {"do_sample", "true"}, {"auto_map", `{"AutoModel": "x.y"}`},
		{"use_sliding_window", "true"}, // of null rows
	} {
		if c, err := ParseConfig(edited(t, tt[0], tt[1])); err != nil || c != goodShape {
			t.Errorf("%s: %s gives %+v, %v", tt[0], tt[1], c, err)
		}
	}
	// What transformers assumes of a Qwen3 that does not say.
	c, err := ParseConfig([]byte(`{"model_type": "qwen3", "num_key_value_heads": 2, ` + sizes + `}`))
	want := Config{Hidden: 8, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 128, FFN: 12, Vocab: 20, Theta: 1e4, NormEps: 1e-6, MaxTokens: 32768}
	if err != nil || c != want {
		t.Errorf("%+v, %v, want %+v", c, err, want)
	}
}

const sizes = `"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 12, "vocab_size": 20`

// What transformers assumes of each architecture that does not say.
func TestParseConfigDefaults(t *testing.T) {
	llama := Config{Architecture: "llama", Hidden: 8, Layers: 2, Heads: 4, KVHeads: 4, HeadDim: 2, FFN: 12, Vocab: 20, Theta: 1e4, NormEps: 1e-6, MaxTokens: 2048, PlainHeads: true}
	mistral, qwen2 := llama, llama
	mistral.Architecture, mistral.MaxTokens = "mistral", 4096
	qwen2.Architecture, qwen2.MaxTokens, qwen2.QKVBias = "qwen2", 32768, true
	biased := llama
	biased.QKVBias, biased.OutputBias, biased.FFNBias = true, true, true
	gpt2 := Config{Architecture: "gpt2", Hidden: 8, Layers: 2, Heads: 4, KVHeads: 4, HeadDim: 2, FFN: 32, Vocab: 50257, Tied: true, Theta: 1e4, NormEps: 1e-5, MaxTokens: 1024,
		LayerNorm: true, PlainHeads: true, Learned: true, QKVBias: true, OutputBias: true, FFNBias: true, FusedQKV: true, Activation: "gelu_new"}
	exact := gpt2
	exact.Activation = "gelu"
	for _, tt := range []struct {
		text string
		want Config
	}{
		{`{"model_type": "llama", ` + sizes + `}`, llama},
		{`{"model_type": "llama", "num_key_value_heads": null, "head_dim": null, ` + sizes + `}`, llama},
		{`{"model_type": "llama", "attention_bias": true, "mlp_bias": true, ` + sizes + `}`, biased},
		{`{"model_type": "mistral", "max_position_embeddings": 4096, "num_key_value_heads": null, ` + sizes + `}`, mistral},
		{`{"model_type": "mistral", "max_position_embeddings": 4096, "num_key_value_heads": 4, "sliding_window": null, ` + sizes + `}`, mistral},
		{`{"model_type": "qwen2", "num_key_value_heads": 4, ` + sizes + `}`, qwen2},
		{`{"model_type": "gpt2", "n_embd": 8, "n_layer": 2, "n_head": 4, "n_inner": null, "reorder_and_upcast_attn": true}`, gpt2},
		{`{"model_type": "gpt2", "n_embd": 8, "n_layer": 2, "n_head": 4, "activation_function": "gelu_pytorch_tanh"}`, gpt2},
		{`{"model_type": "gpt2", "n_embd": 8, "n_layer": 2, "n_head": 4, "activation_function": "gelu"}`, exact},
	} {
		c, err := ParseConfig([]byte(tt.text))
		if err != nil || c != tt.want {
			t.Errorf("%s: %+v, %v, want %+v", tt.text, c, err, tt.want)
		}
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
	}
}

// So is what an architecture refuses.
func TestParseConfigRefusesOfFamilies(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`{"model_type": "llama", "hidden_act": "gelu", ` + sizes + `}`, `hidden_act is "gelu"; only "silu" is supported`},
		{`{"model_type": "llama", "sliding_window": 5, ` + sizes + `}`, "sliding_window is 5, a setting that is not known here"},
		{`{"model_type": "mistral", ` + sizes + `}`, "sliding_window is 4096, which is not implemented; a max_position_embeddings of no more (it is 131072) makes it needless"},
		{`{"model_type": "mistral", "max_position_embeddings": 10, "sliding_window": 9, ` + sizes + `}`, "sliding_window is 9, which is not implemented"},
		{`{"model_type": "mistral", "attention_bias": true, ` + sizes + `}`, "attention_bias is true; only false is supported"},
		{`{"model_type": "qwen2", "use_sliding_window": true, "max_window_layers": 1, ` + sizes + `}`, "sliding_window is 4096, which is not implemented"},
		{`{"model_type": "gpt2", "n_embd": 9, "n_layer": 2, "n_head": 4}`, "n_embd is 9, not a multiple of n_head (4)"},
		{`{"model_type": "gpt2", "n_embd": 8, "n_layer": 2, "n_head": 0}`, "num_attention_heads is 0; it must be at least 1"},
		{`{"model_type": "gpt2", "n_embd": 8, "n_layer": 2, "n_head": 4, "activation_function": "relu"}`, `activation_function is "relu"; only "gelu" and "gelu_new" are supported`},
		{`{"model_type": "gpt2", "n_embd": 8, "n_layer": 2, "n_head": 4, "scale_attn_by_inverse_layer_idx": true}`, "scale_attn_by_inverse_layer_idx is true; only false is supported"},
		{`{"model_type": "gpt2", "n_embd": 8, "n_layer": 2, "n_head": 4, "rope_theta": 5}`, "rope_theta is 5, a setting that is not known here"},
	} {
		if _, err := ParseConfig([]byte(tt.text)); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.text, err, tt.want)
		}
	}
}

// The rotary settings, wherever they are and however old.
func TestParseRope(t *testing.T) {
	yarn := Rope{Type: "yarn", Factor: 4, Positions: 16, BetaFast: 32, BetaSlow: 1}
	with := func(f func(*Rope)) Rope { r := yarn; f(&r); return r }
	for _, tt := range []struct {
		text  string
		theta float64
		want  Rope
	}{
		{`"rope_theta": 10000, "rope_parameters": {"rope_type": "default", "rope_theta": 500}`, 500, Rope{}}, // the former is a default left over
		{`"rope_theta": 7, "rope_parameters": {"rope_theta": 8}, "rope_scaling": {"type": "linear", "factor": 2}`, 7, Rope{Type: "linear", Factor: 2}},
		{`"rope_theta": 7, "rope_parameters": {"rope_theta": 8}, "rope_scaling": null`, 8, Rope{}},
		{`"rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 16}`, 1e4, yarn},
		{`"rope_scaling": {"type": "x", "rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 16, "beta_fast": 0}`, 1e4, yarn},
		{`"original_max_position_embeddings": 16, "rope_scaling": {"type": "yarn", "factor": null, "original_max_position_embeddings": 64}`, 1e4, yarn},
		{`"rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 16, "attention_factor": 1.5, "beta_slow": 2, "truncate": false}`, 1e4,
			with(func(r *Rope) { r.Attention, r.BetaSlow, r.Exact = 1.5, 2, true })},
		{`"rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 16, "truncate": null}`, 1e4,
			with(func(r *Rope) { r.Exact = true })},
		{`"rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 16, "mscale": 0.5, "mscale_all_dim": 0.25}`, 1e4,
			with(func(r *Rope) { r.Attention = (0.1*0.5*math.Log(4) + 1) / (0.1*0.25*math.Log(4) + 1) })},
		{`"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}`, 1e4,
			Rope{Type: "llama3", Factor: 8, Positions: 64, LowFreq: 1, HighFreq: 4}},
		{`"rope_parameters": {"rope_type": "factors", "factors": [1, 2.5, 1e-3]}`, 1e4, Rope{Type: "factors", Factors: "1,2.5,0.001"}},
		{`"rope_scaling": {"type": "longrope", "short_factor": [1, 2, 3], "long_factor": [1, 2, 3], "original_max_position_embeddings": 16}`, 1e4,
			Rope{Type: "factors", Factors: "1,2,3", Attention: math.Sqrt(1 + math.Log(4)/math.Log(16))}},
	} {
		text := `{"model_type": "llama", "head_dim": 6, "max_position_embeddings": 64, ` + sizes + `, ` + tt.text + `}`
		c, err := ParseConfig([]byte(text))
		if err != nil || c.Theta != tt.theta || c.Rope != tt.want {
			t.Errorf("%s: theta %g, %+v, %v; want %g, %+v", tt.text, c.Theta, c.Rope, err, tt.theta, tt.want)
		}
		if again, err := ParseConfig(c.JSON("float32", 1, 2)); err != nil || again != c {
			t.Errorf("%s: %+v becomes %+v, %v", tt.text, c, again, err)
		}
	}
}

// An attention_factor of 0 is not a missing one: to transformers it makes all tokens alike.
func TestParseRopeAttention(t *testing.T) {
	for _, kind := range []string{
		`"rope_type": "yarn", "factor": 4`, `"rope_type": "longrope", "short_factor": [1, 2, 3], "long_factor": [1, 2, 3]`, `"rope_type": "factors", "factors": [1, 2, 3]`,
	} {
		for value, want := range map[string]string{
			"0": "attention_factor is 0; expected a positive number", "-1.5": "attention_factor is -1.5; expected a positive number",
			`"x"`: `attention_factor is "x"; expected a number`, "null": "", "1.5": "",
		} {
			text := `{"model_type": "llama", "head_dim": 6, ` + sizes + `, "rope_scaling": {` + kind + `, "attention_factor": ` + value + `}}`
			if _, err := ParseConfig([]byte(text)); want == "" && err != nil || want != "" && (err == nil || err.Error() != "rope_scaling: "+want) {
				t.Errorf("%s: %v, want %q", text, err, want)
			}
		}
	}
}

// A shape that the config.json of its architecture cannot say is refused, with the setting.
func TestConfigCheck(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"": func(c *Config) {},
		"a model of architecture qwen3 cannot have output_bias false; it has true": func(c *Config) { c.QKVBias = true },
		"a model of architecture qwen2 cannot have plain_heads false; it has true": func(c *Config) { c.Architecture, c.QKVBias = "qwen2", true },
		"a model of architecture qwen3 cannot have activation gelu; it has ":       func(c *Config) { c.Activation = "gelu" },
		`architecture is "bert"; expected gpt2, llama, mistral, qwen2 or qwen3`:    func(c *Config) { c.Architecture = "bert" },
		`activation is "relu"; expected gelu, gelu_new or none (SwiGLU)`:           func(c *Config) { c.Activation = "relu" },
		`rope type is "dynamic"; expected linear, llama3, yarn or factors`:         func(c *Config) { c.Rope.Type = "dynamic" },
		"factor of rope type linear is 0; expected a positive number":              func(c *Config) { c.Rope.Type = "linear" },
		"rope type factors makes frequency 1 of a head +Inf":                       func(c *Config) { c.Rope = Rope{Type: "factors", Factors: "1,x,1"} },
		"rope_theta is +Inf and the norms' epsilon 1e-05; they must be positive":   func(c *Config) { c.Theta = math.Inf(1) },
	} {
		c := goodShape
		change(&c)
		err := c.Check()
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
	c := goodShape
	c.Architecture = "qwen3"
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

// FuzzParseConfig: any config.json is a shape that can be written and read again,
// or an error of one line.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(goodConfig))
	f.Add([]byte(`{"model_type":"qwen3","rope_parameters":{"rope_type":"default","rope_theta":1e6},"layer_types":["x"],"rope_scaling":{"type":"yarn"}}`))
	f.Add(goodShape.JSON("float32", 1, 2))
	f.Add([]byte(`{"model_type":"gpt2","n_embd":8,"n_layer":2,"n_head":4,"n_inner":null,"activation_function":"gelu"}`))
	f.Add([]byte(`{"model_type":"mistral","sliding_window":null,"rope_scaling":{"type":"yarn","factor":2,"mscale":1,"truncate":false},` + sizes + `}`))
	f.Add([]byte(`{"model_type":"llama","attention_bias":true,"rope_scaling":{"rope_type":"longrope","short_factor":[2],"long_factor":[2]},` + sizes + `}`))
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
