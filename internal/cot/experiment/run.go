package experiment

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime/debug"

	"go.yaml.in/yaml/v4"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tokenizer"
	"nfcot/internal/tokenizer/chat"
	"nfcot/internal/transformer"
)

// The files of a run folder.
const (
	ConfigFile  = "config.yaml"
	ModelFile   = "model.safetensors"
	MetricsFile = "metrics.jsonl"
	StateDir    = "state" // of a run that has not ended: what it needs to continue

	vaeTokenizerFile = "vae_tokenizer.json" // where it is not the run's
)

// An Experiment is a Config and the data it is trained on: a run's config.yaml.
type Experiment struct {
	Config `yaml:",inline"`
	RL     *RL    `yaml:"rl,omitempty"` // of a run of nfcot rl; nil for what nfcot train makes
	Source Source `yaml:"source"`
}

// Command is the command that makes the run: rl or train.
func (e *Experiment) Command() string {
	if e.RL != nil {
		return "rl"
	}
	return "train"
}

// A Source names what a run was made from.
type Source struct {
	Thoughts  string      `yaml:"thoughts,omitempty"`  // thoughts folder, or
	Data      data.Source `yaml:",inline"`             // files of examples with
	Tokenizer string      `yaml:"tokenizer,omitempty"` // their tokenizer
	Init      string      `yaml:"init,omitempty"`      // run, model folder of Hugging Face's, adapter or GGUF file whose parameters and tokenizer it starts from
	Base      string      `yaml:"base,omitempty"`      // of an adapter in init: the model that it is over, if not the one that it names
	TooLong   string      `yaml:"too_long,omitempty"`  // what becomes of examples that the model has no room for: refuse (""), cut or drop
	Stage     StageID     `yaml:"stage"`               // the one stage to run, or all
	Examples  int         `yaml:"examples"`            // number of examples, held-out ones included
	SHA256    string      `yaml:"sha256"`              // of tokens and codes
}

// file is where the examples come from.
func (s Source) file() string { return cmp.Or(s.Thoughts, s.Data.Files.String()) }

