package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/eval"
	"nfcot/internal/page"
)

type reportOptions struct {
	dirs       []string
	study, out string
}

func (e *env) report() *cli.Command {
	var o reportOptions
	return e.command(&cli.Command{
		Name:      "report",
		Usage:     "lay evaluations side by side, with the differences between them",
		ArgsUsage: "DIR...",
		Description: "Each DIR is what nfcot eval or nfcot merge left. Every evaluation is compared with the first, problem by problem:\n" +
			"the interval of a difference is a paired bootstrap, which sees much smaller differences than the two intervals alone.\n" +
			"With --study, the DIR of that flag has a study.jsonl that names the evaluations and runs of several methods and seeds;\n" +
			"the report then has tables, figures and a verdict on every claim.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "study", Usage: "`DIR` of a study, in place of evaluations", Destination: &o.study},
			&cli.StringFlag{Name: "o", Usage: "`FILE` for one HTML page with tables and a plot; with --study, the folder for index.html, results.md and figures", Destination: &o.out},
		},
		Action: func(c *cli.Context) error {
			o.dirs = c.Args().Slice()
			if o.study != "" {
				return e.reportStudy(o)
			}
			return e.runReport(o)
		},
	})
}

// A compared evaluation has its differences to the first one.
type compared struct {
	Dir string `json:"dir"`
	evaluation
	Differences []eval.PassEstimate `json:"differences,omitempty"` // of pass@k, this one minus the first

	verdicts []eval.Verdict
}

func (e *env) runReport(o reportOptions) error {
	if len(o.dirs) == 0 {
		return inputf("report: name the folders of evaluations; see nfcot report --help")
	}
	var all []compared
	for _, dir := range o.dirs {
		c, err := readEvaluation(dir)
		if err != nil {
			return err
		}
		if len(all) > 0 {
			if err := c.compare(all[0]); err != nil {
				return err
			}
		}
		all = append(all, c)
	}
	if o.out != "" {
		if err := ckpt.WriteFile(o.out, func(w io.Writer) error { return writePage(w, all) }); err != nil {
			return err
		}
	}
	if e.json {
		for _, c := range all {
			if err := e.printJSON(c); err != nil {
				return err
			}
		}
		return nil
	}
	e.printTable(sideBySide(all))
	return nil
}

// readEvaluation reads what eval left in a folder.
func readEvaluation(dir string) (compared, error) {
	c := compared{Dir: dir}
	path := filepath.Join(dir, reportFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return c, inputf("%s: not the folder of a finished evaluation: it has no %s", dir, reportFile)
	}
	if err != nil {
		return c, input(err)
	}
	if err := json.Unmarshal(text, &c.evaluation); err != nil {
		return c, inputf("%s: %w", path, err)
	}
	path = filepath.Join(dir, verdictsFile)
	c.verdicts, err = ckpt.ReadAllJSONL[eval.Verdict](path)
	if err != nil && !errors.Is(err, ckpt.ErrEmpty) {
		return c, input(err)
	}
	if len(c.verdicts) != c.Samples {
		return c, inputf("%s: found %d verdicts, expected the %d of %s", path, len(c.verdicts), c.Samples, reportFile)
	}
	return c, nil
}

// problems are those of an evaluation, as far as a comparison needs to know them.
func (c *compared) problems() []eval.Problem {
	var problems []eval.Problem
	seen := map[string]bool{}
	for _, v := range c.verdicts {
		if !seen[v.TaskID] {
			seen[v.TaskID] = true
			problems = append(problems, eval.Problem{TaskID: v.TaskID})
		}
	}
	for _, task := range c.Unattempted {
		problems = append(problems, eval.Problem{TaskID: task})
	}
	return problems
}

// compare adds the differences to another evaluation of the same problems, for
// the k that both have.
func (c *compared) compare(first compared) error {
	if c.ProblemsHash != first.ProblemsHash || c.Shard != first.Shard {
		return inputf("%s and %s are evaluations of different problems and cannot be compared", first.Dir, c.Dir)
	}
	for _, p := range c.PassAtK {
		if p.K > first.MinSamples {
			continue
		}
		difference, err := eval.Compare(first.problems(), c.verdicts, first.verdicts, p.K)
		if err != nil {
			return inputf("%s and %s: %w", first.Dir, c.Dir, err)
		}
		c.Differences = append(c.Differences, eval.PassEstimate{K: p.K, Estimate: difference})
	}
	return nil
}

// name is what tables and plots call an evaluation.
func (c *compared) name() string {
	if c.Method == "" {
		return c.Dir
	}
	return c.Dir + " (" + c.Method + ")"
}

// sideBySide is the table of evaluations: a line for each and each k.
func sideBySide(all []compared) (header []string, rows [][]string) {
	header = []string{"evaluation", "benchmark", "recipe", "problems", "samples", "k", "pass@k, %"}
	base := slices.ContainsFunc(all, func(c compared) bool { return c.BasePassAtK != nil })
	if base {
		header = append(header, "base tests alone, %")
	}
	header = append(header, "difference to the first, points")
	for _, c := range all {
		for i, p := range c.PassAtK {
			row := []string{c.name(), c.Bench, c.Recipe, fmt.Sprint(c.Report.Problems), fmt.Sprint(c.Samples), fmt.Sprint(p.K), percent(p)}
			if c.BasePassAtK != nil {
				row = append(row, percent(c.BasePassAtK[i]))
			} else if base {
				row = append(row, "")
			}
			difference := ""
			for _, d := range c.Differences {
				if d.K == p.K {
					difference = points(d.Estimate)
				}
			}
			rows = append(rows, append(row, difference))
		}
	}
	return header, rows
}

// points writes a difference of two pass@k in percentage points.
func points(d eval.Estimate) string {
	return fmt.Sprintf("%+.1f [%+.1f, %+.1f]", 100*d.Value, 100*d.Low, 100*d.High)
}

func writePage(w io.Writer, all []compared) error {
	header, rows := sideBySide(all)
	d := page.Document{Title: "pass@k", Sections: []page.Section{{Title: "Evaluations", Tables: []page.Table{{Header: header, Rows: rows}}}}}
	var curves []page.Series
	for _, c := range all {
		report, err := eval.Summarize(c.problems(), c.verdicts, nil)
		if err != nil {
			return err
		}
		c.Report.Tasks = report.Tasks
		curves = append(curves, c.curves(c.name(), len(curves))...)
		header, rows := taskRows(c.evaluation)
		d.Sections = append(d.Sections, page.Section{Title: c.name(), Tables: []page.Table{{Header: header, Rows: rows}}})
	}
	d.Sections[0].Figures = []*page.Figure{passFigure(curves)}
	return d.WriteHTML(w)
}
