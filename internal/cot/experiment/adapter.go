package experiment

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"nfcot/internal/ckpt"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// Adapters in the layout of Hugging Face's PEFT, which loads them over the model
// that training started from.

const (
	adapterFile   = "adapter_model.safetensors"
	adapterConfig = "adapter_config.json"
	adapterPrefix = "base_model.model." // of the names of their matrices
)

// peftConfig is an adapter_config.json. PEFT assumes of what is missing what is
// meant here.
type peftConfig struct {
	Type         string   `json:"peft_type"`
	Task         string   `json:"task_type"`
	Base         string   `json:"base_model_name_or_path"`
	Rank         int      `json:"r"`
	Alpha        float64  `json:"lora_alpha"`
	Dropout      float64  `json:"lora_dropout"`
	Bias         string   `json:"bias"`
	Targets      []string `json:"target_modules"`
	Inference    bool     `json:"inference_mode"`
	FanInFanOut  bool     `json:"fan_in_fan_out"`
	RankStable   bool     `json:"use_rslora"`
	DoRA         bool     `json:"use_dora"`
	RankPattern  any      `json:"rank_pattern"`
	AlphaPattern any      `json:"alpha_pattern"`
}

// saveAdapters writes the run's adapters.
func (r *Run) saveAdapters() error {
	lora, model := r.Experiment.LoRA, r.Experiment.Model
	config, err := json.MarshalIndent(peftConfig{
		Type: "LORA", Task: "CAUSAL_LM", Base: r.Experiment.Source.Init, Rank: lora.Rank, Alpha: lora.Alpha, Bias: "none",
		Targets: lora.TargetList(model), Inference: true, FanInFanOut: model.Conv1D(), RankPattern: struct{}{}, AlphaPattern: struct{}{},
	}, "", "  ")
	if err != nil {
		return err
	}
	err = ckpt.WriteFile(filepath.Join(r.Dir, adapterConfig), func(w io.Writer) error {
		_, err := w.Write(append(config, '\n'))
		return err
	})
	if err != nil {
		return err
	}
	var tensors []ckpt.Tensor
	for p := range r.Model.Params.All() {
		if transformer.IsAdapter(p.Name) {
			name, shape, numbers := model.Stored(p)
			tensors = append(tensors, ckpt.Tensor{Name: adapterPrefix + name, Shape: shape, Data: numbers})
		}
	}
	return ckpt.Write(filepath.Join(r.Dir, adapterFile), tensors, map[string]string{"format": "pt"})
}

// fuseAdapters adds the adapters in the folder dir to the matrices of p.
func fuseAdapters(model transformer.Config, p *tensor.Params, dir string) error {
	path := filepath.Join(dir, adapterConfig)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var c peftConfig
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("%s: invalid JSON: %w", path, err)
	}
	if c.Type != "LORA" || c.Rank < 1 || c.RankStable || c.DoRA || c.FanInFanOut != model.Conv1D() {
		return fmt.Errorf("%s: found peft_type %q of rank %d; only plain LORA is supported", path, c.Type, c.Rank)
	}
	f, err := ckpt.Open(filepath.Join(dir, adapterFile))
	if err != nil {
		return err
	}
	defer f.Close()
	return transformer.LoRA{Rank: c.Rank, Alpha: c.Alpha}.Fuse(model, p, f, adapterPrefix)
}
