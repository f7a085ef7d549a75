// Package study runs many experiments as one plan says, and makes one report of what they left.
//
// A plan is a YAML file (docs/study.md): entries with ids, of which each stands for one command of this program under
// each of its seeds, what they need of one another, and what the report is made of: sections, and claims with the
// evidence that decides on them. The package knows entries by their ids, never by the texts or paths of others. It
// starts the commands as processes, so that peak memory and threads are those of one entry; it trains and judges
// nothing itself, knows no method and no paper, and does not print.
package study

import (
	"path/filepath"
	"reflect"
	"strconv"

	"nfcot/internal/cot"
)

// A Plan is a study: what is run, and what is reported.
type Plan struct {
	Title       string              `yaml:"title"`
	Text        []string            `yaml:"text"`        // paragraphs under the title of the report
	Parameters  map[string]any      `yaml:"parameters"`  // values that ${NAME} stands for in the rest of the plan
	Definitions any                 `yaml:"definitions"` // a place for YAML anchors
	Threads     int                 `yaml:"threads"`     // of an entry that is not alone; 0: 1
	Seeds       map[string][]uint64 `yaml:"seeds"`       // lists of seeds by name
	Entries     []Entry             `yaml:"entries"`
	Report      []Section           `yaml:"report"`
	Claims      []Claim             `yaml:"claims"`

	path string            // of the file, for errors
	byID map[string]*Entry // all entries
	only map[string]bool   // the entries that are done, by id; nil: all
}

// An Entry is one command of this program, or one for each of its seeds: it has exactly one of the fields from Data to
// Probe. It can name the entries above it. Under a seed it takes what they made under the same seed, or what they made
// if they have one seed alone.
type Entry struct {
	ID    string `yaml:"id"`    // also the name of its file or folder
	Name  string `yaml:"name"`  // in the report; default: that of the model, or the id
	Seeds string `yaml:"seeds"` // name of a list; "": one command without a seed
	Alone bool   `yaml:"alone"` // nothing else runs beside it, and it may use all cores: its seconds count

	Data     *Data     `yaml:"data"`
	Tokenize *Tokenize `yaml:"tokenize"`
	Distill  *Distill  `yaml:"distill"`
	Measure  *Train    `yaml:"measure"` // a short run that tells what a step costs
	Train    *Train    `yaml:"train"`
	RL       *RL       `yaml:"rl"`
	Eval     *Eval     `yaml:"eval"`
	Probe    *Probe    `yaml:"probe"`

	kind  string         // name of the field that it has
	given map[string]any // what the plan gives of that field
	line  int
}

// The settings of entries are flags of their commands, of the same names with - for _. What the plan does not give
// is left to the command. A field of type Ref is the id of an entry, of a kind that the tag ref names, or, if it has a
// slash, a path.

// Data are examples or problems of the embedded benchmark: nfcot data.
type Data struct {
	Bench string `yaml:"bench"`
	Split string `yaml:"split"`
	N     int    `yaml:"n"`
}

// Tokenize is a vocabulary: nfcot tokenize train.
type Tokenize struct {
	In        []Ref `yaml:"in" ref:"data"`
	VocabSize int   `yaml:"vocab_size"`
}

// Distill is a thoughts folder: nfcot distill.
type Distill struct {
	Data      Ref     `yaml:"data" ref:"data"`
	Tokenizer Ref     `yaml:"tokenizer" ref:"tokenize"`
	Model     Ref     `yaml:"model" ref:"train rl"` // whose tokenizer and embeddings it takes
	Thoughts  int     `yaml:"thoughts"`
	Dims      int     `yaml:"dims"`
	Encoder   string  `yaml:"encoder"`
	Segments  string  `yaml:"segments"`
	Noise     float64 `yaml:"noise"`
	Beta      float64 `yaml:"beta"`
	Hidden    int     `yaml:"hidden"`
	Layers    int     `yaml:"layers"`
	Heads     int     `yaml:"heads"`
	Steps     int     `yaml:"steps"`
	Batch     int     `yaml:"batch"`
	LR        float64 `yaml:"lr"`

	EncoderLayer int    `yaml:"encoder_layer"` // of the model, whose states stand in for its embeddings
	CotFrom      string `yaml:"cot_from"`
}

