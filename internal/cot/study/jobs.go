package study

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"nfcot/internal/cot/experiment"
)

// A job is what is done for an entry under one of its seeds: one command of this program.
type job struct {
	ID     string      // entry and seed: seed1/nfcot
	Args   []string    // of the command, without the program's name
	Steps  []stepCount // further arguments, known when what they are counted from is done
	Resume []string    // the command's arguments in place of all others where State is there; nil: the command goes on by itself
	Needs  []string    // ids of the jobs that come before
	Done   string      // the file or folder that is there when the job is done
	State  string      // folder of a training that was interrupted
	Alone  bool        // nothing else is to run at the same time

	kind  string // of the entry
	out   string // what the command writes: cleared before a training begins
	first bool   // the folder of out need not be there yet: what the job needs is elsewhere
}

// A stepCount is the setting of a stage's steps as a share of what a budget is enough for.
type stepCount struct {
	Stage  string
	Run    string // that a step was measured in
	Budget float64
	Share  Share
}

// setting is the flag's value with the number of steps, or how a shell is to get it.
func (c stepCount) setting(n string) string { return fmt.Sprintf("stages.%s.steps=%s", c.Stage, n) }

// A seed is one that an entry has, or that it has none.
type seed struct {
	value uint64
	none  bool
}

// folder is where entries under a seed leave what they make, in the folder of the study.
func (s seed) folder() string {
	if s.none {
		return ""
	}
	return fmt.Sprintf("seed%d", s.value)
}

// id names an entry under a seed.
func (e *Entry) id(s seed) string { return filepath.ToSlash(filepath.Join(s.folder(), e.ID)) }

// seeds are those of an entry.
func (p *Plan) seeds(e *Entry) []seed {
	if e.Seeds == "" {
		return []seed{{none: true}}
	}
	var all []seed
	for _, value := range p.Seeds[e.Seeds] {
		all = append(all, seed{value: value})
	}
	return all
}

// under is the seed under which an entry is taken by one that has seed s: the same, or the only one that there is.
func (p *Plan) under(e *Entry, s seed) (seed, bool) {
	all := p.seeds(e)
	if len(all) == 1 {
		return all[0], true
	}
	return s, slices.Contains(all, s)
}

// Only restricts the jobs of a plan to those of some entries, under all of their seeds, and of what these need; of no
// entries it leaves all. The report and the claims stay the plan's.
func (p *Plan) Only(ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	only := map[string]bool{}
	for _, id := range ids {
		if p.byID[id] == nil {
			return fmt.Errorf("%s: there is no entry %q; the ids are %s", p.path, id, list(p.byID))
		}
		only[id] = true
	}
	for i := range slices.Backward(p.Entries) { // what an entry needs is above it
		e := &p.Entries[i]
		if !only[e.ID] {
			continue
		}
		for ref := range refs(e.specs()[e.kind]) {
			if !ref.outside() {
				only[ref.ID] = true
			}
		}
	}
	p.only = only
	return nil
}

// jobs are the commands of a plan, of which each needs those before it alone. Paths begin with the study's folder.
func (p *Plan) jobs(dir string) []job {
	var jobs []job
	for i := range p.Entries {
		if p.only != nil && !p.only[p.Entries[i].ID] {
			continue
		}
		for _, s := range p.seeds(&p.Entries[i]) {
			jobs = append(jobs, p.job(dir, &p.Entries[i], s))
		}
	}
	return jobs
}

// A Line is a job for those who run it by other means.
type Line struct {
	ID      string   `json:"id"`
	Command string   `json:"command"` // for a shell
	Needs   []string `json:"needs,omitempty"`
	Done    string   `json:"done"`
	Alone   bool     `json:"alone,omitempty"`
}

// Lines are the jobs of a plan, each after those that it needs. Paths begin with the study's folder.
func (p *Plan) Lines(dir string) []Line {
	var lines []Line
	for _, j := range p.jobs(dir) {
		lines = append(lines, Line{j.ID, j.Shell(), j.Needs, j.Done, j.Alone})
	}
	return lines
}

