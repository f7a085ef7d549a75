package gguf

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/ckpt"
	"nfcot/internal/shared"
)

// tinyModel is a llama of one layer with 2 heads of 4 numbers and one key head; the numbers of a tensor count up.
func tinyModel() (metadata map[string]any, shapes map[string][]int) {
	return map[string]any{
			"general.architecture": "llama", "llama.block_count": uint32(1), "llama.context_length": uint32(16),
			"llama.embedding_length": uint32(8), "llama.feed_forward_length": uint32(6), "llama.attention.head_count": uint32(2),
			"llama.attention.head_count_kv": uint32(1), "llama.attention.layer_norm_rms_epsilon": float32(1e-5),
			"tokenizer.ggml.tokens": []string{"a", "b", "c"},
		}, map[string][]int{
			"token_embd.weight": {3, 8}, "output_norm.weight": {8}, "blk.0.attn_norm.weight": {8}, "blk.0.ffn_norm.weight": {8},
			"blk.0.attn_q.weight": {8, 8}, "blk.0.attn_k.weight": {4, 8}, "blk.0.attn_v.weight": {4, 8}, "blk.0.attn_output.weight": {8, 8},
			"blk.0.ffn_gate.weight": {6, 8}, "blk.0.ffn_up.weight": {6, 8}, "blk.0.ffn_down.weight": {8, 6},
		}
}

func openTiny(t *testing.T, metadata map[string]any, shapes map[string][]int) (*Model, error) {
	t.Helper()
	var f testFile
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		f.metadata = append(f.metadata, key, metadata[key])
	}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		n := 1
		for _, size := range shapes[name] {
			n *= size
		}
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(i)
		}
		f.tensors = append(f.tensors, testTensor{name, shapes[name], F32, floats(values...)})
	}
	m, err := OpenModel(f.write(t, filepath.Join(t.TempDir(), "x.gguf")))
	if err == nil {
		t.Cleanup(func() { m.Close() })
	}
	return m, err
}

// setting is a key of the config.json as JSON.
func setting(t *testing.T, m *Model, key string) string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(m.ConfigJSON(), &all); err != nil {
		t.Fatal(err)
	}
	return string(all[key])
}

// Rows of queries and keys come in the order of transformers, each head by itself; everything else is as it is.
func TestModelRows(t *testing.T) {
	metadata, shapes := tinyModel()
	shapes["blk.0.attn_q.bias"], shapes["blk.0.attn_k.bias"], shapes["blk.0.attn_v.bias"], shapes["blk.0.attn_output.bias"] = []int{8}, []int{4}, []int{4}, []int{8}
	m, err := openTiny(t, metadata, shapes)
	if err != nil {
		t.Fatal(err)
	}
	oneHead := []int{0, 2, 1, 3}
	for name, rows := range map[string][]int{
		"q_proj": {0, 2, 1, 3, 4, 6, 5, 7}, "k_proj": oneHead, "v_proj": {0, 1, 2, 3}, "o_proj": {0, 1, 2, 3, 4, 5, 6, 7},
	} {
		for suffix, columns := range map[string]int{"weight": 8, "bias": 1} {
			name := fmt.Sprintf("model.layers.0.self_attn.%s.%s", name, suffix)
			want := make([]float32, len(rows)*columns)
			for i := range want {
				want[i] = float32(rows[i/columns]*columns + i%columns)
			}
			for from := range want {
				part := make([]float32, min(11, len(want)-from))
				if err := m.Weights(part, name, from); err != nil || !slices.Equal(part, want[from:from+len(part)]) {
					t.Errorf("%s from %d: %v (%v), want %v", name, from, part, err, want[from:])
				}
			}
		}
	}
	if _, err := m.Shape("blk.0.attn_q.weight"); err == nil {
		t.Error("a tensor is there by its name in the file")
	}
	if got := setting(t, m, "attention_bias") + setting(t, m, "mlp_bias") + setting(t, m, "tie_word_embeddings") + setting(t, m, "rms_norm_eps"); got != "truefalsetrue0.00001" {
		t.Errorf("the settings are %s", got)
	}
}

