package harness

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nfcot/internal/eval"
	"nfcot/internal/page"
)

// Table is what the evaluation found, a number a row: pass@k, maj@k, results by kind, and what
// a sample took.
func (x *Evaluation) Table() page.Table {
	t := page.Table{Header: []string{x.Bench, x.Method}}
	add := func(name, value string) { t.Rows = append(t.Rows, []string{name, value}) }
	add("problems", fmt.Sprint(x.Problems))
	add("samples", fmt.Sprint(x.Samples))
	if x.Shard != "" {
		add("shard", x.Shard)
	}
	for i, p := range x.PassAtK {
		pass := p.Percent()
		if x.BasePassAtK != nil {
			pass = fmt.Sprintf("base %s, plus %s", x.BasePassAtK[i].Percent(), pass)
		}
		add(fmt.Sprintf("pass@%d", p.K), pass)
	}
	for _, p := range x.MajAtK {
		add(fmt.Sprintf("maj@%d", p.K), p.Percent())
	}
	for _, kind := range eval.Kinds {
		if n := x.Results[kind]; n > 0 {
			add(string(kind), fmt.Sprint(n))
		}
	}
	if x.NoAnswer > 0 {
		add("answers in which nothing was found", fmt.Sprint(x.NoAnswer))
	}
	if x.InProcess > 0 {
		add("problems judged in the program's own process", fmt.Sprint(x.InProcess))
	}
	if n := len(x.FailingSolutions); n > 0 {
		add("problems whose own solution fails", fmt.Sprint(n))
	}
	if len(x.MissingPackages) > 0 {
		add("programs that miss a package", missing(x.MissingPackages))
	}
	if x.StructuralSimilarity != nil {
		similar := fmt.Sprintf("%.3f", *x.StructuralSimilarity)
		if x.Unparsed > 0 {
			similar += fmt.Sprintf(", %d programs left out", x.Unparsed)
		}
		add("structural similarity", similar)
	}
	for _, mean := range []struct {
		name   string
		value  *float64
		scale  float64
		format string
	}{
		{"reasoning positions", x.ReasoningPositions, 1, "%.1f"},
		{"thinking, ms a sample", x.ThinkSeconds, 1e3, "%.2f"},
		{"answering, ms a sample", x.AnswerSeconds, 1e3, "%.2f"},
		{"thinking, MFLOP a sample", x.ThinkFLOPs, 1e-6, "%.2f"},
		{"answering, MFLOP a sample", x.AnswerFLOPs, 1e-6, "%.2f"},
	} {
		if mean.value != nil {
			add(mean.name, fmt.Sprintf(mean.format, *mean.value*mean.scale))
		}
	}
	return t
}

// missing says how many programs miss which packages, those that most miss first.
func missing(packages map[string]int) string {
	names := slices.SortedFunc(maps.Keys(packages), func(a, b string) int {
		return cmp.Or(packages[b]-packages[a], strings.Compare(a, b))
	})
	all := 0
	var each []string
	for _, name := range names {
		all += packages[name]
		each = append(each, fmt.Sprintf("%s %d", name, packages[name]))
	}
	if len(each) > mostNamed {
		each = append(each[:mostNamed], "...")
	}
	return fmt.Sprintf("%d (%s)", all, strings.Join(each, ", "))
}
