package experiment

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/tensor"
	"nfcot/internal/tokenizer"
	"nfcot/internal/transformer"
)

// A Base is a model that training can start from: a run, a model folder of Hugging
// Face's, a GGUF file, or an adapter of PEFT's over one of the last two.
type Base struct {
	Dir   string
	Run   bool
	Model transformer.Config

	words  string // where the tokenizer is
	model  string // the run, or the model of others without adapters
	method string // of the run, or lm

	// What LoadTokenizer brings.
	Tokenizer *tokenizer.Tokenizer // with all special tokens that are asked for
	NewTokens int                  // see Config
	Added     []string             // the texts of special tokens that the model lacks
}

// OpenBase looks at what a folder has to start from. base, unless it is "", is the model
// that the adapters in the folder are over, in place of the one that they name.
func OpenBase(dir, base string) (*Base, error) {
	isGGUF := gguf.IsFile(dir)
	if info, err := os.Stat(dir); !isGGUF && (err != nil || !info.IsDir()) {
		return nil, fmt.Errorf("%s: no such folder; expected a run, a model folder of Hugging Face's, an adapter of PEFT's, or a GGUF file", dir)
	}
	b := &Base{Dir: dir, Run: exists(filepath.Join(dir, ConfigFile)), words: dir, model: dir, method: LM}
	if !b.Run && !isGGUF && !isAdapter(dir) && !exists(filepath.Join(dir, data.ConfigFile)) {
		return nil, fmt.Errorf("%s: holds neither %s (a run) nor %s (a model folder of Hugging Face's) nor %s (an adapter)", dir, ConfigFile, data.ConfigFile, adapterConfig)
	}
	links, err := chain(dir, base)
	if err != nil {
		return nil, err
	}
	if x := links[0].run; x != nil {
		b.Model, b.NewTokens, b.method = x.Model, x.NewTokens, x.Method
		return b, nil
	}
	b.words, b.model = wordsOf(links), links[len(links)-1].dir
	w, err := openCheckpoints(links)
	if err != nil {
		return nil, err
	}
	defer w.close()
	b.Model = w.shape
	return b, nil
}

// wordsOf is where the tokenizer of a model of others is: beside the adapter, if it has
// one of its own, or in the model that it is over.
func wordsOf(links []link) string {
	dir := links[0].dir
	if links[0].adapter != nil && !exists(filepath.Join(dir, data.TokenizerFile)) {
		dir = links[1].dir
	}
	return dir
}

