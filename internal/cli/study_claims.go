package cli

// The claims of the NF-CoT paper's abstract, and the rules by which a study's
// numbers decide on them.

import (
	"fmt"
	"slices"
	"strings"

	"nfcot/internal/cot/probe"
	"nfcot/internal/eval"
)

// A verdict says what a study's numbers make of a claim.
type verdict string

const (
	holds     verdict = "holds"
	inPart    verdict = "holds in part"
	doesNot   verdict = "does not hold"
	undecided verdict = "not enough evidence"
)

// A claim is one statement and what the study has on it.
type claim struct {
	Claim    string    `json:"claim"`
	Verdict  verdict   `json:"verdict"`
	Evidence []finding `json:"evidence"`
	Paper    string    `json:"paper"` // the paper's own numbers, at its scale
}

// A finding is one comparison: it holds if the whole interval is above the
// threshold, does not if the whole interval is at or below it.
type finding struct {
	What      string         `json:"what"`
	Verdict   verdict        `json:"verdict"`
	Threshold float64        `json:"threshold"`
	Estimate  *eval.Estimate `json:"estimate,omitempty"` // nil: not measured
	unit      string         // "points" or "times"
}

// above decides whether an estimate is above a threshold.
func above(threshold float64, e eval.Estimate) verdict {
	switch {
	case e.Low > threshold:
		return holds
	case e.High <= threshold:
		return doesNot
	}
	return undecided
}

// together is the verdict on a claim with several findings: it holds if all do,
// in part if some do; if none does, one that does not hold decides.
func together(findings []finding) verdict {
	count := map[verdict]int{}
	for _, f := range findings {
		count[f.Verdict]++
	}
	switch {
	case len(findings) > 0 && count[holds] == len(findings):
		return holds
	case count[holds] > 0:
		return inPart
	case count[doesNot] > 0:
		return doesNot
	}
	return undecided
}

// points compares a difference of shares with 0.
func (p pairing) points(what string, values func(*studyEvaluation) []float64) finding {
	f := finding{What: what, Verdict: undecided, unit: "points"}
	if len(p.a) > 0 {
		e := p.difference(values)
		f.Estimate, f.Verdict = &e, above(0, e)
	}
	return f
}

// times compares the ratio of a quantity with a threshold.
func (p pairing) times(what string, q quantity, threshold float64) finding {
	f := finding{What: what, Verdict: undecided, Threshold: threshold, unit: "times"}
	if len(p.a) == 0 {
		return f
	}
	if e := p.ratio(q); e.Low >= 0 && e.High > 0 { // not NaN: b has some of the quantity
		f.Estimate, f.Verdict = &e, above(threshold, e)
	}
	return f
}

// String is the finding with its numbers.
func (f finding) String() string {
	switch {
	case f.Estimate == nil:
		return f.What + ": not measured"
	case f.unit == "times":
		return fmt.Sprintf("%s: %.2f times [%.2f, %.2f], wanted more than %g", f.What, f.Estimate.Value, f.Estimate.Low, f.Estimate.High, f.Threshold)
	}
	return f.What + ": " + f.Estimate.Points() + " points"
}

// claims decides on every claim.
func (s *study) claims() ([]claim, error) {
	ours := s.ofMethod("methods", "nfcot")
	var claims []claim
	var err error
	paired := func(a, b *group) pairing {
		p, e := pair(a, b)
		if err == nil {
			err = e
		}
		return p
	}
	add := func(text, paper string, findings ...finding) {
		claims = append(claims, claim{text, together(findings), findings, paper})
	}

	for _, other := range []struct{ method, name, paper string }{
		{"cot", "explicit CoT", "pass@1 68.8 against 59.9 (SFT)"},
		{"coconut", "Coconut", "no number known"},
		{"lavae", "LaVAE", "pass@1 68.8 against 32.7"},
		{"ladir", "LaDiR", "pass@1 68.8 against 61.6"},
		{"nfcot-dual", "two passes (dual-path)", "pass@1 68.8 against 65.2"},
	} {
		add("NF-CoT has a higher pass@1 than "+other.name, other.paper,
			paired(ours, s.ofMethod("methods", other.method)).points("difference of pass@1", passAt(1)))
	}

	words := paired(s.ofMethod("methods", "cot"), ours)
	timed := paired(s.timed("cot"), s.timed("nfcot"))
	add("Reasoning costs NF-CoT less than explicit CoT", "no number known; 6 times fewer positions is this study's own aim",
		words.times("reasoning positions of explicit CoT", reasoning, 6),
		words.times("FLOPs of its thinking", thinkFLOPs, 1),
		timed.times("seconds of its thinking", thinkSeconds, 1))
	diffusion := paired(s.timed("ladir"), s.timed("nfcot"))
	add("NF-CoT generates thoughts at least 2.5 times faster than LaDiR with 30 denoising steps", "thoughts took 468.2 s against 173.5 s: 2.7 times",
		diffusion.times("seconds of LaDiR's thinking", thinkSeconds, 2.5))

	thoughts, tokens := s.ofMethod("rl", "nfcot"), s.ofMethod("rl", "cot")
	add("RL in thought space raises pass@1", "pass@1 70.1 against 68.8",
		paired(thoughts, s.before(thoughts)).points("difference of pass@1 to before", passAt(1)))
	claims = append(claims, s.growth(paired(thoughts, tokens), thoughts, tokens))

	warm, cold := ours, (*group)(nil)
	if i := slices.IndexFunc(s.groups["ablations"], func(g *group) bool { return strings.Contains(g.name, "stage 1 left out") }); i >= 0 {
		cold = s.groups["ablations"][i]
		if b := s.find("ablations", cold.before); b != nil {
			warm = b
		}
	}
	add("Warm-up (stage 1) matters", "leaving it out costs 2.9, 3.2 and 1.7 points on HumanEval, HumanEval+ and LiveCodeBench v6",
		paired(warm, cold).points("difference of pass@1 to training without it", passAt(1)))
	claims = append(claims, s.perturbed())
	return claims, err
}

