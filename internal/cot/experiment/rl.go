package experiment

import (
	"fmt"
	"math"

	"nfcot/internal/cot"
)

// RL are the settings of reinforcement learning: section rl of a run's config.yaml.
type RL struct {
	Bench    string `yaml:"bench"`           // whose problems are answered
	Data     string `yaml:"data,omitempty"`  // of a public benchmark
	Judge    string `yaml:"judge,omitempty"` // rule by which answers are compared; empty: the benchmark's own
	Problems int    `yaml:"problems"`        // that are made; a file has its own number
	Init     string `yaml:"init_sha256"`     // of the run that it starts from, which stays the reference

	Steps       int     `yaml:"steps"`
	Prompts     int     `yaml:"prompts"`     // a step
	Group       int     `yaml:"group"`       // rollouts a prompt, whose rewards are compared
	Epochs      int     `yaml:"epochs"`      // over the rollouts of a step
	Minibatches int     `yaml:"minibatches"` // an epoch, each of which moves the parameters once
	Microbatch  int     `yaml:"microbatch"`  // rollouts that go forward and backward at a time
	LR          float64 `yaml:"lr"`
	Warmup      int     `yaml:"warmup"` // steps, after which the rate stays

	// How rollouts are drawn, at the temperatures of the densities that are optimised. The seed is each step's own.
	cot.Sampling `yaml:",inline"`

	FreezeSigma bool `yaml:"freeze_sigma"` // only the means of thoughts learn from the thoughts' ratio, not their spread
	Objective   GRPO `yaml:"objective"`
}

// DefaultRL is the setting for models of the embedded benchmark's size.
func DefaultRL() RL {
	return RL{Bench: "minicode", Problems: 4000, Steps: 120, Prompts: 16, Group: 8, Epochs: 1, Minibatches: 1, Microbatch: 64, LR: 5e-5, Warmup: 20,
		Sampling: cot.Sampling{ThoughtTemp: 0.9, Temp: 0.6, MaxTokens: 256}, Objective: GRPO{ClipEpsilon: 0.2, Thought: 1, Text: 1}}
}

// Check says what is wrong with the settings, if anything is.
func (c RL) Check() error {
	positive := func(x float64) bool { return x > 0 && !math.IsInf(x, 0) }
	g := c.Objective
	switch {
	case c.Steps < 1 || c.Prompts < 1 || c.Epochs < 1 || c.Minibatches < 1 || c.Microbatch < 1 || c.Problems < 1 || c.Warmup < 0:
		return fmt.Errorf("rl has %d steps, %d prompts, %d epochs, %d minibatches, microbatches of %d, %d problems and a warmup of %d; each must be at least 1, and warmup 0",
			c.Steps, c.Prompts, c.Epochs, c.Minibatches, c.Microbatch, c.Problems, c.Warmup)
	case c.Group < 2:
		return fmt.Errorf("rl.group is %d; rollouts of a prompt are compared, which takes at least 2", c.Group)
	case c.Prompts > mostTogether/c.Group:
		return fmt.Errorf("rl has %d rollouts of each of %d prompts in a step; want at most %d together", c.Group, c.Prompts, mostTogether)
	case c.Minibatches > c.Prompts*c.Group:
		return fmt.Errorf("rl.minibatches is %d, and a step has %d rollouts", c.Minibatches, c.Prompts*c.Group)
	case !positive(c.LR):
		return fmt.Errorf("rl.lr is %g; it must be positive", c.LR)
	case !(g.ClipEpsilon > 0) || !(g.KL >= 0) || !(g.Thought >= 0) || !(g.Text >= 0):
		return fmt.Errorf("rl.objective has clip_epsilon %g, kl %g, thought %g and text %g; clip_epsilon must be positive and none of the others negative", g.ClipEpsilon, g.KL, g.Thought, g.Text)
	}
	return c.CheckDensity(func(key string) string { return "rl." + key })
}

// GRPO is the objective of reinforcement learning (docs/method.md section 10).
type GRPO struct {
	ClipEpsilon float64 `yaml:"clip_epsilon"` // c: ratios count within 1±c
	KL          float64 `yaml:"kl"`           // weight of the divergence from the reference model
	Thought     float64 `yaml:"thought"`      // weight of the term of the thoughts
	Text        float64 `yaml:"text"`         // weight of the term of the text
	Joint       bool    `yaml:"joint"`        // one ratio for thoughts and text together instead of one each; it has weight 1
}
