package eval

// This file turns verdicts into the numbers people compare.

import (
	"fmt"
	"math"
	"slices"
)

// A Report sums up the verdicts of one run over one benchmark.
type Report struct {
	Problems    int      `json:"problems"`
	Samples     int      `json:"samples"`
	MinSamples  int      `json:"min_samples_per_problem"` // 0 if a problem was not attempted
	MaxSamples  int      `json:"max_samples_per_problem"`
	Unattempted []string `json:"unattempted,omitempty"` // tasks without a sample

	// PassAtK holds the requested k that every problem has enough samples for.
	PassAtK []PassEstimate `json:"pass_at_k"`

	Results map[Kind]int `json:"results"` // number of verdicts by kind

	// Means over the samples that state the quantity; nil if none does.
	Finished           *float64 `json:"finished"` // a fraction
	ReasoningPositions *float64 `json:"reasoning_positions"`
	AnswerTokens       *float64 `json:"answer_tokens"`
	ThinkSeconds       *float64 `json:"think_seconds"`
	AnswerSeconds      *float64 `json:"answer_seconds"`
	ThinkFLOPs         *float64 `json:"think_flops"`
	AnswerFLOPs        *float64 `json:"answer_flops"`
}

// A PassEstimate is pass@k over a benchmark.
type PassEstimate struct {
	K int `json:"k"`
	Estimate
}

// Summarize reports on verdicts, with pass@k for those of ks that every
// problem has enough samples for. The intervals are percentile bootstraps over
// problems, or Wilson's where each problem has just one sample. A problem
// nobody attempted counts: it forbids any pass@k.
func Summarize(problems []Problem, verdicts []Verdict, ks []int) (Report, error) {
	if i := slices.IndexFunc(ks, func(k int) bool { return k < 1 }); i >= 0 {
		return Report{}, fmt.Errorf("pass@k: k is %d, expected 1 or more", ks[i])
	}
	counts, err := countByTask(problems, verdicts)
	if err != nil {
		return Report{}, err
	}
	r := Report{Problems: len(counts), Samples: len(verdicts), PassAtK: []PassEstimate{}, Results: make(map[Kind]int)}
	for i, c := range counts {
		if i == 0 || c.samples < r.MinSamples {
			r.MinSamples = c.samples
		}
		r.MaxSamples = max(r.MaxSamples, c.samples)
		if c.samples == 0 {
			r.Unattempted = append(r.Unattempted, c.task)
		}
	}
	for _, k := range ks {
		if k <= r.MinSamples {
			r.PassAtK = append(r.PassAtK, PassEstimate{k, passAtK(counts, k)})
		}
	}
	for _, v := range verdicts {
		r.Results[KindOf(v.Result)]++
	}
	r.Finished = meanStated(verdicts, "finished", func(v *Verdict) float64 {
		if v.Finished {
			return 1
		}
		return 0
	})
	r.ReasoningPositions = meanStated(verdicts, "reasoning_positions", func(v *Verdict) float64 { return float64(v.ReasoningPositions) })
	r.AnswerTokens = meanStated(verdicts, "answer_tokens", func(v *Verdict) float64 { return float64(v.AnswerTokens) })
	r.ThinkSeconds = meanStated(verdicts, "think_seconds", func(v *Verdict) float64 { return v.ThinkSeconds })
	r.AnswerSeconds = meanStated(verdicts, "answer_seconds", func(v *Verdict) float64 { return v.AnswerSeconds })
	r.ThinkFLOPs = meanStated(verdicts, "think_flops", func(v *Verdict) float64 { return v.ThinkFLOPs })
	r.AnswerFLOPs = meanStated(verdicts, "answer_flops", func(v *Verdict) float64 { return v.AnswerFLOPs })
	return r, nil
}

// Compare estimates pass@k of run a minus that of run b on the same problems,
// with a paired bootstrap over problems. Every problem needs k samples of both.
func Compare(problems []Problem, a, b []Verdict, k int) (Estimate, error) {
	if k < 1 {
		return Estimate{}, fmt.Errorf("pass@k: k is %d, expected 1 or more", k)
	}
	first, err := countByTask(problems, a)
	if err != nil {
		return Estimate{}, err
	}
	second, err := countByTask(problems, b)
	if err != nil {
		return Estimate{}, err
	}
	if len(problems) == 0 {
		return Estimate{}, fmt.Errorf("no problems to compare two runs on")
	}
	differences := make([]float64, len(problems))
	for i, x := range first {
		y := second[i]
		differences[i] = PassAtK(x.samples, x.passes, k) - PassAtK(y.samples, y.passes, k)
		if math.IsNaN(differences[i]) {
			return Estimate{}, fmt.Errorf("task %q: found %d and %d samples, pass@%d needs %d of both runs",
				x.task, x.samples, y.samples, k, k)
		}
	}
	return bootstrap(differences), nil
}

// A taskCount is what pass@k needs to know of one problem.
type taskCount struct {
	task            string
	samples, passes int
}

// countByTask counts samples and passes of each problem, in the problems' order.
func countByTask(problems []Problem, verdicts []Verdict) ([]taskCount, error) {
	counts := make([]taskCount, len(problems))
	index := make(map[string]int, len(problems))
	for i, p := range problems {
		counts[i].task = p.TaskID
		index[p.TaskID] = i
	}
	for i, v := range verdicts {
		at, ok := index[v.TaskID]
		if !ok {
			return nil, fmt.Errorf("verdict %d: task_id %q is not among the %d problems", i+1, v.TaskID, len(problems))
		}
		counts[at].samples++
		if v.Passed {
			counts[at].passes++
		}
	}
	return counts, nil
}

// passAtK is the mean of pass@k over problems that all have k samples.
func passAtK(counts []taskCount, k int) Estimate {
	values := make([]float64, len(counts))
	passes, single := 0, true
	for i, c := range counts {
		values[i] = PassAtK(c.samples, c.passes, k)
		passes += c.passes
		single = single && c.samples == 1
	}
	if single {
		return wilson(passes, len(counts))
	}
	return bootstrap(values)
}

// meanStated is the mean of a quantity over the samples that state it.
func meanStated(verdicts []Verdict, key string, quantity func(*Verdict) float64) *float64 {
	sum, n := 0.0, 0
	for i := range verdicts {
		if verdicts[i].states(key) {
			sum += quantity(&verdicts[i])
			n++
		}
	}
	if n == 0 {
		return nil
	}
	mean := sum / float64(n)
	return &mean
}
