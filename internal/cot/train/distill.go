package train

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"nfcot/internal/cot"
	"nfcot/internal/cot/data"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/tensor"
	"nfcot/internal/tokenizer"
	"nfcot/internal/transformer"
)

// DistillConfig is how a VAE is trained.
type DistillConfig struct {
	VAE   cot.VAEConfig `json:"vae"`
	Seed  uint64        `json:"seed"`
	Steps int           `json:"steps"`
	Batch int           `json:"batch"` // examples a step
	LR    float64       `json:"lr"`    // largest learning rate, after warm-up
}

// DefaultDistill is the setting of the embedded benchmark's demo.
func DefaultDistill() DistillConfig {
	return DistillConfig{
		VAE:  cot.VAEConfig{D: 32, Encoder: "linear", Segments: "lines", Noise: 0.3, Beta: 1e-3, Hidden: 64, Layers: 2, Heads: 2},
		Seed: 1, Steps: 200, Batch: 32, LR: 5e-3,
	}
}

// Reconstruction is how well a VAE's codes say their chains.
type Reconstruction struct {
	Noise  float64 `json:"noise"`  // std of the noise added to the standardised codes
	Tokens float64 `json:"tokens"` // share of tokens found likeliest, given those before them
	Chains float64 `json:"chains"` // share of chains with all tokens right
}

// DistillReport sums a distillation up.
type DistillReport struct {
	DistillConfig
	Examples       int              `json:"examples"`
	Parameters     int              `json:"parameters"`
	Merged         int              `json:"merged,omitempty"` // chains with more steps than there are thoughts, of which the last has all that are left
	ActiveDims     int              `json:"active_dims"`      // whose posterior mean varies by more than 0.01
	Reconstruction []Reconstruction `json:"reconstruction"`
}

// Check says which of the numbers make no sense, if any do, as their flags are called.
func (c DistillConfig) Check() error {
	switch {
	case c.Steps < 1 || c.Batch < 1:
		return fmt.Errorf("--steps is %d and --batch %d; they must be at least 1", c.Steps, c.Batch)
	case c.Batch > 1<<20:
		return fmt.Errorf("--batch is %d; want at most %d", c.Batch, 1<<20)
	case c.VAE.EncoderLayer < 0:
		return fmt.Errorf("--encoder-layer is %d; want the number of a block of the model, from 1, or 0, its embeddings", c.VAE.EncoderLayer)
	case !(c.LR > 0) || math.IsInf(c.LR, 0):
		return fmt.Errorf("--lr is %g; it must be a positive number", c.LR)
	case !(c.VAE.Noise >= 0 && c.VAE.Beta >= 0) || math.IsInf(c.VAE.Noise+c.VAE.Beta, 0):
		return fmt.Errorf("--noise is %g and --beta %g; they must not be negative", c.VAE.Noise, c.VAE.Beta)
	}
	vae := c.VAE // but for what data and model say
	vae.K, vae.EncoderLayer = cmp.Or(vae.K, 1), 0
	return vae.Check()
}

// A Distillation turns the chains of examples into thoughts: it trains a VAE on them.
type Distillation struct {
	config    DistillConfig
	tokenizer *tokenizer.Tokenizer
	special   cot.Special
	model     *experiment.Model // that the encoder stands on; nil: none
	examples  []cot.Example
	chains    [][][]int        // [examples][K]segment
	states    []*tensor.Tensor // of the chains' tokens, [examples] of [tokens, hidden]; nil where the encoder stands on none
	merged    int              // chains with more steps than K
}

// NewDistillation cuts the chains of examples into the segments that codes stand for, and
// settles from them how many and how long they are. Special tokens that the tokenizer
// lacks are added: that of a model of others may lack them. Unless model is nil the encoder
// stands on its token embeddings, frozen, or on its hidden states (VAEConfig.EncoderLayer), which
// Look makes.
func NewDistillation(c DistillConfig, examples []cot.Example, tok *tokenizer.Tokenizer, model *experiment.Model) (*Distillation, error) {
	tok, err := tok.With(cot.SpecialTokens...)
	if err != nil {
		return nil, err
	}
	if model != nil {
		c.VAE.Embedding = model.LM.Hidden
	}
	switch layer := c.VAE.EncoderLayer; {
	case layer > 0 && model == nil:
		return nil, fmt.Errorf("--encoder-layer is %d; states are those of a model (--model)", layer)
	case layer > 0 && layer > model.LM.Layers:
		return nil, fmt.Errorf("--encoder-layer is %d; the model has %d blocks", layer, model.LM.Layers)
	}
	d := &Distillation{config: c, tokenizer: tok, examples: examples, model: model}
	if d.special, err = cot.FindSpecial(tok); err != nil {
		return nil, err
	}
	return d, d.cut()
}

