package study

import (
	"fmt"
	"math"
	"strings"

	"nfcot/internal/cot/probe"
	"nfcot/internal/eval"
	"nfcot/internal/page"
)

// perturbed are the numbers that noise changes, with the formats of their cells.
var perturbed = []struct {
	of     func(probe.PerturbedScale) float64
	format string
}{
	{func(p probe.PerturbedScale) float64 { return p.Cosine }, "%.3f"},
	{func(p probe.PerturbedScale) float64 { return 100 * p.Pass1 }, "%.1f"},
	{func(p probe.PerturbedScale) float64 { return p.Agreement }, "%.3f"},
	{func(p probe.PerturbedScale) float64 { return p.Exact }, "%.3f"},
}

// noise says what noise on thoughts does to answers.
func (r *results) noise(out *page.Section, c *NoiseRows) {
	t := page.Table{Title: "Thoughts and answers by the scale of the noise", Header: []string{"run", "scale", "cosine", "pass@1, %", "verdicts that stay", "texts that stay", c.Note}}
	f := &page.Figure{Name: "perturb", Title: "Noise added to thoughts: means over seeds, with their range", Columns: 2, Panels: []page.Panel{
		{Title: "cosine similarity of thoughts", X: "scale of the noise", Y: "cosine", YMax: 1},
		{Title: "accuracy", X: "scale of the noise", Y: "pass@1, %", YMax: 100},
		{Title: "same verdict", X: "scale of the noise", Y: "share of samples", YMax: 1},
		{Title: "same text", X: "scale of the noise", Y: "share of samples", YMax: 1},
	}}
	for _, id := range c.IDs {
		g := r.of(id)
		if len(g.members) == 0 {
			continue
		}
		lines := make([]page.Series, len(perturbed))
		for i := range lines {
			lines[i] = page.Series{Name: g.name, Style: r.style(g.entry)}
		}
		for _, s := range g.members[0].probe.Scales {
			row := []string{g.name, fmt.Sprint(s.Scale)}
			for i, p := range perturbed {
				point, n := g.probed(s.Scale, p.of)
				lines[i].Points = append(lines[i].Points, point)
				cell := fmt.Sprintf(p.format, point.Y)
				if n > 1 {
					cell += fmt.Sprintf(" ["+p.format+", "+p.format+"]", point.Low, point.High)
				}
				row = append(row, cell)
			}
			t.Rows = append(t.Rows, append(row, c.Scales[s.Scale]))
		}
		for i := range lines {
			f.Panels[i].Series = append(f.Panels[i].Series, lines[i])
		}
	}
	if len(t.Rows) > 0 {
		out.Text = append(out.Text, "Means over seeds, with their range where there are several.")
		out.Tables, out.Figures = append(out.Tables, t.WithoutEmpty()), append(out.Figures, f)
	}
}

// probed is the mean over seeds of a number at a scale, and the range of it; n is the number of seeds.
func (g *group) probed(scale float64, of func(probe.PerturbedScale) float64) (point page.Point, n int) {
	point = page.Point{X: scale, Low: math.Inf(1), High: math.Inf(-1)}
	for _, m := range g.members {
		for _, p := range m.probe.Scales {
			if p.Scale == scale {
				v := of(p)
				point.Y, point.Low, point.High, n = point.Y+v, min(point.Low, v), max(point.High, v), n+1
			}
		}
	}
	point.Y /= float64(n)
	return point, n
}

// intervened says whose answers follow when the thoughts before them are others.
func (r *results) intervened(out *page.Section, c *InterventionRows) {
	t := page.Table{Title: "Answers after their own thoughts and after others", Header: []string{"run", "thoughts", "pass@1, %", "passes the donor's tests, %", "log p(own solution), nats", "log p(donor's solution), nats"}}
	for _, id := range c.IDs {
		g := r.of(id)
		if len(g.members) == 0 {
			continue
		}
		for i, first := range g.members[0].interventions.Rows {
			row := []string{g.name, first.Thoughts}
			for _, number := range []struct {
				of     func(probe.Intervention) eval.Estimate
				scale  float64
				format string
			}{
				{func(x probe.Intervention) eval.Estimate { return x.Own.Estimate() }, 100, "%.1f"},
				{func(x probe.Intervention) eval.Estimate { return x.Donor.Estimate() }, 100, "%.1f"},
				{func(x probe.Intervention) eval.Estimate { return x.OwnLog }, 1, "%.2f"},
				{func(x probe.Intervention) eval.Estimate { return x.DonorLog }, 1, "%.2f"},
			} {
				row = append(row, g.intervention(i, number.of, number.scale, number.format))
			}
			t.Rows = append(t.Rows, row)
		}
	}
	if len(t.Rows) > 0 {
		out.Text = append(out.Text, "The donor is another problem of the family; of \"one\" it differs in a single step. One seed: its 95 % interval over problems; several: the mean over seeds with their range.")
		out.Tables = append(out.Tables, t)
	}
}

