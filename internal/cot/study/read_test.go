package study

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const small = `title: T
parameters: {n: 4, name: x}
seeds: {two: [1, 2], one: [7]}
entries:
- {id: a, seeds: two, data: {bench: "minicode:${name}", n: "${n}"}}
- {id: t, seeds: one, tokenize: {in: [./mine.jsonl]}}
- {id: v, seeds: two, distill: {data: a, tokenizer: t}}
- {id: m, seeds: one, measure: {method: cot, data: ./x.jsonl, budget: 1e9}}
- {id: r, seeds: two, train: {method: cot, thoughts: v, steps: {of: m, share: {joint: 1/2}}}}
- {id: e, seeds: two, eval: {model: r, problems: a}}
- {id: p, seeds: two, probe: {kind: perturb, model: r, problems: a}}
`

func TestPlansAreReadStrictly(t *testing.T) {
	if _, err := planOf(t, small); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ more, want string }{
		{"- {id: b, data: {bunch: x}}", `:12: there is no key "bunch" here; there are bench, n, split`},
		{"- {id: b, sede: one, data: {}}", `:12: there is no key "sede" here`},
		{"- {id: b, data: {n: many}}", `:12: found "many", expected a whole number`},
		{"- {id: b, data: {n: 1.5}}", `:12: found "1.5", expected a whole number`},
		{"- {id: b, alone: 3, data: {}}", `:12: found "3", expected true or false`},
		{"- {id: b, data: [1]}", `:12: found a list, expected keys with values`},
		{"- {id: b, tokenize: {in: a}}", `:12: found "a", expected a list`},
		{"- {id: b, data: {n: 1, n: 2}}", `:12:`},
		{"- {id: a, data: {n: 1}}", `:12: there are two entries "a"; the first is in line 5`},
		{"- {id: ../b, data: {}}", `:12: the entry's id is "../b"`},
		{"- {data: {}}", `:12: the entry's id is ""`},
		{"- {id: b, seeds: three, data: {}}", `:12: entry b: there are no seeds "three"; there are one, two`},
		{"- {id: b, data: {}, eval: {model: r}}", `:12: entry b: want exactly one of data, tokenize`},
		{"- {id: b}", `:12: entry b: want exactly one of`},
		{"- {id: b, eval: {\n    model: c}}\n- {id: c, data: {}}", `:13: there is no entry "c" above; the ids are a, e, m, p, r, t, v`},
		{"- {id: b, eval: {model: v}}", `:12: entry v is of kind distill; want train or rl`},
		{"- {id: b, seeds: one, eval: {model: r}}", `:12: entry b has seed 7, and r, which it takes, does not`},
		{"- {id: b, eval: {n: 3}}", `:12: entry b: model is missing`},
		{"- {id: b, measure: {method: cot}}", `:12: entry b: budget is missing`},
		{"- {id: b, train: {method: cot, budget: 1}}", `:12: entry b: budget is for measure`},
		{"- {id: b, train: {method: cot, steps: {share: {joint: 1}}}}", `:12: entry b: steps.of is missing`},
		{"- {id: b, train: {method: cot, steps: {of: m, share: {joint: half}}}}", `:12: found "half", expected whole numbers and fractions like 3/4 - 1/30`},
		{"- {id: b, train: {thoughts: v}}", `:12: entry b: method is missing`},
		{"- {id: b, train: {method: cot, set: {stages: {joint: 1}}}}", `:12: found keys with values, expected settings of an experiment`},
		{"- {id: b, rl: {bench: x}}", `:12: entry b: init is missing`},
		{"- {id: b, probe: {model: r, kind: look}}", `:12: entry b: kind is "look"; want one of perturb, oracle, intervene, likelihood, read`},
		{`- {id: b, data: {n: "${m}"}}`, `:12: there is no parameter "m"; there are n, name`},
		{`- {id: b, data: {n: "${name}"}}`, `:12: found "x", expected a whole number`},
		{"report:\n- {title: R, accuracy: {rows: [{id: r}]}}", `:13: entry r is of kind train; want eval`},
		{"report:\n- {title: R, training: {rows: [{id: e}]}}", `:13: entry e is of kind eval; want train or rl`},
		{"report:\n- {title: R, ablations: {rows: [{id: z}]}}", `:13: there is no entry "z"`},
		{"report:\n- {title: R, training: {rows: [{notes: [x]}]}}", `:13: id is missing; want the id of an entry`},
		{"report:\n- {title: R, accuracy: {rows: [\n  {}]}}", `:14: id is missing; want the id of an entry`},
		{"report:\n- {title: N, noise: {ids: ['']}}", `:13: found nothing, expected the id of an entry`},
		{"- {id: b, train: {method: cot, thoughts: ''}}", `:12: found nothing, expected the id of an entry`},
		{"- {id: b, tokenize: {in: ['']}}", `:12: found nothing, expected the id of an entry`},
		{"report:\n- {title: R, plot: {}}", `:13: there is no key "plot" here`},
		{"claims:\n- {text: C, evidence: [{measure: pass@0, a: e}]}", `:13: found "pass@0", expected pass@K, growth@K (K even)`},
		{"claims:\n- {text: C, evidence: [{measure: growth@3, a: e}]}", `:13: found "growth@3", expected`},
		{"claims:\n- {text: C, evidence: [{measure: positions, a: e}]}", `:13: the evidence "": positions is a ratio; b is missing`},
		{"claims:\n- {text: C, evidence: [{what: W, measure: pass@1_kept, a: e}]}", `:13: the evidence "W": pass@1_kept is not a measure of e`},
		{"claims:\n- {text: C, evidence: [{what: W, measure: log_likelihood, a: p, b: p}]}", `:13: the evidence "W": log_likelihood is not a measure of p`},
		{"claims:\n- {text: C, evidence: [{what: W, measure: pass@1, a: e, b: p}]}", `:13: the evidence "W": pass@1 is not a measure of p`},
		{"claims:\n- {text: C, evidence: [{what: W, measure: pass@1, a: p}]}", `:13: the evidence "W": pass@1 is not a measure of p`},
		{"claims:\n- {text: C, evidence: [{what: W, measure: pass@1}]}", `:13: the evidence "W" lacks its measure or a`},
		{"claims: {text: C}", `:12: found keys with values, expected a list`},
		{"other: 1", `:12: there is no key "other" here; there are claims, definitions, entries`},
		{"- [", `:13: `},
		{"- {id: o, probe: {kind: oracle, model: ./m}}\nreport:\n- {title: N, noise: {ids: [o]}}", `:14: entry o is a probe of kind oracle; want perturb`},
		{"- {id: o, probe: {kind: oracle, model: ./m}}\nreport:\n- {title: N, interventions: {ids: [o]}}", `:14: entry o is a probe of kind oracle; want intervene`},
		{"report:\n- {title: N, thoughts: {ids: [p]}}", `:13: entry p is a probe of kind perturb; want oracle`},
	} {
		_, err := planOf(t, small+tt.more+"\n")
		if err == nil || !errors.As(err, new(Mistake)) || !strings.Contains(err.Error(), "plan.yaml"+tt.want) {
			t.Errorf("%s:\n%v\nwant %s", tt.more, err, tt.want)
		}
	}
	for _, text := range []string{"", "- 1", "3"} {
		if _, err := planOf(t, text); err == nil || !strings.Contains(err.Error(), "want a plan") {
			t.Errorf("%q is a plan: %v", text, err)
		}
	}
	if _, err := ReadPlan(filepath.Join(t.TempDir(), "none.yaml")); err == nil {
		t.Error("a plan that is not there is read")
	}
}