// timed is the group whose seconds count for a method: those of part cost were
// measured alone on a quiet machine.
func (s *study) timed(method string) *group {
	if g := s.ofMethod("cost", method); g != nil {
		return g
	}
	g := s.ofMethod("methods", method)
	if g != nil {
		if alone := s.find("cost", g.name); alone != nil {
			return alone
		}
	}
	return g
}

// before is the group that a group of part rl started from, or nil: with as many samples
// as after it where part before has them.
func (s *study) before(g *group) *group {
	if g == nil {
		return nil
	}
	if b := s.find("before", g.before); b != nil {
		return b
	}
	return s.find("methods", g.before)
}

// growth decides whether pass@k still grows after RL in thought space, over the
// last doubling of k that there are samples for, and more than after RL in token
// space.
func (s *study) growth(p pairing, thoughts, words *group) claim {
	c := claim{Claim: "After RL in thought space pass@k keeps growing where RL in token space flattens", Verdict: undecided, Paper: "said of a curve to k = 128"}
	k := 0
	if thoughts != nil {
		k = fewest(thoughts)
	}
	if len(p.a) > 0 {
		k = fewest(thoughts, words)
	}
	if k < 2 {
		c.Evidence = []finding{{What: "growth of pass@k over the last doubling of k", Verdict: undecided}}
		return c
	}
	k -= k % 2
	own := thoughts.over(growth(k))
	step := fmt.Sprintf("from k = %d to %d", k/2, k)
	c.Evidence = []finding{
		{What: "growth " + step + " after RL in thought space", Verdict: above(0, own), Estimate: &own, unit: "points"},
		p.points("more of it than after RL in token space", growth(k)),
	}
	c.Verdict = together(c.Evidence)
	return c
}

// perturbed decides whether noise on thoughts changes the text more than whether it
// is right, at the largest scale: the texts that stay the same are fewer than the
// verdicts that do, and most of pass@1 is kept, without which verdicts agree because
// everything fails. Probes have no numbers by problem: the intervals are over seeds
// alone, and one seed is not enough.
func (s *study) perturbed() claim {
	c := claim{Claim: "Noise on thoughts changes the text more than its correctness", Verdict: undecided,
		Paper: "at scale 3: verdicts agree for 0.888, texts for 0.278; pass@1 83.6 against 86.0"}
	agreement, kept := [][]float64{}, [][]float64{}
	if groups := s.groups["perturb"]; len(groups) > 0 {
		for _, m := range groups[0].members {
			if m.probe == nil {
				continue
			}
			none, most := ends(m.probe)
			agreement = append(agreement, []float64{most.Agreement - most.Exact})
			if none.Pass1 > 0 {
				kept = append(kept, []float64{most.Pass1/none.Pass1 - 0.5})
			}
		}
	}
	for _, f := range []struct {
		what   string
		values [][]float64
	}{{"share of verdicts that stay minus share of texts that stay", agreement}, {"share of pass@1 that stays, beyond one half", kept}} {
		found := finding{What: f.what, Verdict: undecided, unit: "points"}
		if len(f.values) > 0 {
			e := eval.MeanOverSeeds(f.values)
			found.Estimate = &e
			if len(f.values) > 1 {
				found.Verdict = above(0, e)
			}
		}
		c.Evidence = append(c.Evidence, found)
	}
	c.Verdict = together(c.Evidence)
	return c
}

// ends are the smallest and the largest scale.
func ends(p *probe.Perturbation) (none, most probe.PerturbedScale) {
	none, most = p.Scales[0], p.Scales[0]
	for _, s := range p.Scales {
		if s.Scale < none.Scale {
			none = s
		}
		if s.Scale > most.Scale {
			most = s
		}
	}
	return none, most
}
