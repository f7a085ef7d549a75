package cot

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

// The thoughts of LaVAE are what each one's own past predicts, at every temperature
// and for every sample; its words are drawn.
func TestLaVAEThoughtsAreRegressed(t *testing.T) {
	m, _ := shakenLaVAE(nfOptions)
	for _, temp := range temperatures {
		answers := map[string]bool{}
		for p, xs := range m.Sample(prompts(3), 8, Options{Sampling: Sampling{ThoughtTemp: temp.thoughts, Temp: temp.text, MaxTokens: 6, Seed: 2}}) {
			for i, x := range xs {
				at := fmt.Sprintf("T_z %g, T_x %g, prompt %d, sample %d", temp.thoughts, temp.text, p, i)
				w := walk(m.LM, append(slices.Clone(x.Prompt), m.Special.BOT)...)
				for k := range m.Options.K {
					u := m.predict(nil, w.h)
					same(t, at+": thought", x.Thoughts.Row(k), u.Data)
					w.feed(m.project(nil, u))
				}
				words := w.predictAll(drawnTokens(x, m.Special))
				rounding.CheckScalar(t, at+": LogText", x.LogText, float64Sum(words))
				checkEnd(t, at, x, len(words), 6)
				if x.LogThoughts != 0 || x.Positions() != m.Options.K {
					t.Errorf("%s: log p of thoughts %g, %d positions", at, x.LogThoughts, x.Positions())
				}
				answers[fmt.Sprint(p, x.Answer)] = true
			}
		}
		if (len(answers) > 3) != (temp.text > 0) {
			t.Errorf("T_x %g: %d different answers to 3 prompts", temp.text, len(answers))
		}
	}
}

// By hand: a head that does not look predicts its bias, and is as wrong as the codes
// are far from it, in units of the noise.
func TestLaVAELossByHand(t *testing.T) {
	const bias, weight = 0.4, 0.7
	batch, random := examples(4), StepRand{Seed: 1}
	o := nfOptions
	o.MeanWeight, o.LambdaText, o.MLP = weight, 2, 0
	m, _ := shakenLaVAE(o)
	clear(m.head.Data)
	for d := range m.headBias.Data {
		m.headBias.Data[d] = bias
	}
	var want float64
	ofThought := make([]float64, o.K)
	for _, ex := range batch {
		for i, v := range ex.Codes.Data {
			miss := math.Pow(float64(v)-bias, 2) / (2 * o.Noise * o.Noise)
			want += miss / float64(m.Size(batch).Dims)
			ofThought[i/o.D] += miss / float64(len(batch)*o.D)
		}
	}
	loss := m.Loss(nil, batch, m.Size(batch), random)
	tensortest.Likelihood.CheckScalar(t, "mean error", loss.term(t, "mean_error_per_dim"), want)
	tensortest.Likelihood.CheckScalar(t, "total", loss.total(), weight*want+2*loss.term(t, "text_nats_per_token"))
	for k, p := range m.Diagnose(nil, batch, random) {
		if name := fmt.Sprintf("mean_error_thought_%d_per_dim", k+1); p.Name != name {
			t.Errorf("%s, want %s", p.Name, name)
		}
		tensortest.Likelihood.CheckScalar(t, p.Name, p.Value, ofThought[k])
	}
}

// The text loss is minus the log-likelihood, row by row, of the answers after the noisy
// codes that the loss has shown.
func TestLaVAELossIsReplay(t *testing.T) {
	batch, random := examples(6), StepRand{Seed: 5, Step: 7}
	m, _ := shakenLaVAE(nfOptions)
	_, noisy := m.codes(nil, batch, random)
	var text float64
	tokens := 0
	for i, ex := range batch {
		w := walk(m.LM, append(slices.Clone(ex.Prompt), m.Special.BOT)...)
		for k := range m.Options.K {
			w.feed(m.project(nil, rowRange(noisy, i*m.Options.K+k, i*m.Options.K+k+1)))
		}
		words := w.predictAll(append(slices.Clone(ex.Answer), m.Special.EOS))
		text, tokens = text-float64Sum(words), tokens+len(words)
	}
	loss := m.Loss(new(tensor.Tape), batch, m.Size(batch), random)
	rounding.CheckScalar(t, "text", loss.term(t, "text_nats_per_token"), text/float64(tokens))
}
