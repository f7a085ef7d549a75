package page

import (
	"html/template"
	"io"
	"strings"
)

// layout is one HTML page, without a script and without anything from elsewhere.
// Wide tables and figures scroll in boxes of their own.
var layout = template.Must(template.New("page").Funcs(template.FuncMap{
	"inline": func(f *Figure) (template.HTML, error) {
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
{{range .Text}}<p>{{.}}</p>
{{end}}{{range .Sections}}<h2>{{.Title}}</h2>
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

// WriteHTML writes the document as one page that needs no other file.
func (d Document) WriteHTML(w io.Writer) error { return layout.Execute(w, d) }

// isNumber tells numbers, with an interval or a unit after them, from names: in tables they stand right.
func isNumber(s string) bool {
	return strings.IndexAny(strings.TrimLeft(s, "+-"), "0123456789") == 0
}
