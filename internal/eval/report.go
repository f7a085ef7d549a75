package eval

// This file turns verdicts into the numbers people compare.

import (
	"cmp"
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

	// BasePassAtK is the same on EvalPlus's base inputs alone; empty where
	// verdicts do not tell them apart. PassAtK asks for the plus inputs too.
	BasePassAtK []PassEstimate `json:"base_pass_at_k,omitempty"`

	// MajAtK is the chance that a vote among k answers is right, for the same k, where answers
	// are compared; empty elsewhere. NoAnswer is the number of samples without a vote.
	MajAtK   []PassEstimate `json:"maj_at_k,omitempty"`
	NoAnswer int            `json:"no_answer,omitempty"`

	// StructuralSimilarity says how alike the programs of a problem are, mean over the
	// problems with at least 2 that can be compared; nil if there is none. Unparsed is
	// the number of programs that it leaves out, see Structures.
	StructuralSimilarity *float64 `json:"structural_similarity"`
	Unparsed             int      `json:"unparsed_programs"`

	Results map[Kind]int `json:"results"` // number of verdicts by kind

	// InProcess is the number of problems whose test shared a process with the
	// candidate, so that their results could be forged.
	InProcess int `json:"in_process_problems"`
	// FailingSolutions are the results of those problems' own solutions that do not
	// pass their tests, as far as a sample's failure led to asking.
	FailingSolutions map[string]string `json:"failing_solutions,omitempty"`

	// MissingPackages are the numbers of programs that failed for a package that
	// is not there, by package.
	MissingPackages map[string]int `json:"missing_packages,omitempty"`

	Tasks []TaskReport `json:"-"` // in the problems' order

	// Means over the samples that state the quantity; nil if none does.
	Finished           *float64 `json:"finished"` // a fraction
	ReasoningPositions *float64 `json:"reasoning_positions"`
	AnswerTokens       *float64 `json:"answer_tokens"`
	ThinkSeconds       *float64 `json:"think_seconds"`
	AnswerSeconds      *float64 `json:"answer_seconds"`
	ThinkFLOPs         *float64 `json:"think_flops"`
	AnswerFLOPs        *float64 `json:"answer_flops"`
}

// A TaskReport is what became of one problem's samples.
type TaskReport struct {
	TaskID    string
	Samples   int
	Passed    int
	Base      int          // samples that pass EvalPlus's base inputs
	Results   map[Kind]int // number of verdicts by kind
	InProcess bool         // a verdict could be forged

	OwnSolution string // the result of the problem's own solution, if it is known to fail

	Wrong    map[string]int // where answers are compared: samples by wrong answer
	NoAnswer int            // and those in which none was found
}

