package cot

import (
	"slices"
	"testing"

	"nfcot/internal/tensor"
)

// The loss of reading is minus the log-likelihood, row by row, of chains after the codes that it has shown, with noise
// on them, and after nothing else.
func TestReadingIsReplay(t *testing.T) {
	batch, random := examples(6), StepRand{Seed: 5, Step: 7}
	m, _ := shakenNFCoT(nfOptions)
	_, noisy := m.codes(nil, batch, random)
	var chains float64
	tokens := 0
	for i, ex := range batch {
		w := walk(m.LM, m.Special.BOT)
		for k := range m.Options.K {
			w.feed(m.project(nil, rowRange(noisy, i*m.Options.K+k, i*m.Options.K+k+1)))
		}
		w.feed(m.LM.Embed(nil, []int{m.Special.CoT}))
		words := w.predictAll(append(slices.Concat(ex.Steps...), m.Special.Ans))
		chains, tokens = chains-float64Sum(words), tokens+len(words)
	}
	reading := m.Reading()
	loss := reading.Loss(new(tensor.Tape), batch, reading.Size(batch), random)
	rounding.CheckScalar(t, "chains", loss.term(t, "chain_nats_per_token"), chains/float64(tokens))
	rounding.CheckScalar(t, "total", loss.total(), chains/float64(tokens))
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
		batch[i].Prompt, batch[i].Answer = []int{9}, []int{9, 9}
	}
	if got := total(batch); got != want {
		t.Errorf("with another prompt and answer the loss is %v, want %v", got, want)
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
