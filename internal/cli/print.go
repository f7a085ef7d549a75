package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"nfcot/internal/eval"
	"nfcot/internal/eval/harness"
	"nfcot/internal/page"
)

// printJSON writes v as one line of JSON to stdout.
func (e *env) printJSON(v any) error {
	out := json.NewEncoder(e.stdout)
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// printTable writes rows under a header to stdout; columns of numbers stand right.
func (e *env) printTable(header []string, rows [][]string) {
	t := table.NewWriter()
	t.SetOutputMirror(e.stdout)
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Options.SeparateHeader = true
	t.SetStyle(style)
	var configs []table.ColumnConfig
	for i := range header {
		if slices.ContainsFunc(rows, func(row []string) bool { return page.IsNumber(row[i]) }) {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.SetColumnConfigs(configs)
	t.AppendHeader(cells(header))
	for _, row := range rows {
		t.AppendRow(cells(row))
	}
	t.Render()
}

func cells(texts []string) table.Row {
	row := make(table.Row, len(texts))
	for i, s := range texts {
		row[i] = s
	}
	return row
}

// indent puts a margin before every line of a text.
func indent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		fmt.Fprintf(&b, "    %s", line)
	}
	return b.String()
}

// printDocument writes a document without its figures to stdout.
func (e *env) printDocument(d page.Document) {
	for _, paragraph := range d.Text {
		fmt.Fprintf(e.stdout, "%s\n\n", text.WrapSoft(paragraph, 100))
	}
	for i, s := range d.Sections {
		if i > 0 {
			fmt.Fprintln(e.stdout)
		}
		fmt.Fprintf(e.stdout, "%s\n", strings.ToUpper(s.Title))
		for _, paragraph := range s.Text {
			fmt.Fprintln(e.stdout, text.WrapSoft(paragraph, 100))
		}
		for _, t := range s.Tables {
			fmt.Fprintln(e.stdout)
			if t.Title != "" {
				fmt.Fprintln(e.stdout, t.Title)
			}
			e.printTable(t.Header, wrapped(t.Rows))
		}
	}
}

// wrapped are rows with long texts broken into lines.
func wrapped(rows [][]string) [][]string {
	out := make([][]string, len(rows))
	for i, row := range rows {
		for _, cell := range row {
			out[i] = append(out[i], text.WrapSoft(cell, 48))
		}
	}
	return out
}

// printEvaluation writes what an evaluation found to stdout.
func (e *env) printEvaluation(x *harness.Evaluation, perProblem bool) error {
	if e.json {
		return e.printJSON(x)
	}
	if perProblem {
		tasks := x.TaskTable()
		e.printTable(tasks.Header, tasks.Rows)
		fmt.Fprintln(e.stdout)
	}
	rows := [][]string{{"problems", fmt.Sprint(x.Problems)}, {"samples", fmt.Sprint(x.Samples)}}
	if x.Shard != "" {
		rows = append(rows, []string{"shard", x.Shard})
	}
	rows = append(rows, passRows(x)...)
	for _, kind := range eval.Kinds {
		if n := x.Results[kind]; n > 0 {
			rows = append(rows, []string{string(kind), fmt.Sprint(n)})
		}
	}
	if x.InProcess > 0 {
		rows = append(rows, []string{"problems judged in the program's own process", fmt.Sprint(x.InProcess)})
	}
	if x.StructuralSimilarity != nil {
		similar := fmt.Sprintf("%.3f", *x.StructuralSimilarity)
		if x.Unparsed > 0 {
			similar += fmt.Sprintf(", %d programs left out", x.Unparsed)
		}
		rows = append(rows, []string{"structural similarity", similar})
	}
	for _, mean := range []struct {
		name   string
		value  *float64
		format string
	}{
		{"reasoning positions", x.ReasoningPositions, "%.1f"},
		{"thinking, ms a sample", scaled(x.ThinkSeconds, 1e3), "%.2f"},
		{"answering, ms a sample", scaled(x.AnswerSeconds, 1e3), "%.2f"},
		{"thinking, MFLOP a sample", scaled(x.ThinkFLOPs, 1e-6), "%.2f"},
		{"answering, MFLOP a sample", scaled(x.AnswerFLOPs, 1e-6), "%.2f"},
	} {
		if mean.value != nil {
			rows = append(rows, []string{mean.name, number(mean.value, mean.format)})
		}
	}
	e.printTable([]string{x.Bench, x.Method}, rows)
	return nil
}

// passRows are the rows of pass@k; EvalPlus's base and plus stand side by side.
func passRows(x *harness.Evaluation) [][]string {
	var rows [][]string
	for i, p := range x.PassAtK {
		row := []string{fmt.Sprintf("pass@%d", p.K), p.Percent()}
		if x.BasePassAtK != nil {
			row[1] = fmt.Sprintf("base %s, plus %s", x.BasePassAtK[i].Percent(), p.Percent())
		}
		rows = append(rows, row)
	}
	return rows
}

// number formats a mean that may be missing.
func number(v *float64, format string) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf(format, *v)
}

func scaled(v *float64, by float64) *float64 {
	if v == nil {
		return nil
	}
	s := *v * by
	return &s
}
