package cli_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/half"
	"nfcot/internal/tensor"
	"nfcot/internal/tokenizer"
	"nfcot/internal/transformer"
)

// randomModel writes a folder in Hugging Face's layout with a tiny model of random
// bfloat16 weights, whose tokenizer has none of our special tokens but the one that
// ends a text: random-model DIR [ARCHITECTURE]
func randomModel(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: random-model DIR [ARCHITECTURE]")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.Mkdir(dir, 0o755))
	tok, err := tokenizer.Train(slices.Values([]string{"def f(x):", "    return x"}), 262, []string{"<|endoftext|>"})
	ts.Check(err)
	words, err := tok.JSON()
	ts.Check(err)
	c := transformer.Config{Hidden: 32, Layers: 2, Heads: 2, KVHeads: 1, HeadDim: 16, FFN: 48, Vocab: tok.VocabSize() + 1, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 2048}
	if len(args) == 2 {
		c, err = transformer.ParseConfig([]byte(architectures[args[1]]))
		ts.Check(err)
		c.Vocab = tok.VocabSize() + 1
	}
	p := tensor.NewParams(7)
	transformer.NewLM(p, c)
	var tensors []ckpt.Tensor
	for q := range p.All() {
		name, shape, numbers := c.Stored(q)
		bits := make([]uint16, len(numbers))
		for i, v := range numbers {
			bits[i] = half.ToBF16(v)
		}
		tensors = append(tensors, ckpt.Tensor{Name: name, Shape: shape, Data: bits})
	}
	ts.Check(ckpt.Write(filepath.Join(dir, "model.safetensors"), tensors, nil))
	ts.Check(os.WriteFile(filepath.Join(dir, "tokenizer.json"), words, 0o644))
	ts.Check(os.WriteFile(filepath.Join(dir, "config.json"), c.JSON("bfloat16", 0, 0), 0o644))
}

// architectures are shapes of random models, as their config.json has them.
var architectures = map[string]string{
	"gpt2":    `{"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 512, "vocab_size": 1}`,
	"llama":   `{"model_type": "llama", "max_position_embeddings": 512, "tie_word_embeddings": false, "rope_scaling": {"rope_type": "llama3", "factor": 4, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 128}, ` + llamaSizes,
	"mistral": `{"model_type": "mistral", "max_position_embeddings": 512, "sliding_window": null, ` + llamaSizes,
	"qwen2":   `{"model_type": "qwen2", "max_position_embeddings": 512, "tie_word_embeddings": true, ` + llamaSizes,
}

const llamaSizes = `"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 48, "vocab_size": 1}`

// sameTensors wants the tensors of two folders whose names begin with one of the
// prefixes to have the very same values: same-tensors DIR DIR PREFIX...
func sameTensors(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: same-tensors DIR DIR PREFIX...")
	}
	a, err := ckpt.OpenModel(ts.MkAbs(args[0]))
	ts.Check(err)
	defer a.Close()
	b, err := ckpt.OpenModel(ts.MkAbs(args[1]))
	ts.Check(err)
	defer b.Close()
	for _, prefix := range args[2:] {
		n := 0
		for _, name := range b.Names() {
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			n++
			x, _, err := a.Float32(name)
			ts.Check(err)
			y, _, err := b.Float32(name)
			ts.Check(err)
			if !slices.Equal(x, y) {
				ts.Fatalf("tensor %s differs", name)
			}
		}
		if n == 0 {
			ts.Fatalf("no tensor begins with %s", prefix)
		}
	}
}
