package main

import (
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestDocumentsFitOnAScreen holds documents to lines of 120 columns, but for rows of tables and
// images, which Markdown cannot wrap, and README.md to 120 lines, all of that width.
func TestDocumentsFitOnAScreen(t *testing.T) {
	const columns, lines = 120, 120
	documents, err := filepath.Glob(filepath.Join("docs", "*.md"))
	if err != nil || len(documents) == 0 {
		t.Fatalf("there are no documents: %v", err)
	}
	for _, name := range append(documents, "README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		readme, n := name == "README.md", 0
		for line := range strings.Lines(string(text)) {
			n++
			line = strings.TrimSuffix(line, "\n")
			whole := !readme && (strings.HasPrefix(line, "|") || strings.HasPrefix(line, "!["))
			if width := utf8.RuneCountInString(line); width > columns && !whole {
				t.Errorf("%s:%d: %d columns; want at most %d", name, n, width, columns)
			}
		}
		if readme && n > lines {
			t.Errorf("%s has %d lines; want at most %d", name, n, lines)
		}
	}
}

// TestFiguresHaveTheirTitles holds each figure of docs/results.md to the title that it has there, and every figure to
// being shown.
func TestFiguresHaveTheirTitles(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("docs", "results.md"))
	if err != nil {
		t.Fatal(err)
	}
	figures, err := filepath.Glob(filepath.Join("docs", "figures", "*.svg"))
	if err != nil || len(figures) == 0 {
		t.Fatalf("there are no figures: %v", err)
	}
	for _, name := range figures {
		svg, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		before, _, _ := strings.Cut(string(text), "](figures/"+filepath.Base(name)+")")
		at := strings.LastIndex(before, "![")
		if len(before) == len(text) || at < 0 {
			t.Errorf("docs/results.md does not show %s", name)
			continue
		}
		title := "<title>" + html.EscapeString(before[at+len("!["):]) + "</title>"
		if !strings.Contains(string(svg), title) || !strings.Contains(string(svg), `<svg role="img"`) {
			t.Errorf("%s has not the title that docs/results.md gives it, %s", name, title)
		}
	}
}

// TestDocumentsShowTheScript holds the script that docs/models.md shows to the one that
// scripts/interop.sh runs.
func TestDocumentsShowTheScript(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("docs", "models.md"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join("scripts", "interop", "nfcot_run.py"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(document), "```python\n"+string(script)+"```\n") {
		t.Error("docs/models.md does not show scripts/interop/nfcot_run.py as it is")
	}
}
