package experiment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/tokenizer/chat"
)

// The files of a language model's folder that say how it is used.
const (
	generationFile      = "generation_config.json" // how it is to be sampled from
	tokenizerConfigFile = "tokenizer_config.json"  // how transformers is to read its tokenizer.json
)

// companions are what comes with a language model beside its weights and its tokenizer. A
// run that begins from the model keeps them, in the files that the model has; so does what
// becomes of the model and an adapter.
type companions struct {
	chat       *chat.Templates            // nil: it has none
	ends       []int                      // tokens that end an answer
	bos        *int                       // the token that begins a text; nil: none
	tokenizer  map[string]json.RawMessage // of tokenizerConfigFile; nil: it has none
	generation map[string]json.RawMessage // of generationFile; nil: it has none
}

// readCompanions reads those of a run, a model folder of Hugging Face's, or a GGUF file.
func readCompanions(path string, vocab int) (c companions, err error) {
	if c.ends, err = endTokens(path, vocab); err != nil {
		return c, err
	}
	if c.chat, err = loadChat(path); err != nil {
		return c, err
	}
	if gguf.IsFile(path) {
		return c.ofGGUF(path)
	}
	if c.tokenizer, err = readObject(filepath.Join(path, tokenizerConfigFile)); err != nil {
		return c, err
	}
	if c.generation, err = readObject(filepath.Join(path, generationFile)); err != nil {
		return c, err
	}
	config, err := readObject(filepath.Join(path, data.ConfigFile))
	if err != nil {
		return c, err
	}
	for _, from := range []map[string]json.RawMessage{config, c.generation} {
		if raw, ok := from["bos_token_id"]; ok && jsontext.Unmarshal(raw, &c.bos) != nil {
			return c, fmt.Errorf("%s: bos_token_id is %.40s; expected a token id", path, raw)
		}
	}
	return c, nil
}

// companionsOf reads what comes with a model whose tokenizer is in words: an adapter's own
// tokenizer comes with its own template.
func companionsOf(model, words string, vocab int) (companions, error) {
	c, err := readCompanions(model, vocab)
	if err != nil || words == model {
		return c, err
	}
	own, err := readCompanions(words, vocab)
	if own.chat.Any() {
		c.chat = own.chat
	}
	if own.tokenizer != nil {
		c.tokenizer = own.tokenizer
	}
	return c, err
}

// ofGGUF makes of a file's metadata what a folder has in files.
func (c companions) ofGGUF(path string) (companions, error) {
	ids, err := readGGUF(path, func(f *gguf.File) (map[string]int, error) {
		m, ids := &metadata{file: f}, map[string]int{}
		for key, name := range map[string]string{"bos_token_id": "bos_token_id", "pad_token_id": "padding_token_id"} {
			if id := entry(m, name, -1); id >= 0 {
				ids[key] = id
			}
		}
		return ids, m.err
	})
	if err != nil {
		return c, err
	}
	c.generation = map[string]json.RawMessage{}
	for key, id := range ids {
		c.generation[key] = rawJSON(id)
	}
	if id, ok := ids["bos_token_id"]; ok {
		c.bos = &id
	}
	return c, nil
}

