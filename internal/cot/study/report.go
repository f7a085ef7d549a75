package study

import (
	"fmt"
	"slices"
	"strings"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/eval"
	"nfcot/internal/eval/harness"
	"nfcot/internal/page"
)

// A Report is what a study found.
type Report struct {
	Claims []Decision `json:"claims"`
	page.Document
}

// NewReport makes the report of a plan over what is in the study's folder.
func NewReport(p *Plan, dir string) (Report, error) {
	r, err := collect(p, dir)
	if err != nil {
		return Report{}, err
	}
	decisions, err := r.decide()
	if err != nil {
		return Report{}, err
	}
	d, err := r.document(decisions)
	return Report{decisions, d}, err
}

// document is the whole report: the decisions on the claims, then the plan's sections, then what was left out.
func (r *results) document(decisions []Decision) (page.Document, error) {
	d := page.Document{Title: r.plan.Title, Text: r.plan.Text}
	if len(decisions) > 0 {
		d.Sections = append(d.Sections, claimSection(decisions))
	}
	figures := map[string]int{}
	for _, s := range r.plan.Report {
		out := page.Section{Title: s.Title}
		if err := r.fill(&out, s); err != nil {
			return d, err
		}
		if len(out.Tables)+len(out.Figures) == 0 {
			r.missing = append(r.missing, fmt.Sprintf("There is nothing for section %s.", s.Title))
			continue
		}
		for _, f := range out.Figures { // of several sections with the same figure each has a file
			if figures[f.Name]++; figures[f.Name] > 1 {
				f.Name += fmt.Sprintf("_%d", figures[f.Name])
			}
		}
		out.Text = append(out.Text, s.Text...)
		d.Sections = append(d.Sections, out)
	}
	if len(r.missing) > 0 {
		d.Sections = append(d.Sections, page.Section{Title: "Left out", Text: r.missing})
	}
	return d, nil
}

// fill makes tables and figures of what a section of the plan has.
func (r *results) fill(out *page.Section, s Section) error {
	if s.Accuracy != nil {
		if err := r.accuracy(out, s.Accuracy); err != nil {
			return err
		}
	}
	if s.Cost != nil {
		r.cost(out, s.Cost)
	}
	if s.Training != nil {
		r.trainings(out, s.Training)
	}
	if s.RL != nil {
		if err := r.rl(out, s.RL); err != nil {
			return err
		}
	}
	if s.Budget != nil {
		r.budget(out, s.Budget)
	}
	if s.Ablations != nil {
		if err := r.ablations(out, s.Ablations); err != nil {
			return err
		}
	}
	if s.Noise != nil {
		r.noise(out, s.Noise)
	}
	if s.Thoughts != nil {
		r.thoughts(out, s.Thoughts)
	}
	if s.Interventions != nil {
		r.intervened(out, s.Interventions)
	}
	if s.Likelihoods != nil {
		r.likelihoods(out, s.Likelihoods)
	}
	if s.Readings != nil {
		r.readings(out, s.Readings)
	}
	return nil
}

func claimSection(decisions []Decision) page.Section {
	t := page.Table{Title: "Verdicts on the claims", Header: []string{"claim", "verdict", "evidence: mean [95 % interval]", "paper, at its scale"}}
	for _, d := range decisions {
		var evidence []string
		for _, c := range d.Evidence {
			text := c.String()
			if len(d.Evidence) > 1 && c.Estimate != nil {
				text += " (" + string(c.Outcome) + ")"
			}
			evidence = append(evidence, text)
		}
		t.Rows = append(t.Rows, []string{d.Claim, string(d.Outcome), strings.Join(evidence, "; "), d.Paper})
	}
	return page.Section{Title: "Claims", Tables: []page.Table{t}, Text: []string{
		"The verdicts are computed. A comparison holds if its whole 95 % interval is on the claimed side, does not hold if the whole interval is on the other, and has not enough evidence otherwise. " +
			"A claim of several comparisons holds if all do and in part if some do; if none does, it does not hold as soon as one does not."}}
}

// compared is what the plan compares methods in: its first section with accuracies; nil if it has none.
func (r *results) compared() *Accuracy {
	for _, s := range r.plan.Report {
		if s.Accuracy != nil && len(s.Accuracy.Rows.Rows) > 0 {
			return s.Accuracy
		}
	}
	return nil
}

