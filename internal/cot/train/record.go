package train

import "encoding/json"

// MarshalJSON writes the metrics as a line of metrics.jsonl.
func (m Metrics) MarshalJSON() ([]byte, error) {
	line := map[string]any{
		"step": m.Step, "stage": m.Stage, "loss": m.Loss, "lr": m.LR, "grad_norm": m.Norm, "backbone_flops": m.FLOPs, "flops": m.FLOPs + m.HeadFLOPs,
		"tokens_per_second": float64(m.Tokens) / m.Time.Seconds(), "seconds": m.Time.Seconds(),
	}
	if m.PeakMemory > 0 {
		line["peak_memory_bytes"] = m.PeakMemory
	}
	for _, p := range m.Terms {
		line[p.Name] = p.Value
	}
	for _, p := range m.Held {
		line["held_out_"+p.Name] = p.Value
	}
	return json.Marshal(line)
}
