package cot

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
	"nfcot/internal/tensor/tensortest"
)

func soft(gumbel bool) *Soft {
	m, _ := shakenText(true)
	return &Soft{LM: m.LM, Special: special, Gumbel: gumbel}
}

// probabilities are softmax(logits/temp) in float64.
func probabilities(logits []float32, temp float64) []float64 {
	p, sum := make([]float64, len(logits)), 0.0
	for i, l := range logits {
		p[i] = math.Exp(float64(l) / temp)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// Row by row: what is fed back while thinking is the mean embedding under the
// probabilities, until the likeliest token ends the chain; the answer is drawn, token by
// token, and its likelihood is that after this thinking.
func TestReplaySoft(t *testing.T) {
	m := soft(false)
	const most = 12
	near := tensortest.Tolerance{Rel: 1e-5, Abs: 1e-5}
	thought, cut := 0, 0
	for _, temp := range []float64{1, 0.6, 2, 0} {
		for p, xs := range m.Sample(prompts(12), 3, Options{Sampling: Sampling{Temp: temp, MaxTokens: most, Seed: 1}}) {
			for i, x := range xs {
				at := fmt.Sprintf("T_x %g, prompt %d, sample %d", temp, p, i)
				w := walk(m.LM, append(slices.Clone(x.Prompt), special.CoT)...)
				var chain []int
				last := -1
				for len(chain) < most {
					logits := m.LM.Logits(nil, w.h)
					if last = argmax(logits.Data); last == special.Ans || last == special.EOS {
						break
					}
					chain = append(chain, last)
					shares := make([]float64, logits.Cols())
					shares[last] = 1
					if temp > 0 {
						shares = probabilities(logits.Data, temp)
					}
					mixture := tensor.New(1, m.LM.Hidden)
					for id, share := range shares {
						for d, v := range m.LM.Embed(nil, []int{id}).Data {
							mixture.Data[d] += float32(share * float64(v))
						}
					}
					w.feed(mixture)
				}
				sameInts(t, at+": chain", x.Chain, chain)
				if x.ChainClosed != (last == special.Ans) {
					t.Errorf("%s: the chain came to its end: %v, the last token is %d", at, x.ChainClosed, last)
				}
				if x.Positions() != len(chain) || x.Thoughts != nil || x.LogThoughts != 0 {
					t.Errorf("%s: %d positions, want %d", at, x.Positions(), len(chain))
				}
				if !x.ChainClosed {
					cut++
					if len(x.Answer) > 0 || x.LogText != 0 || x.AnswerCost.FLOPs != 0 {
						t.Errorf("%s: an answer %v without an end of the chain", at, x.Answer)
					}
					continue
				}
				thought++
				answer := slices.Clone(x.Answer)
				if x.Finished {
					answer = append(answer, special.EOS)
				}
				if len(answer) > 0 {
					w.feed(m.LM.Embed(nil, []int{special.Ans}))
				}
				near.CheckScalar(t, at+": LogText", x.LogText, float64Sum(w.predictAll(answer)))
				checkEnd(t, at, x, len(chain)+1+len(answer), most)
			}
		}
	}
	if thought < 5 || cut < 5 {
		t.Errorf("%d chains ended and %d did not: want both kinds", thought, cut)
	}
}

// At T_z 0 Gumbel noise draws tokens with their probabilities, and what is fed back are
// these tokens: words like any other.
func TestGumbelAtZeroDrawsTokens(t *testing.T) {
	m := soft(true)
	const n, temp = 3000, 0.8
	q := prompts(1)
	text := &Text{LM: m.LM, Special: special, Chain: true}
	logits := m.LM.Logits(nil, walk(m.LM, append(slices.Clone(q[0]), special.CoT)...).h)
	counts := make([]float64, logits.Cols())
	for _, x := range m.Sample(q, n, Options{Sampling: Sampling{Temp: temp, MaxTokens: 4, Seed: 6}})[0] {
		words := replayText(text, x)
		rounding.CheckScalar(t, "LogText", x.LogText, float64Sum(words[min(len(words), len(x.Chain)+1):]))
		counts[drawnTokens(x, special)[0]]++
	}
	for id, p := range probabilities(logits.Data, temp) {
		if math.Abs(counts[id]-n*p) > 5*math.Sqrt(n*p*(1-p)) {
			t.Errorf("token %d drawn %g times of %d, want about %g", id, counts[id], n, n*p)
		}
	}
}

// What a mixture is made of, by hand.
func TestMixtures(t *testing.T) {
	logits := []float32{1, 2, 0, -40, 2.5}
	mixture := func(gumbel bool, o Options) ([]float64, int) {
		s := &sequence{tokenRNG: tensor.Rand(1, "words")}
		top := (&Soft{Gumbel: gumbel}).think(new(tokenSampler), logits, s, &o)
		shares := make([]float64, len(logits))
		for _, part := range s.mixture {
			shares[part.id] = float64(part.weight)
		}
		return shares, top
	}
	check := func(what string, got, want []float64) {
		t.Helper()
		for i := range want {
			rounding.CheckScalar(t, fmt.Sprintf("%s, token %d", what, i), got[i], want[i])
		}
	}
	got, top := mixture(false, Options{Sampling: Sampling{Temp: 0.7}})
	want := probabilities(logits, 0.7)
	want[3] = 0 // too little to make a difference
	check("plain", got, want)
	if top != 4 {
		t.Errorf("the likeliest is %d", top)
	}
	got, _ = mixture(false, Options{Sampling: Sampling{Temp: 0.7, Truncation: Truncation{TopK: 2}}})
	both := want[1] + want[4]
	check("the two likeliest", got, []float64{0, want[1] / both, 0, 0, want[4] / both})
	got, _ = mixture(false, Options{})
	check("at T_x 0", got, []float64{0, 0, 0, 0, 1})

	noise := tensor.Rand(1, "words")
	perturbed := make([]float32, len(logits))
	for i, p := range probabilities(logits, 0.7) {
		perturbed[i] = float32(math.Log(p) - math.Log(-math.Log(noise.Float64())))
	}
	got, top = mixture(true, Options{Sampling: Sampling{Temp: 0.7, ThoughtTemp: 0.4}})
	near := tensortest.Tolerance{Rel: 1e-5, Abs: 1e-6}
	for i, p := range probabilities(perturbed, 0.4) {
		near.CheckScalar(t, fmt.Sprintf("Gumbel, token %d", i), got[i], p)
	}
	if top != argmax(perturbed) {
		t.Errorf("the greatest share is that of %d, not of %d", argmax(perturbed), top)
	}
}