// readObject reads a file with a JSON object; a missing one is nil.
func readObject(path string) (object map[string]json.RawMessage, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if object, err = jsontext.Object(text); err == nil {
		err = jsontext.Check(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: found %.40q; expected a JSON object", path, text)
	}
	return object, nil
}

// indented is a JSON object with a key a line, in their order. Values are what they were, also
// where encoding/json has no such numbers.
func indented(object map[string]json.RawMessage) []byte {
	out := bytes.NewBufferString("{")
	for i, key := range slices.Sorted(maps.Keys(object)) {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(out, "\n  %s: ", jsontext.Quote(key))
		if json.Indent(out, object[key], "  ", "  ") != nil { // it has a NaN or an infinity
			out.Write(object[key])
		}
	}
	out.WriteString("\n}\n")
	return out.Bytes()
}

// rawJSON is the JSON of what encoding/json can write.
func rawJSON(v any) json.RawMessage {
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	if err := out.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(text.Bytes())
}

// special looks up the special tokens of a method's run. What ends an answer of the model
// that the run began from ends the run's answers, too.
func (r *Run) special(m Method) (cot.Special, error) {
	if m.Plain {
		return r.plainSpecial()
	}
	special, err := cot.FindSpecial(r.Tokenizer)
	for _, id := range r.companions.ends {
		if !special.Ends(id) {
			special.MoreEOS = append(special.MoreEOS, id)
		}
	}
	return special, err
}

// plainSpecial are those of a model without tokens of ours. One that is begun from nothing, with
// a tokenizer of ours, ends answers as the other methods do.
func (r *Run) plainSpecial() (cot.Special, error) {
	ends := r.companions.ends
	if id, ok := r.Tokenizer.TokenID(cot.SpecialTokens[0]); ok && len(ends) == 0 {
		ends = []int{id}
	}
	if len(ends) == 0 {
		return cot.Special{}, fmt.Errorf("no token ends an answer, and method %s learns to end them; name it as eos_token_id in %s or %s", LM, generationFile, data.ConfigFile)
	}
	return endedBy(ends), nil
}

// endedBy are the special tokens of a language model whose answers end at some tokens.
func endedBy(ends []int) cot.Special {
	special := cot.Special{EOS: -1, BOT: -1, CoT: -1, Ans: -1}
	if len(ends) > 0 {
		special.EOS, special.MoreEOS = ends[0], ends[1:]
	}
	return special
}

// overruling are keys of a tokenizer_config.json that make transformers encode otherwise
// than the tokenizer.json beside it says, which is what counts here; and the template,
// which has a file of its own.
var overruling = []string{"auto_map", "add_bos_token", "add_eos_token", "add_prefix_space", "split_special_tokens", "legacy", "from_slow", "chat_template"}

// tokenizerConfig is the run's tokenizer_config.json: the model's, but transformers takes
// tokenizer.json as it is.
func (r *Run) tokenizerConfig() map[string]json.RawMessage {
	config := map[string]json.RawMessage{"clean_up_tokenization_spaces": rawJSON(false), "model_max_length": rawJSON(r.Experiment.Model.MaxTokens)}
	special := map[string]string{}
	if eos := r.Model.Special.EOS; eos >= 0 {
		special["eos_token"] = r.Tokenizer.Token(eos)
	}
	if r.companions.tokenizer == nil && !r.Experiment.method().Plain {
		config["additional_special_tokens"] = rawJSON(cot.SpecialTokens[1:])
	}
	if r.companions.chat != nil && len(r.companions.chat.Special) > 0 {
		special = r.companions.chat.Special
	}
	for key, value := range r.companions.tokenizer {
		if !slices.Contains(overruling, key) {
			config[key] = value
		}
	}
	config["tokenizer_class"] = rawJSON("PreTrainedTokenizerFast") // of transformers 4 and 5
	_, told := config["added_tokens_decoder"]
	for name, text := range special {
		if _, has := config[name]; !has || !told { // else special_tokens_map.json counts
			config[name] = rawJSON(text)
		}
	}
	config["added_tokens_decoder"] = rawJSON(r.Tokenizer.AddedTokensDecoder()) // with the run's own tokens
	return config
}

// writeWords writes the tokenizer and the files that say how the model is used.
func (r *Run) writeWords() error {
	if err := ckpt.WriteFile(filepath.Join(r.Dir, data.TokenizerFile), r.Tokenizer.Save); err != nil {
		return err
	}
	if err := r.writeObject(tokenizerConfigFile, r.tokenizerConfig()); err != nil {
		return err
	}
	generation := maps.Clone(r.companions.generation)
	if r.Experiment.LoRA.On() { // which has no config.json to say it
		if generation == nil {
			generation = map[string]json.RawMessage{}
		}
		if _, said := generation["bos_token_id"]; !said && r.companions.bos != nil {
			generation["bos_token_id"] = rawJSON(*r.companions.bos)
		}
	}
	if generation != nil {
		if ends := r.Model.Special.EndIDs(); ends != nil { // which transformers ends at
			generation["eos_token_id"] = rawJSON(ends)
		}
		if err := r.writeObject(generationFile, generation); err != nil {
			return err
		}
	}
	if !r.companions.chat.Any() {
		return nil
	}
	return r.companions.chat.Save(func(name, text string) error { return writeText(r.Dir, name, []byte(text)) })
}

// writeObject writes a JSON object into the run folder.
func (r *Run) writeObject(name string, object map[string]json.RawMessage) error {
	return writeText(r.Dir, name, indented(object))
}
