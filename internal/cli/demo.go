package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/cot/study"
	"nfcot/internal/cot/train"
	"nfcot/internal/eval"
	"nfcot/internal/eval/harness"
	"nfcot/internal/page"
	"nfcot/internal/progress"
)

type demoOptions struct {
	seed  uint64
	out   string
	quick bool
}

// demoMethods are compared in the demo's table, by the names it shows.
var demoMethods = []struct{ method, name string }{
	{"direct", "direct answer"},
	{"cot", "explicit CoT"},
	{"nfcot", "NF-CoT"},
}

func (e *env) demo() *cli.Command {
	o := demoOptions{seed: 1, out: "nfcot-demo"}
	return e.command(&cli.Command{
		Name:  "demo",
		Usage: "the whole pipeline on the embedded benchmark, from nothing to a table",
		Description: "Makes problems, trains a tokenizer, a VAE and three models, judges their programs and compares them.\n" +
			"Every stage can be run by itself with the command that the demo names.",
		Flags: []cli.Flag{
			&cli.Uint64Flag{Name: "seed", Usage: "random `seed`; one seed gives one table", Value: o.seed, Destination: &o.seed},
			&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "`DIR` that keeps every stage's files; an earlier demo there is replaced", Value: o.out, Destination: &o.out},
			&cli.BoolFlag{Name: "quick", Usage: "a twentieth of the training, to see the stages go by; the models stay ignorant", Destination: &o.quick},
		},
		Action: func(*cli.Context) error { return e.runDemo(o) },
	})
}

// A demoStage is some commands, and what the demo says they are for.
type demoStage struct {
	title    string
	commands [][]string
}

// in is a file of the demo's.
func (o demoOptions) in(name string) string { return filepath.Join(o.out, name) }

// stages are what the demo does.
func (o demoOptions) stages() []demoStage {
	seed, steps := fmt.Sprint(o.seed), train.DefaultDistill().Steps
	if o.quick {
		steps /= 20
	}
	stages := []demoStage{
		{"Problems of the embedded benchmark: fold some steps into one expression.", [][]string{
			{"data", "--split", "train", "--seed", seed, "-o", o.in("train.jsonl")},
			{"data", "--split", "test", "-n", "200", "--seed", seed, "-o", o.in("test.jsonl")},
		}},
		{"A tokenizer for them.", [][]string{
			{"tokenize", "train", "--in", o.in("train.jsonl"), "-o", o.in("tokenizer")},
		}},
		{"A VAE that turns each line of a chain of thought into a vector.", [][]string{
			{"distill", "--data", o.in("train.jsonl"), "--tokenizer", o.in("tokenizer"), "--steps", fmt.Sprint(steps), "--seed", seed, "-o", o.in("thoughts")},
		}},
	}
	for _, m := range demoMethods {
		stages = append(stages, demoStage{m.name + ": train, then run its programs.", [][]string{
			slices.Concat([]string{"train", "--method", m.method, "--thoughts", o.in("thoughts"), "--set", "seed=" + seed}, o.fewerSteps(m.method), []string{"-o", o.in(m.method)}),
			{"eval", "--bench", o.in("test.jsonl"), "--model", o.in(m.method), "--seed", seed, "--shard", "0/1", "-o", o.in("eval-" + m.method)},
		}})
	}
	return stages
}

// fewerSteps are the flags that make a quick demo's training short.
func (o demoOptions) fewerSteps(method string) (flags []string) {
	stages := experiment.Default(method).Stages
	for id, s := range stages.All() {
		if o.quick && s.Steps > 0 {
			flags = append(flags, "--set", fmt.Sprintf("stages.%s.steps=%d", id, s.Steps/20))
		}
	}
	return flags
}

func (e *env) runDemo(o demoOptions) error {
	start := time.Now()
	// Replaces an earlier demo, refuses to replace anything else.
	if err := ckpt.WriteDir(o.out, func(string) error { return nil }); err != nil {
		return input(err)
	}
	var common []string
	if e.quiet {
		common = append(common, "--quiet")
	}
	if e.threads > 0 {
		common = append(common, "--threads", fmt.Sprint(e.threads))
	}
	for i, stage := range o.stages() {
		var lines []string
		for c := range stage.commands {
			stage.commands[c] = slices.Concat([]string{"nfcot"}, stage.commands[c], common)
			lines = append(lines, study.ShellLine(stage.commands[c]))
		}
		e.say("\n%d. %s\n   %s", i+1, stage.title, strings.Join(lines, "; "))
		for _, args := range stage.commands {
			// The stages' own results are not the demo's.
			own := &env{ctx: e.ctx, stdin: e.stdin, stdout: io.Discard, stderr: e.stderr, guard: e.guard}
			if err := own.app().RunContext(e.ctx, args); err != nil {
				return err
			}
		}
	}
	if err := e.printDemo(o); err != nil {
		return err
	}
	e.say("\nAll files are in %s; it took %s.", o.out, progress.Round(time.Since(start)))
	return nil
}

// A demoRow is a method's line in the demo's table.
type demoRow struct {
	Method string `json:"method"`
	eval.Report
}

func (e *env) printDemo(o demoOptions) error {
	var rows []demoRow
	table := page.Table{Header: []string{"method", "pass@1 [95 % interval]", "pass@8", "reasoning positions", "seconds a sample"}}
	var last *harness.Evaluation // that of NF-CoT
	for _, m := range demoMethods {
		x, err := harness.ReadEvaluation(o.in("eval-" + m.method))
		if err != nil {
			return err
		}
		seconds := *x.ThinkSeconds + *x.AnswerSeconds
		rows, last = append(rows, demoRow{m.name, x.Report}), x
		table.Rows = append(table.Rows, []string{m.name, x.PassAtK[0].Percent(), x.PassAtK[1].Percent(), page.Number("%.1f", x.ReasoningPositions), fmt.Sprintf("%.4f", seconds)})
	}
	if e.json {
		return printLines(e, rows)
	}
	fmt.Fprintln(e.stdout)
	if err := table.WriteText(e.stdout); err != nil {
		return err
	}
	return e.showSample(o.in("nfcot"), last)
}

// showSample shows one problem as the model thought about it: the first sample of its
// evaluation.
func (e *env) showSample(model string, x *harness.Evaluation) error {
	run, err := experiment.Open(model, "", nil)
	if err != nil {
		return err
	}
	v := x.Verdicts[0]
	text, err := generate.Transcript(run, v.Sample)
	if err != nil {
		return fmt.Errorf("%s: %w", x.Dir, err)
	}
	fmt.Fprintf(e.stdout, "\nOne problem, %s: the thoughts are vectors, read back here by the VAE's decoder.\n\n%s", v.TaskID, indent(text))
	fmt.Fprintf(e.stdout, "\n    verdict: %s\n", v.Result)
	return nil
}
