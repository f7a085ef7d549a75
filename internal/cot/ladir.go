package cot

import (
	"math"
	"slices"
	"time"

	"nfcot/internal/nfhead"
	"nfcot/internal/tensor"
	"nfcot/internal/transformer"
)

// LaDiR makes the codes of the VAE out of noise, all K of them at once, in some
// denoising steps (after Kang et al., 2025): in each the backbone reads the noisy block,
// whose rows see each other in both directions, after the prompt. The codes are then
// read from left to right, and the answer follows.
//
//	q BOT x_1 … x_K              K noisy codes, at one level of noise
//	q BOT e_1 … e_K x EOS
type LaDiR struct {
	latent
	Diffusion Diffusion

	process process

	head, headBias                           *tensor.Tensor // [D, H], [D]: what a noisy code is without noise
	mlp                                      *nfhead.MLP    // beside head
	slot                                     *tensor.Tensor // [K, H]: marks the rows of the noisy block
	timeIn, timeInBias, timeOut, timeOutBias *tensor.Tensor // [W, W], [W], [H, W], [H]: of the embedding of time
}

// timeWaves is the number of frequencies that a time is seen through; timeWidth is W,
// the width that they and the embedding's inner layer have.
const (
	timeWaves = 16
	timeWidth = 2 * timeWaves
)

// NewLaDiR makes the parts that LaDiR adds to a language model. Noisy and clean codes
// share proj_in: slot and time tell them apart.
func NewLaDiR(p *tensor.Params, lm *transformer.LM, special Special, o NFOptions, d Diffusion) *LaDiR {
	in, states := 1/math.Sqrt(timeWidth), o.stateScale(lm)
	return &LaDiR{
		head:        p.Normal("code_head.weight", 0.02/states, o.D, lm.Hidden),
		headBias:    p.Const("code_head.bias", 0, o.D),
		mlp:         nfhead.NewMLP(p.Sub("code_head.mlp"), lm.Hidden, o.MLP, o.D, nfhead.Scale{In: states, Out: 1}),
		slot:        p.Normal("slot.weight", 0.02, o.K, lm.Hidden),
		timeIn:      p.Normal("time.in.weight", in, timeWidth, timeWidth),
		timeInBias:  p.Const("time.in.bias", 0, timeWidth),
		timeOut:     p.Normal("time.out.weight", 0.05, lm.Hidden, timeWidth),
		timeOutBias: p.Const("time.out.bias", 0, lm.Hidden),
		latent:      newLatent(p, lm, special, o),
		Diffusion:   d,
		process:     d.process(),
	}
}

// Rows counts those of the other methods that think in codes, and the noisy block.
func (m *LaDiR) Rows(batch []Encoded, random StepRand) int {
	return m.latent.Rows(batch, random) + len(batch)*m.Options.K
}

// Loss is the squared error of the codes that are predicted of a block with noise of a
// random level in it, per latent dimension, plus the text loss, in nats per token, each
// with its weight. As in NF-CoT, the answer is read after codes with dequantisation noise.
func (m *LaDiR) Loss(t *tensor.Tape, batch []Encoded, whole Size, random StepRand) Loss {
	e, clean := m.codes(t, batch, random)
	x, times := m.noised(t, batch, e, random)
	s := m.layout(t, batch, random)
	predicted, logText := m.forward(t, s, m.noisyInput(t, x, times), clean)
	d := t.Sub(predicted, e)
	miss := t.Scale(1/float32(whole.Dims), t.Sum(t.Mul(d, d)))
	text, said := m.textLosses(t, logText, batch, whole)
	o := m.Options
	loss := Loss{Total: t.Add(t.Scale(float32(o.LambdaFlow), miss), t.Scale(float32(o.LambdaText), text)), FLOPs: s.trainingFLOPs(m.LM),
		HeadFLOPs: 3 * (float64(e.Rows())*(m.predictFLOPs()+2*m.projectFLOPs()) + float64(len(batch))*m.timeFLOPs())}
	m.terms = append(m.terms[:0], Term{"code_error_per_dim", float64(miss.Data[0])}, Term{"text_nats_per_token", float64(text.Data[0])})
	m.addSaid(t, &loss, said)
	loss.Terms = m.terms
	return loss
}

