package cli

// What report makes of a study: tables and figures, part by part.

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"nfcot/internal/cot/probe"
	"nfcot/internal/eval"
	"nfcot/internal/eval/harness"
	"nfcot/internal/page"
)

func (e *env) reportStudy(o reportOptions) error {
	if len(o.dirs) > 0 {
		return inputf("report: --study takes the evaluations from %s; leave out %s", studyFile, o.dirs[0])
	}
	s, err := readStudy(o.study)
	if err != nil {
		return err
	}
	claims, err := s.claims()
	if err != nil {
		return err
	}
	d, err := s.document(claims)
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := d.Write(o.out); err != nil {
			return err
		}
	}
	if e.json {
		return e.printJSON(struct {
			Claims []claim `json:"claims"`
			page.Document
		}{claims, d})
	}
	e.printDocument(d)
	return nil
}

// Numbers of the paper: pass@1 over MBPP, MBPP+, HumanEval, HumanEval+ and
// LiveCodeBench v6 by method, and the cost of 16 samples a problem of HumanEval.
var (
	paperPass1   = map[string]float64{"cot": 59.9, "softthinking": 61.6, "lavae": 32.7, "ladir": 61.6, "nfcot-dual": 65.2, "nfcot": 68.8}
	paperRL      = map[string]float64{"nfcot": 70.1}
	paperSeconds = map[string]float64{"nfcot": 173.5, "nfcot-dual": 232.3, "ladir": 468.2}
	paperTFLOPs  = map[string]float64{"nfcot": 19.9, "nfcot-dual": 21.6, "ladir": 49.3}
	paperRate    = map[string]float64{"nfcot": 18.4, "ladir": 6.45}
)

// known writes a number if a map has it.
func known(numbers map[string]float64, key, format string) string {
	if x, ok := numbers[key]; ok {
		return fmt.Sprintf(format, x)
	}
	return ""
}

const paperNote = "Columns marked 'paper' are the paper's own numbers, of a large language model on public benchmarks: another scale, to compare orders and ratios with, not values. " +
	"Its SFT stands beside explicit CoT; its base model had 55.8."

// document is the whole report.
func (s *study) document(claims []claim) (page.Document, error) {
	d := page.Document{Title: "NF-CoT in miniature"}
	d.Sections = append(d.Sections, claimSection(claims))
	for _, part := range []struct {
		name    string
		groups  bool
		section func() (page.Section, error)
	}{
		{"methods", s.has("methods"), s.methodSection},
		{"cost", s.has("methods") || s.has("cost"), s.costSection},
		{"rl", s.has("rl"), s.rlSection},
		{"curve", s.has("curve"), s.curveSection},
		{"ablations", s.has("ablations"), s.ablationSection},
		{"perturb", s.has("perturb"), s.perturbSection},
	} {
		if !part.groups {
			s.missing = append(s.missing, fmt.Sprintf("The study has nothing of part %s.", part.name))
			continue
		}
		section, err := part.section()
		if err != nil {
			return d, err
		}
		d.Sections = append(d.Sections, section)
	}
	if len(s.missing) > 0 {
		d.Sections = append(d.Sections, page.Section{Title: "Left out", Text: s.missing})
	}
	return d, nil
}

func (s *study) has(part string) bool { return len(s.groups[part]) > 0 }

func claimSection(claims []claim) page.Section {
	t := page.Table{Header: []string{"claim", "verdict", "evidence: mean [95 % interval]", "paper, at its scale"}}
	for _, c := range claims {
		var evidence []string
		for _, f := range c.Evidence {
			text := f.String()
			if len(c.Evidence) > 1 && f.Estimate != nil {
				text += " (" + string(f.Verdict) + ")"
			}
			evidence = append(evidence, text)
		}
		t.Rows = append(t.Rows, []string{c.Claim, string(c.Verdict), strings.Join(evidence, "; "), c.Paper})
	}
	return page.Section{Title: "Claims", Tables: []page.Table{t}, Text: []string{
		"The verdicts are computed. A comparison holds if its whole 95 % interval is on the claimed side, does not hold if the whole interval is on the other, and has not enough evidence otherwise. " +
			"A claim of several comparisons holds if all do and in part if some do; if none does, it does not hold as soon as one does not."}}
}

