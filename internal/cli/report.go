package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"nfcot/internal/ckpt"
	"nfcot/internal/eval"
)

type reportOptions struct {
	dirs []string
	out  string
}

func (e *env) report() *cli.Command {
	var o reportOptions
	return e.command(&cli.Command{
		Name:      "report",
		Usage:     "lay evaluations side by side, with the differences between them",
		ArgsUsage: "DIR...",
		Description: "Each DIR is what nfcot eval or nfcot merge left. Every evaluation is compared with the first, problem by problem:\n" +
			"the interval of a difference is a paired bootstrap, which sees much smaller differences than the two intervals alone.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "o", Usage: "`FILE` for one HTML page with tables and a plot", Destination: &o.out},
		},
		Action: func(c *cli.Context) error {
			o.dirs = c.Args().Slice()
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
	header = []string{"evaluation", "benchmark", "recipe", "problems", "samples", "k", "pass@k, %", "base tests alone, %", "difference to the first, points"}
	for _, c := range all {
		for i, p := range c.PassAtK {
			row := []string{c.name(), c.Bench, c.Recipe, fmt.Sprint(c.Report.Problems), fmt.Sprint(c.Samples), fmt.Sprint(p.K), percent(p), "", ""}
			if c.BasePassAtK != nil {
				row[7] = percent(c.BasePassAtK[i])
			}
			for _, d := range c.Differences {
				if d.K == p.K {
					row[8] = fmt.Sprintf("%+.1f [%+.1f, %+.1f]", 100*d.Value, 100*d.Low, 100*d.High)
				}
			}
			rows = append(rows, row)
		}
	}
	return header, rows
}

// page is one HTML page, without a script and without anything from elsewhere.
var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>pass@k</title>
<style>
body { font-family: sans-serif; margin: 2em; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .25em .75em; text-align: left; border-bottom: 1px solid #ddd; }
</style>
</head>
<body>
<h1>pass@k</h1>
{{.Plot}}
{{range .Tables}}<h2>{{.Title}}</h2>
<table>
<tr>{{range .Header}}<th>{{.}}</th>{{end}}</tr>
{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</table>
{{end}}</body>
</html>
`))

type pageTable struct {
	Title  string
	Header []string
	Rows   [][]string
}

func writePage(w io.Writer, all []compared) error {
	header, rows := sideBySide(all)
	tables := []pageTable{{"Evaluations", header, rows}}
	var curves []eval.Curve
	for _, c := range all {
		report, err := eval.Summarize(c.problems(), c.verdicts, nil)
		if err != nil {
			return err
		}
		c.Report.Tasks = report.Tasks
		curves = append(curves, c.curves(c.name())...)
		header, rows := taskRows(c.evaluation)
		tables = append(tables, pageTable{c.name(), header, rows})
	}
	return page.Execute(w, struct {
		Plot   template.HTML
		Tables []pageTable
	}{template.HTML(eval.PlotPassAtK(curves)), tables})
}