// Train is a run: nfcot train. In a measuring entry Budget is what its step count is for.
type Train struct {
	Method    string   `yaml:"method"`
	Thoughts  Ref      `yaml:"thoughts" ref:"distill"`
	Data      Ref      `yaml:"data" ref:"data"`
	Tokenizer Ref      `yaml:"tokenizer" ref:"tokenize"`
	Init      Ref      `yaml:"init" ref:"train rl"`
	Stage     string   `yaml:"stage"`
	Precision string   `yaml:"precision"`
	LoRA      int      `yaml:"lora"`
	Config    string   `yaml:"config"`
	Set       Settings `yaml:"set"`             // of the experiment, as in its config.yaml: model.hidden: 96
	Steps     Steps    `yaml:"steps" flag:"-"`  // of stages, out of a budget
	Budget    float64  `yaml:"budget" flag:"-"` // FLOPs of the backbone in one training
}

// RL is a run that reinforces another: nfcot rl.
type RL struct {
	Init  Ref      `yaml:"init" ref:"train rl"`
	Bench string   `yaml:"bench"`
	Data  string   `yaml:"data"`
	Set   Settings `yaml:"set"`
}

// An Eval is an evaluation: nfcot eval. K is the powers of two up to N unless the plan gives others.
type Eval struct {
	Model        Ref    `yaml:"model" ref:"train rl"`
	Problems     Ref    `yaml:"problems" ref:"data" flag:"bench"` // or
	Bench        string `yaml:"bench"`                            // a benchmark that the program knows by name
	Data         string `yaml:"data"`
	First        int    `yaml:"first" flag:"problems"` // so many of the problems; 0: all
	Recipe       string `yaml:"recipe"`
	Weights      string `yaml:"weights"`
	N            int    `yaml:"n"`
	K            []int  `yaml:"k"`
	cot.Sampling `yaml:",inline"`
}

// A Probe looks into the thoughts of a run: nfcot probe. Kind is one of probeKinds.
type Probe struct {
	Kind         string    `yaml:"kind" flag:"-"`
	Model        Ref       `yaml:"model" ref:"train rl"`
	Problems     Ref       `yaml:"problems" ref:"data" flag:"bench"`
	Bench        string    `yaml:"bench"`
	Data         string    `yaml:"data"`
	First        int       `yaml:"first" flag:"problems"` // so many of the problems; 0: all
	N            int       `yaml:"n"`
	Scale        []float64 `yaml:"scale"` // of the noise of perturb
	cot.Sampling `yaml:",inline"`
}

// probeKinds are the probes that a plan can have.
var probeKinds = []string{"perturb", "oracle", "intervene", "likelihood", "read"}

// A Section of the report has what its fields say, in their order.
type Section struct {
	Title         string            `yaml:"title"`
	Text          []string          `yaml:"text"`
	Accuracy      *Accuracy         `yaml:"accuracy"`
	Cost          *Rows             `yaml:"cost"`
	Training      *Trainings        `yaml:"training"`
	RL            *Rows             `yaml:"rl"`
	Budget        *Budget           `yaml:"budget"`
	Ablations     *Rows             `yaml:"ablations"`
	Noise         *NoiseRows        `yaml:"noise"`
	Thoughts      *ThoughtRows      `yaml:"thoughts"`
	Interventions *InterventionRows `yaml:"interventions"`
	Likelihoods   *LikelihoodRows   `yaml:"likelihoods"`
	Readings      *ReadingRows      `yaml:"readings"`
}

// Rows are the entries of a section's table. Notes are further columns, of which each row may have its own cells.
type Rows struct {
	Notes []string `yaml:"notes"`
	Rows  []Row    `yaml:"rows"`
}

// A Row is an evaluation. Before is the one that it is compared with, for rl.
type Row struct {
	ID     Ref      `yaml:"id" ref:"eval"`
	Before Ref      `yaml:"before" ref:"eval"`
	Notes  []string `yaml:"notes"`
}

// Trainings are runs, with notes as in Rows.
type Trainings struct {
	Notes []string      `yaml:"notes"`
	Rows  []TrainingRow `yaml:"rows"`
}

// A TrainingRow is a run.
type TrainingRow struct {
	ID    Ref      `yaml:"id" ref:"train rl"`
	Notes []string `yaml:"notes"`
}

// Accuracy compares methods. All are compared with the reference, here and in ablations; default: the first row.
type Accuracy struct {
	Reference Ref `yaml:"reference" ref:"eval"`
	Rows      `yaml:",inline"`
}

