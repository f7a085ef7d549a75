package probe

import (
	"context"
	"fmt"
	"io"
	"math"

	"nfcot/internal/eval"
	"nfcot/internal/page"
	"nfcot/internal/tensor"
)

// A Perturbation is what noise in thoughts does to the answers.
type Perturbation struct {
	Model      string           `json:"model"`
	Bench      string           `json:"bench"`
	Samples    int              `json:"samples"` // a problem
	Seed       uint64           `json:"seed"`
	ThoughtRMS float64          `json:"thought_rms"` // root mean square of the numbers of the thoughts
	Scales     []PerturbedScale `json:"scales"`
}

// A PerturbedScale compares the samples at one scale of the noise with those
// without noise, sample by sample.
type PerturbedScale struct {
	Scale  float64 `json:"scale"`
	Cosine float64 `json:"cosine"` // of all thoughts of a sample before and after, mean over samples
	PassOne
	Agreement float64 `json:"verdict_agreement"` // share of samples with the same verdict
	Exact     float64 `json:"exact_match"`       // share of samples with the same text
}

// WriteText writes the scales as a table.
func (p *Perturbation) WriteText(w io.Writer) error {
	t := page.Table{Header: []string{"scale", "cosine", "pass@1", "same verdict", "same text"}}
	for _, s := range p.Scales {
		t.Rows = append(t.Rows, []string{
			fmt.Sprintf("%g", s.Scale), fmt.Sprintf("%.3f", s.Cosine), s.PassOne.String(),
			fmt.Sprintf("%.3f", s.Agreement), fmt.Sprintf("%.3f", s.Exact),
		})
	}
	return t.WriteText(w)
}

// Perturb draws thoughts u once, and answers from u + s·eps for each scale s. eps is
// N(0, I), the same at all scales, in the space of u. Tokens are drawn with the same random
// numbers at all scales, so that s = 0 is the samples themselves.
func (p *Probe) Perturb(ctx context.Context, scales []float64) (*Perturbation, error) {
	u, err := p.thoughts(ctx)
	if err != nil {
		return nil, err
	}
	eps := make([]*tensor.Tensor, len(u))
	for j := range u {
		eps[j] = p.normal(j, u[j].Rows(), u[j].Cols())
	}
	plain, err := p.answer(ctx, func(j int) *tensor.Tensor { return u[j] }, "s = 0")
	if err != nil {
		return nil, err
	}
	found := &Perturbation{Model: p.Run.Dir, Bench: p.Bench.Name, Samples: p.N, Seed: p.Seed, ThoughtRMS: rootMeanSquare(u)}
	for _, scale := range scales {
		moved := func(j int) *tensor.Tensor {
			var t *tensor.Tape
			return t.Add(u[j], t.Scale(float32(scale), eps[j]))
		}
		verdicts := plain
		if scale != 0 {
			if verdicts, err = p.answer(ctx, moved, fmt.Sprintf("s = %g", scale)); err != nil {
				return nil, err
			}
		}
		row := PerturbedScale{Scale: scale}
		if row.PassOne, err = p.passOne(verdicts); err != nil {
			return nil, err
		}
		row.compare(plain, verdicts)
		for j := range u {
			row.Cosine += cosine(u[j].Data, moved(j).Data)
		}
		row.Cosine /= float64(len(u))
		found.Scales = append(found.Scales, row)
	}
	return found, nil
}

// compare counts in how many samples the verdict and the text stay what they are
// without noise.
func (s *PerturbedScale) compare(plain, verdicts []eval.Verdict) {
	agree, exact := 0, 0
	for j, v := range verdicts {
		if v.Passed == plain[j].Passed {
			agree++
		}
		if v.Completion == plain[j].Completion {
			exact++
		}
	}
	s.Agreement, s.Exact = float64(agree)/float64(len(verdicts)), float64(exact)/float64(len(verdicts))
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i, x := range a {
		y := float64(b[i])
		ab, aa, bb = ab+float64(x)*y, aa+float64(x)*float64(x), bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}

func rootMeanSquare(u []*tensor.Tensor) float64 {
	sum, n := 0.0, 0
	for _, x := range u {
		for _, v := range x.Data {
			sum += float64(v) * float64(v)
		}
		n += len(x.Data)
	}
	return math.Sqrt(sum / float64(n))
}
