package cot

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"

	"nfcot/internal/tensor"
)

// Truncation keeps the tokens that its definition, by sorting, keeps, and draws them
// with their probabilities divided by their sum. The log-probability stays that of
// all tokens.
func TestTruncation(t *testing.T) {
	const n = 20000
	p := []float64{0.2, 0.05, 0.3, 0.2, 0.1, 0.15} // in order: 2, 0, 3, 5, 4, 1
	logits := make([]float32, len(p))
	for i := range p {
		logits[i] = float32(math.Log(p[i]))
	}
	for _, c := range []struct {
		Truncation
		kept []int
	}{
		{Truncation{TopK: 1}, []int{2}},
		{Truncation{TopK: 2}, []int{0, 2}}, // of 0 and 3, equally likely, the first
		{Truncation{TopK: 3}, []int{0, 2, 3}},
		{Truncation{TopK: 100}, []int{0, 1, 2, 3, 4, 5}},
		{Truncation{TopP: 1e-9}, []int{2}},
		{Truncation{TopP: 0.49}, []int{0, 2}},
		{Truncation{TopP: 0.51}, []int{0, 2, 3}}, // the token that reaches it is kept
		{Truncation{TopP: 0.9}, []int{0, 2, 3, 4, 5}},
		{Truncation{TopP: 1}, []int{0, 1, 2, 3, 4, 5}},
		{Truncation{MinP: 0.6}, []int{0, 2, 3}}, // at least 0.18
		{Truncation{MinP: 0.4}, []int{0, 2, 3, 5}},
		{Truncation{MinP: 1}, []int{2}},
		{Truncation{TopK: 3, TopP: 0.69}, []int{0, 2}}, // 0.69 of 0.7 is 0.483
		{Truncation{TopK: 3, TopP: 0.75}, []int{0, 2, 3}},
		{Truncation{TopP: 0.85, MinP: 0.6}, []int{0, 2, 3}},
		{Truncation{TopK: 2, TopP: 0.99, MinP: 0.1}, []int{0, 2}},
		{Truncation{TopK: 4, TopP: 0.7, MinP: 0.6}, []int{0, 2, 3}}, // 0.7 of 0.85, not of what min-p leaves
	} {
		t.Run(fmt.Sprintf("%+v", c.Truncation), func(t *testing.T) {
			rng, d, counts := tensor.Rand(1, "words"), new(tokenSampler), make([]float64, len(p))
			for range n {
				id, logp := d.draw(logits, &Options{Sampling: Sampling{Temp: 1, Truncation: c.Truncation}}, rng)
				counts[id]++
				rounding.CheckScalar(t, "log-probability", logp, math.Log(p[id]))
			}
			var mass float64
			for _, id := range c.kept {
				mass += p[id]
			}
			for id := range p {
				want := 0.0
				if slices.Contains(c.kept, id) {
					want = p[id] / mass
				}
				if math.Abs(counts[id]-n*want) > 5*math.Sqrt(n*want*(1-want)) {
					t.Errorf("token %d drawn %g times of %d, want about %g", id, counts[id], n, n*want)
				}
			}
		})
	}
}

// Truncation is of the tempered distribution: heat lets more tokens into a nucleus.
func TestTruncationComesAfterTemperature(t *testing.T) {
	logits := []float32{3, 2, 1, 0}
	drawn := func(temp float64) int {
		rng, d, seen := tensor.Rand(1, "words"), new(tokenSampler), map[int]bool{}
		for range 2000 {
			id, _ := d.draw(logits, &Options{Sampling: Sampling{Temp: temp, Truncation: Truncation{TopP: 0.8}}}, rng)
			seen[id] = true
		}
		return len(seen)
	}
	if cold, plain, hot := drawn(0.5), drawn(1), drawn(100); cold != 1 || plain != 2 || hot != 4 {
		t.Errorf("top-p 0.8 keeps %d, %d and %d tokens at temperatures 0.5, 1 and 100; want 1, 2 and 4", cold, plain, hot)
	}
}

// Of equal numbers the first counts, and what is not a number does not.
func TestArgmax(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		x    []float32
		want int
	}{
		{[]float32{1, 3, 2, 3}, 1},
		{[]float32{nan, -2, -1}, 2},
		{[]float32{-3, nan, -3, nan}, 0},
		{[]float32{0, 1, inf, inf}, 2},
		{[]float32{nan, nan}, 0},
		{append(make([]float32, 40), 1, 1), 40},
	} {
		if got := argmax(c.x); got != c.want {
			t.Errorf("%v: %d, want %d", c.x, got, c.want)
		}
	}
}

