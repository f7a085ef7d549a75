package speed

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"nfcot/internal/page"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
)

// A Profile is where the time of a training step goes.
type Profile struct {
	Name    string  `json:"name"` // of the measurement
	Step    float64 `json:"ms"`   // of one step, the mean of all that were measured
	Parts   []Part  `json:"parts"`
	Waiting float64 `json:"waiting"` // the share of the time in which the main thread waits for others at the end of loops
	Idle    float64 `json:"idle"`    // the share of the time in which another thread has nothing to do
}

// A Part is a pass of some operations. The parts make up the step.
type Part struct {
	Operation string  `json:"operation"`
	Pass      string  `json:"pass,omitempty"`
	Time      float64 `json:"ms"`
	Share     float64 `json:"share"`             // of the step
	GFLOPs    float64 `json:"gflops,omitempty"`  // a second, of its products of matrices
	OfPeak    float64 `json:"of_peak,omitempty"` // of float32 multiply-adds
}

// operations are what people call the operations of a tape; others keep their names. "" is what lies between operations.
var operations = map[string]string{
	"": "rest", "Linear": "products with weights", "AddLinear": "products with weights", "RMSNorm": "norms", "LayerNorm": "norms", "NormRope": "norms of heads, rope",
	"Rope": "rope", "Attention": "attention", "SwiGLU": "SwiGLU", "GELU": "GELU", "GELUTanh": "GELU", "Gather": "embedding, rows of the loss",
	"CategoricalLogProb": "vocabulary", "AdamW": "AdamW, norm and clearing of gradients", "Sum": "rest", "Scale": "rest",
}

// called is how a part is reported.
func called(p tensor.Part) tensor.Part {
	product := p.Pass != "forward" && p.Pass != "backward"
	switch {
	case p.Operation == "AddLinear" && !product:
		p.Operation = "residual additions"
	case p.Operation == "CategoricalLogProb" && !product:
		p.Operation = "cross-entropy"
	default:
		name, ok := operations[p.Operation]
		if !ok {
			name = p.Operation
		}
		p.Operation = name
	}
	if p.Operation == "rest" {
		p.Pass = ""
	}
	return p
}

// profile goes through steps for as long as a round of a measurement, three at least.
func (m *meter) profile(name string, s *trainee) Profile {
	peak := m.flops.now(m.round/3) / 1e9
	s.tape.Profile = tensor.NewProfile()
	defer func() { s.tape.Profile = nil }()
	kernel.WatchWorkers(true)
	start, n := time.Now(), 0
	for ; n < 3 || time.Since(start) < m.round; n++ {
		s.step()
	}
	all := time.Since(start).Seconds()
	waiting, helped := kernel.WatchWorkers(false)
	p := Profile{Name: name, Step: 1e3 * all / float64(n), Waiting: waiting.Seconds() / all}
	if helpers := float64(kernel.Threads() - 1); helpers > 0 {
		p.Idle = max(0, 1-helped.Seconds()/(helpers*all))
	}
	parts := map[tensor.Part]Part{}
	for at, cost := range s.tape.Profile.Costs {
		at = called(at)
		x := parts[at]
		x.Operation, x.Pass = at.Operation, at.Pass
		x.Time += 1e3 * cost.Time.Seconds() / float64(n)
		x.GFLOPs += cost.FLOPs / 1e9 / float64(n) // of the step
		parts[at] = x
	}
	for _, x := range parts {
		x.Share = x.Time / p.Step
		x.GFLOPs /= x.Time / 1e3
		x.OfPeak = x.GFLOPs / peak
		p.Parts = append(p.Parts, x)
	}
	slices.SortFunc(p.Parts, func(a, b Part) int { return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.Operation, b.Operation)) })
	return p
}

// writeText writes the profile for a terminal.
func (p Profile) writeText(w io.Writer) error {
	table := page.Table{Header: []string{"operation", "pass", "ms", "share", "of the peak"}}
	for _, x := range p.Parts {
		row := []string{x.Operation, x.Pass, fmt.Sprintf("%.2f", x.Time), fmt.Sprintf("%.1f %%", 100*x.Share), ""}
		if x.GFLOPs > 0 {
			row[4] = fmt.Sprintf("%.0f %%", 100*x.OfPeak)
		}
		table.Rows = append(table.Rows, row)
	}
	if _, err := fmt.Fprintf(w, "\n%s: %.1f ms a step; %.1f %% of it the main thread waits for others, %.1f %% others have nothing to do\n\n",
		p.Name, p.Step, 100*p.Waiting, 100*p.Idle); err != nil {
		return err
	}
	return table.WriteText(w)
}
