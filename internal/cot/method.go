package cot

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"nfcot/internal/tensor"
)

// A Learner has a loss.
type Learner interface {
	// Size counts what the loss of a batch is normalised by.
	Size(batch []Encoded) Size
	// Rows is the number of rows that the backbone gets for the loss of a batch.
	Rows(batch []Encoded, random StepRand) int
	// Loss is the loss of batch, a part of a larger batch of the given size:
	// the losses of the parts add up to the loss of the whole.
	Loss(t *tensor.Tape, batch []Encoded, whole Size, random StepRand) Loss
}

// A Restarter is a Learner with a curriculum in which the optimizer begins anew.
type Restarter interface {
	// Restarts says whether it does so at a step of training, which must depend on the step alone.
	Restarts(step int) bool
}

// Size is what losses are normalised by.
type Size struct {
	Dims   int // latent dimensions: K·D an example
	Tokens int // text tokens to predict, EOS included
	Chain  int // tokens of chains that are read back, EOS included
	Said   int // tokens of what codes stand for, and the one that ends each of these
}

// Add returns the size of two batches together.
func (s Size) Add(o Size) Size {
	return Size{s.Dims + o.Dims, s.Tokens + o.Tokens, s.Chain + o.Chain, s.Said + o.Said}
}

// A Loss is a number to go down, and named numbers to look at that add up over
// the parts of a batch as it does.
type Loss struct {
	Total     *tensor.Tensor // [1, 1]
	Terms     Terms          // until the next loss of the learner
	FLOPs     float64        // of the backbone, forward and backward, had all of it a gradient
	HeadFLOPs float64        // of what else is trained through, counted alike
}

// Terms are the terms of a loss.
type Terms []Term

// A Term is one named term of a loss.
type Term struct {
	Name  string // with its unit: "text_nats_per_token"
	Value float64
}

// String is the terms on one line.
func (s Terms) String() string {
	var all []string
	for _, t := range s {
		all = append(all, fmt.Sprintf("%s %.4f", t.Name, t.Value))
	}
	return strings.Join(all, ", ")
}

// Plus adds the terms of another part of the batch, in place, term by term; of no terms
// it makes those.
func (s Terms) Plus(more Terms) Terms {
	for i, t := range more {
		if i == len(s) {
			s = append(s, Term{Name: t.Name})
		}
		s[i].Value += t.Value
	}
	return s
}

// StepRand makes the random streams of one step of training.
type StepRand struct {
	Seed uint64
	Step int
}

// For returns the stream for a purpose and an example, which lives until t is
// reset.
func (d StepRand) For(t *tensor.Tape, purpose string, example int) *rand.Rand {
	return t.Rand(d.Seed, purpose, d.Step, example)
}

// A Sampler answers prompts.
type Sampler interface {
	// Sample answers each prompt n times. Sample i of a prompt depends on the
	// options' seed, the prompt and i alone, not on what else is sampled.
	Sample(prompts [][]int, n int, o Options) [][]Sample
}

// A Scorer knows the exact log-likelihood of what it samples. Only scorers can
// be trained by reinforcement.
type Scorer interface {
	// LogProb returns log p(u|q), zero for methods without thoughts, and log
	// p(text|q, u) of each sample, in nats: [len(samples), 1] each. They are those of
	// sampling at the temperatures; at 1 and 1 they are the model's own.
	LogProb(t *tensor.Tape, samples []Sample, temp Temperatures) (thoughts, text *tensor.Tensor)
}

// Temperatures choose a density, which is that of what Sample draws at the same
// temperatures without truncation: thoughts from N(mu, (T_z sigma)²), tokens from
// softmax(logits/T_x). Both are positive: at 0 there is no density.
type Temperatures struct {
	Thought float64 // T_z
	Text    float64 // T_x
}

// A Coder thinks in thoughts that stand for codes of the VAE, whose decoder reads
// them.
type Coder interface {
	// ToCodes returns the standardised codes.   u [K, D] → [K, D]
	ToCodes(u *tensor.Tensor) *tensor.Tensor
	// FromCodes undoes ToCodes.   e [K, D] → [K, D]
	FromCodes(e *tensor.Tensor) *tensor.Tensor
}

// A Spreader knows how far the thoughts that it draws spread.
type Spreader interface {
	// Sigmas returns the standard deviation that is predicted for each thought of each
	// sample from the thoughts before it, mean over its dimensions.   → [n][K]
	Sigmas(samples []Sample) [][]float64
}

// A Diagnoser has more to say of held-out examples than its loss: means over them.
type Diagnoser interface {
	Diagnose(t *tensor.Tape, batch []Encoded, random StepRand) []Term
}

// A Sample is one answer to a prompt, with what was thought on the way.
type Sample struct {
	Prompt      []int
	Thoughts    *tensor.Tensor // u [K, D]; nil for methods without them
	Chain       []int          // explicit chain of thought, without the tokens around it
	ChainClosed bool           // the chain came to its end (methods with a chain)
	Answer      []int          // without EOS
	Finished    bool           // EOS was drawn
	EndedBy     int            // when Finished: 0 for Special.EOS, i+1 for MoreEOS[i]

	LogThoughts float64 // log p(u|q) in nats, the model's own density (temperature 1)
	LogText     float64 // log p(text|q, u) in nats, EOS included if it was drawn

	// Err says why the sample could not be drawn to its end, as a NonFinite or the error of
	// Options.Context; nil if it was.
	Err error

	// TokenLogProbs are all tokens that were drawn, chain and EOS included, if Options.LogProbs
	// is set. The sum of their log-probabilities is LogText.
	TokenLogProbs []DrawnToken

	ThinkCost, AnswerCost Cost // after the prompt's prefill, which is the same for every method
}

// A TokenLogProb is a token and its log-probability in nats, the model's own
// (temperature 1, all tokens, no penalties).
type TokenLogProb struct {
	ID      int
	LogProb float64
}

// A DrawnToken is a token that was drawn, and the likeliest in its place, whether or
// not it is one of them.
type DrawnToken struct {
	TokenLogProb
	Top []TokenLogProb // the likeliest first
}

// Positions is the number of rows spent on thinking.
func (s *Sample) Positions() int {
	if s.Thoughts != nil {
		return s.Thoughts.Rows()
	}
	return len(s.Chain)
}

// Drawn is the number of tokens that were drawn.
func (s *Sample) Drawn() int {
	n := len(s.Chain) + len(s.Answer)
	for _, mark := range []bool{s.ChainClosed, s.Finished} {
		if mark {
			n++
		}
	}
	return n
}

// Cost is what a sample took.
type Cost struct {
	Seconds float64 // of wall time, a batch's time shared equally by its live samples
	FLOPs   float64 // floating-point operations of the forward pass
}
