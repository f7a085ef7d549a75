package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/train"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/tokenizer"
)

type trainOptions struct {
	method    string
	precision string
	source    experiment.Source
	config    string   // YAML file
	set       []string // key=value
	lora      int
	memory    string // limit; "" for what the system has
	resume    bool
	out       string
}

func defaultTrain() trainOptions { return trainOptions{source: experiment.Source{Stage: -1}} }

func (e *env) train() *cli.Command {
	o := defaultTrain()
	var set cli.StringSlice
	return e.command(&cli.Command{
		Name:  "train",
		Usage: "train a method, all of its stages or one",
		Description: "nfcot methods lists the methods. The experiment is the method's default, changed by\n" +
			"--config and then by --set; RUN/config.yaml holds what came of it. For example:\n" +
			"nfcot train --method nfcot --thoughts thoughts --set stages.2.steps=2000 --set batch=64 -o run",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "method", Usage: "`NAME` of the method", Destination: &o.method},
			&cli.StringFlag{Name: "thoughts", Usage: "thoughts `DIR` written by distill: examples, tokenizer and codes", Destination: &o.source.Thoughts},
			&cli.StringFlag{Name: "data", Usage: "examples `FILE`, for methods that do not learn from thoughts; wants --tokenizer", Destination: &o.source.Data},
			&cli.StringFlag{Name: "tokenizer", Usage: "tokenizer.json, or the `DIR` that holds it, for --data", Destination: &o.source.Tokenizer},
			&cli.StringFlag{Name: "init", Usage: "`RUN` to start from, or a model folder of Hugging Face's: its tokenizer and its parameters of the same names are taken over", Destination: &o.source.Init},
			&cli.StringFlag{Name: "config", Usage: "experiment `FILE` (YAML, as in RUN/config.yaml)", Destination: &o.config},
			&cli.StringSliceFlag{Name: "set", Usage: "change one setting of the experiment, `KEY=VALUE` (seed=2, model.hidden=128); may be given several times", Destination: &set},
			&cli.StringFlag{Name: "precision", Usage: "f32, or bf16: weights stay float32, but products with them round their factors to `PRECISION`, which processors with AVX512_BF16 or AMX multiply faster (default: the experiment's, f32)", Destination: &o.precision},
			&cli.IntFlag{Name: "lora", Usage: "train the matrices of the backbone's blocks through adapters of `RANK` alone (LoRA), which the run then holds in their place; wants --init (default: the experiment's, 0: train the matrices themselves)", Destination: &o.lora},
			&cli.StringFlag{Name: "memory-limit", Usage: "refuse to begin what takes more than so many `bytes` (with KiB, MiB or GiB; default: the memory that the system has free)", Destination: &o.memory},
			&cli.IntFlag{Name: "stage", Usage: "run this stage alone: 0 text, 1 heads, 2 joint, 3 joint with the flow; -1: all that have steps", Value: o.source.Stage, Destination: &o.source.Stage},
			&cli.BoolFlag{Name: "resume", Usage: "continue the interrupted run in -o exactly", Destination: &o.resume},
			&cli.StringFlag{Name: "o", Usage: "`RUN` folder to write", Destination: &o.out},
		},
		Action: func(*cli.Context) error {
			o.set = set.Value()
			return e.runTrain(o)
		},
	})
}

func (e *env) runTrain(o trainOptions) error {
	if err := need("o", o.out); err != nil {
		return err
	}
	x, err := o.experiment()
	if err != nil {
		return err
	}
	limit, err := o.memoryLimit()
	if err != nil {
		return err
	}
	run, data, err := e.prepare(x, o.out, limit)
	if err != nil {
		return err
	}
	if !o.resume {
		if err := run.Start(); err != nil {
			return err
		}
	}
	if err := e.trainLoop(run, data, limit, o.resume); err != nil {
		return err
	}
	return run.Finish()
}