// LoadTokenizer reads the tokenizer. Special tokens that the model lacks get the ids after
// those of its tokenizer: rows that its tables have to spare, or more rows.
func (b *Base) LoadTokenizer(special ...string) error {
	theirs, err := LoadTokenizer(b.words)
	if err != nil {
		return err
	}
	if theirs.VocabSize() > b.Model.Vocab {
		return fmt.Errorf("%s: the tokenizer has %d tokens and the model %d (vocab_size)", b.Dir, theirs.VocabSize(), b.Model.Vocab)
	}
	if b.Tokenizer, err = theirs.With(special...); err != nil {
		return fmt.Errorf("%s: %w", b.Dir, err)
	}
	if b.Tokenizer != theirs {
		b.NewTokens = theirs.VocabSize()
	}
	for id := theirs.VocabSize(); id < b.Tokenizer.VocabSize(); id++ {
		b.Added = append(b.Added, b.Tokenizer.Token(id))
	}
	b.Model.Vocab = max(b.Model.Vocab, b.Tokenizer.VocabSize())
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A link is one of the folders that a model is made of: a run with adapters, or an
// adapter of others, is followed by what it is over.
type link struct {
	dir     string
	run     *Experiment      // nil: a model of others
	adapter *adapterSettings // nil: the last link
}

// mostLinks is more than there are, unless they go in a circle.
const mostLinks = 64

// chain lists what the model in a folder is made of. base, unless it is "", is what the
// adapters in the folder are over.
func chain(dir, base string) (all []link, err error) {
	for len(all) < mostLinks {
		l, next, nextBase := link{dir: dir}, "", ""
		switch {
		case isAdapter(dir):
			if l.adapter, err = readAdapterSettings(dir); err != nil {
				return nil, err
			}
			if next, err = l.adapter.over(dir, base); err != nil {
				return nil, err
			}
		case exists(filepath.Join(dir, ConfigFile)):
			x, err := ReadConfig(dir)
			if err != nil {
				return nil, err
			}
			l.run = &x
			if !x.LoRA.On() {
				break
			}
			if l.adapter, err = readAdapterSettings(dir); err != nil {
				return nil, err
			}
			if next, nextBase = cmp.Or(base, x.Source.Init), x.Source.Base; !exists(next) {
				return nil, fmt.Errorf("%s: its adapters are over %q, where there is no model; name it with --base", dir, next)
			}
		}
		if all = append(all, l); next == "" {
			if base != "" && len(all) == 1 {
				return nil, fmt.Errorf("--base goes with adapters, and there are none in %s", dir)
			}
			return all, nil
		}
		dir, base = next, nextBase
	}
	return nil, fmt.Errorf("%s: adapters over adapters without end", dir)
}

// checkpoints are the files that a model's parameters are in, the first that has one
// counts: a run with adapters holds what it trained, and what it started from the
// rest.
type checkpoints struct {
	files    []*checkpoint
	adapters []*adapter         // to fuse, the last one first
	shape    transformer.Config // of a model of others
}

// openCheckpoints opens the files of a chain, and finds what its adapters change.
func openCheckpoints(links []link) (_ *checkpoints, err error) {
	w := new(checkpoints)
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	for i := len(links) - 1; i >= 0; i-- {
		l := links[i]
		if l.run != nil {
			w.shape = l.run.Model
		}
		if l.run != nil || l.adapter == nil {
			f, shape, err := openLink(l)
			if err != nil {
				return nil, err
			}
			w.files, w.shape = slices.Insert(w.files, 0, f), shape
		}
		if l.adapter != nil {
			a, shape, err := openAdapter(l.dir, l.adapter, w.shape)
			if err != nil {
				return nil, err
			}
			w.adapters, w.shape = slices.Insert(w.adapters, 0, a), shape
		}
	}
	return w, nil
}

// openLink opens a folder's model.safetensors, or a GGUF file.
func openLink(l link) (*checkpoint, transformer.Config, error) {
	if l.run != nil {
		f, _, err := openCheckpoint(l.dir, l.run.Model)
		return f, l.run.Model, err
	}
	return openPretrainedCheckpoint(l.dir)
}

func (w *checkpoints) close() {
	for _, f := range w.files {
		f.Close()
	}
	for _, a := range w.adapters {
		a.file.Close()
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

// loadModel makes the model of an experiment out of the parameters in dir, a run or
// a language model of others; base is as for OpenBase. Parameters that are not there
// start as usual, unless the whole model must be there: then only adapters do. A model of
// others, or one with adapters, must have all of the backbone. A parameter that is there must
// have its shape, except that rows for tokens may be missing from a table.
func loadModel(dir, base string, c Config, special cot.Special, whole bool) (*Model, error) {
	links, err := chain(dir, base)
	if err != nil {
		return nil, err
	}
	w, err := openCheckpoints(links)
	if err != nil {
		return nil, err
	}
	defer w.close()
	isRun := links[0].run != nil
	backbone := whole || !isRun || len(w.adapters) > 0
	l := &loader{checkpoints: w, rows: map[string]int{}}
	if !isRun || links[0].run.NewTokens != c.NewTokens { // a run has trained those that it was given itself
		l.newTokens = c.NewTokens
	}
	p := tensor.NewParams(c.Seed)
	p.Initial = func(name string, x *tensor.Tensor) bool {
		f := w.file(name)
		switch {
		case err != nil || f == nil && transformer.IsAdapter(name):
		case f != nil:
			err = l.load(x, f, name)
		case backbone && IsBackbone(name):
			err = fmt.Errorf("%s: has no tensor %q, which %s promises", dir, name, data.ConfigFile)
		case whole:
			err = fmt.Errorf("%s: has no tensor %q, which %s promises", dir, name, ConfigFile)
		}
		return err != nil || f != nil
	}
	m := newModel(p, c, special)
	if err == nil && !isRun {
		err = checkNames(w.files[0], m.Params)
	}
	if err == nil {
		err = l.finish(c.Model, m.Params)
	}
	if err != nil {
		return nil, err
	}
	m.Pack()
	return m, nil
}

// A loader reads parameters, and knows which rows of tables it has read.
type loader struct {
	*checkpoints
	newTokens int            // the first token that a model of others lacks; 0: none is added
	rows      map[string]int // of tables, that were in their file
}

// load reads a parameter.
func (l *loader) load(x *tensor.Tensor, f *checkpoint, name string) error {
	if !transformer.IsTable(name) || l.newTokens == 0 && len(l.adapters) == 0 {
		return tensor.LoadInto(x.Data, x.Shape, f, name)
	}
	shape, err := f.Shape(name)
	if err != nil {
		return err
	}
	if len(shape) != 2 || shape[0] > x.Rows() || shape[1] != x.Cols() {
		return fmt.Errorf("%s: tensor %q: has shape %v; expected %v", f, name, shape, x.Shape)
	}
	l.rows[name] = shape[0]
	return f.Weights(x.Data[:shape[0]*shape[1]], name, 0)
}

// finish fuses the adapters, and gives new tokens their rows.
func (l *loader) finish(model transformer.Config, p *tensor.Params) error {
	for _, a := range slices.Backward(l.adapters) {
		if err := model.Apply(p, a.file, a.vocab, a.changes); err != nil {
			return err
		}
	}
	for q := range p.All() {
		if !transformer.IsTable(q.Name) || l.rows[q.Name] == 0 {
			continue
		}
		if id := l.missing(model.StoredName(q.Name), l.rows[q.Name], cmp.Or(l.newTokens, q.Rows())); id >= 0 {
			return fmt.Errorf("%s: tensor %q: has no row for token %d of %d, and no adapter has", l.files[len(l.files)-1], q.Name, id, q.Rows())
		}
		if l.newTokens > 0 {
			meanRows(q.Tensor, l.newTokens)
		}
	}
	return nil
}

// missing is the first row of a table, from that after those of its file on, that no
// adapter brings; -1: none is missing.
func (l *loader) missing(table string, from, to int) int {
	for id := from; id < to; id++ {
		if !slices.ContainsFunc(l.adapters, func(a *adapter) bool { return a.bringsRow(table, id) }) {
			return id
		}
	}
	return -1
}

// meanRows makes the rows of new tokens the mean of the others: a new token then starts
// as likely as the tokens are on average (Hewitt, 2021).
func meanRows(x *tensor.Tensor, newTokens int) {
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
}
