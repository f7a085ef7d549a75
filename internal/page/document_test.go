package page

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A document's files have its texts, tables and figures; names are not read as marks of Markdown or HTML.
func TestDocument(t *testing.T) {
	long := strings.Repeat("words ", 30) + "- and <more>_"
	d := Document{Title: "T*", Text: []string{long}, Sections: []Section{{
		Title: "S", Text: []string{"a|b"}, Figures: figures()[:1],
		Tables: []Table{Table{Title: "~", Header: []string{"name", "empty", "number"}, Rows: [][]string{{"x", "", "+1.5 [1, 2]"}, {"<y>", "", "2"}}}.WithoutEmpty()},
	}}}
	dir := filepath.Join(t.TempDir(), "new")
	if err := d.Write(dir); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want := `# T\*

` + strings.Repeat("words ", 19) + `words
` + strings.Repeat("words ", 10) + `- and &lt;more>\_

## S

a\|b

![nothing](none.svg)

### \~

| name | number |
|---|---|
| x | +1.5 [1, 2] |
| &lt;y> | 2 |
`
	if got := read("results.md"); got != want {
		t.Errorf("found\n%s\nwant\n%s", got, want)
	}
	for _, part := range []string{"<h1>T*</h1>", "- and &lt;more&gt;_</p>", "<caption>~</caption>", `<th scope="row">&lt;y&gt;</th>`, `<th scope="col" class="number">number</th>`,
		"<td class=\"number\" data-label=\"number\">+1.5 [1,\u00a02]</td>", `<td class="number" data-label="number">2</td>`, `<svg class="wide" role="img"`, `<svg class="narrow" role="img"`} {
		if !strings.Contains(read("index.html"), part) {
			t.Errorf("index.html lacks %s", part)
		}
	}
	if read("none.png") == "" || !strings.HasPrefix(read("none.svg"), "<?xml") {
		t.Error("the figure's files are not what they should be")
	}
}

// A column stands right, with its header, if all that it has is numbers; columns are neighbours in a card if both are
// short and nowhere empty.
func TestGrid(t *testing.T) {
	long := strings.Repeat("prose ", 10)
	table := Table{
		Header: []string{"2nd name", "n", "k", "mixed", "gap", "none", "evidence"},
		Rows: [][]string{
			{"2 passes", "8", "1", "1.5 [1, 2] ~", "7", "", "3 " + long},
			{"NF-CoT", "16", "2", "unknown", "-", "", long},
			{"", "24", "4", "2", "", "", ""},
		}}
	want := []string{"", "number short", "number short", "", "number", "", "prose"}
	g := newGrid(table)
	for i, name := range table.Header {
		for j, row := range g.Rows {
			if row[i].Class != want[i] || row[i].Label != name {
				t.Errorf("row %d of column %q has class %q and label %q, want %q", j, name, row[i].Class, row[i].Label, want[i])
			}
		}
		if got := g.Header[i].Class; got != strings.TrimSuffix(want[i], " short") {
			t.Errorf("the header of column %q has class %q, its cells %q", name, got, want[i])
		}
	}
	if newGrid(Table{Header: table.Header[3:4], Rows: [][]string{{"1.5 [1, 2] ~"}}}).Rows[0][0].Text != "1.5 [1,\u00a02]\u00a0~" {
		t.Error("a line can break within an interval")
	}
	if got := g.Rows[0][3].Text; got != "1.5 [1, 2] ~" {
		t.Errorf("a name became %q", got)
	}
	table.Header[6] = strings.Repeat("x", 40)
	if wider := newGrid(table); wider.Width <= g.Width || g.Width < 20 || g.Width > 50 {
		t.Errorf("the table needs %d rem, with a long word %d", g.Width, wider.Width)
	}
}

// A page of several sections begins with links to them.
func TestContents(t *testing.T) {
	d := Document{Sections: []Section{{Title: "a/b"}, {Title: "c"}, {Title: "c"}}}
	var page strings.Builder
	if err := d.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`<a href="#([^"]*)">([^<]*)</a>`).FindAllStringSubmatch(page.String(), -1)
	if len(links) != len(d.Sections) {
		t.Fatalf("%d sections have %d links", len(d.Sections), len(links))
	}
	for i, link := range links {
		if heading := `<h2 id="` + link[1] + `">` + d.Sections[i].Title + "</h2>"; link[2] != d.Sections[i].Title || strings.Count(page.String(), heading) != 1 {
			t.Errorf("%s leads nowhere in\n%s", link[0], page.String())
		}
	}
}

// Backquotes mark code, unless one of them has no other.
func TestCode(t *testing.T) {
	for text, want := range map[string]string{"a `b` <c>": "<p>a <code>b</code> &lt;c&gt;</p>", "a ` b": "<p>a ` b</p>"} {
		var page strings.Builder
		if err := (Document{Text: []string{text}}).WriteHTML(&page); err != nil || !strings.Contains(page.String(), want) {
			t.Errorf("%s is not %s in\n%s; %v", text, want, page.String(), err)
		}
	}
}

// A word that Markdown would read as a mark at the beginning of a line stays on the line before.
func TestWrap(t *testing.T) {
	text := strings.Repeat("x", 118) + " - y"
	if got, want := wrap(text), strings.Repeat("x", 118)+" -\ny"; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
}