// experiment settles what is to be trained: that of the run to resume, or a
// method's default with the user's changes. The data's part is filled in later.
func (o trainOptions) experiment() (experiment.Experiment, error) {
	if o.resume {
		if o.method != "" || o.precision != "" || o.lora != 0 || o.config != "" || len(o.set) > 0 || o.source.Thoughts+o.source.Data+o.source.Init != "" {
			return experiment.Experiment{}, inputf("--resume takes the experiment from %s; leave the other flags out", filepath.Join(o.out, experiment.ConfigFile))
		}
		return resumed(o.out, "train")
	}
	if err := emptyFolder(o.out); err != nil {
		return experiment.Experiment{}, err
	}
	x := experiment.Experiment{Config: experiment.Default(o.method), Source: o.source}
	if o.source.Init != "" {
		from, err := experiment.OpenOrigin(o.source.Init)
		if err != nil {
			return x, input(err)
		}
		if x.Model = from.Model; !from.Run {
			x.Config = x.Config.Pretrained(from.Model)
		}
	}
	if o.config != "" {
		text, err := os.ReadFile(o.config)
		if err != nil {
			return x, input(err)
		}
		if err := x.ReadExperiment(text); err != nil {
			return x, inputf("%s: %s", o.config, explainYAML(err))
		}
		x.Source = overlay(x.Source, o.source)
	}
	if o.method != "" {
		x.Method = o.method
	}
	if err := change(&x, o.set); err != nil {
		return x, err
	}
	if o.precision != "" {
		x.Precision = o.precision
	}
	if o.lora != 0 {
		x.LoRA.Rank, x.LoRA.Fused = o.lora, false
	}
	if x.Method == "" {
		return x, need("method", "")
	}
	if x.RL != nil {
		return x, inputf("the experiment has a section rl; that is for nfcot rl")
	}
	return x, nil
}

// resumed is the experiment of the unfinished run in a folder, which a command began.
func resumed(dir, command string) (experiment.Experiment, error) {
	if _, err := os.Stat(filepath.Join(dir, experiment.ModelFile)); err == nil {
		return experiment.Experiment{}, inputf("%s: the run is complete; there is nothing to resume", dir)
	}
	x, err := experiment.ReadConfig(dir)
	if err == nil && x.Command() != command {
		return x, inputf("%s: the run was begun by nfcot %s; continue it with nfcot %s --resume -o %s", dir, x.Command(), x.Command(), dir)
	}
	return x, input(err)
}

// change makes the changes that --set asks for.
func change(x *experiment.Experiment, set []string) error {
	for _, s := range set {
		key, value, ok := strings.Cut(s, "=")
		if !ok || key == "" || value == "" {
			return inputf("--set %s: want KEY=VALUE", s)
		}
		if err := x.ReadExperiment(nested(key, value)); err != nil {
			return inputf("--set %s: %s", s, yamlLine.ReplaceAllString(explainYAML(err), ""))
		}
	}
	return nil
}

// emptyFolder refuses a folder for a run that holds something.
func emptyFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return inputf("%s: is a file; expected a folder for the run", dir)
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		return inputf("%s: the folder is not empty; continue its run with --resume, or choose another folder", dir)
	}
	return nil
}

// overlay is the source that a config file names, with what flags say instead.
func overlay(file, flags experiment.Source) experiment.Source {
	x := flags
	if flags.Thoughts+flags.Data+flags.Tokenizer == "" {
		x = file
	}
	x.Init, x.Stage = cmp.Or(flags.Init, file.Init), flags.Stage
	if x.Stage < 0 {
		x.Stage = file.Stage
	}
	return x
}

// What the YAML library writes about Go types says nothing to a user.
var (
	yamlUnknown = regexp.MustCompile(`field (\S+) not found in type [^\s;]+`)
	yamlType    = regexp.MustCompile("cannot construct !!\\S+ `(.*?)` into ([^\\s;]+)")
	yamlLine    = regexp.MustCompile(`^line \d+: `) // of --set: the user wrote no lines
)

// explainYAML says in our words what is wrong with an experiment's YAML.
func explainYAML(err error) string {
	s := strings.TrimPrefix(oneLine(err), "yaml: construct errors: ")
	s = yamlUnknown.ReplaceAllString(s, "there is no setting $1; their names are those in a run's "+experiment.ConfigFile)
	s = yamlType.ReplaceAllString(s, "found $1, expected $2")
	return strings.NewReplacer("expected int", "expected a whole number", "expected uint64", "expected a whole number that is not negative",
		"expected float64", "expected a number", "expected bool", "expected true or false").Replace(s)
}

