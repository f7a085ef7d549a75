package study

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot/probe"
)

// fakeComparison is what probe oracle leaves of two problems with four samples each, of which so many begin from first
// to last, and one in no order; without orders it is one of before there were any.
func fakeComparison(right float64, sigma *float64, forward ...int) probe.Comparison {
	x := probe.Comparison{Samples: 4, Sampled: probe.Answers{PassOne: probe.PassOne{Pass1: right, Low: right - 0.1, High: right + 0.1}, ChainsRight: right},
		Oracle: probe.Answers{PassOne: probe.PassOne{Pass1: 1, Low: 1, High: 1}}, Thoughts: []probe.ThoughtRead{{Thought: 1, Sigma: sigma, Right: right, FirstWrong: 1 - right}}}
	for i, n := range forward {
		if x.Orders == nil {
			x.Orders = &probe.Orders{Shares: []probe.OrderShare{{Order: "first to last"}, {Order: "last to first"}}}
		}
		x.Orders.Problems = append(x.Orders.Problems, probe.ProblemOrders{TaskID: fmt.Sprint(i), Samples: map[string]int{"first to last": n, "last to first": 3 - n}})
	}
	return x
}

// Answers, thoughts and orders of probes of kind oracle, of several seeds and of one; records without orders have the rest.
func TestThoughtsInTheReport(t *testing.T) {
	p, err := planOf(t, small+`- {id: o, name: new, seeds: two, probe: {kind: oracle, model: r, problems: a}}
- {id: old, name: old, probe: {kind: oracle, model: ./m}}
- {id: none, name: none, probe: {kind: oracle, model: ./m}}
report:
- {title: Thoughts, thoughts: {ids: [o, old, none]}}
`)
	if err != nil {
		t.Fatal(err)
	}
	dir, sigma := t.TempDir(), 0.25
	for name, x := range map[string]probe.Comparison{"seed1/o.json": fakeComparison(0.5, &sigma, 1, 2), "seed2/o.json": fakeComparison(0.75, &sigma, 1, 2), "old.json": fakeComparison(0.6, nil)} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		writeJSON(t, path, x)
	}
	r, err := NewReport(p, dir)
	if err != nil {
		t.Fatal(err)
	}
	section := r.Sections[0]
	var rows []string
	for _, table := range section.Tables {
		for _, row := range table.Rows {
			rows = append(rows, strings.Join(row, " | "))
		}
	}
	// Resampled are two problems, 1 and 2 of 4 samples: means from 1/4 to 1/2. Of the valid ones each has 3.
	for _, want := range []string{"new | 2 | 62.5 [50.0, 75.0] | 100.0 [100.0, 100.0] | 62.5 [50.0, 75.0]", "old | 1 | 60.0 [50.0, 70.0] | 100.0 [100.0, 100.0] | 60.0",
		"new | 1 | 0.250 [0.250, 0.250] | 62.5 [50.0, 75.0] | 37.5 [25.0, 50.0]", "old | 1 |  | 60.0 | 40.0", "new | 2 | first to last | 37.5 [25.0, 50.0]",
		"new | 2 | last to first | 37.5 [25.0, 50.0]", "new | 2 | valid | 75.0 [75.0, 75.0]"} {
		if !slices.Contains(rows, want) {
			t.Errorf("no row is %q; there are\n%s", want, strings.Join(rows, "\n"))
		}
	}
	if len(section.Tables) != 3 || len(rows) != 7 || !strings.Contains(strings.Join(r.Sections[1].Text, " "), "none.json is not there") {
		t.Errorf("there are %d tables and the rows\n%s\nleft out is %q", len(section.Tables), strings.Join(rows, "\n"), r.Sections[1].Text)
	}
	if err := os.WriteFile(filepath.Join(dir, "old.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := NewReport(p, dir); err == nil || !strings.Contains(err.Error(), "old.json: it has no thoughts") {
		t.Errorf("a record of nothing: %v", err)
	}
}