// reference is what the others are compared with of an accuracy section, or of nil; nil where the plan compares no
// methods.
func (r *results) reference(a *Accuracy) *group {
	switch {
	case a == nil:
		return nil
	case a.Reference.ID != "":
		return r.of(a.Reference)
	}
	return r.of(a.Rows.Rows[0].ID)
}

// style is the style in which figures draw an entry: its own among the methods that are compared, or else that of the
// first of them with the same method. The reference has the first style, the others follow in their order.
func (r *results) style(e *Entry) int {
	a := r.compared()
	if a == nil {
		return 0
	}
	at := slices.IndexFunc(a.Rows.Rows, func(row Row) bool { return row.ID.ID == e.ID })
	if at < 0 {
		at = slices.IndexFunc(a.Rows.Rows, func(row Row) bool { return r.plan.method(r.plan.byID[row.ID.ID]) == r.plan.method(e) })
	}
	if at < 0 {
		at = len(a.Rows.Rows)
	}
	reference := slices.IndexFunc(a.Rows.Rows, func(row Row) bool { return r.of(row.ID) == r.reference(a) })
	switch {
	case at == reference:
		return 0
	case at < reference:
		return at + 1
	}
	return at
}

func interval(e eval.Estimate) string {
	return fmt.Sprintf("%.1f [%.1f, %.1f]", 100*e.Value, 100*e.Low, 100*e.High)
}

// against writes the difference of a group to a reference at k, with ~ where the interval has 0 in it; nothing where
// they have no seed in common.
func against(g, reference *group, k int) (string, error) {
	p, err := pair(g, reference)
	if err != nil || len(p.a) == 0 || g == reference {
		return "", err
	}
	e := p.difference(passAt(k))
	if e.Low <= 0 && e.High >= 0 {
		return e.Points() + " ~", nil
	}
	return e.Points(), nil
}

// String is the seed as tables have it.
func (s seed) String() string {
	if s.none {
		return ""
	}
	return fmt.Sprint(s.value)
}

// seeds lists the seeds under which a group was evaluated.
func (g *group) seeds() string {
	var all []string
	for _, m := range g.members {
		if m.eval != nil {
			all = append(all, m.seed.String())
		}
	}
	return strings.Join(all, ", ")
}

// scored are the rows of which there are evaluations.
func (r *results) scored(rows []Row) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(row Row) bool { return len(r.of(row.ID).evaluated()) == 0 })
}

// groupsOf are the groups of rows.
func (r *results) groupsOf(rows []Row) []*group {
	all := make([]*group, len(rows))
	for i, row := range rows {
		all[i] = r.of(row.ID)
	}
	return all
}

// noted is a row of a table with its notes, as many cells as there are headers of notes.
func noted(row, notes, headers []string) []string {
	for i := range headers {
		cell := ""
		if i < len(notes) {
			cell = notes[i]
		}
		row = append(row, cell)
	}
	return row
}

// curve is pass@k of a group over the k that a figure wants.
func (r *results) curve(g *group) page.Series {
	return harness.PassCurve(g.name, r.style(g.entry), g.passOver(eval.PlottedKs(fewest(g))))
}

// percents is a point of a figure at x.
func percents(x float64, e eval.Estimate) page.Point {
	return page.Point{X: x, Y: 100 * e.Value, Low: 100 * e.Low, High: 100 * e.High}
}

// smoothed is a key of metrics.jsonl over the steps, smoothed by means over windows so that about sixty points remain.
func smoothed(t *experiment.Metrics, key string) (points []page.Point) {
	var steps, values []float64
	for i, l := range t.Lines {
		if v, ok := l[key]; ok {
			step := l[experiment.MetricStep]
			if step == 0 {
				step = float64(i + 1)
			}
			steps, values = append(steps, step), append(values, v)
		}
	}
	window := max(1, len(values)/60)
	for from := 0; from+window <= len(values); from += window {
		sum := 0.0
		for _, v := range values[from : from+window] {
			sum += v
		}
		points = append(points, page.Point{X: steps[from+window-1], Y: sum / float64(window)})
	}
	return points
}
