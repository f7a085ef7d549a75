package cli

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nfcot/internal/manual"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// TestManualIsCurrent keeps docs/cli.md what the commands say of themselves.
func TestManualIsCurrent(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "cli.md")
	want, err := markdown()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/cli.md is not what the commands say; go test ./internal/cli -run TestManualIsCurrent -update writes it anew\nwant (-), found (+):\n%s", diff)
	}
}

// markdown is docs/cli.md, in lines of at most 120 columns.
func markdown() (string, error) {
	text, err := new(env).documented().ToMarkdown()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	blank := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n ")
		if line != "" || !blank {
			wrapLine(&b, line, 120)
		}
		blank = line == ""
	}
	return b.String(), nil
}

// wrapLine writes a line as lines of at most so many columns.
func wrapLine(b *strings.Builder, line string, columns int) {
	for len([]rune(line)) > columns && !strings.HasPrefix(line, "    ") {
		cut := strings.LastIndexByte(string([]rune(line)[:columns+1]), ' ')
		if cut < 0 {
			break
		}
		b.WriteString(line[:cut] + "\n")
		line = line[cut+1:]
	}
	b.WriteString(line + "\n")
}

// TestCompletionScripts lets the shells that are here read their scripts.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range manual.Shells {
		script, err := manual.Completion(new(env).app(), shell)
		if err != nil || !strings.Contains(script, "nfcot completion "+shell) {
			t.Errorf("%s: %v; its first lines do not say how it is used:\n%.200s", shell, err, script)
		}
		program, err := exec.LookPath(shell)
		if err != nil || shell == "powershell" {
			continue
		}
		check := exec.Command(program, "-n")
		check.Stdin = strings.NewReader(script)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s -n: %v\n%s", shell, err, out)
		}
	}
}
