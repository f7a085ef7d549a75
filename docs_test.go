package main

import (
	"bytes"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"nfcot/internal/cot/study"
)

// TestDocumentsFitOnAScreen holds documents to lines of 120 columns, but for rows of tables and
// images, which Markdown cannot wrap, and README.md to 120 lines, all of that width.
func TestDocumentsFitOnAScreen(t *testing.T) {
	const columns, lines = 120, 120
	documents, err := filepath.Glob(filepath.Join("docs", "*.md"))
	if err != nil || len(documents) == 0 {
		t.Fatalf("there are no documents: %v", err)
	}
	reports, err := filepath.Glob(filepath.Join("docs", "results", "*", "report", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	documents = append(documents, reports...)
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

// TestFiguresHaveTheirTitles holds each figure under docs/results to the title that it has in its report, and every
// figure to being shown.
func TestFiguresHaveTheirTitles(t *testing.T) {
	figures, err := filepath.Glob(filepath.Join("docs", "results", "*", "report", "*.svg"))
	if err != nil || len(figures) == 0 {
		t.Fatalf("there are no figures: %v", err)
	}
	for _, name := range figures {
		report := filepath.Join(filepath.Dir(name), "results.md")
		text, err := os.ReadFile(report)
		if err != nil {
			t.Fatal(err)
		}
		svg, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		before, _, _ := strings.Cut(string(text), "]("+filepath.Base(name)+")")
		at := strings.LastIndex(before, "![")
		if len(before) == len(text) || at < 0 {
			t.Errorf("%s does not show %s", report, name)
			continue
		}
		title := "<title>" + html.EscapeString(before[at+len("!["):]) + "</title>"
		if !strings.Contains(string(svg), title) || !strings.Contains(string(svg), `<svg role="img"`) {
			t.Errorf("%s has not the title that %s gives it, %s", name, report, title)
		}
	}
}

// TestReportsComeFromTheirRecords makes the report of each folder of records under docs/results anew.
func TestReportsComeFromTheirRecords(t *testing.T) {
	records, err := filepath.Glob(filepath.Join("docs", "results", "*", "made.jsonl"))
	if err != nil || len(records) == 0 {
		t.Fatalf("there are no records: %v", err)
	}
	for _, made := range records {
		dir := filepath.Dir(made)
		plan, err := study.ReadPlan(filepath.Join("scripts", filepath.Base(dir)+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		report, err := study.NewReport(plan, dir)
		if err != nil {
			t.Fatal(err)
		}
		again := t.TempDir()
		if err := report.Write(again); err != nil {
			t.Fatal(err)
		}
		kept, err := filepath.Glob(filepath.Join(dir, "report", "*"))
		if err != nil || len(kept) == 0 {
			t.Fatalf("%s has no report: %v", dir, err)
		}
		for _, name := range kept {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(again, filepath.Base(name)))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not what scripts/keep_results.sh makes of the records beside it: %v", name, err)
			}
		}
	}
}

// TestResultsAreInAReport holds every row of a table in docs/results.md to a row of a report: no number is typed.
func TestResultsAreInAReport(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("docs", "results.md"))
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join("docs", "results", "*", "report", "results.md"))
	if err != nil || len(names) == 0 {
		t.Fatalf("there are no reports: %v", err)
	}
	rows := map[string]bool{}
	for _, name := range names {
		report, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(report)) {
			rows[line] = true
		}
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "|") && !rows[line] {
			t.Errorf("no report has this row of docs/results.md: %s", line)
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
