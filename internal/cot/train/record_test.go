package train

import (
	"encoding/json"
	"maps"
	"nfcot/internal/cot"
	"testing"
	"time"
)

func TestMetricsJSON(t *testing.T) {
	line, err := json.Marshal(Metrics{
		Step: 3, Steps: 9, Stage: 2, Loss: 1.5, LR: 0.25, Norm: 2, Tokens: 100, FLOPs: 6e9, HeadFLOPs: 1e9, PeakMemory: 4096, Time: 500 * time.Millisecond,
		Terms: cot.Terms{{Name: "text_nats_per_token", Value: 0.5}}, Held: []cot.Term{{Name: "text_nats_per_token", Value: 0.75}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]float64
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"step": 3, "stage": 2, "loss": 1.5, "lr": 0.25, "grad_norm": 2, "backbone_flops": 6e9, "flops": 7e9, "peak_memory_bytes": 4096, "tokens_per_second": 200, "seconds": 0.5,
		"text_nats_per_token": 0.5, "held_out_text_nats_per_token": 0.75}
	if !maps.Equal(got, want) {
		t.Errorf("%s, want %v", line, want)
	}
}
