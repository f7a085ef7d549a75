package study

import (
	"fmt"
	"slices"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/page"
)

// rl compares reinforced runs with what they began as.
func (r *results) rl(out *page.Section, c *Rows) error {
	t := page.Table{Title: "pass@k before and after reinforcement learning, mean over seeds", Header: append([]string{"run", "seeds", "rollouts", "k", "before, %", "after, %", "difference, points"}, c.Notes...)}
	var curves []page.Series
	for _, row := range r.scored(c.Rows) {
		before := r.of(row.Before)
		if len(before.evaluated()) > 0 {
			dashed := r.curve(before)
			dashed.Stroke = page.Dashed
			curves = append(curves, dashed)
		}
		after := r.curve(r.of(row.ID))
		after.Stroke = page.Solid
		curves = append(curves, after)
		cells, err := r.rlRows(row, before, c.Notes)
		if err != nil {
			return err
		}
		t.Rows = append(t.Rows, cells...)
	}
	if len(t.Rows) > 0 {
		out.Tables = append(out.Tables, t.WithoutEmpty())
		out.Figures = append(out.Figures, &page.Figure{Name: "rl_pass_at_k",
			Title:  "pass@k before (dashed) and after reinforcement learning, mean over seeds with 95 % intervals",
			Panels: []page.Panel{{X: "k, samples a problem", Y: "pass@k, %", LogX: true, Whole: true, Series: curves}}})
	}
	if f := r.rlFigure(c.Rows); f != nil {
		out.Figures = append(out.Figures, f)
	}
	return nil
}

// rlRows are the rows of one reinforced run, one for each k. Notes stand in the first.
func (r *results) rlRows(row Row, before *group, notes []string) (rows [][]string, err error) {
	g := r.of(row.ID)
	for _, p := range g.passOver(commonKs(g)) {
		cells := []string{g.name, g.seeds(), g.rollouts(), fmt.Sprint(p.K), "", interval(p.Estimate), ""}
		if fewest(before) >= p.K {
			cells[4] = interval(before.over(passAt(p.K)))
			if cells[6], err = against(g, before, p.K); err != nil {
				return nil, err
			}
		}
		var own []string
		if len(rows) == 0 {
			own = row.Notes
		}
		rows = append(rows, noted(cells, own, notes))
	}
	return rows, nil
}

// rollouts is the number of rollouts that the group's runs have seen.
func (g *group) rollouts() string {
	t := g.first()
	if t == nil || len(t.Lines) == 0 {
		return ""
	}
	if n, ok := t.Lines[len(t.Lines)-1][experiment.MetricRollouts]; ok {
		return fmt.Sprintf("%.0f", n)
	}
	return ""
}

// rlFigure draws the course of every run, of the first seed; nil if nothing is known of them.
func (r *results) rlFigure(rows []Row) *page.Figure {
	f := &page.Figure{Name: "rl_curves", Title: "Reinforcement learning, first seed", Columns: 2}
	for _, p := range []struct {
		title, label   string
		thoughts, text string // keys of metrics.jsonl
	}{
		{"reward", "mean reward", experiment.MetricReward, ""},
		{"KL to the reference (text dashed)", "nats, k3 estimator", experiment.MetricKLThoughts, experiment.MetricKLText},
		{"entropy of text", "nats a token", experiment.MetricEntropy, ""},
		{"clipped ratios (text dashed)", "share", experiment.MetricClipThoughts, experiment.MetricClipText},
	} {
		panel := page.Panel{Title: p.title, X: "step", Whole: true, Y: p.label}
		for _, row := range rows {
			g := r.of(row.ID)
			t := g.first()
			if t == nil {
				continue
			}
			for i, key := range []string{p.thoughts, p.text} {
				line := smoothed(t, key)
				if slices.ContainsFunc(line, func(q page.Point) bool { return q.Y != 0 }) { // a method without thoughts has no ratio of them
					panel.Series = append(panel.Series, page.Series{Name: g.name, Style: r.style(g.entry), Stroke: page.Solid + page.Stroke(i), Points: line})
				}
			}
		}
		if len(panel.Series) > 0 {
			f.Panels = append(f.Panels, panel)
		}
	}
	if len(f.Panels) == 0 {
		return nil
	}
	return f
}
