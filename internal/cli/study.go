package cli

// A study is a folder whose study.jsonl names what several methods left under
// several seeds: runs, evaluations and probes. This file reads it; study_report.go
// makes tables and figures of it, study_claims.go verdicts.

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/probe"
	"nfcot/internal/eval"
	"nfcot/internal/eval/harness"
)

const studyFile = "study.jsonl"

// The parts of a study, in the order in which a report has them.
var studyParts = []string{"methods", "cost", "before", "rl", "curve", "ablations", "perturb"}

// A studyEntry is a line of study.jsonl. Paths are relative to the study's folder.
type studyEntry struct {
	Part   string `json:"part"`   // one of studyParts
	Name   string `json:"name"`   // entries of a part with one name differ in their seeds alone
	Method string `json:"method"` // see experiment.Methods
	Seed   uint64 `json:"seed"`
	Before string `json:"before"` // rl, ablations: name of the entry that it is compared with, of before or methods, or of ablations
	X      string `json:"x"`      // curve: what the budget is measured in
	Run    string `json:"run"`    // folder of train or rl
	Eval   string `json:"eval"`   // folder of eval
	Probe  string `json:"probe"`  // perturb: file of probe perturb
}

// A study is what there is of a study's entries.
type study struct {
	dir     string
	groups  map[string][]*group  // by part, in the order of the file
	runs    map[[2]string]string // by part and run: the name of the entry that named it first
	missing []string             // what was named and is not there
}

// A group is the entries of a part that differ in their seeds alone, in the order
// of the seeds. In part curve an entry is a group of its own.
type group struct {
	name, method, before, x string
	members                 []member
}

// A member is one entry with what it names; nil is what it does not name, or what
// is not there.
type member struct {
	seed     uint64
	eval     *studyEvaluation
	training *training
	probe    *probe.Perturbation
}

// A studyEvaluation is an evaluation with what is computed from its verdicts.
type studyEvaluation struct {
	harness.Evaluation
	tasks []eval.TaskReport // in the order of the names of the tasks
}

// A training is what a run's metrics.jsonl and weights say.
type training struct {
	lines      []map[string]float64
	steps      int
	tokens     float64
	flops      float64 // of the backbone
	seconds    float64
	parameters int
	peakMemory float64 // of the process, in bytes; 0: not known
}

// readStudy reads all that study.jsonl names. What is not there is noted and left
// out; what is there and damaged is an error.
func readStudy(dir string) (*study, error) {
	s := &study{dir: dir, groups: map[string][]*group{}, runs: map[[2]string]string{}}
	path := filepath.Join(dir, studyFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, inputf("%s: not the folder of a study: it has no %s", dir, studyFile)
	}
	entries, err := ckpt.ReadAllJSONL[studyEntry](path)
	if err != nil {
		return nil, input(err)
	}
	for i, e := range entries {
		switch {
		case !slices.Contains(studyParts, e.Part):
			return nil, inputf("%s: entry %d: part is %q; want one of %q", path, i+1, e.Part, studyParts)
		case e.Name == "":
			return nil, inputf("%s: entry %d: it has no name", path, i+1)
		}
		m, err := s.read(e)
		if err != nil {
			return nil, err
		}
		if m.eval == nil && m.training == nil && m.probe == nil {
			continue
		}
		g := s.find(e.Part, e.Name)
		if g == nil || e.Part == "curve" {
			g = &group{name: e.Name, method: e.Method, before: e.Before, x: e.X}
			s.groups[e.Part] = append(s.groups[e.Part], g)
		}
		if slices.ContainsFunc(g.members, func(other member) bool { return other.seed == m.seed }) {
			return nil, inputf("%s: entry %d: part %s has two entries %q with seed %d", path, i+1, e.Part, e.Name, e.Seed)
		}
		g.members = append(g.members, m)
		slices.SortFunc(g.members, func(a, b member) int { return cmp.Compare(a.seed, b.seed) })
	}
	return s, nil
}

// sampledOtherwise tells whether the run of an entry is another's, drawn from in another
// way: its training is shown once.
func (s *study) sampledOtherwise(e studyEntry) bool {
	key := [2]string{e.Part, e.Run}
	if first, ok := s.runs[key]; ok {
		return first != e.Name
	}
	s.runs[key] = e.Name
	return false
}

// find is the group of a name, or nil.
func (s *study) find(part, name string) *group {
	for _, g := range s.groups[part] {
		if g.name == name {
			return g
		}
	}
	return nil
}

