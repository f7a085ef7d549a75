package experiment

import (
	"fmt"
	"os"
	"path/filepath"

	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/tensor"
	"nfcot/internal/tokenizer"
	"nfcot/internal/transformer"
)

// A Base is a model that training can start from: a run, a model folder of Hugging
// Face's, or a GGUF file.
type Base struct {
	Dir   string
	Run   bool
	Model transformer.Config

	// What LoadTokenizer brings.
	Tokenizer *tokenizer.Tokenizer // with all special tokens: those that a model of others lacks are added
	NewTokens int                  // see Config
}

// OpenBase looks at what a folder has to start from.
func OpenBase(dir string) (*Base, error) {
	isGGUF := gguf.IsFile(dir)
	if info, err := os.Stat(dir); !isGGUF && (err != nil || !info.IsDir()) {
		return nil, fmt.Errorf("%s: no such folder; expected a run, a model folder of Hugging Face's, or a GGUF file", dir)
	}
	b := &Base{Dir: dir, Run: exists(filepath.Join(dir, ConfigFile))}
	if b.Run {
		x, err := ReadConfig(dir)
		b.Model, b.NewTokens = x.Model, x.NewTokens
		return b, err
	}
	if !isGGUF && !exists(filepath.Join(dir, data.ConfigFile)) {
		return nil, fmt.Errorf("%s: holds neither %s (a run) nor %s (a model folder of Hugging Face's)", dir, ConfigFile, data.ConfigFile)
	}
	w, model, err := openPretrainedCheckpoint(dir)
	if err != nil {
		return nil, err
	}
	b.Model = model
	return b, w.Close()
}

// LoadTokenizer reads the tokenizer. Special tokens that a model of others lacks
// get the ids after those of its tokenizer: rows that its tables have to spare, or
// more rows.
func (b *Base) LoadTokenizer() error {
	theirs, err := LoadTokenizer(b.Dir)
	if err != nil || b.Run {
		b.Tokenizer = theirs
		return err
	}
	if theirs.VocabSize() > b.Model.Vocab {
		return fmt.Errorf("%s: the tokenizer has %d tokens and the model %d (vocab_size)", b.Dir, theirs.VocabSize(), b.Model.Vocab)
	}
	if b.Tokenizer, err = theirs.With(cot.SpecialTokens...); err != nil {
		return fmt.Errorf("%s: %w", b.Dir, err)
	}
	if b.Tokenizer != theirs {
		b.NewTokens = theirs.VocabSize()
	}
	b.Model.Vocab = max(b.Model.Vocab, b.Tokenizer.VocabSize())
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkpoints are the files that a model's parameters are in, the first that has one
// counts: a run with adapters holds what it trained, and what it started from the
// rest.
type checkpoints struct {
	files    []*checkpoint
	adapters []string // folders of adapters to fuse, the last one first
}

func openCheckpoints(dir string, c transformer.Config) (_ *checkpoints, err error) {
	w := new(checkpoints)
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	for {
		f, _, err := openCheckpoint(dir, c)
		if err != nil {
			return nil, err
		}
		w.files = append(w.files, f)
		if !exists(filepath.Join(dir, adapterFile)) {
			return w, nil
		}
		x, err := ReadConfig(dir)
		if err != nil {
			return nil, err
		}
		w.adapters = append(w.adapters, dir)
		dir = x.Source.Init
	}
}

func (w *checkpoints) close() {
	for _, f := range w.files {
		f.Close()
	}
}

// file returns the file that has a parameter, nil if none has.
func (w *checkpoints) file(name string) *checkpoint {
	for _, f := range w.files {
		if f.Has(name) {
			return f
		}
	}
	return nil
}

// LoadModel makes the model of an experiment out of the parameters in dir, a run or
// a language model of others. Parameters that are not there start as usual, but a
// model of others must have all of the backbone. A parameter that is there must have
// its shape, except that rows for tokens may be missing from a table.
func LoadModel(dir string, c Config, special cot.Special) (*Model, error) {
	w, err := openCheckpoints(dir, c.Model)
	if err != nil {
		return nil, err
	}
	defer w.close()
	isRun := exists(filepath.Join(dir, ConfigFile))
	p := tensor.NewParams(c.Seed)
	p.Initial = func(name string, x *tensor.Tensor) bool {
		f := w.file(name)
		switch {
		case err != nil: // there will be no model
		case f == nil && (isRun || !IsBackbone(name) || transformer.IsAdapter(name)):
			return false
		case f == nil:
			err = fmt.Errorf("%s: has no tensor %q, which %s promises", dir, name, data.ConfigFile)
		case transformer.IsTable(name) && c.NewTokens > 0 && !isRun:
			err = loadTable(x, f, name, c.NewTokens)
		default:
			err = tensor.LoadInto(x.Data, x.Shape, f, name)
		}
		return true
	}
	m := newModel(p, c, special)
	if err == nil && !isRun {
		err = checkNames(w.files[0], m.Params)
	}
	for i := len(w.adapters) - 1; i >= 0 && err == nil; i-- {
		err = fuseAdapters(c.Model, m.Params, w.adapters[i])
	}
	if err != nil {
		return nil, err
	}
	m.Pack()
	return m, nil
}

// loadTable reads a table with a row for each token. The rows of new tokens,
// whether the file has them or not, become the mean of the others: a new token
// then starts as likely as the tokens are on average (Hewitt, 2021).
func loadTable(x *tensor.Tensor, f *checkpoint, name string, newTokens int) error {
	shape, err := f.Shape(name)
	if err != nil {
		return err
	}
	if len(shape) != 2 || shape[0] < newTokens || shape[0] > x.Rows() || shape[1] != x.Cols() {
		return fmt.Errorf("%s: tensor %q: has shape %v; expected %v", f, name, shape, x.Shape)
	}
	if err := f.Weights(x.Data[:shape[0]*shape[1]], name, 0); err != nil {
		return err
	}
	mean := make([]float64, x.Cols())
	for r := range newTokens {
		for i, v := range x.Row(r) {
			mean[i] += float64(v) / float64(newTokens)
		}
	}
	for r := newTokens; r < x.Rows(); r++ {
		row := x.Row(r)
		for i := range row {
			row[i] = float32(mean[i])
		}
	}
	return nil
}

// Added lists the texts of the tokens that LoadTokenizer has added.
func (b *Base) Added() (texts []string) {
	for id := b.NewTokens; !b.Run && id > 0 && id < b.Tokenizer.VocabSize(); id++ {
		texts = append(texts, b.Tokenizer.Token(id))
	}
	return texts
}
