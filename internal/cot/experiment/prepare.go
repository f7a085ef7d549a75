package experiment

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
)

// Prepare reads the data of an experiment, settles what they decide, checks it, and
// makes its model, if training it may take limit bytes of memory; 0 knows of no limit.
// logf is told what is added to a tokenizer of others.
func Prepare(x Experiment, dir string, limit int, logf func(string, ...any)) (*Run, []cot.Encoded, error) {
	run := &Run{Dir: dir}
	var added []string // tokens
	if x.Source.Init != "" {
		base, err := OpenBase(x.Source.Init, x.Source.Base)
		if err == nil {
			err = base.LoadTokenizer()
		}
		if err != nil {
			return nil, nil, err
		}
		added, run.Tokenizer = base.Added(), base.Tokenizer
		x.NewTokens, x.Model.Vocab = base.NewTokens, base.Model.Vocab
		if run.companions, err = companionsOf(base.model, base.words, x.Model.Vocab); err != nil {
			return nil, nil, err
		}
	}
	examples, counts, err := run.readExamples(x.Source)
	if err != nil {
		return nil, nil, err
	}
	special, err := run.special()
	if err != nil {
		return nil, nil, err
	}
	if err := x.settle(run, examples); err != nil {
		return nil, nil, err
	}
	if need := x.ResidentMemory(x.Source.Stage); limit > 0 && need.All() > limit {
		return nil, nil, TooLarge{Memory: need, Limit: limit}
	}
	run.Experiment = x
	if x.Source.Init == "" {
		run.Model = NewModel(x.Config, special)
	} else if run.Model, err = LoadModel(x.Source.Init, x.Source.Base, x.Config, special); err != nil {
		return nil, nil, err
	}
	if counts.Examples > 0 {
		logf("train: %s", counts)
	}
	if len(added) > 0 {
		logf("train: %s gets the tokens %s", x.Source.Init, strings.Join(added, " "))
	}
	if !run.Model.Method.Codes {
		run.VAE, run.VAETokenizer = nil, nil
	}
	return run, examples, nil
}

// readExamples reads the examples of a source, in tokens, and notes which tokenizer,
// unless the run has one, and VAE go with them. It counts those of files.
func (r *Run) readExamples(s Source) ([]cot.Encoded, data.Counts, error) {
	switch {
	case s.Thoughts != "":
		x, err := data.LoadThoughts(s.Thoughts)
		if err != nil {
			return nil, data.Counts{}, err
		}
		r.VAE, r.VAETokenizer = x.VAE, x.Tokenizer
		if r.Tokenizer == nil {
			r.Tokenizer = x.Tokenizer
		}
		return x.Encoded(r.Tokenizer), data.Counts{}, nil
	case s.Tokenizer != "" && r.Tokenizer != nil:
		return nil, data.Counts{}, fmt.Errorf("with --init the tokenizer is that of %s; leave --tokenizer out", s.Init)
	case len(s.Data.Files) == 0 || s.Tokenizer == "" && r.Tokenizer == nil:
		return nil, data.Counts{}, errors.New("what to train on is missing: give --thoughts DIR, or --data FILE with --tokenizer DIR")
	}
	examples, counts, err := s.Data.Read()
	if err != nil {
		return nil, counts, err
	}
	if r.Tokenizer == nil {
		if r.Tokenizer, err = LoadTokenizer(s.Tokenizer); err != nil {
			return nil, data.Counts{}, err
		}
	}
	encoded := make([]cot.Encoded, len(examples))
	for i, ex := range examples {
		encoded[i] = cot.Encode(r.Tokenizer, ex, i)
	}
	return encoded, counts, nil
}

// settle fills in what the data of a run decide, which for one that is resumed or repeated
// must be the same, and checks the experiment before any work is done.
func (e *Experiment) settle(r *Run, examples []cot.Encoded) error {
	if e.Source.Init == "" {
		e.Model.Vocab = r.Tokenizer.VocabSize()
	}
	if r.VAE != nil {
		e.NF.K, e.NF.D = r.VAE.Config.K, r.VAE.Config.D
	}
	e.Fit(examples)
	fingerprint := Fingerprint(examples)
	if e.Source.SHA256 != "" && e.Source.SHA256 != fingerprint {
		return fmt.Errorf("%s: the data are not those the run began with; expected sha256 %s, found %s", r.Dir, e.Source.SHA256, fingerprint)
	}
	e.Source.SHA256, e.Source.Examples = fingerprint, len(examples)
	if err := e.Check(); err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	if e.LoRA.On() && e.Source.Init == "" {
		return errors.New("adapters (--lora) need a model to adapt; give --init")
	}
	if method, _ := FindMethod(e.Method); method.Codes && r.VAE == nil {
		return fmt.Errorf("method %s learns from thoughts; give --thoughts DIR, written by nfcot distill", e.Method)
	}
	if err := e.checkStages(); err != nil {
		return err
	}
	return e.checkExamples(examples)
}

