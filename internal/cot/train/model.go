package train

import (
	"strings"

	"nfcot/internal/cot"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// A Model is what an experiment trains.
type Model struct {
	Params  *tensor.Params
	Special cot.Special
	LM      *transformer.LM
	NF      *cot.NFCoT // nil for methods without continuous thoughts

	config Config
}

// NewModel makes the parameters of an experiment's model.
func NewModel(c Config, special cot.Special) *Model {
	return newModel(tensor.NewParams(c.Seed), c, special)
}

func newModel(p *tensor.Params, c Config, special cot.Special) *Model {
	m := &Model{Params: p, Special: special, LM: transformer.NewLM(p, c.Model), config: c}
	m.LM.Recompute = c.Recompute
	if c.Continuous() {
		m.NF = cot.NewNFCoT(p, m.LM, special, c.Flow, c.NF)
	}
	return m
}

// Sampler is the model as it answers prompts.
func (m *Model) Sampler() cot.Sampler {
	if m.NF != nil {
		return m.NF
	}
	return &cot.Text{LM: m.LM, Special: m.Special, Chain: m.config.Method == "cot", Bare: m.config.Method == LM}
}

// Scorer is the model as it scores samples.
func (m *Model) Scorer() cot.Scorer { return m.Sampler().(cot.Scorer) }

// learner is the model as it learns in a stage.
func (m *Model) learner(stage int) cot.Learner {
	switch {
	case stage == 0:
		return &cot.Text{LM: m.LM, Special: m.Special, Chain: true, DirectShare: m.config.DirectShare}
	case m.NF != nil:
		return cot.Stage{NFCoT: m.NF, HoldFlow: m.config.Stages.List()[stage].HoldFlow}
	}
	return &cot.Text{LM: m.LM, Special: m.Special, Chain: m.config.Method == "cot"}
}

// learns says whether a stage trains a parameter.
func (m *Model) learns(stage int, name string) bool {
	backbone := strings.HasPrefix(name, "model.") || strings.HasPrefix(name, "lm_head.")
	switch {
	case stage == 0:
		return backbone
	case strings.HasPrefix(name, "flow."):
		return !m.config.Stages.List()[stage].HoldFlow
	case stage == 1:
		return !backbone
	}
	return true
}
