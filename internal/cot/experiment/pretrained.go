package experiment

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tokenizer"
	"nfcot/internal/transformer"
)

// Language models of others, in the layout of Hugging Face's transformers: a
// folder with config.json, tokenizer.json, model.safetensors or its shards, and
// perhaps generation_config.json.

// GenerationFile says how a model is to be sampled from.
const GenerationFile = "generation_config.json"

// openPretrained reads a folder of Hugging Face's.
func openPretrained(dir string, format *kernel.Format) (*Run, error) {
	r := &Run{Dir: dir, Experiment: Experiment{Config: Config{Method: LM}}}
	w, model, err := openPretrainedCheckpoint(dir)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	r.Experiment.Model = model
	special := cot.Special{EOS: -1, BOT: -1, CoT: -1, Ans: -1}
	ends, err := endTokens(dir, r.Experiment.Model.Vocab)
	if err != nil {
		return nil, err
	}
	if len(ends) > 0 {
		special.EOS, special.MoreEOS = ends[0], ends[1:]
	}
	words := make(chan error) // the tokenizer's file is large: it is read beside the weights
	go func() {
		var err error
		r.Tokenizer, err = tokenizer.Load(dir)
		words <- err
	}()
	err = r.load(w, special, format)
	if failed := <-words; failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	if err := r.Model.checkNames(w); err != nil {
		return nil, err
	}
	if n := r.Tokenizer.VocabSize(); n > r.Experiment.Model.Vocab {
		return nil, fmt.Errorf("%s: %s has ids up to %d, but vocab_size in %s is %d", dir, data.TokenizerFile, n-1, data.ConfigFile, r.Experiment.Model.Vocab)
	}
	return r, nil
}

// ReadModelConfig reads the config.json of a folder of Hugging Face's.
func ReadModelConfig(dir string) (transformer.Config, error) {
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
	file *ckpt.File
}

// openCheckpoint opens the file of a model of shape c, which is returned as the file
// corrects it. The caller closes it.
func openCheckpoint(dir string, c transformer.Config) (*checkpoint, transformer.Config, error) {
	f, err := ckpt.OpenModel(dir)
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

// openPretrainedCheckpoint reads the shape of a model of Hugging Face's and opens its file.
func openPretrainedCheckpoint(dir string) (*checkpoint, transformer.Config, error) {
	c, err := ReadModelConfig(dir)
	if err != nil {
		return nil, c, err
	}
	return openCheckpoint(dir, c)
}

func (w *checkpoint) Close() error { return w.file.Close() }

// format is what the matrices are best kept in: bfloat16 if the file has them so.
func (w *checkpoint) format() kernel.Format {
	name, _ := w.Find(transformer.EmbeddingName)
	if info, _ := w.file.Info(name); info.DType == ckpt.BF16 {
		return kernel.BF16
	}
	return kernel.F32
}

// endTokens are the tokens that end an answer: what generation_config.json says,
// or else config.json; none if neither does.
func endTokens(dir string, vocab int) ([]int, error) {
	for _, name := range []string{GenerationFile, data.ConfigFile} {
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
		if err := json.Unmarshal(text, &c); err != nil {
			return nil, fmt.Errorf("%s: invalid JSON: %w", path, err)
		}
		if len(c.EOS) == 0 || string(c.EOS) == "null" {
			continue
		}
		ends := make([]int, 1)
		if json.Unmarshal(c.EOS, &ends[0]) != nil && json.Unmarshal(c.EOS, &ends) != nil {
			return nil, fmt.Errorf("%s: eos_token_id is %.40s; expected a token id or a list of them", path, c.EOS)
		}
		for _, id := range ends {
			if id < 0 || id >= vocab {
				return nil, fmt.Errorf("%s: eos_token_id %d is not in the vocabulary of %d", path, id, vocab)
			}
		}
		return ends, nil
	}
	return nil, nil
}

// checkNames refuses a file with a tensor that the model does not have: the file's
// model computes something else.
func (m *Model) checkNames(w *checkpoint) error {
	if name := w.Stranger(m.Params); name != "" {
		return fmt.Errorf("%s: tensor %q: a model of this %s has none of this name", w, name, data.ConfigFile)
	}
	return nil
}
