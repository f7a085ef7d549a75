package experiment

import (
	"fmt"
	"strings"

	"nfcot/internal/cot"
	"nfcot/internal/nfhead"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// A Method is a way to think before answering. A new one takes a file in package
// cot and an entry in Methods; nothing else asks for a method by its name.
type Method struct {
	Name   string
	What   string // one line
	Scores bool   // knows the exact likelihood of what it samples (cot.Scorer), and so can be reinforced
	Flows  bool   // thoughts have the density of a flow and a head
	Codes  bool   // learns to think the codes of a thoughts folder, with parameters that stage heads trains alone
	Words  bool   // thinks and answers in tokens alone: a run is a causal language model like any other
	Chains bool   // learns chains of thought in words, or from them line by line
	Plain  bool   // learns texts with no token of ours in them: the tokenizer is the model's own
	Of     string // not trained: a rule for sampling from runs of this method

	// steps are those of stage joint by default.
	steps int
	// check says what is wrong with the experiment's settings of the method; nil: there are none.
	check func(c Config) error
	// fit settles what the data decide of the settings; nil: nothing.
	fit func(c *Config, data []cot.Encoded)
	// make adds to a language model what the method needs.
	make func(c Config, p *tensor.Params, lm *transformer.LM, special cot.Special) parts
}

// parts are a method's model.
type parts struct {
	cot.Sampler
	learner func(stage StageID, first int) cot.Learner // of the stages from heads on, as for Model.Learner
}

// LM is the method of a plain language model: the answer is what it says after the prompt.
const LM = "lm"

// Methods are the methods that there are.
var Methods = []Method{
	{Name: LM, What: "a plain language model: says the answer after the prompt, as it was trained by others", Scores: true, Words: true, Plain: true, steps: 1000,
		check: func(c Config) error {
			if c.Stages.Text.Steps > 0 {
				return fmt.Errorf("stage text has %d steps, but method lm has no chains to show in it; give it none", c.Stages.Text.Steps)
			}
			return nil
		},
		make: func(_ Config, _ *tensor.Params, lm *transformer.LM, special cot.Special) parts {
			m := cot.NewPlain(lm, special)
			return parts{m, func(StageID, int) cot.Learner { return m }}
		}},
	{Name: "direct", What: "answers at once, without thinking", Scores: true, Words: true, steps: 1000, make: words(false)},
	{Name: "cot", What: "explicit chain of thought, in words, then the answer", Scores: true, Words: true, Chains: true, steps: 700, make: words(true)},
	{Name: "icot", What: "a chain of thought that loses its words in training, one by one, until none is left, then the answer", Scores: true, Words: true, Chains: true, steps: 800,
		check: func(c Config) error { return c.ICoT.Check() },
		fit: func(c *Config, data []cot.Encoded) {
			for _, ex := range data {
				tokens := 0
				for _, step := range ex.Steps {
					tokens += len(step)
				}
				c.ICoT.Tokens = max(c.ICoT.Tokens, tokens)
			}
		},
		make: func(c Config, _ *tensor.Params, lm *transformer.LM, special cot.Special) parts {
			m := &cot.ICoT{Text: &cot.Text{LM: lm, Special: special, Chain: true}, Options: c.ICoT}
			return parts{m, func(stage StageID, first int) cot.Learner {
				learner := *m
				if stage == JointStage {
					learner.First, learner.Steps = first, c.Stages.Joint.Steps
				}
				return &learner
			}}
		}},
	{Name: "coconut", What: "states of its own fed back in place of the lines of a chain, trained line by line, then the answer", Chains: true, steps: 800,
		check: func(c Config) error { return c.Coconut.Check() },
		fit: func(c *Config, data []cot.Encoded) {
			for _, ex := range data {
				c.Coconut.Lines = max(c.Coconut.Lines, len(ex.Steps))
			}
		},
		make: func(c Config, _ *tensor.Params, lm *transformer.LM, special cot.Special) parts {
			m := cot.NewCoconut(lm, special, c.Coconut)
			return parts{m, func(stage StageID, first int) cot.Learner {
				learner := *m
				if stage == JointStage {
					learner.First, learner.Steps = first, c.Stages.Joint.Steps
				}
				return &learner
			}}
		}},
	{Name: "lavae", What: "K codes of the VAE, regressed one after the other without noise, then the answer", Codes: true, steps: 800,
		check: func(c Config) error {
			if c.NF.MeanWeight == 0 {
				return fmt.Errorf("nf.mean_weight is 0; it must be positive, since it is how lavae learns codes")
			}
			return nil
		},
		make: func(c Config, p *tensor.Params, lm *transformer.LM, special cot.Special) parts {
			m := cot.NewLaVAE(p, lm, special, c.NF)
			return parts{m, func(StageID, int) cot.Learner { return m }}
		}},
	{Name: "ladir", What: "K codes of the VAE at once, out of noise in some denoising steps, then the answer", Codes: true, steps: 800,
		check: func(c Config) error { return c.Diffusion.Check() },
		make: func(c Config, p *tensor.Params, lm *transformer.LM, special cot.Special) parts {
			m := cot.NewLaDiR(p, lm, special, c.NF, c.Diffusion)
			return parts{m, func(StageID, int) cot.Learner { return m }}
		}},
	{Name: softThinking, What: "sampling from a run of cot that feeds back mixtures of tokens while it thinks (--thinking)", Of: "cot"},
	{Name: "nfcot-dual", What: "nfcot with a pass for the thoughts and another one for the answer", Scores: true, Flows: true, Codes: true, steps: 800, check: checkFlow, make: flowing(cot.NewDual)},
	{Name: "nfcot", What: "K continuous thoughts with exact likelihoods, then the answer, in one pass", Scores: true, Flows: true, Codes: true, steps: 800, check: checkFlow, make: flowing(cot.NewNFCoT)},
}

// words makes the methods without continuous thoughts.
func words(chain bool) func(Config, *tensor.Params, *transformer.LM, cot.Special) parts {
	return func(_ Config, _ *tensor.Params, lm *transformer.LM, special cot.Special) parts {
		m := &cot.Text{LM: lm, Special: special, Chain: chain}
		return parts{m, func(StageID, int) cot.Learner { return m }}
	}
}

// flowing makes the methods with a flow.
func flowing(of func(*tensor.Params, *transformer.LM, cot.Special, nfhead.Config, cot.NFOptions) *cot.NFCoT) func(Config, *tensor.Params, *transformer.LM, cot.Special) parts {
	return func(c Config, p *tensor.Params, lm *transformer.LM, special cot.Special) parts {
		m := of(p, lm, special, c.Flow, c.NF)
		return parts{m, func(stage StageID, _ int) cot.Learner {
			s := c.Stages.Of(stage)
			return cot.Stage{NFCoT: m, FreezeFlow: s.FreezeFlow, Fitted: c.fitsFlow(stage) || !m.Flow.Identity(), Marginal: s.marginal()}
		}}
	}
}

// density says in words what the thoughts of an experiment are drawn from, "" for methods
// whose thoughts have no density.
func (c Config) density() string {
	if m, err := FindMethod(c.Method); err != nil || !m.Flows {
		return ""
	}
	drawn := "a Gaussian for each thought"
	if c.NF.Components > 1 {
		drawn = fmt.Sprintf("a mixture of %d Gaussians for each thought", c.NF.Components)
	}
	layers := c.Flow.Names()
	if len(layers) == 0 {
		return drawn + "; the flow is the identity (flow.blocks is 0)"
	}
	of := fmt.Sprintf("%d blocks", len(layers))
	if c.Flow.Stack != "" {
		of = strings.Join(layers, ", ")
	}
	for id, stage := range c.Stages.All() {
		if stage.movesFlow(id) {
			how := "trained"
			if stage.marginal() {
				how = "fitted to the marginal of codes"
			}
			return fmt.Sprintf("%s; a flow of %s, %s in stage %s", drawn, of, how, id)
		}
	}
	return drawn + "; the flow is the identity (no stage trains it)"
}

// fitsFlow says whether a stage before one, from heads on, fits the flow.
func (c Config) fitsFlow(before StageID) bool {
	for id, stage := range c.Stages.All() {
		if id.Before(before) && stage.movesFlow(id) {
			return true
		}
	}
	return false
}

func checkFlow(c Config) error { return c.Flow.Check() }

// softThinking is the method that a model samples by which is told to think so (SetSampling).
const softThinking = "softthinking"

// FindMethod returns the one of Methods that has a name.
func FindMethod(name string) (Method, error) {
	var names []string
	for _, m := range Methods {
		if m.Name == name {
			return m, nil
		}
		if m.Of == "" {
			names = append(names, m.Name)
		}
	}
	return Method{}, fmt.Errorf("method is %q; want one of %s", name, strings.Join(names, ", "))
}

// Fit settles what the data decide of an experiment's settings.
func (c *Config) Fit(data []cot.Encoded) {
	if m, _ := FindMethod(c.Method); m.fit != nil {
		m.fit(c, data)
	}
}

// tokens are the special tokens that the method has in its sequences.
func (m Method) tokens() []string {
	if m.Plain {
		return nil
	}
	return cot.SpecialTokens
}

// CheckScores says why the method cannot do what takes a likelihood ("scored",
// "reinforced"), if it cannot.
func (m Method) CheckScores(what string) error {
	if m.Scores {
		return nil
	}
	return fmt.Errorf("%s cannot be %s because it has no exact likelihood", m.Name, what)
}

// method is the method of an experiment that has been checked, or of a model to run.
func (c Config) method() Method {
	m, err := FindMethod(c.Method)
	if err != nil {
		panic("experiment: " + err.Error())
	}
	return m
}
