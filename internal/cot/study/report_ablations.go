package study

import "nfcot/internal/page"

// ablations compares variants with the reference.
func (r *results) ablations(out *page.Section, c *Rows) error {
	reference := r.reference(r.compared())
	to := ""
	if reference != nil {
		to = " to " + reference.name
	}
	t := page.Table{Title: "Ablations, mean over seeds", Header: append([]string{"ablation", "seeds", "pass@1, %", "difference" + to + ", points"}, c.Notes...)}
	zero := 0.0
	panel := page.Panel{X: "difference of pass@1" + to + ", points", Line: &zero}
	for _, row := range r.scored(c.Rows) {
		g := r.of(row.ID)
		difference, err := against(g, reference, 1)
		if err != nil {
			return err
		}
		t.Rows = append(t.Rows, noted([]string{g.name, g.seeds(), interval(g.over(passAt(1))), difference}, row.Notes, c.Notes))
		if p, err := pair(g, reference); err == nil && len(p.a) > 0 {
			e := percents(0, p.difference(passAt(1)))
			panel.Rows = append(panel.Rows, page.Row{Name: g.name, Value: e.Y, Low: e.Low, High: e.High})
		}
	}
	if len(t.Rows) > 0 {
		out.Tables = append(out.Tables, t.WithoutEmpty())
	}
	if len(panel.Rows) > 0 {
		out.Figures = append(out.Figures, &page.Figure{Name: "ablations",
			Title: "Ablations: what changing one thing does, with 95 % intervals, paired by seed and problem", Panels: []page.Panel{panel}})
	}
	return nil
}