// noised puts noise into the codes of a batch, and says each example's time.
// e [B·K, D] → x [B·K, D], times [B, 1]
func (m *LaDiR) noised(t *tensor.Tape, batch []Encoded, e *tensor.Tensor, random StepRand) (x, times *tensor.Tensor) {
	each := m.Options.K * m.Options.D
	x, times = t.New(e.Rows(), m.Options.D), t.New(len(batch), 1)
	for i, ex := range batch {
		rng := random.For(t, "diffuse", ex.Index)
		l := m.process.at(rng.Float64())
		times.Data[i] = float32(l.time)
		for j := i * each; j < (i+1)*each; j++ {
			x.Data[j] = l.mix(e.Data[j], float32(rng.NormFloat64()))
		}
	}
	return x, times
}

// layout puts the rows of a batch one after the other, and after them those of codes that are read alone. The noisy block comes before
// the prompt, so that what a row sees is a span: the block sees itself and the prompt,
// and no other row sees the block. It stands, all the same, where the codes do.
func (m *LaDiR) layout(t *tensor.Tape, batch []Encoded, random StepRand) packed {
	K := m.Options.K
	s := newPacked(t, m.Rows(batch, random)+(1+m.Options.ReadLines)*len(batch)) // with EOS and Ans
	for i, ex := range batch {
		s.begin()
		for k := range K {
			s.thoughtRows = append(s.thoughtRows, len(s.order))
			s.feedThought(i*K + k)
		}
		for _, id := range ex.Prompt {
			s.feed(id)
		}
		s.feed(m.Special.BOT)
		for k := range K {
			s.feedThought((len(batch)+i)*K + k)
		}
		s.answer(ex.Answer, ex.end(m.Special))
		s.end()
		opening := len(ex.Prompt) + 1
		for r := s.start; r < len(s.order); r++ {
			if at := r - s.start; at < K {
				s.rows.Pos[r], s.rows.Spans[r].To = opening+at, s.start+K+opening
			} else {
				s.rows.Pos[r], s.rows.Spans[r].From = at-K, s.start+K
			}
		}
	}
	m.layLines(t, &s, batch, len(batch)*K, random)
	return s
}

// forward runs the backbone once over rows with noisy and clean codes in them, and
// predicts what the noisy ones are without noise, and the log-probability of every
// answer token in nats.   noisy [n·K, H], clean [n·K, D] → [n·K, D], [tokens, 1]
func (m *LaDiR) forward(t *tensor.Tape, s packed, noisy, clean *tensor.Tensor) (e, text *tensor.Tensor) {
	h := s.hidden(t, m.LM, t.Stack(noisy, m.project(t, clean)))
	return m.predict(t, t.Gather(h, s.thoughtRows)), s.textLogProb(t, m.LM, h, 1)
}

// predict is what each noisy code is without noise, and not the noise itself or the
// velocity: a narrow state cannot carry all numbers of the noise (Li and He, 2025).
// h [R, H] → [R, D]
func (m *LaDiR) predict(t *tensor.Tape, h *tensor.Tensor) *tensor.Tensor {
	return m.mlp.Add(t, t.Linear(h, m.head, m.headBias), h)
}

// predictFLOPs is what predict takes for a row.
func (m *LaDiR) predictFLOPs() float64 { return float64(2*len(m.head.Data)) + m.mlp.FLOPs() }

// noisyInput is what the backbone reads of noisy blocks.
// x [n·K, D], times, of all blocks or of each [1 or n, 1] → [n·K, H]
func (m *LaDiR) noisyInput(t *tensor.Tape, x, times *tensor.Tensor) *tensor.Tensor {
	K := m.Options.K
	slots, blocks := t.Ints(x.Rows()), t.Ints(x.Rows())
	for r := range x.Rows() {
		slots, blocks = append(slots, r%K), append(blocks, r/K%times.Rows())
	}
	return t.Add(t.Add(m.project(t, x), t.Gather(m.slot, slots)), t.Gather(m.embedTime(t, times), blocks))
}

