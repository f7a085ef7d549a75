package experiment

import (
	"fmt"
	"iter"
	"strings"

	"nfcot/internal/cot"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

// A Model is what an experiment trains.
type Model struct {
	Params  *tensor.Params
	Special cot.Special
	LM      *transformer.LM
	Method  Method

	config Config
	parts  parts
}

// NewModel makes the parameters of an experiment's model.
func NewModel(c Config, special cot.Special) *Model {
	return newModel(tensor.NewParams(c.Seed), c, special)
}

func newModel(p *tensor.Params, c Config, special cot.Special) *Model {
	m := &Model{Params: p, Special: special, LM: transformer.NewLM(p, c.Model), Method: c.method(), config: c}
	if c.LoRA.On() {
		m.LM.AddLoRA(p, c.LoRA)
	}
	m.LM.Recompute = c.Recompute
	m.parts = m.Method.make(c, p, m.LM, special)
	return m
}

// Sampler is the model as it answers prompts.
func (m *Model) Sampler() cot.Sampler { return m.parts.Sampler }

// Scorer is the model as it scores samples; it fails where samples have no exact
// likelihood.
func (m *Model) Scorer() (cot.Scorer, error) {
	if err := m.Method.CheckScores("scored"); err != nil {
		return nil, err
	}
	return m.parts.Sampler.(cot.Scorer), nil
}

// Coder is the model if its thoughts can be read as codes, nil otherwise.
func (m *Model) Coder() cot.Coder {
	c, _ := m.parts.Sampler.(cot.Coder)
	return c
}

// SetSampling makes the model sample as the settings say, where that is more than its sampler
// is told each time: thinking in mixtures of tokens (cot.Soft). It fails for settings that
// mean nothing to the model's method. spell makes of a setting's key what its user calls it.
func (m *Model) SetSampling(s cot.Sampling, spell func(key string) string) error {
	if nf, ok := m.parts.Sampler.(*cot.NFCoT); s.Denoise && !(ok && nf.Denoises()) {
		return fmt.Errorf("%s: noise can be left out of thoughts that stand for codes with noise one by one; want a run of nfcot whose flow has trained no metablocks", spell("denoise"))
	}
	if _, ok := m.parts.Sampler.(*cot.LaDiR); s.DenoiseSteps > 0 && !ok {
		return fmt.Errorf("%s: only a run of ladir makes thoughts in steps, and this is one of %s", spell("denoise_steps"), m.Method.Name)
	}
	if s.Thinking == "" {
		return nil
	}
	soft := Config{Method: softThinking}.method()
	if m.Method.Name != soft.Of {
		return fmt.Errorf("%s %s: %s samples from runs of %s, and the method of this one is %s", spell("thinking"), s.Thinking, soft.Name, soft.Of, m.Method.Name)
	}
	m.Method, m.parts = soft, parts{Sampler: &cot.Soft{LM: m.LM, Special: m.Special, Gumbel: s.Thinking == "gumbel"}}
	return nil
}

// Learner is the model as a stage trains it whose steps, counted over all that are run, begin with
// number first.
func (m *Model) Learner(stage StageID, first int) cot.Learner {
	switch stage {
	case TextStage:
		return &cot.Text{LM: m.LM, Special: m.Special, Chain: true, DirectShare: m.config.DirectShare}
	case ReadStage:
		return m.parts.Sampler.(cot.Reader).Reading()
	}
	return m.parts.learner(stage, first)
}

// ReadBack has a VAE read the thoughts back that stages heads and joint predict (NFOptions.ReadBack). It fails where
// no codes are predicted.
func (m *Model) ReadBack(v *cot.VAE) error {
	switch s := m.parts.Sampler.(type) {
	case *cot.NFCoT:
		s.VAE = v
	case *cot.LaVAE:
		s.VAE = v
	default:
		return fmt.Errorf("nf.read_back is %g, but method %s predicts no codes, one after the other, that could be read back; leave it out", m.config.NF.ReadBack, m.Method.Name)
	}
	for _, id := range []StageID{HeadsStage, JointStage} {
		if s, ok := m.Learner(id, 0).(cot.Stage); ok && s.Flows() && m.config.Stages.Of(id).Steps > 0 {
			return fmt.Errorf("nf.read_back is %g, but in stage %s a flow that is free, or was fitted before, stands between thoughts and codes; leave one of both out", m.config.NF.ReadBack, id)
		}
	}
	return nil
}

// trainable says whether a stage trains a parameter.
func (m *Model) trainable(stage StageID, name string) bool {
	switch {
	case IsBackbone(name) && m.config.LoRA.On() && !transformer.IsAdapter(name):
		return false
	case stage == TextStage:
		return IsBackbone(name)
	case stage == ReadStage:
		return IsBackbone(name) || strings.HasPrefix(name, "proj_in.")
	case IsFlow(name):
		return stage != PolicyStage && !m.config.Stages.Of(stage).FreezeFlow
	case stage == HeadsStage:
		return !IsBackbone(name)
	}
	return true
}

// IsFlow says whether a parameter is the flow's.
func IsFlow(name string) bool { return strings.HasPrefix(name, "flow.") }

// IsBackbone says whether a parameter is one of the language model's own.
func IsBackbone(name string) bool {
	return strings.HasPrefix(name, "model.") || strings.HasPrefix(name, "lm_head.")
}

// trainableRows says whether a stage trains the rows of new tokens alone of a
// parameter.
func (m *Model) trainableRows(stage StageID, name string) bool {
	return m.config.NewTokens > 0 && transformer.IsTable(name) && !m.trainable(stage, name)
}

// SetTrainable gives gradients to what a stage trains, and to nothing else.
func (m *Model) SetTrainable(stage StageID) {
	m.Params.SetTrainable(func(name string) bool { return m.trainable(stage, name) })
	for p := range m.Params.All() {
		if m.trainableRows(stage, p.Name) {
			m.Params.SetTrainableRows(p.Name, m.config.NewTokens)
		}
	}
}

// countTrainable counts the numbers that a stage trains.
func (m *Model) countTrainable(stage StageID) int {
	n := 0
	for p := range m.Params.All() {
		switch {
		case m.trainable(stage, p.Name):
			n += p.Rows() * p.Cols()
		case m.trainableRows(stage, p.Name):
			n += (p.Rows() - m.config.NewTokens) * p.Cols()
		}
	}
	return n
}

// keeps says whether a parameter is kept with the run: all are, but with adapters
// what is never trained stays where it came from.
func (m *Model) keeps(name string) bool {
	return !m.config.LoRA.On() || m.trainable(JointStage, name) || !IsBackbone(name) || m.trainableRows(JointStage, name)
}

// Kept yields the parameters that are kept with the run.
func (m *Model) Kept() iter.Seq[tensor.Param] {
	return func(yield func(tensor.Param) bool) {
		for p := range m.Params.All() {
			if m.keeps(p.Name) && !yield(p) {
				return
			}
		}
	}
}

// Pack stores the matrices that adapters stand in for in bfloat16, if products
// round them to it anyway.
func (m *Model) Pack() {
	if m.packs() {
		m.LM.PackBlocks(m.Params, kernel.BF16)
	}
}

func (m *Model) packs() bool { return m.config.LoRA.On() && m.config.Precision == "bf16" }
