package experiment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/ckpt/gguf"
	"nfcot/internal/cot/data"
	"nfcot/internal/transformer"
)

// Adapters in the layout of Hugging Face's PEFT: those of others over their models, and
// those of our runs, which PEFT loads over the model that training started from.

const (
	adapterFile   = "adapter_model.safetensors"
	adapterConfig = "adapter_config.json"
)

// An adapter is what the tensors in a folder change in the model that it is over.
type adapter struct {
	file    *ckpt.File
	changes []transformer.Change
	vocab   int // rows of the tables that it was trained with
}

// isAdapter says whether a folder holds an adapter that is no run of ours.
func isAdapter(dir string) bool {
	return exists(filepath.Join(dir, adapterConfig)) && !exists(filepath.Join(dir, ConfigFile))
}

// openAdapter opens the tensors in a folder, which change a model as the settings say,
// and returns the shape of what comes of it.
func openAdapter(dir string, c *adapterSettings, model transformer.Config) (*adapter, transformer.Config, error) {
	f, err := ckpt.Open(filepath.Join(dir, adapterFile))
	if err != nil {
		return nil, model, err
	}
	a := &adapter{file: f}
	if a.changes, model, err = c.plan(f, model); err != nil {
		f.Close()
		return nil, model, err
	}
	a.vocab = model.Vocab
	return a, model, nil
}

// bringsRow says whether the adapter has a row for a table, in place of the model's.
func (a *adapter) bringsRow(table string, id int) bool {
	return slices.ContainsFunc(a.changes, func(c transformer.Change) bool {
		return c.Tensor == table && (c.Whole != "" && id < a.vocab || slices.Contains(c.Rows, id))
	})
}

// over is the model that the adapter in a folder is over: base, unless it is "", or what
// its settings name. A relative path is seen from the folder or from the working
// directory.
func (c *adapterSettings) over(dir, base string) (string, error) {
	paths := []string{filepath.Join(dir, c.base), c.base}
	switch {
	case base != "":
		paths = []string{base}
	case c.base == "":
		return "", fmt.Errorf("%s: base_model_name_or_path is missing; name the model with --base", filepath.Join(dir, adapterConfig))
	case filepath.IsAbs(c.base):
		paths = paths[1:]
	}
	for _, path := range paths {
		if gguf.IsFile(path) || exists(filepath.Join(path, data.ConfigFile)) && !exists(filepath.Join(path, ConfigFile)) {
			return path, nil
		}
	}
	if base != "" {
		return "", fmt.Errorf("--base %s: neither a model folder of Hugging Face's, with a %s, nor a GGUF file", base, data.ConfigFile)
	}
	return "", fmt.Errorf("%s: base_model_name_or_path is %.100q, where there is no model; name it with --base", filepath.Join(dir, adapterConfig), c.base)
}

// runAdapter is an adapter_config.json of ours. PEFT assumes of what is missing what is
// meant here.
type runAdapter struct {
	Type        string           `json:"peft_type"`
	Task        string           `json:"task_type"`
	Base        string           `json:"base_model_name_or_path"`
	Rank        int              `json:"r"`
	Alpha       float64          `json:"lora_alpha"`
	Dropout     float64          `json:"lora_dropout"`
	Bias        string           `json:"bias"`
	Targets     []string         `json:"target_modules"`
	Tokens      map[string][]int `json:"trainable_token_indices"` // null: none
	Inference   bool             `json:"inference_mode"`
	FanInFanOut bool             `json:"fan_in_fan_out"`
	RankStable  bool             `json:"use_rslora"`
	DoRA        bool             `json:"use_dora"`
}

// saveAdapters writes what the run has trained of the language model: the adapters, and
// the rows of new tokens.
func (r *Run) saveAdapters() error {
	lora, model := r.Experiment.LoRA, r.Experiment.Model
	settings := runAdapter{Type: "LORA", Task: "CAUSAL_LM", Base: r.Experiment.Source.Init, Rank: lora.Rank, Alpha: lora.Alpha, Bias: "none",
		Targets: lora.TargetList(model), Inference: true, FanInFanOut: model.Conv1D()}
	var tensors []ckpt.Tensor
	for p := range r.Model.Params.All() {
		switch {
		case transformer.IsAdapter(p.Name):
			name, shape, numbers := model.Stored(p)
			tensors = append(tensors, ckpt.Tensor{Name: adapterPrefix + name, Shape: shape, Data: numbers})
		case r.Model.trainableRows(JointStage, p.Name):
			module, from := strings.TrimSuffix(model.StoredName(p.Name), ".weight"), r.Experiment.NewTokens
			if settings.Tokens == nil {
				settings.Tokens = map[string][]int{}
			}
			for id := from; id < p.Rows(); id++ {
				settings.Tokens[module] = append(settings.Tokens[module], id)
			}
			tensors = append(tensors, ckpt.Tensor{Name: adapterPrefix + module + ".token_adapter.trainable_tokens_delta",
				Shape: []int{p.Rows() - from, p.Cols()}, Data: p.Data[from*p.Cols():]})
		}
	}
	if err := ckpt.WriteJSON(filepath.Join(r.Dir, adapterConfig), settings); err != nil {
		return err
	}
	// Of a run that an older version began: transformers would take it for the shape of a whole model.
	if err := os.Remove(filepath.Join(r.Dir, data.ConfigFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return ckpt.Write(filepath.Join(r.Dir, adapterFile), tensors, map[string]string{"format": "pt"})
}