func (p *Plan) job(dir string, e *Entry, s seed) job {
	j := job{ID: e.id(s), Args: p.command(e), Alone: e.Alone, kind: e.kind, out: filepath.Join(dir, e.file(s)), first: true}
	switch e.kind {
	case "train", "measure", "rl":
		j.Done, j.State = filepath.Join(j.out, experiment.ModelFile), filepath.Join(j.out, experiment.StateDir)
		j.Resume = append(slices.Clone(j.Args), "--resume", "-o", j.out)
	case "eval":
		j.Done = filepath.Join(j.out, "report.json")
	default:
		j.Done = j.out
	}
	spec := e.specs()[e.kind]
	for ref := range refs(spec) {
		if other := p.byID[ref.ID]; !ref.outside() {
			from, _ := p.under(other, s)
			j.first = j.first && from != s
			if id := other.id(from); !slices.Contains(j.Needs, id) {
				j.Needs = append(j.Needs, id)
			}
		}
	}
	j.Args = append(j.Args, p.flags(dir, e, reflect.ValueOf(spec).Elem(), s)...)
	if e.kind == "eval" && e.given["k"] == nil && e.given["n"] != nil {
		j.Args = append(j.Args, "-k", powers(e.Eval.N))
	}
	if !s.none {
		switch e.kind {
		case "train", "rl":
			j.Args = append(j.Args, "--set", fmt.Sprintf("seed=%d", s.value))
		case "data", "distill", "eval", "probe":
			j.Args = append(j.Args, "--seed", strconv.FormatUint(s.value, 10))
		}
	}
	j.Args = append(j.Args, "-o", j.out)
	if e.Train != nil {
		j.Steps = p.stepCounts(dir, e.Train.Steps, s)
	}
	return j
}

// command is the command that makes an entry, with the flags that the plan does not choose.
func (p *Plan) command(e *Entry) []string {
	args := []string{e.kind}
	switch e.kind {
	case "measure":
		args = []string{"train"}
	case "tokenize":
		args = []string{"tokenize", "train"}
	case "probe":
		args = []string{"probe", e.Probe.Kind}
	}
	args = append(args, "--quiet")
	if !e.Alone {
		args = append(args, "--threads", strconv.Itoa(max(1, p.Threads)))
	}
	if e.kind == "rl" || e.kind == "eval" || e.kind == "probe" && e.Probe.Kind != "read" { // those that judge
		args = append(args, "--workers", "1")
	}
	return args
}

// stepCounts are the steps of a training's stages, in the order of their names.
func (p *Plan) stepCounts(dir string, steps Steps, s seed) []stepCount {
	var counts []stepCount
	for _, stage := range sorted(steps.Share) {
		measure := p.byID[steps.Of.ID]
		from, _ := p.under(measure, s)
		counts = append(counts, stepCount{stage, filepath.Join(dir, measure.file(from)), measure.Measure.Budget, steps.Share[stage]})
	}
	return counts
}

// powers are the powers of two up to n, comma separated.
func powers(n int) string {
	text := "1"
	for k := 2; k <= n; k *= 2 {
		text += "," + strconv.Itoa(k)
	}
	return text
}

// flags are those that the plan gives of an entry's settings.
func (p *Plan) flags(dir string, e *Entry, v reflect.Value, s seed) (args []string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		name, renamed := f.Tag.Lookup("flag")
		switch {
		case option == "inline":
			args = append(args, p.flags(dir, e, v.Field(i), s)...)
			continue
		case e.given[key] == nil || name == "-":
			continue
		case !renamed:
			name = strings.ReplaceAll(key, "_", "-")
		}
		if name = "--" + name; len(name) == 3 {
			name = name[1:]
		}
		switch x := v.Field(i).Interface().(type) {
		case bool:
			if !x {
				name += "=false"
			}
			args = append(args, name)
		case Ref:
			args = append(args, name, p.file(dir, x, s))
		case []Ref:
			for _, ref := range x {
				args = append(args, name, p.file(dir, ref, s))
			}
		case []string: // stops: ["a", "b"] is --stop a --stop b
			for _, text := range x {
				args = append(args, strings.TrimSuffix(name, "s"), text)
			}
		case Settings:
			for _, setting := range sorted(x) {
				args = append(args, name, setting+"="+x[setting])
			}
		case []int, []float64:
			args = append(args, name, strings.ReplaceAll(strings.Trim(fmt.Sprint(x), "[]"), " ", ","))
		default:
			args = append(args, name, fmt.Sprint(x))
		}
	}
	return args
}

// file is what a reference of an entry with seed s stands for.
func (p *Plan) file(dir string, ref Ref, s seed) string {
	if ref.outside() {
		return ref.ID
	}
	other := p.byID[ref.ID]
	from, _ := p.under(other, s)
	return filepath.Join(dir, other.file(from))
}

// Shell is the job as a line for a shell. Steps that have to be counted first are counted by the line itself.
func (j job) Shell() string {
	var words []string
	if j.first {
		words = append(words, "mkdir -p", quoted(filepath.Dir(j.out)), "&&")
	}
	words = append(words, "nfcot", shellLine(j.Args))
	for _, c := range j.Steps {
		count := fmt.Sprintf("$(nfcot study steps --budget %g %s %s)", c.Budget, quoted(c.Run), quoted(c.Share.String()))
		words = append(words, "--set", `"`+c.setting(count)+`"`)
	}
	return strings.Join(words, " ")
}

// shellLine is a command as a line for a shell.
func shellLine(args []string) string {
	var words []string
	for _, arg := range args {
		words = append(words, quoted(arg))
	}
	return strings.Join(words, " ")
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:,+@%", r)
	}
	if word != "" && strings.TrimLeftFunc(word, safe) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
