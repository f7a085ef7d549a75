package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/cot/generate"
	"nfcot/internal/cot/train"
	"nfcot/internal/eval"
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

// A demoRow is a method's line in the demo's table.
type demoRow struct {
	Method string `json:"method"`
	eval.Report
}

func (e *env) runDemo(o demoOptions) error {
	start := time.Now()
	// Replaces an earlier demo, refuses to replace anything else.
	if err := ckpt.WriteDir(o.out, func(string) error { return nil }); err != nil {
		return input(err)
	}
	in := func(name string) string { return filepath.Join(o.out, name) }
	quiet := *e // the stages' own results are not the demo's
	quiet.stdout, quiet.json = discard{}, false

	e.say("\n1. Problems of the embedded benchmark: fold some steps into one expression.\n   nfcot data --split train --seed %d -o %s; nfcot data --split test -n 200 --seed %d -o %s", o.seed, in("train.jsonl"), o.seed, in("test.jsonl"))
	data := defaultData()
	data.seed, data.out = o.seed, in("train.jsonl")
	if err := quiet.runData(data); err != nil {
		return err
	}
	data.split, data.n, data.out = "test", 200, in("test.jsonl")
	if err := quiet.runData(data); err != nil {
		return err
	}

	e.say("\n2. A tokenizer for them.\n   nfcot tokenize train --in %s -o %s", in("train.jsonl"), in("tokenizer"))
	tokenize := defaultTokenizeTrain()
	tokenize.in, tokenize.out = []string{in("train.jsonl")}, in("tokenizer")
	if err := quiet.runTokenizeTrain(tokenize); err != nil {
		return err
	}

	distill := distillOptions{DistillConfig: train.DefaultDistill(), data: in("train.jsonl"), tokenizer: in("tokenizer"), out: in("thoughts")}
	distill.Seed = o.seed
	if o.quick {
		distill.Steps /= 20
	}
	e.say("\n3. A VAE that turns each line of a chain of thought into a vector.\n   nfcot distill --data %s --tokenizer %s --steps %d --seed %d -o %s", in("train.jsonl"), in("tokenizer"), distill.Steps, o.seed, in("thoughts"))
	if err := quiet.runDistill(distill); err != nil {
		return err
	}

	var rows []demoRow
	for i, m := range demoMethods {
		row, err := e.demoMethod(o, i+4, m.method, m.name)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if err := e.printDemo(o, rows); err != nil {
		return err
	}
	e.say("\nAll files are in %s; it took %s.", o.out, progress.Round(time.Since(start)))
	return nil
}

// demoMethod trains a method and judges it.
func (e *env) demoMethod(o demoOptions, number int, method, name string) (demoRow, error) {
	in := func(name string) string { return filepath.Join(o.out, name) }
	quiet := *e
	quiet.stdout, quiet.json = discard{}, false
	t := defaultTrain()
	t.Method, t.Source.Thoughts, t.out = method, in("thoughts"), in(method)
	t.Set = []string{fmt.Sprintf("seed=%d", o.seed)}
	if o.quick {
		stages := experiment.Default(method).Stages
		for i, s := range stages.All() {
			if s.Steps > 0 {
				t.Set = append(t.Set, fmt.Sprintf("stages.%s.steps=%d", i, s.Steps/20))
			}
		}
	}
	e.say("\n%d. %s: train, then run its programs.\n   nfcot train --method %s --thoughts %s --set %s -o %s; nfcot eval --bench %s --model %s --seed %d -o %s",
		number, name, method, in("thoughts"), strings.Join(t.Set, " --set "), in(method), in("test.jsonl"), in(method), o.seed, in("eval-"+method))
	if err := quiet.runTrain(t); err != nil {
		return demoRow{}, err
	}
	v := defaultEval()
	v.bench, v.model, v.out, v.Seed = in("test.jsonl"), in(method), in("eval-"+method), o.seed
	x, err := quiet.runEval(v)
	if err != nil {
		return demoRow{}, err
	}
	return demoRow{name, x.Report}, nil
}

// discard is a stdout nobody reads.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func (e *env) printDemo(o demoOptions, rows []demoRow) error {
	if e.json {
		for _, r := range rows {
			if err := e.printJSON(r); err != nil {
				return err
			}
		}
		return nil
	}
	var cells [][]string
	for _, r := range rows {
		seconds := *r.ThinkSeconds + *r.AnswerSeconds
		cells = append(cells, []string{r.Method, r.PassAtK[0].Percent(), r.PassAtK[1].Percent(), number(r.ReasoningPositions, "%.1f"), fmt.Sprintf("%.4f", seconds)})
	}
	fmt.Fprintln(e.stdout)
	e.printTable([]string{"method", "pass@1 [95 % interval]", "pass@8", "reasoning positions", "seconds a sample"}, cells)
	return e.showSample(filepath.Join(o.out, "nfcot"), filepath.Join(o.out, "eval-nfcot", "verdicts.jsonl"))
}

// showSample shows one problem as the model thought about it: the first sample
// that was judged.
func (e *env) showSample(model, verdicts string) error {
	run, err := experiment.Open(model, nil)
	if err != nil {
		return err
	}
	for v, err := range ckpt.ReadJSONL[eval.Verdict](verdicts) {
		if err != nil {
			return err
		}
		s, err := generate.Parse(run, v.Sample)
		if err != nil {
			return fmt.Errorf("%s: %w", verdicts, err)
		}
		fmt.Fprintf(e.stdout, "\nOne problem, %s: the thoughts are vectors, read back here by the VAE's decoder.\n\n%s", v.TaskID, indent(run.Tokenizer.Decode(s.Prompt, true)))
		fmt.Fprintf(e.stdout, "%s%s\n    verdict: %s\n", indent(generate.Thinking(run, s)), indent(strings.TrimSuffix(v.Completion, "\n")), v.Result)
		break
	}
	return nil
}
