package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"nfcot/internal/cot"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

// A measurement is a line of bench.
type measurement struct {
	Group string  `json:"group"` // one of benchGroups
	Name  string  `json:"name"`
	Value float64 `json:"value"` // the median of the rounds
	Unit  string  `json:"unit"`
	Share float64 `json:"share"` // of the peak that limits it
	Limit string  `json:"limit"` // flops: the peak of float32 multiply-adds; bandwidth: that of reading memory
}

// A speedReport is what bench prints with --json.
type speedReport struct {
	ISA       string        `json:"isa"`
	Threads   int           `json:"threads"`
	FLOPs     float64       `json:"peak_gflops"` // float32 fused multiply-adds: the median of all measurements
	Bandwidth float64       `json:"peak_gbps"`   // reading memory, likewise
	Results   []measurement `json:"results"`
}

type benchOptions struct {
	only  string
	quick bool
}

// benchGroups are what bench measures, in order.
var benchGroups = []string{"gemm", "gemv", "train", "model"}

func (e *env) bench() *cli.Command {
	var o benchOptions
	return e.command(&cli.Command{
		Name:  "bench",
		Usage: "speed of matrix products, the training step, prefill and decoding on this machine",
		Description: "Every number stands beside its share of what the machine can do at best, which is measured first: of its float32\n" +
			"multiply-adds, which products in bfloat16 may exceed, or of reading memory, for what reads every weight for a few rows.\n" +
			"Groups: gemm, products of large matrices; gemv, of a vector with weights that no cache holds; train, the training step of small\n" +
			"language models; model, prefill and decoding of a model of random weights in the shape of Qwen3-0.6B (4 GB of memory).\n" +
			"For example:\n" +
			"nfcot bench --only train --threads 1",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "only", Usage: "measure one `GROUP` alone: gemm, gemv, train or model", Destination: &o.only},
			&cli.BoolFlag{Name: "quick", Usage: "one short round of each, to see that it works", Destination: &o.quick},
		},
		Action: func(*cli.Context) error { return e.runBench(o) },
	})
}

