package cot

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

// temperedText is log p of tokens drawn from softmax(logits/temp), written out in
// float64, row by row.
func temperedText(w *walker, ids []int, temp float64) (sum float64) {
	for i, id := range ids {
		logits := w.lm.Logits(nil, w.h).Data
		total := 0.0
		for _, l := range logits {
			total += math.Exp((float64(l) - float64(logits[id])) / temp)
		}
		sum -= math.Log(total)
		w.predict(id, i == len(ids)-1)
	}
	return sum
}

// temperedThoughts is log p of thoughts drawn as mu + temp·sigma·z, with the z that
// the sampler drew: the density of z, over the factors that stretch it.
func temperedThoughts(m *NFCoT, w *walker, x Sample, i int, temp float64, seed uint64) (sum float64) {
	for k := range m.Options.K {
		logSigma := m.Head.Predict(nil, w.h).LogSigma
		rng := tensor.Rand(seed, "thoughts", append(slices.Clone(x.Prompt), i, k)...)
		for _, l := range logSigma.Data {
			z := rng.NormFloat64()
			sum -= z*z/2 + math.Log(2*math.Pi)/2 + math.Log(temp) + float64(l)
		}
		w.feed(m.project(nil, rowRange(x.Thoughts, k, k+1)))
	}
	return sum
}

// The density that is scored at some temperatures is the one that samples at these
// temperatures are drawn from.
func TestTemperedScoreIsThatOfTheSampler(t *testing.T) {
	const n, seed = 5, 1
	loose := rounding
	loose.Abs = 2e-5 // (u-mu)/sigma of a u rounded to float32
	for _, temp := range []Temperatures{{0.9, 0.6}, {2, 1.5}, {0.5, 1}, {1, 0.8}} {
		o := Options{Sampling: Sampling{ThoughtTemp: temp.Thought, Temp: temp.Text, MaxTokens: 9, Seed: seed}}
		m, _ := shakenNFCoT(nfOptions)
		samples := slices.Concat(m.Sample(prompts(4), n, o)...)
		thoughts, text := m.LogProb(nil, samples, temp)
		for i, x := range samples {
			at := fmt.Sprintf("%+v, sample %d", temp, i)
			w := walk(m.LM, append(slices.Clone(x.Prompt), m.Special.BOT)...)
			loose.CheckScalar(t, at+": thoughts", float64(thoughts.Data[i]), temperedThoughts(m, w, x, i%n, temp.Thought, seed))
			loose.CheckScalar(t, at+": text", float64(text.Data[i]), temperedText(w, drawnTokens(x, m.Special), temp.Text))
		}
		for _, chain := range []bool{false, true} {
			m, _ := shakenText(chain)
			samples := slices.Concat(m.Sample(prompts(4), n, o)...)
			_, text := m.LogProb(nil, samples, temp)
			for i, x := range samples {
				w := walk(m.LM, append(slices.Clone(x.Prompt), map[bool]int{false: special.Ans, true: special.CoT}[chain])...)
				loose.CheckScalar(t, fmt.Sprintf("%+v, chain %v, sample %d", temp, chain, i), float64(text.Data[i]), temperedText(w, drawnTokens(x, m.Special), temp.Text))
			}
		}
	}
}

// So it is with a mixture: the weights of its components are tempered too.
func TestTemperedScoreOfMixture(t *testing.T) {
	o := nfOptions
	o.Components = 3
	m, _ := shakenNFCoT(o)
	for _, temp := range []float64{0.4, 0.9, 2} {
		samples := slices.Concat(m.Sample(prompts(3), 3, Options{Sampling: Sampling{ThoughtTemp: temp, Temp: 1, MaxTokens: 4, Seed: 1}})...)
		thoughts, _ := m.LogProb(nil, samples, Temperatures{temp, 1})
		for i, x := range samples {
			w := walk(m.LM, append(slices.Clone(x.Prompt), m.Special.BOT)...)
			want := 0.0
			for k := range o.K {
				next, u := m.Head.Predict(nil, w.h), rowRange(x.Thoughts, k, k+1)
				var mass, weights float64
				for c, logit := range next.Logits.Data {
					weight := math.Exp(float64(logit) / temp)
					weights += weight
					for d, v := range u.Data {
						sigma := temp * math.Exp(float64(next.LogSigma.Data[d]))
						z := float64(v-next.Mu.Data[d]-next.Delta.Data[c*o.D+d]) / sigma
						weight *= math.Exp(-z*z/2) / (sigma * math.Sqrt(2*math.Pi))
					}
					mass += weight
				}
				want += math.Log(mass / weights)
				w.feed(m.project(nil, u))
			}
			tensortest.Likelihood.CheckScalar(t, fmt.Sprintf("T_z %g, sample %d", temp, i), float64(thoughts.Data[i]), want)
		}
	}
}

// With FreezeSigma the score is the same, and moves means alone.
func TestFreezeSigma(t *testing.T) {
	m, p := shakenNFCoT(nfOptions)
	samples := slices.Concat(m.Sample(prompts(3), 2, Options{Sampling: Sampling{ThoughtTemp: 0.9, Temp: 0.6, MaxTokens: 5}})...)
	temp := Temperatures{0.9, 0.6}
	free, _ := m.LogProb(nil, samples, temp)
	m.FreezeSigma = true
	held, _ := m.LogProb(nil, samples, temp)
	same(t, "score", held.Data, free.Data)
	gradients(p, func(t *tensor.Tape) *tensor.Tensor {
		thoughts, _ := m.LogProb(t, samples, temp)
		return t.Sum(thoughts)
	})
	for q := range p.All() {
		if q.Name != "nf_head.bias" {
			continue
		}
		for i, g := range q.Grad {
			if moves := i < m.Options.D; (g != 0) != moves {
				t.Errorf("bias %d of the head, the first %d of which are of the mean, has gradient %g", i, m.Options.D, g)
			}
		}
	}
}