// ofMethod is the first group of a method in a part, or nil.
func (s *study) ofMethod(part, method string) *group {
	for _, g := range s.groups[part] {
		if g.method == method {
			return g
		}
	}
	return nil
}

// read reads what an entry names.
func (s *study) read(e studyEntry) (member, error) {
	m := member{seed: e.Seed}
	there := func(name string) (string, bool) {
		path := filepath.Join(s.dir, name)
		if name == "" {
			return "", false
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			s.missing = append(s.missing, fmt.Sprintf("%s, %s, seed %d: %s is not there.", e.Part, e.Name, e.Seed, name))
			return "", false
		}
		return path, true
	}
	if dir, ok := there(e.Eval); ok {
		x, err := readStudyEvaluation(dir)
		if err != nil {
			return m, err
		}
		m.eval = x
	}
	if dir, ok := there(e.Run); ok && !s.sampledOtherwise(e) {
		t, err := readTraining(dir)
		if err != nil {
			return m, err
		}
		m.training = t
	}
	if path, ok := there(e.Probe); ok {
		m.probe = new(probe.Perturbation)
		if err := readJSON(path, m.probe); err != nil {
			return m, err
		}
		if len(m.probe.Scales) == 0 {
			return m, inputf("%s: it has no scales", path)
		}
	}
	return m, nil
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return input(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return inputf("%s: %w", path, err)
	}
	return nil
}

func readStudyEvaluation(dir string) (*studyEvaluation, error) {
	c, err := harness.ReadEvaluation(dir)
	if err != nil {
		return nil, err
	}
	x := &studyEvaluation{Evaluation: *c}
	if x.MinSamples == 0 {
		return nil, inputf("%s: the evaluation lacks samples of %d problems", dir, len(x.Unattempted))
	}
	x.tasks = slices.SortedFunc(slices.Values(x.Tasks), func(a, b eval.TaskReport) int { return strings.Compare(a.TaskID, b.TaskID) })
	return x, nil
}

func readTraining(dir string) (*training, error) {
	t := &training{}
	path := filepath.Join(dir, experiment.MetricsFile)
	rows, err := ckpt.ReadAllJSONL[map[string]any](path)
	if err != nil {
		return nil, input(err)
	}
	for _, row := range rows {
		line := map[string]float64{}
		for key, value := range row {
			if x, ok := value.(float64); ok {
				line[key] = x
			}
		}
		t.lines = append(t.lines, line)
		t.steps = max(t.steps, int(line["step"]))
		t.tokens += line["tokens_per_second"] * line["seconds"]
		t.flops += line["backbone_flops"]
		t.seconds += line["seconds"]
		t.peakMemory = max(t.peakMemory, line["peak_memory_bytes"])
	}
	path = filepath.Join(dir, experiment.ModelFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return t, nil // not ended, or the weights were deleted to save room
	}
	f, err := ckpt.Open(path)
	if err != nil {
		return nil, input(err)
	}
	defer f.Close()
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		n := 1
		for _, d := range info.Shape {
			n *= d
		}
		t.parameters += n
	}
	return t, nil
}

// A quantity is a number that a sample has.
type quantity func(*eval.Verdict) float64

var (
	reasoning     quantity = func(v *eval.Verdict) float64 { return float64(v.ReasoningPositions) }
	thinkFLOPs    quantity = func(v *eval.Verdict) float64 { return v.ThinkFLOPs }
	answerFLOPs   quantity = func(v *eval.Verdict) float64 { return v.AnswerFLOPs }
	thinkSeconds  quantity = func(v *eval.Verdict) float64 { return v.ThinkSeconds }
	answerSeconds quantity = func(v *eval.Verdict) float64 { return v.AnswerSeconds }
)

// perProblem is the mean of a quantity over the samples of each problem, in the
// order of x.tasks.
func (x *studyEvaluation) perProblem(q quantity) []float64 {
	at := map[string]int{}
	for i, t := range x.tasks {
		at[t.TaskID] = i
	}
	means := make([]float64, len(x.tasks))
	for i := range x.Verdicts {
		v := &x.Verdicts[i]
		task := at[v.TaskID]
		means[task] += q(v) / float64(x.tasks[task].Samples)
	}
	return means
}

// passAt is pass@k of each problem.
func passAt(k int) func(*studyEvaluation) []float64 {
	return func(x *studyEvaluation) []float64 {
		values := make([]float64, len(x.tasks))
		for i, t := range x.tasks {
			values[i] = eval.PassAtK(t.Samples, t.Passed, k)
		}
		return values
	}
}

