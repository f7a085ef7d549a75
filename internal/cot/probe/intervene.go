package probe

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"nfcot/internal/cot/minicode"
	"nfcot/internal/eval"
	"nfcot/internal/page"
	"nfcot/internal/tensor"
)

// Interventions are what becomes of answers when the thoughts before them are others.
type Interventions struct {
	Model   string         `json:"model"`
	Bench   string         `json:"bench"`
	Samples int            `json:"samples"` // a problem
	Seed    uint64         `json:"seed"`
	Rows    []Intervention `json:"interventions"`
}

// An Intervention is what becomes of answers after thoughts of one kind. Its donor is another
// problem of the same family, for Thoughts "one" a problem that differs in a single step.
// Programs are right for a problem if they pass its tests, whatever the thoughts, and answers if
// they are its answer.
type Intervention struct {
	Thoughts string        `json:"thoughts"`           // one of the kinds of Intervene
	Problems int           `json:"problems"`           // that have such thoughts
	Own      PassOne       `json:"own_pass1"`          // pass@1 on the problem's own tests
	Donor    PassOne       `json:"donor_pass1"`        // pass@1 on the donor's tests
	OwnLog   eval.Estimate `json:"own_logp_program"`   // log-likelihood of the problem's own solution after the thoughts, in nats, mean over samples
	DonorLog eval.Estimate `json:"donor_logp_program"` // the same of the donor's solution
}

// WriteText writes the interventions as a table.
func (x *Interventions) WriteText(w io.Writer) error {
	t := page.Table{Header: []string{"thoughts", "problems", "pass@1", "passes the donor's tests", "log p(own solution), nats", "log p(donor's), nats"}}
	nats := func(e eval.Estimate) string { return fmt.Sprintf("%.1f [%.1f, %.1f]", e.Value, e.Low, e.High) }
	for _, r := range x.Rows {
		t.Rows = append(t.Rows, []string{r.Thoughts, fmt.Sprint(r.Problems), r.Own.String(), r.Donor.String(), nats(r.OwnLog), nats(r.DonorLog)})
	}
	return t.WriteText(w)
}

// An intervened problem has others in the place of its thoughts, and a donor that they may be of.
type intervened struct {
	problem, donor eval.Problem
	thoughts       []*tensor.Tensor // of each of its samples
}

// Intervene draws the thoughts of every problem, puts others in their places, and has the
// model answer. The kinds are: own; other, those of another problem of the family; zero;
// mean, that of all samples of all problems, thought by thought; noise, random directions
// of the same norm, thought by thought; shuffled, in another order; and one, where the
// thought of one step is that of a problem that differs in this step alone (minicode). Tokens
// are drawn with the same random numbers whatever the thoughts.
func (p *Probe) Intervene(ctx context.Context) (*Interventions, error) {
	for _, problem := range p.Bench.Problems {
		if problem.Format != eval.HumanEval && problem.Format != eval.Answers {
			return nil, fmt.Errorf("%s: its tests are neither an answer nor a module that defines check(candidate), which interventions want to put another's in the place of", problem.TaskID)
		}
	}
	u, err := p.thoughts(ctx)
	if err != nil {
		return nil, err
	}
	x := &Interventions{Model: p.Run.Dir, Bench: p.Bench.Name, Samples: p.N, Seed: p.Seed}
	mean := meanThoughts(u)
	for _, kind := range []struct {
		name string
		of   func(j, donor int) *tensor.Tensor
	}{
		{"own", func(j, _ int) *tensor.Tensor { return u[j] }},
		{"other", func(_, donor int) *tensor.Tensor { return u[donor] }},
		{"zero", func(j, _ int) *tensor.Tensor { return tensor.New(u[j].Rows(), u[j].Cols()) }},
		{"mean", func(_, _ int) *tensor.Tensor { return mean }},
		{"noise", func(j, _ int) *tensor.Tensor { return p.noiseLike(u[j], j) }},
		{"shuffled", func(j, _ int) *tensor.Tensor { return p.shuffled(u[j], j) }},
	} {
		var all []intervened
		for i, problem := range p.Bench.Problems {
			donor := p.donor(i)
			if donor == i {
				continue // the only one of its family
			}
			c := intervened{problem: problem, donor: p.Bench.Problems[donor]}
			for s := range p.N {
				c.thoughts = append(c.thoughts, kind.of(i*p.N+s, donor*p.N+s))
			}
			all = append(all, c)
		}
		if err := p.intervene(ctx, x, kind.name, all); err != nil {
			return nil, err
		}
	}
	one, err := p.oneReplaced(ctx, u)
	if err != nil {
		return nil, err
	}
	return x, p.intervene(ctx, x, "one", one)
}

// intervene answers from the thoughts of one kind, and adds what becomes of the answers.
func (p *Probe) intervene(ctx context.Context, x *Interventions, kind string, all []intervened) error {
	if len(all) == 0 {
		return nil
	}
	row := Intervention{Thoughts: kind, Problems: len(all)}
	q := p.on(all, func(c intervened) eval.Problem { return c.problem })
	u := func(j int) *tensor.Tensor { return all[j/p.N].thoughts[j%p.N] }
	verdicts, err := q.answer(ctx, u, kind)
	if err != nil {
		return err
	}
	if row.Own, err = q.passOne(verdicts); err != nil {
		return err
	}
	donors := p.on(all, func(c intervened) eval.Problem {
		c.problem.Test = c.donor.Test
		if c.problem.Format == eval.Answers {
			c.problem.CanonicalSolution = c.donor.CanonicalSolution
		}
		return c.problem
	})
	samples := make([]eval.Sample, len(verdicts))
	for j, v := range verdicts {
		samples[j] = v.Sample
	}
	if verdicts, err = eval.JudgeAll(ctx, p.Exec, p.Recipe.Assemble, donors.Bench.Problems, samples, p.Workers); err != nil {
		return err
	}
	if row.Donor, err = donors.passOne(verdicts); err != nil {
		return err
	}
	if row.OwnLog, err = q.logLikelihood(ctx, u, func(i int) string { return p.Bench.Answer(all[i].problem) }); err != nil {
		return err
	}
	row.DonorLog, err = q.logLikelihood(ctx, u, func(i int) string { return p.Bench.Answer(all[i].donor) })
	x.Rows = append(x.Rows, row)
	return err
}