// style is the style in which figures draw a method's group: the reference has the
// first, the others follow in their order.
func (s *study) style(name string) int {
	style := 1
	for _, g := range s.groups["methods"] {
		switch {
		case g.name == name && g == s.reference():
			return 0
		case g.name == name:
			return style
		case g != s.reference():
			style++
		}
	}
	return style
}

func interval(e eval.Estimate) string {
	return fmt.Sprintf("%.1f [%.1f, %.1f]", 100*e.Value, 100*e.Low, 100*e.High)
}

// against writes the difference of a group to a reference at k, with ~ where the
// interval has 0 in it; nothing where they have no seed in common.
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

// seeds lists the seeds under which a group was evaluated.
func (g *group) seeds() string {
	var all []string
	for _, m := range g.members {
		if m.eval != nil {
			all = append(all, fmt.Sprint(m.seed))
		}
	}
	return strings.Join(all, ", ")
}

// scored are the groups of a part that have evaluations.
func (s *study) scored(part string) (all []*group) {
	for _, g := range s.groups[part] {
		if len(g.evaluated()) > 0 {
			all = append(all, g)
		}
	}
	return all
}

func (s *study) methodSection() (page.Section, error) {
	reference := s.reference()
	out := page.Section{Title: "Methods", Text: []string{
		"Intervals are 95 %: bootstrap over seeds and over the problems within them. Differences are paired by seed and problem; ~ marks those without evidence of a difference.", paperNote}}
	all := s.scored("methods")
	main := page.Table{Title: "Accuracy, mean over seeds", Header: []string{"method", "seeds"}}
	common := ks(all...)
	for _, k := range common {
		main.Header = append(main.Header, fmt.Sprintf("pass@%d, %%", k))
	}
	main.Header = append(main.Header, fmt.Sprintf("difference of pass@1 to %s, points", reference.name), "paper: mean pass@1, %")
	bySeed := page.Table{Title: "Accuracy by seed", Header: append([]string{"method", "seed"}, main.Header[2:2+len(common)]...)}
	var rows []page.Row
	var curves, scatter []page.Series
	for _, g := range all {
		row := []string{g.name, g.seeds()}
		for _, p := range g.passOver(common) {
			row = append(row, interval(p.Estimate))
		}
		difference, err := against(g, reference, 1)
		if err != nil {
			return out, err
		}
		main.Rows = append(main.Rows, append(row, difference, known(paperPass1, g.method, "%.1f")))
		for _, m := range g.members {
			if m.eval == nil {
				continue
			}
			row := []string{g.name, fmt.Sprint(m.seed)}
			for _, p := range m.eval.PassAtK {
				if slices.Contains(common, p.K) {
					row = append(row, interval(p.Estimate))
				}
			}
			bySeed.Rows = append(bySeed.Rows, row)
		}
		e := g.over(passAt(1))
		rows = append(rows, page.Row{Name: g.name, Value: 100 * e.Value, Low: 100 * e.Low, High: 100 * e.High})
		curves = append(curves, s.curve(g, g.name, s.style(g.name)))
		scatter = append(scatter, page.Series{Name: g.name, Style: s.style(g.name), Points: []page.Point{
			{X: g.mean(reasoning), Y: 100 * e.Value, Low: 100 * e.Low, High: 100 * e.High}}})
	}
	out.Tables = []page.Table{main.WithoutEmpty(), bySeed}
	out.Figures = []*page.Figure{
		{Name: "accuracy", Title: "pass@1 of each method, mean over seeds with 95 % intervals", Panels: []page.Panel{{X: "pass@1, %", Rows: rows}}},
		{Name: "pass_at_k", Title: "pass@k of each method, mean over seeds with 95 % intervals",
			Panels: []page.Panel{{X: "k, samples a problem", Y: "pass@k, %", LogX: true, Whole: true, Series: curves}}},
		{Name: "positions", Title: "pass@1 against the reasoning positions of a sample: tokens of explicit thinking or continuous thoughts; points at the same place stand side by side",
			Panels: []page.Panel{{X: "reasoning positions a sample", Y: "pass@1, %", Scattered: true, Series: scatter}}},
	}
	if f := s.trainingFigure(); f != nil {
		out.Figures = append(out.Figures, f)
	}
	if f := s.thoughtFigure(); f != nil {
		out.Figures = append(out.Figures, f)
	}
	return out, nil
}

