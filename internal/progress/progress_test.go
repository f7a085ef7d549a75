package progress

import (
	"strings"
	"testing"
	"time"
)

// TestLogLines holds that without a terminal there is a line every ten seconds, and one
// at the end, and nothing at all without a writer.
func TestLogLines(t *testing.T) {
	var out strings.Builder
	b := New(&out, "train", "steps", 10, 50)
	b.Set(11, "loss 2")
	if out.Len() > 0 {
		t.Errorf("the first step is logged at once: %q", out.String())
	}
	b.start = b.start.Add(-20 * time.Second)
	b.logged = b.logged.Add(-logEvery)
	b.Set(20, "loss 1")
	b.Set(21, "loss 1")
	b.End("loss 1")
	want := "train: 20/50 0.5 steps/s, loss 1, ETA 1m0s\ntrain: 21 steps in 20s, loss 1\n"
	if got := out.String(); got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
	quiet := New(nil, "train", "steps", 0, 1)
	quiet.Set(1, "")
	quiet.End("")
	if quiet.Done() != 1 {
		t.Errorf("%d steps are done, want 1", quiet.Done())
	}
}
