// Package speed measures what `nfcot bench` reports: products of matrices, the training
// step, prefill and decoding, each beside its share of what the machine can do at best.
// It reads no files.
package speed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"nfcot/internal/page"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

// A Measurement is how fast something is.
type Measurement struct {
	Group string  `json:"group"` // one of Groups
	Name  string  `json:"name"`
	Value float64 `json:"value"` // the median of the rounds
	Unit  string  `json:"unit"`
	Share float64 `json:"share"` // of the peak that limits it
	Limit string  `json:"limit"` // flops: the peak of float32 multiply-adds; bandwidth: that of reading memory
}

// Speed is the value with its unit.
func (m Measurement) Speed() string { return fmt.Sprintf("%.4g %s", m.Value, m.Unit) }

// A Report is all that was measured.
type Report struct {
	ISA       string        `json:"isa"`
	Threads   int           `json:"threads"`
	FLOPs     float64       `json:"peak_gflops"` // float32 fused multiply-adds: the median of all measurements
	Bandwidth float64       `json:"peak_gbps"`   // reading memory, likewise
	Results   []Measurement `json:"results"`
	Profiles  []Profile     `json:"profiles,omitempty"` // of the training steps
}

// WriteText writes the report for a terminal.
func (r Report) WriteText(w io.Writer) error {
	table := page.Table{Header: []string{"what", "shape", "speed", "share of the peak"}}
	for _, m := range r.Results {
		table.Rows = append(table.Rows, []string{m.Group, m.Name, m.Speed(), fmt.Sprintf("%.0f %% of %s", 100*m.Share, m.Limit)})
	}
	_, err := fmt.Fprintf(w, "%s, %d threads: %.0f GFLOP/s of float32 multiply-adds, %.1f GB/s from memory\n\n", r.ISA, r.Threads, r.FLOPs, r.Bandwidth)
	err = errors.Join(err, table.WriteText(w))
	for _, p := range r.Profiles {
		err = errors.Join(err, p.writeText(w))
	}
	return err
}

// Options say what is measured.
type Options struct {
	Only  string            // one of Groups; "": all
	Quick bool              // one short round of each, on smaller models and matrices
	Watch func(Measurement) // is told of every measurement; may be nil

	Profile bool                // say where the time of training steps goes
	Shape   *transformer.Config // of the model of group train; nil: some small ones

	Model   *transformer.LM // a packed model of at least MinTokens positions, for group model; nil: one of random weights
	Weights string          // what its matrices are called
}

// Groups are what is measured, in order.
var Groups = []string{"gemm", "gemv", "train", "model"}

// Run measures. It ends early, with the context's error, when that is done.
func Run(ctx context.Context, o Options) (Report, error) {
	m := &meter{ctx: ctx, options: o, rounds: 9, round: 300 * time.Millisecond}
	if o.Quick {
		m.rounds, m.round = 1, time.Millisecond
	}
	m.report = Report{ISA: kernel.ISA(), Threads: kernel.Threads()}
	m.flops = &peak{measure: kernel.PeakFLOPs, unit: "flops"}
	m.bandwidth = &peak{measure: kernel.PeakBandwidth(), unit: "bandwidth"}
	for i, measure := range []func() error{m.gemm, m.gemv, m.train, m.model} {
		if o.Only != "" && o.Only != Groups[i] {
			continue
		}
		if err := measure(); err != nil {
			return Report{}, err
		}
	}
	m.report.FLOPs, m.report.Bandwidth = m.flops.median(m.round)/1e9, m.bandwidth.median(m.round)/1e9
	return m.report, nil
}

// A peak is what the machine can do at best of something.
type peak struct {
	measure func(round time.Duration) float64
	unit    string
	seen    []float64
}

// now measures the peak.
func (p *peak) now(round time.Duration) float64 {
	v := p.measure(round)
	p.seen = append(p.seen, v)
	return v
}

// median is that of all measurements, of one at least.
func (p *peak) median(round time.Duration) float64 {
	if len(p.seen) == 0 {
		p.now(round)
	}
	return median(p.seen)
}

// A meter measures.
type meter struct {
	ctx              context.Context
	options          Options
	rounds           int
	round            time.Duration // at least
	flops, bandwidth *peak
	report           Report
}

// add notes the median speed of f over the rounds, in units (of which a call does
// so many) a second, and the median of its shares of a peak, of which a call does
// so much work. The peak is measured between the rounds, since a machine that
// others use too changes from one second to the next. Every round calls f as
// often as it takes to fill the round.
func (m *meter) add(group, name, unit string, units float64, p *peak, work float64, f func()) error {
	f() // memory, caches and workers are there then
	var speeds, shares []float64
	before := p.now(m.round / 3)
	for range m.rounds {
		n := 0
		start := time.Now()
		for ; n == 0 || time.Since(start) < m.round; n++ {
			if err := m.ctx.Err(); err != nil {
				return err
			}
			f()
		}
		calls := float64(n) / time.Since(start).Seconds()
		after := p.now(m.round / 3)
		speeds = append(speeds, calls*units)
		shares = append(shares, calls*work/((before+after)/2))
		before = after
	}
	result := Measurement{group, name, median(speeds), unit, median(shares), p.unit}
	m.report.Results = append(m.report.Results, result)
	if m.options.Watch != nil {
		m.options.Watch(result)
	}
	return nil
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// random returns n numbers between -1 and 1.
func random(n int) []float32 {
	rng := tensor.Rand(1, "bench", n)
	x := kernel.Floats(n)
	for i := range x {
		x[i] = 2*rng.Float32() - 1
	}
	return x
}
