package cli

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot"
	"nfcot/internal/tensor"
)

func (e *env) probeOracle() *cli.Command {
	o := defaultProbe()
	return e.command(&cli.Command{
		Name:  "oracle",
		Usage: "tell whether thoughts or answers go wrong: sampled thoughts against the true ones",
		Description: "The problems of minicode are answered from sampled thoughts, and from the codes of their true chains of thought (sample i from\n" +
			"chain i, where a problem has several). If the true ones give right answers and the sampled ones do not, it is the prior p(u|q) that\n" +
			"does not know what to think; otherwise the codes or the answers are at fault. The first thought that is not read back as the chain\n" +
			"has it says where thinking goes wrong.",
		Flags:  o.flags(),
		Action: func(*cli.Context) error { return e.runOracle(o) },
	})
}

// An oracle compares sampled with true thoughts.
type oracle struct {
	Model    string          `json:"model"`
	Bench    string          `json:"bench"`
	Samples  int             `json:"samples"` // a problem
	Seed     uint64          `json:"seed"`
	Sampled  oracleRow       `json:"sampled"`
	Oracle   oracleRow       `json:"oracle"`
	Thoughts []oracleThought `json:"thoughts"` // of the sampled
}

// An oracleRow is what becomes of samples.
type oracleRow struct {
	passOne
	ChainsRight float64 `json:"chains_right"` // share of samples whose thoughts are all read back as a chain has them
}

// An oracleThought is what becomes of one of the K thoughts.
type oracleThought struct {
	Thought    int      `json:"thought"`         // from 1
	Sigma      *float64 `json:"sigma,omitempty"` // that the head gives it, mean over dimensions and samples; nil where no head does
	Right      float64  `json:"right"`           // share of samples where it is read back as the chain has it
	FirstWrong float64  `json:"first_wrong"`     // share of samples where it is not, but those before it are
}

func (e *env) runOracle(o probeOptions) error {
	l, err := e.openLab(o)
	if err != nil {
		return err
	}
	defer l.exec.Close()
	chains := make([][]chain, len(l.problems))
	for i, p := range l.problems {
		if chains[i] = chainsOf(l.run, p); chains[i] == nil {
			return inputf("%s: its chains of thought are not known, or do not fit into the model's thoughts; want problems of minicode like those the model was trained on", p.TaskID)
		}
	}
	x := oracle{Model: o.model, Bench: o.bench, Samples: o.n, Seed: o.Seed}
	u, err := l.thoughts()
	if err != nil {
		return err
	}
	right := l.right(u, chains)
	x.Thoughts = l.oracleThoughts(u, right)
	if x.Sampled, err = l.oracleRow(u, right, "sampled"); err != nil {
		return err
	}
	codes := make([]*tensor.Tensor, len(u))
	for j := range codes {
		c := chains[j/l.n]
		codes[j] = l.run.Model.Coder().FromCodes(l.run.VAE.Codes([][][]int{c[j%l.n%len(c)].segments}))
	}
	if x.Oracle, err = l.oracleRow(codes, l.right(codes, chains), "oracle"); err != nil {
		return err
	}
	return e.printProbe(o.out, x, func() { e.printOracle(x) })
}

// right says which thoughts of each sample are read back as a chain has them.
func (l *lab) right(u []*tensor.Tensor, chains [][]chain) [][]bool {
	all := make([][]bool, len(u))
	for j := range u {
		all[j] = judgeThoughts(decoded(l.run, u[j]), chains[j/l.n])
	}
	return all
}

// oracleRow answers from thoughts, and judges the answers; right judges the thoughts.
func (l *lab) oracleRow(u []*tensor.Tensor, right [][]bool, label string) (oracleRow, error) {
	var row oracleRow
	verdicts, err := l.answer(func(j int) *tensor.Tensor { return u[j] }, label)
	if err != nil {
		return row, err
	}
	if row.passOne, err = l.passOne(verdicts); err != nil {
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

// oracleThoughts looks at each of the K thoughts of all samples.
func (l *lab) oracleThoughts(u []*tensor.Tensor, right [][]bool) []oracleThought {
	thoughts := make([]oracleThought, l.run.Experiment.NF.K)
	for j := range u {
		prompt := l.run.Tokenizer.EncodePrompt(l.recipe.Prompt(l.problems[j/l.n]))
		for _, sigmas := range sigmasOf(l.run, []cot.Sample{{Prompt: prompt, Thoughts: u[j]}}) {
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

func (e *env) printOracle(x oracle) {
	row := func(name string, r oracleRow) []string {
		return []string{name, r.passOne.String(), fmt.Sprintf("%.1f %%", 100*r.ChainsRight)}
	}
	e.printTable([]string{"thoughts", "pass@1", "chains read back right"}, [][]string{row("sampled", x.Sampled), row("of the true chain", x.Oracle)})
	fmt.Fprintln(e.stdout)
	var rows [][]string
	for _, t := range x.Thoughts {
		rows = append(rows, []string{fmt.Sprint(t.Thought), number(t.Sigma, "%.3f"), fmt.Sprintf("%.1f %%", 100*t.Right), fmt.Sprintf("%.1f %%", 100*t.FirstWrong)})
	}
	e.printTable([]string{"sampled thought", "sigma", "right", "first wrong"}, rows)
}
