package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

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
