package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/eval"
	"nfcot/internal/tensor"
)

type perturbOptions struct {
	probeOptions
	scales string
}

func (e *env) probePerturb() *cli.Command {
	o := perturbOptions{probeOptions: defaultProbe(), scales: "0,0.5,1,1.5,2,2.5,3"}
	return e.command(&cli.Command{
		Name:  "perturb",
		Usage: "add noise to the thoughts of samples and see what their answers become",
		Description: "Thoughts u are drawn once, and answered from u + s*eps for each scale s. eps is N(0, I), the same at all scales, in the space of u:\n" +
			"there a unit is the standard deviation of the VAE's codes over the training set, as far as the flow leaves it (thought_rms says how large\n" +
			"the thoughts are). Words are drawn with the same random numbers at all scales, so that s = 0 is the samples themselves.",
		Flags: append(o.flags(),
			&cli.StringFlag{Name: "scale", Usage: "`SCALES` of the noise, comma separated", Value: o.scales, Destination: &o.scales}),
		Action: func(*cli.Context) error { return e.runPerturb(o) },
	})
}

// A perturbation is what noise in thoughts does to the answers.
type perturbation struct {
	Model      string           `json:"model"`
	Bench      string           `json:"bench"`
	Samples    int              `json:"samples"` // a problem
	Seed       uint64           `json:"seed"`
	ThoughtRMS float64          `json:"thought_rms"` // root mean square of the numbers of the thoughts
	Scales     []perturbedScale `json:"scales"`
}

// A perturbedScale compares the samples at one scale of the noise with those
// without noise, sample by sample.
type perturbedScale struct {
	Scale  float64 `json:"scale"`
	Cosine float64 `json:"cosine"` // of all thoughts of a sample before and after, mean over samples
	passOne
	Agreement float64 `json:"verdict_agreement"` // share of samples with the same verdict
	Exact     float64 `json:"exact_match"`       // share of samples with the same text
}

func (e *env) runPerturb(o perturbOptions) error {
	scales, err := parseScales(o.scales)
	if err != nil {
		return err
	}
	l, err := e.openLab(o.probeOptions)
	if err != nil {
		return err
	}
	defer l.exec.Close()
	u, err := l.thoughts()
	if err != nil {
		return err
	}
	eps := make([]*tensor.Tensor, len(u))
	for j := range u {
		eps[j] = l.noise(j)
	}
	plain, err := l.answer(func(j int) *tensor.Tensor { return u[j] }, "s = 0")
	if err != nil {
		return err
	}
	p := perturbation{Model: o.model, Bench: o.bench, Samples: o.n, Seed: o.Seed, ThoughtRMS: rootMeanSquare(u)}
	for _, scale := range scales {
		moved := func(j int) *tensor.Tensor {
			var t *tensor.Tape
			return t.Add(u[j], t.Scale(float32(scale), eps[j]))
		}
		verdicts := plain
		if scale != 0 {
			if verdicts, err = l.answer(moved, fmt.Sprintf("s = %g", scale)); err != nil {
				return err
			}
		}
		row := perturbedScale{Scale: scale}
		if row.passOne, err = l.passOne(verdicts); err != nil {
			return err
		}
		row.compare(plain, verdicts)
		for j := range u {
			row.Cosine += cosine(u[j].Data, moved(j).Data)
		}
		row.Cosine /= float64(len(u))
		p.Scales = append(p.Scales, row)
	}
	return e.printProbe(o.out, p, func() { e.printPerturbation(p) })
}

func (e *env) printPerturbation(p perturbation) {
	var rows [][]string
	for _, s := range p.Scales {
		rows = append(rows, []string{
			fmt.Sprintf("%g", s.Scale), fmt.Sprintf("%.3f", s.Cosine), s.passOne.String(),
			fmt.Sprintf("%.3f", s.Agreement), fmt.Sprintf("%.3f", s.Exact),
		})
	}
	e.printTable([]string{"scale", "cosine", "pass@1", "same verdict", "same text"}, rows)
}

// compare counts in how many samples the verdict and the text stay what they are
// without noise.
func (s *perturbedScale) compare(plain, verdicts []eval.Verdict) {
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

// parseScales reads the scales of the noise.
func parseScales(text string) ([]float64, error) {
	var scales []float64
	for _, s := range strings.Split(text, ",") {
		scale, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || !(scale >= 0) || math.IsInf(scale, 0) {
			return nil, inputf("--scale %s: %q is not a number of at least 0", text, s)
		}
		scales = append(scales, scale)
	}
	return scales, nil
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