// Budget has a line for each method: evaluations of trainings of several lengths.
type Budget struct {
	Over  string       `yaml:"over"` // what the trainings took: flops (the default), or the examples that they saw
	Lines []BudgetLine `yaml:"lines"`
}

// A BudgetLine is one line of the figure.
type BudgetLine struct {
	Name string `yaml:"name"`
	IDs  []Ref  `yaml:"ids" ref:"eval"`
}

// NoiseRows are probes that add noise to thoughts. Note is a further column with a cell for some of the scales.
type NoiseRows struct {
	Note   string             `yaml:"note"`
	Scales map[float64]string `yaml:"scales"`
	IDs    []Ref              `yaml:"ids" ref:"probe"`
}

// ThoughtRows are probes that compare sampled thoughts with those of true chains.
type ThoughtRows struct {
	IDs []Ref `yaml:"ids" ref:"probe"`
}

// InterventionRows are probes that put other thoughts in the place of a model's own.
type InterventionRows struct {
	IDs []Ref `yaml:"ids" ref:"probe"`
}

// LikelihoodRows are probes that say how likely right answers are.
type LikelihoodRows struct {
	IDs []Ref `yaml:"ids" ref:"probe"`
}

// ReadingRows are probes that read thoughts back as text.
type ReadingRows struct {
	IDs []Ref `yaml:"ids" ref:"probe"`
}

// A Claim is one statement and the comparisons that decide on it.
type Claim struct {
	Text     string     `yaml:"text"`
	Paper    string     `yaml:"paper"` // the paper's own numbers
	Evidence []Evidence `yaml:"evidence"`
}

// Evidence is one comparison: of a measure of A with that of B, or alone, with the threshold Above.
type Evidence struct {
	What    string  `yaml:"what"`
	Measure Measure `yaml:"measure"`
	A       Ref     `yaml:"a" ref:"eval probe"`
	B       Ref     `yaml:"b" ref:"eval probe"`
	Above   float64 `yaml:"above"`
}

// specs are the fields from Data to Probe that the entry has, by their names in the plan.
func (e *Entry) specs() map[string]any {
	all := map[string]any{}
	for f, v := range reflect.ValueOf(e).Elem().Fields() {
		if v.Kind() == reflect.Pointer && !v.IsNil() {
			all[f.Tag.Get("yaml")] = v.Interface()
		}
	}
	return all
}

// file is what the entry leaves under a seed, in the folder of the study.
func (e *Entry) file(s seed) string {
	name := e.ID + map[string]string{"data": ".jsonl", "probe": ".json"}[e.kind]
	return filepath.Join(s.folder(), name)
}

// model is the entry whose model an evaluation or probe looks at; nil for others and for models from elsewhere.
func (p *Plan) model(e *Entry) *Entry {
	switch {
	case e.Eval != nil:
		return p.byID[e.Eval.Model.ID]
	case e.Probe != nil:
		return p.byID[e.Probe.Model.ID]
	}
	return nil
}

// trainings are those that the model of an evaluation went through, the last one first: its own, and what that began from.
func (p *Plan) trainings(e *Entry) (all []*Entry) {
	for run := p.model(e); run != nil; {
		all = append(all, run)
		if run.RL != nil {
			run = p.byID[run.RL.Init.ID]
		} else {
			run = p.byID[run.Train.Init.ID]
		}
	}
	return all
}

// batch is how many examples a step of a training has; 0 if the plan does not say.
func (e *Entry) batch() int {
	if e.Train == nil {
		return 0
	}
	n, _ := strconv.Atoi(e.Train.Set["batch"])
	return n
}

// name is what the report calls an entry.
func (p *Plan) name(e *Entry) string {
	if m := p.model(e); e.Name == "" && m != nil {
		return p.name(m)
	} else if e.Name == "" {
		return e.ID
	}
	return e.Name
}

// method is that of the run that an entry is, or looks at; "" for models from elsewhere.
func (p *Plan) method(e *Entry) string {
	switch m := p.model(e); {
	case m != nil:
		return p.method(m)
	case e.Train != nil:
		return e.Train.Method
	case e.RL != nil && p.byID[e.RL.Init.ID] != nil:
		return p.method(p.byID[e.RL.Init.ID])
	}
	return ""
}
