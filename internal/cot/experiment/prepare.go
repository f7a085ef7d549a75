package experiment

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
)

// Prepare reads the data of an experiment, settles what they decide, checks it, and
// makes its model, if training it may take limit bytes of memory; 0 knows of no limit.
// logf is told what was read, what is added to a tokenizer of others, and what becomes of
// examples that are too long.
func Prepare(x Experiment, dir string, limit int, logf func(string, ...any)) (*Run, []cot.Encoded, error) {
	method, err := FindMethod(x.Method)
	if err = cmp.Or(err, x.Source.checkTooLong()); err != nil {
		return nil, nil, fmt.Errorf("experiment: %w", err)
	}
	var notes []string // said when nothing is wrong
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	run := &Run{Dir: dir}
	base := new(Base)
	if x.Source.Init != "" {
		if base, err = OpenBase(x.Source.Init, x.Source.Base); err == nil {
			err = run.begin(base, method)
		}
		if err != nil {
			return nil, nil, err
		}
		x.NewTokens, x.Model.Vocab = base.NewTokens, base.Model.Vocab
	}
	examples, special, err := run.encode(method, x, note)
	if err != nil {
		return nil, nil, err
	}
	if examples, err = x.settle(run, examples, note); err != nil {
		return nil, nil, err
	}
	if need := x.ResidentMemory(x.Source.Stage); limit > 0 && need.All() > limit {
		return nil, nil, TooLarge{Memory: need, Limit: limit}
	}
	run.Experiment = x
	if x.Source.Init == "" {
		run.Model = NewModel(x.Config, special)
	} else if run.Model, err = loadModel(x.Source.Init, x.Source.Base, x.Config, special, false); err != nil {
		return nil, nil, err
	}
	if x.NF.ReadBack > 0 {
		if err := run.Model.ReadBack(run.VAE); err != nil {
			return nil, nil, fmt.Errorf("experiment: %w", err)
		}
	}
	if len(base.Added) > 0 {
		note("train: %s gets the tokens %s", x.Source.Init, strings.Join(base.Added, " "))
	}
	for _, text := range notes {
		logf("%s", text)
	}
	if !run.Model.Method.Codes {
		run.VAE, run.VAETokenizer = nil, nil
	}
	return run, examples, nil
}

// begin takes the tokenizer of a model for a method, and what else comes with it.
func (r *Run) begin(b *Base, m Method) (err error) {
	if err := b.LoadTokenizer(m.tokens()...); err != nil {
		return err
	}
	r.Tokenizer = b.Tokenizer
	r.companions, err = companionsOf(b.model, b.words, b.Model.Vocab)
	return err
}

// encode reads the examples of an experiment as its method learns them, and notes which tokenizer,
// unless the run has one, goes with them.
func (r *Run) encode(m Method, x Experiment, logf func(string, ...any)) ([]cot.Encoded, cot.Special, error) {
	s := x.Source
	switch {
	case s.Thoughts != "":
		return r.encodeThoughts(m, x)
	case s.Tokenizer != "" && r.Tokenizer != nil:
		return nil, cot.Special{}, fmt.Errorf("with --init the tokenizer is that of %s; leave --tokenizer out", s.Init)
	case len(s.Data.Files) == 0 || s.Tokenizer == "" && r.Tokenizer == nil:
		return nil, cot.Special{}, errors.New("what to train on is missing: give --thoughts DIR, or --data FILE with --tokenizer DIR")
	}
	if r.Tokenizer == nil {
		var err error
		if r.Tokenizer, err = LoadTokenizer(s.Tokenizer); err != nil {
			return nil, cot.Special{}, err
		}
	}
	encoder, err := r.encoder(m, cmp.Or(s.Init, s.Tokenizer))
	if err != nil {
		return nil, cot.Special{}, err
	}
	reader, ends := data.NewReader(s.Data), len(encoder.Special.MoreEOS)
	var all []cot.Encoded
	for ex, err := range reader.Examples() {
		if err != nil {
			return nil, cot.Special{}, err
		}
		x, err := encoder.Encode(ex, len(all))
		if err != nil {
			return nil, cot.Special{}, fmt.Errorf("%s: %w", reader.Where, err)
		}
		all = append(all, x)
	}
	if m.Chains && reader.Counts.Chains == 0 {
		return nil, cot.Special{}, withoutChains(m, s.Data)
	}
	logf("train: %s", reader.Counts)
	for _, id := range encoder.Special.MoreEOS[ends:] {
		logf("train: %s ends answers of the run, too, since it ends turns of the data", r.Tokenizer.Token(id))
	}
	return all, encoder.Special, nil
}

// withoutChains is the error of training a method that learns chains on examples without any.
func withoutChains(m Method, s data.Source) error {
	return fmt.Errorf("%s: no example has a chain of thought, which method %s learns; --cot-from %s takes it out of the answers, --columns cot=NAME says where it is, and --method direct does without",
		s.Files, m.Name, strings.Join(data.Extractions, "|"))
}

