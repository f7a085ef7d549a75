package tensor_test

import (
	"slices"
	"testing"
	"time"

	"nfcot/internal/tensor"
)

// A profile names what ran, counts products, leaves no time out and changes no bit.
func TestProfile(t *testing.T) {
	run := func(profile *tensor.Profile) []float32 {
		p := tensor.NewParams(1)
		x, w := p.Normal("x", 1, 5, 8), p.Normal("w", 1, 7, 8)
		tape := &tensor.Tape{Profile: profile}
		tape.Backward(tape.Sum(tape.GELU(tape.Linear(x, w, nil))))
		return w.Grad
	}
	start := time.Now()
	profile := tensor.NewProfile()
	got := run(profile)
	profile.Lap(tensor.Part{}, 0)
	most := time.Since(start)
	if want := run(nil); !slices.Equal(got, want) {
		t.Errorf("gradient %v with a profile, %v without", got, want)
	}
	var sum time.Duration
	for _, cost := range profile.Costs {
		sum += cost.Time
	}
	if sum > most || sum == 0 {
		t.Errorf("%v in parts of %v", sum, most)
	}
	for part, flops := range map[tensor.Part]float64{
		{Operation: "Linear", Pass: "product"}: 2 * 5 * 7 * 8, {Operation: "Linear", Pass: "dX"}: 2 * 5 * 7 * 8, {Operation: "Linear", Pass: "dW"}: 2 * 5 * 7 * 8,
		{Operation: "GELU", Pass: "forward"}: 0, {Operation: "GELU", Pass: "backward"}: 0,
		{Operation: "Sum", Pass: "forward"}: 0, {Operation: "Sum", Pass: "backward"}: 0,
	} {
		if cost := profile.Costs[part]; cost == nil || cost.FLOPs != flops {
			t.Errorf("%v: %+v; want %g operations", part, cost, flops)
		}
	}
}
