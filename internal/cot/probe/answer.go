package probe

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"nfcot/internal/cot"
	"nfcot/internal/eval"
	"nfcot/internal/page"
)

// A Likelihood is that of the right answers after what a model thinks itself.
type Likelihood struct {
	Model    string        `json:"model"`
	Bench    string        `json:"bench"`
	Samples  int           `json:"samples"` // of what is thought, a problem
	Seed     uint64        `json:"seed"`
	LogProb  eval.Estimate `json:"logp_answer"`    // log p(answer | prompt) in nats, EOS included, mean over problems
	PerToken float64       `json:"nats_per_token"` // -log p of all answers over their tokens, EOS included
	Closed   float64       `json:"closed"`         // share of samples that came to an end of thinking within the most tokens
	Problems []AnswerLog   `json:"problems"`
}

// An AnswerLog is log p(answer | prompt) of one problem, in nats.
type AnswerLog struct {
	TaskID  string  `json:"task_id"`
	LogProb float64 `json:"logp_answer"`
}

// WriteText writes the likelihood as a table.
func (x *Likelihood) WriteText(w io.Writer) error {
	e := x.LogProb
	return page.Table{Header: []string{"problems", "log p(answer), nats", "nats a token", "came to an end of thinking"},
		Rows: [][]string{{fmt.Sprint(len(x.Problems)), fmt.Sprintf("%.2f [%.2f, %.2f]", e.Value, e.Low, e.High), fmt.Sprintf("%.4f", x.PerToken),
			fmt.Sprintf("%.1f %%", 100*x.Closed)}}}.WriteText(w)
}

// Likelihood says how likely the right answer is to every problem (bench.Benchmark.Answer), by the
// model itself (temperature 1), after each of N samples of what it thinks. Of these
// log p(answer | prompt) is estimated as the log of the mean of p(answer | prompt, thoughts),
// in expectation a lower bound; without thinking it is exact. A chain in words that no answer
// follows, since it does not end within the most tokens or the model ends there, counts as 0; a
// problem of which no chain is answered has the likelihood that all tokens alike would give, which is also the least that any has.
func (p *Probe) Likelihood(ctx context.Context) (*Likelihood, error) {
	x := &Likelihood{Model: p.Run.Dir, Bench: p.Bench.Name, Samples: p.N, Seed: p.Seed}
	o := p.Options()
	o.Stop, o.LogProbs = nil, true
	answers := make([][]int, len(p.Bench.Problems))
	longest := 0
	for i, problem := range p.Bench.Problems {
		if problem.CanonicalSolution == "" {
			return nil, fmt.Errorf("%s: its right answer is not known (canonical_solution)", problem.TaskID)
		}
		answers[i] = p.Run.Tokenizer.Encode(p.Bench.Answer(problem))
		longest = max(longest, len(answers[i])+1)
	}
	if p.Run.Model.Method.Chains {
		o.MaxTokens += longest
	} else {
		o.MaxTokens = longest
	}
	o.Answer = func(problem, _ int) []int { return answers[problem] }
	at := Progress{Thoughts: "own", All: len(answers) * p.N}
	p.watch(at)
	var logs []float64 // of every sample
	err := p.Each(ctx, p.Bench.Problems, o, func(_ eval.Problem, s cot.Sample) error {
		logs = append(logs, answerLog(s, answers[len(logs)/p.N]))
		at.Done++
		p.watch(at)
		return nil
	})
	if err != nil {
		return nil, err
	}
	x.sum(p, answers, logs)
	return x, nil
}

// answerLog is the log-likelihood of the answer that a sample was given, after what it
// thought; minus infinity if it did not come to it: it has no end, or ended where it thought.
func answerLog(s cot.Sample, given []int) float64 {
	if !s.Finished || !slices.Equal(s.Answer, given) {
		return math.Inf(-1)
	}
	sum := 0.0
	for _, token := range s.TokenLogProbs[len(s.TokenLogProbs)-len(s.Answer)-1:] {
		sum += token.LogProb
	}
	return sum
}

// sum makes the means of the samples' log-likelihoods.
func (x *Likelihood) sum(p *Probe, answers [][]int, logs []float64) {
	tokens, total, closed := 0, 0.0, 0
	var values []float64
	for i, own := range slices.Collect(slices.Chunk(logs, p.N)) {
		mean := 0.0
		for _, l := range own {
			mean += math.Exp(l) / float64(p.N)
			if !math.IsInf(l, -1) {
				closed++
			}
		}
		n := len(answers[i]) + 1
		value := max(math.Log(mean), -float64(n)*math.Log(float64(p.Run.Model.LM.Vocab)))
		values = append(values, value)
		x.Problems = append(x.Problems, AnswerLog{p.Bench.Problems[i].TaskID, value})
		tokens, total = tokens+n, total+value
	}
	x.LogProb = eval.MeanOverSeeds([][]float64{values})
	x.PerToken, x.Closed = -total/float64(tokens), float64(closed)/float64(len(logs))
}