// intervention is the cell of a number of the i-th intervention: of one seed with its own interval, of several the mean over
// them with their range.
func (g *group) intervention(i int, of func(probe.Intervention) eval.Estimate, scale float64, format string) string {
	var all []eval.Estimate
	for _, m := range g.members {
		if i < len(m.interventions.Rows) {
			all = append(all, of(m.interventions.Rows[i]))
		}
	}
	return spread(all, scale, format)
}

// spread is the cell of one estimate of each seed: of one with its own interval, of several the mean with their range.
func spread(all []eval.Estimate, scale float64, format string) string {
	sum, low, high := 0.0, math.Inf(1), math.Inf(-1)
	for _, x := range all {
		if len(all) > 1 {
			x.Low, x.High = x.Value, x.Value
		}
		sum, low, high = sum+x.Value, min(low, x.Low), max(high, x.High)
	}
	return fmt.Sprintf(format+" ["+format+", "+format+"]", scale*sum/float64(len(all)), scale*low, scale*high)
}

// likelihoods says how likely right answers are after what models think themselves.
func (r *results) likelihoods(out *page.Section, c *LikelihoodRows) {
	t := page.Table{Title: "Right answers after the model's own thoughts", Header: []string{"run", "seeds", "log p(answer), nats", "nats a token", "came to an end of thinking, %"}}
	for _, id := range c.IDs {
		g := r.of(id)
		var all [][]float64
		var perToken, closed float64
		for _, m := range g.members {
			var values []float64
			for _, p := range m.likelihood.Problems {
				values = append(values, p.LogProb)
			}
			all = append(all, values)
			perToken += m.likelihood.PerToken / float64(len(g.members))
			closed += 100 * m.likelihood.Closed / float64(len(g.members))
		}
		if len(all) == 0 {
			continue
		}
		e := eval.MeanOverSeeds(all)
		t.Rows = append(t.Rows, []string{g.name, fmt.Sprint(len(all)), fmt.Sprintf("%.2f [%.2f, %.2f]", e.Value, e.Low, e.High),
			fmt.Sprintf("%.4f", perToken), fmt.Sprintf("%.1f", closed)})
	}
	if len(t.Rows) > 0 {
		out.Text = append(out.Text, "The log of the mean likelihood of the right answer after samples of thoughts, or of chains in words: in expectation a lower bound, without thinking exact.")
		out.Tables = append(out.Tables, t)
	}
}

// readings says what models think about some problems, and what they answer: of the first seed alone.
func (r *results) readings(out *page.Section, c *ReadingRows) {
	t := page.Table{Title: "Thoughts read back as text", Header: []string{"run", "problem", "what", "text"}}
	for _, id := range c.IDs {
		g := r.of(id)
		if len(g.members) == 0 {
			continue
		}
		for _, problem := range g.members[0].readings.Problems {
			add := func(what, text string) {
				text = strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
				t.Rows = append(t.Rows, []string{g.name, problem.TaskID, what, text})
			}
			add("problem", problem.Prompt)
			for _, s := range problem.Samples {
				for k, thought := range s.Thoughts {
					what := fmt.Sprintf("thought %d", k+1)
					if thought.Right != nil && !*thought.Right {
						what += ", wrong"
					}
					add(what, thought.Text)
				}
				add("answer", s.Answer)
			}
		}
	}
	if len(t.Rows) > 0 {
		out.Text = append(out.Text, "Each thought as the VAE's decoder reads it, and the answer after all of them. Wrong is what no chain of thought of the problem has there.")
		out.Tables = append(out.Tables, t)
	}
}
