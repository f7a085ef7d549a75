package train

import (
	"encoding/json"
	"math"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/shared"
	"nfcot/internal/tensor/tensortest"
	"os"
	"path/filepath"
	"testing"
)

// The rate of every step is that of the fixtures' schedule.
func TestGoldenRate(t *testing.T) {
	for _, dir := range []string{"tied", "untied"} {
		text, err := os.ReadFile(filepath.Join(shared.Fixtures(t), "qwen3_tiny", dir, "adamw.json"))
		if err != nil {
			t.Fatal(err)
		}
		var s struct {
			Max    float64 `json:"lr_max"`
			Min    float64 `json:"lr_min"`
			Warmup int     `json:"warmup"`
			Total  int     `json:"total"`
		}
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		g := tensortest.Open(t, "qwen3_tiny", dir, "adamw.safetensors")
		c, stage := experiment.Config{MinLR: s.Min / s.Max}, experiment.Stage{Steps: s.Total, LR: s.Max, Warmup: s.Warmup}
		for _, table := range []string{"lr", "lr_table"} {
			for step, want := range g.Floats(table) {
				if got := rate(stage, c.MinLR, step); math.Abs(got-want) > 1e-14 {
					t.Errorf("%s: %s: step %d has rate %.17g, want %.17g", dir, table, step, got, want)
				}
			}
		}
	}
}

// Where the schedule begins, turns and ends.
func TestRateByHand(t *testing.T) {
	for _, tt := range []struct {
		steps, warmup, step int
		want                float64
	}{
		{10, 4, 0, 0.25}, {10, 4, 3, 1}, {10, 4, 9, 0.1}, {10, 4, 6, 0.55}, // 7 is half-way from 4 to 10
		{10, 0, 9, 0.1}, {10, 0, 4, 0.55},
		{1, 0, 0, 0.1}, {2, 2, 1, 1}, {2, 5, 1, 0.4},
	} {
		if got := rate(experiment.Stage{Steps: tt.steps, LR: 1, Warmup: tt.warmup}, 0.1, tt.step); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("step %d of %d, %d of warm-up: rate %g, want %g", tt.step, tt.steps, tt.warmup, got, tt.want)
		}
	}
}