// A parameter keeps its type, and stands within texts.
func TestParameters(t *testing.T) {
	p, err := planOf(t, small)
	if err != nil {
		t.Fatal(err)
	}
	if a := p.byID["a"].Data; a.N != 4 || a.Bench != "minicode:x" {
		t.Errorf("the entry is %+v", a)
	}
	_, err = planOf(t, "parameters: {l: [1]}\ntitle: a ${l}\n")
	if err == nil || !strings.Contains(err.Error(), ":2: parameter \"l\" is not a single value") {
		t.Errorf("a list within a text: %v", err)
	}
}

// A plan over a base has its values in the base's places, and no others.
func TestBase(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("small.yaml", small)
	p, err := ReadPlan(write("over.yaml", "base: small.yaml\ntitle: U\nparameters: {n: 5}\nseeds: {two: [3, 4, 5]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Title != "U" || p.byID["a"].Data.N != 5 || !slices.Equal(p.Seeds["two"], []uint64{3, 4, 5}) || p.byID["a"].Data.Bench != "minicode:x" {
		t.Errorf("the plan is %+v", p)
	}
	for text, want := range map[string]string{
		"base: small.yaml\nparameters: {m: 5}\n":    `over.yaml:2: ` + filepath.Join(dir, "small.yaml") + ` has no "m" among its parameters`,
		"base: small.yaml\nseeds: {three: [5]}\n":   `over.yaml:2:`,
		"base: small.yaml\nentries: []\n":           `over.yaml:2: there is no key "entries" here; there are base, parameters, seeds, title`,
		"base: none.yaml\n":                         `over.yaml:1: open`,
		"base: over.yaml\n":                         `over.yaml has a base itself`,
		"base: small.yaml\nparameters: {n: some}\n": `small.yaml:5: found "some", expected a whole number`,
	} {
		if _, err := ReadPlan(write("over.yaml", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
}

// The plans of the repository are whole.
func TestPlansOfTheRepository(t *testing.T) {
	for name, want := range map[string][3]int{
		"study": {90, 12, 7}, "study-quick": {90, 12, 7}, "study-tiny": {90, 12, 7},
		"study-seeds": {90, 12, 7}, "study-easy": {90, 12, 7}, "study-rl": {90, 12, 7},
		"study-smollm2": {150, 20, 15}, "study-smollm2-main": {150, 20, 15}, "study-smollm2-read": {150, 20, 15}, "study-smollm2-lines": {150, 20, 15},
		"study-smollm2-quick": {15, 2, 1},
	} {
		p, err := ReadPlan(filepath.Join("../../../scripts", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Entries) < want[0] || len(p.Claims) != want[1] || len(p.Report) != want[2] {
			t.Errorf("%s has %d entries, %d claims and %d sections", name, len(p.Entries), len(p.Claims), len(p.Report))
		}
	}
}
