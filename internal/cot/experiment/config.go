// Package experiment knows what a run is made from and what its folder holds:
// the experiment (config.yaml), the methods that there are, the model that an
// experiment describes, and where its first parameters come from. It does not train.
package experiment

import (
	"fmt"
	"math"

	"nfcot/internal/cot"
	"nfcot/internal/nfhead"
	"nfcot/internal/transformer"
)

// Config is a resolved experiment: together with its data it is all that is
// needed to repeat a run. Its YAML is a run's config.yaml.
type Config struct {
	Method    string             `yaml:"method"` // see Methods
	Seed      uint64             `yaml:"seed"`
	Model     transformer.Config `yaml:"model"`
	NF        cot.NFOptions      `yaml:"nf"`        // methods that think in codes
	Flow      nfhead.Config      `yaml:"flow"`      // methods with a flow
	Diffusion cot.Diffusion      `yaml:"diffusion"` // ladir
	Coconut   cot.CoconutOptions `yaml:"coconut"`   // coconut
	ICoT      cot.ICoTOptions    `yaml:"icot"`      // icot
	LoRA      transformer.LoRA   `yaml:"lora"`      // the backbone's blocks learn through adapters alone

	// NewTokens is the first of the tokens that were added to a pretrained model's; 0: none were. Their embeddings are trained
	// in every stage, also where the backbone is frozen.
	NewTokens int `yaml:"new_tokens"`

	Batch      int     `yaml:"batch"`      // examples a step
	Accumulate int     `yaml:"accumulate"` // microbatches that a batch is cut into, one after the other, to save memory
	Recompute  bool    `yaml:"recompute"`  // keep only the input of each block of the backbone and compute the rest again in the backward pass, to save memory
	Precision  string  `yaml:"precision"`  // of the factors of products with weights, f32 or bf16; all else, and every sum, is f32
	Clip       float64 `yaml:"clip"`       // largest norm of the gradient
	Decay      float64 `yaml:"decay"`      // AdamW's weight decay
	MinLR      float64 `yaml:"min_lr"`     // share of a stage's learning rate that is left at its end

	DirectShare float64 `yaml:"direct_share"` // stage text: share of examples shown without their chain of thought
	HeldOut     int     `yaml:"held_out"`     // last examples of the data kept for evaluation during training
	EvalEvery   int     `yaml:"eval_every"`   // steps between evaluations; 0: none
	SaveEvery   int     `yaml:"save_every"`   // steps between saved states; 0: only when interrupted

	Stages Stages `yaml:"stages"`
}

// Default is the experiment that a method's name stands for: the setting of the
// embedded benchmark's demo.
func Default(method string) Config {
	c := Config{
		Method: method, Seed: 1,
		Model:     transformer.Config{Hidden: 64, Layers: 4, Heads: 2, KVHeads: 2, HeadDim: 32, FFN: 128, Tied: true, Theta: 1e4, NormEps: 1e-6, MaxTokens: 256},
		NF:        cot.NFOptions{Noise: 0.3, LambdaFlow: 1, LambdaText: 1, SigmaLimit: 5, Expectation: true, MeanWeight: 1},
		Flow:      nfhead.Config{Blocks: 5, Width: 64, Layers: 1, HeadDim: 32, Expansion: 2, Permute: "alternate"},
		Diffusion: cot.Diffusion{Process: "flow", Steps: 30, Shift: 4},
		Coconut:   cot.CoconutOptions{PerLine: 1, Last: 0.4, Scale: 1},
		ICoT:      cot.ICoTOptions{Whole: 0.3, Last: 0.2, Smoothing: 4, Reset: true},
		LoRA:      transformer.LoRA{Alpha: 16, Targets: "all"},
		Batch:     32, Accumulate: 1, Precision: "f32", Clip: 1, Decay: 0.01, MinLR: 0.05,
		DirectShare: 0.15, HeldOut: 64, EvalEvery: 100, SaveEvery: 500,
		Stages: Stages{
			Text:  Stage{LR: 3e-3, Warmup: 100, FlowLR: 1, FreezeFlow: true},
			Read:  Stage{LR: 3e-3, Warmup: 20, FlowLR: 1, FreezeFlow: true},
			Heads: Stage{LR: 2e-3, Warmup: 50, FlowLR: 1, FreezeFlow: true},
			Joint: Stage{LR: 4e-3, Warmup: 100, FlowLR: 1, FreezeFlow: true},
			Flow:  Stage{LR: 1e-3, Warmup: 50, FlowLR: 0.3},
		},
	}
	m, _ := FindMethod(method) // Check refuses others
	c.Stages.Joint.Steps = m.steps
	return c
}

// pretrained is the experiment c for a model that others have trained: rates for a budget of about a thousand steps,
// much larger than the paper's (docs/method.md section 6), a stage for the heads first, what is new at the model's own
// scales, and memory before speed. With adapters their rate is higher. Method lm has nothing to learn from nothing, and
// keeps to small steps.
func (c Config) pretrained(model transformer.Config, adapters bool) Config {
	c.Model = model
	c.Batch, c.Recompute, c.NF.Fit = 16, true, true
	m, _ := FindMethod(c.Method)
	c.Stages.Text.LR, c.Stages.Joint.LR, c.Stages.Flow.LR = 3e-4, 3e-4, 1e-4
	if adapters {
		c.Stages.Text.LR, c.Stages.Joint.LR, c.Stages.Flow.LR = 1e-3, 1e-3, 3e-4
	}
	c.Stages.Text.Warmup, c.Stages.Joint.Warmup, c.Stages.Flow.Warmup = 50, 50, 50
	c.Stages.Read.LR, c.Stages.Read.Warmup = 1e-3, 10
	c.Stages.Heads.LR, c.Stages.Heads.Warmup = 2e-3, 20
	switch {
	case m.Codes:
		c.Stages.Heads.Steps = 100
	case m.Plain:
		c.Batch, c.Stages.Joint.LR, c.Stages.Joint.Warmup = 8, 5e-5, 10
	}
	return c
}