// What rotary scaling the metadata speaks of.
func TestModelRope(t *testing.T) {
	for _, tt := range []struct {
		change map[string]any
		want   string
	}{
		{nil, `{"rope_theta":10000,"rope_type":"default"}`},
		{map[string]any{"rope.freq_base": float32(5e5), "rope.scaling.type": "none", "rope.scaling.factor": float32(4)}, `{"rope_theta":500000,"rope_type":"default"}`},
		{map[string]any{"rope.scaling.type": "linear", "rope.scaling.factor": float32(2.5)}, `{"factor":2.5,"rope_theta":10000,"rope_type":"linear"}`},
		{map[string]any{"rope.scale_linear": float32(2)}, `{"factor":2,"rope_theta":10000,"rope_type":"linear"}`},
		{map[string]any{"rope.scaling.type": "yarn", "rope.scaling.factor": float32(4), "rope.scaling.original_context_length": uint32(4)},
			`{"factor":4,"original_max_position_embeddings":4,"rope_theta":10000,"rope_type":"yarn"}`},
		{map[string]any{"rope.scaling.type": "yarn", "rope.scaling.factor": float32(4), "rope.scaling.yarn_beta_fast": float32(16), "rope.scaling.yarn_attn_factor": float32(0.5)},
			`{"attention_factor":0.5693147180559945,"beta_fast":16,"factor":4,"original_max_position_embeddings":16,"rope_theta":10000,"rope_type":"yarn"}`},
	} {
		metadata, shapes := tinyModel()
		for key, v := range tt.change {
			metadata["llama."+key] = v
		}
		m, err := openTiny(t, metadata, shapes)
		if err != nil {
			t.Errorf("%v: %v", tt.change, err)
		} else if got := setting(t, m, "rope_parameters"); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.change, got, tt.want)
		}
	}
}

// A model that is not whole, or more than we compute, is refused with the name of what is wrong.
func TestModelRefuses(t *testing.T) {
	for _, tt := range []struct {
		key  string // of the metadata, or a tensor
		to   any    // its new value or shape; nil: it is taken away
		want string
	}{
		{"general.architecture", nil, `has no metadata "general.architecture"; expected a string`},
		{"general.architecture", uint32(3), `metadata "general.architecture" is a value of type uint32; expected a string`},
		{"general.architecture", "mamba", `architecture "mamba" is not supported; expected one of ["gpt2" "llama" "qwen2" "qwen3"]`},
		{"llama.block_count", nil, `has no metadata "llama.block_count"`},
		{"llama.block_count", "1", `metadata "llama.block_count" is a value of type string`},
		{"llama.block_count", uint32(2), `has no tensor "blk.1.attn_norm.weight"`},
		{"llama.attention.head_count", uint32(0), `metadata "llama.attention.head_count" is 0; expected 1 to`},
		{"llama.attention.head_count", []int32{2}, `metadata "llama.attention.head_count" is an array of 1 values`},
		{"llama.attention.head_count", uint32(3), `metadata "llama.embedding_length" is 8; expected a multiple of "llama.attention.head_count", which is 3`},
		{"llama.attention.head_count_kv", uint32(3), `metadata "llama.attention.head_count" is 2; expected a multiple of "llama.attention.head_count_kv", which is 3`},
		{"llama.attention.head_count_kv", nil, `tensor "blk.0.attn_k.weight": has shape [4 8]; expected [8 8]`},
		{"llama.attention.value_length", uint32(2), `metadata "llama.attention.value_length" is 2; only the size of a head, 4, is supported`},
		{"llama.rope.dimension_count", uint32(2), `metadata "llama.rope.dimension_count" is 2; only`},
		{"llama.attention.layer_norm_rms_epsilon", nil, `has no metadata "llama.attention.layer_norm_rms_epsilon"; expected a float32`},
		{"llama.rope.scaling.type", "longrope", `metadata "llama.rope.scaling.type" is "longrope" with a factor of 1`},
		{"llama.rope.scaling.attn_factor", float32(2), `metadata "llama.rope.scaling.attn_factor" is 2, which is supported with yarn alone`},
		{"llama.expert_count", uint32(8), `metadata "llama.expert_count" is 8, which is not supported; expected 0`},
		{"llama.attention.sliding_window", uint32(8), `metadata "llama.attention.sliding_window" is 8, which is not supported`},
		{"llama.final_logit_softcapping", float32(30), `metadata "llama.final_logit_softcapping" is 30, which is not supported`},
		{"llama.head_count", uint32(8), `metadata "llama.head_count" is not known here`},
		{"tokenizer.ggml.tokens", []string{"a", "b"}, `metadata "tokenizer.ggml.tokens" has 2 tokens; expected 3`},
		{"tokenizer.ggml.tokens", nil, `has no metadata "tokenizer.ggml.tokens"`},
		{"token_embd.weight", nil, `has no tensor "token_embd.weight"`},
		{"blk.0.ffn_up.weight", nil, `has no tensor "blk.0.ffn_up.weight"`},
		{"blk.0.attn_q.weight", []int{4, 8}, `tensor "blk.0.attn_q.weight": has shape [4 8]; expected [8 8]`},
		{"blk.0.extra.weight", []int{4}, `tensor "blk.0.extra.weight": a model of architecture "llama" with its metadata has none of this name`},
		{"blk.0.attn_q.bias", []int{8}, `has no tensor "blk.0.attn_k.bias"`},
		{ropeFactors, []int{3}, `tensor "rope_freqs.weight": has shape [3]; expected [2]`},
	} {
		metadata, shapes := tinyModel()
		shape, isTensor := tt.to.([]int)
		_, was := shapes[tt.key]
		switch {
		case isTensor:
			shapes[tt.key] = shape
		case was:
			delete(shapes, tt.key)
		case tt.to == nil:
			delete(metadata, tt.key)
		default:
			metadata[tt.key] = tt.to
		}
		_, err := openTiny(t, metadata, shapes)
		if err == nil || !strings.Contains(err.Error(), "x.gguf: "+tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s %v: got %v, want %q", tt.key, tt.to, err, tt.want)
		}
	}
}

