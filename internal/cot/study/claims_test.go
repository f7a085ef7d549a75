package study

import (
	"strings"
	"testing"

	"nfcot/internal/cot/probe"
	"nfcot/internal/eval"
	"nfcot/internal/eval/harness"
)

// evaluationOf is an evaluation with a string of samples for each problem: '1' passed.
func evaluationOf(problems ...string) *evaluation {
	x := &evaluation{Evaluation: &harness.Evaluation{}}
	for i, samples := range problems {
		x.tasks = append(x.tasks, eval.TaskReport{TaskID: string(rune('a' + i)), Samples: len(samples), Passed: strings.Count(samples, "1")})
		x.MinSamples = len(samples)
	}
	return x
}

// costing is an evaluation whose samples all take so much.
func costing(x *evaluation, positions int, seconds float64) *evaluation {
	for _, t := range x.tasks {
		for range t.Samples {
			x.Verdicts = append(x.Verdicts, eval.Verdict{Sample: eval.Sample{TaskID: t.TaskID, ReasoningPositions: positions, ThinkSeconds: seconds, ThinkFLOPs: seconds}})
		}
	}
	return x
}

// groupOf is a group with an evaluation for each seed from 1 on.
func groupOf(name string, evaluations ...*evaluation) *group {
	g := &group{name: name}
	for i, x := range evaluations {
		g.members = append(g.members, member{seed: seed{value: uint64(i + 1)}, eval: x})
	}
	return g
}

// probed is a group of probes, each with agreement and exact matches at its largest scale.
func probesOf(pairs ...[2]float64) *group {
	g := &group{}
	for i, x := range pairs {
		g.members = append(g.members, member{seed: seed{value: uint64(i)}, probe: &probe.Perturbation{Scales: []probe.PerturbedScale{
			{Scale: 3, PassOne: probe.PassOne{Pass1: 0.8}, Agreement: x[0], Exact: x[1]}, {Scale: 0, PassOne: probe.PassOne{Pass1: 0.8}, Agreement: 1, Exact: 1}}}})
	}
	return g
}

func TestDifferenceByHand(t *testing.T) {
	a := groupOf("a", evaluationOf("1111", "1100"), evaluationOf("1111", "1111"))
	b := groupOf("b", evaluationOf("1100", "0000"), evaluationOf("1100", "1100"))
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
	c := groupOf("c", evaluationOf("0000", "1111"))
	if got, err := against(c, groupOf("d", evaluationOf("1111", "0000")), 1); err != nil || !strings.HasSuffix(got, " ~") {
		t.Errorf("no difference is written %q, %v", got, err)
	}
	b.members[0].eval.ProblemsHash = "others"
	if _, err := pair(a, b); err == nil {
		t.Error("evaluations of different problems are compared")
	}
}

func TestOutcomes(t *testing.T) {
	for _, tt := range []struct {
		low, high float64
		want      Outcome
	}{{0.1, 0.2, Holds}, {-0.1, 0.2, Undecided}, {0, 0.2, Undecided}, {-0.2, -0.1, DoesNot}, {-0.2, 0, DoesNot}, {0, 0, DoesNot}} {
		if got := above(0, eval.Estimate{Low: tt.low, High: tt.high}); got != tt.want {
			t.Errorf("[%g, %g]: %s, want %s", tt.low, tt.high, got, tt.want)
		}
	}
	for _, tt := range []struct {
		of   []Outcome
		want Outcome
	}{
		{nil, Undecided}, {[]Outcome{Holds, Holds}, Holds}, {[]Outcome{Holds, Undecided}, InPart}, {[]Outcome{DoesNot, Holds}, InPart},
		{[]Outcome{DoesNot, Undecided}, DoesNot}, {[]Outcome{Undecided, Undecided}, Undecided},
	} {
		var all []Comparison
		for _, o := range tt.of {
			all = append(all, Comparison{Outcome: o})
		}
		if got := combine(all); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.of, got, tt.want)
		}
	}
}

// Numbers made so that each claim of the plan of the paper has to come out in a certain way.
func TestClaims(t *testing.T) {
	p, err := ReadPlan("../../../scripts/study-tiny.yaml") // pass@4 is the most that is asked for
	if err != nil {
		t.Fatal(err)
	}
	good, bad := evaluationOf("1111", "1111", "1110"), evaluationOf("1000", "0000", "1100")
	growing, flat := evaluationOf("1000", "1000", "1000"), evaluationOf("1111", "1111", "0000")
	r := &results{plan: p, groups: map[string]*group{
		"eval-nfcot":         groupOf("NF-CoT", costing(good, 5, 1)),
		"eval-cot":           groupOf("words", costing(bad, 35, 7)),
		"eval-lavae":         groupOf("LaVAE", good),
		"eval-ladir":         groupOf("LaDiR", good),
		"eval-coconut":       groupOf("Coconut"),
		"cost-nfcot":         groupOf("NF-CoT", costing(evaluationOf("1"), 5, 1)),
		"cost-cot":           groupOf("words", costing(evaluationOf("1"), 35, 7)),
		"cost-ladir":         groupOf("LaDiR", costing(evaluationOf("1"), 5, 2)),
		"eval-many-nfcot":    groupOf("before", good),
		"eval-many-nfcot-rl": groupOf("thoughts", growing),
		"eval-many-cot-rl":   groupOf("words + RL", flat),
		"eval-warm":          groupOf("warm", good),
		"eval-cold":          groupOf("cold", bad),
		"perturb":            probesOf([2]float64{0.9, 0.3}, [2]float64{0.8, 0.2}),
	}}
	decisions, err := r.decide()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Outcome{
		Holds,     // better than words
		Undecided, // no Coconut
		DoesNot,   // the same as LaVAE
		DoesNot,   // the same as LaDiR
		Undecided, // no two passes
		Holds,     // 7 times the positions and seconds
		DoesNot,   // LaDiR takes twice the time, not 2.5 times
		DoesNot,   // RL made it worse
		Holds,     // from k = 2 to 4: 1/2 to 1 against nothing
		Holds,     // stage 1
		Holds,     // noise
		Undecided, // nobody reads beside
	} {
		if decisions[i].Outcome != want {
			t.Errorf("%s: %s, want %s; %v", decisions[i].Claim, decisions[i].Outcome, want, decisions[i].Evidence)
		}
	}
	r.groups["perturb"] = probesOf([2]float64{0.9, 0.3})
	if decisions, err = r.decide(); err != nil || decisions[10].Outcome != Undecided || decisions[10].Evidence[0].Estimate == nil {
		t.Errorf("noise under a single seed: %+v, %v", decisions[10], err)
	}
}

// Comparisons are written with what they want.
func TestComparisonsAreWritten(t *testing.T) {
	e := &eval.Estimate{Value: 0.5, Low: 0.25, High: 0.75}
	for want, c := range map[string]Comparison{
		"W: not measured":                                     {What: "W"},
		"W: +50.0 [+25.0, +75.0] points":                      {What: "W", Estimate: e},
		"W: +50.0 [+25.0, +75.0] points, wanted more than +5": {What: "W", Estimate: e, Threshold: 0.05},
		"W: 0.50 times [0.25, 0.75], wanted more than 2.5":    {What: "W", Estimate: e, Threshold: 2.5, times: true},
	} {
		if got := c.String(); got != want {
			t.Errorf("found %q, want %q", got, want)
		}
	}
}
