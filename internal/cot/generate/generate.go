// Package generate makes samples of a model for the problems of a benchmark: prompts by
// a recipe, samples in batches, and the lines of JSON that samples are kept as, which it
// reads back and scores. It rewards samples for reinforcement learning. It does not judge
// programs itself, and knows neither files nor the command line.
package generate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
	"nfcot/internal/tensor"
	"nfcot/internal/tokenizer/chat"
)

// A Generator draws samples of a model by a recipe.
type Generator struct {
	Run    *experiment.Run
	Recipe *bench.Recipe
	cot.Sampling
	Chat  bool // prompts are those of a Chat: their special tokens are written in them
	N     int  // samples a problem
	Batch int  // samples drawn at a time, as far as those of a problem leave the choice; samples do not depend on it

	// Alternatives is how many of the likeliest tokens lines have in the place of each, beside
	// that one and with log-probabilities; negative: lines have no log-probabilities of tokens.
	Alternatives int

	template *Chat // of a recipe that asks through it; else nil
}

// New returns a generator of n samples a problem. The stops of the settings end answers
// beside those of the recipe. It fails for a recipe that asks through a chat template which
// the model does not have.
func New(run *experiment.Run, recipe *bench.Recipe, s cot.Sampling, n, batch int) (*Generator, error) {
	own := *recipe
	own.Stops = slices.Concat(recipe.Stops, s.Stops)
	g := &Generator{Run: run, Recipe: &own, Sampling: s, Chat: recipe.Chat, N: n, Batch: batch, Alternatives: -1}
	if !recipe.Chat {
		return g, nil
	}
	var err error
	if g.template, err = NewChat(run, nil); err != nil {
		return nil, fmt.Errorf("recipe %s: %w", recipe.Name, err)
	}
	return g, nil
}

// A TooLong is the error of a problem that leaves the model no room to answer.
type TooLong struct {
	TaskID       string
	Tokens, Room int // the prompt's; the most that it may have
}

// Error says how long the prompt is, and what there is room for (error).
func (e TooLong) Error() string {
	return fmt.Sprintf("%s: the prompt has %d tokens; the model has room for %d", e.TaskID, e.Tokens, e.Room)
}

// errNoTokens is the error of a prompt that leaves a plain language model nothing to go on from.
var errNoTokens = errors.New("the prompt has no tokens; method " + experiment.LM + " needs one at least to go on from")

// Prompts makes tokens of what the recipe asks. It fails with TooLong if the model has
// no room to answer.
func (g *Generator) Prompts(problems []eval.Problem) ([][]int, error) {
	x := g.Run.Experiment
	room := x.Model.MaxTokens - max(x.NF.K, x.Coconut.States()) - 2
	prompts := make([][]int, len(problems))
	for i, p := range problems {
		text, err := g.ask(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.TaskID, err)
		}
		prompts[i] = encodePrompt(g.Run, text, g.Chat)
		switch {
		case len(prompts[i]) == 0 && g.Run.Model.Method.Plain:
			return nil, fmt.Errorf("%s: %w", p.TaskID, errNoTokens)
		case len(prompts[i]) > room:
			return nil, TooLong{p.TaskID, len(prompts[i]), room}
		}
	}
	return prompts, nil
}

// ask is what the recipe asks.
func (g *Generator) ask(p eval.Problem) (string, error) {
	text := g.Recipe.Prompt(p)
	if g.template == nil {
		return text, nil
	}
	return g.template.Prompt([]chat.Value{chat.Message("user", text)})
}

// encodePrompt makes tokens of a prompt: with those that the tokenizer puts around a text,
// unless it is that of a chat.
func encodePrompt(run *experiment.Run, prompt string, chat bool) []int {
	if chat {
		return run.Tokenizer.Encode(prompt)
	}
	return run.Tokenizer.EncodePrompt(prompt)
}

// Options are what the sampler is told: the settings, and the recipe's stops.
func (g *Generator) Options() cot.Options {
	return cot.Options{Sampling: g.Sampling, Stop: g.stopper(), LogProbs: g.Alternatives >= 0, TopLogProbs: max(0, g.Alternatives)}
}

// stopper looks for the recipe's stops in the text of an answer whose last token is
// new; nil where there are none. A stop ends within that token, so it has no more
// tokens than bytes.
func (g *Generator) stopper() func(answer []int) bool {
	reach := g.Recipe.LongestStop()
	if reach == 0 {
		return nil
	}
	return func(answer []int) bool {
		_, stopped := g.Recipe.Cut(g.Run.Tokenizer.Decode(answer[max(0, len(answer)-reach):], true))
		return stopped
	}
}

// Each draws the samples of problems in batches, and yields them problem by problem.
// Replace and Answer of the options count all problems. When ctx ends, so does it, with ctx's
// error, after those samples of the batch under way that had come to their end. A sample that
// could not be drawn is an error after its batch: all others of it are yielded.
func (g *Generator) Each(ctx context.Context, problems []eval.Problem, o cot.Options, yield func(eval.Problem, cot.Sample) error) error {
	return g.each(ctx, problems, o, func(p, _ int, s cot.Sample) error { return yield(problems[p], s) })
}

// each is Each with the numbers of the problem and of the sample among its N.
func (g *Generator) each(ctx context.Context, problems []eval.Problem, o cot.Options, yield func(problem, number int, s cot.Sample) error) error {
	prompts, err := g.Prompts(problems)
	if err != nil {
		return err
	}
	o.Context = ctx
	replace, answer := o.Replace, o.Answer
	for from := 0; from < len(prompts); {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := min(from+max(1, g.Batch/g.N), len(prompts))
		if replace != nil {
			o.Replace = func(p, i int) *tensor.Tensor { return replace(from+p, i) }
		}
		if answer != nil {
			o.Answer = func(p, i int) []int { return answer(from+p, i) }
		}
		batch := g.Run.Model.Sampler().Sample(prompts[from:to], g.N, o)
		ended, failed := ctx.Err(), error(nil)
		for i, samples := range batch {
			for j, s := range samples {
				if ended != nil && errors.Is(s.Err, ended) {
					continue
				}
				if s.Err != nil {
					failed = cmp.Or(failed, fmt.Errorf("%s: %s, sample %d: %w", g.Run.Dir, problems[from+i].TaskID, j+1, s.Err))
					continue
				}
				if err := yield(from+i, j, s); err != nil {
					return err
				}
			}
		}
		if err := cmp.Or(ended, failed); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// All returns the samples of Each.
func (g *Generator) All(ctx context.Context, problems []eval.Problem, o cot.Options) ([]cot.Sample, error) {
	var samples []cot.Sample
	err := g.Each(ctx, problems, o, func(_ eval.Problem, s cot.Sample) error {
		samples = append(samples, s)
		return nil
	})
	return samples, err
}

// Answer is the text of a sample's answer as far as the recipe takes it, and says
// whether one of its stops ended it.
func (g *Generator) Answer(s cot.Sample) (text string, stopped bool) {
	return g.Recipe.Cut(g.Run.Tokenizer.Decode(s.Answer, true))
}
