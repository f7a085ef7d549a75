package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/cot/train"
	"nfcot/internal/tensor"
	"nfcot/internal/tokenizer"
)

type distillOptions struct {
	train.DistillConfig
	data, tokenizer string
	out             string
}

func (e *env) distill() *cli.Command {
	o := distillOptions{DistillConfig: train.DefaultDistill()}
	v := &o.VAE
	return e.command(&cli.Command{
		Name:  "distill",
		Usage: "train the VAE that turns chains of thought into K codes, freeze it, and write every example's thoughts",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "data", Usage: "examples `FILE` (JSON lines with prompt, cot, answer)", Destination: &o.data},
			&cli.StringFlag{Name: "tokenizer", Usage: "tokenizer.json, or the `DIR` that holds it", Destination: &o.tokenizer},
			&cli.StringFlag{Name: "o", Usage: "output `DIR`", Destination: &o.out},
			&cli.IntFlag{Name: "thoughts", Usage: "`K`, codes an example; 0: as many as the longest chain has lines", Destination: &v.K},
			&cli.IntFlag{Name: "dims", Usage: "`D`, numbers a code", Value: v.D, Destination: &v.D},
			&cli.StringFlag{Name: "encoder", Usage: "`KIND`: linear or local (a code sees its segment), causal (the segments so far), full (the whole chain)", Value: v.Encoder, Destination: &v.Encoder},
			&cli.StringFlag{Name: "segments", Usage: "what a code encodes: its line of the chain (lines), or one of K equal parts (even)", Value: v.Segments, Destination: &v.Segments},
			&cli.Float64Flag{Name: "noise", Usage: "`std` of the noise added to codes in training", Value: v.Noise, Destination: &v.Noise},
			&cli.Float64Flag{Name: "beta", Usage: "`weight` of the KL to N(0, I)", Value: v.Beta, Destination: &v.Beta},
			&cli.IntFlag{Name: "hidden", Usage: "`width` of the VAE's transformers", Value: v.Hidden, Destination: &v.Hidden},
			&cli.IntFlag{Name: "layers", Usage: "`layers` of the VAE's transformers", Value: v.Layers, Destination: &v.Layers},
			&cli.IntFlag{Name: "heads", Usage: "attention `heads` of the VAE's transformers", Value: v.Heads, Destination: &v.Heads},
			&cli.IntFlag{Name: "steps", Usage: "training `steps`", Value: o.Steps, Destination: &o.Steps},
			&cli.IntFlag{Name: "batch", Usage: "`examples` a step", Value: o.Batch, Destination: &o.Batch},
			&cli.Float64Flag{Name: "lr", Usage: "largest learning `rate`", Value: o.LR, Destination: &o.LR},
			&cli.Uint64Flag{Name: "seed", Usage: "random `seed`", Value: o.Seed, Destination: &o.Seed},
		},
		Action: func(*cli.Context) error { return e.runDistill(o) },
	})
}

func (e *env) runDistill(o distillOptions) error {
	if err := errors.Join(need("data", o.data), need("tokenizer", o.tokenizer), need("o", o.out)); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	examples, err := readExamples(o.data)
	if err != nil {
		return err
	}
	tok, err := tokenizer.Load(o.tokenizer)
	if err != nil {
		return input(err)
	}
	if tok, err = tok.With(cot.SpecialTokens...); err != nil { // a model of others may lack them, see train --init
		return inputf("%s: %w", o.tokenizer, err)
	}
	special, err := cot.FindSpecial(tok)
	if err != nil {
		return inputf("%s: %w", o.tokenizer, err)
	}
	chains, err := cutChains(&o.VAE, tok, examples, o.data)
	if err != nil {
		return err
	}
	bar := e.progress("distill", "steps", 0, o.Steps)
	var last string
	vae, codes, err := train.Distill(e.ctx, o.DistillConfig, chains, tok.VocabSize(), special.EOS, func(step int, loss cot.Loss) {
		last = describeTerms(loss.Terms)
		bar.set(step, last)
	})
	if err != nil {
		return err
	}
	bar.end(last)
	n := min(len(chains), 1000)
	report := train.DistillReport{
		DistillConfig: o.DistillConfig, Examples: len(examples), Parameters: vae.Params.Count(), ActiveDims: vae.ActiveDims(),
		Reconstruction: train.Reconstruct(vae, tensor.From(codes.Data[:n*o.VAE.K*o.VAE.D], n*o.VAE.K, o.VAE.D), chains[:n], o.Seed, 0, 0.3),
	}
	thoughts := data.Thoughts{Tokenizer: tok, VAE: vae, Examples: examples, Codes: codes, Report: report}
	if err := thoughts.Save(o.out); err != nil {
		return err
	}
	return e.printDistill(report)
}

