package probe

import (
	"context"
	"fmt"
	"io"
	"slices"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/page"
	"nfcot/internal/tensor"
)

// A Comparison is one of sampled with true thoughts.
type Comparison struct {
	Model    string        `json:"model"`
	Bench    string        `json:"bench"`
	Samples  int           `json:"samples"` // a problem
	Seed     uint64        `json:"seed"`
	Sampled  Answers       `json:"sampled"`
	Oracle   Answers       `json:"oracle"`
	Thoughts []ThoughtRead `json:"thoughts"`         // of the sampled
	Orders   *Orders       `json:"orders,omitempty"` // of the sampled; nil where no problem has several chains
}

// Answers are what becomes of samples.
type Answers struct {
	PassOne
	ChainsRight float64 `json:"chains_right"` // share of samples whose thoughts are all read back as a chain has them
}

// A ThoughtRead is what becomes of one of the K thoughts.
type ThoughtRead struct {
	Thought    int      `json:"thought"`         // from 1
	Sigma      *float64 `json:"sigma,omitempty"` // that the head gives it, mean over dimensions and samples; nil where no head does
	Right      float64  `json:"right"`           // share of samples where it is read back as the chain has it
	FirstWrong float64  `json:"first_wrong"`     // share of samples where it is not, but those before it are
}

// WriteText writes the comparison as tables.
func (c *Comparison) WriteText(w io.Writer) error {
	percent := func(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }
	answers := page.Table{Header: []string{"thoughts", "pass@1", "chains read back right"}, Rows: [][]string{
		{"sampled", c.Sampled.String(), percent(c.Sampled.ChainsRight)},
		{"of the true chain", c.Oracle.String(), percent(c.Oracle.ChainsRight)},
	}}
	thoughts := page.Table{Header: []string{"sampled thought", "sigma", "right", "first wrong"}}
	for _, t := range c.Thoughts {
		thoughts.Rows = append(thoughts.Rows, []string{fmt.Sprint(t.Thought), page.Number("%.3f", t.Sigma), percent(t.Right), percent(t.FirstWrong)})
	}
	tables := []page.Table{answers, thoughts}
	if c.Orders != nil {
		tables = append(tables, c.Orders.table())
	}
	for i, t := range tables {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := t.WriteText(w); err != nil {
			return err
		}
	}
	return nil
}

// An Unknown is the error of a problem whose chains of thought are not known.
type Unknown struct{ TaskID string }

// Error names the problem (error).
func (e Unknown) Error() string {
	return fmt.Sprintf("%s: its chains of thought are not known, or do not fit into the model's thoughts; want problems of minicode or multiply like those the model was trained on", e.TaskID)
}

// CheckOracle fails for a run that Check fails for, and for one whose VAE encodes hidden states of
// a model that the run does not hold: true chains have no codes there.
func CheckOracle(run *experiment.Run) error {
	if err := Check(run); err != nil {
		return err
	}
	if layer := run.VAE.Config.EncoderLayer; layer > 0 {
		return fmt.Errorf("%s: its VAE encodes hidden states of the model that it was distilled with (--encoder-layer %d), which the run does not hold; true chains have no codes", run.Dir, layer)
	}
	return nil
}

// Oracle answers from sampled thoughts, and from the codes of the true chains of thought
// (sample i from chain i, where a problem has several). If the true ones give right answers
// and the sampled ones do not, it is the prior p(u|q) that does not know what to think;
// otherwise the codes or the answers are at fault. It fails with Unknown for problems
// that are neither minicode's nor multiply's.
func (p *Probe) Oracle(ctx context.Context) (*Comparison, error) {
	chains := make([][]chain, len(p.Bench.Problems))
	for i, problem := range p.Bench.Problems {
		if chains[i] = p.chainsOf(problem); chains[i] == nil {
			return nil, Unknown{problem.TaskID}
		}
	}
	x := &Comparison{Model: p.Run.Dir, Bench: p.Bench.Name, Samples: p.N, Seed: p.Seed}
	u, err := p.thoughts(ctx)
	if err != nil {
		return nil, err
	}
	lines := p.readBack(u)
	right := p.right(lines, chains)
	x.Thoughts, x.Orders = p.thoughtsRead(u, right), p.ordersOf(lines, chains)
	if x.Sampled, err = p.answers(ctx, u, right, "sampled"); err != nil {
		return nil, err
	}
	codes := make([]*tensor.Tensor, len(u))
	for j := range codes {
		c := chains[j/p.N]
		codes[j] = p.Run.Model.Coder().FromCodes(p.Run.VAE.Codes([][][]int{c[j%p.N%len(c)].segments}))
	}
	x.Oracle, err = p.answers(ctx, codes, p.right(p.readBack(codes), chains), "oracle")
	return x, err
}

// readBack is what is read in the thoughts of each sample.
func (p *Probe) readBack(u []*tensor.Tensor) [][]string {
	all := make([][]string, len(u))
	for j := range u {
		all[j] = generate.Thoughts(p.Run, u[j])
	}
	return all
}

// right says which thoughts of each sample are read back as a chain has them.
func (p *Probe) right(lines [][]string, chains [][]chain) [][]bool {
	all := make([][]bool, len(lines))
	for j := range lines {
		all[j] = judgeThoughts(lines[j], chains[j/p.N])
	}
	return all
}

// answers answers from thoughts, and judges the answers; right judges the thoughts.
func (p *Probe) answers(ctx context.Context, u []*tensor.Tensor, right [][]bool, label string) (Answers, error) {
	var row Answers
	verdicts, err := p.answer(ctx, func(j int) *tensor.Tensor { return u[j] }, label)
	if err != nil {
		return row, err
	}
	if row.PassOne, err = p.passOne(verdicts); err != nil {
		return row, err
	}
	whole := 0
	for j := range u {
		if !slices.Contains(right[j], false) {
			whole++
		}
	}
	row.ChainsRight = float64(whole) / float64(len(u))
	return row, nil
}

// thoughtsRead looks at each of the K thoughts of all samples.
func (p *Probe) thoughtsRead(u []*tensor.Tensor, right [][]bool) []ThoughtRead {
	thoughts := make([]ThoughtRead, p.Run.Experiment.NF.K)
	for j := range u {
		for _, sigmas := range p.sigmas([]cot.Sample{{Prompt: p.prompt(j), Thoughts: u[j]}}) {
			for k, sigma := range sigmas {
				if thoughts[k].Sigma == nil {
					thoughts[k].Sigma = new(float64)
				}
				*thoughts[k].Sigma += sigma
			}
		}
		for k, same := range right[j] {
			if same {
				thoughts[k].Right++
			}
		}
		if k := slices.Index(right[j], false); k >= 0 {
			thoughts[k].FirstWrong++
		}
	}
	n := float64(len(u))
	for k := range thoughts {
		t := &thoughts[k]
		t.Thought, t.Right, t.FirstWrong = k+1, t.Right/n, t.FirstWrong/n
		if t.Sigma != nil {
			*t.Sigma /= n
		}
	}
	return thoughts
}