// embed returns the model's embeddings of tokens; those that its tokenizer lacked have none, and
// get zeros.   → [tokens, hidden]
func (d *Distillation) embed(tokens []int) *tensor.Tensor {
	x := tensor.New(len(tokens), d.model.LM.Hidden)
	for i, id := range tokens {
		if id < d.model.LM.Vocab {
			copy(x.Row(i), d.model.LM.Embed(nil, []int{id}).Data)
		}
	}
	return x
}

// StateBytes is the memory that the states under the encoder take; 0 where it stands on none.
func (d *Distillation) StateBytes() int {
	n := 0
	for i := range d.chains {
		n += len(d.tokens(i))
	}
	return 4 * min(1, d.config.VAE.EncoderLayer) * d.config.VAE.Embedding * n
}

// tokens are those of a chain.
func (d *Distillation) tokens(i int) []int { return slices.Concat(d.chains[i]...) }

// Look computes the states of the chains' tokens that the encoder stands on, and tells watch how
// many chains are done: the model reads a prompt and behind it its chain, and a token's state
// has all of both up to it. States are kept at a root mean square of 1, each by itself, as the
// norms of the model's own blocks see them: a few tokens have states a hundred times as large as the
// others'.
func (d *Distillation) Look(ctx context.Context, watch func(done int)) error {
	const atOnce = 16
	lm := d.model.LM
	for from := 0; from < len(d.chains); from += atOnce {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var all, ends []int
		var layout transformer.Layout
		to := min(from+atOnce, len(d.chains))
		for i := from; i < to; i++ {
			sequence := append(d.tokenizer.EncodePrompt(d.examples[i].Prompt), d.tokens(i)...)
			if len(sequence) > lm.MaxTokens {
				return fmt.Errorf("example %d: prompt and chain have %d tokens, more than the model has positions (%d)", i+1, len(sequence), lm.MaxTokens)
			}
			all, layout = append(all, sequence...), transformer.Causal(layout, len(sequence))
			ends = append(ends, len(all))
		}
		h := lm.States(nil, d.embed(all), layout, d.config.VAE.EncoderLayer)
		for i, end := range ends {
			n := len(d.tokens(from + i))
			x := tensor.From(slices.Clone(h.Data[(end-n)*lm.Hidden:end*lm.Hidden]), n, lm.Hidden)
			for row := range n {
				normalise(x.Row(row))
			}
			d.states = append(d.states, x)
		}
		watch(to)
	}
	return nil
}

// normalise brings a vector to a root mean square of 1.
func normalise(x []float32) {
	squares := 0.0
	for _, v := range x {
		squares += float64(v) * float64(v)
	}
	scale := float32(math.Sqrt(float64(len(x)) / squares))
	for i := range x {
		x[i] *= scale
	}
}

// cut divides the chains of the examples into segments, and settles K, where it is 0, and
// Length.
func (d *Distillation) cut() error {
	c := &d.config.VAE
	steps := make([][][]int, len(d.examples))
	longest := 0
	for i, ex := range d.examples {
		steps[i] = c.Steps(d.tokenizer, ex.CoT)
		if len(steps[i]) == 0 {
			return fmt.Errorf("example %d has no chain of thought (cot) to distill; --cot-from takes it out of the answer, --columns cot=NAME says where it is", i+1)
		}
		longest = max(longest, len(steps[i]))
	}
	if c.K == 0 {
		c.K = longest
	}
	if err := c.Check(); err != nil {
		return err
	}
	d.chains = make([][][]int, len(d.examples))
	for i := range steps {
		segments, err := c.Cut(steps[i])
		if err != nil {
			return fmt.Errorf("example %d: %w", i+1, err)
		}
		if c.Segments != "even" && len(steps[i]) > c.K {
			d.merged++
		}
		d.chains[i] = segments
	}
	for _, segments := range d.chains {
		c.Length = max(c.Length, len(slices.MaxFunc(segments, func(a, b []int) int { return len(a) - len(b) })))
	}
	return nil
}

// Merged says how many chains have more steps than there are thoughts, and what becomes of
// them; "" if there are none.
func (d *Distillation) Merged() string {
	if d.merged == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d chains have more steps than there are thoughts (%d); their last thought stands for all that are left", d.merged, len(d.chains), d.config.VAE.K)
}

