package main

import (
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
