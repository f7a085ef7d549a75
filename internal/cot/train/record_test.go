package train

import (
	"encoding/json"
	"maps"
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