// A ranking is a stable sort, however much of it is asked for.
func TestRanking(t *testing.T) {
	rng := tensor.Rand(1, "ranking")
	var r ranking
	for _, n := range []int{1, 2, 3, 10, 97, 1000} {
		p := make([]float32, n)
		want := make([]int, n)
		for i := range p {
			p[i], want[i] = float32(rng.IntN(n/2+1)), i
			if i%3 == 0 {
				p[i] *= 1e-20
			}
		}
		slices.SortStableFunc(want, func(a, b int) int { return cmp.Compare(p[b], p[a]) })
		for _, first := range []int{n / 2, n - 1, 0} {
			r.begin(p, max(slices.Max(p), 1))
			for i := first; i >= 0; i-- {
				if got := r.at(i); got != want[i] {
					t.Fatalf("%d tokens: rank %d has token %d, want %d", n, i, got, want[i])
				}
			}
		}
	}
}

// Scoring gives truncated and penalised samples the log-probabilities that they were drawn with.
func TestTruncatedSamplesScore(t *testing.T) {
	for name, m := range scorers() {
		o := Options{Sampling: Sampling{ThoughtTemp: 1, Temp: 0.8, MaxTokens: 9, Truncation: Truncation{TopK: 5, TopP: 0.9}, RepeatPenalty: 1.3}}
		samples := slices.Concat(m.Sample(prompts(4), 4, o)...)
		_, text := m.LogProb(nil, samples, untempered)
		for i, x := range samples {
			if math.Abs(x.LogText-float64(text.Data[i])) > 1e-4*(1+math.Abs(x.LogText)) {
				t.Errorf("%s: sample %d: log p(text) is %g when drawn and %g when scored", name, i, x.LogText, text.Data[i])
			}
		}
	}
}

// The penalty takes positive logits down and negative ones further down, once for
// however many times a token was drawn, before the temperature; the log-probability
// stays that of the logits as they are.
func TestRepeatPenalty(t *testing.T) {
	const n = 20000
	logits := []float32{2, 1, -1, 0.5}
	past := [][]int{{0, 0}, nil, {2, 0}}
	penalised := []float64{2 / 1.6, 1, -1 * 1.6, 0.5}
	const temp = 0.7
	var z, plain float64
	for i, l := range penalised {
		z += math.Exp(l / temp)
		plain += math.Exp(float64(logits[i]))
	}
	o := Options{Sampling: Sampling{Temp: temp, RepeatPenalty: 1.6}}
	rng, d, counts := tensor.Rand(1, "words"), new(tokenSampler), make([]float64, len(logits))
	for range n {
		id, logp := d.draw(logits, &o, rng, past...)
		counts[id]++
		rounding.CheckScalar(t, "log-probability", logp, float64(logits[id])-math.Log(plain))
	}
	for id, l := range penalised {
		p := math.Exp(l/temp) / z
		if math.Abs(counts[id]-n*p) > 5*math.Sqrt(n*p*(1-p)) {
			t.Errorf("token %d drawn %g times of %d, want about %g", id, counts[id], n, n*p)
		}
	}
	if id, _ := d.draw(logits, &Options{Sampling: Sampling{RepeatPenalty: 3}}, rng, past...); id != 1 {
		t.Errorf("at T_x 0 token %d, want 1, the likeliest that was not drawn", id)
	}
}

// Everything of the prompt and of what a sample has so far is penalised: at temperature 0
// a great penalty lets nothing be drawn twice while anything else has a positive logit.
func TestRepeatPenaltyKnowsThePast(t *testing.T) {
	m := bareText()
	m.Special.EOS, m.Special.MoreEOS = -1, nil // is never drawn
	repeats := func(penalty float64) int {
		n := 0
		for _, x := range slices.Concat(m.Sample(prompts(9), 1, Options{Sampling: Sampling{MaxTokens: 4, RepeatPenalty: penalty}})...) {
			all := append(slices.Clone(x.Prompt), x.Answer...)
			for i := len(x.Prompt); i < len(all); i++ {
				if slices.Contains(all[:i], all[i]) {
					n++
				}
			}
		}
		return n
	}
	if plain, penalised := repeats(0), repeats(1e6); plain < 3 || penalised != 0 {
		t.Errorf("%d tokens of 36 are repeated without a penalty, %d with a great one; want some and none", plain, penalised)
	}
}

// A model that says NaN draws as it does without truncation.
func TestTruncationOfNaN(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []Truncation{{}, {TopK: 1}, {TopP: 0.5}, {MinP: 0.1}} {
		if id, _ := new(tokenSampler).draw([]float32{nan, nan, 1}, &Options{Sampling: Sampling{Temp: 1, Truncation: c}}, tensor.Rand(1, "words")); id != 2 {
			t.Errorf("%+v: token %d, want 2", c, id)
		}
	}
}
