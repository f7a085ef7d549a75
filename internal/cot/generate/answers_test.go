package generate

import (
	"strings"
	"testing"

	"nfcot/internal/eval/bench"
)

// TestStopsEndWrittenAnswers: neither a stop nor what follows it is ever written as a
// sample comes, and all that comes before is.
func TestStopsEndWrittenAnswers(t *testing.T) {
	run := freshRun(t, "nfcot")
	cut := &bench.Recipe{Stops: []string{"x", "re", "us", "o"}}
	o := hot
	write := func(stops ...string) (text string, cutOff bool) {
		var out strings.Builder
		err := generator(t, run, asIs(stops...), o, 1, 1).WriteAnswers(t.Context(), &out, problems("a"), false, func(_ int, cut bool) { cutOff = cut })
		if err != nil {
			t.Fatal(err)
		}
		return out.String(), cutOff
	}
	stopped := 0
	for o.Seed = range 60 {
		plain, _ := write()
		want, isStopped := cut.Cut(plain)
		got, cutOff := write(cut.Stops...)
		if isStopped {
			stopped++
			if cutOff {
				t.Errorf("seed %d: a sample that was stopped is said to be cut off", o.Seed)
			}
		}
		if strings.TrimSuffix(got, "\n") != strings.TrimSuffix(want, "\n") {
			t.Errorf("seed %d: wrote %q, want %q of %q", o.Seed, got, want, plain)
		}
	}
	if stopped < 10 {
		t.Errorf("%d of 60 samples were stopped: this test sees little", stopped)
	}
}
