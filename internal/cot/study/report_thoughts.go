package study

import (
	"fmt"

	"nfcot/internal/cot/probe"
	"nfcot/internal/eval"
	"nfcot/internal/page"
)

// thoughts compares sampled thoughts with those of true chains: answers after them, what is read in each, and in which
// order they set out.
func (r *results) thoughts(out *page.Section, c *ThoughtRows) {
	answers := page.Table{Title: "Answers after sampled thoughts and after those of true chains",
		Header: []string{"run", "seeds", "pass@1 after sampled thoughts, %", "pass@1 after true ones, %", "sampled chains that are right, %"}}
	each := page.Table{Title: "Sampled thoughts, one by one", Header: []string{"run", "thought", "sigma", "right, %", "first that is not right, %"}}
	orders := page.Table{Title: "Sampled first thoughts of problems with chains in several orders", Header: []string{"run", "seeds", "first thought", "samples, %"}}
	for _, id := range c.IDs {
		g := r.of(id)
		if len(g.members) == 0 {
			continue
		}
		pass := func(of func(*probe.Comparison) probe.PassOne) string {
			var all []eval.Estimate
			for _, m := range g.members {
				all = append(all, of(m.comparison).Estimate())
			}
			return spread(all, 100, "%.1f")
		}
		answers.Rows = append(answers.Rows, []string{g.name, fmt.Sprint(len(g.members)),
			pass(func(c *probe.Comparison) probe.PassOne { return c.Sampled.PassOne }), pass(func(c *probe.Comparison) probe.PassOne { return c.Oracle.PassOne }),
			g.ranged(100, "%.1f", func(c *probe.Comparison) *float64 { return &c.Sampled.ChainsRight })})
		each.Rows = append(each.Rows, g.eachThought()...)
		orders.Rows = append(orders.Rows, g.orders()...)
	}
	if len(answers.Rows) == 0 {
		return
	}
	out.Text = append(out.Text, "A thought is right if it is read back as the nearest valid chain of the problem has it. pass@1: one seed with its 95 % interval over problems; several with the range of seeds, as all other numbers.")
	out.Tables = append(out.Tables, answers, each.WithoutEmpty())
	if len(orders.Rows) > 0 {
		out.Text = append(out.Text, "First thoughts in an order are those that are read back as a valid chain in this order begins: 95 % intervals over seeds and problems. Valid are those in any of the orders.")
		out.Tables = append(out.Tables, orders)
	}
}

// eachThought are the rows of the K thoughts.
func (g *group) eachThought() (rows [][]string) {
	for k := range g.members[0].comparison.Thoughts {
		of := func(number func(*probe.ThoughtRead) *float64) func(*probe.Comparison) *float64 {
			return func(c *probe.Comparison) *float64 {
				if k >= len(c.Thoughts) {
					return nil
				}
				return number(&c.Thoughts[k])
			}
		}
		rows = append(rows, []string{g.name, fmt.Sprint(k + 1),
			g.ranged(1, "%.3f", of(func(t *probe.ThoughtRead) *float64 { return t.Sigma })),
			g.ranged(100, "%.1f", of(func(t *probe.ThoughtRead) *float64 { return &t.Right })),
			g.ranged(100, "%.1f", of(func(t *probe.ThoughtRead) *float64 { return &t.FirstWrong }))})
	}
	return rows
}

// ranged is the mean of a number over the seeds that have it, with their range if there are several; "" if none has.
func (g *group) ranged(scale float64, format string, of func(*probe.Comparison) *float64) string {
	var all []eval.Estimate
	for _, m := range g.members {
		if v := of(m.comparison); v != nil {
			all = append(all, eval.Estimate{Value: *v})
		}
	}
	switch len(all) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(format, scale*all[0].Value)
	}
	return spread(all, scale, format)
}

// orders are the rows of the orders that first thoughts are in; none where no seed's record has them.
func (g *group) orders() (rows [][]string) {
	var known []*probe.Comparison
	for _, m := range g.members {
		if m.comparison.Orders != nil {
			known = append(known, m.comparison)
		}
	}
	if len(known) == 0 {
		return nil
	}
	add := func(name, order string) {
		var all [][]float64
		for _, c := range known {
			all = append(all, c.Orders.Of(order, c.Samples))
		}
		rows = append(rows, []string{g.name, fmt.Sprint(len(known)), name, interval(eval.MeanOverSeeds(all))})
	}
	for _, s := range known[0].Orders.Shares {
		add(s.Order, s.Order)
	}
	add("valid", "")
	return rows
}
