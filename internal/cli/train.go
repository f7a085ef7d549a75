package cli

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/train"
	"nfcot/internal/progress"
	"nfcot/internal/tensor/kernel"
)

type trainOptions struct {
	experiment.Request
	memory string // limit; "" for what the system has
	resume bool
	out    string
}

func (e *env) train() *cli.Command {
	var o trainOptions
	var set cli.StringSlice
	var stage string
	return e.command(&cli.Command{
		Name:  "train",
		Usage: "train a method, all of its stages or one",
		Description: "The methods are those that nfcot methods lists. What they learn from is --thoughts, or --data with --tokenizer or --init. The experiment is the method's default, changed by --config and then\n" +
			"by --set; RUN/config.yaml holds what came of it. For example:\n" +
			"    nfcot train --method nfcot --thoughts thoughts --set stages.joint.steps=2000 --set batch=64 -o run",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "method", Usage: "`NAME` of the method", Destination: &o.Method},
			&cli.StringFlag{Name: "thoughts", Usage: "thoughts `DIR` written by distill: examples, tokenizer and codes", Destination: &o.Source.Thoughts},
			&cli.StringFlag{Name: "too-long", Usage: "`WHAT` becomes of examples that the model has no room for: refuse, cut (answers lose their end, conversations their last turns) or drop (default: the experiment's, refuse)", Destination: &o.Source.TooLong},
			&cli.StringFlag{Name: "tokenizer", Usage: "tokenizer.json, the `DIR` that holds it, or a GGUF file, for --data", Destination: &o.Source.Tokenizer},
			&cli.StringFlag{Name: "init", Usage: "`RUN` to start from, a model folder of Hugging Face's, an adapter of PEFT's, or a GGUF file: its tokenizer and its parameters of the same names are taken over", Destination: &o.Source.Init},
			baseFlag(&o.Source.Base),
			&cli.StringFlag{Name: "config", Usage: "experiment `FILE` (YAML, as in RUN/config.yaml)", Destination: &o.File},
			&cli.StringSliceFlag{Name: "set", Usage: "change one setting of the experiment, `KEY=VALUE` (seed=2, model.hidden=128); may be given several times", Destination: &set},
			&cli.StringFlag{Name: "precision", Usage: "f32, or bf16: weights stay float32, but products with them round their factors to `PRECISION`, which processors with AMX or a fast AVX512_BF16 multiply faster (default: the experiment's, f32)", Destination: &o.Precision},
			&cli.IntFlag{Name: "lora", Usage: "train the matrices of the backbone's blocks through adapters of `RANK` alone (LoRA), which the run then holds in their place; wants --init (default: the experiment's, 0: train the matrices themselves)", Destination: &o.LoRA},
			&cli.StringFlag{Name: "memory-limit", Usage: "refuse to begin what takes more than so many `bytes` (with KiB, MiB or GiB; default: the memory that the system has free)", Destination: &o.memory},
			&cli.StringFlag{Name: "stage", Usage: "run this `STAGE` alone: text, read, heads, joint or flow; all: those that have steps", Value: experiment.AllStages.String(), Destination: &stage},
			&cli.BoolFlag{Name: "resume", Usage: "continue the interrupted run in -o exactly", Destination: &o.resume},
			&cli.StringFlag{Name: "o", Usage: "`RUN` folder to write", Destination: &o.out},
		}, dataFlags(&o.Source.Data, "data")...),
		Action: func(*cli.Context) error {
			o.Set = set.Value()
			if err := o.Source.Stage.UnmarshalText([]byte(stage)); err != nil {
				return inputf("--stage: %w", err)
			}
			return e.runTrain(o)
		},
	})
}

func (e *env) runTrain(o trainOptions) error {
	if err := need("o", o.out); err != nil {
		return err
	}
	x, err := o.Begin(o.out, o.resume)
	if err != nil {
		return input(err)
	}
	limit, err := o.memoryLimit()
	if err != nil {
		return err
	}
	x.Source.Data.Begin = e.reading("train")
	run, examples, err := experiment.Prepare(x, o.out, limit, e.say)
	if err != nil {
		return input(err)
	}
	defer run.Close()
	saved, err := run.Start(o.resume, e.say)
	if err != nil {
		return err
	}
	e.guard.Keeps("continue with nfcot train --resume -o " + o.out)
	if err := e.trainLoop(train.New(run, examples, limit), saved); err != nil {
		return err
	}
	return run.Finish()
}

// memoryLimit is how many bytes training may take; 0 if nobody knows.
func (o trainOptions) memoryLimit() (int, error) {
	if o.memory == "" {
		return kernel.AvailableMemory(), nil
	}
	n, err := parseBytes(o.memory)
	if err != nil {
		return 0, inputf("--memory-limit %s: %w", o.memory, err)
	}
	return int(n), nil
}

// trainLoop trains with progress.
func (e *env) trainLoop(loop *train.Loop, saved bool) error {
	done, err := e.resume(loop, saved, loop.Dir)
	if err != nil {
		return err
	}
	label := "train " + loop.Config.Method
	e.say("%s: %d examples and %d held out (held_out), %.3g M parameters", label, len(loop.Data), len(loop.Held), float64(loop.Model.Params.Count())/1e6)
	var bar *progress.Bar
	loop.Plan = func(m experiment.Memory) {
		e.guard.Saves()
		e.say("memory: %s", m)
		bar = e.progress(label, "steps", done, loop.Steps())
	}
	var last, held string
	var flops float64
	loop.Report = func(m train.Metrics) error {
		last = m.Terms.String()
		bar.Set(m.Step, last)
		flops += m.FLOPs
		if m.Held != nil {
			held = ", held out: " + m.Held[:len(m.Terms)].String()
		}
		return nil
	}
	if err := loop.Run(e.ctx); err != nil {
		if errors.As(err, new(experiment.TooLarge)) {
			return input(err)
		}
		return unfinished(err, loop.Dir, "train")
	}
	bar.End(fmt.Sprintf("%s%s, %.3g TFLOP in the backbone", last, held, flops/1e12))
	return nil
}

// resume takes up the state that a run has saved, if it has. It returns the steps done.
func (e *env) resume(loop interface{ Resume() (int, error) }, saved bool, dir string) (int, error) {
	if !saved {
		return 0, nil
	}
	done, err := loop.Resume()
	if err != nil {
		return 0, input(err)
	}
	e.say("%s: going on behind step %d", dir, done)
	return done, nil
}

// unfinished says of a run that was interrupted how its command continues it.
func unfinished(err error, dir, command string) error {
	if interrupted(err) {
		return fmt.Errorf("%s: %w, state saved; continue with nfcot %s --resume -o %s", dir, err, command, dir)
	}
	return err
}
