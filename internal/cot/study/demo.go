package study

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/cot/train"
	"nfcot/internal/eval"
	"nfcot/internal/eval/harness"
	"nfcot/internal/page"
)

// A Demo is the whole pipeline on the embedded benchmark, from nothing to a table.
type Demo struct {
	Dir   string // keeps the files of all stages
	Seed  uint64
	Quick bool // a twentieth of the training
}

// demoMethods are compared in the demo's table, by the names it shows.
var demoMethods = []struct{ method, name string }{
	{"direct", "direct answer"},
	{"cot", "explicit CoT"},
	{"nfcot", "NF-CoT"},
}

// A DemoStage is some commands of this program, and what the demo says they are for.
type DemoStage struct {
	Title    string
	Commands [][]string // arguments
}

// in is a file of the demo's.
func (d Demo) in(name string) string { return filepath.Join(d.Dir, name) }

// Stages are what the demo does, each command with the given flags, too.
func (d Demo) Stages(flags []string) []DemoStage {
	seed, steps := fmt.Sprint(d.Seed), train.DefaultDistill().Steps
	if d.Quick {
		steps /= 20
	}
	stages := []DemoStage{
		{"Problems of the embedded benchmark: fold some steps into one expression.", [][]string{
			{"data", "--split", "train", "--seed", seed, "-o", d.in("train.jsonl")},
			{"data", "--split", "test", "-n", "200", "--seed", seed, "-o", d.in("test.jsonl")},
		}},
		{"A tokenizer for them.", [][]string{
			{"tokenize", "train", "--in", d.in("train.jsonl"), "-o", d.in("tokenizer")},
		}},
		{"A VAE that turns each line of a chain of thought into a vector.", [][]string{
			{"distill", "--data", d.in("train.jsonl"), "--tokenizer", d.in("tokenizer"), "--steps", fmt.Sprint(steps), "--seed", seed, "-o", d.in("thoughts")},
		}},
	}
	for _, m := range demoMethods {
		stages = append(stages, DemoStage{m.name + ": train, then run its programs.", [][]string{
			slices.Concat([]string{"train", "--method", m.method, "--thoughts", d.in("thoughts"), "--set", "seed=" + seed}, d.fewerSteps(m.method), []string{"-o", d.in(m.method)}),
			{"eval", "--bench", d.in("test.jsonl"), "--model", d.in(m.method), "--seed", seed, "--shard", "0/1", "-o", d.in("eval-" + m.method)},
		}})
	}
	for _, s := range stages {
		for i, args := range s.Commands {
			s.Commands[i] = slices.Concat([]string{"nfcot"}, args, flags)
		}
	}
	return stages
}

// fewerSteps are the flags that make a quick demo's training short.
func (d Demo) fewerSteps(method string) (flags []string) {
	stages := experiment.Default(method).Stages
	for id, s := range stages.All() {
		if d.Quick && s.Steps > 0 {
			flags = append(flags, "--set", fmt.Sprintf("stages.%s.steps=%d", id, s.Steps/20))
		}
	}
	return flags
}

// Shell is the stage's commands as a line for a shell.
func (s DemoStage) Shell() string {
	var lines []string
	for _, args := range s.Commands {
		lines = append(lines, shellLine(args))
	}
	return strings.Join(lines, "; ")
}

// A DemoRow is a method's line in the demo's table.
type DemoRow struct {
	Method string `json:"method"`
	eval.Report
}

// A DemoResult is the demo's table, and one problem as NF-CoT thought about it.
type DemoResult struct {
	Rows  []DemoRow
	model string              // that thought
	of    *harness.Evaluation // its own
}

// Result reads what the stages left.
func (d Demo) Result() (r DemoResult, err error) {
	for _, m := range demoMethods {
		r.model = d.in(m.method)
		if r.of, err = harness.ReadEvaluation(d.in("eval-" + m.method)); err != nil {
			return r, err
		}
		r.Rows = append(r.Rows, DemoRow{m.name, r.of.Report})
	}
	return r, nil
}

// WriteText writes the table, then the problem with its first sample.
func (r DemoResult) WriteText(w io.Writer) error {
	table := page.Table{Header: []string{"method", "pass@1 [95 % interval]", "pass@8", "reasoning positions", "seconds a sample"}}
	for _, x := range r.Rows {
		table.Rows = append(table.Rows, []string{x.Method, x.PassAtK[0].Percent(), x.PassAtK[1].Percent(),
			page.Number("%.1f", x.ReasoningPositions), fmt.Sprintf("%.4f", *x.ThinkSeconds+*x.AnswerSeconds)})
	}
	fmt.Fprintln(w)
	if err := table.WriteText(w); err != nil {
		return err
	}
	run, err := experiment.Open(r.model, "", nil)
	if err != nil {
		return err
	}
	v := r.of.Verdicts[0]
	text, err := generate.Transcript(run, v.Sample)
	if err != nil {
		return fmt.Errorf("%s: %w", r.of.Dir, err)
	}
	_, err = fmt.Fprintf(w, "\nOne problem, %s: the thoughts are vectors, read back here by the VAE's decoder.\n\n%s\n    verdict: %s\n",
		v.TaskID, page.Indent(text), v.Result)
	return err
}