// check refuses, before any work is done, numbers that make no sense and a
// folder that cannot be written.
func (o *distillOptions) check() error {
	switch {
	case o.Steps < 1 || o.Batch < 1:
		return inputf("--steps is %d and --batch %d; they must be at least 1", o.Steps, o.Batch)
	case !(o.LR > 0) || math.IsInf(o.LR, 0):
		return inputf("--lr is %g; it must be a positive number", o.LR)
	case !(o.VAE.Noise >= 0 && o.VAE.Beta >= 0) || math.IsInf(o.VAE.Noise+o.VAE.Beta, 0):
		return inputf("--noise is %g and --beta %g; they must not be negative", o.VAE.Noise, o.VAE.Beta)
	}
	tried := errors.New("tried")
	err := ckpt.WriteDir(o.out, func(string) error { return tried }) // changes nothing
	if errors.Is(err, tried) {
		return nil
	}
	return input(err)
}

func (e *env) printDistill(r train.DistillReport) error {
	if e.json {
		return e.printJSON(r)
	}
	for _, x := range r.Reconstruction {
		e.say("distill: codes with noise %.1f: %.1f %% of tokens and %.1f %% of whole chains are read back right", x.Noise, 100*x.Tokens, 100*x.Chains)
	}
	e.say("distill: %d thoughts of %d dimensions, %d of them active", r.VAE.K, r.VAE.D, r.ActiveDims)
	return nil
}

// readExamples reads an examples file and checks what training needs.
func readExamples(path string) ([]cot.Example, error) {
	examples, err := ckpt.ReadAllJSONL[cot.Example](path)
	if err != nil {
		return nil, input(err)
	}
	for i, ex := range examples {
		if ex.Prompt == "" || ex.Answer == "" {
			return nil, inputf("%s: example %d has no prompt or no answer; expected {\"task_id\", \"prompt\", \"cot\", \"answer\"}", path, i+1)
		}
	}
	return examples, nil
}

// cutChains divides the chains of examples into the segments that codes stand
// for, and settles from the data how many and how long they are.
func cutChains(c *cot.VAEConfig, tok *tokenizer.Tokenizer, examples []cot.Example, path string) ([][][]int, error) {
	steps := make([][][]int, len(examples))
	longest := 0
	for i, ex := range examples {
		steps[i] = cot.Encode(tok, ex, i).Steps
		if len(steps[i]) == 0 {
			return nil, inputf("%s: example %d has no chain of thought (cot) to distill", path, i+1)
		}
		longest = max(longest, len(steps[i]))
	}
	if c.K == 0 {
		c.K = longest
	}
	if err := c.Check(); err != nil {
		return nil, input(err)
	}
	chains := make([][][]int, len(examples))
	for i := range steps {
		segments, err := c.Cut(steps[i])
		if err != nil {
			return nil, inputf("%s: example %d: %w", path, i+1, err)
		}
		chains[i] = segments
	}
	for _, segments := range chains {
		c.Length = max(c.Length, len(slices.MaxFunc(segments, func(a, b []int) int { return len(a) - len(b) })))
	}
	return chains, nil
}

// describeTerms is the terms of a loss on one line.
func describeTerms(terms []cot.Term) string {
	s := ""
	for i, p := range terms {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s %.4f", p.Name, p.Value)
	}
	return s
}
