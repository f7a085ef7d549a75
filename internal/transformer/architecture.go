package transformer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nfcot/internal/ckpt/jsontext"
)

// An architecture is a kind of language model as Hugging Face's transformers has it: what
// its config.json says, and what its tensors are called.
type architecture struct {
	name  string // model_type
	class string // in architectures
	base  Config // what all its models have, and what transformers assumes of keys that are missing

	keys     func(r *reading) map[string]any // where keys of config.json are read to
	nullable []string                        // of keys: those that may be null
	settings map[string][]string             // further keys, with the values that are implemented; a missing one has the first
	harmless []string                        // further keys that change nothing of what is computed
	finish   func(r *reading) error          // what follows from several keys
	write    func(c Config) []setting        // the keys, to be read again

	prefix  string       // of names of tensors that checkpoints of the trunk alone lack
	layers  string       // where the blocks are
	tensors []tensorName // names that differ from ours
	ignored []string     // ends of names of tensors that old versions stored and that are no parameters
	modules []string     // LoRA's targets: the matrices of a block
}

// architectures are those that are known, by model_type.
var architectures = map[string]*architecture{}

func init() {
	for _, f := range []*architecture{llama(), mistral(), qwen2(), qwen3(), gpt2()} {
		architectures[f.name] = f
	}
	architectures[""] = architectures["qwen3"]
}

// architecture is c's.
func (c Config) architecture() *architecture { return architectures[c.Architecture] }

// architectureNames lists the architectures, for errors.
func architectureNames() string {
	names := slices.Sorted(maps.Keys(architectures))[1:]
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// A setting is a key of a config.json with its value.
type setting struct {
	key   string
	value any
}

// A reading is a config.json under way: the shape, and what says more about it.
type reading struct {
	Config
	kvHeads, headDim *int // nil: not said
	attentionBias    bool // of queries, keys, values and the projection after them

	window     *int     // rows that a layer sees, itself among them; nil: all
	useWindow  bool     // whether window counts
	fullLayers int      // the first ones, without a window
	layerTypes []string // or what each layer says of itself
}

// settings of all architectures: see architecture.
var settings = map[string][]string{
	"partial_rotary_factor": {"1", "1.0", "null"},
	"num_experts":           {"0", "null"},
	"num_local_experts":     {"0", "null"},
	"quantization_config":   {"null"},
	"is_encoder_decoder":    {"false"},
	"add_cross_attention":   {"false"},
	"rope_interleaved":      {"false"},
	"pruned_heads":          {"{}", "null"},
}

// harmless are keys that change nothing of what is computed here: they are about
// training, sampling, other programs, or which tokens mean what. docs/models.md lists them.
var harmless = []string{
	"_attn_implementation", "_attn_implementation_autoset", "_attn_implementation_internal", "_commit_hash", "_flash_attn_2_enabled", "_name_or_path",
	"add_bos_token", "add_eos_token", "architectures", "attention_dropout", "attention_probs_dropout_prob", "attn_implementation", "attn_pdrop",
	"auto_map", "bad_words_ids", "base_model_tp_plan", "begin_suppress_tokens", "bos_token_id", "chunk_size_feed_forward", "classifier_dropout",
	"cls_token_id", "decoder_start_token_id", "diversity_penalty", "do_sample", "dropout", "dtype", "early_stopping", "embd_pdrop",
	"encoder_no_repeat_ngram_size", "eos_token_id", "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id", "forced_eos_token_id",
	"generation_config", "gradient_checkpointing", "hidden_dropout", "hidden_dropout_prob", "id2label", "initializer_range", "is_decoder",
	"is_llama_config", "keys_to_ignore_at_inference", "label2id", "language", "length_penalty", "license", "logits_to_keep", "mask_token_id",
	"max_length", "max_new_tokens", "max_time", "min_length", "model_max_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_labels",
	"num_logits_to_keep", "num_return_sequences", "output_attentions", "output_hidden_states", "output_router_logits", "output_scores", "pad_token_id",
	"padding_side", "prefix", "pretraining_tp", "problem_type", "remove_invalid_values", "renormalize_logits", "repetition_penalty", "resid_pdrop",
	"return_dict", "return_dict_in_generate", "router_aux_loss_coef", "sep_token_id", "summary_activation", "summary_first_dropout",
	"summary_proj_to_labels", "summary_type", "summary_use_proj", "suppress_tokens", "task_specific_params", "temperature", "tf_legacy_loss",
	"tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript", "transformers.js_config", "transformers_version", "trust_remote_code",
	"typical_p", "unk_token_id", "unsloth_fixed", "unsloth_version", "use_bfloat16", "use_cache", "use_flash_attention_2", "use_flash_attn",
}

// ParseConfig reads Hugging Face's config.json of a model of one of the architectures. A
// setting that changes the mathematics and is not implemented here is an error, and
// so is a key that is not known, unless it is null or false: who knows what it does?
func ParseConfig(data []byte) (Config, error) {
	keys, err := jsontext.Object(data)
	if err != nil {
		return Config{}, err
	}
	var kind string
	if jsontext.Unmarshal(keys["model_type"], &kind) != nil || kind == "" || architectures[kind] == nil {
		found := compact(keys["model_type"])
		if found == "" {
			found = "missing"
		}
		return Config{}, fmt.Errorf("model_type is %.60s; expected %s", found, architectureNames())
	}
	f := architectures[kind]
	r := &reading{Config: f.base}
	if err := f.readKeys(r, keys); err != nil {
		return r.Config, err
	}
	if err := f.finish(r); err != nil {
		return r.Config, err
	}
	if !r.Learned {
		if err := r.parseRope(keys); err != nil {
			return r.Config, err
		}
	}
	return r.Config, r.Config.check()
}

// readKeys reads all keys but those of rotary embeddings.
func (f *architecture) readKeys(r *reading, keys map[string]json.RawMessage) error {
	fields := f.keys(r)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value, field := compact(keys[key]), fields[key]
		allowed, isSetting := f.settings[key]
		if !isSetting {
			allowed, isSetting = settings[key]
		}
		switch {
		case field != nil:
			if value == "null" && !slices.Contains(f.nullable, key) || jsontext.Unmarshal(keys[key], field) != nil {
				return fmt.Errorf("%s is %.60s; expected %s", key, value, expected(field))
			}
		case isSetting:
			if !slices.Contains(allowed, value) {
				return fmt.Errorf("%s is %.60s; only %s is supported", key, value, allowed[0])
			}
		case !r.Learned && slices.Contains(ropeKeys, key):
		case key == "model_type", slices.Contains(harmless, key), slices.Contains(f.harmless, key), value == "null", value == "false":
		default:
			return fmt.Errorf("%s is %.60s, a setting that is not known here; if it changes nothing of what the model computes, take it out", escaped(key), value)
		}
	}
	return nil
}