// nested is YAML that sets a.b.c to value.
func nested(key, value string) []byte {
	var b strings.Builder
	parts := strings.Split(key, ".")
	for depth, part := range parts {
		fmt.Fprintf(&b, "%s%s:", strings.Repeat("  ", depth), part)
		if depth < len(parts)-1 {
			b.WriteByte('\n')
		}
	}
	return []byte(b.String() + " " + value + "\n")
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

// prepare reads the data of an experiment and makes its model, if it fits into
// memory.
func (e *env) prepare(x experiment.Experiment, dir string, limit int) (*experiment.Run, []cot.Encoded, error) {
	run := &experiment.Run{Dir: dir}
	var added []string // tokens
	if x.Source.Init != "" {
		from, err := experiment.OpenOrigin(x.Source.Init)
		if err == nil {
			err = from.LoadTokenizer()
		}
		if err != nil {
			return nil, nil, input(err)
		}
		added, run.Tokenizer = from.Added(), from.Tokenizer
		x.NewTokens, x.Model.Vocab = from.NewTokens, from.Model.Vocab
	}
	data, err := readCorpus(x.Source, run)
	if err != nil {
		return nil, nil, err
	}
	special, err := cot.FindSpecial(run.Tokenizer)
	if err != nil {
		return nil, nil, input(err)
	}
	if x.Source.Init == "" {
		x.Model.Vocab = run.Tokenizer.VocabSize()
	}
	if run.VAE != nil {
		x.NF.K, x.NF.D = run.VAE.Config.K, run.VAE.Config.D
	}
	x.Fit(data)
	fingerprint := experiment.Fingerprint(data)
	if x.Source.SHA256 != "" && x.Source.SHA256 != fingerprint {
		return nil, nil, inputf("%s: the data are not those the run began with; expected sha256 %s, found %s", dir, x.Source.SHA256, fingerprint)
	}
	x.Source.SHA256, x.Source.Examples = fingerprint, len(data)
	if err := check(x, data, run.VAE != nil); err != nil {
		return nil, nil, err
	}
	if need := x.Standing(x.Source.Stage); limit > 0 && need.All() > limit {
		return nil, nil, input(experiment.TooLarge{Memory: need, Limit: limit})
	}
	run.Experiment = x
	if x.Source.Init == "" {
		run.Model = experiment.NewModel(x.Config, special)
	} else if run.Model, err = experiment.LoadModel(x.Source.Init, x.Config, special); err != nil {
		return nil, nil, input(err)
	}
	if len(added) > 0 {
		e.say("train: %s gets the tokens %s", x.Source.Init, strings.Join(added, " "))
	}
	if !run.Model.Method.Codes {
		run.VAE, run.VAEWords = nil, nil
	}
	return run, data, nil
}

// check refuses what cannot be trained, before any work is done.
func check(x experiment.Experiment, data []cot.Encoded, codes bool) error {
	if err := x.Check(); err != nil {
		return inputf("experiment: %w", err)
	}
	if x.LoRA.On() && x.Source.Init == "" {
		return inputf("adapters (--lora) need a model to adapt; give --init")
	}
	if method, _ := experiment.FindMethod(x.Method); method.Codes && !codes {
		return inputf("method %s learns from thoughts; give --thoughts DIR, written by nfcot distill", x.Method)
	}
	if err := checkStages(x); err != nil {
		return err
	}
	if len(data) <= x.HeldOut {
		return inputf("%d examples leave nothing to train on: %d are held out (held_out)", len(data), x.HeldOut)
	}
	for i, ex := range data {
		if rows := len(ex.Prompt) + len(slices.Concat(ex.Steps...)) + len(ex.Answer) + 2 + x.Coconut.States(); rows > x.Model.MaxTokens {
			return inputf("example %d has %d tokens, more than the model's %d positions (model.positions)", i+1, rows, x.Model.MaxTokens)
		}
	}
	return nil
}

// checkStages refuses a run without a single step.
func checkStages(x experiment.Experiment) error {
	stages := x.Stages.List()
	switch only := x.Source.Stage; {
	case only < -1 || only >= len(stages):
		return inputf("--stage is %d; want 0 to %d, or -1 for all", only, len(stages)-1)
	case only >= 0 && stages[only].Steps == 0:
		return inputf("--stage %d: the stage has no steps; give it some with --set stages.%d.steps=N", only, only)
	case !slices.ContainsFunc(stages, func(s *experiment.Stage) bool { return s.Steps > 0 }):
		return inputf("no stage has steps; give one some, with --set stages.2.steps=N for example")
	}
	return nil
}

// readCorpus reads the examples of a source, in tokens, and notes in run which
// tokenizer, unless it has one, and VAE go with them.
func readCorpus(s experiment.Source, run *experiment.Run) ([]cot.Encoded, error) {
	switch {
	case s.Thoughts != "":
		x, err := data.LoadThoughts(s.Thoughts)
		if err != nil {
			return nil, input(err)
		}
		run.VAE, run.VAEWords = x.VAE, x.Tokenizer
		if run.Tokenizer == nil {
			run.Tokenizer = x.Tokenizer
		}
		return x.Encoded(run.Tokenizer), nil
	case s.Tokenizer != "" && run.Tokenizer != nil:
		return nil, inputf("with --init the tokenizer is that of %s; leave --tokenizer out", s.Init)
	case s.Data == "" || s.Tokenizer == "" && run.Tokenizer == nil:
		return nil, inputf("what to train on is missing: give --thoughts DIR, or --data FILE with --tokenizer DIR")
	}
	examples, err := readExamples(s.Data)
	if err != nil {
		return nil, err
	}
	if run.Tokenizer == nil {
		if run.Tokenizer, err = tokenizer.Load(s.Tokenizer); err != nil {
			return nil, input(err)
		}
	}
	data := make([]cot.Encoded, len(examples))
	for i, ex := range examples {
		data[i] = cot.Encode(run.Tokenizer, ex, i)
	}
	return data, nil
}

// trainLoop trains with progress, metrics.jsonl and TensorBoard events.
func (e *env) trainLoop(run *experiment.Run, data []cot.Encoded, limit int, resume bool) (err error) {
	x := run.Experiment
	loop := train.Loop{
		Config: x.Config, Model: run.Model, Only: x.Source.Stage, Dir: run.Dir,
		Limit: limit, Data: data[:len(data)-x.HeldOut], Held: data[len(data)-x.HeldOut:],
	}
	log, err := ckpt.OpenLog(filepath.Join(run.Dir, experiment.MetricsFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	events, err := ckpt.NewEvents(run.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.Close()) }()

	var done int
	if resume {
		if done, err = loop.Resume(); err != nil {
			return input(err)
		}
		if err := log.DropAfter(int64(done)); err != nil {
			return err
		}
	}
	e.say("train %s: %d examples and %d held out (held_out), %.3g M parameters", x.Method, len(loop.Data), len(loop.Held), float64(run.Model.Params.Count())/1e6)
	var bar *progress
	loop.Plan = func(m experiment.Memory) {
		e.say("memory: %s parameters, %s gradients, %s optimizer, %s a step", mebibytes(m.Parameters), mebibytes(m.Gradients), mebibytes(m.Optimizer), mebibytes(m.Step))
		bar = e.progress("train "+x.Method, "steps", done, loop.Steps())
	}
	var last, held string
	var flops float64
	loop.Report = func(m train.Metrics) error {
		last = describeTerms(m.Terms)
		bar.set(m.Step, last)
		flops += m.FLOPs
		if m.Step == m.Steps {
			m.PeakMemory = kernel.PeakMemory()
		}
		for _, p := range slices.Concat([]cot.Term{{Name: "loss", Value: m.Loss}, {Name: "lr", Value: m.LR}, {Name: "grad_norm", Value: m.Norm}}, m.Terms) {
			if err := events.Scalar(int64(m.Step), "train/"+p.Name, p.Value); err != nil {
				return err
			}
		}
		if m.Held != nil {
			held = ", held out: " + describeTerms(m.Held[:len(m.Terms)])
		}
		for _, p := range m.Held {
			if err := events.Scalar(int64(m.Step), "held_out/"+p.Name, p.Value); err != nil {
				return err
			}
		}
		return log.Append(m)
	}
	if limit > 0 { // collect garbage rather than take more
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(limit)))
	}
	if err := loop.Run(e.ctx); err != nil {
		if errors.As(err, new(experiment.TooLarge)) {
			return input(err)
		}
		if errors.Is(err, train.ErrInterrupted) {
			return fmt.Errorf("%s: %w, state saved; continue with nfcot train --resume -o %s", run.Dir, err, run.Dir)
		}
		return err
	}
	bar.end(fmt.Sprintf("%s%s, %.3g TFLOP in the backbone", last, held, flops/1e12))
	return nil
}
