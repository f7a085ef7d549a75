package cot

import (
	"context"
	"fmt"
	"math"
	"slices"

	"nfcot/internal/tensor"
)

// Sampling are the settings that samples are drawn with, beside the model, the prompt
// and the recipe. Flags, records and the configuration of reinforcement learning embed
// it: a setting is written here once, with its key. A new one goes to the end of its
// kind and is left out of records where it is zero, so that records of before stay
// what they are.
type Sampling struct {
	ThoughtTemp float64 `json:"thought_temp" yaml:"thought_temp"` // T_z; 0 takes the mean
	Temp        float64 `json:"temp" yaml:"temp"`                 // T_x, of text; 0 takes the likeliest token
	// Denoise draws thoughts without the dequantisation noise that their codes were trained
	// with: from N(mu, T_z² (sigma² - noise² v)), where v is what the flow makes of noise of 1
	// on a code, which it must map by itself (NFCoT.Denoises).
	Denoise      bool             `json:"denoise,omitempty" yaml:"denoise,omitempty"`
	DenoiseSteps int              `json:"denoise_steps,omitempty" yaml:"denoise_steps,omitempty"` // of LaDiR; 0: those of its settings
	Thinking     string           `json:"thinking,omitempty" yaml:"thinking,omitempty"`           // the rule that a model of cot thinks by: "", which draws tokens, soft or gumbel (Soft)
	Truncation   `yaml:",inline"` // which tokens may be drawn
	// RepeatPenalty makes tokens less likely that the prompt, the chain or the answer
	// has so far: their logits are divided by it where they are positive and multiplied
	// by it where they are not (Keskar et al. 2019, as in Hugging Face's transformers),
	// before the temperature. 0 or 1 changes nothing. As with Truncation,
	// log-probabilities know nothing of it.
	RepeatPenalty float64  `json:"repeat_penalty,omitempty" yaml:"repeat_penalty,omitempty"`
	Stops         []string `json:"stops,omitempty" yaml:"stops,omitempty"` // texts that end an answer, beside the recipe's
	MaxTokens     int      `json:"max_tokens" yaml:"max_tokens"`           // text tokens of a sample at most, explicit thinking included
	Seed          uint64   `json:"-" yaml:"-"`                             // records have it beside: it is the problems' too
}

// Truncation says which tokens may be drawn, of softmax(logits/T_x): those that pass
// top-k, then top-p of what top-k has left, renormalised, then min-p. This is the
// order of Hugging Face's transformers and of llama.cpp, which differ in the
// temperature: here, as in the former, it comes first. Of equally likely tokens those
// of smaller ids come first, and the likeliest always stays. The zero value keeps all.
//
// Log-probabilities of samples know nothing of it: they are the model's own.
type Truncation struct {
	TopK int     `json:"top_k,omitempty" yaml:"top_k,omitempty"` // keeps the k likeliest; 0 keeps all
	TopP float64 `json:"top_p,omitempty" yaml:"top_p,omitempty"` // keeps the likeliest that together have at least this probability, and no more; 0 or 1 keeps all
	MinP float64 `json:"min_p,omitempty" yaml:"min_p,omitempty"` // keeps those of at least this share of the greatest probability; 0 keeps all
}

// DefaultSampling are the settings for models of the embedded benchmark's size.
func DefaultSampling() Sampling {
	return Sampling{ThoughtTemp: 0.9, Temp: 0.6, Truncation: Truncation{TopP: 1}, RepeatPenalty: 1, MaxTokens: 256, Seed: 1}
}

