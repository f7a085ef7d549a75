package experiment

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/ckpt/jsontext"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/transformer"
)

// A whole model of adapters: they are fused into the matrices.

// maxF16 is the largest number of float16.
const maxF16 = 65504

// OpenFused reads a run with adapters, or an adapter of PEFT's, as a whole model to be
// saved as dtype says (f32, bf16 or f16), by default in the type of the model that the
// adapters are over. base is as for Open.
func OpenFused(dir, base, dtype string) (*Run, error) {
	types := map[string]ckpt.DType{"": "", "f32": ckpt.F32, "bf16": ckpt.BF16, "f16": ckpt.F16}
	stored, ok := types[dtype]
	if !ok {
		return nil, fmt.Errorf("--dtype is %.20q; want f32, bf16 or f16", dtype)
	}
	links, err := chain(dir, base)
	if err != nil {
		return nil, err
	}
	if links[0].adapter == nil {
		return nil, fmt.Errorf("%s: there are no adapters to fuse", dir)
	}
	if stored == "" {
		if stored, err = storedType(links[len(links)-1]); err != nil {
			return nil, err
		}
	}
	r, err := openUnpacked(dir, base, links[0].run != nil)
	if err != nil {
		return nil, err
	}
	r.dtype = stored
	if err := r.checkRange(); err != nil || links[0].run != nil {
		return r, err
	}
	r.companions, err = companionsOf(links[len(links)-1].dir, wordsOf(links), r.Experiment.Model.Vocab)
	return r, err
}

// openUnpacked reads a run with adapters, or a model of others with one.
func openUnpacked(dir, base string, isRun bool) (*Run, error) {
	if !isRun {
		return readPretrained(dir, base, func(r *Run, _ *checkpoints, special cot.Special) error { return r.fuse(special) })
	}
	r, special, err := readRun(dir)
	if err != nil {
		return nil, err
	}
	r.base = base
	return r, r.fuse(special)
}

// SaveFused writes what OpenFused has read into a folder: a run, or a model folder as
// Hugging Face has them. say is told what is found in the folder.
func (r *Run) SaveFused(out string, say func(string, ...any)) error {
	if r.others {
		return r.savePretrained(out)
	}
	r.Dir = out
	defer r.Close()
	if _, err := r.Start(false, say); err != nil {
		return err
	}
	return r.Finish()
}

// storedType is the type of a model's weights: float32 of those of several types, or of
// fewer bits.
func storedType(l link) (ckpt.DType, error) {
	w, _, err := openLink(l)
	if err != nil {
		return "", err
	}
	defer w.Close()
	switch f := w.file.(type) {
	case *ckpt.File:
		name, _ := w.Find(transformer.EmbeddingName)
		if info, _ := f.Info(name); info.DType == ckpt.BF16 || info.DType == ckpt.F16 {
			return info.DType, nil
		}
	case *gguf.Model:
		switch t, _ := f.Stored(); t {
		case gguf.BF16:
			return ckpt.BF16, nil
		case gguf.F16:
			return ckpt.F16, nil
		}
	}
	return ckpt.F32, nil
}

// savePretrained writes a model of others.
func (r *Run) savePretrained(out string) error {
	links, err := chain(r.Dir, r.base)
	if err != nil {
		return err
	}
	model := links[len(links)-1].dir
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := r.writeConfig(model, out); err != nil {
		return err
	}
	r.Dir = out
	if err := r.writeWords(); err != nil {
		return err
	}
	return saveWeights(filepath.Join(out, ModelFile), r.Experiment.Model, r.Model.Params.All(), r.dtype)
}

// writeConfig writes the config.json of a model of others: what it had, but for what
// adapters change.
func (r *Run) writeConfig(model, out string) error {
	ends, path := r.Model.Special.EndIDs(), filepath.Join(model, data.ConfigFile)
	text := r.Experiment.Model.JSON("", 0, ends...)
	if !gguf.IsFile(model) {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return err
		}
	}
	keys, err := jsontext.Object(text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if gguf.IsFile(model) { // which need not say how texts begin and end
		delete(keys, "bos_token_id")
		if ends == nil {
			delete(keys, "eos_token_id")
		}
	}
	delete(keys, "dtype")
	keys["torch_dtype"] = rawJSON(dtypeName(r.dtype))
	keys["vocab_size"] = rawJSON(r.Experiment.Model.Vocab)
	keys["tie_word_embeddings"] = rawJSON(r.Experiment.Model.Tied)
	return writeText(out, data.ConfigFile, indented(keys))
}

// checkRange refuses weights that the type they are to be stored in does not have.
func (r *Run) checkRange() error {
	if r.dtype != ckpt.F16 {
		return nil
	}
	for p := range r.Model.Params.All() {
		if !IsBackbone(p.Name) {
			continue
		}
		for _, v := range p.Data {
			if abs := math.Abs(float64(v)); abs >= maxF16+16 && !math.IsInf(abs, 0) { // which would be rounded to infinity
				return fmt.Errorf("tensor %q: has %g, which f16 cannot hold (at most %d); take bf16 or f32", r.Experiment.Model.StoredName(p.Name), v, maxF16)
			}
		}
	}
	return nil
}

// dtypeName is what transformers calls a type of weights.
func dtypeName(t ckpt.DType) string {
	switch t {
	case ckpt.BF16:
		return "bfloat16"
	case ckpt.F16:
		return "float16"
	}
	return "float32"
}