// expected says what a field wants.
func expected(field any) string {
	switch field.(type) {
	case *int, **int:
		return "a whole number"
	case *bool:
		return "true or false"
	case *string:
		return "a string"
	case *[]string:
		return "a list of strings"
	}
	return "a number"
}

// checkWindow refuses layers that see fewer rows than there may be.
func (r *reading) checkWindow() error {
	layers := r.layerTypes
	if layers != nil && len(layers) != r.Layers {
		return fmt.Errorf("layer_types has %d layers, and num_hidden_layers is %d", len(layers), r.Layers)
	}
	if layers == nil && r.window != nil && r.useWindow {
		layers = slices.Repeat([]string{"sliding_attention"}, max(0, r.Layers-r.fullLayers))
	}
	for _, kind := range layers {
		switch {
		case kind == "full_attention":
		case kind != "sliding_attention" || r.window == nil || !r.useWindow:
			return fmt.Errorf("layer_types has %.40q; only \"full_attention\" is supported", kind)
		case *r.window < r.MaxTokens:
			return fmt.Errorf("sliding_window is %d, which is not implemented; a max_position_embeddings of no more (it is %d) makes it needless", *r.window, r.MaxTokens)
		}
	}
	return nil
}

// escaped is a key that fits into a line.
func escaped(key string) string { return strings.Trim(strconv.Quote(key), `"`) }

// compact is JSON without white space, "" for none.
func compact(raw json.RawMessage) string { return string(jsontext.Compact(raw)) }

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || compact(raw) == "null" }

// JSON writes c as a config.json that Hugging Face's transformers loads. dtype is
// what it calls the type of the weights: float32, bfloat16. Of ends, the tokens that end
// an answer, it has a list if there are several.
func (c Config) JSON(dtype string, bos int, ends ...int) []byte {
	f := c.architecture()
	all := []setting{{"architectures", []string{f.class}}, {"model_type", f.name}}
	all = append(all, f.write(c)...)
	var eos any = ends
	if len(ends) == 1 {
		eos = ends[0]
	}
	all = append(all, setting{"torch_dtype", dtype}, setting{"bos_token_id", bos}, setting{"eos_token_id", eos})
	var b bytes.Buffer
	if err := json.Indent(&b, object(all), "", "  "); err != nil {
		panic(err) // it was made of values
	}
	return append(b.Bytes(), '\n')
}

// object writes settings as a JSON object, in their order.
func object(all []setting) []byte {
	b := []byte("{")
	for i, s := range all {
		if i > 0 {
			b = append(b, ',')
		}
		value, isJSON := s.value.(json.RawMessage)
		if !isJSON {
			var err error
			if value, err = json.Marshal(s.value); err != nil {
				value = []byte("null") // a number that is not finite, which Check refuses
			}
		}
		b = append(append(strconv.AppendQuote(b, s.key), ':'), value...)
	}
	return append(b, '}')
}

// headDim is the usual size of a head.
func headDim(hidden, heads int) int { return hidden / max(heads, 1) }
