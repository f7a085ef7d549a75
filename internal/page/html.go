package page

import (
	"html/template"
	"io"
	"strings"
)

// layout is one HTML page, without a script and without anything from elsewhere: its empty
// icon keeps browsers from asking a server for one.
// Where a window is too narrow for a table, each row is a card: its name, and a line for
// each cell, or for two short ones. Figures are drawn for wide and for narrow windows.
var layout = template.Must(template.New("page").Funcs(template.FuncMap{
	"inline": func(f *Figure) (template.HTML, error) {
		svg, err := f.Inline()
		return template.HTML(svg), err
	},
	"slashed": func(s string) template.HTML {
		return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(s), "/", "/<wbr>"))
	},
	"grid":   newGrid,
	"widths": widths,
	"code":   codeSpans,
	"odd":    func(i int) bool { return i%2 == 1 },
}).Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --ink: #222; --soft: #555; --paper: #fff; --faint: #ddd; --first: #0072b2; }
@media screen and (prefers-color-scheme: dark) {
:root { --ink: #ddd; --soft: #aaa; --paper: #16181b; --faint: #3a3d42; --first: #3d9be0; }
}
body { font-family: Liberation Sans, Arial, Helvetica, sans-serif; line-height: 1.4; color: var(--ink); background: var(--paper);
  max-width: 75rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1, h2 { line-height: 1.2; }
p, figcaption { max-width: 50rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25em 1.5em; padding: 0; list-style: none; }
a { color: inherit; }
table { border-collapse: collapse; margin: 1.5em 0; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: bold; padding: .25em .5em; }
th, td { padding: .25em .5em; text-align: left; vertical-align: top; border-bottom: 1px solid var(--faint); }
th[scope=row] { font-weight: normal; }
.number { text-align: right; }
figure { margin: 1.5em 0; }
svg { display: block; width: 100%; height: auto; }
.wide { max-width: 44rem; }
.narrow { max-width: 28rem; display: none; }
figcaption { font-size: .9rem; }
@media screen and (max-width: 40rem) {
.wide { display: none; }
.narrow { display: block; }
}
{{range widths .}}@media screen and (max-width: {{.}}rem) {
.w{{.}}, .w{{.}} caption, .w{{.}} tbody { display: block; max-width: 40rem; overflow-wrap: anywhere; }
.w{{.}} thead { display: none; }
.w{{.}} tr { display: grid; grid-template-columns: 1fr 1fr; column-gap: 2.5em; padding: .5em 0; border-bottom: 1px solid var(--faint); }
.w{{.}} caption, .w{{.}} th, .w{{.}} td { border: 0; padding: .1em 0; grid-column: 1 / -1; }
.w{{.}} th { text-align: left; font-weight: bold; }
.w{{.}} td { display: flex; justify-content: space-between; gap: 1em; text-align: right; }
.w{{.}} td::before { content: attr(data-label); color: var(--soft); text-align: left; }
.w{{.}} td:empty { display: none; }
.w{{.}} td.prose { display: block; text-align: left; }
.w{{.}} .prose::before { display: block; }
.w{{.}} td.short { grid-column: auto; }
}
{{end}}@media print {
body { max-width: none; padding: 0; }
nav { display: none; }
table { font-size: 8pt; }
{{range widths .}}{{if gt . 60}}.w{{.}} th, .w{{.}} td { overflow-wrap: anywhere; }
{{end}}{{end}}figure, tr { break-inside: avoid; }
h2, caption { break-after: avoid; }
.wide { max-width: 30rem; }
}
</style>
</head>
<body>
<main>
<h1>{{.Title}}</h1>
{{range .Text}}{{template "paragraph" .}}
{{end}}{{if gt (len .Sections) 2}}<nav aria-label="Sections"><ul>
{{range $i, $_ := .Sections}}<li><a href="#section{{$i}}">{{.Title}}</a></li>
{{end}}</ul></nav>
{{end}}{{range $i, $_ := .Sections}}<h2 id="section{{$i}}">{{.Title}}</h2>
{{range .Text}}{{template "paragraph" .}}
{{end}}{{range .Figures}}<figure>
{{inline .}}<figcaption>{{.Title}}</figcaption></figure>
{{end}}{{range .Tables}}{{with grid .}}<table class="w{{.Width}}">
{{with .Title}}<caption>{{.}}</caption>
{{end}}<thead><tr>{{range .Header}}<th scope="col"{{with .Class}} class="{{.}}"{{end}}>{{slashed .Text}}</th>{{end}}</tr></thead>
<tbody>
{{range .Rows}}<tr>{{range $i, $_ := .}}{{if $i}}<td{{with .Class}} class="{{.}}"{{end}} data-label="{{.Label}}">{{slashed .Text}}</td>
{{- else}}<th scope="row"{{with .Class}} class="{{.}}"{{end}}>{{slashed .Text}}</th>{{end}}{{end}}</tr>
{{end}}</tbody></table>
{{end}}{{end}}{{end}}</main>
</body>
</html>
{{define "paragraph"}}<p>{{range $i, $part := code .}}{{if odd $i}}<code>{{.}}</code>{{else}}{{.}}{{end}}{{end}}</p>{{end}}`))

// codeSpans are the parts of a text of which every other stands between backquotes.
func codeSpans(s string) []string {
	if strings.Count(s, "`")%2 == 1 {
		return []string{s}
	}
	return strings.Split(s, "`")
}

// WriteHTML writes the document as one page that needs no other file.
func (d Document) WriteHTML(w io.Writer) error { return layout.Execute(w, d) }