// A PassEstimate is pass@k, or maj@k, over a benchmark.
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
	tasks, err := byTask(problems, verdicts)
	if err != nil {
		return Report{}, err
	}
	r := Report{Problems: len(tasks), Samples: len(verdicts), PassAtK: []PassEstimate{}, Results: make(map[Kind]int), Tasks: tasks}
	for i, t := range tasks {
		if i == 0 || t.Samples < r.MinSamples {
			r.MinSamples = t.Samples
		}
		r.MaxSamples = max(r.MaxSamples, t.Samples)
		r.NoAnswer += t.NoAnswer
		if t.Samples == 0 {
			r.Unattempted = append(r.Unattempted, t.TaskID)
		}
		if t.InProcess {
			r.InProcess++
		}
		if t.OwnSolution != "" {
			if r.FailingSolutions == nil {
				r.FailingSolutions = map[string]string{}
			}
			r.FailingSolutions[t.TaskID] = t.OwnSolution
		}
		for kind, n := range t.Results {
			r.Results[kind] += n
		}
	}
	for _, v := range verdicts {
		if v.MissingPackage != "" {
			if r.MissingPackages == nil {
				r.MissingPackages = map[string]int{}
			}
			r.MissingPackages[v.MissingPackage]++
		}
	}
	r.PassAtK = append(r.PassAtK, r.curve(TaskReport.PassAtK, ks)...)
	if slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Base != "" }) {
		r.BasePassAtK = r.curve(TaskReport.basePassAtK, ks)
	}
	if len(problems) > 0 && problems[0].Format == Answers {
		r.MajAtK = r.curve(TaskReport.MajAtK, ks)
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

// A Structure says how alike the programs of a problem are (docs/method.md section 8).
type Structure struct {
	TaskID     string   `json:"task_id"`
	Similarity *float64 `json:"similarity"` // mean over pairs of programs, 0 to 1; nil where fewer than 2 can be parsed
	Unparsed   int      `json:"unparsed"`   // programs that are not in Starlark's grammar, left out
}

// AddStructures adds to a report what the structures of its problems' programs say.
func (r *Report) AddStructures(structures []Structure) {
	sum, n := 0.0, 0
	r.Unparsed = 0
	for _, s := range structures {
		r.Unparsed += s.Unparsed
		if s.Similarity != nil {
			sum += *s.Similarity
			n++
		}
	}
	if r.StructuralSimilarity = nil; n > 0 {
		mean := sum / float64(n)
		r.StructuralSimilarity = &mean
	}
}

// Compare estimates a measure at k samples, TaskReport.PassAtK or MajAtK, of run a minus that of run b on the same
// problems, with a paired bootstrap over problems. Every problem needs k samples of both.
func Compare(problems []Problem, a, b []Verdict, measure func(TaskReport, int) float64, k int) (Estimate, error) {
	if k < 1 {
		return Estimate{}, fmt.Errorf("k is %d, expected 1 or more", k)
	}
	first, err := byTask(problems, a)
	if err != nil {
		return Estimate{}, err
	}
	second, err := byTask(problems, b)
	if err != nil {
		return Estimate{}, err
	}
	if len(problems) == 0 {
		return Estimate{}, fmt.Errorf("no problems to compare two runs on")
	}
	differences := make([]float64, len(problems))
	for i, x := range first {
		y := second[i]
		differences[i] = measure(x, k) - measure(y, k)
		if math.IsNaN(differences[i]) {
			return Estimate{}, fmt.Errorf("task %q: found %d and %d samples, k = %d needs as many of both runs",
				x.TaskID, x.Samples, y.Samples, k)
		}
	}
	return MeanOverSeeds([][]float64{differences}), nil
}

// Curves gives pass@k, and that of EvalPlus's base inputs alone, or maj@k, if there is
// such a thing, for the k that a figure over a logarithmic axis wants.
func (r *Report) Curves() (pass, base, maj []PassEstimate) {
	ks := PlottedKs(r.MinSamples)
	if r.BasePassAtK != nil {
		base = r.curve(TaskReport.basePassAtK, ks)
	}
	if r.MajAtK != nil {
		maj = r.curve(TaskReport.MajAtK, ks)
	}
	return r.curve(TaskReport.PassAtK, ks), base, maj
}

// PlottedKs are the k of a figure over a logarithmic axis up to n: 1, 2, 3, 5, 7, 10, 20, 30 ... and n.
func PlottedKs(n int) []int {
	var ks []int
	for decade := 1; ; decade *= 10 {
		for _, digit := range []int{1, 2, 3, 5, 7} {
			if k := digit * decade; k < n {
				ks = append(ks, k)
				continue
			}
			if n > 0 {
				ks = append(ks, n)
			}
			return ks
		}
	}
}

// byTask counts the verdicts of each problem, in the problems' order.
func byTask(problems []Problem, verdicts []Verdict) ([]TaskReport, error) {
	tasks := make([]TaskReport, len(problems))
	index := make(map[string]int, len(problems))
	for i, p := range problems {
		tasks[i] = TaskReport{TaskID: p.TaskID, Results: make(map[Kind]int)}
		index[p.TaskID] = i
	}
	for i, v := range verdicts {
		at, ok := index[v.TaskID]
		if !ok {
			return nil, fmt.Errorf("verdict %d: task_id %q is not among the %d problems", i+1, v.TaskID, len(problems))
		}
		t := &tasks[at]
		t.Samples++
		switch {
		case v.Passed:
			t.Passed++
		case v.Answer != "":
			if t.Wrong == nil {
				t.Wrong = map[string]int{}
			}
			t.Wrong[v.Answer]++
		case problems[at].Format == Answers:
			t.NoAnswer++
		}
		if KindOf(v.Base) == Passed {
			t.Base++
		}
		t.Results[KindOf(v.Result)]++
		t.InProcess = t.InProcess || v.InProcess
		t.OwnSolution = cmp.Or(t.OwnSolution, v.OwnSolution)
	}
	return tasks, nil
}

// PassAtK is that of the problem.
func (t TaskReport) PassAtK(k int) float64     { return PassAtK(t.Samples, t.Passed, k) }
func (t TaskReport) basePassAtK(k int) float64 { return PassAtK(t.Samples, t.Base, k) }

// curve is the mean over the problems of a quantity of k samples, for those of ks that
// every problem has enough samples for.
func (r *Report) curve(of func(t TaskReport, k int) float64, ks []int) []PassEstimate {
	var estimates []PassEstimate
	for _, k := range ks {
		if k <= r.MinSamples && !slices.ContainsFunc(estimates, func(p PassEstimate) bool { return p.K == k }) {
			estimates = append(estimates, PassEstimate{k, meanAtK(r.Tasks, of, k)})
		}
	}
	return estimates
}

// meanAtK is the mean over problems that all have k samples.
func meanAtK(tasks []TaskReport, of func(t TaskReport, k int) float64, k int) Estimate {
	values := make([]float64, len(tasks))
	sum, single := 0.0, true
	for i, t := range tasks {
		values[i] = of(t, k)
		sum += values[i]
		single = single && t.Samples == 1
	}
	if single {
		return wilson(int(sum), len(tasks)) // each is 0 or 1
	}
	return MeanOverSeeds([][]float64{values})
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