// curve is pass@k of a group over the k that a figure wants.
func (s *study) curve(g *group, name string, style int) page.Series {
	return harness.PassCurve(name, style, g.passOver(eval.PlottedKs(fewest(g))))
}

// first is the training of the group's first seed that has one.
func (g *group) first() *training {
	for _, m := range g.members {
		if m.training != nil {
			return m.training
		}
	}
	return nil
}

// line is a key of metrics.jsonl over the steps, smoothed by means over windows so
// that about sixty points remain.
func (t *training) line(key string) (points []page.Point) {
	var steps, values []float64
	for i, l := range t.lines {
		if v, ok := l[key]; ok {
			step := l["step"]
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

// trainingFigure draws the losses of all methods, of the first seed.
func (s *study) trainingFigure() *page.Figure {
	panels := []page.Panel{
		{Title: "loss, of different kinds", X: "step", Y: "loss"},
		{Title: "text, held out", X: "step", Y: "nats a token"},
		{Title: "thoughts, held out", X: "step", Y: "nats a dimension"},
		{Title: "gradient", X: "step", Y: "norm"},
	}
	for i, key := range []string{"loss", "held_out_text_nats_per_token", "held_out_flow_nats_per_dim", "grad_norm"} {
		for _, g := range s.groups["methods"] {
			if t := g.first(); t != nil {
				if line := t.line(key); len(line) > 0 {
					panels[i].Series = append(panels[i].Series, page.Series{Name: g.name, Style: s.style(g.name), Points: line})
				}
			}
		}
	}
	panels = slices.DeleteFunc(panels, func(p page.Panel) bool { return len(p.Series) == 0 })
	if len(panels) == 0 {
		return nil
	}
	return &page.Figure{Name: "training", Title: "Training, first seed", Columns: min(2, len(panels)), Panels: panels}
}

// thoughtFigure draws how sure the reference is of each of its thoughts in the
// course of training, of the first seed.
func (s *study) thoughtFigure() *page.Figure {
	g := s.reference()
	t := g.first()
	if t == nil {
		return nil
	}
	panels := []page.Panel{{Title: "sigma of thoughts", X: "step", Y: "mean over dimensions"}, {Title: "negative log-likelihood", X: "step", Y: "nats a dimension"}}
	for i, key := range []string{"held_out_sigma_thought_%d", "held_out_nll_thought_%d_nats_per_dim"} {
		for k := 1; ; k++ {
			line := t.line(fmt.Sprintf(key, k))
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

func (s *study) costSection() (page.Section, error) {
	out := page.Section{Title: "Cost", Text: []string{
		"FLOPs of training are the backbone's, forward and backward; that of the VAE, which methods with codes share, is not among them. Parameters are those of the run's weights, without the VAE."}}
	answers := page.Table{Title: "Thinking and answering, means a sample", Header: []string{"method", "reasoning positions", "thinking, MFLOP", "answering, MFLOP",
		"thinking, ms", "answering, ms", "peak memory, MiB", "structural similarity", "paper: thoughts of HumanEval, s", "paper: TFLOP a sample"}}
	costs := s.scored("cost")
	if len(costs) == 0 {
		costs = s.scored("methods")
		out.Text = append(out.Text, "The seconds are of the evaluations themselves, which may have shared the machine.")
	} else {
		out.Text = append(out.Text, "Thinking and answering were measured alone, on a quiet machine.")
	}
	flops := page.Panel{X: "MFLOP a sample", Stack: []string{"thinking", "answering"}}
	seconds := page.Panel{X: "ms a sample", Stack: flops.Stack}
	for _, g := range costs {
		method := g.method
		if m := s.find("methods", g.name); method == "" && m != nil {
			method = m.method
		}
		mean := func(q quantity, scale float64) float64 { return scale * g.mean(q) }
		values := []float64{mean(reasoning, 1), mean(thinkFLOPs, 1e-6), mean(answerFLOPs, 1e-6), mean(thinkSeconds, 1e3), mean(answerSeconds, 1e3)}
		row := []string{g.name, fmt.Sprintf("%.1f", values[0])}
		for _, v := range values[1:] {
			row = append(row, fmt.Sprintf("%.3g", v))
		}
		row = append(row, g.memory(), g.similarity(), known(paperSeconds, method, "%.1f"), known(paperTFLOPs, method, "%.1f"))
		answers.Rows = append(answers.Rows, row)
		flops.Bars = append(flops.Bars, page.Bar{Name: g.name, Stack: values[1:3]})
		seconds.Bars = append(seconds.Bars, page.Bar{Name: g.name, Stack: values[3:5]})
	}
	if len(answers.Rows) > 0 {
		out.Tables = append(out.Tables, answers.WithoutEmpty())
		out.Figures = append(out.Figures, &page.Figure{Name: "cost_flops", Title: "FLOPs of thinking and answering", Panels: []page.Panel{flops}},
			&page.Figure{Name: "cost_seconds", Title: "Seconds of thinking and answering", Panels: []page.Panel{seconds}})
	}
	runs := page.Table{Title: "Training, means over seeds", Header: []string{"method", "parameters", "steps", "tokens", "TFLOP", "seconds", "peak memory, MiB", "paper: samples/s"}}
	for _, part := range []string{"methods", "rl"} {
		for _, g := range s.groups[part] {
			if row := g.trainingRow(); row != nil {
				rate := ""
				if part == "methods" {
					rate = known(paperRate, g.method, "%.3g")
				}
				runs.Rows = append(runs.Rows, append(row, rate))
			}
		}
	}
	if len(runs.Rows) > 0 {
		out.Tables = append(out.Tables, runs.WithoutEmpty())
	}
	return out, nil
}

// trainingRow is the group's name and means over its runs; nil if there is none.
func (g *group) trainingRow() []string {
	mean := func(of func(*training) float64, format string) string {
		sum, n := 0.0, 0
		for _, m := range g.members {
			if m.training != nil && of(m.training) > 0 {
				sum, n = sum+of(m.training), n+1
			}
		}
		if n == 0 {
			return ""
		}
		return fmt.Sprintf(format, sum/float64(n))
	}
	if g.first() == nil {
		return nil
	}
	return []string{g.name,
		mean(func(t *training) float64 { return float64(t.parameters) }, "%.0f"),
		mean(func(t *training) float64 { return float64(t.steps) }, "%.0f"),
		mean(func(t *training) float64 { return t.tokens }, "%.0f"),
		mean(func(t *training) float64 { return t.flops / 1e12 }, "%.3g"),
		mean(func(t *training) float64 { return t.seconds }, "%.0f"),
		mean(func(t *training) float64 { return t.peakMemory / (1 << 20) }, "%.0f"),
	}
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

func (s *study) rlSection() (page.Section, error) {
	out := page.Section{Title: "Reinforcement learning", Text: []string{
		"Thought space: the ratios of thoughts and text; token space: GRPO on the words of explicit CoT. Both have seen the number of rollouts that the table gives."}}
	t := page.Table{Header: []string{"", "seeds", "rollouts", "k", "before, %", "after, %", "difference, points", "paper: mean pass@1, %"}}
	var curves []page.Series
	for _, g := range s.scored("rl") {
		before := s.before(g)
		style := s.style(g.before)
		if before != nil && len(before.evaluated()) > 0 {
			c := s.curve(before, before.name, style)
			c.Stroke = page.Dashed
			curves = append(curves, c)
		} else {
			before = &group{name: g.before}
		}
		after := s.curve(g, g.name, style)
		after.Stroke = page.Solid
		curves = append(curves, after)
		for _, p := range g.passOver(ks(g)) {
			k := p.K
			row := []string{g.name, g.seeds(), g.rollouts(), fmt.Sprint(k), "", interval(p.Estimate), "", ""}
			if fewest(before) >= k {
				row[4] = interval(before.over(passAt(k)))
				var err error
				if row[6], err = against(g, before, k); err != nil {
					return out, err
				}
			}
			if k == 1 {
				row[7] = known(paperRL, g.method, "%.1f")
			}
			t.Rows = append(t.Rows, row)
		}
	}
	if len(t.Rows) > 0 {
		out.Tables = []page.Table{t.WithoutEmpty()}
		out.Figures = append(out.Figures, &page.Figure{Name: "rl_pass_at_k",
			Title:  "pass@k before (dashed) and after reinforcement learning, mean over seeds with 95 % intervals",
			Panels: []page.Panel{{X: "k, samples a problem", Y: "pass@k, %", LogX: true, Whole: true, Series: curves}}})
	}
	if f := s.rlFigure(); f != nil {
		out.Figures = append(out.Figures, f)
	}
	return out, nil
}

// rollouts is the number of rollouts that the group's runs have seen.
func (g *group) rollouts() string {
	t := g.first()
	if t == nil || len(t.lines) == 0 {
		return ""
	}
	if n, ok := t.lines[len(t.lines)-1]["rollouts"]; ok {
		return fmt.Sprintf("%.0f", n)
	}
	return ""
}

// rlFigure draws the course of every run of part rl, of the first seed.
func (s *study) rlFigure() *page.Figure {
	f := &page.Figure{Name: "rl_curves", Title: "Reinforcement learning, first seed", Columns: 2}
	for _, p := range []struct {
		title, label   string
		thoughts, text string // keys of metrics.jsonl
	}{
		{"reward", "mean reward", "reward", ""},
		{"KL to the reference (text dashed)", "nats, k3 estimator", "kl_thoughts", "kl_text"},
		{"entropy of text", "nats a token", "entropy_text", ""},
		{"clipped ratios (text dashed)", "share", "clip_thoughts", "clip_text"},
	} {
		panel := page.Panel{Title: p.title, X: "step", Y: p.label}
		for _, g := range s.groups["rl"] {
			t := g.first()
			if t == nil {
				continue
			}
			for i, key := range []string{p.thoughts, p.text} {
				line := t.line(key)
				if slices.ContainsFunc(line, func(q page.Point) bool { return q.Y != 0 }) { // a method without thoughts has no ratio of them
					panel.Series = append(panel.Series, page.Series{Name: g.name, Style: s.style(g.before), Stroke: page.Solid + page.Stroke(i), Points: line})
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

func (s *study) curveSection() (page.Section, error) {
	out := page.Section{Title: "Accuracy against budget"}
	unit := "training TFLOP"
	if x := s.groups["curve"][0].x; x != "" {
		unit = x
	}
	t := page.Table{Header: []string{"method", "seed", unit, "pass@1, %"}}
	lines := map[string]*page.Series{}
	var names []string
	for _, g := range s.scored("curve") {
		for _, m := range g.members {
			if m.eval == nil || m.training == nil {
				continue
			}
			e := g.over(passAt(1))
			budget := m.training.flops / 1e12
			t.Rows = append(t.Rows, []string{g.name, fmt.Sprint(m.seed), fmt.Sprintf("%.3g", budget), interval(e)})
			if lines[g.name] == nil {
				lines[g.name] = &page.Series{Name: g.name, Style: s.style(g.name)}
				names = append(names, g.name)
			}
			lines[g.name].Points = append(lines[g.name].Points, page.Point{X: budget, Y: 100 * e.Value, Low: 100 * e.Low, High: 100 * e.High})
		}
	}
	var series []page.Series
	for _, name := range names {
		slices.SortFunc(lines[name].Points, func(a, b page.Point) int { return int(math.Copysign(1, a.X-b.X)) })
		series = append(series, *lines[name])
	}
	if len(series) > 0 {
		out.Tables = []page.Table{t}
		out.Figures = []*page.Figure{{Name: "budget", Title: "pass@1 against the FLOPs of training, with 95 % intervals over problems",
			Panels: []page.Panel{{X: unit, Y: "pass@1, %", LogX: true, Series: series}}}}
	}
	return out, nil
}

func (s *study) ablationSection() (page.Section, error) {
	out := page.Section{Title: "Ablations"}
	reference := s.reference()
	name := ""
	if reference != nil {
		name = " to " + reference.name
	}
	t := page.Table{Header: []string{"ablation", "seeds", "pass@1, %", "difference" + name + ", points", "paper: points, HumanEval / HumanEval+ / LiveCodeBench v6"}}
	zero := 0.0
	panel := page.Panel{X: "difference of pass@1" + name + ", points", Line: &zero}
	for _, g := range s.scored("ablations") {
		difference, err := against(g, reference, 1)
		if err != nil {
			return out, err
		}
		paper := ""
		if strings.Contains(g.name, "stage 1") {
			paper = "-2.9 / -3.2 / -1.7"
		}
		t.Rows = append(t.Rows, []string{g.name, g.seeds(), interval(g.over(passAt(1))), difference, paper})
		if p, err := pair(g, reference); err == nil && len(p.a) > 0 {
			e := p.difference(passAt(1))
			panel.Rows = append(panel.Rows, page.Row{Name: g.name, Value: 100 * e.Value, Low: 100 * e.Low, High: 100 * e.High})
		}
	}
	if len(t.Rows) > 0 {
		out.Tables = []page.Table{t.WithoutEmpty()}
	}
	if len(panel.Rows) > 0 {
		out.Figures = []*page.Figure{{Name: "ablations", Title: "Ablations: what changing one thing does, with 95 % intervals, paired by seed and problem", Panels: []page.Panel{panel}}}
	}
	return out, nil
}

// paperPerturbation is the paper's, at scales 0 and 3: cosine, pass@1, agreement
// of verdicts, exact match of texts.
var paperPerturbation = map[float64][4]string{0: {"-", "86.0", "-", "-"}, 3: {"0.116", "83.6", "0.888", "0.278"}}

func (s *study) perturbSection() (page.Section, error) {
	out := page.Section{Title: "Noise on thoughts", Text: []string{"Means over seeds, with their range where there are several."}}
	t := page.Table{Header: []string{"", "scale", "cosine", "pass@1, %", "verdicts that stay", "texts that stay", "paper: cosine, pass@1, verdicts, texts"}}
	f := &page.Figure{Name: "perturb", Title: "Noise added to thoughts: means over seeds, with their range", Columns: 2, Panels: []page.Panel{
		{Title: "cosine similarity of thoughts", X: "scale of the noise", Y: "cosine", YMax: 1},
		{Title: "accuracy", X: "scale of the noise", Y: "pass@1, %", YMax: 100},
		{Title: "same verdict", X: "scale of the noise", Y: "share of samples", YMax: 1},
		{Title: "same text", X: "scale of the noise", Y: "share of samples", YMax: 1},
	}}
	for _, g := range s.groups["perturb"] {
		lines := make([]page.Series, 4)
		for i := range lines {
			lines[i] = page.Series{Name: g.name, Style: s.style(g.name)}
		}
		for _, scale := range g.scales() {
			row := []string{g.name, fmt.Sprint(scale)}
			for i, of := range []func(probe.PerturbedScale) float64{
				func(p probe.PerturbedScale) float64 { return p.Cosine },
				func(p probe.PerturbedScale) float64 { return 100 * p.Pass1 },
				func(p probe.PerturbedScale) float64 { return p.Agreement },
				func(p probe.PerturbedScale) float64 { return p.Exact },
			} {
				point, n := g.probed(scale, of)
				lines[i].Points = append(lines[i].Points, point)
				format := "%.3f"
				if i == 1 {
					format = "%.1f"
				}
				cell := fmt.Sprintf(format, point.Y)
				if n > 1 {
					cell += fmt.Sprintf(" ["+format+", "+format+"]", point.Low, point.High)
				}
				row = append(row, cell)
			}
			paper := ""
			if p, ok := paperPerturbation[scale]; ok {
				paper = strings.Join(p[:], " / ")
			}
			t.Rows = append(t.Rows, append(row, paper))
		}
		for i := range lines {
			f.Panels[i].Series = append(f.Panels[i].Series, lines[i])
		}
	}
	out.Tables, out.Figures = []page.Table{t.WithoutEmpty()}, []*page.Figure{f}
	return out, nil
}

// scales are those of the first probe of the group.
func (g *group) scales() (all []float64) {
	for _, m := range g.members {
		if m.probe != nil {
			for _, p := range m.probe.Scales {
				all = append(all, p.Scale)
			}
			return all
		}
	}
	return nil
}

// probed is the mean over seeds of a number at a scale, and the range of it; n is
// the number of seeds.
func (g *group) probed(scale float64, of func(probe.PerturbedScale) float64) (point page.Point, n int) {
	point = page.Point{X: scale, Low: math.Inf(1), High: math.Inf(-1)}
	for _, m := range g.members {
		if m.probe == nil {
			continue
		}
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
