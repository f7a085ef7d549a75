package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

// A measurement is a line of bench.
type measurement struct {
	Group string  `json:"group"` // gemm or train
	Name  string  `json:"name"`
	Value float64 `json:"value"` // the median of the rounds
	Unit  string  `json:"unit"`
	Share float64 `json:"share"` // of this machine's measured peak in multiply-adds
}

// A speedReport is what bench prints with --json.
type speedReport struct {
	ISA       string        `json:"isa"`
	Threads   int           `json:"threads"`
	FLOPs     float64       `json:"peak_gflops"` // float32 fused multiply-adds
	Bandwidth float64       `json:"peak_gbps"`   // reading memory
	Results   []measurement `json:"results"`
}

type benchOptions struct {
	only  string
	quick bool
}

// benchGroups are what bench measures, in order.
var benchGroups = []string{"gemm", "train"}

func (e *env) bench() *cli.Command {
	var o benchOptions
	return e.command(&cli.Command{
		Name:  "bench",
		Usage: "speed of matrix products and of the training step on this machine",
		Description: "Every number stands beside its share of what the machine can do at best, which is measured first.\n" +
			"For example:\n" +
			"nfcot bench --only train --threads 1",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "only", Usage: "measure one `GROUP` alone: gemm or train", Destination: &o.only},
			&cli.BoolFlag{Name: "quick", Usage: "one short round of each, to see that it works", Destination: &o.quick},
		},
		Action: func(*cli.Context) error { return e.runBench(o) },
	})
}

func (e *env) runBench(o benchOptions) error {
	if o.only != "" && !slices.Contains(benchGroups, o.only) {
		return inputf("--only is %q; want gemm or train", o.only)
	}
	s := &speedometer{env: e, rounds: 5, round: 300 * time.Millisecond}
	if o.quick {
		s.rounds, s.round = 1, time.Millisecond
	}
	s.report = speedReport{ISA: kernel.ISA(), Threads: kernel.Threads(), FLOPs: kernel.PeakFLOPs(s.round) / 1e9, Bandwidth: kernel.PeakBandwidth(s.round) / 1e9}
	for _, group := range []struct {
		name string
		run  func() error
	}{{"gemm", s.gemm}, {"train", s.train}} {
		if o.only != "" && o.only != group.name {
			continue
		}
		if err := group.run(); err != nil {
			return err
		}
	}
	return s.print()
}

// A speedometer measures.
type speedometer struct {
	*env
	rounds int
	round  time.Duration // at least
	report speedReport
}

// seconds is the median time of f over the rounds. Every round calls f as often as
// it takes to fill the round.
func (s *speedometer) seconds(f func()) (float64, error) {
	f() // memory, caches and workers are there then
	var times []float64
	for range s.rounds {
		n := 0
		start := time.Now()
		for ; n == 0 || time.Since(start) < s.round; n++ {
			if err := s.ctx.Err(); err != nil {
				return 0, err
			}
			f()
		}
		times = append(times, time.Since(start).Seconds()/float64(n))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// add notes a result that takes so many operations a second.
func (s *speedometer) add(group, name string, value float64, unit string, flops float64) {
	m := measurement{group, name, value, unit, flops / 1e9 / s.report.FLOPs}
	s.report.Results = append(s.report.Results, m)
	s.say("%s %s: %s", m.Group, m.Name, m.value())
}

func (m measurement) value() string { return fmt.Sprintf("%.4g %s", m.Value, m.Unit) }

func (s *speedometer) print() error {
	r := s.report
	if s.json {
		return s.printJSON(r)
	}
	fmt.Fprintf(s.stdout, "%s, %d threads: %.0f GFLOP/s of float32 multiply-adds, %.1f GB/s from memory\n\n", r.ISA, r.Threads, r.FLOPs, r.Bandwidth)
	var rows [][]string
	for _, m := range r.Results {
		rows = append(rows, []string{m.Group, m.Name, m.value(), fmt.Sprintf("%.0f %%", 100*m.Share)})
	}
	s.printTable([]string{"what", "shape", "speed", "of the peak"}, rows)
	return nil
}

// gemmShapes are M, N, K of products x wᵀ, x [M, K], w [N, K], as training and
// prefill make them.
var gemmShapes = [][3]int{
	{512, 512, 512}, {2048, 2048, 2048}, {512, 128, 128}, {512, 256, 256}, {512, 1024, 1024}, {512, 3072, 1024}, {512, 1024, 3072},
	{2048, 512, 512}, {2048, 1024, 1024}, {4096, 128, 128}, {4096, 384, 128}, {4096, 768, 256}, {4096, 1536, 512}, {4096, 512, 1536},
}

func (s *speedometer) gemm() error {
	for _, shape := range gemmShapes {
		M, N, K := shape[0], shape[1], shape[2]
		x, w, y := random(M*K), random(N*K), kernel.Floats(M*N)
		t, err := s.seconds(func() {
			kernel.Gemm(y, N, kernel.Mat{Data: x, Stride: K}, kernel.Mat{Data: w, Stride: K, Trans: true}, M, N, K, false)
		})
		if err != nil {
			return err
		}
		flops := 2 * float64(M) * float64(N) * float64(K) / t
		s.add("gemm", fmt.Sprintf("f32 %dx%dx%d", M, N, K), flops/1e9, "GFLOP/s", flops)
	}
	return nil
}

// trainShapes are small language models. Each is measured with 16 streams of 256
// tokens.
var trainShapes = []transformer.Config{
	{Hidden: 128, Layers: 4, Heads: 4, KVHeads: 2, HeadDim: 32, FFN: 384, Vocab: 1024, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 256},
	{Hidden: 256, Layers: 6, Heads: 8, KVHeads: 4, HeadDim: 32, FFN: 768, Vocab: 1024, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 256},
	{Hidden: 512, Layers: 8, Heads: 8, KVHeads: 4, HeadDim: 64, FFN: 1536, Vocab: 1024, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 256},
}

func (s *speedometer) train() error {
	for _, c := range trainShapes {
		if err := s.trainStep(c); err != nil {
			return err
		}
	}
	return nil
}

func (s *speedometer) trainStep(c transformer.Config) error {
	const streams, length = 16, 256
	p := tensor.NewParams(1)
	learner := &cot.Text{LM: transformer.NewLM(p, c), Special: cot.Special{EOS: 0, Ans: 1}}
	optimizer := tensor.NewAdamW(p)
	rng := tensor.Rand(1, "tokens")
	batch := make([]cot.Encoded, streams)
	for i := range batch {
		batch[i].Prompt = []int{1}
		for range length - 2 { // with the prompt and the token that asks for an answer, length rows
			batch[i].Answer = append(batch[i].Answer, rng.IntN(c.Vocab))
		}
	}
	size := learner.Size(batch)
	tape := new(tensor.Tape)
	var flops float64
	t, err := s.seconds(func() {
		tape.Reset()
		loss := learner.Loss(tape, batch, size, cot.Draws{Seed: 1})
		tape.Backward(loss.Total)
		optimizer.Step(1e-4, 1)
		flops = loss.FLOPs
	})
	if err != nil {
		return err
	}
	s.add("train", fmt.Sprintf("f32 d%d L%d", c.Hidden, c.Layers), streams*length/t, "tokens/s", flops/t)
	return nil
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
