package train

import (
	"encoding/json"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
)

func TestMetricsJSON(t *testing.T) {
	line, err := json.Marshal(Metrics{
		Step: 3, Steps: 9, Stage: experiment.JointStage, Loss: 1.5, LR: 0.25, Norm: 2, Tokens: 100, FLOPs: 6e9, HeadFLOPs: 1e9, PeakMemory: 4096, Time: 500 * time.Millisecond,
		Terms: cot.Terms{{Name: "text_nats_per_token", Value: 0.5}}, Held: []cot.Term{{Name: "text_nats_per_token", Value: 0.75}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"step": 3.0, "stage": "joint", "loss": 1.5, "lr": 0.25, "grad_norm": 2.0, "backbone_flops": 6e9, "flops": 7e9, "peak_memory_bytes": 4096.0, "tokens_per_second": 200.0, "seconds": 0.5,
		"text_nats_per_token": 0.5, "held_out_text_nats_per_token": 0.75}
	if !maps.Equal(got, want) {
		t.Errorf("%s, want %v", line, want)
	}
}

// TestMetricsThatAreNotFinite: JSON has no number for them.
func TestMetricsThatAreNotFinite(t *testing.T) {
	line, err := json.Marshal(Metrics{Loss: math.Inf(1), Time: time.Second,
		Terms: cot.Terms{{Name: "a", Value: math.NaN()}}, Held: []cot.Term{{Name: "b", Value: math.Inf(-1)}, {Name: "c", Value: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]*float64
	if err := json.Unmarshal([]byte(strings.Replace(string(line), `"stage":"text"`, `"stage":0`, 1)), &got); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if got["loss"] != nil || got["a"] != nil || got["held_out_b"] != nil || got["held_out_c"] == nil {
		t.Errorf("%s has numbers where there are none", line)
	}
}
