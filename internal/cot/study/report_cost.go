package study

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/page"
)

// cost says what thinking and answering take.
func (r *results) cost(out *page.Section, c *Rows) {
	rows := r.scored(c.Rows)
	if len(rows) == 0 {
		return
	}
	how := "No other entry of the plan ran while thinking and answering were measured."
	if slices.ContainsFunc(rows, func(row Row) bool { return !r.of(row.ID).entry.Alone }) {
		how = "The seconds are of evaluations that may have shared the machine."
	}
	out.Text = append(out.Text, how)
	t := page.Table{Title: "Thinking and answering, means a sample", Header: append([]string{"method", "reasoning positions", "thinking, MFLOP", "answering, MFLOP",
		"thinking, ms", "answering, ms", "peak memory, MiB", "structural similarity"}, c.Notes...)}
	flops := page.Panel{X: "MFLOP a sample", Stack: []string{"thinking", "answering"}}
	seconds := page.Panel{X: "ms a sample", Stack: flops.Stack}
	for _, row := range rows {
		g := r.of(row.ID)
		values := []float64{1e-6 * g.mean(thinkFLOPs), 1e-6 * g.mean(answerFLOPs), 1e3 * g.mean(thinkSeconds), 1e3 * g.mean(answerSeconds)}
		cells := []string{g.name, fmt.Sprintf("%.1f", g.mean(reasoning))}
		for _, v := range values {
			cells = append(cells, significant(v))
		}
		t.Rows = append(t.Rows, noted(append(cells, g.memory(), g.similarity()), row.Notes, c.Notes))
		flops.Bars = append(flops.Bars, page.Bar{Name: g.name, Stack: values[:2]})
		seconds.Bars = append(seconds.Bars, page.Bar{Name: g.name, Stack: values[2:]})
	}
	out.Tables = append(out.Tables, t.WithoutEmpty())
	out.Figures = append(out.Figures, &page.Figure{Name: "cost_flops", Title: "Compute of thinking and answering, in MFLOP a sample", Panels: []page.Panel{flops}},
		&page.Figure{Name: "cost_seconds", Title: "Time of thinking and answering, in ms a sample", Panels: []page.Panel{seconds}})
}

// significant writes a number with three significant digits, or with all that stand before its point.
func significant(v float64) string {
	if v <= 0 {
		return fmt.Sprintf("%.0f", v)
	}
	return strconv.FormatFloat(v, 'f', max(0, 2-int(math.Floor(math.Log10(v)))), 64)
}

// memory is the largest peak of the group's evaluations, in MiB.
func (g *group) memory() string {
	peak := int64(0)
	for _, x := range g.evaluated() {
		peak = max(peak, x.PeakMemory)
	}
	if peak == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", float64(peak)/(1<<20))
}

