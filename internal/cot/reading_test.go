package cot

import (
	"slices"
	"testing"

	"nfcot/internal/tensor"
)

// The loss of reading is minus the log-likelihood, row by row, of what each code stands for after the code, with noise
// on it, and after nothing else.
func TestReadingIsReplay(t *testing.T) {
	batch, random := examples(6), StepRand{Seed: 5, Step: 7}
	m, _ := shakenNFCoT(nfOptions)
	_, noisy := m.codes(nil, batch, random)
	var sum float64
	tokens, empty := 0, 0
	for i, ex := range batch {
		for k, said := range ex.Said {
			w := walk(m.LM, m.Special.BOT)
			row := i*m.Options.K + k
			w.feed(m.project(nil, rowRange(noisy, row, row+1)))
			w.feed(m.LM.Embed(nil, []int{m.Special.CoT}))
			words := w.predictAll(append(slices.Clone(said), m.Special.Ans))
			sum, tokens = sum-float64Sum(words), tokens+len(words)
			if len(said) == 0 {
				empty++
			}
		}
	}
	if empty == 0 {
		t.Error("every code stands for something")
	}
	reading := m.Reading()
	loss := reading.Loss(new(tensor.Tape), batch, reading.Size(batch), random)
	rounding.CheckScalar(t, "said", loss.term(t, "chain_nats_per_token"), sum/float64(tokens))
	rounding.CheckScalar(t, "total", loss.total(), sum/float64(tokens))
}

// Every thought of every example counts in it, and neither prompt nor answer does.
func TestReadingReadsThoughts(t *testing.T) {
	random := StepRand{Seed: 1}
	m, _ := shakenNFCoT(nfOptions)
	reading := m.Reading()
	total := func(batch []Encoded) float64 { return reading.Loss(nil, batch, reading.Size(batch), random).total() }
	batch := examples(2)
	want := total(batch)
	for i := range batch {
		batch[i].Prompt, batch[i].Steps, batch[i].Answer = []int{9}, nil, []int{9, 9}
	}
	if got := total(batch); got != want {
		t.Errorf("with another prompt, chain and answer the loss is %v, want %v", got, want)
	}
	for i := range batch {
		for k := range m.Options.K {
			codes := batch[i].Codes
			batch[i].Codes = tensor.From(slices.Clone(codes.Data), codes.Shape...)
			batch[i].Codes.Row(k)[0]++
			if total(batch) == want {
				t.Errorf("example %d, thought %d: the loss does not depend on it", i, k)
			}
			batch[i].Codes = codes
		}
	}
}
