package cli

// Thoughts as text, and which of them are wrong.

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/minicode"
	"nfcot/internal/eval"
	"nfcot/internal/eval/bench"
	"nfcot/internal/tensor"
)

type readOptions struct {
	samplingOptions
	prompt string
	steps  int
}

func (e *env) probeRead() *cli.Command {
	o := readOptions{samplingOptions: defaultSampling(), steps: 3}
	o.problems, o.n = 1, 2
	return e.command(&cli.Command{
		Name:  "read",
		Usage: "print the thoughts of samples as the VAE's decoder reads them, and what lies between two",
		Description: "Each thought comes with the standard deviation that the head gave it (sigma), and with whether it says what a chain of thought\n" +
			"of the problem says, where those are known (minicode). Between the thoughts of the first two samples lie mixtures of both; they are\n" +
			"answered with the random numbers of the first sample. For example:\n" +
			"nfcot probe read --model run --bench minicode:fold --problems 1 -n 2 --steps 3",
		Flags: append(o.flags(),
			&cli.StringFlag{Name: "prompt", Usage: "`TEXT` to think about, instead of a benchmark; -: stdin", Destination: &o.prompt},
			&cli.IntFlag{Name: "steps", Usage: "`number` of mixtures between the first two samples", Value: o.steps, Destination: &o.steps}),
		Action: func(c *cli.Context) error {
			switch {
			case c.IsSet("prompt") && c.IsSet("bench"):
				return inputf("probe read: --prompt and --bench exclude each other")
			case c.IsSet("prompt") && o.prompt == "":
				return inputf("probe read: --prompt is empty; give a text, or leave it out to read about a benchmark")
			case o.steps < 0:
				return inputf("--steps is %d; it must not be negative", o.steps)
			}
			return e.runRead(o)
		},
	})
}

// A reading is what a model thinks about a problem.
type reading struct {
	TaskID  string       `json:"task_id"`
	Prompt  string       `json:"prompt"`
	Samples []readSample `json:"samples"`
	Between []readSample `json:"between,omitempty"` // the first two samples
}

// A readSample is what is thought and answered.
type readSample struct {
	Share    float64       `json:"share"` // of the second sample's thoughts, between two
	Thoughts []readThought `json:"thoughts"`
	Answer   string        `json:"answer"`
}

// A readThought is a thought as text.
type readThought struct {
	Sigma *float64 `json:"sigma,omitempty"` // that the head gave it, mean over dimensions; nil where no head does
	Text  string   `json:"text"`
	Right *bool    `json:"right"` // nil where no chain of thought is known
}

func (e *env) runRead(o readOptions) error {
	if err := errors.Join(need("model", o.model), o.check()); err != nil {
		return err
	}
	run, err := o.openThinker()
	if err != nil {
		return err
	}
	b, err := e.promptsOf(run, sampleOptions{samplingOptions: o.samplingOptions, prompt: o.prompt})
	if err != nil {
		return err
	}
	recipe, err := recipeOf(b, o.recipe, o.Stops, nil)
	if err != nil {
		return err
	}
	for _, p := range b.Problems {
		r, err := e.read(run, p, recipe, o)
		if err != nil {
			return err
		}
		if e.json {
			if err := e.printJSON(r); err != nil {
				return err
			}
			continue
		}
		e.printReading(r)
	}
	return nil
}

