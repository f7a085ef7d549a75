package page

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"nfcot/internal/ckpt"
)

// A Document is a page of sections. Its JSON has all but the figures.
type Document struct {
	Title    string    `json:"title"`
	Text     []string  `json:"text,omitempty"` // paragraphs under the title
	Sections []Section `json:"sections"`
}

// A section has paragraphs, then figures, then tables.
type Section struct {
	Title   string    `json:"title"`
	Text    []string  `json:"text,omitempty"`
	Figures []*Figure `json:"-"`
	Tables  []Table   `json:"tables,omitempty"`
}

// A Table has as many cells in each row as its header.
type Table struct {
	Title  string     `json:"title,omitempty"`
	Header []string   `json:"header"`
	Rows   [][]string `json:"rows"`
}

// Write writes index.html, results.md and every figure, as SVG and PNG, into a folder, which it makes where there is none.
func (d Document) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	save := func(name string, content []byte, err error) error {
		if err != nil {
			return err
		}
		return ckpt.WriteBytes(filepath.Join(dir, name), content)
	}
	for _, s := range d.Sections {
		for _, f := range s.Figures {
			svg, err := f.SVG()
			if err := save(f.Name+".svg", svg, err); err != nil {
				return err
			}
			png, err := f.PNG()
			if err := save(f.Name+".png", png, err); err != nil {
				return err
			}
		}
	}
	if err := ckpt.WriteFile(filepath.Join(dir, "results.md"), d.writeMarkdown); err != nil {
		return err
	}
	return ckpt.WriteFile(filepath.Join(dir, "index.html"), d.WriteHTML)
}

// markdownText keeps Markdown from reading names and intervals as its own marks.
var markdownText = strings.NewReplacer("|", `\|`, "<", "&lt;", "~", `\~`, "*", `\*`, "_", `\_`).Replace

// lineMark finds words that mean something to Markdown at the beginning of a line.
var lineMark = regexp.MustCompile(`^([-+>]|#+|\d+[.)])$`)

// wrap breaks a paragraph into lines of at most 120 columns.
func wrap(paragraph string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(paragraph) {
		width := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+width > 120 && !lineMark.MatchString(word):
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += width
	}
	return b.String()
}

// writeMarkdown writes the document with links to the SVG files of its figures.
func (d Document) writeMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", markdownText(d.Title))
	for _, paragraph := range d.Text {
		fmt.Fprintf(&b, "\n%s\n", wrap(markdownText(paragraph)))
	}
	for _, s := range d.Sections {
		fmt.Fprintf(&b, "\n## %s\n", markdownText(s.Title))
		for _, paragraph := range s.Text {
			fmt.Fprintf(&b, "\n%s\n", wrap(markdownText(paragraph)))
		}
		for _, f := range s.Figures {
			fmt.Fprintf(&b, "\n![%s](%s.svg)\n", markdownText(f.Title), f.Name)
		}
		for _, t := range s.Tables {
			if t.Title != "" {
				fmt.Fprintf(&b, "\n### %s\n", markdownText(t.Title))
			}
			b.WriteString("\n")
			writeRow := func(row []string) {
				for _, cell := range row {
					fmt.Fprintf(&b, "| %s ", markdownText(cell))
				}
				b.WriteString("|\n")
			}
			writeRow(t.Header)
			b.WriteString(strings.Repeat("|---", len(t.Header)) + "|\n")
			for _, row := range t.Rows {
				writeRow(row)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WithoutEmpty is the table without the columns that have nothing in any row.
func (t Table) WithoutEmpty() Table {
	keep := func(i int) bool {
		return slices.ContainsFunc(t.Rows, func(row []string) bool { return row[i] != "" })
	}
	pick := func(row []string) (kept []string) {
		for i, cell := range row {
			if keep(i) {
				kept = append(kept, cell)
			}
		}
		return kept
	}
	out := Table{Title: t.Title, Header: pick(t.Header)}
	for _, row := range t.Rows {
		out.Rows = append(out.Rows, pick(row))
	}
	return out
}