// fingerprint identifies examples: a run can only continue on the same.
func fingerprint(examples []cot.Encoded) string {
	h := sha256.New()
	for _, ex := range examples {
		fmt.Fprint(h, ex.Prompt, ex.Steps, ex.Answer)
		if ex.Cut {
			fmt.Fprint(h, "cut")
		}
		if ex.Tokens != nil {
			fmt.Fprint(h, ex.Tokens, ex.Targets)
		}
		if ex.Codes != nil {
			fmt.Fprint(h, ex.Codes.Data)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// A Run is a trained model as it lies in a run folder.
type Run struct {
	Dir          string
	Experiment   Experiment
	Tokenizer    *tokenizer.Tokenizer
	VAE          *cot.VAE             // nil for methods that do not think in codes
	VAETokenizer *tokenizer.Tokenizer // of the VAE, which need not be the backbone's; nil with it
	Model        *Model
	Chat         *chat.Templates // those of the model, or of the model that the run began from

	others     bool       // a language model of others, and no run
	companions companions // of the model that the run began from
	base       string     // that its adapters are over, if not what they name
	dtype      ckpt.DType // of the backbone's weights when it is saved; "": float32
	lock       *ckpt.Lock // of Dir, from Start to Finish or Close
}

// writeStart writes the run folder's files that are known before training.
func (r *Run) writeStart() error {
	config, err := yaml.Dump(r.Experiment)
	if err != nil {
		return err
	}
	if err := writeText(r.Dir, ConfigFile, config); err != nil {
		return err
	}
	if !r.Experiment.LoRA.On() { // of which PEFT makes a model, by adapter_config.json
		bos := r.Model.Special.EOS // as GPT-2 has it
		if r.companions.bos != nil {
			bos = *r.companions.bos
		}
		if err := writeText(r.Dir, data.ConfigFile, r.Experiment.Model.JSON(dtypeName(r.dtype), bos, r.Model.Special.EndIDs()...)); err != nil {
			return err
		}
	}
	if err := r.writeWords(); err != nil {
		return err
	}
	if r.VAE == nil {
		return nil
	}
	if r.VAETokenizer != nil && !sameTokenizer(r.VAETokenizer, r.Tokenizer) {
		if err := ckpt.WriteFile(filepath.Join(r.Dir, vaeTokenizerFile), r.VAETokenizer.Save); err != nil {
			return err
		}
	}
	return data.SaveVAE(filepath.Join(r.Dir, data.VAEFile), r.VAE)
}

// writeText writes a file of a folder.
func writeText(dir, name string, text []byte) error {
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return ckpt.WriteBytes(path, text)
}

// sameTokenizer says whether two tokenizers are saved as the same file.
func sameTokenizer(a, b *tokenizer.Tokenizer) bool {
	if a == b {
		return true
	}
	x, errX := a.JSON()
	y, errY := b.JSON()
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// Finish writes the trained parameters, drops the state that served to continue, and
// leaves the folder to others.
func (r *Run) Finish() error {
	lora := r.Experiment.LoRA.On()
	if lora {
		if err := r.saveAdapters(); err != nil {
			return err
		}
	}
	others := func(yield func(tensor.Param) bool) {
		for p := range r.Model.Params.All() {
			if !(lora && IsBackbone(p.Name)) && !yield(p) {
				return
			}
		}
	}
	if err := saveWeights(filepath.Join(r.Dir, ModelFile), r.Experiment.Model, others, cmp.Or(r.dtype, ckpt.F32)); err != nil {
		return err
	}
	return r.tidy()
}

// saveWeights writes parameters of a model as transformers reads them: the backbone's as
// F32, BF16 or F16, all others, which come first, as F32.
func saveWeights(path string, model transformer.Config, params iter.Seq[tensor.Param], dtype ckpt.DType) error {
	var heads, backbone []ckpt.Tensor
	for q := range params {
		name, shape, numbers := model.Stored(q)
		t := ckpt.Tensor{Name: name, Shape: shape, Data: numbers}
		if dtype != ckpt.F32 && !IsBackbone(q.Name) {
			heads = append(heads, t)
			continue
		}
		t.DType = dtype
		backbone = append(backbone, t)
	}
	// transformers wants to know which framework's names these are.
	return ckpt.Write(path, append(heads, backbone...), map[string]string{"format": "pt"})
}

// ReadConfig reads the experiment of the run folder dir.
func ReadConfig(dir string) (Experiment, error) {
	e := Experiment{Config: Config{Precision: "f32"}} // runs of older versions do not say
	path := filepath.Join(dir, ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return e, fmt.Errorf("%s: not a run folder: it has no %s", dir, ConfigFile)
	}
	if err := e.Read(text); err != nil {
		return e, fmt.Errorf("%s: %w", path, err)
	}
	if err := e.Check(); err != nil {
		return e, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

// Open reads a model to run, not to train: a run folder with a trained model, or a
// plain language model, a folder as Hugging Face has them, a GGUF file, or an adapter of
// PEFT's over one of these, see openPretrained. base, unless it is "", is the model that
// the adapters in the folder are over, in place of the one that they name. The
// backbone's matrices are kept in a format for decoding; nil stands for that of
// checkpoint.format, with adapters for float32. So does kernel.Stored, but for GGUF files.
func Open(dir, base string, format *kernel.Format) (*Run, error) {
	// What is garbage here is whole matrices: without this there could be as much of it as of the model.
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	switch run, err := isRun(dir); {
	case err != nil:
		return nil, err
	case run:
		return openRun(dir, base, format)
	}
	return openPretrained(dir, base, format)
}

// isRun tells a run folder from a language model of others; what is neither is an error.
func isRun(dir string) (bool, error) {
	has := func(name string) bool { return exists(filepath.Join(dir, name)) }
	if has(ConfigFile) || gguf.IsFile(dir) || isAdapter(dir) || has(data.ConfigFile) && !has(data.ThoughtsFile) {
		return has(ConfigFile), nil
	}
	return false, fmt.Errorf("%s: not a model: neither a run folder, with a %s, nor Hugging Face's, with a %s, nor an adapter, with an %s, nor a GGUF file", dir, ConfigFile, data.ConfigFile, adapterConfig)
}

func openRun(dir, base string, format *kernel.Format) (*Run, error) {
	r, special, err := readRun(dir)
	if err != nil {
		return nil, err
	}
	r.base = base
	if r.Experiment.LoRA.On() {
		return r, r.openFused(special, format)
	}
	links, err := chain(dir, base)
	if err != nil {
		return nil, err
	}
	w, _, err := openLink(links[0])
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return r, r.load(w, special, format)
}

// openFused makes the whole model of adapters, and packs it.
func (r *Run) openFused(special cot.Special, format *kernel.Format) error {
	if err := r.fuse(special); err != nil {
		return err
	}
	if format == nil || *format == kernel.Stored {
		format = new(kernel.Format) // F32
	}
	r.Model.LM.Pack(r.Model.Params, *format)
	return nil
}

// fuse makes the whole model of adapters.
func (r *Run) fuse(special cot.Special) (err error) {
	r.Experiment.LoRA.Fused = true
	r.Model, err = loadModel(r.Dir, r.base, r.Experiment.Config, special, true)
	return err
}

// readRun reads all of a finished run but the model.
func readRun(dir string) (*Run, cot.Special, error) {
	r, special := &Run{Dir: dir}, cot.Special{}
	var err error
	if r.Experiment, err = ReadConfig(dir); err != nil {
		return nil, special, err
	}
	if r.Tokenizer, err = tokenizer.Load(filepath.Join(dir, data.TokenizerFile)); err != nil {
		return nil, special, err
	}
	if r.companions, err = readCompanions(dir, r.Experiment.Model.Vocab); err != nil {
		return nil, special, err
	}
	r.Chat = r.companions.chat
	if special, err = r.special(r.Experiment.method()); err != nil {
		return nil, special, fmt.Errorf("%s: %w", dir, err)
	}
	if r.Experiment.method().Codes {
		if r.VAE, err = data.LoadVAE(filepath.Join(dir, data.VAEFile)); err != nil {
			return nil, special, err
		}
		r.VAETokenizer = r.Tokenizer
		if words := filepath.Join(dir, vaeTokenizerFile); exists(words) {
			if r.VAETokenizer, err = tokenizer.Load(words); err != nil {
				return nil, special, err
			}
		}
	}
	if !exists(filepath.Join(dir, ModelFile)) {
		return nil, special, fmt.Errorf("%s: the run has no %s: its training has not ended; continue it with nfcot %s --resume -o %s", dir, ModelFile, r.Experiment.Command(), dir)
	}
	return r, special, nil
}

// load makes the model out of its file.
func (r *Run) load(w *checkpoint, special cot.Special, format *kernel.Format) error {
	if format == nil || *format == kernel.Stored && !w.inBlocks() {
		format = new(w.format())
	}
	r.Model = newModel(tensor.NewOutline(), r.Experiment.Config, special)
	return r.Model.LM.LoadPacked(r.Model.Params, w, *format)
}
