package page

import (
	"os"
	"path/filepath"
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
	for _, part := range []string{"<h1>T*</h1>", "- and &lt;more&gt;_</p>", "<h3>~</h3>", "<td>&lt;y&gt;</td>", `<td class="number">&#43;1.5 [1, 2]</td>`, "<svg role="} {
		if !strings.Contains(read("index.html"), part) {
			t.Errorf("index.html lacks %s", part)
		}
	}
	if read("none.png") == "" || !strings.HasPrefix(read("none.svg"), "<?xml") {
		t.Error("the figure's files are not what they should be")
	}
}

// A word that Markdown would read as a mark at the beginning of a line stays on the line before.
func TestWrap(t *testing.T) {
	text := strings.Repeat("x", 118) + " - y"
	if got, want := wrap(text), strings.Repeat("x", 118)+" -\ny"; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
}