// embedTime makes inputs of the backbone out of times: sines and cosines of frequencies
// from 1 to e⁵, and a small network.   [n, 1] → [n, H]
func (m *LaDiR) embedTime(t *tensor.Tape, times *tensor.Tensor) *tensor.Tensor {
	waves := t.New(times.Rows(), timeWidth)
	for i, at := range times.Data {
		for j := range timeWaves {
			angle := float64(at) * math.Exp(5*float64(j)/(timeWaves-1))
			sin, cos := math.Sincos(angle)
			waves.Row(i)[j], waves.Row(i)[timeWaves+j] = float32(sin), float32(cos)
		}
	}
	inner := t.GELU(t.Linear(waves, m.timeIn, m.timeInBias), tensor.ForProducts)
	return t.Linear(inner, m.timeOut, m.timeOutBias)
}

// timeFLOPs is what embedTime takes for a time.
func (m *LaDiR) timeFLOPs() float64 { return float64(2 * (len(m.timeIn.Data) + len(m.timeOut.Data))) }

// Sample answers each prompt n times from one prefill. All blocks go through a
// denoising step together, then codes are read, and tokens follow.
func (m *LaDiR) Sample(prompts [][]int, n int, o Options) [][]Sample {
	sequences, _ := prefill(m.LM, prompts, n, o, m.Special.BOT)
	K, D := m.Options.K, m.Options.D
	start := time.Now()
	x := tensor.New(len(sequences)*K, D)
	caches := make([]*transformer.Cache, 0, x.Rows())
	for i, s := range sequences {
		block := tensor.From(x.Data[i*K*D:(i+1)*K*D], K, D)
		if o.Replace != nil {
			copy(block.Data, o.Replace(i/n, i%n).Data)
		} else {
			rng := tensor.Rand(o.Seed, "thoughts", append(slices.Clone(s.Prompt), i%n)...)
			for j := range block.Data {
				block.Data[j] = float32(o.ThoughtTemp * rng.NormFloat64())
			}
		}
		s.Thoughts = block
		caches = append(caches, slices.Repeat([]*transformer.Cache{s.cache}, K)...)
	}
	t := &tensor.Tape{Inference: true}
	steps := o.DenoiseSteps
	if steps == 0 {
		steps = m.Diffusion.Steps
	}
	if o.Replace != nil {
		steps = 0
	}
	m.denoise(t, caches, x, steps, &o)
	t.Reset()
	h := m.LM.Step(t, caches, m.project(t, x))
	last := t.Ints(len(sequences))
	for i := range sequences {
		last = append(last, (i+1)*K-1)
	}
	h = t.Gather(h, last)
	share := time.Since(start).Seconds() / float64(len(sequences))
	for _, s := range sequences {
		s.addCost(true, share, m.thinkFLOPs(s.cache.Len(), steps))
	}
	decode(t, m.LM, m.Special, sequences, h, o)
	return collect(sequences, n)
}

// denoise takes blocks from noise to codes, in place. Row r of x is read after the rows
// of caches[r].   x [n·K, D]
func (m *LaDiR) denoise(t *tensor.Tape, caches []*transformer.Cache, x *tensor.Tensor, steps int, o *Options) {
	if steps == 0 {
		return
	}
	levels := m.process.grid(steps)
	for i := 0; i < steps && !o.ended(); i++ {
		t.Reset()
		at := t.New(1, 1)
		at.Data[0] = float32(levels[i].time)
		h := m.LM.StepBlock(t, caches, m.noisyInput(t, x, at))
		denoise(m.process, x.Data, m.predict(t, h).Data, levels[i], levels[i+1])
	}
}

// thinkFLOPs is what a sample takes that has total rows once its codes are read.
func (m *LaDiR) thinkFLOPs(total, steps int) float64 {
	K := m.Options.K
	step := m.LM.FLOPs(K, K*total, 0) + float64(K)*(m.projectFLOPs()+m.predictFLOPs()) + m.timeFLOPs() // all blocks share a time
	read := m.LM.FLOPs(K, K*total-K*(K-1)/2, 0) + float64(K)*m.projectFLOPs()
	return float64(steps)*step + read
}

// ToCodes returns the thoughts: they are codes (Coder).
func (m *LaDiR) ToCodes(u *tensor.Tensor) *tensor.Tensor { return u }

// FromCodes returns the codes: they are thoughts (Coder).
func (m *LaDiR) FromCodes(e *tensor.Tensor) *tensor.Tensor { return e }
