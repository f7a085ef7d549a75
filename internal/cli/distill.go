package cli

import (
	"cmp"
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/train"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tokenizer"
)

type distillOptions struct {
	train.DistillConfig
	source    data.Source
	tokenizer string
	model     string
	out       string
}

func (e *env) distill() *cli.Command {
	o := distillOptions{DistillConfig: train.DefaultDistill()}
	v := &o.VAE
	return e.command(&cli.Command{
		Name:  "distill",
		Usage: "train the VAE that turns chains of thought into K codes, freeze it, and write every example's thoughts",
		Flags: append(dataFlags(&o.source, "data"), []cli.Flag{
			&cli.StringFlag{Name: "tokenizer", Usage: "tokenizer.json, the `DIR` that holds it, or a GGUF file", Destination: &o.tokenizer},
			&cli.StringFlag{Name: "model", Usage: "in place of --tokenizer a `MODEL`, as for train --init: its tokenizer, and its token embeddings, frozen, under the VAE's encoder", Destination: &o.model},
			&cli.IntFlag{Name: "encoder-layer", Usage: "with --model: the VAE's encoder stands on the model's hidden states behind block `N`, of each chain behind its prompt; 0: on the embeddings", Destination: &v.EncoderLayer},
			&cli.StringFlag{Name: "o", Usage: "output `DIR`", Destination: &o.out},
			&cli.IntFlag{Name: "thoughts", Usage: "`K`, codes an example; 0: as many as the longest chain has steps", Destination: &v.K},
			&cli.IntFlag{Name: "dims", Usage: "`D`, numbers a code", Value: v.D, Destination: &v.D},
			&cli.StringFlag{Name: "encoder", Usage: "`KIND`: linear or local (a code sees its segment), causal (the segments so far), full (the whole chain)", Value: v.Encoder, Destination: &v.Encoder},
			&cli.StringFlag{Name: "segments", Usage: "`WAY` to divide a chain into the steps that codes encode: lines, sentences, equations, even, K equal parts, or before:CHARACTERS, with each of which a step begins. Of a chain with more than K steps the last code encodes all that are left", Value: v.Segments, Destination: &v.Segments},
			&cli.Float64Flag{Name: "noise", Usage: "`std` of the noise added to codes in training", Value: v.Noise, Destination: &v.Noise},
			&cli.Float64Flag{Name: "beta", Usage: "`weight` of the KL to N(0, I)", Value: v.Beta, Destination: &v.Beta},
			&cli.IntFlag{Name: "hidden", Usage: "`width` of the VAE's transformers", Value: v.Hidden, Destination: &v.Hidden},
			&cli.IntFlag{Name: "layers", Usage: "`layers` of the VAE's transformers", Value: v.Layers, Destination: &v.Layers},
			&cli.IntFlag{Name: "heads", Usage: "attention `heads` of the VAE's transformers", Value: v.Heads, Destination: &v.Heads},
			&cli.IntFlag{Name: "steps", Usage: "training `steps`", Value: o.Steps, Destination: &o.Steps},
			&cli.IntFlag{Name: "batch", Usage: "`examples` a step", Value: o.Batch, Destination: &o.Batch},
			&cli.Float64Flag{Name: "lr", Usage: "largest learning `rate`", Value: o.LR, Destination: &o.LR},
			&cli.Uint64Flag{Name: "seed", Usage: "random `seed`", Value: o.Seed, Destination: &o.Seed},
		}...),
		Action: func(*cli.Context) error { return e.runDistill(o) },
	})
}

func (e *env) runDistill(o distillOptions) error {
	if slices.Contains(cot.Segmentations, o.VAE.Segments+"s") {
		o.VAE.Segments += "s" // line says the same as lines
	}
	if err := errors.Join(need("data", o.source.Files.String()), need("tokenizer", o.tokenizer+o.model), need("o", o.out)); err != nil {
		return err
	}
	if o.tokenizer != "" && o.model != "" {
		return inputf("--model brings its tokenizer; leave --tokenizer out")
	}
	if err := cmp.Or(o.Check(), ckpt.CheckDir(o.out)); err != nil { // before any work is done
		return input(err)
	}
	o.source.Begin = e.reading("distill")
	examples, counts, err := o.source.Read()
	if err != nil {
		return input(err)
	}
	tok, model, err := o.words()
	if err != nil {
		return input(err)
	}
	d, err := train.NewDistillation(o.DistillConfig, examples, tok, model)
	if err != nil {
		return inputf("%s: %w", o.source.Files, err)
	}
	e.say("distill: %s", counts)
	if merged := d.Merged(); merged != "" {
		e.say("distill: %s", merged)
	}
	if err := e.look(d, len(examples)); err != nil {
		return err
	}
	bar := e.progress("distill", "steps", 0, o.Steps)
	var last string
	thoughts, report, err := d.Run(e.ctx, func(step int, loss cot.Loss) {
		last = loss.Terms.String()
		bar.Set(step, last)
	})
	if err != nil {
		return err
	}
	bar.End(last)
	if err := thoughts.Save(o.out); err != nil {
		return err
	}
	return e.printDistill(report)
}

// look computes the hidden states that the encoder stands on, if it stands on some.
func (e *env) look(d *train.Distillation, examples int) error {
	size, free := d.StateBytes(), kernel.AvailableMemory()
	switch {
	case size == 0:
		return nil
	case free > 0 && size > free:
		return inputf("the states of the chains take %.1f MiB of memory, and %.1f are available; take fewer examples", mib(size), mib(free))
	}
	e.say("distill: the states of the chains take %.1f MiB of memory", mib(size))
	bar := e.progress("read by the model", "chains", 0, examples)
	if err := d.Look(e.ctx, func(done int) { bar.Set(done, "") }); err != nil {
		return err
	}
	bar.End("")
	return nil
}

func mib(bytes int) float64 { return float64(bytes) / (1 << 20) }

// words are the tokenizer and, unless that stands alone, the model that it is of.
func (o *distillOptions) words() (*tokenizer.Tokenizer, *experiment.Model, error) {
	if o.model == "" {
		tok, err := experiment.LoadTokenizer(o.tokenizer)
		return tok, nil, err
	}
	run, err := experiment.Open(o.model, "", nil)
	if err != nil {
		return nil, nil, err
	}
	return run.Tokenizer, run.Model, nil
}

// readable is the share of chains, read back from codes with noise, below which a VAE is not finished.
const readable = 0.9

func (e *env) printDistill(r train.DistillReport) error {
	if e.json {
		return e.printJSON(r)
	}
	for _, x := range r.Reconstruction {
		e.say("distill: codes with noise %.1f: %.1f %% of tokens and %.1f %% of whole chains are read back right", x.Noise, 100*x.Tokens, 100*x.Chains)
	}
	e.say("distill: %d thoughts of %d dimensions, %d of them active", r.VAE.K, r.VAE.D, r.ActiveDims)
	if x := r.Reconstruction[len(r.Reconstruction)-1]; x.Chains < readable {
		e.warn("distill: only %.1f %% of whole chains are read back right with noise; what codes lose no thought can say: give the VAE more --steps or --dims", 100*x.Chains)
	}
	return nil
}
