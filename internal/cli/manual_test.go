package cli

import (
	"os/exec"
	"strings"
	"testing"
)

// TestCompletionScripts lets the shells that are here read their scripts.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		script, err := new(env).completionFor(shell)
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
