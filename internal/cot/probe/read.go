package probe

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"nfcot/internal/cot"
	"nfcot/internal/cot/generate"
	"nfcot/internal/eval"
	"nfcot/internal/page"
	"nfcot/internal/tensor"
)

// Readings are what a model thinks about some problems.
type Readings struct {
	Model    string    `json:"model"`
	Seed     uint64    `json:"seed"`
	Problems []Reading `json:"problems"`
}

// A Reading is what a model thinks about a problem.
type Reading struct {
	TaskID  string       `json:"task_id"`
	Prompt  string       `json:"prompt"`
	Samples []ReadSample `json:"samples"`
	Between []ReadSample `json:"between,omitempty"` // the first two samples
}

// A ReadSample is what is thought and answered.
type ReadSample struct {
	Share    float64       `json:"share"` // of the second sample's thoughts, between two
	Thoughts []ReadThought `json:"thoughts"`
	Answer   string        `json:"answer"`
}

// A ReadThought is a thought as text.
type ReadThought struct {
	Sigma *float64 `json:"sigma,omitempty"` // that the head gave it, mean over dimensions; nil where no head does
	Text  string   `json:"text"`
	Right *bool    `json:"right"` // nil where no chain of thought is known
}

// WriteText writes the reading for a terminal: lines that are not the model's answer begin
// with #.
func (r Reading) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n%s", r.TaskID, page.Indent(strings.TrimSuffix(r.Prompt, "\n")+"\n"))
	for i, s := range r.Samples {
		fmt.Fprintf(&b, "# sample %d of %d\n%s", i+1, len(r.Samples), s.text())
	}
	for _, s := range r.Between {
		fmt.Fprintf(&b, "# between samples 1 and 2, %.2f of the way\n%s", s.Share, s.text())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text is the sample for a terminal.
func (s ReadSample) text() string {
	var b strings.Builder
	for k, thought := range s.Thoughts {
		fmt.Fprintf(&b, "# [thought %d", k+1)
		if thought.Sigma != nil {
			fmt.Fprintf(&b, ", sigma %.2f", *thought.Sigma)
		}
		if thought.Right != nil && !*thought.Right {
			b.WriteString(", wrong")
		}
		fmt.Fprintf(&b, "] %s\n", strings.ReplaceAll(thought.Text, "\n", "; "))
	}
	return b.String() + strings.TrimSuffix(s.Answer, "\n") + "\n"
}

// Read samples a problem, and what lies in a number of steps between its first two samples.
func (p *Probe) Read(ctx context.Context, problem eval.Problem, steps int) (Reading, error) {
	r := Reading{TaskID: problem.TaskID, Prompt: p.Recipe.Prompt(problem)}
	samples, err := p.All(ctx, []eval.Problem{problem}, p.Options())
	if err != nil {
		return r, err
	}
	chains := p.chainsOf(problem)
	r.Samples = p.read(samples, chains)
	if len(samples) < 2 || steps == 0 {
		return r, nil
	}
	share := func(step int) float64 { return float64(step+1) / float64(steps+1) }
	one, o := *p.Generator, p.Options()
	one.N = 1
	o.Replace = func(step, _ int) *tensor.Tensor {
		var t *tensor.Tape
		s := float32(share(step))
		return t.Add(t.Scale(1-s, samples[0].Thoughts), t.Scale(s, samples[1].Thoughts))
	}
	between, err := one.All(ctx, slices.Repeat([]eval.Problem{problem}, steps), o)
	if err != nil {
		return r, err
	}
	r.Between = p.read(between, chains)
	for step := range r.Between {
		r.Between[step].Share = share(step)
	}
	return r, nil
}

// read reads the thoughts of samples of one problem.
func (p *Probe) read(samples []cot.Sample, chains []chain) []ReadSample {
	sigmas := p.sigmas(samples)
	var all []ReadSample
	for i, s := range samples {
		var x ReadSample
		x.Answer, _ = p.Answer(s)
		lines := generate.Thoughts(p.Run, s.Thoughts)
		right := judgeThoughts(lines, chains)
		for k, line := range lines {
			thought := ReadThought{Text: line}
			if sigmas != nil {
				thought.Sigma = &sigmas[i][k]
			}
			if right != nil {
				thought.Right = &right[k]
			}
			x.Thoughts = append(x.Thoughts, thought)
		}
		all = append(all, x)
	}
	return all
}
