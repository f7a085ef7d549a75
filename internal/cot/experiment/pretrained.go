package experiment

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tokenizer"
	"nfcot/internal/tokenizer/chat"
	"nfcot/internal/transformer"
)

// Language models of others: a folder in the layout of Hugging Face's transformers,
// with config.json, tokenizer.json, model.safetensors or its shards, and perhaps
// generation_config.json; or a GGUF file, which holds all of this (gguf.go).

// openPretrained reads a language model of others, or one with an adapter of PEFT's.
func openPretrained(dir, base string, format *kernel.Format) (*Run, error) {
	return readPretrained(dir, base, func(r *Run, w *checkpoints, special cot.Special) error {
		if len(w.adapters) > 0 {
			return r.openFused(special, format)
		}
		if err := r.load(w.files[0], special, format); err != nil {
			return err
		}
		return checkNames(w.files[0], r.Model.Params)
	})
}

// readPretrained reads all of a language model of others; load makes the model.
func readPretrained(dir, base string, load func(*Run, *checkpoints, cot.Special) error) (*Run, error) {
	r := &Run{Dir: dir, others: true, base: base, Experiment: Experiment{Config: Config{Method: LM}}}
	links, err := chain(dir, base)
	if err != nil {
		return nil, err
	}
	w, err := openCheckpoints(links)
	if err != nil {
		return nil, err
	}
	defer w.close()
	r.Experiment.Model = w.shape
	special, err := r.readWords(links)
	if err != nil {
		return nil, err
	}
	words := make(chan error) // the tokenizer's file is large: it is read beside the weights
	go func() {
		var err error
		r.Tokenizer, err = LoadTokenizer(wordsOf(links))
		words <- err
	}()
	err = load(r, w, special)
	if failed := <-words; failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	return r, checkVocab(dir, r.Tokenizer, r.Experiment.Model)
}

// checkVocab refuses a tokenizer that has more tokens than its model.
func checkVocab(dir string, words *tokenizer.Tokenizer, model transformer.Config) error {
	if n := words.VocabSize(); n > model.Vocab {
		return fmt.Errorf("%s: %s has ids up to %d, but vocab_size in %s is %d", dir, data.TokenizerFile, n-1, data.ConfigFile, model.Vocab)
	}
	return nil
}

// readWords reads how to chat with a language model of others, and which tokens end an
// answer.
func (r *Run) readWords(links []link) (cot.Special, error) {
	model := links[len(links)-1].dir
	ends, err := endTokens(model, r.Experiment.Model.Vocab)
	if err != nil {
		return cot.Special{}, err
	}
	if r.Chat, err = loadChat(wordsOf(links)); err == nil && !r.Chat.Any() && wordsOf(links) != model {
		r.Chat, err = loadChat(model)
	}
	return endedBy(ends), err
}

// LoadTokenizer reads a tokenizer: a tokenizer.json, that of a folder, or that of a GGUF file.
func LoadTokenizer(path string) (*tokenizer.Tokenizer, error) {
	if gguf.IsFile(path) {
		return readGGUF(path, ggufTokenizer)
	}
	return tokenizer.Load(path)
}

// loadChat reads how to chat with a language model of others.
func loadChat(dir string) (*chat.Templates, error) {
	if gguf.IsFile(dir) {
		return readGGUF(dir, ggufChat)
	}
	return chat.Load(dir)
}

// readModelConfig reads the shape of a language model of others.
func readModelConfig(dir string) (transformer.Config, error) {
	if gguf.IsFile(dir) {
		return ggufConfig(dir)
	}
	path := filepath.Join(dir, data.ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return transformer.Config{}, err
	}
	c, err := transformer.ParseConfig(text)
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// A checkpoint is the parameters of a model in its file, by the names that they have here.
type checkpoint struct {
	*transformer.Checkpoint
	file modelFile
}

// A modelFile is the file, or the files, of a model.
type modelFile interface {
	transformer.File
	io.Closer
}

// openModelFile opens the file of a run, or of a language model of others.
func openModelFile(path string) (modelFile, error) {
	if gguf.IsFile(path) {
		return gguf.OpenModel(path)
	}
	return ckpt.OpenModel(path)
}

// openCheckpoint opens the file of a model of shape c, which is returned as the file
// corrects it. The caller closes it.
func openCheckpoint(dir string, c transformer.Config) (*checkpoint, transformer.Config, error) {
	f, err := openModelFile(dir)
	if err != nil {
		return nil, c, err
	}
	from, c, err := c.Open(f)
	if err != nil {
		f.Close()
		return nil, c, err
	}
	return &checkpoint{from, f}, c, nil
}

// openPretrainedCheckpoint reads the shape of a language model of others and opens its file.
func openPretrainedCheckpoint(dir string) (*checkpoint, transformer.Config, error) {
	c, err := readModelConfig(dir)
	if err != nil {
		return nil, c, err
	}
	return openCheckpoint(dir, c)
}

func (w *checkpoint) Close() error { return w.file.Close() }

// inBlocks says whether the file may have matrices in blocks.
func (w *checkpoint) inBlocks() bool {
	_, ok := w.file.(tensor.BlockReader)
	return ok
}

// format is the format for decoding that keeps all matrices of the file as they are and
// multiplies with float32 inputs: bfloat16, or integers of 8 bits (Q8_0 of a GGUF file);
// float32 for what is stored otherwise.
func (w *checkpoint) format() kernel.Format {
	switch f := w.file.(type) {
	case *ckpt.File:
		name, _ := w.Find(transformer.EmbeddingName)
		if info, _ := f.Info(name); info.DType == ckpt.BF16 {
			return kernel.BF16
		}
	case *gguf.Model:
		switch t, _ := f.Stored(); t {
		case gguf.BF16:
			return kernel.BF16
		case gguf.Q8_0:
			return kernel.Int8
		}
	}
	return kernel.F32
}

// endTokens are the tokens that end an answer: what generation_config.json says,
// or else config.json; none if neither does.
func endTokens(dir string, vocab int) ([]int, error) {
	if gguf.IsFile(dir) {
		return readGGUF(dir, func(f *gguf.File) ([]int, error) { return ggufEnds(f, vocab) })
	}
	for _, name := range []string{generationFile, data.ConfigFile} {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var c struct {
			EOS json.RawMessage `json:"eos_token_id"` // a number or several
		}
		if err := jsontext.Unmarshal(text, &c); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(c.EOS) == 0 || string(c.EOS) == "null" {
			continue
		}
		ids := make([]int, 1)
		if jsontext.Unmarshal(c.EOS, &ids[0]) != nil && jsontext.Unmarshal(c.EOS, &ids) != nil {
			return nil, fmt.Errorf("%s: eos_token_id is %.40s; expected a token id or a list of them", path, c.EOS)
		}
		var ends []int
		for _, id := range ids {
			if id < 0 || id >= vocab {
				return nil, fmt.Errorf("%s: eos_token_id %d is not in the vocabulary of %d", path, id, vocab)
			}
			if !slices.Contains(ends, id) {
				ends = append(ends, id)
			}
		}
		return ends, nil
	}
	return nil, nil
}

// checkNames refuses a file with a tensor that is none of the model's parameters: the
// file's model computes something else.
func checkNames(w *checkpoint, p *tensor.Params) error {
	if name := w.Stranger(p); name != "" {
		return fmt.Errorf("%s: tensor %q: a model of this %s has none of this name", w, name, data.ConfigFile)
	}
	return nil
}
