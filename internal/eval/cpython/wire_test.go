package cpython

import (
	"cmp"
	"os"
	"os/exec"
	"testing"
)

// TestWire has CPython check python/wire.py against random values and bytes.
func TestWire(t *testing.T) {
	python, err := find(t.Context(), os.Getenv("NFCOT_PYTHON"))
	if err != nil {
		t.Fatal(err)
	}
	rounds := cmp.Or(os.Getenv("NFCOT_WIRE_ROUNDS"), "1000")
	out, err := exec.CommandContext(t.Context(), python.Executable, "-I", "-B", "testdata/wire_check.py", "python", rounds).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