// Run trains the VAE, after Look where the encoder stands on states (StateBytes), tells watch of
// every step, and returns what a thoughts folder holds, with its report. When ctx ends it returns
// the error of ctx; nothing is kept.
func (d *Distillation) Run(ctx context.Context, watch func(step int, loss cot.Loss)) (*data.Thoughts, DistillReport, error) {
	vocab, eos := d.tokenizer.VocabSize(), d.special.EOS
	vae := cot.NewVAE(tensor.NewParams(d.config.Seed), d.config.VAE, vocab, eos, cot.RowsFor(vocab, eos, d.chains))
	if d.model != nil && d.config.VAE.EncoderLayer == 0 {
		vae.SetEmbeddings(d.embed)
	}
	codes, err := trainVAE(ctx, d.config, vae, d.chains, d.states, watch)
	if err != nil {
		return nil, DistillReport{}, err
	}
	n, c := min(len(d.chains), 1000), d.config.VAE
	report := DistillReport{
		DistillConfig: d.config, Examples: len(d.examples), Parameters: vae.Params.Count(), Merged: d.merged, ActiveDims: vae.ActiveDims(),
		Reconstruction: reconstruct(vae, tensor.From(codes.Data[:n*c.K*c.D], n*c.K, c.D), d.chains[:n], d.config.Seed, 0, 0.3),
	}
	return &data.Thoughts{Tokenizer: d.tokenizer, VAE: vae, Examples: d.examples, Codes: codes, Report: report}, report, nil
}

// trainVAE trains a VAE on chains, with states if its encoder stands on some, calling report
// after every step, and returns the standardised codes [n·K, D] of all chains.
func trainVAE(ctx context.Context, c DistillConfig, v *cot.VAE, chains [][][]int, states []*tensor.Tensor, report func(step int, loss cot.Loss)) (*tensor.Tensor, error) {
	v.Params.SetTrainable(v.Trains)
	optimizer := tensor.NewAdamW(v.Params)
	optimizer.Decay = 0.01
	stage := experiment.Stage{Steps: c.Steps, LR: c.LR, Warmup: min(50, c.Steps/4)}
	order := newOrder(c.Seed, -1, len(chains))
	tape := new(tensor.Tape)
	for step := range c.Steps {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		batch, index := make([][][]int, c.Batch), make([]int, c.Batch)
		for i := range batch {
			index[i] = order.at(step*c.Batch + i)
			batch[i] = chains[index[i]]
		}
		tape.Reset()
		loss := v.Loss(tape, batch, stacked(states, index), index, cot.StepRand{Seed: c.Seed, Step: step})
		tape.Backward(loss.Total)
		if _, err := move(optimizer, rate(stage, 0.05, step), 1, step+1, float64(loss.Total.Data[0])); err != nil {
			return nil, err
		}
		report(step+1, loss)
	}
	return v.Standardise(means(v, chains, states)), nil
}

// stacked puts the states of some chains one after the other; nil where there are none.
func stacked(states []*tensor.Tensor, index []int) *tensor.Tensor {
	if states == nil {
		return nil
	}
	var all []float32
	for _, i := range index {
		all = append(all, states[i].Data...)
	}
	width := states[0].Cols()
	return tensor.From(all, len(all)/width, width)
}

// means returns the posterior means of chains, not standardised.
func means(v *cot.VAE, chains [][][]int, states []*tensor.Tensor) *tensor.Tensor {
	c := v.Config
	all := tensor.New(len(chains)*c.K, c.D)
	index := make([]int, len(chains))
	for i := range index {
		index[i] = i
	}
	at := 0
	for part := range slices.Chunk(index, 256) {
		mu, _ := v.Encode(nil, chains[part[0]:part[0]+len(part)], stacked(states, part))
		at += copy(all.Data[at:], mu.Data)
	}
	return all
}

// reconstruct measures a VAE on chains with codes e, with and without noise of
// the given standard deviations.   e [n·K, D]
func reconstruct(v *cot.VAE, e *tensor.Tensor, chains [][][]int, seed uint64, noises ...float64) []Reconstruction {
	var out []Reconstruction
	for _, noise := range noises {
		noisy := tensor.From(slices.Clone(e.Data), e.Shape...)
		rng := tensor.Rand(seed, "reconstruct")
		for i := range noisy.Data {
			noisy.Data[i] += float32(noise * rng.NormFloat64())
		}
		tokens, whole := v.Accuracy(noisy, chains)
		out = append(out, Reconstruction{noise, tokens, whole})
	}
	return out
}
