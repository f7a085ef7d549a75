package page

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Columns of a text: those of its paragraphs, and of a cell of a document's tables.
const (
	paragraphColumns = 100
	cellColumns      = 48
)

// WriteText writes the rows under their header, for a terminal; columns of numbers
// stand right.
func (t Table) WriteText(w io.Writer) error {
	out := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Options.SeparateHeader = true
	out.SetStyle(style)
	var configs []table.ColumnConfig
	for i := range t.Header {
		if slices.ContainsFunc(t.Rows, func(row []string) bool { return isNumber(row[i]) }) {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	out.SetColumnConfigs(configs)
	out.AppendHeader(cells(t.Header))
	for _, row := range t.Rows {
		out.AppendRow(cells(row))
	}
	_, err := fmt.Fprintln(w, out.Render())
	return err
}

func cells(texts []string) table.Row {
	row := make(table.Row, len(texts))
	for i, s := range texts {
		row[i] = s
	}
	return row
}

// Number is a number as a cell of a table: - where there is none.
func Number(format string, v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf(format, *v)
}

// WriteText writes the document without its figures, for a terminal.
func (d Document) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, paragraph := range d.Text {
		fmt.Fprintf(&b, "%s\n\n", text.WrapSoft(paragraph, paragraphColumns))
	}
	for i, s := range d.Sections {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s\n", strings.ToUpper(s.Title))
		for _, paragraph := range s.Text {
			fmt.Fprintln(&b, text.WrapSoft(paragraph, paragraphColumns))
		}
		for _, t := range s.Tables {
			b.WriteByte('\n')
			if t.Title != "" {
				fmt.Fprintln(&b, t.Title)
			}
			if err := t.wrapped().WriteText(&b); err != nil {
				return err
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrapped is the table with long cells broken into lines.
func (t Table) wrapped() Table {
	rows := make([][]string, len(t.Rows))
	for i, row := range t.Rows {
		for _, cell := range row {
			rows[i] = append(rows[i], text.WrapSoft(cell, cellColumns))
		}
	}
	t.Rows = rows
	return t
}

// Indent puts a margin before every line of a text.
func Indent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		fmt.Fprintf(&b, "    %s", line)
	}
	return b.String()
}
