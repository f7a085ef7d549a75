package harness

// This file tries the layers around CPython.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"nfcot/internal/eval/sandbox"
	"nfcot/internal/page"
)

// A SandboxReport says which layers stand on this machine, and what holds.
type SandboxReport struct {
	Sandbox string          `json:"sandbox"`
	Checks  []sandbox.Check `json:"checks"`
}

// CheckSandbox tries the sandbox that programs are run in.
func CheckSandbox(ctx context.Context) (SandboxReport, error) {
	o, err := sandboxOptions(false)
	if err != nil {
		return SandboxReport{}, err
	}
	box, err := sandbox.Open(ctx, o)
	if err != nil {
		return SandboxReport{}, refusal(err)
	}
	defer box.Close()
	r := SandboxReport{Sandbox: box.String()}
	r.Checks, err = box.Checks(ctx)
	return r, err
}

// Fallen is the error of checks that got through the layers, nil if none did.
func (r SandboxReport) Fallen() error {
	n := 0
	for _, c := range r.Checks {
		if !c.Held {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("sandbox: %d of %d checks got through the layers; do not run programs of models on this machine", n, len(r.Checks))
}

// WriteText writes the report for a terminal.
func (r SandboxReport) WriteText(w io.Writer) error {
	t := page.Table{Header: []string{"check", "layers", "seen"}}
	for _, c := range r.Checks {
		held := "holds"
		if !c.Held {
			held = "DOES NOT HOLD"
		}
		t.Rows = append(t.Rows, []string{c.Name, held, c.Seen})
	}
	_, err := fmt.Fprintf(w, "sandbox: %s\n\n", r.Sandbox)
	return errors.Join(err, t.WriteText(w))
}

// sandboxOptions are those of a sandbox whose confined half is this program.
func sandboxOptions(unsafe bool) (sandbox.Options, error) {
	self, err := os.Executable()
	return sandbox.Options{Command: []string{self, sandbox.Subcommand}, Unsafe: unsafe}, err
}
