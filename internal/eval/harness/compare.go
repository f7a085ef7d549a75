package harness

// This file reads evaluations and lays them side by side.

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"nfcot/internal/ckpt"
	"nfcot/internal/eval"
	"nfcot/internal/page"
)

// ReadEvaluation reads what Run or Merge left in a folder.
func ReadEvaluation(dir string) (*Evaluation, error) {
	x := &Evaluation{}
	missing := inputf("%s: not the folder of a finished evaluation: it has no %s", dir, reportFile)
	if err := readRecord(filepath.Join(dir, reportFile), x, missing); err != nil {
		return nil, err
	}
	x.Dir = dir
	path := ckpt.OrCompressed(filepath.Join(dir, verdictsFile))
	var err error
	if x.Verdicts, err = readVerdicts(path, x.Samples, reportFile); err != nil {
		return nil, err
	}
	counted, err := eval.Summarize(x.problems(), x.Verdicts, nil)
	if err != nil {
		return nil, inputf("%s: %w", path, err)
	}
	x.Tasks = counted.Tasks
	return x, nil
}

// readRecord reads the JSON file that finished work leaves. The error is missing if there is none.
func readRecord(path string, record any, missing error) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return missing
	}
	if err != nil {
		return input(err)
	}
	if err := json.Unmarshal(text, record); err != nil {
		return inputf("%s: %w", path, err)
	}
	return nil
}

// readVerdicts reads as many verdicts as a record says, whose name is for errors. None are none.
func readVerdicts(path string, expected int, record string) ([]eval.Verdict, error) {
	verdicts, err := ckpt.ReadAllJSONL[eval.Verdict](path)
	if err != nil && !errors.Is(err, ckpt.ErrEmpty) {
		return nil, input(err)
	}
	if len(verdicts) != expected {
		return nil, inputf("%s: found %d verdicts, expected the %d of %s", path, len(verdicts), expected, record)
	}
	return verdicts, nil
}

// problems are those of an evaluation that was read, as far as its verdicts say.
func (x *Evaluation) problems() []eval.Problem {
	var problems []eval.Problem
	seen := map[string]bool{}
	for _, v := range x.Verdicts {
		if !seen[v.TaskID] {
			seen[v.TaskID] = true
			problems = append(problems, eval.Problem{TaskID: v.TaskID, Format: x.Format})
		}
	}
	for _, task := range x.Unattempted {
		problems = append(problems, eval.Problem{TaskID: task, Format: x.Format})
	}
	return problems
}

// A Compared evaluation has its differences to the first of several.
type Compared struct {
	Dir string `json:"dir"`
	*Evaluation
	Differences    []eval.PassEstimate `json:"differences,omitempty"`     // of pass@k, this one minus the first
	MajDifferences []eval.PassEstimate `json:"maj_differences,omitempty"` // of maj@k, where answers are compared
}

// Compare reads the evaluations in folders, which are of the same problems, and compares
// them with the first of them, paired by problem, for the k that both have.
func Compare(dirs []string) ([]Compared, error) {
	compared := make([]Compared, len(dirs))
	for i, dir := range dirs {
		x, err := ReadEvaluation(dir)
		if err != nil {
			return nil, err
		}
		compared[i] = Compared{Dir: dir, Evaluation: x}
	}
	for i := range compared {
		if i > 0 {
			if err := compared[i].compare(compared[0].Evaluation); err != nil {
				return nil, err
			}
		}
	}
	return compared, nil
}

// compare adds the differences to the first evaluation.
func (c *Compared) compare(first *Evaluation) error {
	if c.ProblemsHash != first.ProblemsHash || c.Shard != first.Shard {
		return inputf("%s and %s are evaluations of different problems and cannot be compared", first.Dir, c.Dir)
	}
	var err error
	if c.Differences, err = c.differences(first, c.PassAtK, eval.TaskReport.PassAtK); err != nil || c.MajAtK == nil || first.MajAtK == nil {
		return err
	}
	c.MajDifferences, err = c.differences(first, c.MajAtK, eval.TaskReport.MajAtK)
	return err
}

// differences are those of a measure to the first evaluation, for each k of the estimates that both have.
func (c *Compared) differences(first *Evaluation, estimates []eval.PassEstimate, measure func(eval.TaskReport, int) float64) ([]eval.PassEstimate, error) {
	var differences []eval.PassEstimate
	for _, p := range estimates {
		if p.K > first.MinSamples {
			continue
		}
		difference, err := eval.Compare(first.problems(), c.Verdicts, first.Verdicts, measure, p.K)
		if err != nil {
			return nil, inputf("%s and %s: %w", first.Dir, c.Dir, err)
		}
		differences = append(differences, eval.PassEstimate{K: p.K, Estimate: difference})
	}
	return differences, nil
}

// name is what tables and plots call an evaluation.
func (c *Compared) name() string {
	if c.Method == "" {
		return c.Dir
	}
	return c.Dir + " (" + c.Method + ")"
}

// anyMaj says whether there is a vote in any of the evaluations.
func anyMaj(all []Compared) bool {
	return slices.ContainsFunc(all, func(c Compared) bool { return c.MajAtK != nil })
}

// pointsAt is the difference at k in points, empty where there is none.
func pointsAt(differences []eval.PassEstimate, k int) string {
	for _, d := range differences {
		if d.K == k {
			return d.Points()
		}
	}
	return ""
}

// SideBySide is the table of evaluations: a line for each and each k.
func SideBySide(all []Compared) page.Table {
	table := page.Table{Title: "pass@k, with 95 % intervals", Header: []string{"evaluation", "benchmark", "recipe", "problems", "samples", "k", "pass@k, %"}}
	base := slices.ContainsFunc(all, func(c Compared) bool { return c.BasePassAtK != nil })
	maj := anyMaj(all)
	if base {
		table.Header = append(table.Header, "base tests alone, %")
	}
	if maj {
		table.Header = append(table.Header, "maj@k, %")
	}
	table.Header = append(table.Header, "difference to the first, points")
	if maj {
		table.Header = append(table.Header, "difference of maj@k, points")
	}
	for _, c := range all {
		for i, p := range c.PassAtK {
			row := []string{c.name(), c.Bench, c.Recipe, fmt.Sprint(c.Problems), fmt.Sprint(c.Samples), fmt.Sprint(p.K), p.Percent()}
			if base {
				row = append(row, percentOf(c.BasePassAtK, i))
			}
			if maj {
				row = append(row, percentOf(c.MajAtK, i))
			}
			row = append(row, pointsAt(c.Differences, p.K))
			if maj {
				row = append(row, pointsAt(c.MajDifferences, p.K))
			}
			table.Rows = append(table.Rows, row)
		}
	}
	return table
}

// percentOf is an estimate in percent, nothing where there are none.
func percentOf(estimates []eval.PassEstimate, i int) string {
	if estimates == nil {
		return ""
	}
	return estimates[i].Percent()
}

// Document is a page of evaluations: the table and their curves of pass@k, then the
// problems of each.
func Document(all []Compared) page.Document {
	summary := page.Section{Title: "Evaluations", Tables: []page.Table{SideBySide(all)}}
	var problems []page.Section
	var curves []page.Series
	for _, c := range all {
		curves = append(curves, c.curves(c.name(), len(curves))...)
		problems = append(problems, page.Section{Title: c.name(), Tables: []page.Table{c.TaskTable()}})
	}
	summary.Figures = []*page.Figure{passFigure(curves, anyMaj(all))}
	return page.Document{Title: "pass@k", Sections: append([]page.Section{summary}, problems...)}
}