// Rotary factors come through; the tensor is none of the model's.
func TestModelRopeFactors(t *testing.T) {
	metadata, shapes := tinyModel()
	shapes[ropeFactors] = []int{2}
	m, err := openTiny(t, metadata, shapes)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := setting(t, m, "rope_parameters"), `"factors":[0,1]`; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s in it", got, want)
	}
}

// All the golden models open, and every number of theirs can be read.
func TestGoldenModels(t *testing.T) {
	paths, err := filepath.Glob(golden(t, "models", "*.gguf"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no models: %v", err)
	}
	for _, path := range paths {
		m, err := OpenModel(path)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, name := range m.Names() {
			shape, err := m.Shape(name)
			n := 1
			for _, size := range shape {
				n *= size
			}
			if err == nil {
				err = m.Weights(make([]float32, n), name, 0)
			}
			if err != nil {
				t.Error(err)
			}
		}
		m.Close()
	}
}

// GPT-2 comes back from a file as llama.cpp's converter lays it out: matrices with a row for each output.
func TestModelGPT2(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join(shared.Goldens(t), "models", "gpt2*", "config.json"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no models: %v", err)
	}
	for _, config := range folders {
		text, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Hidden    int     `json:"n_embd"`
			Layers    int     `json:"n_layer"`
			Heads     int     `json:"n_head"`
			FFN       *int    `json:"n_inner"`
			Positions int     `json:"n_positions"`
			Vocab     int     `json:"vocab_size"`
			Epsilon   float32 `json:"layer_norm_epsilon"`
			Tied      bool    `json:"tie_word_embeddings"`
		}
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatal(err)
		}
		if c.FFN == nil {
			c.FFN = new(int)
			*c.FFN = 4 * c.Hidden
		}
		theirs, err := ckpt.OpenModel(filepath.Dir(config))
		if err != nil {
			t.Fatal(err)
		}
		defer theirs.Close()
		tokens := make([]string, c.Vocab)
		for i := range tokens {
			tokens[i] = fmt.Sprint(i)
		}
		f := testFile{metadata: []any{"general.architecture", "gpt2", "gpt2.block_count", uint32(c.Layers), "gpt2.context_length", uint32(c.Positions),
			"gpt2.embedding_length", uint32(c.Hidden), "gpt2.feed_forward_length", uint32(*c.FFN), "gpt2.attention.head_count", uint32(c.Heads),
			"gpt2.attention.layer_norm_epsilon", c.Epsilon, "tokenizer.ggml.tokens", tokens}}
		for _, name := range theirs.Names() {
			if name != "lm_head.weight" || !c.Tied {
				f.tensors = append(f.tensors, converted(t, theirs, name))
			}
		}
		m, err := OpenModel(f.write(t, filepath.Join(t.TempDir(), "x.gguf")))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		for _, name := range m.Names() {
			want, shape, err := theirs.Float32(name)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float32, len(want))
			ours, err := m.Shape(name)
			if err == nil {
				err = m.Weights(got, name, 0)
			}
			if err != nil || !slices.Equal(ours, shape) || !slices.Equal(got, want) {
				t.Errorf("%s: %s of shape %v differs from that of shape %v: %v", config, name, ours, shape, err)
			}
		}
		if got := setting(t, m, "n_inner") + setting(t, m, "n_head") + setting(t, m, "model_type"); got != fmt.Sprintf(`%d%d"gpt2"`, *c.FFN, c.Heads) {
			t.Errorf("the settings are %s", got)
		}
	}
}

// converted is a tensor of GPT-2 as llama.cpp's converter writes it.
func converted(t *testing.T, from *ckpt.File, name string) testTensor {
	t.Helper()
	x, shape, err := from.Float32(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(shape) == 2 && strings.Contains(name, ".h.") {
		turned := make([]float32, len(x))
		for i, v := range x {
			turned[i%shape[1]*shape[0]+i/shape[1]] = v
		}
		x, shape = turned, []int{shape[1], shape[0]}
	}
	return testTensor{strings.NewReplacer("transformer.h.", "blk.", "transformer.wte", "token_embd", "transformer.wpe", "position_embd",
		"transformer.ln_f", "output_norm", "lm_head", "output", ".ln_1", ".attn_norm", ".ln_2", ".ffn_norm", ".attn.c_attn", ".attn_qkv",
		".attn.c_proj", ".attn_output", ".mlp.c_fc", ".ffn_up", ".mlp.c_proj", ".ffn_down").Replace(name), shape, F32, floats(x...)}
}
