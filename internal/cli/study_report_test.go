package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nfcot/internal/cot/probe"
	"nfcot/internal/eval"
	"nfcot/internal/page"
)

// reportOf runs nfcot report on a study.
func reportOf(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(append([]string{"nfcot", "report", "--study"}, args...), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// elsewhere finds what a page would fetch.
var elsewhere = regexp.MustCompile(`(?i)https?:|src=|href=|url\(|@import|<script|<link`)

// A whole study leaves a page that needs nothing else, Markdown, and every figure
// as SVG and PNG; all of them name every method, and a second report has the same
// bytes.
func TestStudyReport(t *testing.T) {
	dir, out, again := t.TempDir(), t.TempDir(), t.TempDir()
	fakeStudy(t, dir)
	code, stdout, stderr := reportOf(t, dir, "-o", out)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if code, _, stderr := reportOf(t, dir, "-o", again); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	files := map[string]string{"stdout": stdout}
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
	for _, name := range []string{"stdout", "index.html", "results.md", "accuracy.svg", "pass_at_k.svg", "positions.svg", "training.svg"} {
		for _, m := range fakeMethods {
			if !strings.Contains(files[name], m.name) {
				t.Errorf("%s does not name %s", name, m.name)
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
	if strings.Contains(stdout, "LEFT OUT") || strings.Contains(stdout, "not measured") {
		t.Errorf("something of the whole study was left out:\n%s", stdout)
	}
	if strings.Contains(files["results.md"], "NaN") || strings.Contains(files["index.html"], "NaN") {
		t.Error("a number is NaN")
	}
}

// What is not there is left out, with a line that says so; seeds that lack a method
// count for the others.
func TestStudyWithGaps(t *testing.T) {
	dir := t.TempDir()
	fakeStudy(t, dir)
	for _, gone := range []string{"seed1/eval LaVAE", "seed2/eval LaDiR", "seed1/run NF-CoT", "seed3/perturb.json", "seed1/eval rl Explicit CoT",
		"seed2/eval rl Explicit CoT", "seed3/eval rl Explicit CoT"} {
		if err := os.RemoveAll(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, studyFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.SplitAfter(string(text), "\n"), func(line string) bool { return strings.Contains(line, `"curve"`) })
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := reportOf(t, dir, "-o", t.TempDir(), "--json")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var report struct {
		Claims   []claim
		Sections []page.Section
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	missing := strings.Join(report.Sections[len(report.Sections)-1].Text, "\n")
	for _, want := range []string{"methods, LaVAE, seed 1: seed1/eval LaVAE is not there.", "perturb, NF-CoT, seed 3: seed3/perturb.json is not there.",
		"The study has nothing of part curve."} {
		if !strings.Contains(missing, want) {
			t.Errorf("the report does not say %q but\n%s", want, missing)
		}
	}
	for _, row := range report.Sections[1].Tables[0].Rows {
		if row[0] == "LaVAE" && row[1] != "2, 3" || row[0] == "LaDiR" && row[1] != "1, 3" || row[0] == "NF-CoT" && row[1] != "1, 2, 3" {
			t.Errorf("%s has the seeds %s", row[0], row[1])
		}
	}
}

func TestStudyRefusesDamage(t *testing.T) {
	dir := t.TempDir()
	fakeStudy(t, dir)
	for _, tt := range []struct{ file, content, want string }{
		{studyFile, "{", "study.jsonl:1: invalid JSON"},
		{studyFile, `{"part":"other","name":"x"}`, `entry 1: part is "other"`},
		{studyFile, `{"part":"rl"}`, "entry 1: it has no name"},
		{studyFile, `{"part":"perturb","name":"x","probe":"seed1/perturb.json"}` + "\n" + `{"part":"perturb","name":"x","probe":"seed1/perturb.json"}`, `has two entries "x" with seed 0`},
		{"seed1/perturb.json", "{", "perturb.json: unexpected end"},
		{"seed1/perturb.json", "{}", "perturb.json: it has no scales"},
		{"seed2/eval NF-CoT/report.json", "[]", "report.json: json: cannot unmarshal"},
		{"seed2/eval NF-CoT/verdicts.jsonl", "", "found 0 verdicts, expected the 192"},
		{"seed3/run LaDiR/metrics.jsonl", "{}\n{", "metrics.jsonl:2: invalid JSON"},
		{"seed3/run LaDiR/model.safetensors", "damaged", "model.safetensors"},
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
		code, stdout, stderr := reportOf(t, dir)
		if code != exitBadInput || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d, %q; want one line with %q", tt.file, code, stderr, tt.want)
		}
		write(whole)
	}
}

// evaluationOf is an evaluation with a string of samples for each problem: '1' passed.
func evaluationOf(problems ...string) *studyEvaluation {
	x := &studyEvaluation{}
	for _, samples := range problems {
		x.tasks = append(x.tasks, eval.TaskReport{Samples: len(samples), Passed: strings.Count(samples, "1")})
		x.MinSamples = len(samples)
	}
	return x
}

// groupOf is a method's group with an evaluation for each seed from 1 on.
func groupOf(name, method string, evaluations ...*studyEvaluation) *group {
	g := &group{name: name, method: method, before: "before"}
	for i, x := range evaluations {
		g.members = append(g.members, member{seed: uint64(i + 1), eval: x})
	}
	return g
}

func TestDifferenceByHand(t *testing.T) {
	a := groupOf("a", "nfcot", evaluationOf("1111", "1100"), evaluationOf("1111", "1111"))
	b := groupOf("b", "cot", evaluationOf("1100", "0000"), evaluationOf("1100", "1100"))
	p, err := pair(a, b)
	if err != nil {
		t.Fatal(err)
	}
	// Every problem differs by a half.
	if got := p.difference(passAt(1)); got.Value != 0.5 || got.Low != 0.5 || got.High != 0.5 {
		t.Errorf("the difference is %+v", got)
	}
	// pass@2 of 2 in 4 is 5/6, that of none 0: differences of 1/6, 5/6, 1/6, 1/6.
	if got := p.difference(passAt(2)).Value; got < 1./3-1e-9 || got > 1./3+1e-9 {
		t.Errorf("the difference of pass@2 is %g", got)
	}
	if got, err := against(b, a, 1); err != nil || got != "-50.0 [-50.0, -50.0]" {
		t.Errorf("the difference is written %q, %v", got, err)
	}
	c := groupOf("c", "cot", evaluationOf("0000", "1111"))
	if got, err := against(c, groupOf("d", "cot", evaluationOf("1111", "0000")), 1); err != nil || !strings.HasSuffix(got, " ~") {
		t.Errorf("no difference is written %q, %v", got, err)
	}
	b.members[0].eval.ProblemsHash = "others"
	if _, err := pair(a, b); err == nil {
		t.Error("evaluations of different problems are compared")
	}
}

func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		low, high float64
		want      verdict
	}{{0.1, 0.2, holds}, {-0.1, 0.2, undecided}, {0, 0.2, undecided}, {-0.2, -0.1, doesNot}, {-0.2, 0, doesNot}, {0, 0, doesNot}} {
		if got := above(0, eval.Estimate{Low: tt.low, High: tt.high}); got != tt.want {
			t.Errorf("[%g, %g]: %s, want %s", tt.low, tt.high, got, tt.want)
		}
	}
	for _, tt := range []struct {
		of   []verdict
		want verdict
	}{
		{nil, undecided}, {[]verdict{holds, holds}, holds}, {[]verdict{holds, undecided}, inPart}, {[]verdict{doesNot, holds}, inPart},
		{[]verdict{doesNot, undecided}, doesNot}, {[]verdict{undecided, undecided}, undecided},
	} {
		var findings []finding
		for _, v := range tt.of {
			findings = append(findings, finding{Verdict: v})
		}
		if got := together(findings); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.of, got, tt.want)
		}
	}
}

// Studies made so that each claim has to come out in a certain way.
func TestClaims(t *testing.T) {
	good, bad := evaluationOf("1111", "1111", "1110"), evaluationOf("1000", "0000", "1100")
	cost := func(x *studyEvaluation, positions int, seconds float64) *studyEvaluation {
		for i := range x.tasks {
			x.tasks[i].TaskID = string(rune('a' + i))
			for range x.tasks[i].Samples {
				x.Verdicts = append(x.Verdicts, eval.Verdict{Sample: eval.Sample{TaskID: x.tasks[i].TaskID, ReasoningPositions: positions, ThinkSeconds: seconds, ThinkFLOPs: seconds}})
			}
		}
		return x
	}
	probe := func(agreement, exact float64) member {
		return member{probe: &probe.Perturbation{Scales: []probe.PerturbedScale{{Scale: 3, PassOne: probe.PassOne{Pass1: 0.8}, Agreement: agreement, Exact: exact}, {Scale: 0, PassOne: probe.PassOne{Pass1: 0.8}, Agreement: 1, Exact: 1}}}}
	}
	growing, flat := evaluationOf("1000", "1000", "1000"), evaluationOf("1111", "1111", "0000")
	s := &study{groups: map[string][]*group{
		"methods": {
			groupOf("before", "nfcot", cost(good, 5, 1)), groupOf("words", "cot", cost(bad, 35, 7)), groupOf("LaVAE", "lavae", good),
			groupOf("LaDiR", "ladir", cost(evaluationOf("1111", "1111", "1110"), 5, 2)),
		},
		"rl":        {groupOf("thoughts", "nfcot", growing), groupOf("words + RL", "cot", flat)},
		"ablations": {groupOf("stage 1 left out", "nfcot", bad)},
		"perturb":   {{members: []member{probe(0.9, 0.3), probe(0.8, 0.2)}}},
	}}
	claims, err := s.claims()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []verdict{
		holds,     // better than words
		undecided, // no Coconut
		doesNot,   // the same as LaVAE
		doesNot,   // the same as LaDiR
		undecided, // no two passes
		holds,     // 7 times the positions and seconds
		doesNot,   // LaDiR takes twice the time, not 2.5 times
		doesNot,   // RL made it worse
		holds,     // from k = 2 to 4: 1/2 to 1 against nothing
		holds,     // stage 1
		holds,     // noise
	} {
		if claims[i].Verdict != want {
			t.Errorf("%s: %s, want %s; %v", claims[i].Claim, claims[i].Verdict, want, claims[i].Evidence)
		}
	}
	s.groups["perturb"][0].members = s.groups["perturb"][0].members[:1]
	if got := s.perturbed().Verdict; got != undecided {
		t.Errorf("noise under a single seed: %s", got)
	}
}

// Another way of drawing from a run has results of its own, and its training is shown
// with those of the first.
func TestTrainingIsShownOnce(t *testing.T) {
	dir := t.TempDir()
	fakeStudy(t, dir)
	f, err := os.OpenFile(filepath.Join(dir, studyFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(`{"part":"methods","name":"drawn otherwise","method":"nfcot-mean","seed":1,"run":"seed1/run NF-CoT","eval":"seed1/eval LaVAE"}` + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	s, err := readStudy(dir)
	if err != nil {
		t.Fatal(err)
	}
	again := s.find("methods", "drawn otherwise")
	if again == nil || len(again.evaluated()) != 1 || again.first() != nil {
		t.Errorf("of the run drawn from otherwise there is %+v, want its evaluation alone", again)
	}
	if g := s.find("methods", "NF-CoT"); g.first() == nil {
		t.Error("the run has lost its training")
	}
}