// readsAlone says whether anything learns what each code alone stands for.
func (c Config) readsAlone() bool { return c.Stages.Read.Steps > 0 || c.NF.ReadLines > 0 }

// mostTogether is more examples, or rollouts, than any step can have.
const mostTogether = 1 << 20

// Check says what is wrong with the experiment, if anything is.
func (c Config) Check() error {
	method, err := FindMethod(c.Method)
	switch {
	case err != nil:
		return err
	case method.Of != "":
		return fmt.Errorf("method %s is a rule for sampling from a run of %s, which is what to train", c.Method, method.Of)
	}
	if err := c.Model.Check(); err != nil {
		return err
	}
	if err := c.LoRA.Check(c.Model); err != nil {
		return err
	}
	if method.check != nil {
		if err := method.check(c); err != nil {
			return err
		}
	}
	switch {
	case c.NF.K < 0 || c.NF.D < 0 || c.NF.MLP < 0 || c.NF.Components < 0:
		return fmt.Errorf("nf has %d thoughts of %d dims, mlp %d and %d components; none may be negative", c.NF.K, c.NF.D, c.NF.MLP, c.NF.Components)
	case c.NF.ReadLines < 0 || method.Codes && c.NF.ReadLines > c.NF.K:
		return fmt.Errorf("nf.read_lines is %d; want 0 to %d, as many as there are thoughts", c.NF.ReadLines, c.NF.K)
	case !(c.NF.Noise >= 0) || c.NF.MeanWeight > 0 && c.NF.Noise == 0:
		return fmt.Errorf("nf noise is %g; it must not be negative, and mean_weight needs it to be positive", c.NF.Noise)
	case !(c.Clip >= 0) || !(c.Decay >= 0) || !(c.MinLR >= 0) || !(c.NF.LambdaFlow >= 0) || !(c.NF.LambdaText >= 0) || !(c.NF.MeanWeight >= 0) || !(c.NF.ReadBack >= 0):
		return fmt.Errorf("clip, decay, min_lr, nf.lambda_flow, nf.lambda_text, nf.mean_weight and nf.read_back must not be negative")
	case c.Batch < 1 || c.Accumulate < 1 || c.Accumulate > c.Batch:
		return fmt.Errorf("batch is %d in %d microbatches; want at least 1 example in each", c.Batch, c.Accumulate)
	case c.Batch > mostTogether:
		return fmt.Errorf("batch is %d; want at most %d", c.Batch, mostTogether)
	case c.Precision != "f32" && c.Precision != "bf16":
		return fmt.Errorf("precision is %q; want f32 or bf16", c.Precision)
	case c.NewTokens < 0 || c.NewTokens > c.Model.Vocab:
		return fmt.Errorf("new_tokens is %d; want 0, or an id of the vocabulary of %d", c.NewTokens, c.Model.Vocab)
	case !(c.NF.SigmaLimit >= 0):
		return fmt.Errorf("nf.log_sigma_limit is %g; want a positive number, or 0 for no limit", c.NF.SigmaLimit)
	case !(c.DirectShare >= 0 && c.DirectShare <= 1):
		return fmt.Errorf("direct_share is %g; want a share, 0 to 1", c.DirectShare)
	case c.HeldOut < 0 || c.EvalEvery < 0 || c.SaveEvery < 0:
		return fmt.Errorf("held_out, eval_every and save_every must not be negative")
	}
	for id, s := range c.Stages.All() {
		if s.Steps < 0 || s.Steps > 0 && (!(s.LR > 0) || math.IsInf(s.LR, 0)) {
			return fmt.Errorf("stage %s has %d steps at learning rate %g; steps must not be negative and the rate must be positive", id, s.Steps, s.LR)
		}
		if s.Warmup < 0 {
			return fmt.Errorf("stage %s has a warmup of %d steps; it must not be negative", id, s.Warmup)
		}
		if !(s.FlowLR >= 0) || math.IsInf(s.FlowLR, 0) {
			return fmt.Errorf("stage %s has flow_lr %g; it must not be negative", id, s.FlowLR)
		}
		if err := s.checkFit(id, method.Flows && len(c.Flow.Names()) > 0); err != nil {
			return err
		}
	}
	if s := c.Stages; !method.Codes {
		switch {
		case c.NF.ReadLines > 0:
			return fmt.Errorf("nf.read_lines is %d, but method %s has no codes to read; leave it out", c.NF.ReadLines, c.Method)
		case s.Heads.Steps > 0:
			return fmt.Errorf("stage heads has %d steps, but method %s has no heads to train in it; give it none", s.Heads.Steps, c.Method)
		case s.Read.Steps > 0:
			return fmt.Errorf("stage read has %d steps, but method %s has no codes to read in it; give it none", s.Read.Steps, c.Method)
		}
	}
	return nil
}