func (e *env) runBench(o benchOptions) error {
	if o.only != "" && !slices.Contains(benchGroups, o.only) {
		return inputf("--only is %q; want one of %s", o.only, strings.Join(benchGroups, ", "))
	}
	s := &speedometer{env: e, quick: o.quick, rounds: 9, round: 300 * time.Millisecond}
	if o.quick {
		s.rounds, s.round = 1, time.Millisecond
	}
	s.report = speedReport{ISA: kernel.ISA(), Threads: kernel.Threads()}
	s.flops = &peak{measure: kernel.PeakFLOPs, unit: "flops"}
	s.bandwidth = &peak{measure: kernel.PeakBandwidth(), unit: "bandwidth"}
	for i, run := range []func() error{s.gemm, s.gemv, s.train, s.model} {
		if o.only != "" && o.only != benchGroups[i] {
			continue
		}
		if err := run(); err != nil {
			return err
		}
	}
	return s.print()
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

// A speedometer measures.
type speedometer struct {
	*env
	quick            bool
	rounds           int
	round            time.Duration // at least
	flops, bandwidth *peak
	report           speedReport
}

// add notes the median speed of f over the rounds, in units (of which a call does
// so many) a second, and the median of its shares of a peak, of which a call does
// so much work. The peak is measured between the rounds, since a machine that
// others use too changes from one second to the next. Every round calls f as
// often as it takes to fill the round.
func (s *speedometer) add(group, name, unit string, units float64, p *peak, work float64, f func()) error {
	f() // memory, caches and workers are there then
	var speeds, shares []float64
	before := p.now(s.round / 3)
	for range s.rounds {
		n := 0
		start := time.Now()
		for ; n == 0 || time.Since(start) < s.round; n++ {
			if err := s.ctx.Err(); err != nil {
				return err
			}
			f()
		}
		calls := float64(n) / time.Since(start).Seconds()
		after := p.now(s.round / 3)
		speeds = append(speeds, calls*units)
		shares = append(shares, calls*work/((before+after)/2))
		before = after
	}
	m := measurement{group, name, median(speeds), unit, median(shares), p.unit}
	s.report.Results = append(s.report.Results, m)
	s.say("%s %s: %s", m.Group, m.Name, m.value())
	return nil
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

func (m measurement) value() string { return fmt.Sprintf("%.4g %s", m.Value, m.Unit) }

func (s *speedometer) print() error {
	for _, p := range []*peak{s.flops, s.bandwidth} {
		if len(p.seen) == 0 {
			p.now(s.round)
		}
	}
	s.report.FLOPs, s.report.Bandwidth = median(s.flops.seen)/1e9, median(s.bandwidth.seen)/1e9
	r := s.report
	if s.json {
		return s.printJSON(r)
	}
	fmt.Fprintf(s.stdout, "%s, %d threads: %.0f GFLOP/s of float32 multiply-adds, %.1f GB/s from memory\n\n", r.ISA, r.Threads, r.FLOPs, r.Bandwidth)
	var rows [][]string
	for _, m := range r.Results {
		rows = append(rows, []string{m.Group, m.Name, m.value(), fmt.Sprintf("%.0f %% of %s", 100*m.Share, m.Limit)})
	}
	s.printTable([]string{"what", "shape", "speed", "share of the peak"}, rows)
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
		flops := 2 * float64(M) * float64(N) * float64(K)
		err := s.add("gemm", fmt.Sprintf("f32 %dx%dx%d", M, N, K), "GFLOP/s", flops/1e9, s.flops, flops, func() {
			kernel.Gemm(y, N, kernel.Mat{Data: x, Stride: K}, kernel.Mat{Data: w, Stride: K, Trans: true}, M, N, K, false)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// formats are those of packed weights.
var formats = []kernel.Format{kernel.F32, kernel.BF16, kernel.Int8}

// gemv multiplies a vector with a matrix larger than any cache.
func (s *speedometer) gemv() error {
	out, in := 1<<16, 1<<11
	if s.quick {
		out = 1 << 10
	}
	w, x, y := random(out*in), random(in), kernel.Floats(out)
	for _, format := range formats {
		packed := kernel.Pack(w, out, in, format)
		bytes := float64(packed.Bytes())
		err := s.add("gemv", fmt.Sprintf("%v %dx%d", format, out, in), "GB/s", bytes/1e9, s.bandwidth, bytes, func() {
			packed.Mul(y, out, x, in, 1, false)
		})
		if err != nil {
			return err
		}
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
		for _, bf16 := range []bool{false, true} {
			if err := s.trainStep(c, bf16); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *speedometer) trainStep(c transformer.Config, bf16 bool) error {
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
	tape, precision := &tensor.Tape{BF16: bf16}, kernel.F32
	if bf16 {
		precision = kernel.BF16
	}
	step := func() float64 {
		tape.Reset()
		loss := learner.Loss(tape, batch, size, cot.StepRand{Seed: 1})
		tape.Backward(loss.Total)
		optimizer.Step(1e-4, 1)
		return loss.FLOPs
	}
	name := fmt.Sprintf("%v d%d L%d", precision, c.Hidden, c.Layers)
	return s.add("train", name, "tokens/s", streams*length, s.flops, step(), func() { step() })
}

// qwen is the shape of Qwen3-0.6B.
var qwen = transformer.Config{Hidden: 1024, Layers: 28, Heads: 16, KVHeads: 8, HeadDim: 128, FFN: 3072, Vocab: 151936, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 1024}

func (s *speedometer) model() error {
	c := qwen
	if s.quick {
		c.Layers, c.Vocab = 1, 2048
	}
	for _, format := range []kernel.Format{kernel.BF16, kernel.Int8} {
		p := tensor.NewParams(1)
		m := &speaker{lm: transformer.NewLM(p, c), tape: tensor.Tape{Inference: true}}
		m.lm.Pack(p, format)
		if err := s.prefill(m, format); err != nil {
			return err
		}
		for _, streams := range []int{1, 16} {
			if err := s.decode(m, format, streams); err != nil {
				return err
			}
		}
	}
	return nil
}

// prefill measures how fast a prompt is read.
func (s *speedometer) prefill(m *speaker, format kernel.Format) error {
	const tokens = 512
	flops := m.lm.FLOPs(tokens, tokens*(tokens+1)/2, 1)
	return s.add("model", fmt.Sprintf("%v prefill %d", format, tokens), "tokens/s", tokens, s.flops, flops, func() { m.read(tokens) })
}

// decode measures how fast streams that continue one prompt grow together, and
// counts the tokens of all of them. For a token of each, every weight is read once,
// and so are the keys and values of all their caches. Its parts are short, so that
// the peak is measured often.
func (s *speedometer) decode(m *speaker, format kernel.Format, streams int) error {
	const prompt, tokens, part = 32, 128, 8
	cache := m.read(prompt)
	name := fmt.Sprintf("%v decode %d, %d streams", format, tokens, streams)
	if streams == 1 {
		name = fmt.Sprintf("%v decode %d", format, tokens)
	}
	rows := prompt + streams*(tokens+1)/2 // in caches, on average
	cached := 4 * 2 * m.lm.Layers * m.lm.KVHeads * m.lm.HeadDim * rows
	bytes := float64(part * (m.lm.PackedBytes() + cached))
	var caches []*transformer.Cache
	said := tokens
	return s.add("model", name, "tokens/s", float64(streams*part), s.bandwidth, bytes, func() {
		if said == tokens {
			caches, said = cache.Fork(streams), 0
		}
		m.speak(caches, part)
		said += part
	})
}

// A speaker is a language model that runs without end.
type speaker struct {
	lm     *transformer.LM
	tape   tensor.Tape
	logits *tensor.Tensor // of the last token of each stream
}

// read reads a prompt of n tokens.
func (m *speaker) read(n int) *transformer.Cache {
	cache, tokens := m.lm.NewCache(), make([]int, n)
	for i := range tokens {
		tokens[i] = i * 7919 % m.lm.Vocab
	}
	m.tape.Reset()
	h := m.lm.Step(&m.tape, slices.Repeat([]*transformer.Cache{cache}, n), m.lm.Embed(&m.tape, tokens))
	m.logits = m.lm.Logits(&m.tape, m.tape.Gather(h, []int{n - 1}))
	return cache
}

// speak lets streams say n tokens each: those that seem likeliest.
func (m *speaker) speak(streams []*transformer.Cache, n int) {
	tokens := make([]int, len(streams))
	for range n {
		for i := range tokens {
			tokens[i] = 0
			row := m.logits.Row(min(i, m.logits.Rows()-1)) // after a prompt there is one row for all
			for id, logit := range row {
				if logit > row[tokens[i]] {
					tokens[i] = id
				}
			}
		}
		m.tape.Reset()
		m.logits = m.lm.Logits(&m.tape, m.lm.Step(&m.tape, streams, m.lm.Embed(&m.tape, tokens)))
	}
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
