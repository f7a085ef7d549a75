package transformer

import (
	"fmt"
	"math"
	"reflect"
	"strings"
)

// Config is the shape of a language model. What follows the sizes says what its
// blocks have; left at zero, that is a block of Qwen3.
type Config struct {
	Architecture string  `yaml:"architecture,omitempty"` // of Hugging Face's models, whose config.json and names of tensors it has: a model_type; "" is qwen3
	Hidden       int     `yaml:"hidden"`
	Layers       int     `yaml:"layers"`
	Heads        int     `yaml:"heads"`
	KVHeads      int     `yaml:"kv_heads"`
	HeadDim      int     `yaml:"head_dim"`
	FFN          int     `yaml:"ffn"` // width of the feed-forward layer
	Vocab        int     `yaml:"vocab"`
	Tied         bool    `yaml:"tied"`       // logits use the embedding table
	Theta        float64 `yaml:"rope_theta"` // base of the rotary angles
	NormEps      float64 `yaml:"norm_eps"`   // inside the root of the norms
	MaxTokens    int     `yaml:"positions"`  // prompt and answer together

	LayerNorm  bool   `yaml:"layer_norm,omitempty"`        // norms are LayerNorm, with biases, in place of RMSNorm
	PlainHeads bool   `yaml:"plain_heads,omitempty"`       // queries and keys have no norms
	Learned    bool   `yaml:"learned_positions,omitempty"` // a table of vectors that are added to the input, in place of rotary embeddings
	QKVBias    bool   `yaml:"qkv_bias,omitempty"`          // queries, keys and values have biases
	OutputBias bool   `yaml:"output_bias,omitempty"`       // so has the projection after them
	FFNBias    bool   `yaml:"ffn_bias,omitempty"`          // and so have those of the feed-forward layer
	FusedQKV   bool   `yaml:"fused_qkv,omitempty"`         // queries, keys and values are one parameter
	Activation string `yaml:"activation,omitempty"`        // of the feed-forward layer: "" is SwiGLU; gelu and gelu_new have no gate
	Rope       Rope   `yaml:"rope,omitempty"`              // how rotary angles are scaled
}

// Check says what is wrong with the shape, if anything is. A shape that the
// config.json of its architecture cannot describe is wrong.
func (c Config) Check() error {
	if err := c.check(); err != nil {
		return err
	}
	said, err := ParseConfig(c.JSON("float32", 0, 0))
	if err != nil {
		return err
	}
	said.Architecture = c.Architecture // "" or qwen3
	got, want := reflect.ValueOf(said), reflect.ValueOf(c)
	for i, field := range reflect.VisibleFields(got.Type()) {
		if !got.Field(i).Equal(want.Field(i)) {
			name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			return fmt.Errorf("a model of architecture %s cannot have %s %v; it has %v", c.architecture().name, name, want.Field(i), got.Field(i))
		}
	}
	return nil
}

func (c Config) check() error {
	if architectures[c.Architecture] == nil {
		return fmt.Errorf("architecture is %.40q; expected %s", c.Architecture, architectureNames())
	}
	// No model has as much as most says: what a damaged file says, or a slip of the hand, must
	// not ask for absurd amounts of memory, nor for more than 64 bits can count.
	for _, f := range []struct {
		name    string
		n, most int
	}{
		{"hidden_size", c.Hidden, 1 << 20}, {"num_hidden_layers", c.Layers, 1 << 12}, {"num_attention_heads", c.Heads, 1 << 10},
		{"num_key_value_heads", c.KVHeads, 1 << 10}, {"head_dim", c.HeadDim, 1 << 16}, {"intermediate_size", c.FFN, 1 << 22},
		{"vocab_size", c.Vocab, 1 << 24}, {"max_position_embeddings", c.MaxTokens, 1 << 30},
	} {
		switch {
		case f.n < 1:
			return fmt.Errorf("%s is %d; it must be at least 1", f.name, f.n)
		case f.n > f.most:
			return fmt.Errorf("%s is %d; it must be at most %d", f.name, f.n, f.most)
		}
	}
	switch {
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("num_attention_heads is %d, not a multiple of num_key_value_heads (%d)", c.Heads, c.KVHeads)
	case !c.Learned && c.HeadDim%2 != 0:
		return fmt.Errorf("head_dim is %d; rotary embeddings need an even number", c.HeadDim)
	case !(c.Theta > 0) || math.IsInf(c.Theta, 0) || !(c.NormEps >= 0) || math.IsInf(c.NormEps, 0):
		return fmt.Errorf("rope_theta is %g and the norms' epsilon %g; they must be positive", c.Theta, c.NormEps)
	case c.Activation != "" && c.Activation != "gelu" && c.Activation != "gelu_new":
		return fmt.Errorf("activation is %.40q; expected gelu, gelu_new or none (SwiGLU)", c.Activation)
	}
	return c.Rope.check(c)
}

// gated says whether the feed-forward layer has a gate.
func (c Config) gated() bool { return c.Activation == "" }

// Multiplications per row in the weights of the blocks.
func (c Config) blockWeights() float64 {
	attn := (2*c.Heads + 2*c.KVHeads) * c.HeadDim * c.Hidden
	matrices := 2 // up and down
	if c.gated() {
		matrices = 3
	}
	return float64(c.Layers) * float64(attn+matrices*c.Hidden*c.FFN)
}

// FLOPs counts the floating-point operations of the forward pass of rows that
// see, all together, seen rows, and of which logits are scored against the
// vocabulary: two for each multiplication in a weight or in attention.
func (c Config) FLOPs(rows, seen, logits int) float64 {
	attention := float64(seen) * float64(2*c.Heads*c.HeadDim*c.Layers)
	return 2 * (float64(rows)*c.blockWeights() + attention + float64(logits)*float64(c.Hidden*c.Vocab))
}
