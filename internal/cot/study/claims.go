package study

import (
	"fmt"

	"nfcot/internal/cot/probe"
	"nfcot/internal/eval"
)

// An Outcome says what numbers make of a claim or a comparison.
type Outcome string

// The outcomes.
const (
	Holds     Outcome = "holds"
	InPart    Outcome = "holds in part"
	DoesNot   Outcome = "does not hold"
	Undecided Outcome = "not enough evidence"
)

// A Decision is a claim with what the study has on it.
type Decision struct {
	Claim    string       `json:"claim"`
	Outcome  Outcome      `json:"verdict"`
	Evidence []Comparison `json:"evidence"`
	Paper    string       `json:"paper"`
}

// A Comparison is measured evidence: it holds if the whole interval is above the threshold, does not if the whole
// interval is at or below it.
type Comparison struct {
	What      string         `json:"what"`
	Outcome   Outcome        `json:"verdict"`
	Threshold float64        `json:"threshold"`
	Estimate  *eval.Estimate `json:"estimate,omitempty"` // nil: not measured
	times     bool           // a ratio; otherwise nats, or a share, or a difference of these
	nats      bool
}

// above decides whether an estimate is above a threshold.
func above(threshold float64, e eval.Estimate) Outcome {
	switch {
	case e.Low > threshold:
		return Holds
	case e.High <= threshold:
		return DoesNot
	}
	return Undecided
}

// combine decides on a claim with several comparisons: it holds if all do, in part if some do; if none does, one that
// does not hold decides.
func combine(all []Comparison) Outcome {
	count := map[Outcome]int{}
	for _, c := range all {
		count[c.Outcome]++
	}
	switch {
	case len(all) > 0 && count[Holds] == len(all):
		return Holds
	case count[Holds] > 0:
		return InPart
	case count[DoesNot] > 0:
		return DoesNot
	}
	return Undecided
}

// String is the comparison with its numbers.
func (c Comparison) String() string {
	wanted := fmt.Sprintf(", wanted more than %g", c.Threshold)
	switch {
	case c.Estimate == nil:
		return c.What + ": not measured"
	case c.times:
		return fmt.Sprintf("%s: %.2f times [%.2f, %.2f]", c.What, c.Estimate.Value, c.Estimate.Low, c.Estimate.High) + wanted
	case c.nats:
		return fmt.Sprintf("%s: %+.2f nats [%+.2f, %+.2f]", c.What, c.Estimate.Value, c.Estimate.Low, c.Estimate.High) + wanted
	case c.Threshold == 0:
		wanted = ""
	default:
		wanted = fmt.Sprintf(", wanted more than %+g", 100*c.Threshold)
	}
	return c.What + ": " + c.Estimate.Points() + " points" + wanted
}

// decide decides on every claim of the plan.
func (r *results) decide() ([]Decision, error) {
	var all []Decision
	for _, claim := range r.plan.Claims {
		d := Decision{Claim: claim.Text, Paper: claim.Paper}
		for _, x := range claim.Evidence {
			c, err := r.compare(x)
			if err != nil {
				return nil, err
			}
			d.Evidence = append(d.Evidence, c)
		}
		d.Outcome = combine(d.Evidence)
		all = append(all, d)
	}
	return all, nil
}

// compare measures evidence.
func (r *results) compare(x Evidence) (Comparison, error) {
	c := Comparison{What: x.What, Outcome: Undecided, Threshold: x.Above, times: x.Measure.ratio != nil, nats: x.Measure.nats}
	a, b := r.of(x.A), r.of(x.B)
	paired, err := pair(a, b)
	if err != nil {
		return c, err
	}
	if x.Measure.nats {
		if c.Estimate, err = a.likelier(b); c.Estimate != nil {
			c.Outcome = above(x.Above, *c.Estimate)
		}
		return c, err
	}
	var e eval.Estimate
	switch m := x.Measure; {
	case m.noise != nil:
		var enough bool
		if c.Estimate, enough = a.noise(m.noise); enough {
			c.Outcome = above(x.Above, *c.Estimate)
		}
		return c, nil
	case fewest(a, b) < m.k, x.B.ID == "" && len(a.evaluated()) == 0, x.B.ID != "" && len(paired.a) == 0:
		return c, nil
	case m.ratio != nil:
		if e = paired.ratio(m.ratio); !(e.Low >= 0 && e.High > 0) {
			return c, nil // NaN: b has none of it
		}
	case x.B.ID == "":
		e = a.over(m.value)
	default:
		e = paired.difference(m.value)
	}
	c.Estimate, c.Outcome = &e, above(x.Above, e)
	return c, nil
}

// noise estimates a number of probes. Probes have none by problem: the intervals are over seeds alone, and one seed is
// not enough.
func (g *group) noise(of func(*probe.Perturbation) (float64, bool)) (estimate *eval.Estimate, enough bool) {
	var values [][]float64
	for _, m := range g.members {
		if x, ok := of(m.probe); ok {
			values = append(values, []float64{x})
		}
	}
	if len(values) == 0 {
		return nil, false
	}
	e := eval.MeanOverSeeds(values)
	return &e, len(values) > 1
}

// likelier estimates how much likelier right answers are than in other probes of the same problems, in nats, paired by
// problem and seed; nil if no seed has both.
func (g *group) likelier(than *group) (*eval.Estimate, error) {
	var all [][]float64
	for _, m := range g.members {
		for _, n := range than.members {
			if m.seed != n.seed {
				continue
			}
			if len(m.likelihood.Problems) != len(n.likelihood.Problems) {
				return nil, fmt.Errorf("%s and %s are likelihoods of different problems and cannot be compared", g.name, than.name)
			}
			values := make([]float64, len(m.likelihood.Problems))
			for i, p := range m.likelihood.Problems {
				other := n.likelihood.Problems[i]
				if p.TaskID != other.TaskID {
					return nil, fmt.Errorf("%s and %s are likelihoods of different problems and cannot be compared", g.name, than.name)
				}
				values[i] = p.LogProb - other.LogProb
			}
			all = append(all, values)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	e := eval.MeanOverSeeds(all)
	return &e, nil
}

// checkEvidence refuses evidence, in a line of the plan, whose measure is not one of what it names.
func (p *Plan) checkEvidence(x Evidence, line int) error {
	kind := func(r Ref) string {
		if e := p.byID[r.ID]; e != nil && e.Probe != nil {
			return e.Probe.Kind
		}
		return ""
	}
	switch m := x.Measure; {
	case m.Name == "" || x.A.ID == "":
		return p.mistake(line, "the evidence %q lacks its measure or a, what it is measured of", x.What)
	case m.probe() != kind(x.A):
		return p.mistake(line, "the evidence %q: %s is not a measure of %s", x.What, m.Name, x.A.ID)
	case m.noise != nil && x.B.ID != "":
		return p.mistake(line, "the evidence %q: %s is measured of one probe of kind perturb", x.What, m.Name)
	case m.nats && x.B.ID == "":
		return p.mistake(line, "the evidence %q: %s is a difference; b is missing", x.What, m.Name)
	case x.B.ID != "" && m.probe() != kind(x.B):
		return p.mistake(line, "the evidence %q: %s is not a measure of %s", x.What, m.Name, x.B.ID)
	case m.ratio != nil && x.B.ID == "":
		return p.mistake(line, "the evidence %q: %s is a ratio; b is missing", x.What, m.Name)
	}
	return nil
}