// encodeThoughts reads the examples of a thoughts folder, with their codes, and notes which
// VAE goes with them.
func (r *Run) encodeThoughts(m Method, x Experiment) ([]cot.Encoded, cot.Special, error) {
	s := x.Source
	thoughts, err := data.LoadThoughts(s.Thoughts)
	if err != nil {
		return nil, cot.Special{}, err
	}
	r.VAE, r.VAETokenizer = thoughts.VAE, thoughts.Tokenizer
	if v := r.VAE.Config; x.readsAlone() && !v.Local() {
		return nil, cot.Special{}, fmt.Errorf("%s: stage read has %d steps and nf.read_lines is %d, but codes of the encoder %s do not stand for their segments alone; want one of linear and local, or neither", s.Thoughts, x.Stages.Read.Steps, x.NF.ReadLines, v.Encoder)
	}
	if r.Tokenizer == nil {
		r.Tokenizer = thoughts.Tokenizer
	}
	encoder, err := r.encoder(m, cmp.Or(s.Init, s.Thoughts))
	if err != nil {
		return nil, cot.Special{}, err
	}
	all := make([]cot.Encoded, len(thoughts.Examples))
	for i, ex := range thoughts.Examples {
		if all[i], err = encoder.Encode(ex, i); err != nil {
			return nil, cot.Special{}, fmt.Errorf("%s: example %d: %w", s.Thoughts, i+1, err)
		}
		all[i].Codes = thoughts.ExampleCodes(i)
		if x.NF.ReadBack == 0 && !x.readsAlone() {
			continue
		}
		segments, err := thoughts.Segments(i)
		if err != nil {
			return nil, cot.Special{}, fmt.Errorf("%s: example %d: %w", s.Thoughts, i+1, err)
		}
		if x.NF.ReadBack > 0 {
			all[i].Segments = segments
		}
		if x.readsAlone() {
			for _, ids := range segments {
				all[i].Said = append(all[i].Said, r.Tokenizer.Encode(r.VAETokenizer.Decode(ids, false)))
			}
		}
	}
	return all, encoder.Special, nil
}

// settle fills in what the data of a run decide, which for one that is resumed or repeated
// must be the same, checks the experiment before any work is done, and returns the examples
// that the model has room for.
func (e *Experiment) settle(r *Run, examples []cot.Encoded, logf func(string, ...any)) ([]cot.Encoded, error) {
	if e.Source.Init == "" {
		e.Model.Vocab = r.Tokenizer.VocabSize()
	}
	if r.VAE != nil {
		e.NF.K, e.NF.D = r.VAE.Config.K, r.VAE.Config.D
	}
	e.Fit(examples)
	if err := e.Check(); err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	examples, err := e.shorten(examples, logf)
	if err != nil {
		return nil, err
	}
	sum := fingerprint(examples)
	if e.Source.SHA256 != "" && e.Source.SHA256 != sum {
		return nil, fmt.Errorf("%s: the data are not those the run began with; expected sha256 %s, found %s", r.Dir, e.Source.SHA256, sum)
	}
	e.Source.SHA256, e.Source.Examples = sum, len(examples)
	if e.LoRA.On() && e.Source.Init == "" {
		return nil, errors.New("adapters (--lora) need a model to adapt; give --init")
	}
	if e.method().Codes && r.VAE == nil {
		return nil, fmt.Errorf("method %s learns from thoughts; give --thoughts DIR, written by nfcot distill", e.Method)
	}
	if err := e.checkStages(); err != nil {
		return nil, err
	}
	if len(examples) <= e.HeldOut {
		return nil, fmt.Errorf("%s: %d examples leave nothing to train on: %d are held out (held_out)", e.Source.file(), len(examples), e.HeldOut)
	}
	return examples, nil
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

// PrepareRL checks an experiment of reinforcement learning over problems, of which there
// are n with a checksum, and makes its run and the reference that the model starts as.
// A run that is resumed must have the same problems and the same reference.
func PrepareRL(x Experiment, dir string, n int, checksum string) (run *Run, reference *Model, err error) {
	if err := cmp.Or(x.Check(), x.RL.Check()); err != nil {
		return nil, nil, fmt.Errorf("experiment: %w", err)
	}
	switch {
	case x.Precision != "f32":
		return nil, nil, fmt.Errorf("precision is %s, but likelihoods are those of sampling, which rounds nothing; reinforcement wants f32", x.Precision)
	case x.RL.Prompts > n:
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
	if m := x.method(); x.RL.FreezeSigma && !m.Flows {
		return nil, nil, fmt.Errorf("rl.freeze_sigma is true, but method %s has no thoughts with a sigma; leave it out", m.Name)
	}
	r = &Run{Dir: dir, Experiment: x, Tokenizer: from.Tokenizer, VAE: from.VAE, VAETokenizer: from.VAETokenizer, companions: from.companions}
	if r.Model, err = loadModel(init, "", x.Config, special, true); err != nil {
		return nil, nil, err
	}
	reference, err = loadModel(init, "", x.Config, special, true)
	return r, reference, err
}