// Check says which setting is out of its range, if one is. A top-p or a penalty of 0,
// which records have where there is none, is nothing to ask for. spell makes of a
// setting's key what its user calls it.
func (s Sampling) Check(spell func(key string) string) error {
	switch {
	case !(s.Temp >= 0 && s.ThoughtTemp >= 0) || math.IsInf(s.Temp+s.ThoughtTemp, 0):
		return fmt.Errorf("%s is %g and %s %g; they must be 0 or more", spell("temp"), s.Temp, spell("thought_temp"), s.ThoughtTemp)
	case s.DenoiseSteps < 0 || s.DenoiseSteps > 1000:
		return fmt.Errorf("%s is %d; want 1 to 1000, or 0 for the experiment's", spell("denoise_steps"), s.DenoiseSteps)
	case s.TopK < 0 || !(s.TopP > 0 && s.TopP <= 1) || !(s.MinP >= 0 && s.MinP <= 1):
		return fmt.Errorf("%s is %d, %s %g, %s %g; want 0 or more, more than 0 up to 1, and 0 to 1",
			spell("top_k"), s.TopK, spell("top_p"), s.TopP, spell("min_p"), s.MinP)
	case !(s.RepeatPenalty > 0) || math.IsInf(s.RepeatPenalty, 0):
		return fmt.Errorf("%s is %g; want more than 0, and 1 for none", spell("repeat_penalty"), s.RepeatPenalty)
	case s.Thinking != "" && s.Thinking != "soft" && s.Thinking != "gumbel":
		return fmt.Errorf("%s is %q; want soft or gumbel", spell("thinking"), s.Thinking)
	}
	return s.checkEnd(spell)
}

// checkEnd is Check of what ends an answer.
func (s Sampling) checkEnd(spell func(key string) string) error {
	switch {
	case s.MaxTokens < 1:
		return fmt.Errorf("%s is %d; it must be at least 1", spell("max_tokens"), s.MaxTokens)
	case slices.Contains(s.Stops, ""):
		return fmt.Errorf("%s is empty; give the text that ends an answer", spell("stops"))
	}
	return nil
}

// CheckDensity says why samples are not drawn from a density that a model knows at the
// temperatures, if they are not: reinforcement learning takes one. spell is that of Check.
func (s Sampling) CheckDensity(spell func(key string) string) error {
	positive := func(x float64) bool { return x > 0 && !math.IsInf(x, 0) }
	c := s.Canonical()
	switch {
	case !positive(s.ThoughtTemp) || !positive(s.Temp):
		return fmt.Errorf("%s is %g and %s %g; rollouts are drawn from densities, which takes temperatures above 0",
			spell("thought_temp"), s.ThoughtTemp, spell("temp"), s.Temp)
	case c.Truncation != (Truncation{}) || c.RepeatPenalty != 0 || c.Denoise || c.DenoiseSteps != 0 || c.Thinking != "":
		return fmt.Errorf("%s, %s, %s, %s, %s, %s and %s are nothing that likelihoods know of; leave them out", spell("top_k"), spell("top_p"),
			spell("min_p"), spell("repeat_penalty"), spell("denoise"), spell("denoise_steps"), spell("thinking"))
	}
	return s.checkEnd(spell)
}

// Canonical writes settings that change nothing, a top-p and a penalty of 1, as 0:
// equal settings have equal records.
func (s Sampling) Canonical() Sampling {
	if s.TopP == 1 {
		s.TopP = 0
	}
	if s.RepeatPenalty == 1 {
		s.RepeatPenalty = 0
	}
	return s
}

// Options are what a sampler is told: the settings, and what is wanted of samples beside.
type Options struct {
	Sampling
	// Context, if not nil, ends the drawing between two tokens, thoughts or steps to them:
	// its error is then that of the samples that had not come to their end (Sample.Err).
	Context context.Context
	// LogProbs keeps the log-probability of each token in Sample.TokenLogProbs, with those of
	// the TopLogProbs likeliest tokens in its place.
	LogProbs    bool
	TopLogProbs int
	// Replace, if not nil, gives the thoughts [K, D] of sample i of prompt p instead
	// of sampling them: accuracy with the true thoughts separates the prior's
	// mistakes from the answer's. Tokens are drawn as they are without it.
	Replace func(p, i int) *tensor.Tensor
	// Answer, if not nil, gives the answer of sample i of prompt p instead of drawing it: its
	// tokens, and then EOS. Sample.LogText is then the log-likelihood of that answer, whatever
	// the method thinks, if MaxTokens leaves room for it.
	Answer func(p, i int) []int

	// OnToken, if not nil, is told each token of an answer as it is drawn, with the
	// sample so far: its thinking is complete by then.
	OnToken func(s *Sample, token int)
	// Stop, if not nil, is shown an answer after each of its tokens and says whether
	// it ends there, although EOS was not drawn: base models go on and on.
	Stop func(answer []int) bool
}

// ended says whether the drawing is to end.
func (o *Options) ended() bool { return o.Context != nil && o.Context.Err() != nil }