// similarity is the mean over seeds of how alike the programs for a problem are.
func (g *group) similarity() string {
	sum, n := 0.0, 0
	for _, x := range g.evaluated() {
		if x.StructuralSimilarity != nil {
			sum, n = sum+*x.StructuralSimilarity, n+1
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%.3f", sum/float64(n))
}

// trainings says what runs took.
func (r *results) trainings(out *page.Section, c *Trainings) {
	t := page.Table{Title: "Training, means over seeds", Header: append([]string{"method", "parameters", "steps", "tokens", "TFLOP", "seconds", "peak memory, MiB"}, c.Notes...)}
	for _, row := range c.Rows {
		if g := r.of(row.ID); g.first() != nil {
			t.Rows = append(t.Rows, noted(g.trainingRow(), row.Notes, c.Notes))
		}
	}
	if len(t.Rows) > 0 {
		out.Text = append([]string{"FLOPs of training are the backbone's, forward and backward; that of the VAE, which methods with codes share, is not among them. " +
			"Parameters are those of the run's weights, without the VAE."}, out.Text...)
		out.Tables = append(out.Tables, t.WithoutEmpty())
	}
}

// trainingRow is the group's name and means over its runs.
func (g *group) trainingRow() []string {
	mean := func(of func(*experiment.Metrics) float64, format func(float64) string) string {
		sum, n := 0.0, 0
		for _, m := range g.members {
			if m.training != nil && of(m.training) > 0 {
				sum, n = sum+of(m.training), n+1
			}
		}
		if n == 0 {
			return ""
		}
		return format(sum / float64(n))
	}
	whole := func(v float64) string { return fmt.Sprintf("%.0f", v) }
	return []string{g.name,
		mean(func(t *experiment.Metrics) float64 { return float64(t.Parameters) }, whole),
		mean(func(t *experiment.Metrics) float64 { return float64(t.Steps) }, whole),
		mean(func(t *experiment.Metrics) float64 { return t.Tokens }, whole),
		mean(func(t *experiment.Metrics) float64 { return t.FLOPs / 1e12 }, significant),
		mean(func(t *experiment.Metrics) float64 { return t.Seconds }, whole),
		mean(func(t *experiment.Metrics) float64 { return t.PeakMemory / (1 << 20) }, whole),
	}
}

// budgetAxes are what trainings of several lengths may be drawn over; "" is flops.
var budgetAxes = []string{"", "flops", "examples"}

// budget draws accuracy against what training took, for the seeds that all evaluations of a line have.
func (r *results) budget(out *page.Section, b *Budget) {
	name, unit, table := "budget", "training, TFLOP", "pass@1 by the compute of training"
	title := "pass@1 against the compute of training, in TFLOP, with 95 % intervals over problems"
	if b.Over == "examples" {
		name, unit, table = "examples", "examples seen", "pass@1 by the examples that training saw"
		title = "pass@1 against the examples that training saw, with 95 % intervals over problems"
	}
	t := page.Table{Title: table, Header: []string{"method", "seed", unit, "pass@1, %"}}
	var series []page.Series
	for _, line := range b.Lines {
		s := page.Series{Name: line.Name}
		for i, id := range line.IDs {
			g := r.of(id)
			if i == 0 {
				s.Style = r.style(g.entry)
			}
			for _, m := range g.members {
				tera, examples := r.spent(g.entry, m.seed)
				if tera == 0 || !r.seedOfAll(m.seed, line.IDs) {
					continue
				}
				e := (&group{members: []member{m}}).over(passAt(1))
				x := tera
				if b.Over == "examples" {
					x = float64(examples)
				}
				t.Rows = append(t.Rows, []string{line.Name, m.seed.String(), significant(x), interval(e)})
				s.Points = append(s.Points, percents(x, e))
			}
		}
		if len(s.Points) > 0 {
			slices.SortFunc(s.Points, func(a, b page.Point) int { return cmp.Compare(a.X, b.X) })
			series = append(series, s)
		}
	}
	if len(series) > 0 {
		out.Tables = append(out.Tables, t)
		out.Figures = append(out.Figures, &page.Figure{Name: name, Title: title,
			Panels: []page.Panel{{X: unit, Y: "pass@1, %", LogX: true, Series: series}}})
	}
}

// spent is what training took of the model of an evaluation under a seed, what that began from included: TFLOP, and how
// many examples were seen. Both are 0 where a training is not there.
func (r *results) spent(e *Entry, s seed) (tera float64, examples int) {
	for _, run := range r.plan.trainings(e) {
		m := r.trainingOf(run, s)
		if m == nil {
			return 0, 0
		}
		tera += m.FLOPs / 1e12
		examples += m.Steps * run.batch()
	}
	return tera, examples
}

// seedOfAll tells whether the plan has all entries under a seed.
func (r *results) seedOfAll(s seed, ids []Ref) bool {
	return !slices.ContainsFunc(ids, func(id Ref) bool { return !slices.Contains(r.plan.seeds(r.plan.byID[id.ID]), s) })
}
