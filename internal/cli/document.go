package cli

// A document is what report writes: the same tables and figures as one HTML
// page, as Markdown and on the terminal.

import (
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"nfcot/internal/ckpt"
	"nfcot/internal/figure"
)

type document struct {
	Title    string    `json:"title"`
	Sections []section `json:"sections"`
}

// A section has paragraphs, then figures, then tables.
type section struct {
	Title   string           `json:"title"`
	Text    []string         `json:"text,omitempty"`
	Figures []*figure.Figure `json:"-"`
	Tables  []pageTable      `json:"tables,omitempty"`
}

type pageTable struct {
	Title  string     `json:"title,omitempty"`
	Header []string   `json:"header"`
	Rows   [][]string `json:"rows"`
}

// page is one HTML page, without a script and without anything from elsewhere.
// Wide tables and figures scroll in boxes of their own.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"inline": func(f *figure.Figure) (template.HTML, error) {
		svg, err := f.Inline()
		return template.HTML(svg), err
	},
	"isNumber": isNumber,
}).Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
<style>
:root { color-scheme: light dark; --ink: #222; --paper: #fff; --faint: #ddd; --first: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #ddd; --paper: #16181b; --faint: #3a3d42; --first: #3d9be0; } }
body { font-family: sans-serif; line-height: 1.4; color: var(--ink); background: var(--paper); max-width: 75rem; margin: 0 auto; padding: 1rem; }
h1, h2, h3 { line-height: 1.2; }
p { max-width: 50rem; }
.scroll { overflow-x: auto; margin: 1em 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .75em; text-align: left; vertical-align: top; border-bottom: 1px solid var(--faint); }
td { min-width: 6em; }
td.number { text-align: right; white-space: nowrap; min-width: 3em; }
figure { margin: 1em 0; }
svg { display: block; width: 100%; min-width: 30rem; max-width: 52rem; height: auto; }
figcaption { font-size: .9rem; }
</style>
</head>
<body>
<h1>{{.Title}}</h1>
{{range .Sections}}<h2>{{.Title}}</h2>
{{range .Text}}<p>{{.}}</p>
{{end}}{{range .Figures}}<figure><div class="scroll">
{{inline .}}</div><figcaption>{{.Title}}</figcaption></figure>
{{end}}{{range .Tables}}{{if .Title}}<h3>{{.Title}}</h3>
{{end}}<div class="scroll" tabindex="0"><table>
<tr>{{range .Header}}<th>{{.}}</th>{{end}}</tr>
{{range .Rows}}<tr>{{range .}}<td{{if isNumber .}} class="number"{{end}}>{{.}}</td>{{end}}</tr>
{{end}}</table></div>
{{end}}{{end}}</body>
</html>
`))

func (d document) writeHTML(w io.Writer) error { return page.Execute(w, d) }

// markdownText keeps Markdown from reading names and intervals as its own marks.
var markdownText = strings.NewReplacer("|", `\|`, "<", "&lt;", "~", `\~`, "*", `\*`, "_", `\_`).Replace

// writeMarkdown writes the document with links to the SVG files of its figures.
func (d document) writeMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", markdownText(d.Title))
	for _, s := range d.Sections {
		fmt.Fprintf(&b, "\n## %s\n", markdownText(s.Title))
		for _, paragraph := range s.Text {
			fmt.Fprintf(&b, "\n%s\n", markdownText(paragraph))
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

// print writes the document without its figures to stdout.
func (d document) print(e *env) {
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
			e.printTable(t.Header, t.wrapped())
		}
	}
}

// wrapped are the rows with long texts broken into lines.
func (t pageTable) wrapped() [][]string {
	rows := make([][]string, len(t.Rows))
	for i, row := range t.Rows {
		for _, cell := range row {
			rows[i] = append(rows[i], text.WrapSoft(cell, 48))
		}
	}
	return rows
}

// write writes index.html, results.md and every figure, as SVG and PNG, into a
// folder.
func (d document) write(dir string) error {
	save := func(name string, content []byte, err error) error {
		if err != nil {
			return err
		}
		return ckpt.WriteFile(filepath.Join(dir, name), func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		})
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
	return ckpt.WriteFile(filepath.Join(dir, "index.html"), d.writeHTML)
}

// withoutEmpty drops the columns of a table that have nothing in any row.
func (t pageTable) withoutEmpty() pageTable {
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
	out := pageTable{Title: t.Title, Header: pick(t.Header)}
	for _, row := range t.Rows {
		out.Rows = append(out.Rows, pick(row))
	}
	return out
}