// on is the probe over the problems of some cases.
func (p *Probe) on(all []intervened, of func(intervened) eval.Problem) *Probe {
	q, b := *p, *p.Bench
	b.Problems = nil
	for _, c := range all {
		b.Problems = append(b.Problems, of(c))
	}
	q.Bench = &b
	return &q
}

// logLikelihood estimates the log-likelihood of an answer to each problem after given thoughts,
// EOS included.
func (p *Probe) logLikelihood(ctx context.Context, u func(j int) *tensor.Tensor, answer func(problem int) string) (eval.Estimate, error) {
	answers := make([][]int, len(p.Bench.Problems))
	o := p.Options()
	o.Stop, o.MaxTokens = nil, 0
	for i := range answers {
		answers[i] = p.Run.Tokenizer.Encode(answer(i))
		o.MaxTokens = max(o.MaxTokens, len(answers[i])+1)
	}
	o.Replace = func(problem, i int) *tensor.Tensor { return u(problem*p.N + i) }
	o.Answer = func(problem, _ int) []int { return answers[problem] }
	samples, err := p.All(ctx, p.Bench.Problems, o)
	if err != nil {
		return eval.Estimate{}, err
	}
	means := make([]float64, len(answers))
	for j, s := range samples {
		means[j/p.N] += s.LogText / float64(p.N)
	}
	return eval.MeanOverSeeds([][]float64{means}), nil
}

// donor is the next problem of the same family, or of all where they have none, after the last the first.
func (p *Probe) donor(i int) int {
	family := func(i int) string {
		parts := strings.Split(p.Bench.Problems[i].TaskID, "/")
		return strings.Join(parts[:len(parts)-1], "/")
	}
	n := len(p.Bench.Problems)
	for step := 1; step < n; step++ {
		if other := (i + step) % n; family(other) == family(i) && p.Bench.Problems[other].CanonicalSolution != p.Bench.Problems[i].CanonicalSolution {
			return other
		}
	}
	return i
}

// oneReplaced are the problems that have a neighbour, each with a thought of the neighbour's
// in the place of its own for the step in which they differ.
func (p *Probe) oneReplaced(ctx context.Context, u []*tensor.Tensor) ([]intervened, error) {
	var all []intervened
	var owns []int // their numbers
	var lines [][]int
	for i, problem := range p.Bench.Problems {
		n, ok := minicode.NeighbourOf(problem.TaskID, problem.Prompt, p.Seed)
		if !ok || slices.Max(n.Lines) >= u[i*p.N].Rows() {
			continue
		}
		all, owns, lines = append(all, intervened{problem: problem, donor: minicode.Problem(n.Example)}), append(owns, i), append(lines, n.Lines)
	}
	if len(all) == 0 {
		return nil, nil
	}
	neighbours := p.on(all, func(c intervened) eval.Problem { return c.donor })
	theirs, err := neighbours.thoughts(ctx)
	if err != nil {
		return nil, err
	}
	for c := range all {
		for s := range p.N {
			own, donated := u[owns[c]*p.N+s], theirs[c*p.N+s]
			mixed := tensor.From(slices.Clone(own.Data), own.Rows(), own.Cols())
			at, from := lines[c][p.readAs(all[c].problem, own)], lines[c][p.readAs(all[c].donor, donated)]
			copy(mixed.Row(at), donated.Row(from))
			all[c].thoughts = append(all[c].thoughts, mixed)
		}
	}
	return all, nil
}

// meanThoughts is the mean of all samples' thoughts, thought by thought.
func meanThoughts(u []*tensor.Tensor) *tensor.Tensor {
	mean := tensor.New(u[0].Rows(), u[0].Cols())
	for i := range mean.Data {
		sum := 0.0
		for _, x := range u {
			sum += float64(x.Data[i])
		}
		mean.Data[i] = float32(sum / float64(len(u)))
	}
	return mean
}

// noiseLike is a random direction for each thought of sample j, as long as the thought.
func (p *Probe) noiseLike(u *tensor.Tensor, j int) *tensor.Tensor {
	eps := p.normal(j, u.Rows(), u.Cols())
	for k := range u.Rows() {
		scale := float32(norm(u.Row(k)) / norm(eps.Row(k)))
		for i := range eps.Row(k) {
			eps.Row(k)[i] *= scale
		}
	}
	return eps
}

func norm(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

// shuffled has the thoughts of sample j in a random order that is not theirs.
func (p *Probe) shuffled(u *tensor.Tensor, j int) *tensor.Tensor {
	order := tensor.Rand(p.Seed, "shuffle", append(slices.Clone(p.prompt(j)), j%p.N)...).Perm(u.Rows())
	if slices.IsSorted(order) {
		order = append(order[1:], order[0])
	}
	x := tensor.New(u.Rows(), u.Cols())
	for k, from := range order {
		copy(x.Row(k), u.Row(from))
	}
	return x
}
