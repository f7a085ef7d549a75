// Package data reads what training learns from: files of examples, and thoughts
// folders, in which their chains have been distilled to codes.
package data

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/tensor"
	"nfcot/internal/tokenizer"
)

// Thoughts is a data set with its chains of thought distilled: what is in a
// thoughts folder.
type Thoughts struct {
	Tokenizer *tokenizer.Tokenizer
	VAE       *cot.VAE
	Examples  []cot.Example
	Codes     *tensor.Tensor // standardised, [n·K, D]
	Report    any            // of the distillation, for config.json
}

// The files of a thoughts folder.
const (
	ThoughtsFile  = "thoughts.safetensors"
	VAEFile       = "vae.safetensors"
	ExamplesFile  = "examples.jsonl.zst"
	TokenizerFile = "tokenizer.json"
	ConfigFile    = "config.json"
)

// Save writes the folder dir, whole or not at all.
func (x *Thoughts) Save(dir string) error {
	return ckpt.WriteDir(dir, func(dir string) error {
		c := x.VAE.Config
		err := ckpt.Write(filepath.Join(dir, ThoughtsFile), []ckpt.Tensor{
			{Name: "codes", Shape: []int{len(x.Examples), c.K, c.D}, Data: x.Codes.Data},
			{Name: "mean", Shape: []int{c.D}, Data: x.VAE.Mean},
			{Name: "std", Shape: []int{c.D}, Data: x.VAE.Std},
		}, nil)
		if err != nil {
			return err
		}
		if err := SaveVAE(filepath.Join(dir, VAEFile), x.VAE); err != nil {
			return err
		}
		if err := ckpt.WriteJSONL(filepath.Join(dir, ExamplesFile), slices.Values(x.Examples)); err != nil {
			return err
		}
		if err := ckpt.WriteFile(filepath.Join(dir, TokenizerFile), x.Tokenizer.Save); err != nil {
			return err
		}
		config, err := json.MarshalIndent(struct {
			VAE    cot.VAEConfig `json:"vae"`
			Report any           `json:"report"`
		}{c, x.Report}, "", "  ")
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, ConfigFile), append(config, '\n'), 0o644)
	})
}

// LoadThoughts reads a thoughts folder.
func LoadThoughts(dir string) (*Thoughts, error) {
	x := new(Thoughts)
	var err error
	if x.Tokenizer, err = tokenizer.Load(filepath.Join(dir, TokenizerFile)); err != nil {
		return nil, err
	}
	if x.VAE, err = LoadVAE(filepath.Join(dir, VAEFile)); err != nil {
		return nil, err
	}
	if x.Examples, _, err = (Source{Files: Files{filepath.Join(dir, ExamplesFile)}}).Read(); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, ThoughtsFile)
	f, err := ckpt.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	codes, shape, err := f.Float32("codes")
	if err != nil {
		return nil, err
	}
	if want := []int{len(x.Examples), x.VAE.Config.K, x.VAE.Config.D}; !slices.Equal(shape, want) {
		return nil, fmt.Errorf("%s: tensor codes has shape %v; expected %v (examples, thoughts, dims)", path, shape, want)
	}
	x.Codes = tensor.From(codes, shape[0]*shape[1], shape[2])
	return x, nil
}

// ExampleCodes returns the codes of example number i.   → [K, D]
func (x *Thoughts) ExampleCodes(i int) *tensor.Tensor {
	c := x.VAE.Config
	return tensor.From(x.Codes.Data[i*c.K*c.D:(i+1)*c.K*c.D], c.K, c.D)
}

// Segments are those of the chain of example number i that its codes stand for, in tokens. It fails where the
// VAE was made for shorter ones.   → [K]
func (x *Thoughts) Segments(i int) ([][]int, error) {
	return x.VAE.Config.Cut(x.VAE.Config.Steps(x.Tokenizer, x.Examples[i].CoT))
}

// wordsKey is where a VAE's file has the tokens that it knows, if these are not all.
const wordsKey = "words"

// SaveVAE writes a VAE as one safetensors file; the metadata hold its shape.
func SaveVAE(path string, v *cot.VAE) error {
	tensors := []ckpt.Tensor{
		{Name: "mean", Shape: []int{v.Config.D}, Data: v.Mean},
		{Name: "std", Shape: []int{v.Config.D}, Data: v.Std},
	}
	for p := range v.Params.All() {
		tensors = append(tensors, ckpt.Tensor{Name: p.Name, Shape: p.Shape, Data: p.Data})
	}
	config, err := json.Marshal(v.Config)
	if err != nil {
		return err
	}
	meta := map[string]string{"vae": string(config), "vocab": fmt.Sprint(v.Vocab), "eos": fmt.Sprint(v.EOS)}
	if v.Rows != nil {
		rows, err := json.Marshal(v.Rows)
		if err != nil {
			return err
		}
		meta[wordsKey] = string(rows)
	}
	return ckpt.Write(path, tensors, meta)
}

// LoadVAE reads what SaveVAE wrote.
func LoadVAE(path string) (*cot.VAE, error) {
	f, err := ckpt.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	meta := f.Metadata()
	var c cot.VAEConfig
	var vocab, eos int
	if err := json.Unmarshal([]byte(meta["vae"]), &c); err != nil {
		return nil, fmt.Errorf("%s: metadata: no VAE is described; expected a file written by nfcot distill", path)
	}
	if _, err := fmt.Sscan(meta["vocab"]+" "+meta["eos"], &vocab, &eos); err != nil {
		return nil, fmt.Errorf("%s: metadata: vocab is %q and eos %q; expected numbers", path, meta["vocab"], meta["eos"])
	}
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("%s: metadata: %w", path, err)
	}
	if c.Length < 1 || vocab < 1 || eos < 0 || eos >= vocab {
		return nil, fmt.Errorf("%s: metadata: length is %d, vocab %d and eos %d; expected a positive length and an eos below the vocab", path, c.Length, vocab, eos)
	}
	var rows []int
	if _, ok := meta["rows"]; ok {
		return nil, fmt.Errorf("%s: metadata: a VAE of an older nfcot, whose decoder chose from all tokens; make it anew with nfcot distill", path)
	}
	if text, ok := meta[wordsKey]; ok {
		if err := json.Unmarshal([]byte(text), &rows); err != nil || len(rows) == 0 || !slices.IsSorted(rows) || rows[0] < 0 || rows[len(rows)-1] >= vocab || !slices.Contains(rows, eos) {
			return nil, fmt.Errorf("%s: metadata: %s is %.40s; expected token ids below %d, ascending, eos among them", path, wordsKey, text, vocab)
		}
	}
	v := cot.NewVAE(tensor.NewParams(0), c, vocab, eos, rows)
	if err := v.Params.Load(f, ""); err != nil {
		return nil, err
	}
	for name, dst := range map[string][]float32{"mean": v.Mean, "std": v.Std} {
		if err := tensor.LoadInto(dst, []int{c.D}, f, name); err != nil {
			return nil, err
		}
	}
	v.Params.SetTrainable(func(string) bool { return false })
	return v, nil
}
