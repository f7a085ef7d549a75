package speed

import (
	"fmt"

	"nfcot/internal/cot"
	"nfcot/internal/tensor"
	"nfcot/internal/tensor/kernel"
	"nfcot/internal/transformer"
)

// A trainShape is a language model and the batch of a step: sequences of as many tokens, all of which count in the loss.
type trainShape struct {
	name              string
	model             transformer.Config
	sequences, length int
}

// trainShapes are small language models.
func trainShapes() (all []trainShape) {
	for _, c := range []transformer.Config{
		{Hidden: 128, Layers: 4, Heads: 4, KVHeads: 2, HeadDim: 32},
		{Hidden: 256, Layers: 6, Heads: 8, KVHeads: 4, HeadDim: 32},
		{Hidden: 512, Layers: 8, Heads: 8, KVHeads: 4, HeadDim: 64},
	} {
		c.FFN, c.Vocab, c.Tied, c.Theta, c.NormEps, c.MaxTokens = 3*c.Hidden, 1024, true, 1e6, 1e-6, 256
		all = append(all, trainShape{fmt.Sprintf("d%d L%d", c.Hidden, c.Layers), c, 16, 256})
	}
	return all
}

func (m *meter) train() error {
	shapes := trainShapes()
	if c := m.options.Shape; c != nil {
		shapes = []trainShape{{fmt.Sprintf("d%d L%d V%d", c.Hidden, c.Layers, c.Vocab), *c, 8, min(128, c.MaxTokens)}}
	}
	for _, shape := range shapes {
		for _, format := range []kernel.Format{kernel.F32, kernel.BF16} {
			if err := m.trainStep(shape, format); err != nil {
				return err
			}
		}
	}
	return nil
}

// trainStep measures a step of a model with random weights: speed does not depend on them.
func (m *meter) trainStep(shape trainShape, format kernel.Format) error {
	s := newTrainee(shape)
	s.tape.BF16 = format == kernel.BF16
	name := fmt.Sprintf("%v %s", format, shape.name)
	tokens := float64(shape.sequences * shape.length)
	if err := m.add("train", name, "tokens/s", tokens, m.flops, s.step(), func() { s.step() }); err != nil {
		return err
	}
	if m.options.Profile {
		m.report.Profiles = append(m.report.Profiles, m.profile(name, s))
	}
	return nil
}

// A trainee is a language model that learns one batch again and again.
type trainee struct {
	learner   *cot.Text
	optimizer *tensor.AdamW
	tape      tensor.Tape
	batch     []cot.Encoded
}

func newTrainee(shape trainShape) *trainee {
	p := tensor.NewParams(1)
	s := &trainee{learner: &cot.Text{LM: transformer.NewLM(p, shape.model), Special: cot.Special{EOS: 0, Ans: 1}}, optimizer: tensor.NewAdamW(p)}
	rng := tensor.Rand(1, "tokens")
	s.batch = make([]cot.Encoded, shape.sequences)
	for i := range s.batch {
		s.batch[i].Prompt = []int{1}
		for range shape.length - 2 { // with the prompt and the token that asks for an answer, length rows
			s.batch[i].Answer = append(s.batch[i].Answer, rng.IntN(shape.model.Vocab))
		}
	}
	return s
}

// step trains for a step and returns its floating-point operations.
func (s *trainee) step() float64 {
	s.tape.Reset()
	loss := s.learner.Loss(&s.tape, s.batch, s.learner.Size(s.batch), cot.StepRand{Seed: 1})
	s.tape.Backward(loss.Total)
	s.tape.Profile.Lap(tensor.Part{}, 0)
	s.optimizer.Step(1e-4, 1)
	s.tape.Profile.Lap(tensor.Part{Operation: "AdamW"}, 0)
	return loss.FLOPs
}
