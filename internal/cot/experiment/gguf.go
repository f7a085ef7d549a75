package experiment

import (
	"fmt"
	"slices"

	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/cot/data"
	"nfcot/internal/tokenizer"
	"nfcot/internal/tokenizer/chat"
	"nfcot/internal/transformer"
)

// GGUF files, as language models of others: their tensors and config are ckpt/gguf's,
// what the metadata says about words is here.

// ggufConfig is the config of a file's model.
func ggufConfig(path string) (transformer.Config, error) {
	m, err := gguf.OpenModel(path)
	if err != nil {
		return transformer.Config{}, err
	}
	defer m.Close()
	c, err := transformer.ParseConfig(m.ConfigJSON())
	if err != nil {
		err = fmt.Errorf("%s: as %s: %w", path, data.ConfigFile, err)
	}
	return c, err
}

// readGGUF reads something out of the metadata of a file.
func readGGUF[T any](path string, read func(*gguf.File) (T, error)) (v T, err error) {
	f, err := gguf.Open(path)
	if err != nil {
		return v, err
	}
	defer f.Close()
	return read(f)
}

// A metadata reads entries under tokenizer.ggml. After its first error it returns what is given for a key that is missing.
type metadata struct {
	file *gguf.File
	err  error
}

func entry[T gguf.Value](m *metadata, name string, missing T) T {
	if m.err != nil {
		return missing
	}
	var v T
	v, m.err = gguf.GetOr(m.file, "tokenizer.ggml."+name, missing)
	return v
}

// flag is nil for a key that is missing.
func (m *metadata) flag(name string) *bool {
	v := entry(m, name, false)
	if !m.file.Has("tokenizer.ggml." + name) {
		return nil
	}
	return &v
}

// ggufTokenizer makes the tokenizer that a GGUF file describes.
func ggufTokenizer(f *gguf.File) (*tokenizer.Tokenizer, error) {
	m := &metadata{file: f}
	g := tokenizer.GGUF{
		Model: entry(m, "model", ""), Pre: entry(m, "pre", ""),
		Tokens: entry(m, "tokens", []string(nil)), Types: entry(m, "token_type", []int(nil)),
		Merges: entry(m, "merges", []string(nil)), Scores: entry(m, "scores", []float32(nil)),
		BOS: entry(m, "bos_token_id", -1), EOS: entry(m, "eos_token_id", -1), Unknown: entry(m, "unknown_token_id", -1),
		AddBOS: m.flag("add_bos_token"), AddEOS: m.flag("add_eos_token"), AddSpacePrefix: m.flag("add_space_prefix"),
	}
	if m.err != nil {
		return nil, m.err
	}
	if merges := "tokenizer.ggml.merges"; g.Model == "gpt2" && !f.Has(merges) {
		return nil, fmt.Errorf("%s: has no metadata %q, without which no bytes are joined to tokens", f, merges)
	}
	t, err := tokenizer.FromGGUF(g)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f, err)
	}
	return t, nil
}

// ggufEnds are the tokens that end an answer.
func ggufEnds(f *gguf.File, vocab int) ([]int, error) {
	m := &metadata{file: f}
	var ends []int
	for _, name := range ggufEndKeys {
		id := entry(m, name, -1)
		switch {
		case m.err != nil:
			return nil, m.err
		case id == -1 || slices.Contains(ends, id):
		case id < 0 || id >= vocab:
			return nil, fmt.Errorf("%s: metadata \"tokenizer.ggml.%s\" is %d; expected one of the %d tokens", f, name, id, vocab)
		default:
			ends = append(ends, id)
		}
	}
	return ends, nil
}

// ggufChat is a file's chat templates, the default one and those that have names, with the
// special tokens that they see.
func ggufChat(f *gguf.File) (*chat.Templates, error) {
	t := &chat.Templates{Sources: map[string]string{}, Special: map[string]string{}}
	named, err := gguf.GetOr(f, "tokenizer.chat_templates", []string(nil))
	if err != nil {
		return nil, err
	}
	for i, name := range append([]string{"default"}, named...) {
		key := "tokenizer.chat_template"
		if i > 0 {
			key += "." + name
		}
		source, err := gguf.GetOr(f, key, "")
		if err != nil {
			return nil, err
		}
		if f.Has(key) {
			t.Sources[name] = source
		}
	}
	m := &metadata{file: f}
	tokens := entry(m, "tokens", []string(nil))
	for _, name := range ggufSpecial {
		if id := entry(m, name.theirs+"_token_id", -1); id >= 0 && id < len(tokens) {
			t.Special[name.ours] = tokens[id]
		}
	}
	return t, m.err
}

// ggufSpecial are the special tokens that chat templates see, with their names in the metadata.
var ggufSpecial = []struct{ ours, theirs string }{
	{"bos_token", "bos"}, {"eos_token", "eos"}, {"unk_token", "unknown"}, {"pad_token", "padding"}, {"sep_token", "seperator"}, {"mask_token", "mask"},
}

// ggufEndKeys are where the metadata has the tokens that end an answer: of a text, of a turn, of a message to a tool.
var ggufEndKeys = []string{"eos_token_id", "eot_token_id", "eom_token_id"}
