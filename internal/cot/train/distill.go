package train

import (
	"context"
	"fmt"
	"math"
	"slices"

	"nfcot/internal/cot"
	"nfcot/internal/cot/experiment"
	"nfcot/internal/tensor"
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
	ActiveDims     int              `json:"active_dims"` // whose posterior mean varies by more than 0.01
	Reconstruction []Reconstruction `json:"reconstruction"`
}

// Distill trains a VAE on chains, calling report after every step, and returns
// it with the standardised codes [n·K, D] of all chains.
func Distill(ctx context.Context, c DistillConfig, chains [][][]int, vocab, eos int, report func(step int, loss cot.Loss)) (*cot.VAE, *tensor.Tensor, error) {
	params := tensor.NewParams(c.Seed)
	v := cot.NewVAE(params, c.VAE, vocab, eos)
	optimizer := tensor.NewAdamW(params)
	optimizer.Decay = 0.01
	stage := experiment.Stage{Steps: c.Steps, LR: c.LR, Warmup: min(50, c.Steps/4)}
	order := newOrder(c.Seed, -1, len(chains))
	tape := new(tensor.Tape)
	for step := range c.Steps {
		if ctx.Err() != nil {
			return nil, nil, ErrInterrupted
		}
		batch, index := make([][][]int, c.Batch), make([]int, c.Batch)
		for i := range batch {
			index[i] = order.at(step*c.Batch + i)
			batch[i] = chains[index[i]]
		}
		tape.Reset()
		loss := v.Loss(tape, batch, index, cot.StepRand{Seed: c.Seed, Step: step})
		tape.Backward(loss.Total)
		if norm := optimizer.Step(rate(stage, 0.05, step), 1); math.IsNaN(norm) || math.IsInf(norm, 0) {
			return nil, nil, fmt.Errorf("step %d: the gradient is not finite (loss %g); lower the learning rate", step+1, loss.Total.Data[0])
		}
		report(step+1, loss)
	}
	return v, v.Standardise(means(v, chains)), nil
}

// means returns the posterior means of chains, not standardised.
func means(v *cot.VAE, chains [][][]int) *tensor.Tensor {
	c := v.Config
	all := tensor.New(len(chains)*c.K, c.D)
	at := 0
	for part := range slices.Chunk(chains, 256) {
		mu, _ := v.Encode(nil, part)
		at += copy(all.Data[at:], mu.Data)
	}
	return all
}

// Reconstruct measures a VAE on chains with codes e, with and without noise of
// the given standard deviations.   e [n·K, D]
func Reconstruct(v *cot.VAE, e *tensor.Tensor, chains [][][]int, seed uint64, noises ...float64) []Reconstruction {
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