// growth is pass@k minus pass@(k/2) of each problem.
func growth(k int) func(*studyEvaluation) []float64 {
	return func(x *studyEvaluation) []float64 {
		values := passAt(k)(x)
		for i, half := range passAt(k / 2)(x) {
			values[i] -= half
		}
		return values
	}
}

// evaluated are the group's evaluations, in the order of the seeds.
func (g *group) evaluated() (all []*studyEvaluation) {
	for _, m := range g.members {
		if m.eval != nil {
			all = append(all, m.eval)
		}
	}
	return all
}

// over estimates a mean over seeds and problems.
func (g *group) over(values func(*studyEvaluation) []float64) eval.Estimate {
	var all [][]float64
	for _, x := range g.evaluated() {
		all = append(all, values(x))
	}
	return eval.MeanOverSeeds(all)
}

// passOver estimates pass@k for several k.
func (g *group) passOver(ks []int) []eval.PassEstimate {
	quantities := make([][][]float64, len(ks))
	for i, k := range ks {
		for _, x := range g.evaluated() {
			quantities[i] = append(quantities[i], passAt(k)(x))
		}
	}
	estimates := make([]eval.PassEstimate, len(ks))
	for i, e := range eval.MeansOverSeeds(quantities...) {
		estimates[i] = eval.PassEstimate{K: ks[i], Estimate: e}
	}
	return estimates
}

// ks are the k that all evaluations of the groups have as pass@k.
func ks(groups ...*group) []int {
	var common []int
	for i, g := range groups {
		for j, x := range g.evaluated() {
			var own []int
			for _, p := range x.PassAtK {
				if i == 0 && j == 0 || slices.Contains(common, p.K) {
					own = append(own, p.K)
				}
			}
			common = own
		}
	}
	return common
}

// fewest is the smallest number of samples of a problem in the evaluations.
func fewest(groups ...*group) int {
	n := 0
	for _, g := range groups {
		for _, x := range g.evaluated() {
			if n == 0 || x.MinSamples < n {
				n = x.MinSamples
			}
		}
	}
	return n
}

// A pairing is two groups' evaluations of the same problems, seed by seed.
type pairing struct{ a, b []*studyEvaluation }

// pair finds the seeds under which both groups were evaluated; nil groups have
// none.
func pair(a, b *group) (pairing, error) {
	var p pairing
	if a == nil || b == nil {
		return p, nil
	}
	for _, m := range a.members {
		for _, n := range b.members {
			if m.seed != n.seed || m.eval == nil || n.eval == nil {
				continue
			}
			if m.eval.ProblemsHash != n.eval.ProblemsHash || m.eval.Shard != n.eval.Shard {
				return p, inputf("%s and %s are evaluations of different problems and cannot be compared", m.eval.Dir, n.eval.Dir)
			}
			p.a, p.b = append(p.a, m.eval), append(p.b, n.eval)
		}
	}
	return p, nil
}

// difference estimates the mean of a minus that of b, paired by problem and seed.
func (p pairing) difference(values func(*studyEvaluation) []float64) eval.Estimate {
	all := make([][]float64, len(p.a))
	for s := range p.a {
		all[s] = values(p.a[s])
		for i, other := range values(p.b[s]) {
			all[s][i] -= other
		}
	}
	return eval.MeanOverSeeds(all)
}

// ratio estimates the mean of a quantity of a over that of b.
func (p pairing) ratio(q quantity) eval.Estimate {
	a, b := make([][]float64, len(p.a)), make([][]float64, len(p.b))
	for s := range p.a {
		a[s], b[s] = p.a[s].perProblem(q), p.b[s].perProblem(q)
	}
	return eval.RatioOverSeeds(a, b)
}

// mean is the mean of a quantity over seeds and problems.
func (g *group) mean(q quantity) float64 {
	sum := 0.0
	for _, x := range g.evaluated() {
		for _, v := range x.perProblem(q) {
			sum += v / float64(len(x.tasks))
		}
	}
	return sum / float64(len(g.evaluated()))
}

// reference is the group that others are compared with: NF-CoT, or else the first.
func (s *study) reference() *group {
	if g := s.ofMethod("methods", "nfcot"); g != nil {
		return g
	}
	if all := s.groups["methods"]; len(all) > 0 {
		return all[0]
	}
	return nil
}
