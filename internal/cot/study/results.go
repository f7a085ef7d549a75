package study

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/probe"
	"nfcot/internal/eval"
	"nfcot/internal/eval/harness"
)

// results are what there is of what the report of a plan is made of.
type results struct {
	plan    *Plan
	dir     string
	groups  map[string]*group // by the entry's id
	missing []string          // what is not there
}

// A group is what there is of an entry, in the order of its seeds.
type group struct {
	entry   *Entry
	name    string
	members []member
}

// A member is what an entry left under one seed; nil is what it does not leave.
type member struct {
	seed          seed
	eval          *evaluation
	training      *experiment.Metrics // for an evaluation that of its model's run
	probe         *probe.Perturbation
	comparison    *probe.Comparison
	interventions *probe.Interventions
	likelihood    *probe.Likelihood
	readings      *probe.Readings
}

// An evaluation has what is computed from its verdicts.
type evaluation struct {
	*harness.Evaluation
	tasks []eval.TaskReport // in the order of the names of the tasks
}

// collect reads what the report of a plan is made of. What is not there is noted and left out; what is there and
// damaged is an error.
func collect(p *Plan, dir string) (*results, error) {
	r := &results{plan: p, dir: dir, groups: map[string]*group{}}
	used := map[string]bool{}
	for ref := range p.reported() {
		e := p.byID[ref.ID]
		used[e.ID] = true
		if m := p.model(e); m != nil && e.Eval != nil {
			used[m.ID] = true
		}
	}
	for _, s := range p.Report {
		for ref := range refs(s.Budget) { // whose axis has what a training began from, too
			for _, run := range p.trainings(p.byID[ref.ID]) {
				used[run.ID] = true
			}
		}
	}
	for i := range p.Entries {
		if e := &p.Entries[i]; used[e.ID] {
			if err := r.read(e); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// read reads what an entry left under each of its seeds.
func (r *results) read(e *Entry) error {
	g := &group{entry: e, name: r.plan.name(e)}
	r.groups[e.ID] = g
	var missing []string
	for _, s := range r.plan.seeds(e) {
		name := e.file(s)
		path := filepath.Join(r.dir, name)
		if !exists(path) {
			missing = append(missing, fmt.Sprintf("%s: %s is not there.", g.name, filepath.ToSlash(name)))
			continue
		}
		m := member{seed: s}
		var err error
		switch e.kind {
		case "eval":
			if m.eval, err = readEvaluation(path); err == nil {
				m.training = r.trainingOf(r.plan.model(e), s)
			}
		case "probe":
			err = m.readProbe(e.Probe.Kind, path)
		default:
			m.training, err = experiment.ReadMetrics(path)
		}
		if err != nil {
			return err
		}
		g.members = append(g.members, m)
	}
	if len(missing) > 1 && len(g.members) == 0 {
		missing = []string{fmt.Sprintf("%s: %s is not there, under none of its seeds.", g.name, e.ID)}
	}
	r.missing = append(r.missing, missing...)
	return nil
}

// trainingOf is the training of an entry, which stands above and so is read, as one with seed s takes it; nil if there
// is none.
func (r *results) trainingOf(e *Entry, s seed) *experiment.Metrics {
	if e == nil {
		return nil
	}
	from, _ := r.plan.under(e, s)
	for _, m := range r.groups[e.ID].members {
		if m.seed == from {
			return m.training
		}
	}
	return nil
}

// readProbe reads what a probe of a kind has found.
func (m *member) readProbe(kind, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var found any
	switch kind {
	case "oracle":
		m.comparison = new(probe.Comparison)
		found = m.comparison
	case "intervene":
		m.interventions = new(probe.Interventions)
		found = m.interventions
	case "likelihood":
		m.likelihood = new(probe.Likelihood)
		found = m.likelihood
	case "read":
		m.readings = new(probe.Readings)
		found = m.readings
	default:
		m.probe = new(probe.Perturbation)
		found = m.probe
	}
	switch err := json.Unmarshal(text, found); {
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case m.probe != nil && len(m.probe.Scales) == 0:
		return fmt.Errorf("%s: it has no scales", path)
	case m.comparison != nil && len(m.comparison.Thoughts) == 0:
		return fmt.Errorf("%s: it has no thoughts", path)
	case m.interventions != nil && len(m.interventions.Rows) == 0:
		return fmt.Errorf("%s: it has no interventions", path)
	case m.likelihood != nil && len(m.likelihood.Problems) == 0:
		return fmt.Errorf("%s: it has no problems", path)
	case m.readings != nil && len(m.readings.Problems) == 0:
		return fmt.Errorf("%s: it has no problems", path)
	}
	return nil
}

func readEvaluation(dir string) (*evaluation, error) {
	x, err := harness.ReadEvaluation(dir)
	if err != nil {
		return nil, err
	}
	if x.MinSamples == 0 {
		return nil, fmt.Errorf("%s: the evaluation lacks samples of %d problems", dir, len(x.Unattempted))
	}
	byName := func(a, b eval.TaskReport) int { return strings.Compare(a.TaskID, b.TaskID) }
	return &evaluation{x, slices.SortedFunc(slices.Values(x.Tasks), byName)}, nil
}

// of is the group of a reference of the report; nil for a reference that is not given.
func (r *results) of(ref Ref) *group { return r.groups[ref.ID] }

// evaluated are the group's evaluations, in the order of the seeds; a nil group has none.
func (g *group) evaluated() (all []*evaluation) {
	if g == nil {
		return nil
	}
	for _, m := range g.members {
		if m.eval != nil {
			all = append(all, m.eval)
		}
	}
	return all
}

// first is the training of the group's first seed that has one.
func (g *group) first() *experiment.Metrics {
	for _, m := range g.members {
		if m.training != nil {
			return m.training
		}
	}
	return nil
}

// over estimates a mean over seeds and problems.
func (g *group) over(values func(*evaluation) []float64) eval.Estimate {
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

// mean is the mean of a number of samples over seeds and problems.
func (g *group) mean(of perSample) float64 {
	sum := 0.0
	for _, x := range g.evaluated() {
		for _, v := range x.perProblem(of) {
			sum += v / float64(len(x.tasks))
		}
	}
	return sum / float64(len(g.evaluated()))
}

// commonKs are the k that all evaluations of the groups have as pass@k.
func commonKs(groups ...*group) []int {
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
type pairing struct{ a, b []*evaluation }

// pair finds the seeds under which both groups were evaluated; nil groups have none.
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
				return p, fmt.Errorf("%s and %s are evaluations of different problems and cannot be compared", m.eval.Dir, n.eval.Dir)
			}
			p.a, p.b = append(p.a, m.eval), append(p.b, n.eval)
		}
	}
	return p, nil
}

// difference estimates the mean of a minus that of b, paired by problem and seed.
func (p pairing) difference(values func(*evaluation) []float64) eval.Estimate {
	all := make([][]float64, len(p.a))
	for s := range p.a {
		all[s] = values(p.a[s])
		for i, other := range values(p.b[s]) {
			all[s][i] -= other
		}
	}
	return eval.MeanOverSeeds(all)
}

// ratio estimates the mean of a number of samples of a over that of b.
func (p pairing) ratio(of perSample) eval.Estimate {
	a, b := make([][]float64, len(p.a)), make([][]float64, len(p.b))
	for s := range p.a {
		a[s], b[s] = p.a[s].perProblem(of), p.b[s].perProblem(of)
	}
	return eval.RatioOverSeeds(a, b)
}
