package experiment

import (
	"math"
	"strings"
	"testing"
)

func TestRLCheck(t *testing.T) {
	if err := DefaultRL().Check(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(c *RL){
		"rl.thought_temp is 0":    func(c *RL) { c.ThoughtTemp = 0 },
		"temperatures above 0":    func(c *RL) { c.Temp = 0 },
		"rl.group is 1":           func(c *RL) { c.Group = 1 },
		"0 epochs":                func(c *RL) { c.Epochs = 0 },
		"rl.lr is NaN":            func(c *RL) { c.LR = math.NaN() },
		"clip_epsilon 0":          func(c *RL) { c.Objective.ClipEpsilon = 0 },
		"kl -1":                   func(c *RL) { c.Objective.KL = -1 },
		"rl.minibatches is 10000": func(c *RL) { c.Minibatches = 10000 },
	} {
		c := DefaultRL()
		spoil(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// Rollouts are drawn and scored in float32, whatever is asked for.
func TestReinforcementIsInFloat32(t *testing.T) {
	c := DefaultRL()
	x := Experiment{Config: tiny("nfcot"), RL: &c}
	x.Precision = "bf16"
	const want = "precision is bf16, but likelihoods are those of sampling, which rounds nothing; reinforcement wants f32"
	if _, _, err := PrepareRL(x, t.TempDir(), c.Prompts, ""); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	x.Batch, c.LR = 0, 0 // of several mistakes one is said
	if _, _, err := PrepareRL(x, t.TempDir(), c.Prompts, ""); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q, want one line", err)
	}
}

// What cannot be scored cannot be reinforced.
func TestReinforcedNeedsLikelihoods(t *testing.T) {
	for _, m := range Methods {
		err := m.CheckScores("reinforced")
		if m.Scores != (err == nil) || err != nil && err.Error() != m.Name+" cannot be reinforced because it has no exact likelihood" {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
}