// read samples a problem, and what lies between its first two samples.
func (e *env) read(run *experiment.Run, p eval.Problem, recipe *bench.Recipe, o readOptions) (reading, error) {
	r := reading{TaskID: p.TaskID, Prompt: recipe.Prompt(p)}
	samples, err := e.samplesOf(run, []eval.Problem{p}, recipe, o.samplingOptions, o.options(run, recipe))
	if err != nil {
		return r, err
	}
	chains := chainsOf(run, p)
	r.Samples = readSamplesOf(run, recipe, samples, chains)
	if len(samples) < 2 || o.steps == 0 {
		return r, nil
	}
	share := func(step int) float64 { return float64(step+1) / float64(o.steps+1) }
	options, one := o.options(run, recipe), o.samplingOptions
	one.n = 1
	options.Replace = func(step, _ int) *tensor.Tensor {
		var t *tensor.Tape
		s := float32(share(step))
		return t.Add(t.Scale(1-s, samples[0].Thoughts), t.Scale(s, samples[1].Thoughts))
	}
	if samples, err = e.samplesOf(run, slices.Repeat([]eval.Problem{p}, o.steps), recipe, one, options); err != nil {
		return r, err
	}
	r.Between = readSamplesOf(run, recipe, samples, chains)
	for step := range r.Between {
		r.Between[step].Share = share(step)
	}
	return r, nil
}

// readSamplesOf reads the thoughts of samples of one problem.
func readSamplesOf(run *experiment.Run, recipe *bench.Recipe, samples []cot.Sample, chains []chain) []readSample {
	sigmas := sigmasOf(run, samples)
	var all []readSample
	for i, s := range samples {
		var x readSample
		x.Answer, _ = recipe.Cut(run.Tokenizer.Decode(s.Answer, true))
		lines := decoded(run, s.Thoughts)
		right := judgeThoughts(lines, chains)
		for k, line := range lines {
			thought := readThought{Text: line}
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

func (e *env) printReading(r reading) {
	fmt.Fprintf(e.stdout, "# %s\n%s", r.TaskID, indent(strings.TrimSuffix(r.Prompt, "\n")+"\n"))
	for i, s := range r.Samples {
		fmt.Fprintf(e.stdout, "# sample %d of %d\n", i+1, len(r.Samples))
		e.printReadSample(s)
	}
	for _, s := range r.Between {
		fmt.Fprintf(e.stdout, "# between samples 1 and 2, %.2f of the way\n", s.Share)
		e.printReadSample(s)
	}
}

func (e *env) printReadSample(s readSample) {
	for k, thought := range s.Thoughts {
		label := fmt.Sprintf("thought %d", k+1)
		if thought.Sigma != nil {
			label += fmt.Sprintf(", sigma %.2f", *thought.Sigma)
		}
		if thought.Right != nil && !*thought.Right {
			label += ", wrong"
		}
		fmt.Fprintf(e.stdout, "# [%s] %s\n", label, strings.ReplaceAll(thought.Text, "\n", "; "))
	}
	fmt.Fprintln(e.stdout, strings.TrimSuffix(s.Answer, "\n"))
}

// A chain is a chain of thought as thoughts would have it.
type chain struct {
	lines    []string // what is to be read in each thought: [K]
	segments [][]int  // the same in the VAE's tokens
}

// chainsOf are the chains of thought that a problem may have; none if they are not
// known, or are longer than the VAE was made for.
func chainsOf(run *experiment.Run, p eval.Problem) []chain {
	var chains []chain
	for _, text := range minicode.Chains(p.TaskID, p.Prompt) {
		segments, err := run.VAE.Config.Cut(cot.Encode(run.VAEWords, cot.Example{CoT: text}, 0).Steps)
		if err != nil {
			return nil
		}
		c := chain{segments: segments}
		read := segments
		if run.VAE.Config.Encoder == "full" { // it reads the whole chain in the first thought
			read = make([][]int, len(segments))
			read[0] = slices.Concat(segments...)
		}
		for _, ids := range read {
			c.lines = append(c.lines, strings.TrimSuffix(run.VAEWords.Decode(ids, true), "\n"))
		}
		chains = append(chains, c)
	}
	return chains
}

// judgeThoughts says which thoughts are those of a chain, of the one that has most of
// them; nil if there is none.
func judgeThoughts(lines []string, chains []chain) (right []bool) {
	most := -1
	for _, c := range chains {
		same, n := make([]bool, len(lines)), 0
		for k := range lines {
			if same[k] = lines[k] == c.lines[k]; same[k] {
				n++
			}
		}
		if n > most {
			most, right = n, same
		}
	}
	return right
}
