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

// What is read alone beside a step of each method is what Reading reads: all codes where as many are drawn as there are
// thoughts, and in expectation where there are fewer. All else that a method learns stays what it is.
func TestLinesBesideAStep(t *testing.T) {
	batch := examples(6)
	few, all := nfOptions, nfOptions
	few.ReadLines, all.ReadLines = 1, nfOptions.K
	random := StepRand{Seed: 5, Step: 7}
	for name, learner := range map[string]func(o NFOptions) (l Learner, alone Learner){
		"nfcot": func(o NFOptions) (Learner, Learner) {
			m, _ := shakenNFCoT(o)
			return Stage{NFCoT: m, FreezeFlow: true}, m.Reading()
		},
		"nfcot-dual": func(o NFOptions) (Learner, Learner) {
			m, _ := shakenDual(o)
			return Stage{NFCoT: m, FreezeFlow: true}, m.Reading()
		},
		"lavae": func(o NFOptions) (Learner, Learner) { m, _ := shakenLaVAE(o); return m, m.Reading() },
		"ladir": func(o NFOptions) (Learner, Learner) { m, _ := shakenLaDiR(o, "flow"); return m, m.Reading() },
	} {
		without, alone := learner(nfOptions)
		size := without.Size(batch)
		bare := without.Loss(nil, batch, size, random)
		terms, total := slices.Clone(bare.Terms), bare.total()
		want := alone.Loss(nil, batch, size, random).term(t, "chain_nats_per_token")

		beside, _ := learner(all)
		got := beside.Loss(nil, batch, size, random)
		rounding.CheckScalar(t, name+": all lines", got.term(t, "chain_nats_per_token"), want)
		rounding.CheckScalar(t, name+": total", got.total(), total+nfOptions.LambdaText*want)
		for _, term := range terms {
			rounding.CheckScalar(t, name+": "+term.Name, got.term(t, term.Name), term.Value)
		}
		if got, want := beside.Rows(batch, random), without.Rows(batch, random)+alone.Rows(batch, random); got != want {
			t.Errorf("%s: %d rows, want %d", name, got, want)
		}

		beside, _ = learner(few)
		mean, steps := 0.0, 4000
		for step := range steps {
			// one code is read of each example, whose noise is that of the step
			mean += beside.Loss(nil, batch[:1], size, StepRand{Seed: 5, Step: step}).term(t, "chain_nats_per_token") / float64(steps)
		}
		want = 0
		for step := range 200 {
			want += alone.Loss(nil, batch[:1], size, StepRand{Seed: 5, Step: step}).term(t, "chain_nats_per_token") / 200
		}
		if diff := mean/want - 1; diff < -0.05 || diff > 0.05 {
			t.Errorf("%s: one line at a time comes to %v, want %v", name, mean, want)
		}
	}
}
