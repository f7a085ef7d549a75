package speed

import (
	"fmt"

	"nfcot/internal/cot"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

// trainShapes are small language models. Each is measured with 16 sequences of 256
// tokens.
var trainShapes = []transformer.Config{
	{Hidden: 128, Layers: 4, Heads: 4, KVHeads: 2, HeadDim: 32, FFN: 384, Vocab: 1024, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 256},
	{Hidden: 256, Layers: 6, Heads: 8, KVHeads: 4, HeadDim: 32, FFN: 768, Vocab: 1024, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 256},
	{Hidden: 512, Layers: 8, Heads: 8, KVHeads: 4, HeadDim: 64, FFN: 1536, Vocab: 1024, Tied: true, Theta: 1e6, NormEps: 1e-6, MaxTokens: 256},
}

func (m *meter) train() error {
	for _, c := range trainShapes {
		for _, bf16 := range []bool{false, true} {
			if err := m.trainStep(c, bf16); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *meter) trainStep(c transformer.Config, bf16 bool) error {
	const sequences, length = 16, 256
	p := tensor.NewParams(1)
	learner := &cot.Text{LM: transformer.NewLM(p, c), Special: cot.Special{EOS: 0, Ans: 1}}
	optimizer := tensor.NewAdamW(p)
	rng := tensor.Rand(1, "tokens")
	batch := make([]cot.Encoded, sequences)
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
	return m.add("train", name, "tokens/s", sequences*length, m.flops, step(), func() { step() })
}