// checkStages refuses a run without a single step.
func (e *Experiment) checkStages() error {
	steps := 0
	for _, s := range e.Stages.All() {
		steps += s.Steps
	}
	switch asked := e.Source.Stage; {
	case asked >= 0 && e.Stages.Of(asked).Steps == 0:
		return fmt.Errorf("--stage %s: the stage has no steps; give it some with --set stages.%s.steps=N", asked, asked)
	case asked == PolicyStage:
		return fmt.Errorf("source.stage is %s; want %s", asked, StageNames)
	case steps == 0:
		return errors.New("no stage has steps; give one some, with --set stages.joint.steps=N for example")
	}
	return nil
}

// checkExamples refuses data of which nothing is left to train on, and examples that the
// model has no room for.
func (e *Experiment) checkExamples(examples []cot.Encoded) error {
	if len(examples) <= e.HeldOut {
		return fmt.Errorf("%d examples leave nothing to train on: %d are held out (held_out)", len(examples), e.HeldOut)
	}
	for i, ex := range examples {
		if rows := len(ex.Prompt) + len(slices.Concat(ex.Steps...)) + len(ex.Answer) + 2 + e.Coconut.States(); rows > e.Model.MaxTokens {
			return fmt.Errorf("example %d has %d tokens, more than the model's %d positions (model.positions)", i+1, rows, e.Model.MaxTokens)
		}
	}
	return nil
}

// PrepareRL checks an experiment of reinforcement learning over problems, of which there
// are n with a checksum, and makes its run and the reference that the model starts as.
// A run that is resumed must have the same problems and the same reference.
func PrepareRL(x Experiment, dir string, n int, checksum string) (run *Run, reference *Model, err error) {
	if err := errors.Join(x.Check(), x.RL.Check()); err != nil {
		return nil, nil, fmt.Errorf("experiment: %w", err)
	}
	if x.RL.Prompts > n {
		return nil, nil, fmt.Errorf("rl.prompts is %d, and %s has %d problems", x.RL.Prompts, x.RL.Bench, n)
	}
	base, err := ReadConfig(x.Source.Init)
	if err != nil {
		return nil, nil, err
	}
	model, err := Hash(x.Source.Init, "", base)
	if err != nil {
		return nil, nil, err
	}
	rl := *x.RL
	x.RL = &rl
	for _, made := range []struct {
		what string
		was  *string
		is   string
	}{{"problems", &x.Source.SHA256, checksum}, {"run " + x.Source.Init, &rl.Init, model}} {
		if *made.was != "" && *made.was != made.is {
			return nil, nil, fmt.Errorf("%s: the %s is not what the run began with; expected sha256 %s, found %s", dir, made.what, *made.was, made.is)
		}
		*made.was = made.is
	}
	x.Source.Examples = n
	if run, reference, err = newPolicy(x, dir); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", x.Source.Init, err)
	}
	return run, reference, nil
}

// newPolicy makes the run that x, which continues the run that it starts from, is to
// become: its model, and the reference that the model starts as. It fails for methods
// without exact likelihoods.
func newPolicy(x Experiment, dir string) (r *Run, reference *Model, err error) {
	init := x.Source.Init
	from, special, err := readRun(init)
	if err != nil {
		return nil, nil, err
	}
	if err := x.method().CheckScores("reinforced"); err != nil {
		return nil, nil, err
	}
	r = &Run{Dir: dir, Experiment: x, Tokenizer: from.Tokenizer, VAE: from.VAE, VAETokenizer: from.VAETokenizer, companions: from.companions}
	if r.Model, err = LoadModel(init, "", x.Config, special); err != nil {
		return nil, nil, err
	}
	reference, err = LoadModel(init, "", x.Config, special)
	return r, reference, err
}
