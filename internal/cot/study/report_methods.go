package study

import (
	"fmt"
	"slices"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/page"
)

// accuracy compares methods: tables of pass@k, and figures of it, of the positions that thinking takes, and of training.
func (r *results) accuracy(out *page.Section, a *Accuracy) error {
	rows := r.scored(a.Rows.Rows)
	if len(rows) == 0 {
		return nil
	}
	out.Text = append(out.Text,
		"Intervals are 95 %: bootstrap over seeds and over the problems within them. Differences are paired by seed and problem; ~ marks those without evidence of a difference.")
	if err := r.accuracyTables(out, rows, r.reference(a), a.Notes); err != nil {
		return err
	}
	r.accuracyFigures(out, r.groupsOf(rows))
	for _, f := range []*page.Figure{r.trainingFigure(a.Rows.Rows), thoughtFigure(r.reference(a))} {
		if f != nil {
			out.Figures = append(out.Figures, f)
		}
	}
	return nil
}

func (r *results) accuracyTables(out *page.Section, rows []Row, reference *group, notes []string) error {
	common := commonKs(r.groupsOf(rows)...)
	var pass []string
	for _, k := range common {
		pass = append(pass, fmt.Sprintf("pass@%d, %%", k))
	}
	main := page.Table{Title: "Accuracy, mean over seeds", Header: slices.Concat([]string{"method", "seeds"}, pass,
		[]string{"difference of pass@1 to " + reference.name + ", points"}, notes)}
	bySeed := page.Table{Title: "Accuracy by seed", Header: append([]string{"method", "seed"}, pass...)}
	for _, row := range rows {
		g := r.of(row.ID)
		cells := []string{g.name, g.seeds()}
		for _, p := range g.passOver(common) {
			cells = append(cells, interval(p.Estimate))
		}
		difference, err := against(g, reference, 1)
		if err != nil {
			return err
		}
		main.Rows = append(main.Rows, noted(append(cells, difference), row.Notes, notes))
		for _, m := range g.members {
			cells := []string{g.name, m.seed.String()}
			for _, p := range m.eval.PassAtK {
				if slices.Contains(common, p.K) {
					cells = append(cells, interval(p.Estimate))
				}
			}
			bySeed.Rows = append(bySeed.Rows, cells)
		}
	}
	out.Tables = append(out.Tables, main.WithoutEmpty(), bySeed)
	return nil
}

func (r *results) accuracyFigures(out *page.Section, groups []*group) {
	var rows []page.Row
	var curves, scatter []page.Series
	for _, g := range groups {
		p := percents(g.mean(reasoning), g.over(passAt(1)))
		rows = append(rows, page.Row{Name: g.name, Value: p.Y, Low: p.Low, High: p.High})
		curves = append(curves, r.curve(g))
		scatter = append(scatter, page.Series{Name: g.name, Style: r.style(g.entry), Points: []page.Point{p}})
	}
	out.Figures = append(out.Figures,
		&page.Figure{Name: "accuracy", Title: "pass@1 of each method, mean over seeds with 95 % intervals", Panels: []page.Panel{{X: "pass@1, %", Rows: rows}}},
		&page.Figure{Name: "pass_at_k", Title: "pass@k of each method, mean over seeds with 95 % intervals",
			Panels: []page.Panel{{X: "k, samples a problem", Y: "pass@k, %", LogX: true, Whole: true, Series: curves}}},
		&page.Figure{Name: "positions", Title: "pass@1 against reasoning positions, tokens or thoughts; points at one place stand side by side",
			Panels: []page.Panel{{X: "reasoning positions a sample", Y: "pass@1, %", Scattered: true, Series: scatter}}})
}

// trainingFigure draws the losses of all runs that are compared, of the first seed; nil if nothing is known of them.
func (r *results) trainingFigure(rows []Row) *page.Figure {
	panels := []page.Panel{
		{Title: "loss, of different kinds", X: "step", Whole: true, Y: "loss"},
		{Title: "text, held out", X: "step", Whole: true, Y: "nats a token"},
		{Title: "thoughts, held out", X: "step", Whole: true, Y: "nats a dimension"},
		{Title: "gradient", X: "step", Whole: true, Y: "norm"},
	}
	for i, key := range []string{experiment.MetricLoss, experiment.MetricHeld + "text_nats_per_token", experiment.MetricHeld + "flow_nats_per_dim", experiment.MetricNorm} {
		shown := map[*Entry]bool{nil: true} // a run that is sampled in several ways is shown once
		for _, row := range rows {
			g := r.of(row.ID)
			model := r.plan.model(g.entry)
			if t := g.first(); t != nil && !shown[model] {
				if line := smoothed(t, key); len(line) > 0 {
					panels[i].Series = append(panels[i].Series, page.Series{Name: g.name, Style: r.style(g.entry), Points: line})
				}
				shown[model] = true
			}
		}
	}
	panels = slices.DeleteFunc(panels, func(p page.Panel) bool { return len(p.Series) == 0 })
	if len(panels) == 0 {
		return nil
	}
	return &page.Figure{Name: "training", Title: "Training, first seed", Columns: min(2, len(panels)), Panels: panels}
}

// thoughtFigure draws how sure a method is of each of its thoughts in the course of training, of the first seed; nil if
// that is not known.
func thoughtFigure(g *group) *page.Figure {
	t := g.first()
	if t == nil {
		return nil
	}
	panels := []page.Panel{{Title: "sigma of thoughts", X: "step", Whole: true, Y: "mean over dimensions"}, {Title: "negative log-likelihood", X: "step", Whole: true, Y: "nats a dimension"}}
	for i, key := range []string{experiment.MetricHeld + "sigma_thought_%d", experiment.MetricHeld + "nll_thought_%d_nats_per_dim"} {
		for k := 1; ; k++ {
			line := smoothed(t, fmt.Sprintf(key, k))
			if len(line) == 0 {
				break
			}
			panels[i].Series = append(panels[i].Series, page.Series{Name: fmt.Sprintf("thought %d", k), Style: k - 1, Points: line})
		}
	}
	panels = slices.DeleteFunc(panels, func(p page.Panel) bool { return len(p.Series) == 0 })
	if len(panels) == 0 {
		return nil
	}
	return &page.Figure{Name: "thoughts", Title: "Held-out diagnostics of the thoughts of " + g.name + ", first seed", Columns: len(panels), Panels: panels}
}
