package study

import (
	"bytes"
	"fmt"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot/experiment"
)

// elsewhere finds what a page would fetch: all but places within it and its empty icon.
var elsewhere = regexp.MustCompile(`(?i)https?:|src=|href=[^"]|href="[^#d]|href="d[^a]|url\(|@import|<script`)

// A whole study leaves a page that needs nothing else, Markdown, and every figure as SVG and PNG; all of them name every
// method, and a second report has the same bytes.
func TestReport(t *testing.T) {
	dir, out, again := t.TempDir(), t.TempDir(), t.TempDir()
	p := fakeStudy(t, dir)
	for _, to := range []string{out, again} {
		d, err := NewReport(p, dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Write(to); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{}
	entries, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(out, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(text)
		if second, _ := os.ReadFile(filepath.Join(again, entry.Name())); !bytes.Equal(text, second) {
			t.Errorf("%s: a second report has other bytes", entry.Name())
		}
		if strings.HasSuffix(entry.Name(), ".png") {
			if _, err := png.Decode(bytes.NewReader(text)); err != nil {
				t.Errorf("%s: %v", entry.Name(), err)
			}
		}
	}
	if found := elsewhere.FindString(files["index.html"]); found != "" {
		t.Errorf("index.html has %s in it", found)
	}
	for _, name := range []string{"index.html", "results.md", "accuracy.svg", "pass_at_k.svg", "positions.svg"} {
		for _, row := range p.Report[0].Accuracy.Rows.Rows {
			if method := p.name(p.byID[row.ID.ID]); !strings.Contains(files[name], method) {
				t.Errorf("%s does not name %s", name, method)
			}
		}
	}
	for _, figure := range []string{"accuracy", "pass_at_k", "positions", "training", "thoughts", "cost_flops", "cost_seconds", "rl_pass_at_k", "rl_curves", "budget", "ablations", "perturb"} {
		if files[figure+".svg"] == "" || files[figure+".png"] == "" {
			t.Errorf("there is no figure %s", figure)
		}
		if !strings.Contains(files["results.md"], "]("+figure+".svg)") {
			t.Errorf("results.md does not show %s", figure)
		}
	}
	for _, row := range []string{"| NF-CoT | own | 80.0 [80.0, 80.0] | 2.0 [1.0, 3.0] | -2.00 [-3.00, -1.00] | -8.00 [-8.00, -8.00] |", "| Coconut | other | 10.0 [10.0, 10.0] | 75.0 "} {
		if !strings.Contains(files["results.md"], row) {
			t.Errorf("results.md has no row %s", row)
		}
	}
	for _, bad := range []string{"Left out", "not measured", "NaN"} {
		if strings.Contains(files["results.md"], bad) {
			t.Errorf("results.md has %q in it", bad)
		}
	}
}

// unit finds the unit that a title names.
var unit = regexp.MustCompile(`, in (\S+?)(,| a |$)`)

// Tables and figures say what they are; a figure's title has the units of its axes, and numbers have the digits of their
// columns.
func TestReportSaysWhatItShows(t *testing.T) {
	dir := t.TempDir()
	r, err := NewReport(fakeStudy(t, dir), dir)
	if err != nil {
		t.Fatal(err)
	}
	units := map[string]string{}
	for _, s := range r.Sections {
		titles := map[string]bool{}
		for _, table := range s.Tables {
			if table.Title == "" || titles[table.Title] || slices.Contains(table.Header, "") {
				t.Errorf("section %s: a table has the title %q and the header %q", s.Title, table.Title, table.Header)
			}
			titles[table.Title] = true
		}
		for _, f := range s.Figures {
			if f.Title == "" {
				t.Errorf("figure %s has no title", f.Name)
			}
			if match := unit.FindStringSubmatch(f.Title); match != nil {
				units[f.Name] = match[1]
				if p := f.Panels[0]; !slices.Contains(strings.FieldsFunc(p.X+" "+p.Y, func(r rune) bool { return r == ' ' || r == ',' }), match[1]) {
					t.Errorf("figure %s: the title is %q, the axes are %q and %q", f.Name, f.Title, p.X, p.Y)
				}
			}
		}
	}
	if want := map[string]string{"cost_flops": "MFLOP", "cost_seconds": "ms", "budget": "TFLOP"}; !maps.Equal(units, want) {
		t.Errorf("titles name the units %v, want %v", units, want)
	}
}

func TestSignificant(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.3: "0.300", 0.0526: "0.0526", 9.7: "9.70", 14.53: "14.5", 200: "200", 1234.5: "1234"} {
		if got := significant(v); got != want {
			t.Errorf("%g is written %s, want %s", v, got, want)
		}
	}
}

// What is not there is left out, with a line that says so; seeds that lack a method count for the others.
func TestReportWithGaps(t *testing.T) {
	dir := t.TempDir()
	p := fakeStudy(t, dir)
	for _, gone := range []string{"seed1/eval-lavae", "seed2/eval-ladir", "seed1/nfcot", "seed3/perturb.json",
		"seed1/eval-many-cot-rl", "seed2/eval-many-cot-rl", "seed3/eval-many-cot-rl",
		"seed1/eval-cot-50", "seed1/eval-cot-200", "seed1/eval-nfcot-50", "seed1/eval-nfcot-200", "seed1/eval-nfcot", "seed1/eval-cot"} {
		if err := os.RemoveAll(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := NewReport(p, dir)
	if err != nil {
		t.Fatal(err)
	}
	missing := strings.Join(d.Sections[len(d.Sections)-1].Text, "\n")
	for _, want := range []string{"LaVAE: seed1/eval-lavae is not there.", "NF-CoT: seed3/perturb.json is not there.",
		"explicit CoT + RL: eval-many-cot-rl is not there, under none of its seeds.", "There is nothing for section Accuracy against budget."} {
		if !strings.Contains(missing, want) {
			t.Errorf("the report does not say %q but\n%s", want, missing)
		}
	}
	for _, row := range d.Sections[1].Tables[0].Rows {
		if row[0] == "LaVAE" && row[1] != "2, 3" || row[0] == "LaDiR" && row[1] != "1, 3" || row[0] == "NF-CoT" && row[1] != "2, 3" {
			t.Errorf("%s has the seeds %s", row[0], row[1])
		}
	}
	if more := d.Claims[8].Evidence[1]; more.Estimate != nil || more.Outcome != Undecided {
		t.Errorf("evidence without one of its sides is %+v", more)
	}
	if d, err = NewReport(p, t.TempDir()); err != nil || len(d.Sections) != 2 {
		t.Errorf("of nothing there are %d sections, want claims and what is left out; %v", len(d.Sections), err)
	}
}

func TestReportRefusesDamage(t *testing.T) {
	dir := t.TempDir()
	p := fakeStudy(t, dir)
	for _, tt := range []struct{ file, content, want string }{
		{"seed1/perturb.json", "{", "perturb.json: unexpected end"},
		{"seed1/perturb.json", "{}", "perturb.json: it has no scales"},
		{"seed2/intervene-lavae.json", "{}", "intervene-lavae.json: it has no interventions"},
		{"seed2/eval-nfcot/report.json", "[]", "report.json: json: cannot unmarshal"},
		{"seed2/eval-nfcot/verdicts.jsonl", "", "verdicts.jsonl"},
		{"seed3/ladir/metrics.jsonl", "{}\n{", "metrics.jsonl:2: invalid JSON"},
		{"seed3/ladir/" + experiment.ModelFile, "damaged", "model.safetensors"},
	} {
		path := filepath.Join(dir, tt.file)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write := func(content []byte) {
			t.Helper()
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write([]byte(tt.content))
		if _, err := NewReport(p, dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.file, err, tt.want)
		}
		write(whole)
	}
}

// Another way of drawing from a run has results of its own, and its training is shown with those of the first.
func TestTrainingIsShownOnce(t *testing.T) {
	dir := t.TempDir()
	d, err := NewReport(fakeStudy(t, dir), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range d.Sections[1].Figures {
		var names []string
		for _, s := range f.Panels[0].Series {
			names = append(names, s.Name)
		}
		if got := slices.Contains(names, "NF-CoT, likeliest thoughts"); f.Name == "training" && got || f.Name == "pass_at_k" && !got {
			t.Errorf("figure %s has %q", f.Name, names)
		}
	}
}

// The report of the plan on a model of others has every section: methods are compared within their task, figures that
// several sections have are files of their own, accuracy is drawn over examples, and thoughts are read as text.
func TestReportOfSeveralTasks(t *testing.T) {
	p, err := ReadPlan("../../../scripts/study-smollm2.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fakeResults(t, p, dir)
	r, err := NewReport(p, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Sections) != len(p.Report)+1 {
		t.Errorf("there are %d sections, want the plan's %d and the claims: %q", len(r.Sections), len(p.Report), r.Sections[len(r.Sections)-1].Text)
	}
	names := map[string]bool{}
	for _, s := range r.Sections {
		for _, f := range s.Figures {
			if names[f.Name] {
				t.Errorf("two figures are called %s", f.Name)
			}
			names[f.Name] = true
			if s.Title == "Main: how much compute" {
				var times []float64
				for _, point := range f.Panels[0].Series[0].Points {
					times = append(times, math.Round(point.X/f.Panels[0].Series[0].Points[0].X))
				}
				if !slices.Equal(times, []float64{1, 2, 3}) {
					t.Errorf("trainings that go on from one another are drawn at %v times the compute of the first, want 1, 2, 3", times)
				}
			}
			if s.Title == "How few examples" {
				var all [][]float64
				for _, line := range f.Panels[0].Series {
					var xs []float64
					for _, point := range line.Points {
						xs = append(xs, point.X)
					}
					all = append(all, xs)
				}
				if got, want := fmt.Sprint(all), "[[1600 3200 6400 6400 12800] [800 1600 3200 6400 6400] [1600 3200 6400 6400 12800] [1600 3200 6400 6400 12800]]"; got != want {
					t.Errorf("accuracy is drawn over %s examples, want %s", got, want)
				}
			}
		}
	}
	var cells []string
	for _, s := range r.Sections {
		for _, table := range s.Tables {
			for _, row := range append([][]string{table.Header}, table.Rows...) {
				cells = append(cells, strings.Join(row, " | "))
			}
		}
	}
	for _, want := range []string{"method | seeds | pass@1, % | pass@4, % | difference of pass@1 to NF-CoT, fold, points",
		"method | seeds | pass@1, % | pass@4, % | difference of pass@1 to NF-CoT, GSM8K, points",
		"LaVAE, main | task/0 | thought 2, wrong | x | 4", "NF-CoT, GSM8K | task/0 | answer | y = x;   return y"} {
		if !slices.Contains(cells, want) {
			t.Errorf("no row of a table is %s", want)
		}
	}
}

// The axis has what a training began from, also where no other section looks at that.
func TestBudgetOfATrainingFromAnother(t *testing.T) {
	p, err := planOf(t, `seeds: {two: [1, 2]}
entries:
- {id: r-10, seeds: two, train: {method: cot, data: ./x, set: {batch: 4}}}
- {id: s-20, seeds: two, train: {init: r-10, data: ./x, set: {batch: 8}}}
- {id: e, seeds: two, eval: {model: s-20, bench: b}}
report:
- {title: R, budget: {over: examples, lines: [{name: L, ids: [e]}]}}
`)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fakeResults(t, p, dir)
	report, err := NewReport(p, dir)
	if err != nil {
		t.Fatal(err)
	}
	rows := report.Sections[0].Tables[0].Rows
	if len(rows) != 2 || rows[0][2] != "200" || rows[1][2] != "200" { // 10 steps of 4 examples and 20 of 8
		t.Errorf("the table has %q", rows)
	}
}

func TestBudgetAxes(t *testing.T) {
	for over, want := range map[string]string{"steps": `over is "steps"; want flops or examples`, "examples": "entry e: how many examples a step has is not in the plan"} {
		_, err := planOf(t, small+"report:\n- {title: R, budget: {over: "+over+", lines: [{name: L, ids: [e]}]}}\n")
		if err == nil || !strings.Contains(err.Error(), ":13: "+want) {
			t.Errorf("over %s: %v; want %s", over, err, want)
		}
	}
}
