package study

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"nfcot/internal/cot/probe"
	"nfcot/internal/eval"
)

// A Measure is what evidence compares. In the plan it is one of
//
//	pass@K, growth@K       of evaluations: pass@K, and pass@K minus pass@(K/2)
//	positions, think_flops, answer_flops, think_seconds, answer_seconds
//	                       of evaluations: the ratio of what a sample takes on average
//	verdicts_beyond_texts, pass@1_kept
//	                       of noise on thoughts, at its largest scale: the share of verdicts that stay minus the share
//	                       of texts that stay, and pass@1 over that without noise
//	log_likelihood         of probes of kind likelihood: log p(right answer | prompt) in nats, a minus b
//
// and has one of its functions.
type Measure struct {
	Name  string
	k     int // samples a problem that it needs
	value func(*evaluation) []float64
	ratio perSample
	noise func(*probe.Perturbation) (x float64, ok bool)
	nats  bool // log_likelihood
}

// probe is the kind of probe that the measure is of; "" for one of evaluations.
func (m Measure) probe() string {
	switch {
	case m.noise != nil:
		return "perturb"
	case m.nats:
		return "likelihood"
	}
	return ""
}

// A perSample is a number that a sample has.
type perSample func(*eval.Verdict) float64

var (
	reasoning     perSample = func(v *eval.Verdict) float64 { return float64(v.ReasoningPositions) }
	thinkFLOPs    perSample = func(v *eval.Verdict) float64 { return v.ThinkFLOPs }
	answerFLOPs   perSample = func(v *eval.Verdict) float64 { return v.AnswerFLOPs }
	thinkSeconds  perSample = func(v *eval.Verdict) float64 { return v.ThinkSeconds }
	answerSeconds perSample = func(v *eval.Verdict) float64 { return v.AnswerSeconds }
)

// UnmarshalYAML implements yaml.Unmarshaler.
func (m *Measure) UnmarshalYAML(n *yaml.Node) error {
	*m = Measure{Name: n.Value}
	if of, ok := map[string]perSample{"positions": reasoning, "think_flops": thinkFLOPs, "answer_flops": answerFLOPs,
		"think_seconds": thinkSeconds, "answer_seconds": answerSeconds}[n.Value]; ok {
		m.ratio = of
		return nil
	}
	name, digits, _ := strings.Cut(n.Value, "@")
	k, err := strconv.Atoi(digits)
	switch {
	case n.Value == "log_likelihood":
		m.nats = true
	case n.Value == "verdicts_beyond_texts":
		m.noise = verdictsBeyondTexts
	case n.Value == "pass@1_kept":
		m.noise = passKept
	case name == "pass" && err == nil && k > 0:
		m.k, m.value = k, passAt(k)
	case name == "growth" && err == nil && k > 1 && k%2 == 0:
		m.k, m.value = k, growth(k)
	default:
		return fmt.Errorf("there is no measure %q", n.Value)
	}
	return nil
}

// Expected says what a measure is in a plan.
func (*Measure) Expected() string {
	return "pass@K, growth@K (K even), positions, think_flops, answer_flops, think_seconds, answer_seconds, verdicts_beyond_texts, pass@1_kept or log_likelihood"
}

// perProblem is the mean of a number over the samples of each problem, in the order of x.tasks.
func (x *evaluation) perProblem(of perSample) []float64 {
	at := map[string]int{}
	for i, t := range x.tasks {
		at[t.TaskID] = i
	}
	means := make([]float64, len(x.tasks))
	for i := range x.Verdicts {
		v := &x.Verdicts[i]
		task := at[v.TaskID]
		means[task] += of(v) / float64(x.tasks[task].Samples)
	}
	return means
}

// passAt is pass@k of each problem.
func passAt(k int) func(*evaluation) []float64 {
	return func(x *evaluation) []float64 {
		values := make([]float64, len(x.tasks))
		for i, t := range x.tasks {
			values[i] = eval.PassAtK(t.Samples, t.Passed, k)
		}
		return values
	}
}

// growth is pass@k minus pass@(k/2) of each problem.
func growth(k int) func(*evaluation) []float64 {
	return func(x *evaluation) []float64 {
		values := passAt(k)(x)
		for i, half := range passAt(k / 2)(x) {
			values[i] -= half
		}
		return values
	}
}

func verdictsBeyondTexts(p *probe.Perturbation) (float64, bool) {
	_, most := ends(p)
	return most.Agreement - most.Exact, true
}

// passKept is not known where nothing passes without noise.
func passKept(p *probe.Perturbation) (float64, bool) {
	none, most := ends(p)
	return most.Pass1 / none.Pass1, none.Pass1 > 0
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
