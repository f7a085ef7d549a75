package experiment

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A Request is what a user asks to be trained. What is left empty is the experiment
// file's to say, then the method's default.
type Request struct {
	Method    string
	Precision string
	LoRA      int    // rank of adapters
	Source    Source // its Stage is AllStages unless one is asked for
	File      string // path of an experiment in YAML
	Set       []string
}

// Begin is the experiment of the run folder dir: what is asked for, or, to resume the run
// that is there, what that was begun with.
func (r Request) Begin(dir string, resume bool) (Experiment, error) {
	if !resume {
		if err := CheckFolder(dir); err != nil {
			return Experiment{}, err
		}
		return Resolve(r)
	}
	s := r.Source
	if r.Method+r.Precision+r.File+s.Thoughts+s.Tokenizer+s.Init+s.Base+s.TooLong != "" || s.Data.Given() || s.Stage != AllStages || r.LoRA != 0 || len(r.Set) > 0 {
		return Experiment{}, resumesAlone(dir)
	}
	return Resume(dir, "train")
}

// resumesAlone is the error of flags beside --resume.
func resumesAlone(dir string) error {
	return fmt.Errorf("--resume takes the experiment from %s; leave the other flags out", filepath.Join(dir, ConfigFile))
}

// Resolve settles what is to be trained: the default of the method, for a model of
// others that of Config.pretrained, changed by the file, by the settings, KEY=VALUE, and
// by the rest of the request. What the data decide is filled in by Prepare.
func Resolve(r Request) (Experiment, error) {
	x, err := r.resolve(false)
	if err == nil && x.LoRA.On() { // which the defaults depend on
		x, err = r.resolve(true)
	}
	return x, err
}

// resolve is Resolve, by the defaults of training with adapters or without.
func (r Request) resolve(adapters bool) (Experiment, error) {
	switch s := r.Source; {
	case s.Thoughts != "" && (s.Data.Given() || s.Tokenizer != ""):
		return Experiment{}, errors.New("--thoughts names a folder that has examples and their tokenizer; leave --data, what says how they are read, and --tokenizer out")
	case s.Base != "" && s.Init == "":
		return Experiment{}, errors.New("--base goes with --init")
	}
	text, file, err := r.readFile()
	if err != nil {
		return Experiment{}, err
	}
	x := Experiment{Config: Default(cmp.Or(r.Method, file.Method)), Source: file.Source}
	if x.Source.Init != "" {
		base, err := OpenBase(x.Source.Init, x.Source.Base)
		if err != nil {
			return x, err
		}
		if x.Model = base.Model; !base.Run {
			x.Config = x.Config.pretrained(base.Model, adapters)
		}
	}
	if err := x.Read(text); err != nil {
		return x, fmt.Errorf("%s: %w", r.File, err)
	}
	x.Method, x.Source = cmp.Or(r.Method, x.Method), file.Source
	if err := x.setAll(r.Set); err != nil {
		return x, err
	}
	x.Precision = cmp.Or(r.Precision, x.Precision)
	if r.LoRA != 0 {
		x.LoRA.Rank, x.LoRA.Fused = r.LoRA, false
	}
	if x.Method == "" {
		return x, errors.New("--method is missing; see nfcot methods")
	}
	if x.RL != nil {
		return x, errors.New("the experiment has a section rl; that is for nfcot rl")
	}
	return x, nil
}

// readFile reads the experiment's file, if there is one: its text, and what that says by itself, with the source that is
// asked for.
func (r Request) readFile() (text []byte, file Experiment, err error) {
	file.Source = r.Source
	if r.File == "" {
		return nil, file, nil
	}
	if text, err = os.ReadFile(r.File); err != nil {
		return nil, file, err
	}
	if err := file.Read(text); err != nil {
		return nil, file, fmt.Errorf("%s: %w", r.File, err)
	}
	file.Source = instead(file.Source, r.Source)
	return text, file, nil
}

// instead is the source that a file names, with what is asked for in its place.
func instead(file, asked Source) Source {
	x := asked
	if asked.Thoughts+asked.Tokenizer == "" && len(asked.Data.Files) == 0 {
		x = file
		x.Data = asked.Data.Over(file.Data)
	}
	x.Init, x.Base, x.Stage = file.Init, file.Base, asked.Stage
	if asked.Init != "" {
		x.Init, x.Base = asked.Init, asked.Base
	}
	x.TooLong = cmp.Or(asked.TooLong, file.TooLong)
	if x.Stage == AllStages {
		x.Stage = file.Stage
	}
	return x
}

// setAll makes the changes that a user asks for with --set.
func (e *Experiment) setAll(changes []string) error {
	for _, change := range changes {
		if err := e.Set(change); err != nil {
			return fmt.Errorf("--set %s: %w", change, err)
		}
	}
	return nil
}

// An RLRequest is what a user asks to be reinforced.
type RLRequest struct {
	Init  string // run
	Bench string // "": the default's
	Data  string // of a public benchmark
	Judge string // rule by which answers are compared
	Set   []string
}

// Begin is the experiment of the run folder dir: what is asked for, or, to resume the run
// that is there, what that was begun with.
func (r RLRequest) Begin(dir string, resume bool) (Experiment, error) {
	asked := r.Init+r.Bench+r.Data+r.Judge != "" || len(r.Set) > 0
	switch {
	case resume && asked:
		return Experiment{}, resumesAlone(dir)
	case resume:
		return Resume(dir, "rl")
	case r.Init == "":
		return Experiment{}, errors.New("--init is missing; see --help")
	}
	if err := CheckFolder(dir); err != nil {
		return Experiment{}, err
	}
	return resolveRL(r)
}

// resolveRL settles what is to be reinforced: the experiment of the run to start from,
// with the default settings of reinforcement learning and the request's.
func resolveRL(r RLRequest) (Experiment, error) {
	x, err := ReadConfig(r.Init)
	if err != nil {
		return x, err
	}
	c := DefaultRL()
	c.Bench, c.Data, c.Judge = cmp.Or(r.Bench, c.Bench), r.Data, r.Judge
	x.RL, x.Source = &c, Source{Init: r.Init, Stage: AllStages}
	// Likelihoods are those of sampling, which rounds nothing; a decay would be a pull nobody asked for.
	x.Precision, x.Decay, x.SaveEvery = "f32", 0, 20
	return x, x.setAll(r.Set)
}
