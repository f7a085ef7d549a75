//go:build !purego

package kernel

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The assembly in the package is what _asm writes.
func TestAssemblyIsGenerated(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command("go", args...)
		cmd.Dir = "_asm"
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off")
		return cmd.CombinedOutput()
	}
	if out, err := run("list", "-deps", "."); err != nil {
		t.Skipf("the avo module cannot be loaded offline: %s", out)
	}
	for name, args := range map[string][]string{"kernels_amd64": {"run", "."}, "quantised_amd64": {"run", ".", "-quantised"}} {
		file := filepath.Join(dir, name)
		if out, err := run(append(args, "-pkg", "kernel", "-out", file+".s", "-stubs", file+".go")...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for _, name := range []string{"kernels_amd64.s", "kernels_amd64.go", "quantised_amd64.s", "quantised_amd64.go"} {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		// The first line names the output files.
		_, want, _ = bytes.Cut(want, []byte("\n"))
		_, got, _ = bytes.Cut(got, []byte("\n"))
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what _asm writes: see _asm/main.go for how to write it anew", name)
		}
	}
}

func TestISAFromEnvironment(t *testing.T) {
	t.Setenv("NFCOT_ISA", "")
	best := bestISA()
	for l, name := range levelNames {
		t.Setenv("NFCOT_ISA", name)
		if got, want := bestISA(), min(best, level(l)); got != want {
			t.Errorf("NFCOT_ISA=%s: %s, want %s", name, levelNames[got], levelNames[want])
		}
	}
}
